"""A table of answers: which option a text selects, by which rule, and which texts select none."""

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alm_bench.parsing import PARSER, parse_choice

ANIMALS = ("Dog", "Cat", "Bird", "Frog")
VERDICTS = ("it is definitely true", "it is definitely false", "it is plausible", "i cannot determine")
SPEAKERS = ("first speaker", "second speaker", "both speakers", "none of the speakers")
NUMBERS = ("nine", "four", "fourteen", "two")
PAIRS = ("looking, very", "sat,Germany", "happening,Saxon", "true,pass")


@pytest.mark.parametrize(
    ("text", "choices", "index", "rule"),
    [
        ("Cat", ANIMALS, 1, "exact"),
        ("  cat. ", ANIMALS, 1, "exact"),
        ("**Cat**", ANIMALS, 1, "exact"),
        ('"CAT"', ANIMALS, 1, "exact"),
        ("“Cat”\n", ANIMALS, 1, "exact"),
        ("Ｃａｔ", ANIMALS, 1, "exact"),  # full width
        ("a   dog\nbarks", ("A cat meows", "A dog barks"), 1, "exact"),
        ("dog barking", ("cat_meowing", "dog_barking"), 1, "exact"),
        ("cat", ("Dog", "Cat", "cat"), 1, "exact"),  # among equal options the first
        ("a", ("b", "a"), 1, "exact"),  # an option that is a letter is that option
        ("Yes", ("Yes", "No"), 0, "exact"),
        # letters
        ("b", ANIMALS, 1, "letter"),
        ("B.", ANIMALS, 1, "letter"),
        ("(b)", ANIMALS, 1, "letter"),
        ("（Ｂ）", ANIMALS, 1, "letter"),
        ("b)", ANIMALS, 1, "letter"),
        ("[B]", ANIMALS, 1, "letter"),
        ("**B**", ANIMALS, 1, "letter"),
        ("$\\boxed{B}$", ANIMALS, 1, "boxed:letter"),
        ("The answer is B", ANIMALS, 1, "said:letter"),
        ("The correct answer is (B).", ANIMALS, 1, "said:letter"),
        ("answer: b", ANIMALS, 1, "said:letter"),
        ("答案是B", ANIMALS, 1, "said:letter"),
        ("La respuesta es B.", ANIMALS, 1, "said:letter"),
        ("Option B", ANIMALS, 1, "letter"),
        ("The answer is option B.", ANIMALS, 1, "said:letter"),
        ("b) the second one", ANIMALS, 1, "letter"),
        ("B. Because it meows.", ANIMALS, 1, "letter"),
        ("B", ("Cat", "Cat"), 1, "letter"),
        ("H", tuple("12345678"), 7, "letter"),
        ("Option B is correct.", ANIMALS, 1, "approved:letter"),
        # letters with text: what the option states beats a letter that contradicts it
        ("c) it is plausible", VERDICTS, 2, "letter_and_text"),  # Mellow's own form
        ("(B) Cat", ANIMALS, 1, "letter_and_text"),
        ("B: Cat", ANIMALS, 1, "letter_and_text"),
        ("The correct answer is (B) Cat.", ANIMALS, 1, "said:letter_and_text"),
        ("(A) Cat", ANIMALS, 1, "letter_and_text"),
        ("d) it is definitely false", VERDICTS, 1, "letter_and_text"),
        ("z) Cat", ANIMALS, 1, "letter_and_text"),  # a letter that no option has
        ("The answer is (B) Cat, not (A) Dog", ANIMALS, 1, "said:letter_and_text"),
        # a letter that is stated counts whatever was said before it
        ("It must be a bird singing. The answer is D.", ("Dog", "Bird singing", "Cat", "Frog"), 3, "said:letter"),
        # positions
        ("Option 2", ANIMALS, 1, "ordinal"),
        ("the second option", ANIMALS, 1, "ordinal"),
        ("The answer is the last one.", ANIMALS, 3, "said:ordinal"),
        ("2", ANIMALS, 1, "ordinal"),
        ("2", ("3", "2"), 1, "exact"),  # a number among numbers is itself
        ("<answer>The answer is [Option 2]</answer>", ANIMALS, 1, "tag:ordinal"),
        # tags, boxes, dictionaries, lists
        ("<answer>Cat</answer>", ANIMALS, 1, "tag:exact"),
        ("It barks, so Dog.\n<ANSWER> (b) </ANSWER>", ANIMALS, 1, "tag:letter"),
        ("<answer>Dog</answer> no: <answer>b) Cat</answer>", ANIMALS, 1, "tag:letter_and_text"),  # the last
        ("<answer>['Cat']</answer>", ANIMALS, 1, "tag:exact"),
        ("[answer]Cat[/answer].", ANIMALS, 1, "tag:exact"),
        ("It is a cat.\n</answer>", ANIMALS, 1, "named"),  # a stray closing tag
        ("\\boxed{\\text{Cat}}", ANIMALS, 1, "boxed:named"),
        ('{"answer": "Cat"}', ANIMALS, 1, "dict:exact"),
        ("{'reason': 'it meows', 'answer': 'Cat'}", ANIMALS, 1, "dict:exact"),
        ('{ \\"Answer\\": \\"Cat\\" }', ANIMALS, 1, "dict:exact"),
        ("<|im_start|>assistant\nCat<|im_end|>", ANIMALS, 1, "line:exact"),
        # sentences
        ("The animal is a cat.", ANIMALS, 1, "named"),
        ("The animal is not a dog but a cat.", ANIMALS, 1, "named"),
        ("I hear a cat, not a dog.", ANIMALS, 1, "named"),
        ("There is no dog here. It is a cat.", ANIMALS, 1, "named"),
        ("The sound that does not belong is the cat.", ANIMALS, 1, "named"),
        ("A dog, a cat? The closest option is 'Cat'.", ANIMALS, 1, "said:exact"),
        ("The answer would be horse. The closest option is Cat.", ANIMALS, 1, "said:exact"),
        ("Dog is possible, but I will go with Cat.", ANIMALS, 1, "chosen:exact"),
        ("(e.g., The answer is Dog)\nThe answer is Cat", ANIMALS, 1, "said:exact"),
        ("The options are ['Dog', 'Cat', 'Bird', 'Frog']. It meows: cat.", ANIMALS, 1, "named"),
        ("It could be 'Cat', as dogs do not meow.", ANIMALS, 1, "named"),
        ("The chord is G major. The song goes D minor, G major.", ("D minor", "G major"), 1, "named"),
        ("neither changes: none of the speakers", SPEAKERS, 3, "named"),
        ("The answer is none of the speakers.", SPEAKERS, 3, "said:exact"),
        (
            "None of the options matches what is described in this long caption of the recording, but if forced "
            "to choose, 'Cat' comes closest to the sounds of the animal.",
            ANIMALS,
            1,
            "approved:text",
        ),
        (
            "The final answer should be: 'Cat.' This choice indicates that it is furry and meows.",
            ANIMALS,
            1,
            "said:exact",
        ),
        # other words
        ("very, looking", PAIRS, 0, "reordered"),
        ("Uplifting", ("Uplifted", "Depressed"), 0, "named"),
        ("the cats' meows", ("A cat meows", "A dog barks"), 0, "named"),
        ("the identity of the singer", ("Their dreams", "Their identity"), 1, "inside"),
        ("Thunderstrom", ("Thunderstorm", "Traffic"), 0, "spelled"),
        ("Three years", ("no job for two months", "no job for three years"), 1, "fragment"),
        ("14", NUMBERS, 2, "named"),
        ("two thousand and one", ("2010", "2001"), 1, "named"),
        ("A knock, then a sneeze and finally a cough", ("knock, cough, sneeze", "knock, sneeze, cough"), 1, "in_order"),
        ("The tempo is 132 BPM.", ("96.0", "132.0"), 1, "quantity"),
        ("It barks five times.", ("1", "5"), 1, "named"),
        ("The sounds are thunder and rain.", ("Rain", "Thunder", "Rain and thunder"), 2, "joined"),
        ("Neither of the speakers", SPEAKERS, 3, "named"),
        ("The second option is the right one.", ANIMALS, 1, "ordinal"),
        ("Dogs, a dog and a cat, but the loudest is the cat.", ANIMALS, 1, "predicate"),
        ("Jazzyour_answer", ("Rock", "Jazz"), 1, "glued"),
        # reasoning
        ("<think>Dog? The answer is Dog.</think>\nCat", ANIMALS, 1, "exact"),
        ("<think>A dog... no. The answer is Cat.</think>", ANIMALS, 1, "said:exact"),
    ],
)
def test_texts_that_select(text: str, choices: tuple[str, ...], index: int, rule: str) -> None:
    parsed = parse_choice(text, choices)
    assert (parsed.status, parsed.index, parsed.value, parsed.rule) == ("ok", index, choices[index], rule)
    assert parsed.span is not None
    assert 0 <= parsed.span[0] < parsed.span[1] <= len(text)


