"""Questions with several right options, tags that hold answers, and the tables of languages."""

import re
import tomllib
from importlib.resources import files

import pytest

from alm_bench.parsing import parse_choice, parse_choices
from alm_bench.parsing.languages import get_cues, load_languages

KINDS = ("Rain", "Thunder", "Wind", "Hail")


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("A, C", (0, 2)),
        ("A and C", (0, 2)),
        ("C, A", (0, 2)),
        ("(A) and (C)", (0, 2)),
        ("AC", (0, 2)),
        ("- Rain\n- Wind", (0, 2)),
        ("The answers are:\n* Rain\n* Wind", (0, 2)),
        ('["Rain", "Wind"]', (0, 2)),
        ('["A", "C"]', (0, 2)),
        ('{"answer": ["A", "C"]}', (0, 2)),
        ("The correct answers are (A) Rain and (C) Wind.", (0, 2)),
        ("Answer: A, C", (0, 2)),
        ("<answer>A, C</answer>", (0, 2)),
        ("Rain and wind", (0, 2)),
        ("I hear rain and wind but no thunder.", (0, 2)),
        ("Rain, not wind", (0,)),
        ("B", (1,)),
        ("Rain, thunder, wind and hail", (0, 1, 2, 3)),
    ],
)
def test_sets_of_options(text: str, indices: tuple[int, ...]) -> None:
    parsed = parse_choices(text, KINDS)
    assert (parsed.status, parsed.indices, parsed.index) == ("ok", indices, None)
    assert parsed.value == ", ".join(KINDS[index] for index in indices)


@pytest.mark.parametrize("text", ["A, C", "A and C", "Rain and wind", '["Rain", "Wind"]', "- Rain\n- Wind"])
def test_several_select_none_where_one_is_asked_for(text: str) -> None:
    assert parse_choice(text, KINDS).index is None


@pytest.mark.parametrize(
    ("text", "status"),
    [("", "empty"), ("None of the above", "refused"), ("I cannot tell.", "refused"), ("<think>A", "truncated")],
)
def test_sets_that_are_not_stated(text: str, status: str) -> None:
    parsed = parse_choices(text, KINDS)
    assert (parsed.status, parsed.indices) == (status, None)


def test_a_caller_may_name_a_tag_of_its_own() -> None:
    text = "Rain is loud here. <bet>C</bet> Hail is loud too. I wonder whether the hail may go on for a while."
    assert parse_choice(text, KINDS).index is None
    assert parse_choice(text, KINDS, ("bet",)).index == 2
    assert parse_choice(text.replace("bet", "my_Bet"), KINDS, ("my bet",)).index == 2


def test_a_tag_that_is_declared_to_hold_the_answer_holds_no_reasoning() -> None:
    text = "<summary>C</summary>"
    assert parse_choice(f"<answer>A</answer>{text}", KINDS).index == 0
    assert parse_choice(f"<answer>A</answer>{text}", KINDS, ("summary",)).index == 2


KEYS = set(
    re.findall(r"^\| `?\[?([a-z_`, ]+)", files("alm_bench.parsing.languages").joinpath("README.md").read_text(), re.M)
)
KNOWN = {name for names in KEYS for name in re.findall(r"[a-z_]+", names)}


def test_every_language_table_is_documented_and_compiles() -> None:
    for entry in files("alm_bench.parsing.languages").iterdir():
        if entry.name.endswith(".toml"):
            table = tomllib.loads(entry.read_text(encoding="utf-8"))
            assert {"name", "script", "signs", "spaced", "articles"} <= set(table), entry.name
            assert set(table) <= KNOWN, (entry.name, set(table) - KNOWN)
            loaded = get_cues((entry.name.removesuffix(".toml"),))
            for key in load_languages()[entry.name.removesuffix(".toml")].phrases:
                assert loaded.compile_pattern(f"@{key}").search("§") is None, (entry.name, key)
    names = {language.name for language in load_languages().values()}
    assert {"Chinese", "Japanese", "Korean", "German", "French", "Spanish", "Portuguese", "Italian"} <= names
    assert {"Russian", "Arabic", "Hindi", "Indonesian", "English"} <= names
