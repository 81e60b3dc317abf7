"""Targets per frame: event, number of units, loudness, pitch and tempo.

Targets for training an encoder before any question is asked: without them a small model stays at chance for long.
"""

import bisect

import numpy as np
import numpy.typing as npt

from alm_bench.demo.scene import SECONDS, Event, Scene
from alm_bench.demo.vocabulary import TAGS, rate_of

UNITS = (1, 2, 3, 4, 5)
FASTEST = 3.5
"""Units a second beyond which single ones are no longer marked: a step of an encoder lasts about 0.3 s."""

GAINS = (-12.0, -8.0, -4.0, 0.0)
FACTORS = (0.72, 0.86, 1.0, 1.16, 1.39)
"""Borders between classes: dB of loudness; factors on a type's own pitch and pace."""

CUES: tuple[str, ...] = (
    *TAGS,
    "start",
    "unit",
    *(f"units={count}" for count in UNITS),
    *(f"gain#{place}" for place in range(len(GAINS) + 1)),
    *(f"pitch#{place}" for place in range(len(FACTORS) + 1)),
    *(f"tempo#{place}" for place in range(len(FACTORS) + 1)),
)
"""Column order of cue targets: the event tags, then the attributes of whatever sounds."""


def _cues(event: Event) -> list[int]:
    names = [
        event.type,
        f"gain#{bisect.bisect_left(GAINS, event.gain)}",
        f"pitch#{bisect.bisect_left(FACTORS, event.pitch)}",
        f"tempo#{bisect.bisect_left(FACTORS, event.tempo)}",
    ]
    if event.repeats in UNITS:
        names.append(f"units={event.repeats}")
    return [CUES.index(name) for name in names]


def _units(event: Event) -> list[float]:
    """Return the start of each distinguishable unit, in seconds."""
    pace = rate_of(event.type) * event.tempo
    return [event.onset + i / pace for i in range(event.repeats)] if 0 < pace <= FASTEST else []


def frame_cues(scene: Scene, frames: int) -> npt.NDArray[np.float32]:
    """Shape (frames, len(CUES)), 1.0 while an event with that cue is on; `start` and `unit` only where one begins."""
    target = np.zeros((frames, len(CUES)), np.float32)
    for event in scene.events:
        start = int(event.onset / SECONDS * frames)
        stop = max(start + 1, int(np.ceil(event.end / SECONDS * frames)))
        target[start:stop, _cues(event)] = 1.0
        target[start, CUES.index("start")] = 1.0
        for onset in _units(event):
            target[min(int(onset / SECONDS * frames), frames - 1), CUES.index("unit")] = 1.0
    return target
