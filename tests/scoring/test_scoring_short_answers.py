"""Rules for short answers: exact match, containment, token F1."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from alm_bench.core.errors import MetricError
from alm_bench.scoring import wordnet
from alm_bench.scoring.captions import compute_caption_scores
from alm_bench.scoring.known_agreement import describe_agreement
from alm_bench.scoring.paired import compare_paired_scores
from alm_bench.scoring.short_answers import RULE, compute_token_f1, contains_reference, equals_reference

RIGHT = [
    ("A kettle.", "kettle", None),
    ("Kettles whistle in the kitchen.", "kettle", None),
    ("Someone is sawing wood.", "saw", None),
    ("The geese fly away", "goose", None),  # irregular
    ("a snowstorm", "storm", None),  # compound
    ("The sofa creaks.", "couch", None),  # synonym
    ("It could be a violin or a viola.", "viola", None),  # people accept a hedge and an alternative
    ("Not a flute but an oboe.", "oboe", None),
    ("It is not possible to be sure, but it may be an oboe.", "oboe", None),
    ("seven", "7", "How many bells ring?"),
    ("There are 7 bells and 2 drums.", "seven", "How many bells ring?"),
    ("The gate squeaks twice.", "two", "How many times does the gate squeak?"),
    ("Yes, it is raining.", "yes", "Is it raining?"),
    ("There is no thunder.", "No", "Is there thunder?"),
    ("<think>maybe a flute</think> An oboe.", "oboe", None),
    ("A glass door slams shut", "glass door", None),
    ("The door that slams is made of glass", "glass door", None),
    ("It is not moving.", "not moving", None),
    ("这是一只狗。", "狗", None),
    ("The light is on", "on", "Is the light on or off?"),
]
WRONG = [
    ("It is not a kettle.", "kettle", None),
    ("There is no sign of an oboe.", "oboe", None),
    ("It is impossible to tell whether it is an oboe.", "oboe", None),
    ("An oboe rather than a flute.", "flute", None),
    ("The door is wooden. A glass breaks.", "glass door", None),  # two sentences
    ("window", "wind", None),  # no compound: "ow" is no word
    ("a train", "rain", None),
    ("17", "7", "How many bells ring?"),
    ("Seven bells and two drums.", "two", "How many bells ring?"),
    ("One of the two doors squeaks.", "one", "How many doors squeak?"),
    ("I cannot tell.", "seven", "How many bells ring?"),
    ("No.", "yes", "Is it raining?"),
    ("<think>an oboe</think> A flute.", "oboe", None),
    ("<answer>flute</answer> or an oboe", "oboe", None),
    ("这不是狗。", "狗", None),
    ("", "oboe", None),
    ("oboe", "", None),
]


@pytest.mark.parametrize(
    ("answer", "reference", "question", "right"), [(*case, True) for case in RIGHT] + [(*case, False) for case in WRONG]
)
def test_an_answer_asserts_its_reference(answer: str, reference: str, question: str | None, right: bool) -> None:
    assert contains_reference(answer, [reference], question) is right


def test_one_of_several_references_suffices() -> None:
    assert contains_reference("an oboe", ["flute", "oboe"])
    assert not contains_reference("an oboe", [])
    assert equals_reference("The Oboe!", ["flute", "oboe"])
    assert not equals_reference("an oboe plays", ["oboe"])
    assert not equals_reference("", [""])


def test_token_f1_is_that_of_squad() -> None:
    assert compute_token_f1("The dog, a dog barks", ["dog barks loudly"]) == pytest.approx(2 * 2 / (3 + 3))
    assert compute_token_f1("cat", ["dog", "the cat"]) == 1
    assert compute_token_f1("", ["dog"]) == 0


def test_they_are_metrics_of_sentences_by_name() -> None:
    found = compute_caption_scores(
        ["It is not 2 but 3", "an owl"],
        [["three"], ["owl"]],
        metrics=["exact", "contained", "token_f1"],
        questions=["How many?", None],
    )
    assert found.items == {"exact": [0, 1], "contained": [1, 1], "token_f1": [0, 1]}


def test_without_its_dictionary_the_rule_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "find_pycocoevalcap_folder", lambda _: tmp_path)
    for cached in (wordnet._load_meanings, wordnet._look_up_meanings, wordnet.list_base_forms):
        cached.cache_clear()
    with pytest.raises(MetricError, match=r"needs WordNet from .*meteor-1\.5\.jar"):
        wordnet.are_synonyms("gargle", "rinse")


Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def one_word_questions(shared: Path) -> Rows:
    with (shared / "data/aqeval/val.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["type"] == "word"]


def grades(rows: Rows) -> list[bool]:
    return [contains_reference(row["response"], [row["reference"]], row["question"]) for row in rows]


def test_it_agrees_with_people(one_word_questions: Rows) -> None:
    """Word questions with clear labels: balanced accuracy 0.587 for exact match, 0.852 for plain containment."""
    clear = [row for row in one_word_questions if row["final_annotation"] != "0.5"]
    people, rule = np.array([row["final_annotation"] == "1.0" for row in clear]), np.array(grades(clear))
    sensitivity, specificity = rule[people].mean(), 1 - rule[~people].mean()
    assert specificity >= 0.95
    assert (sensitivity + specificity) / 2 >= 0.89


def test_it_ranks_the_models_as_people_do(one_word_questions: Rows) -> None:
    """Wherever two models differ significantly by people's labels, the rule puts the same one first."""
    people: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    rule: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for row, grade in zip(one_word_questions, grades(one_word_questions), strict=True):
        key = (row["filename"], row["question"])
        people[row["model"]][key], rule[row["model"]][key] = float(row["final_annotation"]), float(grade)
    different = 0
    models = sorted(people)
    for number, first in enumerate(models):
        for second in models[number + 1 :]:
            keys = sorted(people[first].keys() & people[second].keys())
            clips = [clip for clip, _ in keys]
            by_people = compare_paired_scores(
                [people[first][key] for key in keys], [people[second][key] for key in keys], clips
            )
            if by_people.p < 0.05:
                different += 1
                gain = sum(rule[second][key] - rule[first][key] for key in keys)
                assert gain * (by_people.second - by_people.first) > 0, (first, second)
    assert different >= 3


def test_the_headline_says_how_far_it_agrees_with_people() -> None:
    text = describe_agreement("accuracy", f"text@1, {RULE}")
    assert text == describe_agreement("open_contained")
    assert text is not None
    assert "balanced accuracy 90 %" in text
    assert describe_agreement("accuracy", "options@5") is None, "another parser decided"
    assert "61 %" in (describe_agreement("open_accuracy") or ""), "exact match"
    assert "caption pairs of Clotho-Eval" in (describe_agreement("cider") or "")
    assert describe_agreement("answered") is None


def test_known_agreement_is_what_the_answers_give(one_word_questions: Rows) -> None:
    clear = [row for row in one_word_questions if row["final_annotation"] != "0.5"]
    people = [row["final_annotation"] == "1.0" for row in clear]
    rows = [(row["response"], [row["reference"]], row["question"]) for row in clear]
    rules = {
        "contained": [contains_reference(*row) for row in rows],
        "exact": [equals_reference(*row[:2]) for row in rows],
        "token_f1": [compute_token_f1(*row[:2]) >= 0.5 for row in rows],
    }
    for name, grade in rules.items():
        value = balanced_accuracy_score(people, grade)
        assert f"accuracy {100 * value:.0f} %" in (describe_agreement(name) or "")
