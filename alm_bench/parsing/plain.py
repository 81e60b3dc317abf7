"""Parsers of yes/no answers, labels and numbers, based on `Document`."""

from collections.abc import Iterator, Mapping, Sequence

from alm_bench.core.types import Parsed
from alm_bench.parsing.counting import ZERO_ANSWER, ChosenNumber, choose_number, find_counted_nouns
from alm_bench.parsing.document import Document
from alm_bench.parsing.labels import LabelReading, index_label_phrases
from alm_bench.parsing.numbers import parse_single_number, read_numbers
from alm_bench.parsing.polarity import Question, find_last_claim, read_question
from alm_bench.parsing.statements import Statement
from alm_bench.parsing.text import Span, split_words
from alm_bench.parsing.yes_no import (
    NO,
    YES,
    YesNoAnswer,
    find_answer_word,
    read_elliptic_answer,
    read_named_answer,
    read_truth_clause,
    refuses_to_answer,
)

ENTAILMENT: Mapping[str, Sequence[str]] = {
    "Entailment": ("entailment", "definitely true", "true", "supported", "follows from"),
    "Neutral": (
        *("neutral", "plausible", "undetermined", "possibly true", "probably true", "likely true", "possibly false"),
        *(f"{modal} {verb} true" for modal in ("might", "may", "could") for verb in ("be", "or may not be")),
        *("might or might not be true", "may be false", "might be false", "neither true nor false"),
    ),
    "Contradiction": (
        *("contradiction", "contradictory", "definitely false", "false", "untrue", "not true", "definitely not true"),
        *("cannot be true", "can't be true"),
    ),
}
"""Labels of audio entailment, with the phrases that mean them. Inflected forms of the phrases are also accepted."""

MAX_WORDS_OF_UNPARSED_TEXT = 25
"""Maximum number of words of a text without an answer that is `unparsed`.

A longer text is `truncated` if it does not end like a sentence.
"""


