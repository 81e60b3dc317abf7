"""Multiple-choice questions about events in scenes: presence, order, number, loudness, pitch, tempo and source.

Questions are generated in groups. A group has one question with fixed options, and one scene per option in which that
option is correct. Question and options therefore give no information about the correct answer.
"""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alm_bench.demo.scene import (
    SECONDS,
    Event,
    Scene,
    build_event,
    build_scene_in_order,
    create_generator,
    draw_factor,
    draw_slots,
    hash_name,
)
from alm_bench.demo.vocabulary import DOMAINS, EVENT_TYPES, EventType, list_domain_types


@dataclass(frozen=True, slots=True)
class Difficulty:
    """Parameters of a difficulty level."""

    other_events: int
    """Number of additional events that are not part of the question."""

    overlap: bool
    """True if events may overlap."""

    noise_level: float
    """Background noise level in dB relative to full scale."""

    loudness_difference: float
    """Loudness difference between compared events in dB."""

    pitch_ratio: float
    """Pitch ratio between compared events."""

    tempo_ratio: float
    """Tempo ratio between compared events."""


LEVELS: dict[str, Difficulty] = {
    "easy": Difficulty(0, False, -64.0, 15.0, 2.0, 2.3),
    "medium": Difficulty(1, False, -57.0, 12.0, 1.8, 2.0),
    "hard": Difficulty(2, True, -50.0, 9.0, 1.6, 1.75),
}


@dataclass(frozen=True, slots=True)
class QuestionGroup:
    """A question with one scene per option, so that each option is correct for one clip."""

    question: str
    """Text of the question."""

    choices: tuple[str, ...]
    """Texts of the options."""

    scenes: tuple[Scene, ...]
    """`scenes[i]` makes `choices[i]` the correct answer."""


GroupBuilder = Callable[[random.Random, str, Difficulty], QuestionGroup]


def _capitalise(text: str) -> str:
    return text[0].upper() + text[1:]


def _draw_option_types(rng: random.Random, domain: str) -> list[EventType]:
    """Draw four different event types of a domain, whose labels become the options."""
    return rng.sample(list_domain_types(domain), 4)


def _draw_other_types(rng: random.Random, count: int, *avoid: EventType) -> list[str]:
    """Draw `count` event types, and return their keys. The event types `avoid`, which are those of the options, are not
    drawn."""
    return rng.sample([key for key, kind in EVENT_TYPES.items() if kind not in avoid], count)


def _build_presence_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    kinds = _draw_option_types(rng, domain)
    scenes = []
    for kind in kinds:
        tags = [kind.key, *_draw_other_types(rng, level.other_events, *kinds)]
        rng.shuffle(tags)
        scenes.append(build_scene_in_order(rng, tags, overlap=level.overlap, noise=level.noise_level))
    question = rng.choice(("Which of these sounds can be heard?", "Which sound event is present in the recording?"))
    return QuestionGroup(question, tuple(_capitalise(kind.label) for kind in kinds), tuple(scenes))


def _build_endpoint_group(rng: random.Random, domain: str, level: Difficulty, last: bool) -> QuestionGroup:
    """Build a group that asks for the first sound of the scene, or for the last one if `last` is True."""
    kinds = _draw_option_types(rng, domain)
    scenes = []
    for kind in kinds:
        tags = rng.sample([other.key for other in kinds if other is not kind], 1 + level.other_events)
        tags = [*tags, kind.key] if last else [kind.key, *tags]
        scenes.append(build_scene_in_order(rng, tags, overlap=level.overlap, noise=level.noise_level))
    place = "last" if last else "first"
    question = rng.choice((f"Which sound is heard {place}?", f"What is the {place} sound in the recording?"))
    return QuestionGroup(question, tuple(_capitalise(kind.label) for kind in kinds), tuple(scenes))


def _build_first_or_last_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    """Build a group that asks for the first or the last sound, drawn with equal probability."""
    return _build_endpoint_group(rng, domain, level, last=rng.random() < 0.5)


def format_order_question(a: EventType, b: EventType) -> str:
    return f"Is {a.phrase} heard before or after {b.phrase}?"


def _build_order_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    a, b = rng.sample(list_domain_types(domain), 2)
    scenes = {}
    for answer, tags in (("Before", [a.key, b.key]), ("After", [b.key, a.key])):
        for other in _draw_other_types(rng, level.other_events, a, b):
            tags.insert(rng.randint(0, len(tags)), other)
        scenes[answer] = build_scene_in_order(rng, tags, overlap=level.overlap, noise=level.noise_level)
    choices = tuple(rng.sample(list(scenes), 2))
    return QuestionGroup(format_order_question(a, b), choices, tuple(scenes[choice] for choice in choices))


