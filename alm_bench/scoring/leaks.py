"""Cues by which the right option can be told without the audio, in the questions of a data set."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from alm_bench.core.types import Sample
from alm_bench.scoring.multiple_choice import compute_chance, is_correct_option, normalise_choice

P_VALUE = 0.01
"""Largest p-value of a cue that is reported as a leak."""

LEAD = 0.05
"""Smallest difference between a cue's accuracy and chance that is reported as a leak."""

_MIN_NAME = 3
_LETTERS_ONLY = re.compile(r"[\W_]+")

Pick = Callable[[Sample], int | None]
"""Function from a question to the option that a cue selects; None if the cue says nothing about it."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Accuracy of one cue on the questions that it says something about."""

    cue: str
    """Description of the selected option."""

    items: int
    """Number of questions in which the cue selects an option."""

    right: int
    """Number of questions in which that option is right."""

    chance: float
    """Mean accuracy of a uniform guess on these questions, 0..1."""

    p_value: float
    """One-sided p-value of a binomial test against chance."""

    @property
    def rate(self) -> float:
        """Share of the questions in which the selected option is right."""
        return self.right / self.items

    @property
    def is_suspicious(self) -> bool:
        """True if the cue is better than chance, beyond what luck explains."""
        return self.p_value < P_VALUE and self.rate > self.chance + LEAD


def find_leaks(samples: Sequence[Sample]) -> list[Leak]:
    """Return the accuracy of every cue that selects an option of at least one question, the most certain leak first.

    Questions without options, with several right options or without a known answer are left out.
    """
    from scipy.stats import binomtest

    known = [sample for sample in samples if sample.choices and sample.target is not None and sample.skip is None]
    found = []
    for cue, pick in {**_CUES, "most often right elsewhere": _make_prior(known)}.items():
        pairs = [(sample, index) for sample in known if (index := pick(sample)) is not None]
        if not pairs:
            continue
        right = sum(is_correct_option(sample, index) for sample, index in pairs)
        expected = sum(compute_chance(sample) for sample, _ in pairs) / len(pairs)
        p_value = float(binomtest(right, len(pairs), expected, alternative="greater").pvalue)
        found.append(Leak(cue, len(pairs), right, expected, p_value))
    return sorted(found, key=lambda leak: (not leak.is_suspicious, leak.p_value))


def _find_only(sample: Sample, describe: Callable[[str], object]) -> int | None:
    """Return the only option that `describe` sets apart from the others, if there are three options or more."""
    kinds = [describe(choice) for choice in sample.choices]
    counts = Counter(kinds)
    if len(kinds) < 3 or len(counts) != 2 or min(counts.values()) != 1:
        return None
    return next(index for index, kind in enumerate(kinds) if counts[kind] == 1)


def _describe_case(choice: str) -> str:
    letter = next((character for character in choice if character.isalpha()), "")
    if choice.isupper() and len(choice) > 1:
        return "capitals"
    return "upper" if letter.isupper() else "lower"


def _pick_extreme(sample: Sample, sign: int) -> int | None:
    lengths = [sign * len(choice.strip()) for choice in sample.choices]
    best = max(lengths)
    return lengths.index(best) if lengths.count(best) == 1 else None


def _pick_named(sample: Sample, text: str) -> int | None:
    """Return the only option whose words are in a text."""
    plain = f" {_LETTERS_ONLY.sub(' ', text.casefold())} "
    names = [_LETTERS_ONLY.sub(" ", normalise_choice(sample, index)).strip() for index in range(len(sample.choices))]
    named = [index for index, name in enumerate(names) if len(name) >= _MIN_NAME and f" {name} " in plain]
    return named[0] if len(named) == 1 else None


def _pick_by_file_name(sample: Sample) -> int | None:
    stems = " ".join(re.sub(r"(?<=[a-z])(?=\d|[A-Z])", " ", PurePosixPath(ref.id).stem) for ref in sample.audio)
    return _pick_named(sample, stems)


_CUES: Mapping[str, Pick] = {
    "only one in another letter case": lambda sample: _find_only(sample, _describe_case),
    "only one with or without a full stop": lambda sample: _find_only(sample, lambda one: one.strip().endswith(".")),
    "only one with or without a digit": lambda sample: _find_only(sample, lambda one: any(map(str.isdigit, one))),
    "only one with or without quotes": lambda sample: _find_only(sample, lambda one: any(q in one for q in "\"'“”")),
    "only one with or without blanks around it": lambda sample: _find_only(sample, lambda one: one != one.strip()),
    "longest": lambda sample: _pick_extreme(sample, 1),
    "shortest": lambda sample: _pick_extreme(sample, -1),
    "named by the clip's file name": _pick_by_file_name,
    "named by the question": lambda sample: _pick_named(sample, sample.fields.get("question", "")),
}


def _make_prior(samples: Sequence[Sample]) -> Pick:
    """Return the cue that selects the option that is right most often in the other questions that offer it."""
    offered: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for sample in samples:
        offered.update({normalise_choice(sample, index) for index in range(len(sample.choices))})
        right[normalise_choice(sample, sample.target)] += 1

    def pick(sample: Sample) -> int | None:
        names = [normalise_choice(sample, index) for index in range(len(sample.choices))]
        correct = normalise_choice(sample, sample.target)
        rates = [
            (right[name] - (name == correct)) / (offered[name] - 1) if offered[name] > 1 else -1.0 for name in names
        ]
        best = max(rates)
        return rates.index(best) if best > 0 and rates.count(best) == 1 else None

    return pick
