"""Chains of thought about questions of the demo data."""

import re
from itertools import islice

import pytest

from alm_bench.demo.chains import SECTIONS, ChainStyle, build_chain_rows, write_chain
from alm_bench.demo.mcq import SKILLS, Question, iterate_questions
from alm_bench.parsing import parse_choice

QUESTIONS = list(islice(iterate_questions("train"), 192))


@pytest.mark.parametrize("style", ["structured", "free"])
def test_every_chain_ends_with_the_right_option_and_names_it_in_its_reasoning(style: ChainStyle) -> None:
    assert {question.skill for question in QUESTIONS} == set(SKILLS)
    for question in QUESTIONS:
        chain = write_chain(question, style)
        assert chain == chain.lower()
        thought, answer = re.fullmatch(r"<think>(.+)</think><answer>(.+)</answer>", chain).groups()  # type: ignore[union-attr]
        assert answer == question.choices[question.gold].lower()
        assert f"so the answer is {question.choices[question.gold].lower()}" in thought
        assert parse_choice(chain, question.choices).index == question.gold


def test_a_structured_chain_has_its_sections_in_order() -> None:
    for question in QUESTIONS:
        chain = write_chain(question, "structured")
        assert re.findall(r"<(\w+)>", chain) == ["think", *SECTIONS, "answer"]
        assert all(text.strip() for _, text in re.findall(r"<(?!think)(\w+)>(.*?)</\1>", chain))


def reason(question: Question) -> str:
    return re.search(r"<reasoning>(.*)</reasoning>", write_chain(question, "structured"))[1]  # type: ignore[index]


def test_the_reasoning_follows_from_the_scene() -> None:
    for question in QUESTIONS:
        right, said = question.choices[question.gold].lower(), reason(question)
        if question.skill == "Counting":
            assert said.endswith(f": {right}")
        elif question.skill in ("Pitch Comparison", "Tempo Comparison"):
            more = "high" if question.skill.startswith("Pitch") else "fast"
            less = {"high": "low", "fast": "slow"}[more]
            wanted = more if re.search(r"higher|faster", question.question) else less
            assert f"{right} is {wanted}" in said
        elif question.skill == "Event Order":
            first = said.partition(" comes first")[0]
            assert (question.question.lower().find(first) < question.question.index("before or after")) == (
                right == "before"
            )
        else:
            assert right in said


def test_rows_have_the_prompts_of_plain_rows() -> None:
    made = build_chain_rows(24, "free", split="val")
    assert [row["subtype"] for row in made.rows] == ["Chain_Free.json"] * 24
    assert all(row["reference"] in row["input"] for row in made.rows)
    assert all(re.fullmatch(r"<answer>.+</answer>", row["answer"]) for row in build_chain_rows(8, "answer").rows)
    assert {row["filepath1"] for row in made.rows} == set(made.scenes)
    assert build_chain_rows(24, "free", split="val").rows == made.rows
