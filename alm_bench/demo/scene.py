"""Scenes: descriptions of the events in a clip and their times, reproducible from seeds. They contain no audio."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alm_bench.demo.vocabulary import EVENT_TYPES, TAGS, get_unit_rate

WORLD = "demo-1"
"""Version of the demo scenes. Increase it with any change that alters a scene, a question or an audio sample."""

SECONDS = 10.0

_FACTOR_RANGE = (0.88, 1.14)  # range of the factors on pitch and tempo of events that no question is about


@dataclass(frozen=True, slots=True)
class Event:
    """A sound event in a scene."""

    type: str
    """Key of the event type, or tag of an ambiguous sound (`animal?`)."""

    onset: float
    """Start in seconds."""

    duration: float
    """Length in seconds."""

    gain: float = 0.0
    """Level in dB relative to the event type's own level."""

    pitch: float = 1.0
    """Factor by which the event type's own pitch is multiplied."""

    tempo: float = 1.0
    """Factor by which the event type's own tempo is multiplied."""

    repeats: int = 0
    """Number of units (barks, knocks, notes); 0 for a continuous sound."""

    @property
    def end(self) -> float:
        return self.onset + self.duration


@dataclass(frozen=True, slots=True)
class Scene:
    """Description of a ten-second clip, from which its audio is synthesised."""

    seed: int
    """Seed of the random details of all events."""

    events: tuple[Event, ...]
    """Events of the clip."""

    noise: float = -62.0
    """Level of the background noise in dB relative to full scale."""

    @property
    def types(self) -> frozenset[str]:
        return frozenset(event.type for event in self.events)

    def pack(self) -> list[Any]:
        """Convert the scene to a list for a JSON file: seed, noise level, and a list of values per event."""
        return [self.seed, self.noise, [list(asdict(event).values()) for event in self.events]]

    @staticmethod
    def unpack(value: Sequence[Any]) -> "Scene":
        seed, noise, events = value
        return Scene(seed, tuple(Event(*event) for event in events), noise)


def create_generator(*key: object) -> random.Random:
    """Create a random generator for one purpose.

    `key` names the purpose (split, kind of data, index). Generators with different keys are independent.
    """
    return random.Random("/".join(map(str, (WORLD, *key))))


def hash_name(*key: object) -> str:
    """Return a hash of a key, 40 hex digits, for file names that must not reveal the key."""
    return hashlib.sha1("/".join(map(str, (WORLD, "name", *key))).encode(), usedforsecurity=False).hexdigest()


def draw_factor(rng: random.Random, low: float = _FACTOR_RANGE[0], high: float = _FACTOR_RANGE[1]) -> float:
    """Draw a random factor for a pitch or tempo, rounded to three decimals."""
    return round(rng.uniform(low, high), 3)


def build_event(
    tag: str,
    onset: float,
    max_duration: float,
    *,
    gain: float = 0.0,
    pitch: float = 1.0,
    tempo: float = 1.0,
    repeats: int | None = None,
) -> Event:
    """Return an event that starts at `onset` seconds.

    A unit is one bark, knock or note. The event has exactly `repeats` units if that is given, whatever their duration.
    Otherwise it has as many complete units as fit into `max_duration` seconds, at least one. A continuous sound lasts
    `max_duration` seconds. The event is cut at the end of the clip.
    """
    pace = get_unit_rate(tag) * tempo
    if pace:
        repeats = max(1, int(max_duration * pace + 1e-6)) if repeats is None else repeats
        max_duration = repeats / pace
    length = min(max_duration, SECONDS - onset)
    return Event(tag, round(onset, 3), round(length, 3), gain, pitch, tempo, repeats or 0)


def draw_slots(
    rng: random.Random, count: int, overlap: bool = False, longest: float = 3.2
) -> list[tuple[float, float]]:
    """Draw the onset and maximum duration, in seconds, of `count` events in sequence. With `overlap`, each event may
    extend beyond the onset of the next one. Maximum durations are at most `longest` seconds (with `overlap`, 1.2 times
    as long).

    Onsets are in order and at least half a slot (10 s / `count`) apart, so that the first and the last event remain
    distinguishable.
    """
    width = SECONDS / count
    slot_list = []
    for i in range(count):
        room = min(rng.uniform(0.72, 0.9) * width, longest)
        onset = i * width + rng.uniform(0.02, 0.98) * min(width - room, 0.5 * width)
        if overlap and i < count - 1:
            room = min(room * 1.35, longest * 1.2)
        slot_list.append((onset, min(room, SECONDS - onset - 0.02)))
    return slot_list


def build_scene_in_order(
    rng: random.Random,
    tags: Sequence[str],
    *,
    gains: Sequence[float] | None = None,
    overlap: bool = False,
    noise: float = -62.0,
) -> Scene:
    """Build a scene of the events `tags` in this order. Each event gets a random pitch, tempo and, unless `gains` (in
    dB) are given, loudness."""
    slot_list = draw_slots(rng, max(len(tags), 2), overlap)
    if len(tags) == 1:
        slot_list = [rng.choice(slot_list)]
    events = []
    for i, (tag, (onset, room)) in enumerate(zip(tags, slot_list, strict=True)):
        gain = gains[i] if gains is not None else round(rng.uniform(-3.0, 1.0), 1)
        events.append(build_event(tag, onset, room, gain=gain, pitch=draw_factor(rng), tempo=draw_factor(rng)))
    return Scene(rng.getrandbits(62), tuple(events), noise)


def build_scene(split: str, index: int) -> Scene:
    """Return the scene number `index` of a split: one to four different events. No question belongs to it; it serves
    captions and audio tagging."""
    rng = create_generator("scene", split, index)
    tags = rng.sample(list(EVENT_TYPES), rng.randint(1, 4))
    return build_scene_in_order(rng, tags, overlap=rng.random() < 0.3, noise=-rng.uniform(45.0, 65.0))


def compute_frame_tags(scene: Scene, frames: int) -> npt.NDArray[np.float32]:
    """Return the active tags per frame, as targets for pre-training: shape (frames, len(TAGS)), 1.0 where an event with
    the tag is active, else 0.0."""
    target = np.zeros((frames, len(TAGS)), np.float32)
    for item in scene.events:
        start = int(item.onset / SECONDS * frames)
        stop = max(start + 1, int(np.ceil(item.end / SECONDS * frames)))
        target[start:stop, TAGS.index(item.type)] = 1.0
    return target
