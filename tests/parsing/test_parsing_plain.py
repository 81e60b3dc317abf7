"""Yes or no, labels and numbers."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_bench.core import Parsed
from alm_bench.parsing import parse_label, parse_number, parse_yes_no
from alm_bench.parsing.plain import ENTAILMENT

REASONS = (
    "The clip has traffic at first, then steps on gravel, and later a voice far away that says a few words, all of it"
    " quiet and rather hard to follow"
)


def outcome(parsed: Parsed) -> str:
    return parsed.value or parsed.status


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("yes", "yes"),
        ("No.", "no"),
        ("Yes, there is no wind.", "yes"),
        ("No, a dog barks.", "no"),
        ("The answer is yes.", "yes"),
        ("<answer>No</answer>", "no"),
        ("True", "yes"),
        ("yes or no", "ambiguous"),
        ("Yes and no.", "ambiguous"),
        ("Yes: 0.7, No: 0.3", "ambiguous"),
        ("I cannot determine that.", "refused"),
        ("Not sure.", "refused"),
        ("maybe", "unparsed"),
        ("B", "unparsed"),
        ("Option 1", "unparsed"),
        ("", "empty"),
    ],
)
def test_yes_and_no(text: str, want: str) -> None:
    parsed = parse_yes_no(text)
    assert outcome(parsed) == want
    assert parsed.index == {"yes": 0, "no": 1}.get(want)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("Yeah", "yes"),
        ("Nope, nothing.", "no"),
        ("Definitely not", "no"),
        ("Y", "yes"),
        ("n", "no"),
        ("I don't think so.", "no"),
        ("It is.", "yes"),
        ("They do not.", "no"),
        ("That is correct.", "yes"),
        ("It isn't true.", "no"),
        ("No doubt there is a dog.", "yes"),
        ("No one is speaking.", "no"),
        ("Based on what I hear, yes, there is.", "yes"),
        ("Most likely, no.", "no"),
        ("The sound is, most likely, a dog", "unparsed"),
        ("right before the bark", "unparsed"),
    ],
)
def test_other_words_for_yes_and_no(text: str, want: str) -> None:
    assert outcome(parse_yes_no(text)) == want


@pytest.mark.parametrize("ending", ["", ".", "\n"])
def test_an_answer_that_comes_first_stands_whatever_follows_and_however_it_ends(ending: str) -> None:
    assert parse_yes_no(f"No, the audio does not contain a dog{ending}").value == "no"
    assert parse_yes_no(f"Yes. {REASONS}{ending}").value == "yes"
    assert parse_number(f"3. {REASONS}{ending}").value == "3"
    assert (
        parse_label(f"Neutral: {REASONS}, it could be entailment or contradiction{ending}", ENTAILMENT).value
        == "Neutral"
    )


def test_the_last_commitment_counts() -> None:
    assert parse_yes_no(f"{REASONS}. So, yes.").value == "yes"
    assert parse_yes_no("Yes. Wait, no.").value == "no"
    assert parse_yes_no(f"{REASONS}.\n\n**No**").value == "no"
    assert parse_number("I count one, two, three. So three.").value == "3"


@pytest.mark.parametrize("parse", [parse_yes_no, parse_number, lambda text: parse_label(text, ENTAILMENT)])
def test_reasoning_that_is_never_closed_has_no_answer(parse: object) -> None:
    assert callable(parse)
    assert parse("<think>Yes, entailment, 3.").status == "truncated"
    assert parse(f"{REASONS} and it goes on").status in ("truncated", "ambiguous")


def test_answer_tags_of_ones_own() -> None:
    assert parse_yes_no("no <mine>yes</mine> no", answer_tags=("mine",)).value == "yes"
    assert parse_number("1 <mine>2</mine> 3", answer_tags=("mine",)).value == "2"
    assert parse_label("true <mine>neutral</mine> false", ENTAILMENT, answer_tags=("mine",)).value == "Neutral"


@pytest.mark.parametrize(
    ("text", "question", "want"),
    [
        ("There is a dog barking", "Is there a dog?", "yes"),
        ("There is a dog barking.", "Is a dog barking?", "yes"),
        ("A cat is meowing", "Is there a dog?", "unparsed"),
        ("I'm sorry, but there is no cow mooing.", "Is there a cow?", "no"),
        ("I don't hear any dogs", "Is there a dog?", "no"),
        ("Dogs are absent.", "Are there dogs?", "no"),
        ("This is not a place to sleep. It is a street.", "Is this a place to sleep?", "no"),
        ("It is not very loud.", "Is the music loud?", "no"),
        ("No rain can be heard.", "Is it raining?", "no"),
        ("There is no music over the speech", "Is there speech?", "unparsed"),
        ("There is no indication of human voices.", "Is anyone talking?", "no"),
        ("There is no evidence of birds, but they could be present.", "Are there birds?", "unparsed"),
        ("Someone might be speaking", "Is someone speaking?", "unparsed"),
        ("It could be a party.", "Could this be a party?", "yes"),
        ("It is a dog.", "Is it a dog or a cat?", "unparsed"),
        ("If there were a dog it would bark.", "Is there a dog?", "unparsed"),
        ("I cannot determine whether a dog is barking", "Is a dog barking?", "refused"),
        ("The dog barks", "What is heard?", "unparsed"),
        ("The dog, rather than the cat, is heard", "Is the cat heard?", "no"),
    ],
)
def test_a_sentence_answers_the_question_that_is_given(text: str, question: str, want: str) -> None:
    assert outcome(parse_yes_no(text, question)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        *(
            (text, "yes")
            for text in (
                "是的，有鸟叫。",
                "はい、そうです",
                "네, 들립니다",
                "Ja, es regnet.",
                "Oui",
                "Sí, hay un perro.",
            )
        ),
        *((text, "yes") for text in ("Sim.", "Sì", "да", "نعم، هناك كلب", "हाँ", "Ya, ada suara", "Jazeker", "ＹＥＳ")),
        *(
            (text, "no")
            for text in ("没有狗叫声", "いいえ、違います。", "아니요", "Nein, es regnet nicht", "Non", "No, no llueve.")
        ),
        *(
            (text, "no")
            for text in ("Não, não há cão.", "No", "Нет, дождя нет.", "لا", "जी नहीं", "Tidak, tidak ada", "Nee")
        ),
        ("No áudio há um cão a ladrar", "unparsed"),  # "in the", not "no"
        ("不确定", "refused"),
        ("No sé", "refused"),
    ],
)
def test_yes_and_no_in_other_languages(text: str, want: str) -> None:
    assert outcome(parse_yes_no(text)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("Entailment", "Entailment"),
        ("The hypothesis is entailed by the audio.", "Entailment"),
        ("It entails the hypothesis", "Entailment"),
        ("it is definitely false", "Contradiction"),
        ("The audio contradicts the hypothesis.", "Contradiction"),
        ("The label is 'neutral'.", "Neutral"),
        ("possibly true", "Neutral"),
        ("The hypothesis may or may not be true.", "Neutral"),
        ("It is not a contradiction but neutral.", "Neutral"),
        ("The hypothesis is neither entailed nor contradicted, so it is neutral.", "Neutral"),
        ("It cannot be inferred from the audio: neutral.", "Neutral"),
        ("It is not entailed.", "unparsed"),
        ("neutral or contradiction", "ambiguous"),
        ("I cannot tell whether it is true", "refused"),
        ("B", "unparsed"),
    ],
)
def test_labels(text: str, want: str) -> None:
    parsed = parse_label(text, ENTAILMENT)
    assert outcome(parsed) == want
    assert parsed.index == (list(ENTAILMENT).index(want) if want in ENTAILMENT else None)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("4", "4"),
        ("four", "4"),
        ("There are twenty-one of them.", "21"),
        ("three hundred and five", "305"),
        ("two point five", "2.5"),
        ("2.5 seconds", "2.5"),
        ("3,5", "3.5"),
        ("1,200", "1200"),
        ("3.0", "3"),
        ("-5", "-5"),
        ("120bpm", "120"),
        ("3rd", "3"),
        ("the third", "3"),
        ("It barks twice.", "2"),
        ("a dozen", "12"),
        ("I hear 3 dogs and 2 cats. The answer is 5.", "5"),
        ("Five in total: two dogs and three cats", "5"),
        ("2 + 3 = 5", "5"),
        ("Not 3 but 4", "4"),
        ("<think>4? 5?</think>6", "6"),
        ("It barks 4 times, so four.", "4"),
        ("3 or 4", "ambiguous"),
        ("2-3", "ambiguous"),
        ("3,4,5", "ambiguous"),
        ("1. Dog\n2. Cat\n", "ambiguous"),
        ("many", "unparsed"),
        ("F#m7", "unparsed"),
        ("I cannot count them.", "refused"),
        ("", "empty"),
    ],
)
def test_numbers(text: str, want: str) -> None:
    parsed = parse_number(text)
    assert (outcome(parsed), parsed.index) == (want, None)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "有三只狗",
            "三匹の犬",
            "세 마리",
            "drei Hunde sind zu hören",
            "Il y a trois chiens",
            "Hay tres perros",
            "três",
        ),
        *("Ci sono tre cani", "три", "ثلاثة", "तीन", "tiga", "drie", "٣", "３", "3只"),
    ],
)
def test_numbers_in_other_languages(text: str) -> None:
    assert parse_number(text).value == "3"


def test_a_question_that_counts_says_which_number_is_asked_for() -> None:
    assert parse_number("3 dogs and 2 cats", "How many cats are there?").value == "2"
    assert parse_number("The dog barks 4 times in 10 seconds", "How many times does the dog bark?").value == "4"
    assert parse_number("There are no dogs.", "How many dogs are there?").value == "0"
    assert parse_number("3 dogs and 2 cats").status == "ambiguous"
    assert parse_number("There are no dogs.").status == "unparsed"


@given(st.text(max_size=60))
def test_any_text_is_read_or_not(text: str) -> None:
    for parse in (parse_yes_no, parse_number, lambda text: parse_label(text, ENTAILMENT)):
        parsed = parse(text)
        assert (parsed.status == "ok") == (parsed.value is not None)
        assert parsed.span is None or 0 <= parsed.span[0] <= parsed.span[1] <= len(text)


@given(st.integers(0, 2_000_000))
def test_a_number_is_itself_in_digits_and_in_words(number: int) -> None:
    from num2words import num2words

    assert parse_number(str(number)).value == parse_number(num2words(number)).value == str(number)
    assert parse_number(f"{number:,}").value == str(number)


def test_the_invented_cases_are_read(shared: Path) -> None:
    parse = {"yes_no": parse_yes_no, "number": parse_number, "entailment": lambda text: parse_label(text, ENTAILMENT)}
    cases = [json.loads(line) for line in (shared / "data/mcq/cases.jsonl").read_text(encoding="utf-8").splitlines()]
    for form, read in parse.items():
        kept = [case for case in cases if case["form"] == form]
        missed = [case["text"] for case in kept if read(case["text"]).value != case["want"]]
        assert len(kept) >= 8
        assert len(missed) <= 1, (form, missed)


def test_real_answers_to_yes_no_questions_are_judged_as_people_judge_them(shared: Path) -> None:
    """Agreement is bounded by the labels: some answers say the bare word of the reference and are called wrong."""
    with (shared / "data/aqeval/val.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if row["type"] == "binary" and row["final_annotation"] in ("0.0", "1.0")
        ]
    agree = decided = 0
    for row in rows:
        said, reference = (parse_yes_no(row[key], row["question"]).value for key in ("response", "reference"))
        if said is not None and reference is not None:
            decided += 1
            agree += (said == reference) == (row["final_annotation"] == "1.0")
    assert len(rows) == 410
    assert decided >= 0.975 * len(rows)
    assert agree >= 0.975 * decided
