"""Scenes: what sounds when, before anything is synthesised. Pure descriptions, reproducible from their seeds."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from alm_bench.demo.vocabulary import EVENT_TYPES, TAGS, rate_of

WORLD = "demo-1"
"""The world's version. Raise it with any change that alters a scene, a question or a sample of audio."""

SECONDS = 10.0

_SPREAD = (0.88, 1.14)  # pitch and tempo of events about which nothing is asked


@dataclass(frozen=True, slots=True)
class Event:
    """A sound in a scene."""

    type: str
    """Event type, or the tag of an ambiguous sound."""

    onset: float
    """Start in seconds."""

    duration: float
    """Length in seconds."""

    gain: float = 0.0
    """Level in dB relative to the type's own."""

    pitch: float = 1.0
    """Factor on the type's own pitch."""

    tempo: float = 1.0
    """Factor on the type's own tempo."""

    repeats: int = 0
    """Number of units of a sound that consists of units, 0 for a continuous one."""

    @property
    def end(self) -> float:
        return self.onset + self.duration


@dataclass(frozen=True, slots=True)
class Scene:
    """A clip of ten seconds, from which its samples are synthesised."""

    seed: int
    """Seeds the details of every event."""

    events: tuple[Event, ...]
    """The sounds."""

    noise: float = -62.0
    """Level of the background in dB re full scale."""

    @property
    def types(self) -> frozenset[str]:
        return frozenset(event.type for event in self.events)

    def pack(self) -> list[Any]:
        """For a JSON file."""
        return [self.seed, self.noise, [list(asdict(event).values()) for event in self.events]]

    @staticmethod
    def unpack(value: Sequence[Any]) -> "Scene":
        seed, noise, events = value
        return Scene(seed, tuple(Event(*event) for event in events), noise)


def stream(*key: object) -> random.Random:
    """Random choices for one purpose. Different keys (split, purpose, index) are independent of each other."""
    return random.Random("/".join(map(str, (WORLD, *key))))


def hash_name(*key: object) -> str:
    """40 hex digits that stand for a key and tell nothing of it."""
    return hashlib.sha1("/".join(map(str, (WORLD, "name", *key))).encode(), usedforsecurity=False).hexdigest()


def vary(rng: random.Random, low: float = _SPREAD[0], high: float = _SPREAD[1]) -> float:
    return round(rng.uniform(low, high), 3)


def event(
    tag: str,
    onset: float,
    room: float,
    *,
    gain: float = 0.0,
    pitch: float = 1.0,
    tempo: float = 1.0,
    repeats: int | None = None,
) -> Event:
    """An event that starts at `onset` and fills `room` seconds, or has exactly `repeats` units if they are given."""
    pace = rate_of(tag) * tempo
    if pace:
        repeats = max(1, int(room * pace + 1e-6)) if repeats is None else repeats
        room = repeats / pace
    length = min(room, SECONDS - onset)
    return Event(tag, round(onset, 3), round(length, 3), gain, pitch, tempo, repeats or 0)


def slots(rng: random.Random, count: int, overlap: bool = False, longest: float = 3.2) -> list[tuple[float, float]]:
    """Onset and room for `count` events one after another; with `overlap` each runs into the next one's beginning.

    Onsets keep their order and are at least half a slot apart, so that "first" and "last" stay audible.
    """
    width = SECONDS / count
    laid = []
    for i in range(count):
        room = min(rng.uniform(0.72, 0.9) * width, longest)
        onset = i * width + rng.uniform(0.02, 0.98) * min(width - room, 0.5 * width)
        if overlap and i < count - 1:
            room = min(room * 1.35, longest * 1.2)
        laid.append((onset, min(room, SECONDS - onset - 0.02)))
    return laid


def sequence(
    rng: random.Random,
    tags: Sequence[str],
    *,
    gains: Sequence[float] | None = None,
    overlap: bool = False,
    noise: float = -62.0,
) -> Scene:
    """`tags` in this order, each with a pitch, tempo and (unless `gains` are given) loudness of its own."""
    laid = slots(rng, max(len(tags), 2), overlap)
    if len(tags) == 1:
        laid = [rng.choice(laid)]
    events = []
    for i, (tag, (onset, room)) in enumerate(zip(tags, laid, strict=True)):
        gain = gains[i] if gains is not None else round(rng.uniform(-3.0, 1.0), 1)
        events.append(event(tag, onset, room, gain=gain, pitch=vary(rng), tempo=vary(rng)))
    return Scene(rng.getrandbits(62), tuple(events), noise)


def scene(split: str, index: int) -> Scene:
    """The world's `index`-th free scene of a split: one to four different events, for tagging and play."""
    rng = stream("scene", split, index)
    tags = rng.sample(list(EVENT_TYPES), rng.randint(1, 4))
    return sequence(rng, tags, overlap=rng.random() < 0.3, noise=-rng.uniform(45.0, 65.0))


def frame_tags(scene: Scene, frames: int) -> npt.NDArray[np.float32]:
    """Return the active tags: shape (frames, len(TAGS)), 1.0 where an event is on, for pre-training."""
    target = np.zeros((frames, len(TAGS)), np.float32)
    for item in scene.events:
        start = int(item.onset / SECONDS * frames)
        stop = max(start + 1, int(np.ceil(item.end / SECONDS * frames)))
        target[start:stop, TAGS.index(item.type)] = 1.0
    return target
