"""Multiple-choice questions about events in scenes: presence, order, number, loudness, pitch, tempo and source.

Questions are generated in groups. A group has one question with fixed options, and one scene per option in which that
option is correct. Question and options therefore give no information about the correct answer.
"""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alm_bench.demo.scene import SECONDS, Event, Scene, event, hash_name, sequence, slots, stream, vary
from alm_bench.demo.vocabulary import DOMAINS, EVENT_TYPES, EventType, of_domain


@dataclass(frozen=True, slots=True)
class Level:
    """Parameters of a difficulty level."""

    others: int
    """Number of additional events that are not part of the question."""

    overlap: bool
    """True if events may overlap."""

    noise: float
    """Background noise level in dB relative to full scale."""

    gap: float
    """Loudness difference between compared events in dB."""

    pitch: float
    """Pitch ratio between compared events."""

    tempo: float
    """Tempo ratio between compared events."""


LEVELS: dict[str, Level] = {
    "easy": Level(0, False, -64.0, 15.0, 2.0, 2.3),
    "medium": Level(1, False, -57.0, 12.0, 1.8, 2.0),
    "hard": Level(2, True, -50.0, 9.0, 1.6, 1.75),
}


@dataclass(frozen=True, slots=True)
class Group:
    """A question with one scene per option, so that each option is correct for one clip."""

    question: str
    """Text of the question."""

    choices: tuple[str, ...]
    """Texts of the options."""

    scenes: tuple[Scene, ...]
    """`scenes[i]` makes `choices[i]` the correct answer."""


Builder = Callable[[random.Random, str, Level], Group]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _options(rng: random.Random, domain: str) -> list[EventType]:
    return rng.sample(of_domain(domain), 4)


def _bystanders(rng: random.Random, count: int, *avoid: EventType) -> list[str]:
    """Draw `count` event types other than `avoid`, the types of the options. Returns their keys."""
    return rng.sample([key for key, kind in EVENT_TYPES.items() if kind not in avoid], count)


def _presence(rng: random.Random, domain: str, level: Level) -> Group:
    kinds = _options(rng, domain)
    scenes = []
    for kind in kinds:
        tags = [kind.key, *_bystanders(rng, level.others, *kinds)]
        rng.shuffle(tags)
        scenes.append(sequence(rng, tags, overlap=level.overlap, noise=level.noise))
    question = rng.choice(("Which of these sounds can be heard?", "Which sound event is present in the recording?"))
    return Group(question, tuple(_capital(kind.label) for kind in kinds), tuple(scenes))


def _edge(rng: random.Random, domain: str, level: Level, last: bool) -> Group:
    kinds = _options(rng, domain)
    scenes = []
    for kind in kinds:
        tags = rng.sample([other.key for other in kinds if other is not kind], 1 + level.others)
        tags = [*tags, kind.key] if last else [kind.key, *tags]
        scenes.append(sequence(rng, tags, overlap=level.overlap, noise=level.noise))
    place = "last" if last else "first"
    question = rng.choice((f"Which sound is heard {place}?", f"What is the {place} sound in the recording?"))
    return Group(question, tuple(_capital(kind.label) for kind in kinds), tuple(scenes))


def _first_or_last(rng: random.Random, domain: str, level: Level) -> Group:
    return _edge(rng, domain, level, last=rng.random() < 0.5)


def order_question(a: EventType, b: EventType) -> str:
    return f"Is {a.phrase} heard before or after {b.phrase}?"


def _order(rng: random.Random, domain: str, level: Level) -> Group:
    a, b = rng.sample(of_domain(domain), 2)
    scenes = {}
    for answer, tags in (("Before", [a.key, b.key]), ("After", [b.key, a.key])):
        for other in _bystanders(rng, level.others, a, b):
            tags.insert(rng.randint(0, len(tags)), other)
        scenes[answer] = sequence(rng, tags, overlap=level.overlap, noise=level.noise)
    choices = tuple(rng.sample(list(scenes), 2))
    return Group(order_question(a, b), choices, tuple(scenes[choice] for choice in choices))


def _count(rng: random.Random, domain: str, level: Level) -> Group:
    kind = rng.choice([kind for kind in of_domain(domain) if kind.countable])
    start = rng.choice((1, 2))
    numbers = rng.sample(range(start, start + 4), 4)
    scenes = []
    for number in numbers:
        asked = event(kind.key, 0.0, 0.0, tempo=vary(rng, 1.0, 1.15), pitch=vary(rng), repeats=number)
        late = rng.random() < 0.5
        onset = (
            rng.uniform(SECONDS - asked.duration - 0.6, SECONDS - asked.duration - 0.1) if late else rng.uniform(0, 0.5)
        )
        events = [event(kind.key, onset, 0.0, tempo=asked.tempo, pitch=asked.pitch, repeats=number)]
        for other in _bystanders(rng, min(level.others, 1), kind):
            room = SECONDS - asked.duration - 1.0 if not level.overlap else SECONDS - 1.0
            where = 0.3 if late or level.overlap else asked.duration + 0.8
            events.append(event(other, where, min(room, 4.0), gain=-6.0 if level.overlap else -2.0, tempo=vary(rng)))
        scenes.append(Scene(rng.getrandbits(62), tuple(events), level.noise))
    question = rng.choice(("How many {} are heard?", "How many {} are there in the recording?")).format(kind.units)
    return Group(question, tuple(map(str, numbers)), tuple(scenes))


