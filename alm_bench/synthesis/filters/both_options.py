"""Filter of options that refer to other options ("both A and B", "all of the above")."""

import re
from collections.abc import Iterator, Sequence
from itertools import permutations

from alm_bench.data.inline_options import normalise_option
from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import QuestionRow

_REFERENCE = re.compile(
    r"(?:both|all|none|neither|either|any|some)(?: of)? (?:the )?(?:above|below|following|options|choices|answers|"
    r"these|those|them|two|three|other options)\b.*"
    r"|(?:both |either |neither )?\(?[a-h]\)?(?: ?, ?\(?[a-h]\)?)*,? (?:and|or|nor|&) \(?[a-h]\)?"
    r"|both|neither|all|none|either one",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"^(?:both|either|neither) ", re.IGNORECASE)


class BothOptions(RowFilter):
    """Finds questions one of whose options refers to the others or combines two of them."""

    name = "both_options"
    summary = "options that refer to others (both A and B, none of the above)"
    order = 16

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        for row in rows:
            names = [normalise_option(choice) for choice in row.choices]
            for index, name in enumerate(names):
                others = [other for place, other in enumerate(names) if place != index]
                if _REFERENCE.fullmatch(name):
                    yield Finding(row.id, "option refers to others", row.choices[index])
                    break
                if len(names) > 2 and _is_combination(name, others):
                    yield Finding(row.id, "option combines others", row.choices[index])
                    break


def _is_combination(name: str, others: Sequence[str]) -> bool:
    """Return True if an option is two of the `others`, joined by a conjunction. All are normalised."""
    plain = _PREFIX.sub("", name)
    if " and " not in plain and " or " not in plain and " & " not in plain:
        return False
    pairs = permutations([other for other in others if other], 2)
    return any(plain in (f"{a} and {b}", f"{a} or {b}", f"{a} & {b}") for a, b in pairs)


FILTERS = (BothOptions,)