def test_the_span_is_what_was_read() -> None:
    for text, read in (
        ("It is <answer>Cat</answer>, I think", "Cat"),
        ("Ｔｈｅ answer is Cat.", "Cat"),
        ("（Ｂ）", "Ｂ"),
    ):
        parsed = parse_choice(text, ANIMALS)
        assert parsed.span is not None
        assert text[slice(*parsed.span)].strip() == read


@pytest.mark.parametrize("count", range(2, 9))
def test_every_letter_of_every_number_of_options(count: int) -> None:
    choices = tuple(f"kind number {i}" for i in range(count))
    for i, letter in enumerate(string.ascii_lowercase):
        for form in ("{}", "({})", "{})", "{}.", "Answer: {}"):
            parsed = parse_choice(form.format(letter), choices)
            assert (parsed.status, parsed.index) == (("ok", i) if i < count else ("unparsed", None))


LONG = "The clip is long and rich, and I listened to all of it with care before writing these many words about it. "


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("\n\t", "empty"),
        ("<answer></answer>", "unparsed"),
        ("It is not a Cat", "unparsed"),
        ("It is not Cat.", "unparsed"),
        ("The answer isn't Cat.", "unparsed"),
        ("Fish", "unparsed"),
        ("Cat <answer>Fish</answer>", "unparsed"),
        ("The answer is fish.", "unparsed"),
        ("E", "unparsed"),
        ("(z)", "unparsed"),
        ("9", "unparsed"),
        ("I think so", "unparsed"),
        ("category", "unparsed"),
        ("Cat or Dog", "ambiguous"),
        ("Dog, Cat", "ambiguous"),
        ("A and B", "ambiguous"),
        ("a) or b)", "ambiguous"),
        ("['Dog', 'Cat']", "ambiguous"),
        ("The answer is Cat or Dog.", "ambiguous"),
        ("I cannot determine the answer.", "refused"),
        ("I'm sorry, I can't listen to audio.", "refused"),
        ("None of the above", "refused"),
        ("None of the options match.", "refused"),
        ("The answer is not among the options.", "refused"),
        ("Please provide the audio.", "refused"),
        ("I get a cow. The closest would be a dog, but it does not fit, so none of the options is valid.", "refused"),
        ("The recording does not contain enough details about the dog.", "refused"),
        ("Send it again? I would then check whether the dog barks.", "unparsed"),
        ("Either a dog or a cat.", "ambiguous"),
        ("There is no valid answer among dog, cat, bird and frog.", "refused"),
        ("The answer is Dog. Wait, let me reconsider that because there is", "truncated"),
        (LONG + "The options are:\n(a) Dog: it barks, often used to", "truncated"),
        ("<think>" + LONG + "A cat", "truncated"),
        (LONG + "There is a dog. There is a cat, and a bird.", "ambiguous"),
        (LONG + "If it barks, the answer is Dog. If it meows, the answer is Cat.", "ambiguous"),
        ("(e.g., <answer>Cat</answer>)", "unparsed"),
    ],
)
def test_texts_that_select_nothing(text: str, status: str) -> None:
    parsed = parse_choice(text, ANIMALS)
    assert (parsed.status, parsed.index, parsed.value) == (status, None, None)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("twenty-nine", NUMBERS),
        ("thirteen", NUMBERS),
        ("A telephone playing", ("A television playing", "A dog barking")),  # a changed content word
        ("C:maj7/1", ("C#:maj7/1", "C#:min7/1")),
        ("Unhappy", ("Happy", "Angry")),
        ("sixtieth", ("sixteen", "sixty-one")),
        ("Fire", ("Campfire", "Fireplace")),
        (
            "The first speaker shows joy and trust",
            ("first speaker shows joy and anger", "first speaker shows fear and joy"),
        ),
    ],
)
def test_another_word_is_another_answer(text: str, choices: tuple[str, ...]) -> None:
    assert parse_choice(text, choices).index is None


