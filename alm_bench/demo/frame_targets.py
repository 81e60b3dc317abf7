"""Training targets per frame: event type, number of units, loudness, pitch and tempo.

An encoder is trained on them before the model is trained on questions. Without this step, a small model stays at chance
accuracy for a long time.
"""

import bisect

import numpy as np
import numpy.typing as npt

from alm_bench.demo.scene import SECONDS, Event, Scene
from alm_bench.demo.vocabulary import TAGS, get_unit_rate

UNITS = (1, 2, 3, 4, 5)
MAX_UNIT_RATE = 3.5
"""Highest rate, in units per second, at which the starts of single units are targets. A time step of an encoder lasts
about 0.3 s."""

GAIN_BOUNDARIES = (-12.0, -8.0, -4.0, 0.0)
FACTOR_BOUNDARIES = (0.72, 0.86, 1.0, 1.16, 1.39)
"""Boundaries between classes: loudness in dB (GAIN_BOUNDARIES), and factors relative to the event type's own
pitch and tempo (FACTOR_BOUNDARIES)."""

TARGET_COLUMNS: tuple[str, ...] = (
    *TAGS,
    "start",
    "unit",
    *(f"units={count}" for count in UNITS),
    *(f"gain#{place}" for place in range(len(GAIN_BOUNDARIES) + 1)),
    *(f"pitch#{place}" for place in range(len(FACTOR_BOUNDARIES) + 1)),
    *(f"tempo#{place}" for place in range(len(FACTOR_BOUNDARIES) + 1)),
)
"""Columns of the frame targets: event types and ambiguous sounds first, then attributes of the active events."""


def _list_columns(event: Event) -> list[int]:
    """Return the indices of the target columns that are 1.0 while the event is active."""
    names = [
        event.type,
        f"gain#{bisect.bisect_left(GAIN_BOUNDARIES, event.gain)}",
        f"pitch#{bisect.bisect_left(FACTOR_BOUNDARIES, event.pitch)}",
        f"tempo#{bisect.bisect_left(FACTOR_BOUNDARIES, event.tempo)}",
    ]
    if event.repeats in UNITS:
        names.append(f"units={event.repeats}")
    return [TARGET_COLUMNS.index(name) for name in names]


def _list_unit_starts(event: Event) -> list[float]:
    """Return the start of each unit of an event in seconds; empty if the units are faster than
    MAX_UNIT_RATE or the event has none."""
    pace = get_unit_rate(event.type) * event.tempo
    return [event.onset + i / pace for i in range(event.repeats)] if 0 < pace <= MAX_UNIT_RATE else []


def compute_frame_targets(scene: Scene, frames: int) -> npt.NDArray[np.float32]:
    """Return the targets of a scene: shape (frames, len(TARGET_COLUMNS)). A value is 1.0 in frames in which an
    event with that attribute is active. `start` and `unit` are 1.0 only in the frame in which an
    event or a unit begins."""
    target = np.zeros((frames, len(TARGET_COLUMNS)), np.float32)
    for event in scene.events:
        start = int(event.onset / SECONDS * frames)
        stop = max(start + 1, int(np.ceil(event.end / SECONDS * frames)))
        target[start:stop, _list_columns(event)] = 1.0
        target[start, TARGET_COLUMNS.index("start")] = 1.0
        for onset in _list_unit_starts(event):
            target[min(int(onset / SECONDS * frames), frames - 1), TARGET_COLUMNS.index("unit")] = 1.0
    return target
