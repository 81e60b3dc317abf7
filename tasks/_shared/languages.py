"""Task options that select one or several languages."""

from collections.abc import Sequence

from alm_bench.core import UsageError
from alm_bench.core.errors import format_similar_names

ALL = "all"
"""Value of a language option that selects every language."""


def select_languages(value: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Return the languages that an option selects: one code, several separated by `+`, or `all`.

    `option` is the name of the option in messages, such as `clotho_aqa.language`. Raises UsageError for an unknown
    code.
    """
    if value == ALL:
        return tuple(known)
    codes = tuple(dict.fromkeys(code.strip() for code in value.split("+") if code.strip()))
    for code in codes:
        if code not in known:
            raise UsageError(
                f"{option}: unknown language {code!r}; known: {format_similar_names(code, known)} (or {ALL}, or A+B)"
            )
    if not codes:
        raise UsageError(f"{option} names no language; known: {', '.join(known)}")
    return codes