words = st.text(alphabet="bdfghklmnprstvwz", min_size=3, max_size=7)
options = st.lists(words, min_size=2, max_size=8, unique=True)
FORMS = ("{}", "The answer is {}.", "I hear a {}.", "<answer>{}</answer>", "So it must be the {}.")


@given(st.text(max_size=60), st.lists(st.text(max_size=8), min_size=2, max_size=8))
def test_any_text_is_read_or_not(text: str, choices: list[str]) -> None:
    parsed = parse_choice(text, choices)
    assert (parsed.status == "ok") == (parsed.index is not None) == (parsed.value is not None)
    assert parsed.index is None or parsed.value == choices[parsed.index]


@given(st.lists(st.text(max_size=20), max_size=30), options)
def test_pieces_of_answers_are_read_or_not(parts: list[str], choices: list[str]) -> None:
    """Text that is likelier than chance to look like an answer."""
    pieces = [
        "<answer>",
        "</answer>",
        "<think>",
        "{'answer': ",
        "\\boxed{",
        "the answer is ",
        "not ",
        "[",
        "]",
        *choices,
    ]
    text = "".join(piece + part for piece, part in zip(pieces, parts, strict=False))
    parsed = parse_choice(text, choices)
    assert (parsed.status == "ok") == (parsed.index is not None)


