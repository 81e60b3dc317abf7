"""Outputs that select no option, counted by reason (instruction following: arXiv 2503.08540, appendix H)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alm_bench.core.types import Metric, Parsed, Sample, Scored
from alm_bench.scoring.multiple_choice import compute_mean, drop_skipped_rows, normalise_choice

OFF_LIST, SYMBOLS, EXTRA = "off_list", "option_with_symbols", "extra_characters"
"""Reasons for outputs with the parse status `unparsed`."""

_SIGNS = re.compile(r"[\W_]+")
SHORTEST = 3
"""Minimum length in characters of an option that is searched within longer words."""


@dataclass(frozen=True, slots=True)
class NoOptionCounts:
    """Share of outputs that select no option, and their number by reason."""

    share: Metric
    """Share of outputs that select no option."""

    reasons: Mapping[str, int]
    """Number of such outputs by reason, most frequent first.

    Reasons: `off_list` (not among the options), `option_with_symbols` (an option after removal of symbols),
    `extra_characters` (an option with other characters attached), `truncated`, `refused`, `ambiguous`, `empty`.
    """


def count_no_option_outputs(rows: Sequence[Scored]) -> NoOptionCounts | None:
    """Count the outputs that select no option. Failed calls are not outputs. Returns None if no text was generated."""
    written = [
        (row, row.text, row.parsed)
        for row in drop_skipped_rows(rows)
        if row.text is not None and row.parsed is not None
    ]
    if not written:
        return None
    reasons = Counter(
        explain_missing_selection(row.sample, text, parsed)
        for row, text, parsed in written
        if not parsed.selects_option
    )
    rate = compute_mean([row for row, _, _ in written], [float(not parsed.selects_option) for _, _, parsed in written])
    return NoOptionCounts(rate, dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))))


def explain_missing_selection(sample: Sample, text: str, parsed: Parsed) -> str:
    """Return the reason why a text selects none of the options of a question (see `NoOptionCounts.reasons`)."""
    if parsed.status != "unparsed":
        return parsed.status
    options = [normalise_choice(sample, index) for index in range(len(sample.choices))]
    said = text.casefold().strip()
    bare = _SIGNS.sub("", said)
    # Options of symbols alone are left out: as empty strings, they would occur in every text.
    named = {without for option in options if (without := _SIGNS.sub("", option))}
    letters = {chr(ord("a") + index) for index in range(len(options))}
    if bare in named | letters:
        return SYMBOLS
    if any(_contains_attached_option(said, option) for option in named | set(options)):
        return EXTRA
    return OFF_LIST


def _contains_attached_option(text: str, option: str) -> bool:
    """Return True if an option occurs in a text as a part of a longer word, and the text is not much longer than it."""
    if len(option) < SHORTEST or len(text) > 2 * len(option) + 20:
        return False
    start = text.find(option)
    if start < 0:
        return False
    before, after = text[:start][-1:], text[start + len(option) :][:1]
    return before.isalnum() or after.isalnum()
