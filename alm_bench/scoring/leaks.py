"""Search for cues in the questions of a data set that give the right option away without the audio."""

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
"""Function from a question to the index of the option that a cue selects; None if the cue selects no option."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Accuracy of one cue, such as "the longest option", on the questions in which it selects an option."""

    cue: str
    """Description of the option that the cue selects, such as "the longest option"."""

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
        """True if the cue is better than chance by more than `LEAD`, with a p-value below `P_VALUE`."""
        return self.p_value < P_VALUE and self.rate > self.chance + LEAD


def find_leaks(samples: Sequence[Sample]) -> list[Leak]:
    """Return the accuracy of every cue that selects an option of at least one question.

    Suspicious cues come first, then the cues with the lowest p-values. Skipped questions, and questions without
    options, with several right options or without a known answer, are left out.
    """
    from scipy.stats import binomtest

    known = [sample for sample in samples if sample.choices and sample.target is not None and sample.skip is None]
    found = []
    for cue, pick in {**_CUES, "most often right elsewhere": _build_prior_cue(known)}.items():
        pairs = [(sample, index) for sample in known if (index := pick(sample)) is not None]
        if not pairs:
            continue
        right = sum(is_correct_option(sample, index) for sample, index in pairs)
        expected = sum(compute_chance(sample) for sample, _ in pairs) / len(pairs)
        p_value = float(binomtest(right, len(pairs), expected, alternative="greater").pvalue)
        found.append(Leak(cue, len(pairs), right, expected, p_value))
    return sorted(found, key=lambda leak: (not leak.is_suspicious, leak.p_value))


def _find_odd_option(sample: Sample, describe: Callable[[str], object]) -> int | None:
    """Return the index of the option whose property `describe(option)` differs from that of all others.

    Returns None unless exactly one option differs and the question has at least three options.
    """
    kinds = [describe(choice) for choice in sample.choices]
    counts = Counter(kinds)
    if len(kinds) < 3 or len(counts) != 2 or min(counts.values()) != 1:
        return None
    return next(index for index, kind in enumerate(kinds) if counts[kind] == 1)


def _describe_case(choice: str) -> str:
    """Return `capitals` for an option in capital letters, else the case of its first letter: `upper` or `lower`."""
    letter = next((character for character in choice if character.isalpha()), "")
    if choice.isupper() and len(choice) > 1:
        return "capitals"
    return "upper" if letter.isupper() else "lower"


def _pick_by_length(sample: Sample, sign: int) -> int | None:
    """Return the index of the longest (`sign` 1) or the shortest (-1) option; None if several are equally long."""
    lengths = [sign * len(choice.strip()) for choice in sample.choices]
    best = max(lengths)
    return lengths.index(best) if lengths.count(best) == 1 else None


def _pick_mentioned_option(sample: Sample, text: str) -> int | None:
    """Return the index of the only option that occurs in a text as whole words; None if no option or several occur."""
    plain = f" {_LETTERS_ONLY.sub(' ', text.casefold())} "
    names = [_LETTERS_ONLY.sub(" ", normalise_choice(sample, index)).strip() for index in range(len(sample.choices))]
    named = [index for index, name in enumerate(names) if len(name) >= _MIN_NAME and f" {name} " in plain]
    return named[0] if len(named) == 1 else None


def _pick_by_file_name(sample: Sample) -> int | None:
    """Return the index of the only option that occurs in the file names of the clips, else None."""
    stems = " ".join(re.sub(r"(?<=[a-z])(?=\d|[A-Z])", " ", PurePosixPath(ref.id).stem) for ref in sample.audio)
    return _pick_mentioned_option(sample, stems)


_CUES: Mapping[str, Pick] = {
    "only one in another letter case": lambda sample: _find_odd_option(sample, _describe_case),
    "only one with or without a full stop": lambda sample: _find_odd_option(
        sample, lambda one: one.strip().endswith(".")
    ),
    "only one with or without a digit": lambda sample: _find_odd_option(sample, lambda one: any(map(str.isdigit, one))),
    "only one with or without quotes": lambda sample: _find_odd_option(
        sample, lambda one: any(q in one for q in "\"'“”")
    ),
    "only one with or without blanks around it": lambda sample: _find_odd_option(
        sample, lambda one: one != one.strip()
    ),
    "longest": lambda sample: _pick_by_length(sample, 1),
    "shortest": lambda sample: _pick_by_length(sample, -1),
    "named by the clip's file name": _pick_by_file_name,
    "named by the question": lambda sample: _pick_mentioned_option(sample, sample.fields.get("question", "")),
}


def _build_prior_cue(samples: Sequence[Sample]) -> Pick:
    """Return the cue that selects the option text that is right most often in other questions.

    For each option text, the rate is the share of the other questions with this option in which it is right. The cue
    selects no option if no rate is above 0 or if two options share the highest rate.
    """
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
