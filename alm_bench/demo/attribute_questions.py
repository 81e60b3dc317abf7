"""Training questions on attributes of single sounds, before any comparison.

A small model that is only asked which of two sounds is higher, or came first, stays at chance for long. Asked
beforehand how high and how fast a sound is, when it is heard and how often, it learns the comparisons in minutes.
"""

import random
from dataclasses import dataclass

from alm_bench.demo.scene import SECONDS, Event, Scene
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, EventType, family_of, is_ambiguous

DESCRIBE = "describe every sound"

LOW, HIGH = 0.86, 1.16
"""Factors on a type's own pitch and pace beyond which it is called low or high, slow or fast."""
FAINT = -6.0
"""dB below which a sound is called faint."""
MOST = 5
"""Units up to which they are counted."""


@dataclass(frozen=True, slots=True)
class Note:
    """A question about one sound."""

    about: str
    """Attribute: pitch, tempo, time, number or guess."""

    asked: str
    """Text of the question."""

    answer: str
    """Its answer."""


def _extreme(factor: float, low: str, high: str) -> str:
    return low if factor < LOW else high if factor > HIGH else ""


def _qualities(event: Event, kind: EventType) -> list[str]:
    pitch = _extreme(event.pitch, "low", "high") if kind.pitched else ""
    tempo = _extreme(event.tempo, "slow", "fast") if kind.paced else ""
    return [word for word in (pitch, tempo, "faint" if event.gain < FAINT else "") if word]


def _is_countable(event: Event, kind: EventType) -> bool:
    return kind.countable and 1 <= event.repeats <= MOST


def _describe_event(event: Event) -> str:
    if is_ambiguous(event.type):
        return FAMILIES[family_of(event.type)].ambiguous
    kind = EVENT_TYPES[event.type]
    times = [f"{event.repeats} times"] if _is_countable(event, kind) else []
    return " ".join([*_qualities(event, kind), kind.label, *times])


def transcript(scene: Scene) -> str:
    """Every sound in order, with its qualities: `low dog barking 3 times, then faint rain falling`."""
    return ", then ".join(_describe_event(event) for event in sorted(scene.events, key=lambda event: event.onset))


def _guesses(scene: Scene, rng: random.Random) -> list[Note]:
    """Return plausible sources of an unclear sound, and impossible ones."""
    unclear = {family_of(tag) for tag in scene.types if is_ambiguous(tag)}
    if not unclear:
        return []
    found = []
    absent = FAMILIES.keys() - {family_of(tag) for tag in scene.types}
    for families, answer in ((unclear, "yes"), (absent, "no")):
        kind = rng.choice([kind for kind in EVENT_TYPES.values() if kind.family in families])
        found.append(Note("guess", f"could one of the sounds be {kind.phrase}?", answer))
    return found


def notes(scene: Scene, rng: random.Random) -> list[Note]:
    """Return the questions on single sounds of the scene."""
    ordered = sorted(scene.events, key=lambda event: event.onset)
    found = _guesses(scene, rng)
    for place, event in (("first", ordered[0]), ("last", ordered[-1])):
        kind = EVENT_TYPES.get(event.type)
        if kind and kind.pitched and (pitch := _extreme(event.pitch, "low", "high")):
            found.append(Note("pitch", f"is the {place} sound high or low in pitch?", pitch))
        if kind and kind.paced and (tempo := _extreme(event.tempo, "slow", "fast")):
            found.append(Note("tempo", f"is the {place} sound fast or slow?", tempo))
    types = [event.type for event in ordered]
    for event in ordered:
        kind = EVENT_TYPES.get(event.type)
        if kind is None or types.count(event.type) > 1:
            continue
        middle = (event.onset + event.end) / 2 / SECONDS
        if abs(middle - 0.5) > 0.1:
            half = "the first half" if middle < 0.5 else "the second half"
            found.append(Note("time", f"is {kind.phrase} heard in the first or the second half?", half))
        if _is_countable(event, kind):
            found.append(Note("number", f"how many {kind.units} are heard?", str(event.repeats)))
    return found
