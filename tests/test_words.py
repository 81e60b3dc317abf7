"""Words of the project's own are kept out of what users read: help texts, the README, the documentation.

The glossary is in CONTRIBUTING.md. docs/changes.md, which maps old names to new ones, may use them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from small_world import alm

from alm_bench.cli.app import app

ROOT = Path(__file__).resolve().parents[1]

OLD_WORDS = {
    r"blind rows?": "text-only baseline",
    r"over the best blind|not above blind|above blind": "margin over the best text-only baseline; n.s.",
    r"hears? nothing|heard nothing": "text-only",
    r"beyond text": "not solvable from text",
    r"unanswered as chance": "chance-imputed",
    r"right in every order": "circular",
    r"golds": "share of correct answers",
    r"where none": "[default: ...]",
    r"read by": "parsed by",
    r"go(?:es|ing)? on from|gone on with|goes on where": "resumes",
    r"twins?": "duplicate options; text-only baseline",
    r"dice": "per-item random generator",
    r"misread(?:ing)?s?": "parsing error",
    r"proof of delivery": "audio-delivery check",
}
PATTERN = re.compile("|".join(rf"\b(?:{word})\b" for word in OLD_WORDS).replace(" ", r"\s+"), re.IGNORECASE)

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "tasks/*/README.md", "results/README.md", "benchmarks/README.md")
    for path in ROOT.glob(pattern)
    if path.name != "changes.md"
)


def list_commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield a command and all below it, each with its full name."""
    yield name, command
    for child, below in getattr(command, "commands", {}).items():
        yield from list_commands(below, f"{name} {child}")


COMMANDS = dict(list_commands(typer.main.get_command(app), "alm-bench"))


def find_old_words(text: str) -> list[str]:
    return [match.group() for match in PATTERN.finditer(text)]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_use_terms_of_the_field(name: str) -> None:
    command = COMMANDS[name]
    texts = [command.help or "", *(getattr(parameter, "help", None) or "" for parameter in command.params)]
    assert any(texts)
    assert not find_old_words("\n".join(texts))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text(name: str) -> None:
    shown = [parameter for parameter in COMMANDS[name].params if not getattr(parameter, "hidden", False)]
    assert not [parameter.name for parameter in shown if not getattr(parameter, "help", None)]


@pytest.mark.parametrize("name", COMMANDS)
def test_values_and_arguments_are_named_and_not_typed(name: str) -> None:
    """`--limit N`, `RUN...`: not `--limit <int range>`, `{RUN} <list[str]>`."""
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "argument" or not parameter.is_flag:
            assert parameter.metavar, parameter.name
    text = alm(*name.split()[1:], "--help").out
    assert text.startswith(f"Usage: {name} ")
    assert not re.findall(r"<(?!verdict>)[a-z][^>]*>|[{}]|RANGE", text)


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if hasattr(command, "commands")])
def test_the_line_of_each_command_is_whole(name: str) -> None:
    assert "..." not in alm(*name.split()[1:], "--help").out.partition("Commands:")[2]


@pytest.mark.parametrize("page", PAGES)
def test_documentation_uses_terms_of_the_field(page: str) -> None:
    assert not find_old_words((ROOT / page).read_text(encoding="utf-8"))


def test_old_words_are_reported_across_lines_and_not_within_words() -> None:
    assert find_old_words("The best blind\nrow, a twin with dice") == ["blind\nrow", "twin", "dice"]
    assert find_old_words("intertwined, indices, blindly, rows") == []


PLAIN = ("adapters", *(f"alm_bench/{name}" for name in ("audio", "core", "data", "demo", "mellow", "train")))
"""Packages whose names and docstrings these tests hold."""
NOT_YET = ("alm_bench/train/loop.py", "alm_bench/train/batches.py", "alm_bench/train/objectives")
SOURCES = [
    path.relative_to(ROOT).as_posix()
    for package in PLAIN
    for path in sorted((ROOT / package).rglob("*.py"))
    if not path.relative_to(ROOT).as_posix().startswith(NOT_YET)
]

SUBORDINATE = re.compile(r"(?:What|Whether|Of|How|Where|Which|Who|With|By)\b(?! default\b)")
"""Beginnings of a docstring that neither command nor name a thing."""

PARTICIPLES = frozenset(
    [
        "asked",
        "found",
        "had",
        "heard",
        "kept",
        "learned",
        "lettered",
        "made",
        "noted",
        "said",
        "scored",
        "shipped",
        "shown",
        "told",
    ]
)
"""Words that, alone, are no name of a function."""

Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def find_definitions(source: str) -> Iterator[Defined]:
    yield from (node for node in ast.walk(ast.parse(source)) if isinstance(node, Defined))


def find_subordinate_docstrings(source: str) -> list[str]:
    nodes = [ast.parse(source), *find_definitions(source)]
    return [text for node in nodes if (text := ast.get_docstring(node)) and SUBORDINATE.match(text)]


def find_participles(source: str) -> list[str]:
    functions = (node for node in find_definitions(source) if not isinstance(node, ast.ClassDef))
    return [node.name for node in functions if node.name.strip("_") in PARTICIPLES]


def find_undocumented_fields(source: str) -> list[str]:
    """Return the public fields of public dataclasses that have no docstring below them."""
    missing = []
    for node in find_definitions(source):
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        if not any("dataclass" in ast.dump(decorator) for decorator in node.decorator_list):
            continue
        for field, below in zip(node.body, [*node.body[1:], None], strict=True):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if not field.target.id.startswith("_") and not isinstance(below, ast.Expr):
                missing.append(f"{node.name}.{field.target.id}")
    return missing


@pytest.mark.parametrize("path", SOURCES)
def test_docstrings_and_names_are_plain(path: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert not find_subordinate_docstrings(source)
    assert not find_participles(source)
    assert not find_undocumented_fields(source)


def test_subordinate_docstrings_participles_and_bare_fields_are_reported() -> None:
    source = '"""What it is."""\n'
    source += '@dataclass\nclass A:\n    """A."""\n    x: int\n    """Number."""\n    y: int\n    _z: int\n'
    source += 'def _told() -> None:\n    """Whether it was."""\ndef tell() -> None:\n    """Whatever."""\n'
    assert find_subordinate_docstrings(source) == ["What it is.", "Whether it was."]
    assert find_participles(source) == ["_told"]
    assert find_undocumented_fields(source) == ["A.y"]
