"""Outputs in the styles of many models: invented ones, real ones of other systems, and chains of thought."""

import json
from pathlib import Path
from typing import Any

import pytest
from answer_endings import chain_texts
from invented import INVENTED

from alm_bench.parsing import parse_choice


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def is_same(choices: list[str], index: int | None, label: int | None) -> bool:
    if index is None or label is None:
        return index is label
    return choices[index].casefold() == choices[label].casefold()


@pytest.mark.parametrize(("kind", "text", "choices", "want"), INVENTED, ids=lambda value: None)
def test_invented_outputs(kind: str, text: str, choices: tuple[str, ...], want: int | None) -> None:
    parsed = parse_choice(text, choices)
    assert (kind, parsed.index) == (kind, want), parsed
    if parsed.span is not None:
        assert 0 <= parsed.span[0] < parsed.span[1] <= len(text)


def test_real_outputs_of_other_systems(shared: Path) -> None:
    rows = read_rows(shared / "data/mcq/real_dev.jsonl")
    agreed = []
    for row in rows:
        index = parse_choice(row["output"], row["choices"]).index
        agreed.append((row, any(is_same(row["choices"], index, label) for label in row["labels"])))
    clear = [(row, same) for row, same in agreed if not row["ambiguous"]]
    hard = [same for row, same in clear if "otherwise" in row["drawn"]]
    assert (len(agreed), len(clear)) == (343, 326)
    assert sum(same for _, same in clear) / len(clear) >= 0.98
    assert sum(same for _, same in agreed) / len(agreed) >= 0.95
    assert sum(hard) / len(hard) >= 0.93


def test_invented_cases_of_the_kinds_that_were_met(shared: Path) -> None:
    rows = [row for row in read_rows(shared / "data/mcq/cases.jsonl") if row["form"] == "choice"]
    right = [is_same(row["choices"], parse_choice(row["text"], row["choices"]).index, row["want"]) for row in rows]
    assert sum(right) / len(right) >= 0.97


def test_chains_of_thought_with_an_answer_at_the_end(shared: Path) -> None:
    right: dict[str, list[bool]] = {}
    for number, row in enumerate(read_rows(shared / "data/mcq/chains_dev.jsonl")):
        if number % 5:
            continue
        for name, text, stated in chain_texts(row["chain"], row["choices"], row["answer"], step=5):
            index = parse_choice(text, row["choices"]).index
            assert index is None or is_same(row["choices"], index, stated), (name, text[-80:], index)
            right.setdefault(name, []).append(index is not None)
    assert {name: sum(read) / len(read) for name, read in right.items() if sum(read) < 0.99 * len(read)} == {}


CHAIN = (
    "The rumble after the flash is long and low, and nothing in the clip sounds like drops of rain or like gusts. The "
    "crack at four seconds is sharp, and the echo from the hills is soft"
)
KINDS = ("Rain", "Thunder", "Wind", "Hail")


@pytest.mark.parametrize("letter", "ABCD")
@pytest.mark.parametrize(
    "ending",
    [
        ". Answer: {}",
        ". The correct answer is ({}).",
        ". \\boxed{{{}}}",
        ".\n<answer>{}</answer>",
        ".\n<Conclusion>{}</Conclusion>",
        ".\n\n{}",
        ".\n\n**{}**",
        ".\n\n({})\n",
        ". Therefore, option ({}) best matches.",
        ".\n\n### Conclusion\n{}",
        ".</think>{}",
    ],
)
def test_a_stated_letter_counts_whatever_was_said_before(letter: str, ending: str) -> None:
    assert parse_choice(CHAIN + ending.format(letter), KINDS).index == "ABCD".index(letter)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"<think>{CHAIN}. The answer is B.", "truncated"),
        (f"<think>{CHAIN}. Thunder", "truncated"),
        (f"{CHAIN} while the rain", "truncated"),
        (f"{CHAIN}, but of the", "truncated"),
        ("<think>The format is <answer>A</answer>. Let me see.", "truncated"),
    ],
)
def test_a_reply_that_was_cut_in_its_reasoning_is_not_read_from_it(text: str, status: str) -> None:
    parsed = parse_choice(text, KINDS)
    assert (parsed.status, parsed.index) == (status, None)


def test_an_answer_after_reasoning_that_was_never_closed_is_read() -> None:
    assert parse_choice(f"<think>{CHAIN}.\n<answer>B</answer>", KINDS).index == 1