def _build_count_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    kind = rng.choice([kind for kind in list_domain_types(domain) if kind.is_countable])
    start = rng.choice((1, 2))
    numbers = rng.sample(range(start, start + 4), 4)
    scenes = []
    for number in numbers:
        reference_event = build_event(
            kind.key, 0.0, 0.0, tempo=draw_factor(rng, 1.0, 1.15), pitch=draw_factor(rng), repeats=number
        )
        late = rng.random() < 0.5
        onset = (
            rng.uniform(SECONDS - reference_event.duration - 0.6, SECONDS - reference_event.duration - 0.1)
            if late
            else rng.uniform(0, 0.5)
        )
        events = [
            build_event(kind.key, onset, 0.0, tempo=reference_event.tempo, pitch=reference_event.pitch, repeats=number)
        ]
        for other in _draw_other_types(rng, min(level.other_events, 1), kind):
            room = SECONDS - reference_event.duration - 1.0 if not level.overlap else SECONDS - 1.0
            where = 0.3 if late or level.overlap else reference_event.duration + 0.8
            events.append(
                build_event(other, where, min(room, 4.0), gain=-6.0 if level.overlap else -2.0, tempo=draw_factor(rng))
            )
        scenes.append(Scene(rng.getrandbits(62), tuple(events), level.noise_level))
    question = rng.choice(("How many {} are heard?", "How many {} are there in the recording?")).format(kind.units)
    return QuestionGroup(question, tuple(map(str, numbers)), tuple(scenes))


def _build_loudness_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    kinds = _draw_option_types(rng, domain)
    scenes = []
    for kind in kinds:
        others = rng.sample([other.key for other in kinds if other is not kind], 1 + level.other_events)
        tags = rng.sample([kind.key, *others], len(others) + 1)
        gains = [
            2.0 if tag == kind.key else round(2.0 - level.loudness_difference - rng.uniform(0, 2), 1) for tag in tags
        ]
        scenes.append(build_scene_in_order(rng, tags, gains=gains, overlap=level.overlap, noise=level.noise_level))
    question = rng.choice(("Which sound is the loudest?", "Which of the sounds stands out by its loudness?"))
    return QuestionGroup(question, tuple(_capitalise(kind.label) for kind in kinds), tuple(scenes))


def _build_two_event_scene(
    rng: random.Random, kind: EventType, level: Difficulty, factors: tuple[float, float], attribute: str
) -> Scene:
    """Build a scene with two events of one type, whose `attribute` (`pitch` or `tempo`) is scaled by the two factors in
    order. If events may overlap, an event of another type is added."""
    tags = [kind.key, kind.key]
    if level.overlap:
        tags.insert(rng.randint(0, 2), _draw_other_types(rng, 1, kind)[0])
    left = iter(factors)
    events: list[Event] = []
    for tag, (onset, room) in zip(tags, draw_slots(rng, len(tags), longest=4.0), strict=True):
        factor = {"pitch": draw_factor(rng, 0.97, 1.03), "tempo": draw_factor(rng, 0.95, 1.05)}
        if tag == kind.key:
            factor[attribute] = next(left)
        gain = round(rng.uniform(-2.0, 1.0), 1)
        events.append(build_event(tag, onset, room, gain=gain, pitch=factor["pitch"], tempo=factor["tempo"]))
    return Scene(rng.getrandbits(62), tuple(events), level.noise_level)


def _build_comparison_group(
    rng: random.Random, kind: EventType, level: Difficulty, attribute: str, ratio: float, words: tuple[str, str]
) -> QuestionGroup:
    """Build a question group that compares two sounds in `attribute` (`pitch` or `tempo`). `ratio` is the larger value
    of the attribute divided by the smaller one; `words` are the question's words for more and for less of it."""
    middle = draw_factor(rng, 0.93, 1.07)
    low, high = round(middle * ratio**-0.5, 3), round(middle * ratio**0.5, 3)
    less = rng.random() < 0.5
    scenes = {
        "The first one": _build_two_event_scene(rng, kind, level, (low, high) if less else (high, low), attribute),
        "The second one": _build_two_event_scene(rng, kind, level, (high, low) if less else (low, high), attribute),
    }
    choices = tuple(rng.sample(list(scenes), 2))
    question = f"{_capitalise(kind.phrase)} is heard twice. Which one is {words[less]}?"
    return QuestionGroup(question, choices, tuple(scenes[choice] for choice in choices))


