"""Filters that balance the whole data, if the right option is too often the longest one or too often at the same
position."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from alm_bench.core.rng import create_item_generator, derive_integer
from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import QuestionRow

P_VALUE = 0.01
"""Largest p-value, of a one-sided binomial test or a chi-square test, of a bias that is corrected."""


class LongestOption(RowFilter):
    """Finds the rows to remove so that the right option is the longest no more often than by chance.

    By chance, the right one of n options is the longest with probability 1/n. Rows whose right option exceeds the
    others most are removed first. Nothing is removed if the bias is not significant (`P_VALUE`).
    """

    name = "longest_option"
    summary = "surplus of rows whose right option is the longest"
    order = 80

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        from scipy.stats import binomtest

        known = [row for row in rows if row.target is not None and len(row.choices) > 1]
        excess = {row.id: compute_length_ratio(row) for row in known}
        longest = sorted(
            (row for row in known if excess[row.id] > 1.0),
            key=lambda row: (-excess[row.id], derive_integer("longest", settings.seed, row.id)),
        )
        if not known:
            return
        chance = sum(1 / len(row.choices) for row in known) / len(known)
        if binomtest(len(longest), len(known), chance, alternative="greater").pvalue >= P_VALUE:
            return
        # `surplus` rows less make the share equal to chance: (longest - x) / (known - x) = chance.
        surplus = round((len(longest) - chance * len(known)) / (1 - chance))
        for row in longest[:surplus]:
            yield Finding(row.id, "right option is the longest", f"{excess[row.id]:.1f} times the second longest")


def compute_length_ratio(row: QuestionRow) -> float:
    """Return the length of the right option divided by that of the longest wrong one; above 1 if it is the longest."""
    assert row.target is not None, "the right option is known"
    wrong = [len(choice) for index, choice in enumerate(row.choices) if index != row.target]
    return len(row.choices[row.target]) / max(1, *wrong)


class OptionPosition(RowFilter):
    """Reorders the options of all rows if the right one is not equally often at each position.

    The rows with the same number of options are put into a random order, which depends on the seed. In this order, the
    right option gets the first position, the second one and so on in turn, so that it is equally often at each. The
    wrong options keep their order.
    """

    name = "option_position"
    summary = "right options that are at one position too often (options are reordered)"
    action = "repair"
    order = 90

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        from scipy.stats import chisquare

        by_count: dict[int, list[QuestionRow]] = {}
        for row in rows:
            if row.target is not None and len(row.choices) > 1:
                by_count.setdefault(len(row.choices), []).append(row)
        for count, same in sorted(by_count.items()):
            positions = [row.target or 0 for row in same]
            observed = [positions.count(position) for position in range(count)]
            if chisquare(observed).pvalue >= P_VALUE:
                continue
            yield from _assign_positions(same, count, settings.seed)


def _assign_positions(rows: Sequence[QuestionRow], count: int, seed: int) -> Iterator[Finding]:
    """Yield a finding for each row whose right option gets a new position, with the reordered row.

    All rows have `count` options. The positions 0..count-1 are assigned in turn, with the rows in a random order that
    depends on `seed`.
    """
    order = create_item_generator("positions", seed, count).permutation(len(rows))
    for turn, index in enumerate(order.tolist()):
        row, position = rows[index], turn % count
        assert row.target is not None, "the right option is known"
        if row.target == position:
            continue
        wrong = [choice for place, choice in enumerate(row.choices) if place != row.target]
        choices = (*wrong[:position], row.choices[row.target], *wrong[position:])
        yield Finding(
            row.id,
            "options reordered",
            f"right option from {row.target + 1} to {position + 1}",
            replace(row, choices=choices, target=position),
        )


FILTERS = (LongestOption, OptionPosition)
