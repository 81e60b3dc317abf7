"""Outputs that select no option, by reason (instruction following: arXiv 2503.08540, appendix H)."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alm_bench.core.types import Metric, Parsed, Sample, Scored
from alm_bench.scoring.multiple_choice import counted_rows, fold_choice, mean

OFF_LIST, SYMBOLS, EXTRA = "off_list", "option_with_symbols", "extra_characters"
"""Reasons of outputs that the parser reads as no option, refusal or ambiguity."""

_SIGNS = re.compile(r"[\W_]+")
SHORTEST = 3
"""Characters of an option from which it is looked for inside a longer word."""


@dataclass(frozen=True, slots=True)
class NoOption:
    """The share of outputs that select no option, and how many do for each reason, most frequent first.

    Reasons: `off_list` (not among the options), `option_with_symbols` (an option once signs are dropped),
    `extra_characters` (an option with other characters attached), `truncated`, `refused`, `ambiguous`, `empty`.
    """

    share: Metric
    reasons: Mapping[str, int]


def no_option_outputs(rows: Sequence[Scored]) -> NoOption | None:
    """Count the outputs that select no option. None where no text was written; failed calls are no outputs."""
    written = [
        (row, row.text, row.parsed) for row in counted_rows(rows) if row.text is not None and row.parsed is not None
    ]
    if not written:
        return None
    reasons = Counter(no_option_reason(row.sample, text, parsed) for row, text, parsed in written if not parsed.selects)
    rate = mean([row for row, _, _ in written], [float(not parsed.selects) for _, _, parsed in written])
    return NoOption(rate, dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))))


def no_option_reason(sample: Sample, text: str, parsed: Parsed) -> str:
    """Name the reason why a text selects none of a question's options."""
    if parsed.status != "unparsed":
        return parsed.status
    options = [fold_choice(sample, index) for index in range(len(sample.choices))]
    said = text.casefold().strip()
    bare = _SIGNS.sub("", said)
    # An option made of signs alone would be found in every text.
    named = {without for option in options if (without := _SIGNS.sub("", option))}
    letters = {chr(ord("a") + index) for index in range(len(options))}
    if bare in named | letters:
        return SYMBOLS
    if any(_attached(said, option) for option in named | set(options)):
        return EXTRA
    return OFF_LIST


def _attached(text: str, option: str) -> bool:
    """Tell whether a text of about the option's length holds it as a part of a longer word."""
    if len(option) < SHORTEST or len(text) > 2 * len(option) + 20:
        return False
    start = text.find(option)
    if start < 0:
        return False
    before, after = text[:start][-1:], text[start + len(option) :][:1]
    return before.isalnum() or after.isalnum()
