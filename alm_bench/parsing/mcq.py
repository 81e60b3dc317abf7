"""Multiple choice: which option does a text select?

Rules from strict to loose, each named in the record. The last explicit statement decides; where there is none, what the
text concludes. A text that no rule reads is `unparsed`; nothing is guessed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from alm_bench.core.types import Parsed, ParseStatus
from alm_bench.parsing.old_statements import (
    CONDITION,
    CUE,
    NONE,
    REFUSAL,
    TAKEN_BACK,
    after_thought,
    sentences,
    statements,
)
from alm_bench.parsing.old_text import WRAPPING, Span, blank, past, prepared, words
from alm_bench.parsing.options import Mention, Options

PARSER = "mcq@2"
"""Name and version of these rules; stored with every run, since a change of rules changes numbers."""

SHORT = 25
"""Words up to which a whole text is read as one statement."""

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
_PLACES = {word: place for names in (_ORDINALS, _COUNTS) for place, word in enumerate(names)}

_OPEN = re.compile(r"[\s\"'*_<(\[{:.,\\$]*(?:(?:the|option|choice|answer|letter)\s+(?:is\s+)?)*[\s\"'*_<(\[{:\\$]*")
_LETTER = re.compile(
    r"[\s\"'*_<:.\\$]*(?:(?:the|correct|option|choice|answer|letter|is)\b[\s:*]*)*[\"'(\[{<*]{0,2}([a-z])"
    r"(?=[\"'>*]{0,2}[)\]}.:,;](?!\w)|[\"'>*]{0,2}\s*(?:$|\n)|[\"'*]|[)\].:]\s|\s+(?:because|since|as\s|and|or|is)\b|\s*[-(]\s*)"
)
_AFTER_LETTER = " )]}.:>*-\"'\n("
_LETTERS = re.compile(r"(?:\band\b|\bor\b|,|/)\s*[(\[]?([a-z])\b")
_ORDINAL = re.compile(
    rf"\W*(?:the\s+answer\s+is\W+)?(?:(?:option|choice|number|answer)\s*#?\s*(\d|{'|'.join(_COUNTS)})"
    rf"|(?:the\s+)?({'|'.join(_ORDINALS)}|last)\s+(?:option|choice|one|answer))"
    r"(?:\s+(?:is|was)\s+(?:the\s+)?(?:right|correct|best)(?:\s+(?:one|answer|option|choice))?)?\W*"
)
_DIGIT = re.compile(r"\W*(\d)\W*")
_LIST = re.compile(r"\[([^\[\]]*)\]")
_ITEM = re.compile(r"'([^']*(?:'(?!\s*(?:,|$))[^']*)*)'|\"([^\"]*)\"")
_RIGHT = re.compile(
    r"\W*(?:the\s+)?(?:right|correct|best|likel(?:y|iest))(?:\s+(?:one|answer|option|choice|fit|match))?\W*"
)
_DENIAL = re.compile(r"\W*(?:not|isn't|no longer)\b")
_TURN = re.compile(r"\b(?:(?:and|but)\s+)?(?:not|rather\s+than|instead\s+of)\b")
_ALSO = re.compile(r"[\s\"')\]>*]*(?:,|/|&|\band\b|\bor\b|;)[\s\"'(\[<*]*(?:(?:and|or|also|the|a|an)\s+)*[\"'(\[<*]*")
_BUT = re.compile(r"\bbut\b|;")
_IS = re.compile(r"\b(?:is|are|was|were)\s+(?:an?\s+|the\s+)?[\"'(\[<]*$")
_ENDS = re.compile(r"\W*(?:$|[.\n])")
_FINISHED = re.compile(r"[.!?>)\]}\"'*:`。）」]\s*$")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement selects and by which rule, or why it selects none. `lettered` where it gives a place alone."""

    status: ParseStatus
    rule: str
    span: Span
    index: int | None = None
    lettered: bool = False


@lru_cache(maxsize=4096)
def _options(choices: tuple[str, ...]) -> Options:
    return Options(choices)


def parse_choice(text: str, choices: Sequence[str]) -> Parsed:
    """Read which of `choices` a text selects; among equal options the first."""
    options = _options(tuple(choices))
    if not text.strip():
        return Parsed("empty", "none")
    whole = (0, len(text))
    if (index := options.exact(text)) is not None:
        return Parsed("ok", "exact", index, choices[index], whole)
    plain = _without_echo(prepared(text), options)
    start, thinking = after_thought(plain)
    if not words(plain[start:]):
        start = 0
    reading = _stated(plain, start, options)
    if reading is None and thinking:
        reading = Reading("truncated", "none", whole)
    if reading is None and len(words(plain[start:])) <= SHORT:
        reading = _read(plain, (start, len(plain)), options)
    reading = reading or _prose(plain, start, options)
    if reading.index is None:
        return Parsed(reading.status, reading.rule)
    return Parsed("ok", reading.rule, reading.index, choices[reading.index], reading.span)