def _loudest(rng: random.Random, domain: str, level: Level) -> Group:
    kinds = _options(rng, domain)
    scenes = []
    for kind in kinds:
        others = rng.sample([other.key for other in kinds if other is not kind], 1 + level.others)
        tags = rng.sample([kind.key, *others], len(others) + 1)
        gains = [2.0 if tag == kind.key else round(2.0 - level.gap - rng.uniform(0, 2), 1) for tag in tags]
        scenes.append(sequence(rng, tags, gains=gains, overlap=level.overlap, noise=level.noise))
    question = rng.choice(("Which sound is the loudest?", "Which of the sounds stands out by its loudness?"))
    return Group(question, tuple(_capital(kind.label) for kind in kinds), tuple(scenes))


def _twice(rng: random.Random, kind: EventType, level: Level, factors: tuple[float, float], of: str) -> Scene:
    """Build a scene with two events of one type, whose attribute `of` (`pitch` or `tempo`) is scaled by the two factors
    in order. If events may overlap, an event of another type is added."""
    tags = [kind.key, kind.key]
    if level.overlap:
        tags.insert(rng.randint(0, 2), _bystanders(rng, 1, kind)[0])
    left = iter(factors)
    events: list[Event] = []
    for tag, (onset, room) in zip(tags, slots(rng, len(tags), longest=4.0), strict=True):
        factor = {"pitch": vary(rng, 0.97, 1.03), "tempo": vary(rng, 0.95, 1.05)}
        if tag == kind.key:
            factor[of] = next(left)
        gain = round(rng.uniform(-2.0, 1.0), 1)
        events.append(event(tag, onset, room, gain=gain, pitch=factor["pitch"], tempo=factor["tempo"]))
    return Scene(rng.getrandbits(62), tuple(events), level.noise)


def _compare(rng: random.Random, kind: EventType, level: Level, of: str, ratio: float, words: tuple[str, str]) -> Group:
    """Build a group of questions that compare two sounds in the attribute `of` (`pitch` or `tempo`). `words` are the
    question's words for more and for less of it."""
    middle = vary(rng, 0.93, 1.07)
    low, high = round(middle * ratio**-0.5, 3), round(middle * ratio**0.5, 3)
    less = rng.random() < 0.5
    scenes = {
        "The first one": _twice(rng, kind, level, (low, high) if less else (high, low), of),
        "The second one": _twice(rng, kind, level, (high, low) if less else (low, high), of),
    }
    choices = tuple(rng.sample(list(scenes), 2))
    question = f"{_capital(kind.phrase)} is heard twice. Which one is {words[less]}?"
    return Group(question, choices, tuple(scenes[choice] for choice in choices))


def _pitch(rng: random.Random, domain: str, level: Level) -> Group:
    kind = rng.choice([kind for kind in of_domain(domain) if kind.pitched])
    return _compare(rng, kind, level, "pitch", level.pitch, ("higher in pitch", "lower in pitch"))


def _tempo(rng: random.Random, domain: str, level: Level) -> Group:
    kind = rng.choice([kind for kind in of_domain(domain) if kind.paced and not 0 < kind.rate < 1.5])
    return _compare(rng, kind, level, "tempo", level.tempo, ("faster", "slower"))


def _source(rng: random.Random, domain: str, level: Level) -> Group:
    kinds = _options(rng, domain)
    asked_place = rng.random() < 0.5
    scenes = []
    for kind in kinds:
        onset, room = rng.uniform(0.2, 3.5), rng.uniform(3.0, 6.0)
        item = event(kind.key, onset, room, gain=-2.0 * level.others, pitch=vary(rng), tempo=vary(rng))
        scenes.append(Scene(rng.getrandbits(62), (item,), level.noise + 3.0 * level.others))
    place = rng.choice(("Where was this most likely recorded?", "In what place does one hear this?"))
    thing = rng.choice(("What is the most likely source of the sound?", "What made the sound in the recording?"))
    choices = tuple(_capital(kind.place if asked_place else kind.source) for kind in kinds)
    return Group(place if asked_place else thing, choices, tuple(scenes))


SKILLS: dict[str, tuple[Builder, int, str]] = {
    "Event Presence": (_presence, 4, "Information Extraction"),
    "First and Last Event": (_first_or_last, 4, "Information Extraction"),
    "Event Order": (_order, 2, "Reasoning"),
    "Counting": (_count, 4, "Information Extraction"),
    "Loudness Comparison": (_loudest, 4, "Reasoning"),
    "Pitch Comparison": (_pitch, 2, "Reasoning"),
    "Tempo Comparison": (_tempo, 2, "Reasoning"),
    "Source Inference": (_source, 4, "Reasoning"),
}
"""Function that builds a group, number of options and category, by skill."""

BLOCK = len(SKILLS) * len(DOMAINS) * 4
"""Number of consecutive questions in which every combination of skill, domain and correct option occurs equally often,
because all groups are complete."""


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


def questions(split: str, seed: int = 0) -> Iterator[Question]:
    """Yield an endless sequence of questions. Every 24 questions contain each combination of skill and domain once. In
    every `BLOCK` questions, each option is correct equally often."""
    cells = [(skill, domain) for skill in SKILLS for domain in DOMAINS]
    groups: dict[tuple[str, str], Group] = {}
    turn = 0
    while True:
        order = list(range(len(cells)))
        stream("mcq", split, seed, "turn", turn).shuffle(order)
        for place in order:
            skill, domain = cells[place]
            build, options, category = SKILLS[skill]
            group = turn // options
            difficulty = list(LEVELS)[(group + place) % len(LEVELS)]
            key = ("mcq", split, seed, skill, domain, group)
            if turn % options == 0:
                groups[skill, domain] = build(stream(*key), domain, LEVELS[difficulty])
            made, gold = groups[skill, domain], (turn + place) % options
            name = str(uuid.UUID(hash_name(*key, gold)[:32]))
            yield Question(
                name, skill, category, domain, difficulty, made.question, made.choices, gold, made.scenes[gold]
            )
        turn += 1
