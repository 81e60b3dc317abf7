"""Answers that are no multiple choice, on the same model of a text: yes or no, one of some labels, a number."""

from collections.abc import Iterator, Mapping, Sequence

from alm_bench.core.types import Parsed
from alm_bench.parsing.counting import NOTHING, Chosen, choose_number, counted_nouns
from alm_bench.parsing.document import Document
from alm_bench.parsing.labels import LabelReading, phrases_of
from alm_bench.parsing.numbers import read_numbers, whole_number
from alm_bench.parsing.polarity import Question, read_polarity, read_question
from alm_bench.parsing.statements import Statement
from alm_bench.parsing.text import Span, words
from alm_bench.parsing.yes_no import NO, YES, Answer, answer_word, declines, ellipsis, named, truth

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
"""The labels of audio entailment and the phrases that mean them; inflected forms count, too."""

SHORT = 25
"""Words beyond which a text that ends in no sentence's end, and answers nothing, was cut."""


def parse_yes_no(text: str, question: str | None = None, answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse `yes` (`index` 0) or `no` (1).

    The last statement that gives one decides (an answer tag, "the answer is ..."), then the last answer word that the
    text sets apart ("No, the audio ...", "..., so yes."), then what it calls true or false. Where there is none of
    these and the `question` is given, a sentence that affirms or denies what it asks answers it; where it is not
    given, so does one that something is not there.
    """
    doc = Document(text, answer_tags)
    if (status := _no_answer(doc)) is not None:
        return status
    asked = None if question is None else read_question(question)
    for statement in _statements(doc):
        if answer := _yes_no(doc, statement.span, asked):
            return _answered(answer, f"{statement.kind}:{answer.rule}")
    if answer := _yes_no(doc, _body(doc), asked):
        return _answered(answer, answer.rule)
    return Parsed("refused", "refusal") if declines(doc.plain, 0) else _unread(doc)


def _yes_no(doc: Document, span: Span, asked: Question | None) -> Answer | None:
    """Read what one statement, or the whole body of a text, answers."""
    answer = answer_word(doc.plain, span) or truth(doc.plain, span) or ellipsis(doc.plain, span)
    if answer is not None:
        return answer
    if asked is None:
        return named(doc.plain, span)
    claim = read_polarity(doc, span, asked)
    return None if claim is None else Answer(YES if claim.affirms else NO, "to_question", claim.span)


def _answered(answer: Answer, rule: str) -> Parsed:
    if answer.value is None:
        return Parsed("ambiguous", rule)
    return Parsed("ok", rule, int(answer.value == NO), answer.value, answer.span)


def parse_label(text: str, labels: Mapping[str, Sequence[str]], answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse which of `labels` a text says, in any of its phrases or their inflected forms ("entails" for "entailment").

    `index` is the label's position and `value` its name. A phrase that is denied ("not entailed") is not said.
    """
    doc = Document(text, answer_tags)
    if (status := _no_answer(doc)) is not None:
        return status
    wanted, names = phrases_of(labels), list(labels)
    for statement in _statements(doc):
        reading = wanted.read(doc, statement.span)
        if reading.rule != "off_list" and (reading.label is not None or statement.kind != "chosen"):
            return _labelled(reading, names, f"{statement.kind}:{reading.rule}")
    reading = wanted.read(doc, _body(doc))
    return _unread(doc, reading.rule) if reading.rule == "off_list" else _labelled(reading, names, reading.rule)


def _labelled(reading: LabelReading, names: Sequence[str], rule: str) -> Parsed:
    if reading.label is None:
        return Parsed(reading.status, rule)
    return Parsed("ok", rule, reading.label, names[reading.label], reading.span)


def parse_number(text: str, question: str | None = None, answer_tags: Sequence[str] = ()) -> Parsed:
    """Parse the number that the last statement gives, else the one that the text comes to; `value` in digits, no
    `index`.

    Where several are named, the one counts that stands before what the `question` counts ("How many dogs ...?": "3
    dogs and 2 cats"), that the text begins with ("3: one at the start ..."), or that its last sentence sums up ("so
    three", "5 in total"); else they are `ambiguous`. To a question that counts, "none" is 0.
    """
    doc = Document(text, answer_tags)
    if (status := _no_answer(doc)) is not None:
        return status
    counted = None if question is None else counted_nouns(question)
    for statement in _statements(doc):
        if number := _number(doc, statement.span, counted):
            return _counted(number, f"{statement.kind}:{number.rule}")
    if number := _number(doc, _body(doc), counted):
        return _counted(number, number.rule)
    if counted and (zero := NOTHING.match(doc.plain)):
        return Parsed("ok", "nothing", None, "0", zero.span())
    return _unread(doc, "none")


def _number(doc: Document, span: Span, counted: frozenset[str] | None) -> Chosen | None:
    if (value := whole_number(doc.plain[slice(*span)])) is not None:
        return Chosen(value, "number", span)
    found = read_numbers(doc.plain, span)
    return choose_number(doc, span, found, counted) if found else None


def _counted(number: Chosen, rule: str) -> Parsed:
    return Parsed("ambiguous", rule) if number.value is None else Parsed("ok", rule, None, number.value, number.span)


def _statements(doc: Document) -> Iterator[Statement]:
    """Yield the statements, the last first, without an option's position, which is none of these answers."""
    return (statement for statement in reversed(doc.statements) if statement.kind != "index")


def _body(doc: Document) -> Span:
    return 0, len(doc.plain)


def _no_answer(doc: Document) -> Parsed | None:
    """The result for a text that is empty, or ends within its reasoning."""
    if not doc.original.strip():
        return Parsed("empty", "none")
    return Parsed("truncated", "none") if doc.cut else None


def _unread(doc: Document, rule: str = "nothing_named") -> Parsed:
    """The result for a text without an answer."""
    if doc.search("refusals") or doc.search("none"):
        return Parsed("refused", "refusal")
    if len(words(doc.plain)) > SHORT and not doc.finished:
        return Parsed("truncated", "none")
    return Parsed("unparsed", rule)