def parse_yes_no(text: str, question: str | None = None, answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse a yes/no answer: `index` is 0 for `yes` and 1 for `no`.

    The last statement with an answer decides (an answer tag, "the answer is ..."). Without such a statement, the whole
    text is parsed. In both, rules are tried in this order: the last answer word that punctuation separates from the
    rest ("No, the audio ...", "..., so yes."); the last clause that calls something true or false; a short sentence
    such as "It is.". If none of them applies and `question` is given, the answer is yes or no if a sentence affirms or
    denies the content of the question. Without `question`, the word "yes" anywhere or a sentence such as "there is no
    ..." decides.
    """
    doc = Document(text, answer_tags)
    if (status := _parse_empty_or_truncated(doc)) is not None:
        return status
    question_content = None if question is None else read_question(question)
    for statement in _list_statements(doc):
        if answer := _read_yes_no(doc, statement.span, question_content):
            return _convert_yes_no(answer, f"{statement.kind}:{answer.rule}")
    if answer := _read_yes_no(doc, _get_text_span(doc), question_content):
        return _convert_yes_no(answer, answer.rule)
    return Parsed("refused", "refusal") if refuses_to_answer(doc.plain, 0) else _explain_missing_answer(doc)


def _read_yes_no(doc: Document, span: Span, question_content: Question | None) -> YesNoAnswer | None:
    """Return the yes/no answer of one statement, or of a whole text; None if no rule applies."""
    answer = (
        find_answer_word(doc.plain, span) or read_truth_clause(doc.plain, span) or read_elliptic_answer(doc.plain, span)
    )
    if answer is not None:
        return answer
    if question_content is None:
        return read_named_answer(doc.plain, span)
    claim = find_last_claim(doc, span, question_content)
    return None if claim is None else YesNoAnswer(YES if claim.affirms else NO, "to_question", claim.span)


def _convert_yes_no(answer: YesNoAnswer, rule: str) -> Parsed:
    """Convert a yes/no answer to the result of parsing. `rule`: the name of the rule in the result."""
    if answer.value is None:
        return Parsed("ambiguous", rule)
    return Parsed("ok", rule, int(answer.value == NO), answer.value, answer.span)


def parse_label(text: str, labels: Mapping[str, Sequence[str]], answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse which of `labels` a text names.

    `labels` maps names to phrases. Inflected forms of the phrases are also accepted ("entails" for "entailment"). A
    denied phrase ("not entailed") does not select its label. In the result, `index` is the position of the label and
    `value` its name.
    """
    doc = Document(text, answer_tags)
    if (status := _parse_empty_or_truncated(doc)) is not None:
        return status
    label_index, names = index_label_phrases(labels), list(labels)
    for statement in _list_statements(doc):
        reading = label_index.select_label(doc, statement.span)
        if reading.rule != "off_list" and (reading.label is not None or statement.kind != "chosen"):
            return _convert_label_reading(reading, names, f"{statement.kind}:{reading.rule}")
    reading = label_index.select_label(doc, _get_text_span(doc))
    return (
        _explain_missing_answer(doc, reading.rule)
        if reading.rule == "off_list"
        else _convert_label_reading(reading, names, reading.rule)
    )


def _convert_label_reading(reading: LabelReading, names: Sequence[str], rule: str) -> Parsed:
    """Convert the reading of a label to the result of parsing. `names`: the labels' names in order. `rule`: the name of
    the rule in the result."""
    if reading.label is None:
        return Parsed(reading.status, rule)
    return Parsed("ok", rule, reading.label, names[reading.label], reading.span)


def parse_number(text: str, question: str | None = None, answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse the number that a text answers: `value` is in digits, `index` is None.

    The last statement with a number decides; without such a statement, the whole text is parsed. Among several numbers,
    the rules of `choose_number` select one: the number before the noun that `question` counts ("How many dogs ...?": "3
    dogs and 2 cats"), the number at the beginning ("3: one at the start ..."), the total ("5 in total"), or the number
    of a final conclusion ("so three"). Otherwise the status is `ambiguous`. If the question counts something, "none" is
    0.
    """
    doc = Document(text, answer_tags)
    if (status := _parse_empty_or_truncated(doc)) is not None:
        return status
    counted = None if question is None else find_counted_nouns(question)
    for statement in _list_statements(doc):
        if number := _read_number(doc, statement.span, counted):
            return _convert_number(number, f"{statement.kind}:{number.rule}")
    if number := _read_number(doc, _get_text_span(doc), counted):
        return _convert_number(number, number.rule)
    if counted and (zero := ZERO_ANSWER.match(doc.plain)):
        return Parsed("ok", "nothing", None, "0", zero.span())
    return _explain_missing_answer(doc, "none")


def _read_number(doc: Document, span: Span, counted: frozenset[str] | None) -> ChosenNumber | None:
    """Return the number of one statement or of a whole text; None if it has no number. `counted`: stems of the noun
    that the question counts (`find_counted_nouns`)."""
    if (value := parse_single_number(doc.plain[slice(*span)])) is not None:
        return ChosenNumber(value, "number", span)
    found = read_numbers(doc.plain, span)
    return choose_number(doc, span, found, counted) if found else None


def _convert_number(number: ChosenNumber, rule: str) -> Parsed:
    """Convert the chosen number to the result of parsing. `rule`: the name of the rule in the result."""
    return Parsed("ambiguous", rule) if number.value is None else Parsed("ok", rule, None, number.value, number.span)


def _list_statements(doc: Document) -> Iterator[Statement]:
    """Yield the statements from last to first, except those that only give an option's position counted from 0 (kind
    `index`)."""
    return (statement for statement in reversed(doc.statements) if statement.kind != "index")


def _get_text_span(doc: Document) -> Span:
    """Return the span of the whole text."""
    return 0, len(doc.plain)


def _parse_empty_or_truncated(doc: Document) -> Parsed | None:
    """Return the result for a text that is empty or ends within its reasoning; None for any other text."""
    if not doc.original.strip():
        return Parsed("empty", "none")
    return Parsed("truncated", "none") if doc.ends_in_reasoning else None


def _explain_missing_answer(doc: Document, rule: str = "nothing_named") -> Parsed:
    """Return the result for a text in which no answer was recognised: `refused`, `truncated` or `unparsed`."""
    if doc.search_phrase("refusals") or doc.search_phrase("none"):
        return Parsed("refused", "refusal")
    if len(split_words(doc.plain)) > MAX_WORDS_OF_UNPARSED_TEXT and not doc.looks_complete:
        return Parsed("truncated", "none")
    return Parsed("unparsed", rule)