def _stated(plain: str, start: int, options: Options) -> Reading | None:
    """What the last explicit statement says."""
    for statement in reversed(statements(plain, start)):
        reading = _read(plain, statement.span, options)
        # "Choose" states nothing unless an option follows.
        if reading.rule in _SILENT or (reading.index is None and statement.kind == "chosen"):
            continue
        if statement.kind == "counted" and not options.numeric:
            continue
        if TAKEN_BACK.search(plain, reading.span[1]) and not _FINISHED.search(plain):
            return Reading("truncated", "taken_back", reading.span)
        if reading.lettered and statement.kind == "said":
            concluded = _concluded(plain, start, statement.span[0], options)
            if concluded and concluded.index != reading.index:
                return replace(concluded, rule="conclusion_over_letter")
        if reading.index is not None and statement.kind != "tag" and NONE.search(plain, reading.span[1]):
            return Reading("refused", "none_of_them", reading.span)
        return replace(reading, rule=f"{statement.kind}:{reading.rule}")
    return None


def _prose(plain: str, start: int, options: Options) -> Reading:
    """What a longer text without an explicit statement comes to."""
    whole = (start, len(plain))
    if not _FINISHED.search(plain):
        return Reading("truncated", "none", whole)
    nones = list(NONE.finditer(plain, start))
    begin = nones[-1].end() if nones else start
    refused = REFUSAL.search(plain, begin)
    concluded = None if refused else _concluded(plain, begin, len(plain), options)
    if concluded:
        return replace(concluded, rule="closest") if nones else concluded
    if nones or refused:
        return Reading("refused", "none_of_them" if nones else "refusal", whole)
    last = list(sentences(plain, start))[-1:]
    if last and (predicate := _predicate(plain, last[0], options)):
        return predicate
    several = {mention.index for mention in _named(plain, whole, options)}
    return Reading("ambiguous", "several", whole) if len(several) > 1 else Reading("unparsed", "nothing_named", whole)


_SILENT = ("blank", "foreign")
"""Rules of statements that say nothing."""


def _without_echo(plain: str, options: Options) -> str:
    """The list of all options, repeated from the question, left blank."""
    spans = []
    for match in _LIST.finditer(plain):
        named = {mention.index for mention in options.named(plain, *match.span())}
        if len(named) > 1 and named == set(options.first) and match.end() - match.start() < len(plain.strip()):
            spans.append(match.span())
    return blank(plain, spans)


def _read(plain: str, span: Span, options: Options) -> Reading:
    """One statement: the option itself, a list of one, a place, an option within it, or the same in other words."""
    start, end = span
    said = plain[start:end]
    if not said.strip(WRAPPING + "()[]{}<>") or _RIGHT.fullmatch(said):
        return Reading("unparsed", "blank", span)
    if (index := options.exact(said)) is not None:
        return Reading("ok", "exact", span, index)
    if items := _list(plain, span):
        return _read(plain, items[0], options) if len(items) == 1 else Reading("ambiguous", "several", span)
    if _DENIAL.match(said):
        return Reading("refused" if REFUSAL.search(said) else "unparsed", "denied", span)
    if reading := _ordinal(plain, span, options) or _at_start(plain, span, options):
        return reading
    turn = _TURN.search(said)
    if reading := _letter(plain, span, start + turn.start() if turn else end, options):
        return reading
    named = _named(plain, span, options)
    for mentions, rule in (([mention for mention in named if mention.marked], "marked"), (named, "named")):
        if len({mention.index for mention in mentions}) == 1:
            declined = _declined(plain, span, mentions[-1])
            return declined or Reading("ok", rule, mentions[-1].span, mentions[-1].index)
    if NONE.search(said) or REFUSAL.search(said):
        return Reading("refused", "refusal", span)
    if named:
        return _several(plain, span, options)
    if any(mention.denied for mention in options.named(plain, *span)):
        return Reading("unparsed", "denied", span)
    if like := options.like(said):
        return Reading("ok", like[1], span, like[0])
    return Reading("unparsed", "foreign" if options.foreign(said) else "off_list", span)


def _named(plain: str, span: Span, options: Options) -> list[Mention]:
    """The options that are named and not denied. A letter within a sentence is a word or a name, not an option."""
    found = [mention for mention in options.named(plain, *span) if not mention.denied]
    return [m for m in found if not options.letter(m.index) or m.marked or _ENDS.match(plain, m.span[1], span[1])]


def _several(plain: str, span: Span, options: Options) -> Reading:
    """Several options named: parts of one that joins them, or passed over for the one that a last sentence gives."""
    named = {mention.index for mention in _named(plain, span, options)}
    if (index := options.covering(plain[slice(*span)], named)) is not None:
        return Reading("ok", "joined", span, index)
    return _predicate(plain, span, options) or Reading("ambiguous", "several", span)


