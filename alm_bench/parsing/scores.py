"""Parser of texts with one score or mark per option, and removal of option lists that repeat the question."""

import re
from collections.abc import Sequence

from alm_bench.parsing.document import Document
from alm_bench.parsing.options import Mention, Options
from alm_bench.parsing.reading import Reading
from alm_bench.parsing.text import Span, blank_out_spans

_VALUE = re.compile(
    r"[\"')\]*_}\s]{0,4}(?:[:=|\-(]|\bis\b)?[\s\"'(*_]{0,4}(?:(\d+(?:\.\d+)?)\s*%?(?![\w.:/])|(true|yes|correct|right|✓|✔|✅|☑|🟢)|(false|no|incorrect|wrong|not\b|❌|✗|✘|✖|🔴))"
)
_BOX = re.compile(r"\[\s*([x✓✔✅*]?)\s*\]\s*[\"'*_]*\Z")
_LETTER_KEY = r"(?:^|(?<=[\n{{,;|]))[\s\"'*_\-•(]*({letters})[\"'*_).]*\s*[:=|]\s*"
_SEPARATOR = re.compile(
    r"[\s,;|/\"'\[\](){}<>*_.:\-•&?]*(?:\b(?:and|or)\b)?[\s,;|/\"'\[\](){}<>*_.:\-•]*(?:[(\[]?[a-z][).\]:])?[\s\"'*_\-]*"
)


MAX_SEPARATOR_LENGTH = 60
"""Maximum number of characters between two options of a list."""


def read_scores(document: Document, options: Options) -> Reading | None:
    """Parse a table of scores, probabilities or marks, one per option.

    Returns the option with the highest score, or `ambiguous` if several options share it. Returns None if there is no
    such table.
    """
    plain = document.plain
    if not re.search(r"[\d✓✔✅☑❌✗✘✖🔴🟢]|\[[\sx]*\]|\b(?:true|false|yes|no|correct|incorrect|right|wrong)\b", plain):
        return None
    values: dict[int, tuple[float, Span]] = {}
    for mention in _find_all_mentions(document, options):
        value = _read_score(plain, mention)
        if value is not None:
            values[mention.index] = (max(value, values.get(mention.index, (value, mention.span))[0]), mention.span)
    distinct = set(options.first)
    if len(values) < max(2, len(distinct) - 1) or (options.has_numeric_option and len(values) < len(distinct)):
        return None
    best = max(value for value, _ in values.values())
    hits = [(index, span) for index, (value, span) in values.items() if value == best]
    if not 0 < best <= 100:
        return None
    if len(hits) > 1:
        return Reading("ambiguous", "scored", (0, len(plain))) if len(values) == len(distinct) else None
    return Reading("ok", "scored", hits[0][1], hits[0][0])


def _find_all_mentions(document: Document, options: Options) -> list[Mention]:
    """Return the mentions of all options; if only letters are mentioned, also letters that begin a line."""
    letters = "|".join(chr(ord("a") + i) for i in range(min(options.count, 26)))
    found = options.find_mentions(document, 0, len(document.plain))
    if any(m.how != "letter" for m in found):
        return found
    keys = re.compile(_LETTER_KEY.format(letters=letters)).finditer(document.plain)
    return [
        Mention(index, match.span(1), "letter")
        for match in keys
        if (index := options.find_option_by_letter(match[1])) is not None
    ]


def _read_score(plain: str, mention: Mention) -> float | None:
    """Return the number beside an option as its score. For a mark such as `✓` or `✗` instead of a number, the score is
    1 or 0. Returns None without either."""
    if box := _BOX.search(plain, max(0, mention.span[0] - 8), mention.span[0]):
        return float(bool(box[1]))
    match = _VALUE.match(plain, mention.span[1])
    if match is None:
        return None
    return float(match[1]) if match[1] else float(bool(match[2]))


def blank_repeated_options(document: Document, options: Options) -> None:
    """Blank out, in `document`, every list that repeats all options of the question.

    The document is changed in place: each such list is replaced with spaces. Nothing is changed if the document has no
    other content.
    """
    if options.count < 2:
        return
    distinct = set(options.first)
    mentions = options.find_mentions(document, 0, len(document.plain))
    runs = [
        run
        for run in _group_adjacent_mentions(document.plain, mentions)
        if {m.index for m in run} == distinct and len(run) == len(distinct)
    ]
    spans = [(run[0].span[0], run[-1].span[1]) for run in runs]
    rest = blank_out_spans(document.plain, spans)
    if spans and re.search(r"\w", rest):
        document.blank_spans(spans)
        document.memo[options] = [m for m in mentions if not any(a <= m.span[0] < b for a, b in spans)]


def _group_adjacent_mentions(plain: str, mentions: Sequence[Mention]) -> list[list[Mention]]:
    """Return the mentions, split into runs in which only separators are between neighbours."""
    runs: list[list[Mention]] = []
    for mention in mentions:
        between = plain[runs[-1][-1].span[1] : mention.span[0]] if runs else ""
        if (
            runs
            and len(between) < MAX_SEPARATOR_LENGTH
            and _SEPARATOR.fullmatch(between)
            and (mention.how == "both" or not re.search(r"[.!?]\s", between))
        ):
            runs[-1].append(mention)
        else:
            runs.append([mention])
    return runs
