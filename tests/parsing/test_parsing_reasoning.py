"""Where the reasoning of a text is and where its answer begins; outputs in the forms that trained reasoners write."""

import pytest

from alm_bench.parsing import parse_choice
from alm_bench.parsing.reasoning import find_reasoning

CHOICES = ("Rain", "Thunder", "Wind", "Hail")
PROSE = "There is a long rumble that rolls away over the hills, which is neither rain nor wind."

TAGGED = {
    "<think>It could be rain. It rumbles.</think> <answer>Thunder</answer>": (
        ["It could be rain. It rumbles."],
        "Thunder</answer>",
    ),
    "It could be rain.\n</think>\n\n<answer>\nThunder\n</answer>": (["It could be rain."], "Thunder\n</answer>"),
    "<planning>Rain or hail?</planning><caption>A rumble.</caption><reasoning>Not rain.</reasoning>"
    "<summary>It rolls.</summary>\n<answer>(B) Thunder</answer>": (
        ["Rain or hail?", "A rumble.", "Not rain.", "It rolls."],
        "(B) Thunder</answer>",
    ),
    "<think><planning>Rain or hail?</planning>\n<caption>A rumble.</caption>\n<reasoning>Not rain.</reasoning>\n"
    "<summary>It rolls.</summary></think>\n<answer>B</answer>": (
        ["Rain or hail?", "A rumble.", "Not rain.", "It rolls."],
        "B</answer>",
    ),
    "<SUMMARY>A question.</SUMMARY><CAPTION>A rumble.</CAPTION><REASONING>No rain.</REASONING>"
    "<CONCLUSION>Thunder</CONCLUSION>": (["A question.", "A rumble.", "No rain."], "Thunder</CONCLUSION>"),
    "<think>No rain.</think>\nThe answer is Thunder.": (["No rain."], "The answer is Thunder."),
    "<think>It rolls.</think><answer>Thunder</answer><explanation>Rain would not roll.</explanation>": (
        ["It rolls."],
        "Thunder</answer><explanation>Rain would not roll.</explanation>",
    ),
}


@pytest.mark.parametrize("text", TAGGED)
def test_reasoning_in_tags_and_the_answer_after_it(text: str) -> None:
    passages, rest = TAGGED[text]
    parsed = parse_choice(text, CHOICES)
    assert parsed.value == "Thunder"
    for span in (parsed.span, None):
        found = find_reasoning(text, span)
        assert found is not None
        assert [text[slice(*passage)] for passage in found.passages] == passages
        assert text[found.answer :] == rest
        assert found.tagged
        assert found.complete


def test_text_between_sections_within_an_outer_tag_is_reasoning() -> None:
    text = "<think><planning>Rain?</planning> The answer is wind. <caption>Hail?</caption></think>\nThunder"
    assert parse_choice(text, CHOICES).value == "Thunder"
    found = find_reasoning(text, parse_choice(text, CHOICES).span)
    assert found is not None
    assert [text[slice(*passage)] for passage in found.passages] == ["Rain?", "The answer is wind.", "Hail?"]


@pytest.mark.parametrize(
    "text",
    [
        f"{PROSE}\n\n**Answer**: Thunder",
        f"**Planning**: Rain or hail?\n\n**Caption**: {PROSE}\n\n**Summary**: It rolls.\n\nAnswer: (B)",
        f"{PROSE} Therefore, the answer is Thunder.",
    ],
)
def test_prose_before_the_sentence_of_the_answer(text: str) -> None:
    parsed = parse_choice(text, CHOICES)
    found = find_reasoning(text, parsed.span)
    assert parsed.value == "Thunder"
    assert found is not None
    assert not found.tagged
    assert PROSE in text[slice(*found.passages[0])]
    assert "Thunder" not in text[slice(*found.passages[0])]
    assert "(B)" not in text[slice(*found.passages[0])]


@pytest.mark.parametrize(
    "text",
    [
        "Thunder",
        "<answer>Thunder</answer>",
        "<think></think><answer>Thunder</answer>",
        "The sound rolls. So the answer is Thunder.",  # too short to be a chain
        f"Thunder. {PROSE}",  # reasons after the answer
        f"<answer>Thunder</answer><explanation>{PROSE}</explanation>",
    ],
)
def test_no_reasoning_before_the_answer(text: str) -> None:
    assert find_reasoning(text, parse_choice(text, CHOICES).span) is None


@pytest.mark.parametrize("text", ["<think>It could be rain", "<think><planning>Rain?</planning><caption>A rumble"])
def test_reasoning_that_does_not_end(text: str) -> None:
    found = find_reasoning(text, parse_choice(text, CHOICES).span)
    assert parse_choice(text, CHOICES).status == "truncated"
    assert found is not None
    assert not found.complete
    assert found.answer == len(text)