def _declined(plain: str, span: Span, mention: Mention) -> Reading | None:
    """Where the sentences around a mention say that no option fits, or that nothing can be said."""
    if NONE.search(plain, mention.span[1], span[1]):
        return Reading("refused", "none_of_them", span)
    for sentence in sentences(plain[: span[1]], span[0]):
        if not sentence[0] <= mention.span[0] < sentence[1] or CUE.search(plain, *sentence):
            continue
        if NONE.search(plain, *sentence) or (REFUSAL.search(plain, *sentence) and not mention.marked):
            return Reading("refused", "refusal", span)
    return None


def _list(plain: str, span: Span) -> list[Span] | None:
    """The elements of a list that stands there."""
    match = _LIST.match(plain, past(plain, span), span[1])
    if match is None:
        return None
    items = [item.span(item.lastindex or 0) for item in _ITEM.finditer(plain, *match.span(1))]
    return items or [match.span(1)]


def _at_start(plain: str, span: Span, options: Options) -> Reading | None:
    """An option that the statement begins with, or several in a row."""
    opening = _OPEN.match(plain, *span)
    start = opening.end() if opening else span[0]
    mention = options.at(plain, start, span[1]) or options.at(plain, past(plain, span), span[1])
    if mention is None and (mention := options.glued(plain, start, span[1])):
        return Reading("ok", "glued", mention.span, mention.index)
    if mention is None or mention.denied:
        return None
    if options.letter(mention.index) and words(plain[mention.span[1] : span[1]]):
        return None
    if also := _ALSO.match(plain, mention.span[1], span[1]):
        other = options.at(plain, also.end(), span[1])
        if other is not None and other.index != mention.index:
            return _several(plain, span, options)
    return Reading("ok", "named", mention.span, mention.index)


def _letter(plain: str, span: Span, turn: int, options: Options) -> Reading | None:
    """`B`, `(b)`, `B. text`, up to `turn`, where others are ruled out. Text that an option states beats its letter."""
    match = _LETTER.match(plain, span[0], turn)
    if match is None:
        return None
    index, count = ord(match[1]) - ord("a"), len(options.texts)
    after = past(plain, (match.end(), span[1]), _AFTER_LETTER)
    if mention := options.at(plain, after, span[1]):
        return Reading("ok", "letter_and_text", mention.span, mention.index)
    if any(other != match[1] and ord(other) - ord("a") < count for other in _LETTERS.findall(plain, match.end(), turn)):
        return Reading("ambiguous", "several", span)
    if match[1] == "a" and plain[match.end(1) : match.end(1) + 1].isspace() and words(plain[after:turn]):
        return None  # an article
    return Reading("ok", "letter", match.span(1), index, True) if index < count else None


def _ordinal(plain: str, span: Span, options: Options) -> Reading | None:
    """`Option 2`, `the second option`, and a digit alone where options are no numbers."""
    count, place = len(options.texts), -1
    if match := _ORDINAL.fullmatch(plain, *span):
        word = match[1] or match[2]
        place = count - 1 if word == "last" else int(word) - 1 if word.isdigit() else _PLACES[word]
    elif not options.numeric and (match := _DIGIT.fullmatch(plain, *span)):
        place = int(match[1]) - 1
    return Reading("ok", "ordinal", span, place, True) if 0 <= place < count else None


def _concluded(plain: str, start: int, end: int, options: Options) -> Reading | None:
    """The one option that the last sentences conclude on; one in quotation marks counts before others."""
    spans = [span for span in sentences(plain[:end], start) if not CONDITION.match(plain, *span)][::-1]
    named = {span: _named(plain, span, options) for span in spans}
    alone = len({mention.index for mentions in named.values() for mention in mentions}) == 1
    for marked in (True, False):
        for span in spans[:3]:
            mentions = [mention for mention in named[span] if mention.marked or not marked]
            if len({mention.index for mention in mentions}) != 1 or (options.numeric and not marked):
                continue
            if alone or marked or CUE.search(plain, *span):
                return Reading("ok", "conclusion", mentions[-1].span, mentions[-1].index)
    return None


def _clauses(plain: str, span: Span) -> Iterator[Span]:
    """Sentences, in parts where a `but` or a semicolon turns them."""
    for start, end in sentences(plain[: span[1]], span[0]):
        for turn in _BUT.finditer(plain, start, end):
            yield start, turn.start()
            start = turn.end()
        yield start, end


def _predicate(plain: str, span: Span, options: Options) -> Reading | None:
    """`The chord is G major.`, the last such sentence, where others name more options."""
    for sentence in reversed(list(_clauses(plain, span))):
        named = _named(plain, sentence, options)
        if len({mention.index for mention in named}) != 1 or CONDITION.match(plain, *sentence):
            continue
        start, end = named[-1].span
        if _IS.search(plain, sentence[0], start) and _ENDS.match(plain, end, sentence[1]):
            return Reading("ok", "predicate", (start, end), named[-1].index)
    return None