@given(options, st.randoms(use_true_random=False), st.sampled_from(FORMS), st.integers(0, 7))
def test_another_order_of_the_options_changes_no_text_answer(
    choices: list[str], rng: Any, form: str, gold: int
) -> None:
    text = form.format(choices[gold % len(choices)])
    shuffled = choices[:]
    rng.shuffle(shuffled)
    assert parse_choice(text, shuffled).value == parse_choice(text, choices).value == choices[gold % len(choices)]


@given(
    options, st.randoms(use_true_random=False), st.sampled_from(["{}", "({})", "The answer is {}."]), st.integers(0, 7)
)
def test_a_letter_is_a_place_in_any_order(choices: list[str], rng: Any, form: str, gold: int) -> None:
    place = gold % len(choices)
    text = form.format("ABCDEFGH"[place])
    shuffled = choices[:]
    rng.shuffle(shuffled)
    assert parse_choice(text, shuffled).index == parse_choice(text, choices).index == place


@given(options, st.sampled_from(FORMS), st.integers(0, 7))
def test_space_case_and_markdown_change_nothing(choices: list[str], form: str, gold: int) -> None:
    assume(all(a not in b for a in choices for b in choices if a != b))
    chosen = choices[gold % len(choices)]
    text = form.format(chosen)
    said = parse_choice(text, choices).index
    changes: list[Callable[[str], str]] = [
        str.upper,
        str.title,
        lambda text: f"\n  {text}\t\n",
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace(chosen, f"**{chosen}**"),
        lambda text: text.replace(chosen, f"`{chosen}`"),
        lambda text: text.replace(chosen, f"*{chosen}*"),
    ]
    assert [parse_choice(change(text), choices).index for change in changes] == [said] * len(changes)


def test_on_labelled_outputs_it_reads_what_a_careful_reader_does(shared: Path) -> None:
    lines = (shared / "data/mcq/mcq_dev.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 403
    agreed = [agrees(row, parse_choice(row["output"], row["choices"]).index) for row in rows]

    def share(of: Callable[[dict[str, Any]], bool]) -> float:
        kept = [same for row, same in zip(rows, agreed, strict=True) if of(row)]
        return sum(kept) / len(kept)

    assert share(lambda row: not row["amb"]) >= 0.985
    assert share(lambda row: True) >= 0.96
    assert share(lambda row: row["label"] is not None) >= 0.95
    assert share(lambda row: row["label"] is None) >= 0.97


def agrees(row: dict[str, Any], index: int | None) -> bool:
    """Any twin of a repeated option will do."""
    label = row["label"]
    if label is None or index is None:
        return label is None and index is None
    return bool(row["choices"][index].casefold() == row["choices"][label].casefold())


def test_the_rules_have_a_version() -> None:
    assert PARSER == "mcq@4"