def _build_pitch_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    kind = rng.choice([kind for kind in list_domain_types(domain) if kind.pitched])
    return _build_comparison_group(rng, kind, level, "pitch", level.pitch_ratio, ("higher in pitch", "lower in pitch"))


def _build_tempo_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    kind = rng.choice([kind for kind in list_domain_types(domain) if kind.paced and not 0 < kind.rate < 1.5])
    return _build_comparison_group(rng, kind, level, "tempo", level.tempo_ratio, ("faster", "slower"))


def _build_source_group(rng: random.Random, domain: str, level: Difficulty) -> QuestionGroup:
    kinds = _draw_option_types(rng, domain)
    asks_for_place = rng.random() < 0.5
    scenes = []
    for kind in kinds:
        onset, room = rng.uniform(0.2, 3.5), rng.uniform(3.0, 6.0)
        item = build_event(
            kind.key, onset, room, gain=-2.0 * level.other_events, pitch=draw_factor(rng), tempo=draw_factor(rng)
        )
        scenes.append(Scene(rng.getrandbits(62), (item,), level.noise_level + 3.0 * level.other_events))
    place = rng.choice(("Where was this most likely recorded?", "In what place does one hear this?"))
    thing = rng.choice(("What is the most likely source of the sound?", "What made the sound in the recording?"))
    choices = tuple(_capitalise(kind.place if asks_for_place else kind.source) for kind in kinds)
    return QuestionGroup(place if asks_for_place else thing, choices, tuple(scenes))


SKILLS: dict[str, tuple[GroupBuilder, int, str]] = {
    "Event Presence": (_build_presence_group, 4, "Information Extraction"),
    "First and Last Event": (_build_first_or_last_group, 4, "Information Extraction"),
    "Event Order": (_build_order_group, 2, "Reasoning"),
    "Counting": (_build_count_group, 4, "Information Extraction"),
    "Loudness Comparison": (_build_loudness_group, 4, "Reasoning"),
    "Pitch Comparison": (_build_pitch_group, 2, "Reasoning"),
    "Tempo Comparison": (_build_tempo_group, 2, "Reasoning"),
    "Source Inference": (_build_source_group, 4, "Reasoning"),
}
"""Function that builds a group, number of options and category, by skill."""

BLOCK = len(SKILLS) * len(DOMAINS) * 4
"""Number of consecutive questions after which every combination of skill, domain and correct option has occurred
equally often, because all groups are complete.
"""


@dataclass(frozen=True, slots=True)
class Question:
    """A multiple-choice question about a scene, independent of any file format."""

    id: str
    """Id of the item."""

    skill: str
    """Skill that the question tests."""

    category: str
    """Category of the skill."""

    domain: str
    """Sound, music or speech."""

    difficulty: str
    """Easy, medium or hard."""

    question: str
    """Text of the question."""

    choices: tuple[str, ...]
    """Texts of the options."""

    gold: int
    """Index of the correct option."""

    scene: Scene
    """Scene of the clip."""


def iterate_questions(split: str, seed: int = 0) -> Iterator[Question]:
    """Yield an endless sequence of questions. Each successive 24 questions contain every combination of skill and
    domain once. In each successive `BLOCK` questions, every option is correct equally often."""
    cells = [(skill, domain) for skill in SKILLS for domain in DOMAINS]
    groups: dict[tuple[str, str], QuestionGroup] = {}
    turn = 0
    while True:
        order = list(range(len(cells)))
        create_generator("mcq", split, seed, "turn", turn).shuffle(order)
        for place in order:
            skill, domain = cells[place]
            build, options, category = SKILLS[skill]
            group = turn // options
            difficulty = list(LEVELS)[(group + place) % len(LEVELS)]
            key = ("mcq", split, seed, skill, domain, group)
            if turn % options == 0:
                groups[skill, domain] = build(create_generator(*key), domain, LEVELS[difficulty])
            made, gold = groups[skill, domain], (turn + place) % options
            name = str(uuid.UUID(hash_name(*key, gold)[:32]))
            yield Question(
                name, skill, category, domain, difficulty, made.question, made.choices, gold, made.scenes[gold]
            )
        turn += 1
