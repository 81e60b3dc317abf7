"""Options from the command line: types, one-line refusals, and names closest first."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from alm_bench.core import NoOptions, UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.core.files import compute_sha256, write_atomically
from alm_bench.core.options import PluginOption, fill_options, split_pair
from alm_bench.core.prompt import PromptTemplate


@dataclass(frozen=True)
class Options:
    path: Path
    rate: int = 16_000
    gain: float = 1.0
    loud: bool = False
    seconds: float | None = 10.0
    mode: Literal["a", "b"] = "a"
    crop: Literal["first", "last"] | None = None
    name: str = "x"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("path", "a=b c", Path("a=b c")),
        ("path", "~/x", Path.home() / "x"),
        ("rate", "8000", 8000),
        ("gain", "2", 2.0),
        ("gain", "1e-3", 0.001),
        ("loud", "true", True),
        ("loud", "ON", True),
        ("loud", "0", False),
        ("seconds", "none", None),
        ("seconds", "2.5", 2.5),
        ("mode", "b", "b"),
        ("crop", "none", None),
        ("crop", "last", "last"),
        ("name", "none", "none"),
        ("name", "", ""),
    ],
)
def test_values(key: str, text: str, value: Any) -> None:
    found = getattr(fill_options(Options, {"path": "p", key: text}, "model m"), key)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"path": "p", "rat": "1"}, r"^model m has no option 'rat'; known: rate, "),
        ({"path": "p", "rate": "1.5"}, r"^model m: option rate takes a whole number, found '1\.5'$"),
        ({"path": "p", "rate": "none"}, r"option rate takes a whole number, found 'none'$"),
        ({"path": "p", "gain": "loud"}, r"option gain takes a number, found 'loud'$"),
        ({"path": "p", "loud": "maybe"}, r"option loud takes true or false, found 'maybe'$"),
        ({"path": "p", "mode": "c"}, r"option mode takes one of a, b, found 'c'$"),
        ({"path": "p", "crop": "mid"}, r"option crop takes one of first, last, found 'mid'$"),
        ({}, r"^model m needs the option path=\.\.\., none was given$"),
    ],
)
def test_refusals(pairs: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fill_options(Options, pairs, "model m")


def test_no_options_at_all() -> None:
    assert fill_options(NoOptions, {}, "task t") == NoOptions()
    with pytest.raises(UsageError, match=r"^task t has no option 'x'; known: none$"):
        fill_options(NoOptions, {"x": "1"}, "task t")


@dataclass(frozen=True)
class Composed:
    """Options that name other plug-ins."""

    first: PluginOption
    second: PluginOption = field(default_factory=lambda: PluginOption("text", {"path": "default"}))
    plain: str = "x"


def test_a_plug_in_that_is_named_has_options_of_its_own() -> None:
    pairs = {"first": "./file.py:Class", "first.a": "1", "first.inner.b": "x=y", "second.path": "other"}
    found = fill_options(Composed, pairs, "model m")
    assert found.first == PluginOption("./file.py:Class", {"a": "1", "inner.b": "x=y"})
    assert found.second == PluginOption("text", {"path": "other"}), "the default's name with options of one's own"
    assert fill_options(Composed, {"first": "a", "second": "b"}, "model m").second == PluginOption("b")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"first": "a", "plain.x": "1"}, r"^model m has no option 'plain\.x'; known: plain, "),
        ({"first": "a", "third.x": "1"}, r"^model m has no option 'third\.x'; known: "),
        ({"first": "a", "first.": "1"}, r"^model m has no option 'first\.'; known: first, "),
        ({"first.x": "1"}, r"^model m needs the option first=\.\.\., none was given$"),
    ],
)
def test_options_of_what_is_not_named(pairs: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fill_options(Composed, pairs, "model m")


@pytest.mark.parametrize(("pair", "found"), [("a=b", ("a", "b")), ("a=", ("a", "")), (" a =b=c", ("a", "b=c"))])
def test_pairs(pair: str, found: tuple[str, str]) -> None:
    assert split_pair(pair, "--x") == found


@pytest.mark.parametrize("pair", ["a", "=b", ""])
def test_no_pairs(pair: str) -> None:
    with pytest.raises(UsageError, match=r"^--x takes key=value, found "):
        split_pair(pair, "--x")


def test_known_names_are_sorted_by_likeness_and_cut() -> None:
    assert format_similar_names("mellwo", ["replay", "blind", "mellow", "mellow"]).split(", ")[0] == "mellow"
    assert format_similar_names("item1", [f"item{i}" for i in range(30)], limit=3).endswith(", ... (30 in all)")
    assert format_similar_names("x", []) == ""


def test_a_written_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a/b.json"
    write_atomically(target, "é")
    assert target.read_bytes() == "é".encode()
    assert compute_sha256(target) == "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"

    def replace(self: Path, other: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(target, "new")
    assert [path.name for path in target.parent.iterdir()] == ["b.json"]
    assert target.read_text() == "é"


def test_a_prompts_hash_follows_all_that_changes_it() -> None:
    base = PromptTemplate("t/x", 1, "{question} {options}")
    assert base.render({"question": "Who?"}, ["A dog", "A cat"]) == "Who? a) A dog b) A cat"
    assert PromptTemplate("t/x", 1, "{question}", lowercase=True).render({"question": "WHO {x}?"}) == "who {x}?"
    others = [
        PromptTemplate("t/y", 1, base.template),
        PromptTemplate("t/x", 2, base.template),
        PromptTemplate("t/x", 1, base.template + "."),
        PromptTemplate("t/x", 1, base.template, option="{text}"),
        PromptTemplate("t/x", 1, base.template, join="\n"),
        PromptTemplate("t/x", 1, base.template, lowercase=True),
    ]
    assert len({base.hash, *(other.hash for other in others)}) == 7
    assert len(base.hash) == 12
