"""Rules for yes/no answers: answer words, clauses such as "that is correct", and short sentences such as "It is."."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from alm_bench.parsing.answer_words import AnswerWords, detect_main_language, load_answer_words
from alm_bench.parsing.document import split_sentences
from alm_bench.parsing.languages import DEFAULT
from alm_bench.parsing.text import WRAPPING, Span, blank_out_spans

YES, NO = "yes", "no"

_END = r"(?=[\s\"'*_)\]}>]*(?:$|[.,;:!?…|/(\[{<\n\u2026\u3002\u060c\u0964-]))"
_WORD_END = r"(?![^\W_]|['\u0300-\u036f\u0900-\u0903\u093a-\u094f])"
_STARTS = (
    r"(?:^|(?<=[.,;:!?…(\[{<>\n\"'*\u3002\u060c\u0964-]))[\s\"'*_(\[{<>]*"
    r"(?:(?:so|therefore|thus|hence|then|but|and|overall|well|oh|um|hmm|say|answer|simply|i'd|i|would|is|be|a|clear|definite)"
    r"[\s,:\"'*_]+){0,4}"
)
_SENTENCE_STARTS = r"(?:^|(?<=[.!?\n>\u3002]))[\s\"'*_(\[{<>]*"
_OPENING = re.compile(r"[\s\"'*_(\[{<>#.:,-]*(?:(?:well|oh|hmm|um|ah|so)\b[\s,]*)?")
_BOTH = re.compile(
    r"\by(?:es)?\s*(?:/|\bor\b|\band\b|\|)\s*n(?:o)?\b|\bno\s*(?:/|\bor\b|\|)\s*yes\b|\btrue\s*(?:/|\bor\b)\s*false\b"
)
_TRUTH = re.compile(
    r"\b(?:(?:that|this|it|which|statement|claim|assertion|hypothesis|description|premise)(?:'s|\s+(?:is|was|would\s+be|seems"
    r"(?:\s+to\s+be)?|appears(?:\s+to\s+be)?)))"
    r"(?:\s+\w+ly)?(n't|\s+not)?(?:\s+\w+ly)?\s+(true|correct|right|accurate|false|incorrect|wrong|untrue|inaccurate)\b"
    r"(?!\s+(?:side|channel|ear|hand|note|key|away|after|before|now))"
)
_TRUE = ("true", "correct", "right", "accurate")
_ELLIPSIS = re.compile(
    r"[\s\"'*]*(?:(?:i\s+think|i\s+believe|i'd\s+say|indeed|actually|well)\W+)?(?:it|they|there|he|she|this|that|these|those|you|i|we)"
    r"(?:\s+(?:\w+ly|sure))?(?:\s+(?:is|are|was|were|do|does|did|can|could|has|have|had|will|would)|'(?:s|re))"
    r"(n't|\s+not)?(?:\s+(?:indeed|so|not|the\s+case))?[\s.!\"'*]*$"
)
_NO_SUCH = re.compile(
    r"\bthere(?:'s|\s+(?:is|are|was|were))\s+(?:also\s+|absolutely\s+)?no\b|\bno\s+(?:[\w'-]+\s+){1,3}"
    r"(?:is|are|was|were|can\s+be)\s+(?:heard|present|audible|there|detected)\b"
)
_SAID_YES = re.compile(r"(?<!not )(?<!n't )\byes\b(?!\s*(?:/|or\b|and\b))")


@dataclass(frozen=True, slots=True)
class YesNoAnswer:
    """One yes/no answer in a text."""

    value: str | None
    """`yes` or `no`; None if the text gives both in one sentence."""

    rule: str
    """Name of the rule that decided."""

    span: Span
    """Start and end of the answer in the text."""


@cache
def _map_phrases_to_answers(levels: Sequence[str], language_name: str | None) -> dict[str, str | None]:
    """Return the answer (`yes`, `no` or None) that each phrase of some levels means, by phrase.

    `levels`: members of `LEVELS`; a phrase of the level `neither` means None. `language_name`: the language of the
    phrases; None for all languages.
    """
    chosen = load_answer_words().values() if language_name is None else [load_answer_words()[language_name]]
    found: dict[str, str | None] = {}
    for language in reversed(list(chosen)):  # English last: it overrides words of other languages
        for level in levels:
            value = {"yes": YES, "no": NO}.get(level.partition("_")[0])
            found |= dict.fromkeys(language.yes_no[level], value)
    return found


def _join_alternatives(phrases: Sequence[str]) -> str:
    """Return the source of a regular expression that matches any of the phrases, longest first."""
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in longest_first)


_SET_APART = ("yes", "no", "neither")
_ALONE = ("yes_alone", "no_alone")
_WHOLE = ("yes", "no", "yes_alone", "no_alone", "yes_whole", "no_whole")


@cache
def _compile_delimited_answers() -> re.Pattern[str]:
    """Return a pattern of answer words, in any language, that punctuation separates from the rest of a text.

    Examples: `Well, yes.`, `..., so no.`. The first group matches anywhere. The second group, of answer words that also
    have other meanings ("true", "right"), matches only at the start of a sentence.
    """
    anywhere, first = (
        _join_alternatives(list(_map_phrases_to_answers(levels, None))) for levels in (_SET_APART, _ALONE)
    )
    return re.compile(f"{_STARTS}({anywhere}){_END}|{_SENTENCE_STARTS}({first}){_END}")


@cache
def _compile_leading_answers(language_name: str) -> re.Pattern[str]:
    """Return the pattern of answer words of one language that may begin a text without punctuation after them."""
    end = _WORD_END if load_answer_words()[language_name].spaced else ""
    return re.compile(
        f"({_join_alternatives(list(_map_phrases_to_answers(('yes', 'no', 'neither'), language_name)))}){end}"
    )


@cache
def _compile_non_answers() -> re.Pattern[str]:
    """Return a pattern of phrases, in any language, that begin like an answer and are not one ("no sé").

    All languages are included because a short text may not show its own.
    """
    return re.compile(f"(?:{_join_alternatives(list(_map_phrases_to_answers(('neither',), None)))}){_WORD_END}")


def _look_up_answer(phrase: str, levels: Sequence[str], language_name: str | None = None) -> str | None:
    """Return the answer (`yes`, `no` or None) that a phrase means.

    `levels` are the groups of answer words to search (members of `LEVELS`), `language_name` is the language of the
    phrase, None for any language. Raises KeyError for a phrase that is not in these groups.
    """
    return _map_phrases_to_answers(levels, language_name)[" ".join(phrase.split())]


def read_whole_answer(phrase_text: str) -> str | None:
    """Return `yes` or `no` if a normalised text consists of an answer word alone, else None."""
    return _map_phrases_to_answers(_WHOLE, None).get(
        " ".join(phrase_text.split()).strip(" \t\r\n*_`\"'.,;:!?()[]{}<>#$\\/-。،।…")
    )


def read_yes_or_no(reference: str) -> str | None:
    """Return `yes` or `no` if a normalised reference is one of these words, in any language, else None.

    Unlike `read_whole_answer`, words with other meanings ("right", "true") are not accepted.
    """
    return _map_phrases_to_answers(("yes", "no"), None).get(" ".join(reference.split()).strip(WRAPPING))


def find_answer_word(plain: str, span: Span) -> YesNoAnswer | None:
    """Return the last answer word that is separated from the rest of the text, or the one that begins the text.

    `value` is None if one sentence gives both answers. Returns None without an answer word.
    """
    start, end = span
    value = read_whole_answer(plain[start:end])
    if value is not None:
        return YesNoAnswer(value, "exact", span)
    if both := [match.span() for match in _BOTH.finditer(plain, start, end)]:
        if len(plain[start:end].split()) <= 4:
            return YesNoAnswer(None, "both", span)
        plain = blank_out_spans(plain, both)
    language = detect_main_language(plain[start:end])
    found = sorted(_find_answer_words(plain, span, language), key=lambda answer: answer.span)
    if not found:
        return None
    # In "Most likely, no.", "no" is always an answer word and "likely" is not.
    found = [answer for answer in found if answer.rule != "alone"] or found
    if len({answer.value for answer in found}) > 1 and len(list(split_sentences(plain, start, end))) == 1:
        return YesNoAnswer(None, "both", span)  # "yes: 0.7, no: 0.3"
    return found[-1]


def _find_answer_words(plain: str, span: Span, language: AnswerWords) -> Iterator[YesNoAnswer]:
    """Yield the answer words at the start of a text and between punctuation marks."""
    start, end = span
    opening = _OPENING.match(plain, start, end)
    begin = opening.end() if opening else start
    leading, name = _compile_leading_answers(language.name).match(plain, begin, end), language.name
    if leading is None and language.script:  # "Yes" before a sentence in another script
        leading, name = _compile_leading_answers(DEFAULT).match(plain, begin, end), DEFAULT
    if leading is not None and not _compile_non_answers().match(plain, begin, end):
        value = _look_up_answer(leading[1], ("yes", "no", "neither"), name)
        if value is not None:
            yield YesNoAnswer(value, "leading", leading.span(1))
    for match in _compile_delimited_answers().finditer(plain, start, end):
        group = match.lastindex or 0
        value = _look_up_answer(match[group], _SET_APART if group == 1 else _ALONE)
        if value is not None and match.span(group) != (leading.span(1) if leading else None):
            yield YesNoAnswer(value, "set_apart" if group == 1 else "alone", match.span(group))


def refuses_to_answer(plain: str, start: int) -> bool:
    """Return True if a text, from `start`, refuses to answer ("Not sure.", "no idea").

    The phrase must begin the text or be separated from the rest by punctuation.
    """
    begin = start + len(plain[start:]) - len(plain[start:].lstrip())
    name = detect_main_language(plain[start:]).name
    leading = _compile_leading_answers(name).match(plain, begin)
    if leading is not None and _look_up_answer(leading[1], _SET_APART, name) is None:
        return True
    return any(
        match[1] and _look_up_answer(match[1], _SET_APART) is None
        for match in _compile_delimited_answers().finditer(plain, start)
    )


def read_truth_clause(plain: str, span: Span) -> YesNoAnswer | None:
    """Return the answer of the last clause such as `That is correct` or `It is not true that ...`, else None."""
    found = list(_TRUTH.finditer(plain, *span))
    if not found:
        return None
    last = found[-1]
    affirms = (last[2] in _TRUE) != bool(last[1])
    return YesNoAnswer(YES if affirms else NO, "truth", last.span())


def read_elliptic_answer(plain: str, span: Span) -> YesNoAnswer | None:
    """Return the answer of the last sentence such as `It is.` or `They do not.`, else None."""
    for start, end in reversed(list(split_sentences(plain, *span))):
        if match := _ELLIPSIS.match(plain[:end], start):
            return YesNoAnswer(NO if match[1] or " not" in match[0] else YES, "ellipsis", (start, end))
    return None


def read_named_answer(plain: str, span: Span) -> YesNoAnswer | None:
    """Return the answer of a text for which the question is not known.

    The answer is yes if the word "yes" occurs, no if a sentence says that something is absent, else None.
    """
    if match := _SAID_YES.search(plain, *span):
        return YesNoAnswer(YES, "named", match.span())
    if match := _NO_SUCH.search(plain, *span):
        return YesNoAnswer(NO, "denied", match.span())
    return None
