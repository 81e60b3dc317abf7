"""Training questions about attributes of single sounds.

A small model that is trained only on comparisons (which of two sounds is higher, or comes first) stays at chance
accuracy for a long time. If it is first trained on the pitch, tempo, time and number of single sounds, it learns the
comparisons in minutes.
"""

import random
from dataclasses import dataclass

from alm_bench.demo.scene import SECONDS, Event, Scene
from alm_bench.demo.vocabulary import EVENT_TYPES, FAMILIES, EventType, get_family, is_ambiguous

DESCRIBE = "describe every sound"

LOW, HIGH = 0.86, 1.16
"""Factors relative to an event type's own pitch and tempo: below LOW a sound is called low or slow, above HIGH it is
called high or fast."""
MAX_FAINT_GAIN = -6.0
"""Level in dB below which a sound is called faint."""
MAX_COUNTED_UNITS = 5
"""Largest number of units that a question asks for or a text states."""


@dataclass(frozen=True, slots=True)
class AttributeQuestion:
    """A training question about one sound of a scene."""

    attribute: str
    """Attribute that the question is about: pitch, tempo, time, number or guess (source of an ambiguous sound)."""

    question: str
    """Text of the question."""

    answer: str
    """Correct answer."""


def _name_extreme(factor: float, low: str, high: str) -> str:
    """Return the word `low` or `high` for a factor that is clearly below or above 1, else ""."""
    return low if factor < LOW else high if factor > HIGH else ""


def _list_attributes(event: Event, kind: EventType) -> list[str]:
    """Return the adjectives of an event: pitch, tempo and loudness, as far as they are extreme."""
    pitch = _name_extreme(event.pitch, "low", "high") if kind.pitched else ""
    tempo = _name_extreme(event.tempo, "slow", "fast") if kind.paced else ""
    return [word for word in (pitch, tempo, "faint" if event.gain < MAX_FAINT_GAIN else "") if word]


def _is_countable(event: Event, kind: EventType) -> bool:
    """Return True if a question may ask for the event's number of units (barks, knocks, notes)."""
    return kind.is_countable and 1 <= event.repeats <= MAX_COUNTED_UNITS


def _describe_event(event: Event) -> str:
    """Return an event in words, such as `low dog barking 3 times`."""
    if is_ambiguous(event.type):
        return FAMILIES[get_family(event.type)].ambiguous
    kind = EVENT_TYPES[event.type]
    times = [f"{event.repeats} times"] if _is_countable(event, kind) else []
    return " ".join([*_list_attributes(event, kind), kind.label, *times])


def compose_transcript(scene: Scene) -> str:
    """Return a list, as text, of all sounds in order with their attributes: `low dog barking 3 times, then faint rain
    falling`."""
    return ", then ".join(_describe_event(event) for event in sorted(scene.events, key=lambda event: event.onset))


def _create_guess_questions(scene: Scene, rng: random.Random) -> list[AttributeQuestion]:
    """Return two questions about the source of ambiguous sounds: one about a possible source (yes), one about an
    impossible one (no). Empty if no sound of the scene is ambiguous."""
    unclear = {get_family(tag) for tag in scene.types if is_ambiguous(tag)}
    if not unclear:
        return []
    found = []
    absent = FAMILIES.keys() - {get_family(tag) for tag in scene.types}
    for families, answer in ((unclear, "yes"), (absent, "no")):
        kind = rng.choice([kind for kind in EVENT_TYPES.values() if kind.family in families])
        found.append(AttributeQuestion("guess", f"could one of the sounds be {kind.phrase}?", answer))
    return found


def create_attribute_questions(scene: Scene, rng: random.Random) -> list[AttributeQuestion]:
    """Return the training questions about single sounds of a scene."""
    ordered = sorted(scene.events, key=lambda event: event.onset)
    found = _create_guess_questions(scene, rng)
    for place, event in (("first", ordered[0]), ("last", ordered[-1])):
        kind = EVENT_TYPES.get(event.type)
        if kind and kind.pitched and (pitch := _name_extreme(event.pitch, "low", "high")):
            found.append(AttributeQuestion("pitch", f"is the {place} sound high or low in pitch?", pitch))
        if kind and kind.paced and (tempo := _name_extreme(event.tempo, "slow", "fast")):
            found.append(AttributeQuestion("tempo", f"is the {place} sound fast or slow?", tempo))
    types = [event.type for event in ordered]
    for event in ordered:
        kind = EVENT_TYPES.get(event.type)
        if kind is None or types.count(event.type) > 1:
            continue
        middle = (event.onset + event.end) / 2 / SECONDS
        if abs(middle - 0.5) > 0.1:
            half = "the first half" if middle < 0.5 else "the second half"
            found.append(AttributeQuestion("time", f"is {kind.phrase} heard in the first or the second half?", half))
        if _is_countable(event, kind):
            found.append(AttributeQuestion("number", f"how many {kind.units} are heard?", str(event.repeats)))
    return found
