"""Curves of sound events over time from a model's event head, and the words of a text that name events.

The Mellow paper (arXiv 2503.08540, appendix I) uses this view to distinguish hallucinated events from present ones.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from alm_bench.core import EventPresence, UsageError

THRESHOLD = 0.5
"""Probability from which an event counts as present."""

CURVES = 5
"""Default number of curves per clip."""

State = Literal["present", "absent"]
"""`present` if any event that a word names is present in a clip, `absent` if none is."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

_NOT_EVENTS = (
    *("a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "from", "with", "by", "for"),
    *("as", "is", "are", "be", "s", "other", "noise", "sound", "inside", "outside", "small", "large", "single"),
)
"""Words of class names that do not name an event by themselves, such as those of `Sound effect` or `Inside, small
room`."""


@dataclass(frozen=True, slots=True)
class EventCurve:
    """Probability of one sound event over time."""

    index: int
    """Index of the event's class."""

    name: str
    """Name of the event; `class 12` if names are not known."""

    values: tuple[float, ...]
    """Probability in 0..1 in each step; the steps divide the clip into equal parts."""

    seconds: float
    """Length of the clip in seconds."""

    @property
    def peak(self) -> float:
        """Highest probability."""
        return max(self.values)

    def list_spans(self, threshold: float = THRESHOLD) -> list[tuple[float, float]]:
        """Return the start and end, in seconds, of each part in which the probability reaches the threshold."""
        step = self.seconds / len(self.values)
        spans: list[tuple[float, float]] = []
        for number, value in enumerate(self.values):
            if value < threshold:
                continue
            start, end = number * step, (number + 1) * step
            if spans and abs(spans[-1][1] - start) < step / 2:
                start = spans.pop()[0]
            spans.append((start, end))
        return spans


@dataclass(frozen=True, slots=True)
class TextPart:
    """Part of a text: a word that names a sound event, or the text between such words."""

    text: str
    """Characters of the part."""

    state: State | None = None
    """State of a word that names an event; None for the rest of the text."""


def build_event_curves(presence: EventPresence, count: int | None = CURVES) -> list[EventCurve]:
    """Return the curves of the `count` sound events with the highest peaks, the highest first.

    If `count` is None, return the curves of all sound events. Classes that are not sound events are left out.
    """
    peaks = presence.probabilities.max(axis=0)
    names = list_class_names(presence)
    events = [index for index, name in enumerate(names) if name is not None]
    ranked = sorted(events, key=lambda index: -peaks[index])[:count]
    return [
        EventCurve(index, str(names[index]), tuple(map(float, presence.probabilities[:, index])), presence.seconds)
        for index in ranked
    ]


def list_class_names(presence: EventPresence) -> Sequence[str | None]:
    """Return the name of each class, `class 12` if names are not known; None for a class that is not a sound event."""
    if presence.names is not None:
        return presence.names
    return [f"class {index}" for index in range(presence.probabilities.shape[1])]


def rename_classes(presence: EventPresence, names: Sequence[str], source: str) -> EventPresence:
    """Return the output of an event head with other names of its classes.

    `source` is the file of the names. Raises UsageError if it does not have one name per class.
    """
    classes = presence.probabilities.shape[1]
    if len(names) != classes:
        raise UsageError(f"{source} names {len(names)} classes, but the model's event head has {classes}")
    return EventPresence(presence.probabilities, presence.logmel, presence.seconds, tuple(names))


def mark_event_words(text: str, clips: Sequence[EventPresence], threshold: float = THRESHOLD) -> list[TextPart]:
    """Split a text into parts, in which words that name sound events are marked as present or absent.

    A word names all events whose names contain it in any inflected form: `barks` names `dog barking`. The word is
    marked as present if any of these events reaches the threshold in any clip, else as absent. Without names of
    classes, no word is marked. Joined, the parts give the text.
    """
    peaks: dict[str, float] = {}
    for presence in clips:
        if presence.names is None:
            continue
        for curve in build_event_curves(presence, None):
            for stem in _list_stems(curve.name):
                peaks[stem] = max(peaks.get(stem, 0.0), curve.peak)
    parts: list[TextPart] = []
    end = 0
    for word in _WORD.finditer(text):
        peak = peaks.get(_compute_stem(word[0]))
        if peak is None:
            continue
        if word.start() > end:
            parts.append(TextPart(text[end : word.start()]))
        parts.append(TextPart(word[0], "present" if peak >= threshold else "absent"))
        end = word.end()
    return [*parts, TextPart(text[end:])] if end < len(text) else parts


def _list_stems(name: str) -> set[str]:
    """Return the stems of the words of a class name, without words such as "of" that name no event."""
    return {_compute_stem(word) for word in _WORD.findall(name)} - {_compute_stem(word) for word in _NOT_EVENTS}


@cache
def _compute_stem(word: str) -> str:
    return str(_load_stemmer().stemWord(word.casefold()))


@cache
def _load_stemmer():  # type: ignore[no-untyped-def]  # the library has no types
    import snowballstemmer

    return snowballstemmer.stemmer("english")
