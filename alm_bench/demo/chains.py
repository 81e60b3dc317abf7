"""Chains of thought about questions of the demo data. They are written from the description of the scene, which lists
all its sounds, so no language model is needed.

A structured chain has the sections of SARI (arXiv 2504.15900): planning, caption, reasoning and summary. A free chain
is one text of the same content without sections. The style `answer` has no chain, only the tags of the answer.
"""

from collections.abc import Callable, Mapping
from itertools import combinations, islice
from typing import Literal

from alm_bench.demo.attribute_questions import compose_transcript
from alm_bench.demo.dataset import DatasetRows, Row
from alm_bench.demo.mcq import Question, format_order_question, iterate_questions
from alm_bench.demo.scene import Event
from alm_bench.demo.training import build_row, compose_caption, create_choice_row, name_clip
from alm_bench.demo.vocabulary import EVENT_TYPES, describe_event, is_ambiguous

ChainStyle = Literal["structured", "free", "answer"]

INSTRUCTIONS: Mapping[ChainStyle, str] = {
    "structured": (
        "output planning, caption, reasoning and summary within <think> </think> and the final answer in <answer> "
        "</answer>."
    ),
    "free": "output the thinking process in <think> </think> and final answer in <answer> </answer>.",
    "answer": "output the final answer in <answer> </answer>.",
}
"""Text after the prompt that asks for a chain of a style."""

SUBTYPES: Mapping[ChainStyle, str] = {
    "structured": "Chain_Structured.json",
    "free": "Chain_Free.json",
    "answer": "Chain_Answer.json",
}
"""Part of the data of rows with a chain of a style."""

SECTIONS = ("planning", "caption", "reasoning", "summary")
"""Sections of a structured chain, in order."""

_PLANS = {
    "Event Presence": "list the sounds, then look for each option",
    "First and Last Event": "list the sounds in order, then take the {edge} one",
    "Event Order": "list the sounds in order, then find both",
    "Counting": "find the sound, then count it",
    "Loudness Comparison": "list the sounds, then compare how loud they are",
    "Pitch Comparison": "find both sounds, then compare their pitch",
    "Tempo Comparison": "find both sounds, then compare how fast they are",
    "Source Inference": "name the sound, then think of where it belongs",
}
"""Plan by the skill that a question tests."""


def write_chain(item: Question, style: ChainStyle) -> str:
    """Return the chain of thought and the answer to a multiple-choice question, in lower case:
    `<think>...</think><answer>before</answer>`. The answer is the text of the option without its letter, as the
    published rewards of such models require."""
    if style == "answer":
        return f"<answer>{item.choices[item.gold].lower()}</answer>"
    ordered = sorted(item.scene.events, key=lambda event: event.onset)
    answer = item.choices[item.gold].lower()
    texts = {
        "planning": _PLANS[item.skill].format(edge="last" if "last" in item.question.lower() else "first"),
        "caption": compose_transcript(item.scene),
        "reasoning": _REASONERS[item.skill](item, ordered),
        "summary": f"so the answer is {answer}",
    }
    if style == "structured":
        thought = "".join(f"<{name}>{texts[name]}</{name}>" for name in SECTIONS)
    else:
        thought = f"i hear {texts['caption']}. {texts['reasoning']}, {texts['summary']}."
    return f"<think>{thought}</think><answer>{answer}</answer>"


def build_chain_rows(n: int, style: ChainStyle, seed: int = 0, split: str = "train") -> DatasetRows:
    """Return `n` training rows of multiple-choice questions whose answers are chains of thought, with the scenes of
    their clips. The questions and clips are those of `build_training_rows` with the same split and seed. Prompts are
    those of plain rows, without an instruction; the key `reference` has the plain answer (`b) before`)."""
    folder = {"train": "AudioCapsLarger/train", "val": "AudioCapsLarger/val"}[split]
    dataset = DatasetRows()
    for item in islice(iterate_questions(split, seed), n):
        path = name_clip(item, folder)
        dataset.scenes[path] = item.scene
        dataset.rows.append(_build_chain_row(dataset, item, path, style))
    return dataset


def _build_chain_row(dataset: DatasetRows, item: Question, path: str, style: ChainStyle) -> Row:
    plain = create_choice_row(dataset, item, path)
    caption = [compose_caption(dataset.scenes, path)]
    row = build_row(SUBTYPES[style], [path], caption, plain["input"], write_chain(item, style), item.difficulty)
    return {**row, "reference": plain["answer"]}


def _get_event_name(event: Event) -> str:
    """Return the label of an event's type; for an ambiguous sound, its description."""
    if is_ambiguous(event.type):
        return describe_event(event.type).removesuffix(" is heard")
    return EVENT_TYPES[event.type].label


def _explain_presence(item: Question, events: list[Event]) -> str:
    return f"of the options only {item.choices[item.gold].lower()} is heard"


def _explain_first_or_last(item: Question, events: list[Event]) -> str:
    edge, event = ("last", events[-1]) if "last" in item.question.lower() else ("first", events[0])
    return f"the {edge} sound is {_get_event_name(event)}"


def _explain_order(item: Question, events: list[Event]) -> str:
    first, second = next(
        (a, b)
        for a, b in combinations(events, 2)
        for one, other in ((EVENT_TYPES[a.type], EVENT_TYPES[b.type]), (EVENT_TYPES[b.type], EVENT_TYPES[a.type]))
        if format_order_question(one, other) == item.question
    )
    return f"{_get_event_name(first)} comes first, {_get_event_name(second)} comes later"


def _explain_count(item: Question, events: list[Event]) -> str:
    counted = next(event for event in events if f"many {EVENT_TYPES[event.type].units} are" in item.question)
    return f"{EVENT_TYPES[counted.type].units}: {counted.repeats}"


def _explain_loudness(item: Question, events: list[Event]) -> str:
    loudest = max(events, key=lambda event: event.gain)
    others = list(dict.fromkeys(_get_event_name(event) for event in events if event is not loudest))
    return f"{_get_event_name(loudest)} is louder than {' and '.join(others)}"


def _explain_comparison(item: Question, ordered: list[Event], attribute: str, less: str, more: str) -> str:
    """Return a clause that says which of the two events of one type has the higher `attribute`. `less` and `more` are
    the words for the lower and the higher value."""
    types = [event.type for event in ordered]
    first, second = [event for event in ordered if types.count(event.type) == 2]
    rising = getattr(first, attribute) < getattr(second, attribute)
    return f"the first one is {less if rising else more}, the second one is {more if rising else less}"


def _explain_pitch(item: Question, events: list[Event]) -> str:
    return _explain_comparison(item, events, "pitch", "low", "high")


def _explain_tempo(item: Question, events: list[Event]) -> str:
    return _explain_comparison(item, events, "tempo", "slow", "fast")


def _explain_source(item: Question, events: list[Event]) -> str:
    return f"{_get_event_name(events[0])} belongs to {item.choices[item.gold].lower()}"


_REASONERS: Mapping[str, Callable[[Question, list[Event]], str]] = {
    "Event Presence": _explain_presence,
    "First and Last Event": _explain_first_or_last,
    "Event Order": _explain_order,
    "Counting": _explain_count,
    "Loudness Comparison": _explain_loudness,
    "Pitch Comparison": _explain_pitch,
    "Tempo Comparison": _explain_tempo,
    "Source Inference": _explain_source,
}
"""Function that writes the reasoning, by the skill that a question tests. It takes the question and the events of
its scene in order, and returns the clause from which the answer follows."""
