"""Parser of one statement: returns the option that it selects, and the name of the rule that decided."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from alm_bench.core.types import ParseStatus
from alm_bench.parsing.document import Document
from alm_bench.parsing.options import Mention, Options, are_list_neighbours
from alm_bench.parsing.text import LETTER_END, WRAPPING, Span, skip_characters, split_words

_MARKS = WRAPPING + "()[]{}<>$#-•·|=～~\\"
_LEAD = (
    r"[\s\"'*_<:.\\$#>\-•(\[{=]*(?:(?:@position_nouns|@labels|@predicates|@links"
    r"|@conclusions|@choosing|the|correct|is|would|be|most|likely|probably|indeed|clearly)\b[\s:*\"']*)*"
)
_LETTER = _LEAD + r"[\"'(\[{<*$]*([a-z])" + LETTER_END + r"([\"')\]}>*$]*)"
_GOES_ON = r"\s+(?:@reasons|@conjunctions|@copulas|@conditions|-)|\s*[,;:(\-]"
_MORE = r"(?:@conjunctions|[,/&+、])\s*(?:both\s+|@position_nouns\s+)?([(\[\"'*]*)([a-z])" + LETTER_END
_LIST = re.compile(r"\[([^\[\]]*)\]")
_ITEM = re.compile(r"'([^']*(?:'(?!\s*(?:,|$))[^']*)*)'|\"([^\"]*)\"")
_NULL = re.compile(r"\W*(?:null|n/?a|nil|undefined|unknown|-)\W*")
LONGEST_ORDINAL = 80
"""Maximum length in characters of a statement that consists of an option's position alone."""

