"""Golds and hypotheses agree with what the scenes hold."""

import re
from itertools import islice, pairwise

import pytest

from alm_bench.demo import EVENT_TYPES, FAMILIES, Event, Scene, iterate_annotated_questions, iterate_hypotheses
from alm_bench.demo.mcq import BLOCK, Question, iterate_questions
from alm_bench.tasks.clotho_aqa.demo import build_aqa_rows

BY_NAME = {
    name.lower(): kind.key
    for kind in EVENT_TYPES.values()
    for name in (kind.label, kind.phrase, kind.source, kind.place, kind.units)
    if name
}


def ordered(scene: Scene) -> list[Event]:
    return sorted(scene.events, key=lambda event: event.onset)


def twice(item: Question) -> list[Event]:
    name = item.question.split(" is heard twice")[0].lower()
    return [event for event in ordered(item.scene) if event.type == BY_NAME[name]]


def solved(item: Question) -> str:
    """The right answer by the scene alone, lower-cased."""
    events, text = ordered(item.scene), item.question
    offered = {BY_NAME[choice.lower()]: choice for choice in item.choices if choice.lower() in BY_NAME}
    match item.skill:
        case "Event Presence" | "Source Inference":
            (heard,) = offered.keys() & item.scene.types
            return offered[heard]
        case "First and Last Event":
            return offered[events[-1 if "last" in text else 0].type]
        case "Event Order":
            asked = re.fullmatch(r"Is (.+) heard before or after (.+)\?", text)
            assert asked
            a, b = (next(e.onset for e in events if e.type == BY_NAME[name]) for name in asked.groups())
            return "Before" if a < b else "After"
        case "Counting":
            units = re.fullmatch(r"How many (.+?) are (heard|there in the recording)\?", text)
            assert units
            (event,) = (event for event in events if event.type == BY_NAME[units[1]])
            return str(event.repeats)
        case "Loudness Comparison":
            return offered[max(events, key=lambda event: event.gain).type]
        case "Pitch Comparison" | "Tempo Comparison":
            first, second = (e.pitch if "pitch" in text else e.tempo for e in twice(item))
            more = "higher" in text or "faster" in text
            return "The first one" if (first > second) == more else "The second one"
    raise AssertionError(item.skill)


def test_every_gold_follows_from_its_scene() -> None:
    for item in islice(iterate_questions("test"), 6 * BLOCK):
        assert solved(item) == item.choices[item.gold], item


def test_events_lie_within_the_clip_and_comparisons_are_audible() -> None:
    for item in islice(iterate_questions("test"), 6 * BLOCK):
        events = ordered(item.scene)
        assert all(event.onset >= 0 and event.duration > 0.05 and event.end <= 10.0 + 1e-6 for event in events)
        if item.skill == "Loudness Comparison":
            loud, second, *_ = sorted((event.gain for event in events), reverse=True)
            assert loud - second >= 8.9
        if item.skill in ("First and Last Event", "Event Order"):
            onsets = [event.onset for event in events]
            assert min(b - a for a, b in pairwise(onsets)) >= 0.6
        if item.skill == "Counting":
            asked = EVENT_TYPES[BY_NAME[re.split(r"How many | are ", item.question)[1]]]
            (event,) = (event for event in events if event.type == asked.key)
            assert event.duration * asked.rate * event.tempo == pytest.approx(event.repeats, abs=0.02)


@pytest.mark.parametrize("rows", [1, 5])
def test_hypotheses_follow_from_their_scenes(rows: int) -> None:
    speaks_of = {sentence: kind for kind in EVENT_TYPES.values() for sentence in kind.hypotheses}
    assert len(speaks_of) == 3 * len(EVENT_TYPES)
    for clip in iterate_hypotheses("test", 120, folder="clips", per_clip=rows):
        heard = clip.scene.types
        families = {EVENT_TYPES[tag].family for tag in heard if tag in EVENT_TYPES}
        for texts in zip(clip.entailed, clip.neutral, clip.contradicted, strict=True):
            true, plausible, false = (speaks_of[text] for text in texts)
            assert true.key in heard
            assert f"{true.family}?" not in heard
            assert f"{plausible.family}?" in heard
            assert plausible.family not in families
            assert f"{false.family}?" not in heard
            assert false.family not in families


def test_yes_no_and_one_word_answers_follow_from_their_scenes() -> None:
    for item in iterate_annotated_questions("test", 200):
        text, answer, events = item.question, item.majority, ordered(item.scene)
        if edge := re.fullmatch(r"What makes the (first|last) sound\?", text):
            assert answer == EVENT_TYPES[events[0 if edge[1] == "first" else -1].type].word
            continue
        if order := re.fullmatch(r"Is (.+) heard before (.+)\?", text):
            expected = [event.type for event in events] == [BY_NAME[name] for name in order.groups()]
        elif end := re.fullmatch(r"Does the recording end with (.+)\?", text):
            expected = events[-1].type == BY_NAME[end[1]]
        else:
            asked = re.fullmatch(r"(?:Can|Does the recording contain|Is there a sound of) (.+?)( be heard)?\?", text)
            assert asked, text
            expected = BY_NAME[asked[1]] in {event.type for event in events}
        assert answer == ("yes" if expected else "no"), (text, events)


def test_annotators_agree_but_for_a_few() -> None:
    rows = build_aqa_rows("test", 200).rows
    asked = [rows[i : i + 3] for i in range(0, len(rows), 3)]
    split = [len({row["answer"] for row in three}) > 1 for three in asked]
    assert 0.04 < sum(split) / len(split) < 0.25
    assert all(len({(row["file_name"], row["QuestionText"]) for row in three}) == 1 for three in asked)


def test_families_have_two_to_four_types_and_names_are_unique() -> None:
    for family in FAMILIES:
        assert 2 <= sum(kind.family == family for kind in EVENT_TYPES.values()) <= 4
    for name in ("label", "phrase", "clause", "word", "source", "place"):
        assert len({getattr(kind, name) for kind in EVENT_TYPES.values()}) == len(EVENT_TYPES)
    assert len(EVENT_TYPES) >= 24
