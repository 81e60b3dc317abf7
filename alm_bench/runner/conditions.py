"""What a run is changed by to see whether its model listens: noise, silence, another clip, other options."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from alm_bench.audio import generator, mix_at_snr, noise_like, silence_like
from alm_bench.core import AudioRef, Request, Sample, UsageError, Wave
from alm_bench.core.errors import known_first
from alm_bench.scoring.multiple_choice import fold_choice, same_option

CLEAN = "clean"
THIRDS = ("first", "middle", "last")
HEARING = ("gaussian", "silence", "swap", "none", *(f"third:{third}" for third in THIRDS))
OPTIONS = ("no-gold", "other-options")
"""Conditions without a right answer: what counts is whether an option is picked all the same."""

Change = Callable[[Wave], Wave]


@dataclass(frozen=True, slots=True)
class Condition:
    """`gaussian`: noise of each clip's RMS; `snr:20`: noise so many decibels below it; `silence`; `swap`: another clip
    of the task; `none`: no clip; `third:first|middle|last`: that third of the clip; `no-gold`: the right option is
    taken away; `other-options`: those of another question, none of which is its own. The last two are put to questions
    of three options or more.

    `seed` and `repeat` draw the noise and the swap.
    """

    name: str
    seed: int = 0
    repeat: int = 0

    @staticmethod
    def read(name: str, seed: int = 0, repeat: int = 0) -> "Condition":
        """Raises UsageError for an unknown one."""
        known = name in (CLEAN, *HEARING, *OPTIONS) or (name.startswith("snr:") and _decibels(name) is not None)
        if not known:
            shown = known_first(name, (*HEARING, "snr:20", *OPTIONS))
            raise UsageError(f"unknown condition {name!r}; known: {shown} (snr: takes decibels)")
        return Condition(name, seed, repeat)

    @property
    def random(self) -> bool:
        """Whether another repeat gives other sounds."""
        return self.name in ("gaussian", "swap", "other-options") or self.name.startswith("snr:")

    @property
    def share(self) -> float:
        """How much of a clip's length is left."""
        return 1 / 3 if self.name.startswith("third:") else 1.0

    def change(self, clip: str) -> Change | None:
        """What is done to the wave of a clip, before it is cropped or filled up; None where nothing is."""
        key = (self.name, self.seed, self.repeat, clip)
        if self.name == "gaussian":
            return lambda wave: noise_like(wave, *key)
        if (decibels := _decibels(self.name)) is not None:
            return lambda wave: mix_at_snr(wave, decibels, *key)
        if self.name == "silence":
            return silence_like
        if self.name.startswith("third:"):
            place = THIRDS.index(self.name.removeprefix("third:"))
            return lambda wave: _third(wave, place)
        return None

    def samples(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples with the options that are asked for; those without options are left out."""
        if self.name not in OPTIONS:
            return list(samples)
        asked = [sample for sample in samples if len(sample.choices) > 2 and sample.target is not None]
        if self.name == "no-gold":
            return [moved for sample in asked if len((moved := _without_gold(sample)).choices) > 1]
        partner = self._partners(range(len(asked)))
        others = [(sample, asked[partner[n]].choices) for n, sample in enumerate(asked)]
        return [_unanswerable(sample, choices) for sample, choices in others if not _shared(sample, choices)]

    def requests(self, requests: Sequence[Request]) -> list[Request]:
        """The requests with the clips that are to be heard. Raises UsageError where there is no other clip to take."""
        if self.name == "none":
            return [replace(request, audio=(), spare=None) for request in requests]
        if self.name != "swap":
            return list(requests)
        clips = {ref.id: ref for request in requests for ref in request.audio}
        names = sorted(clips)
        if len(names) < 2:
            raise UsageError("swap takes another clip of the task, and it has one only")
        partner = self._partners(range(len(names)))
        other: dict[str, AudioRef] = {name: clips[names[partner[n]]] for n, name in enumerate(names)}
        return [replace(request, audio=tuple(other[ref.id] for ref in request.audio)) for request in requests]

    def _partners(self, places: range) -> dict[int, int]:
        """A derangement: every place another one, each taken once."""
        order = generator(self.name, self.seed, self.repeat).permutation(len(places)).tolist()
        return {place: order[(n + 1) % len(order)] for n, place in enumerate(order)}


def _decibels(name: str) -> float | None:
    if not name.startswith("snr:"):
        return None
    try:
        value = float(name.removeprefix("snr:"))
    except ValueError:
        return None
    return value if -200 <= value <= 200 else None


def _third(wave: Wave, place: int) -> Wave:
    return wave[place * wave.size // 3 : (place + 1) * wave.size // 3].copy()


def _without_gold(sample: Sample) -> Sample:
    kept = [choice for place, choice in enumerate(sample.choices) if not same_option(sample, place)]
    return _unanswerable(sample, kept)


def _unanswerable(sample: Sample, choices: Sequence[str]) -> Sample:
    return replace(sample, choices=tuple(choices), target=None, gold=None)


def _shared(sample: Sample, choices: Sequence[str]) -> bool:
    """Whether options of two questions have a text in common, twins counted."""
    other = replace(sample, choices=tuple(choices))
    texts = {fold_choice(other, place) for place in range(len(choices))}
    return any(fold_choice(sample, place) in texts for place in range(len(sample.choices)))