SHORT_VALUE = 8
"""Maximum number of words of a statement that is an answer outside the list of options.

A longer statement without an option gets the rule `wordy`.
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """The option that a statement selects, or the reason why it selects none."""

    status: ParseStatus
    """Outcome of parsing, as in `Parsed`."""

    rule: str
    """Name of the rule that decided."""

    span: Span
    """Start and end of the part of the text that decided."""

    index: int | None = None
    """Index of the option; None unless `status` is `ok`."""


def is_uninformative(reading: Reading) -> bool:
    """Return True if a statement gives no information about the options."""
    return reading.rule in ("blank", "foreign", "wordy")


def read_statement(document: Document, options: Options, span: Span) -> Reading:
    """Parse one statement.

    These forms are tried in order: the text of an option; a list with one item; a position ("the second option"); an
    option at the start; a letter; an option within the statement; other words for an option.
    """
    said = document.plain[slice(*span)]
    if (index := options.find_equal_option(said)) is not None:
        return Reading("ok", "exact", span, index)
    if not said.strip(_MARKS) or ("[" not in said and document.cues.compile_pattern(r"\W*@fillers\W*").fullmatch(said)):
        return Reading("unparsed", "blank", span)
    if _NULL.fullmatch(said):
        return Reading("refused", "refusal", span)
    if items := _find_list_items(document.plain, span):
        return read_statement(document, options, items[0]) if len(items) == 1 else Reading("ambiguous", "several", span)
    if document.cues.compile_pattern(r"\W*(?:is |are )?@denials_before").match(said):
        return _read_denied_start(document, options, span)
    for reader in (read_position, _read_option_at_start, read_letter, _read_inner_option):
        if reading := reader(document, options, span):
            return reading
    if like := options.find_similar_option(said):
        return Reading("ok", like[1], span, like[0])
    if (index := options.find_joint_option(document, span)) is not None:
        return Reading("ok", "jointly", span, index)
    if options.is_in_other_script(said):
        return Reading("unparsed", "foreign", span)
    return Reading("unparsed", "off_list" if len(split_words(said)) <= SHORT_VALUE else "wordy", span)


def _read_denied_start(document: Document, options: Options, span: Span) -> Reading:
    """Parse a statement that begins with a denial: "not a dog but a cat" selects the cat."""
    named = {m.index: m for m in find_usable_mentions(document, options, span)}
    if len(named) == 1:
        (mention,) = named.values()
        return Reading("ok", "named", mention.span, mention.index)
    refused = document.search_phrase("refusals", *span) or document.search_phrase("none", *span)
    return Reading("refused" if refused else "unparsed", "denied", span)


def _read_inner_option(document: Document, options: Options, span: Span) -> Reading | None:
    """Return the one option that is mentioned within a statement, or the reason why no mentioned option is selected.

    Returns None if the statement mentions no option.
    """
    named = find_usable_mentions(document, options, span)
    none = document.search_phrase("none", *span)
    declines = (
        none is not None
        and not refers_to_other_options(document, none)
        and not document.search_phrase("conclusions", none.end(), span[1])
    )
    for mentions, rule in (
        ([m for m in named if m.how == "both"], "letter_and_text"),
        ([m for m in named if m.marked], "marked"),
        (named, "named"),
    ):
        if not declines and len({mention.index for mention in mentions}) == 1:
            return Reading("ok", rule, mentions[-1].span, mentions[-1].index)
    if none or document.search_phrase("refusals", *span):
        return Reading("refused", "none_of_them" if none else "refusal", span)
    if named:
        return _read_several_options(document, options, span, named)
    if (index := options.find_neither_option(document, span)) is not None:
        return Reading("ok", "neither", span, index)
    if any(mention.denied for mention in options.find_mentions(document, *span)):
        return Reading("unparsed", "denied", span)
    return None


def _read_several_options(document: Document, options: Options, span: Span, named: Sequence[Mention]) -> Reading:
    """Parse a statement that mentions several options: ambiguous, unless one option combines them all."""
    joined = options.find_option_combining(document.plain[slice(*span)], {mention.index for mention in named})
    return Reading("ambiguous", "several", span) if joined is None else Reading("ok", "joined", span, joined)


def find_usable_mentions(document: Document, options: Options, span: Span) -> list[Mention]:
    """Return the mentions within `span` that may be the answer, in order.

    Denied mentions are left out, and mentions of the other options ("the other options, ..."). A letter or a word such
    as "no" within a sentence is not a mention.
    """
    key = (options, span)
    if key not in document.memo:
        document.memo[key] = _find_usable_mentions(document, options, span)
    kept: list[Mention] = document.memo[key]
    return kept


def _find_usable_mentions(document: Document, options: Options, span: Span) -> list[Mention]:
    """Compute the result of `find_usable_mentions`, which caches it."""
    found = [mention for mention in options.find_mentions(document, *span) if not mention.denied]
    if found and (others := document.search_phrase("others", *span)):
        ends = document.cues.compile_pattern(r",\s*(?:@conclusions|@contrasts)|;").search(
            document.plain, others.end(), span[1]
        )
        reach = range(others.start(), ends.start() if ends else span[1])
        found = [mention for mention in found if mention.span[0] not in reach]
    return [
        m
        for m in found
        if m.how != "text" or not options.is_ambiguous_word(m.index) or _is_delimited(document, m, span)
    ]


def is_outside_lists(document: Document, mention: Mention, mentions: Sequence[Mention]) -> bool:
    """Return True if a mention is not an item in a list of several options ("blues, jazz or rock")."""
    run: list[Mention] = []
    for other in mentions:
        if run and not are_list_neighbours(document.plain, run[-1], other):
            if any(m.span == mention.span for m in run):
                break
            run = []
        run.append(other)
    return not any(m.span == mention.span for m in run) or len({m.index for m in run}) == 1


_AFTER_WORD = re.compile(r"\W*(?:$|[.,;:!?\n)\]}。\"'*])")


def _is_delimited(document: Document, mention: Mention, span: Span) -> bool:
    """Return True if quotation marks, brackets or bold type enclose a mention, or if punctuation or the end of the
    statement follows it."""
    end = mention.span[1]
    return mention.marked or _AFTER_WORD.match(document.plain, end, min(span[1], end + 20)) is not None


def completes_sentence(document: Document, mention: Mention, start: int) -> bool:
    """Return True if a mention completes a sentence: "the sound is ...", "classified as ...", "I think ..."."""
    window = max(start, mention.span[0] - 60)
    return document.cues.compile_pattern(_PREDICATE).search(document.plain, window, mention.span[0]) is not None


_PREDICATE = (
    r"(?:@predicates|@links|@choosing|@labels\s*[:=]|:)[\s:*\"'(\[]*"
    r"(?:(?:most|likely|probably|clearly|definitely|that|of|an?|the|option|in|best|simply|indeed|rather|more|very|@articles|@position_nouns)\b[\s:*\"'(\[]*)*\Z"
)


def refers_to_other_options(document: Document, match: re.Match[str]) -> bool:
    """Return True if "none" refers to the other options only: "none of the other options fits". `match`: the match of
    "none" in the text."""
    window = (max(0, match.start() - 12), match.end())
    return (
        document.cues.compile_pattern("@others|(?:others?|else|rest|remaining)").search(document.plain, *window)
        is not None
    )


def _find_list_items(plain: str, span: Span) -> list[Span] | None:
    """Return the span of each item of a list in square brackets; None if the statement does not begin with a list."""
    match = _LIST.match(plain, skip_characters(plain, span), span[1])
    if match is None:
        return None
    items = [item.span(item.lastindex or 0) for item in _ITEM.finditer(plain, *match.span(1))]
    if not items and "," in match[1]:
        starts = [match.start(1), *(match.start(1) + comma.end() for comma in re.finditer(",", match[1]))]
        items = [(start, stop - 1) for start, stop in pairwise([*starts, match.end(1) + 1])]
    return items or [match.span(1)]


def _read_option_at_start(document: Document, options: Options, span: Span) -> Reading | None:
    """Return the option at the beginning of a statement. If it begins with a list of options, return the reading of
    the list. Returns None if no option can be selected at the beginning."""
    plain = document.plain
    opening = document.cues.compile_pattern(_LEAD).match(plain, *span)
    start = opening.end() if opening else span[0]
    mention = options.find_option_at(document, start, span[1])
    if mention is None and (mention := options.find_option_with_attached_text(plain, start, span[1])):
        return Reading("ok", "glued", mention.span, mention.index)
    if mention is None or mention.denied:
        return None
    if options.is_ambiguous_word(mention.index) and not _is_delimited(document, mention, span):
        return None
    named = find_usable_mentions(document, options, span)
    if not is_outside_lists(document, mention, named):
        return _read_several_options(document, options, span, named)
    ends = _AFTER_WORD.match(plain, mention.span[1], span[1])
    if mention.how == "text" and not ends and len({m.index for m in named}) > 1:
        return None
    return Reading("ok", "letter_and_text" if mention.how == "both" else "named", mention.span, mention.index)


def read_letter(document: Document, options: Options, span: Span) -> Reading | None:
    """Parse a letter at the beginning of a statement: `B`, `(b)`, `B. text`, `B because ...`.

    If the text of an option follows the letter, that option is selected, even if the letter is another option's.
    """
    plain, original = document.plain, document.original
    match = document.cues.compile_pattern(_LETTER).match(plain, *span)
    if match is None:
        return None
    at, end = match.start(1), match.end()
    rest = plain[end : span[1]]
    delimited = match[2] or not rest.strip() or rest.lstrip()[0] in ").:,;=-(!?"
    capital = original[at].isupper() and (match[1] not in "ai" or document.cues.compile_pattern(_GOES_ON).match(rest))
    if not delimited and not capital:
        return None  # an article, a musical note or a name
    after = skip_characters(plain, (end, span[1]), " )]}.:>*-\"'\n(,_$")
    if (mention := options.find_option_at(document, after, span[1])) and not mention.denied:
        return Reading("ok", "letter_and_text", (at, mention.span[1]), mention.index)
    turn = document.cues.compile_pattern(r"@turns|@denials_before").search(plain, end, span[1])
    for more in document.cues.compile_pattern(_MORE).finditer(
        plain, end, min(turn.start() if turn else span[1], end + 40)
    ):
        other = options.find_option_by_letter(more[2])
        article = more[2] in "ai" and not more[1] and not original[more.start(2)].isupper()
        if other is not None and options.first[other] != options.find_first_option_by_letter(match[1]) and not article:
            joined = options.find_similar_option(plain[slice(*span)])
            return Reading("ok", "joined", span, joined[0]) if joined else Reading("ambiguous", "several", span)
    if (index := options.find_option_by_letter(match[1])) is None:
        return None if rest.strip() else Reading("unparsed", "off_list", span)
    return Reading("ok", "letter", match.span(1), index)


def read_position(document: Document, options: Options, span: Span) -> Reading | None:
    """Parse a position: `Option 2`, `the second option`, or a single number if no option is a number."""
    plain, cues, position = document.plain, document.cues, -1
    if span[1] - span[0] > LONGEST_ORDINAL:
        return None
    counted = cues.compile_pattern(
        r"\W*(?:@labels\s+@links\W+)?@position_nouns\s*#?\s*(\d{1,2}|[^\W\d]+)(?:\s*@approvals)?\W*"
    ).fullmatch(plain, *span)
    if counted and counted[1] in cues.cardinal_positions:
        position = cues.cardinal_positions[counted[1]]
    elif counted and counted[1].isdigit():
        position = int(counted[1]) - 1
    elif match := cues.compile_pattern(
        r"\W*(?:@articles\s+)?(?:(@ordinals)|(@last))\s*@position_nouns\s*@position_nouns?(?:\s*@approvals)?\W*"
    ).fullmatch(plain, *span):
        position = options.count - 1 if match[2] else cues.parse_ordinal(match[1])
    elif not options.has_numeric_option and (match := re.compile(r"\W*(\d{1,2})\W*").fullmatch(plain, *span)):
        position = int(match[1]) - 1
    return Reading("ok", "ordinal", span, options.first[position]) if 0 <= position < options.count else None


def read_option_line(document: Document, options: Options, span: Span) -> Reading | None:
    """Parse a line that consists of an option's text, its letter, or both. Returns None for any other line."""
    plain = document.plain
    start, end = skip_characters(plain, span, _MARKS), span[0] + len(plain[slice(*span)].rstrip(_MARKS))
    if (index := options.find_equal_option(plain[start:end])) is not None:
        return Reading("ok", "exact", (start, end), index)
    for reader in (read_position, _read_option_at_start, read_letter):
        reading = reader(document, options, span if reader is read_letter else (start, end))
        if reading and reading.index is not None and not plain[reading.span[1] : end].strip(_MARKS):
            return reading
    return None
