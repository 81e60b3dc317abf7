"""Words of the project's own are kept out of what users read: help texts, the README, the documentation.

The glossary is in CONTRIBUTING.md. docs/changes.md, which maps old names to new ones, may use them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

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


@pytest.mark.parametrize("page", PAGES)
def test_documentation_uses_terms_of_the_field(page: str) -> None:
    assert not find_old_words((ROOT / page).read_text(encoding="utf-8"))


def test_old_words_are_reported_across_lines_and_not_within_words() -> None:
    assert find_old_words("The best blind\nrow, a twin with dice") == ["blind\nrow", "twin", "dice"]
    assert find_old_words("intertwined, indices, blindly, rows") == []
