"""Parser for questions with several correct options: finds the set of options that a text selects."""

import json
import re
from collections.abc import Sequence

from alm_bench.core.types import Parsed
from alm_bench.parsing.document import Document
from alm_bench.parsing.mcq import MAX_WORDS_OF_SHORT_TEXT, prepare_options
from alm_bench.parsing.options import Options
from alm_bench.parsing.reading import Reading, find_usable_mentions, is_uninformative, read_option_line, read_statement
from alm_bench.parsing.scores import blank_repeated_options
from alm_bench.parsing.text import Span, split_words

_LETTERS = re.compile(
    r"(?<![\w'])(?:(?:both|options?|choices?|answers?|letters?|and|or)\s+)*[(\[\"'*]*([a-z])[)\]\"'*.:]*(?=\s*(?:[,;/&+\n)\]}.]|and\b|$|\())"
)
_GLUED = re.compile(r"\W*([A-Z]{2,10})\W*")
_BULLET = re.compile(r"\s*(?:[-*•+]|\d+[.)]|\(?[a-z][).:]|\[[x✓✔]\])\s*", re.IGNORECASE)


def parse_choices(text: str, choices: Sequence[str], answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse the set of options that a text selects, for a question that may have several correct ones.

    In the result, `indices` are ascending, `value` joins the texts of the selected options, and `index` is None. The
    last statement decides, as in `parse_choice`.
    """
    if not text.strip():
        return Parsed("empty", "none")
    options = prepare_options(tuple(choices))
    document = Document(text, tuple(answer_tags))
    blank_repeated_options(document, options)
    blocked: Reading | None = None
    for rule, span in _list_candidate_spans(document, options):
        if indices := _select_options(document, options, span):
            value = ", ".join(choices[index] for index in sorted(indices))
            return Parsed("ok", rule, None, value, span, tuple(sorted(indices)))
        reading = read_statement(document, options, span)
        if rule != "whole" and not is_uninformative(reading) and blocked is None and not document.ends_in_reasoning:
            return Parsed(reading.status if reading.status != "ok" else "unparsed", f"{rule}:{reading.rule}")
        blocked = blocked or reading
    if document.ends_in_reasoning:
        return Parsed("truncated", "none")
    if document.search_phrase("refusals") or document.search_phrase("none"):
        return Parsed("refused", "refusal")
    return Parsed("unparsed" if document.looks_complete or blocked else "truncated", "nothing_named")


def _list_candidate_spans(document: Document, options: Options) -> list[tuple[str, Span]]:
    """Return the kind and span of each part of the text that may state the answer, most likely first."""
    found = []
    for statement in reversed(document.statements):
        if not document.ends_in_reasoning or statement.kind == "tag":
            found.append((statement.kind, _extend_by_bullets(document, statement.span)))
    if document.ends_in_reasoning:
        return found
    if bullets := _find_last_bullets(document, options):
        found.append(("bullets", bullets))
    if len(split_words(document.plain)) <= MAX_WORDS_OF_SHORT_TEXT or not document.sentences:
        found.append(("whole", (0, len(document.plain))))
    else:
        found += [("line", document.lines[-1]), ("conclusion", document.sentences[-1])]
    return found


def _extend_by_bullets(document: Document, span: Span) -> Span:
    """Extend the span of a statement by the bullet list that follows its line."""
    end = span[1]
    for start, stop in document.lines:
        if start >= end and _BULLET.match(document.plain, start, stop) and not document.plain[end:start].strip():
            end = stop
    return span[0], end


def _find_last_bullets(document: Document, options: Options) -> Span | None:
    """Return the span of the lines at the end of a text that are one option each.

    Returns None if the last line is not an option.
    """
    lines = list(document.lines)
    kept: list[Span] = []
    while lines and read_option_line(document, options, lines[-1]):
        kept.append(lines.pop())
    return (kept[-1][0], kept[0][1]) if kept else None


def _select_options(document: Document, options: Options, span: Span) -> set[int]:
    """Return the indices of the options that a statement selects; an empty set if it selects none."""
    plain = document.plain[slice(*span)]
    if document.search_phrase("none", *span) or (
        document.search_phrase("refusals", *span) and len(split_words(plain)) > 3
    ):
        return set()
    if glued := _GLUED.fullmatch(document.original, *span):
        found = {options.find_option_by_letter(letter.lower()) for letter in glued[1]}
        if None not in found and len(found) == len(glued[1]) and options.find_equal_option(plain) is None:
            return {index for index in found if index is not None}
    if (named := _parse_json_list(document, options, span)) is not None:
        return named
    mentions = {mention.index for mention in find_usable_mentions(document, options, span)}
    covered = [mention.span for mention in options.find_mentions(document, *span)]
    for match in _LETTERS.finditer(document.plain, *span):
        index, at = options.find_option_by_letter(match[1]), match.start(1)
        written = document.original[at].isupper() or match.end() - match.start() > 1
        inside = any(start <= at < stop for start, stop in covered)
        if index is not None and written and not inside and not document.is_denied(match.start(), match.end()):
            mentions.add(index)
    if not mentions:
        reading = read_statement(document, options, span)
        return {reading.index} if reading.index is not None else set()
    return mentions


def _parse_json_list(document: Document, options: Options, span: Span) -> set[int] | None:
    """Return the indices of the options in a JSON list; None if there is no list, or if any item is not an option."""
    plain = document.plain[slice(*span)]
    start, end = plain.find("["), plain.rfind("]")
    if start < 0 or end < start:
        return None
    try:
        items = json.loads(plain[start : end + 1].replace("'", '"'))
    except ValueError:
        return None
    found = set()
    for item in items:
        said = str(item)
        index = options.find_equal_option(said)
        if index is None and len(said.strip(" ().")) == 1 and said.strip(" ().").isalpha():
            index = options.find_option_by_letter(said.strip(" ()."))
        if index is None:
            return None
        found.add(index)
    return found
