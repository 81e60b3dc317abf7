"""Nobody may answer without listening: question, options and hypotheses tell nothing of the gold."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from alm_bench.demo import iterate_annotated_questions, iterate_hypotheses
from alm_bench.demo.entailment import Hypotheses
from alm_bench.demo.mcq import BLOCK, LEVELS, SKILLS, Question, iterate_questions

NEAR = 0.03
TESTED, FITTED = 12 * BLOCK, 30 * BLOCK
LABELS = ("entailed", "neutral", "contradicted")


@pytest.fixture(scope="module")
def tested() -> list[Question]:
    return list(islice(iterate_questions("test"), TESTED))


@pytest.fixture(scope="module")
def fitted() -> list[Question]:
    return list(islice(iterate_questions("train"), FITTED))


def chance(items: Sequence[Question]) -> float:
    return float(np.mean([1 / len(item.choices) for item in items]))


def right(items: Sequence[Question], chosen: Sequence[int]) -> float:
    return float(np.mean([item.gold == index for item, index in zip(items, chosen, strict=True)]))


def bag_of_words() -> Pipeline:
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=200, C=10.0))


def stem(item: Question) -> str:
    return f"{item.skill} {item.difficulty} {item.question} {' | '.join(item.choices)}"


def test_fixed_strategies_on_multiple_choice_stay_at_chance(tested: list[Question], fitted: list[Question]) -> None:
    for size in (2, 4):
        frequent = Counter(item.gold for item in fitted if len(item.choices) == size).most_common(1)[0][0]
        some = [item for item in tested if len(item.choices) == size]
        strategies = {
            "first": [0 for _ in some],
            "last": [size - 1 for _ in some],
            "longest": [max(range(size), key=lambda i: len(item.choices[i])) for item in some],
            "shortest": [min(range(size), key=lambda i: len(item.choices[i])) for item in some],
            "most frequent letter": [frequent for _ in some],
        }
        for name, chosen in strategies.items():
            assert abs(right(some, chosen) - 1 / size) <= NEAR, (name, size)


def test_most_frequent_answers_do_not_pay(tested: list[Question], fitted: list[Question]) -> None:
    won = Counter(item.choices[item.gold] for item in fitted)
    offered = Counter(choice for item in fitted for choice in item.choices)
    rate = {choice: won[choice] / offered[choice] for choice in offered}
    chosen = [max(range(len(item.choices)), key=lambda i: rate.get(item.choices[i], 0.0)) for item in tested]
    assert abs(right(tested, chosen) - chance(tested)) <= NEAR


def test_bag_of_words_on_index_stays_at_chance(tested: list[Question], fitted: list[Question]) -> None:
    model = bag_of_words().fit([stem(item) for item in fitted], [item.gold for item in fitted])
    scores = model.predict_proba([stem(item) for item in tested])
    chosen = [int(np.argmax(row[: len(item.choices)])) for item, row in zip(tested, scores, strict=True)]
    assert abs(right(tested, chosen) - chance(tested)) <= NEAR


def test_bag_of_words_on_options_stays_at_chance(tested: list[Question], fitted: list[Question]) -> None:
    texts = [f"{item.question} = {choice}" for item in fitted for choice in item.choices]
    golds = [index == item.gold for item in fitted for index in range(len(item.choices))]
    model = bag_of_words().fit(texts, golds)
    chosen = []
    for item in tested:
        scores = model.predict_proba([f"{item.question} = {choice}" for choice in item.choices])[:, 1]
        chosen.append(int(np.argmax(scores)))
    assert abs(right(tested, chosen) - chance(tested)) <= NEAR


def test_same_question_and_options_has_every_gold_equally_often(tested: list[Question]) -> None:
    golds: dict[tuple[str, tuple[str, ...]], Counter[int]] = {}
    for item in tested:
        golds.setdefault((item.question, item.choices), Counter())[item.gold] += 1
    for (_, choices), counts in golds.items():
        assert len(counts) == len(choices)
        assert len(set(counts.values())) == 1


@pytest.mark.parametrize("key", ["skill", "domain", "difficulty"])
def test_groupings_tell_nothing_of_the_gold(tested: list[Question], key: str) -> None:
    for size in (2, 4):
        counts: dict[str, Counter[int]] = {}
        for item in tested:
            if len(item.choices) == size:
                counts.setdefault(getattr(item, key), Counter())[item.gold] += 1
        assert all(len(set(golds.values())) == 1 for golds in counts.values())


def test_prefixes_are_balanced_over_skills_domains_and_golds(tested: list[Question]) -> None:
    for length in (96, 300, 500):
        some = tested[:length]
        assert len({item.difficulty for item in some}) == len(LEVELS)
        for counts in (Counter(item.skill for item in some), Counter(item.domain for item in some)):
            assert max(counts.values()) - min(counts.values()) <= len(SKILLS)
        four = Counter(item.gold for item in some if len(item.choices) == 4)
        assert max(four.values()) - min(four.values()) <= 0.1 * sum(four.values())


def collect_clips(split: str, clips: int, per_clip: int = 1) -> list[Hypotheses]:
    return list(iterate_hypotheses(split, clips, folder="clips", per_clip=per_clip))


def three(clip: Hypotheses) -> list[tuple[str, str, str]]:
    """Sentences of each label that stand in one row."""
    return list(zip(clip.entailed, clip.neutral, clip.contradicted, strict=True))


def sentences(clips: Sequence[Hypotheses], label: str) -> Counter[str]:
    return Counter(text for clip in clips for text in getattr(clip, label))


@pytest.mark.parametrize(("clips", "rows"), [(352, 1), (75, 5), (203, 1), (3, 1), (5, 5), (6, 1), (11, 5)])
def test_every_hypothesis_is_true_plausible_and_false_equally_often(clips: int, rows: int) -> None:
    made = collect_clips("test", clips, rows)
    assert len({clip.path for clip in made}) == len(made) == clips
    assert all(len(getattr(clip, label)) == rows for clip in made for label in LABELS)
    assert sentences(made, "entailed") == sentences(made, "neutral") == sentences(made, "contradicted")


def test_entailment_prefixes_are_balanced() -> None:
    first = collect_clips("test", 200)[:100]
    assert sentences(first, "entailed") == sentences(first, "neutral") == sentences(first, "contradicted")


@pytest.mark.parametrize(("clips", "rows"), [(352, 1), (75, 5)])
def test_hypothesis_only_stays_at_chance(clips: int, rows: int) -> None:
    train, test = collect_clips("train", 3 * clips, rows), collect_clips("test", clips, rows)
    texts, labels = zip(
        *[(text, label) for label in LABELS for text in sentences(train, label).elements()], strict=True
    )
    asked, golds = zip(*[(text, label) for label in LABELS for text in sentences(test, label).elements()], strict=True)
    assert len(asked) >= 1000
    said = bag_of_words().fit(texts, labels).predict(asked)
    assert abs(np.mean(said == np.array(golds)) - 1 / 3) <= NEAR
    for pick in (max, min):  # of a clip's three sentences, the longest or the shortest
        rows_of = [dict(zip(LABELS, texts, strict=True)) for clip in test for texts in three(clip)]
        hits = [pick(LABELS, key=lambda label: len(row[label])) == "entailed" for row in rows_of]
        assert abs(np.mean(hits) - 1 / 3) <= 2 * NEAR  # a third of the items, so a wider margin


def asked_and_answered(split: str, clips: int) -> list[tuple[str, str]]:
    return [(item.question, item.majority) for item in iterate_annotated_questions(split, clips)]


def test_yes_and_no_cannot_be_read_from_the_question() -> None:
    train, test = asked_and_answered("train", 1500), asked_and_answered("test", 520)
    asked, golds = zip(*[(text, answer) for text, answer in test if answer in ("yes", "no")], strict=True)
    assert len(asked) >= 1000
    assert Counter(golds)["yes"] == Counter(golds)["no"]
    texts, answers = zip(*[(text, answer) for text, answer in train if answer in ("yes", "no")], strict=True)
    said = bag_of_words().fit(texts, answers).predict(asked)
    assert abs(np.mean(said == np.array(golds)) - 0.5) <= NEAR


def test_one_word_answers_follow_no_prior() -> None:
    train, test = (
        [pair for pair in asked_and_answered(split, 1000) if pair[1] not in ("yes", "no")]
        for split in ("train", "test")
    )
    frequent = Counter(answer for _, answer in train).most_common(1)[0][0]
    assert len({answer for _, answer in test}) >= 30
    assert np.mean([answer == frequent for _, answer in test]) <= 1 / 33 + NEAR
