"""Answers that are no multiple choice, by the same rules: yes or no, one of some labels, a number."""

from collections.abc import Mapping, Sequence

from alm_bench.core.types import Parsed
from alm_bench.parsing.document import Document
from alm_bench.parsing.mcq import parse_choice
from alm_bench.parsing.numbers import numbers
from alm_bench.parsing.text import Span

YES_NO: Mapping[str, Sequence[str]] = {"yes": ("yes", "true"), "no": ("no", "false")}
ENTAILMENT: Mapping[str, Sequence[str]] = {
    "Entailment": ("entailment", "entailed", "definitely true", "true"),
    "Neutral": ("neutral", "plausible", "might be true"),
    "Contradiction": ("contradiction", "contradicted", "definitely false", "false"),
}


def parse_label(text: str, labels: Mapping[str, Sequence[str]]) -> Parsed:
    """Which of `labels` a text says, in any of its phrases; `index` is the label's place, `value` its name."""
    owners = [(place, name) for place, (name, phrases) in enumerate(labels.items()) for _ in phrases]
    parsed = parse_choice(text, [phrase for phrases in labels.values() for phrase in phrases])
    if parsed.index is None or parsed.rule.endswith(("letter", "ordinal")):  # labels have no letters and no places
        return Parsed(parsed.status if parsed.index is None else "unparsed", parsed.rule)
    place, name = owners[parsed.index]
    return Parsed("ok", parsed.rule, place, name, parsed.span)


def parse_yes_no(text: str) -> Parsed:
    """`index` 0 and `value` "yes", or 1 and "no"."""
    return parse_label(text, YES_NO)


def parse_number(text: str) -> Parsed:
    """The number that the last statement gives, or the only one in the text; `value` in digits, no `index`.

    Numbers are digits with a decimal point, or words up to a thousand. Several different ones are `ambiguous`.
    """
    if not text.strip():
        return Parsed("empty", "none")
    document = Document(text)
    for statement in reversed(document.statements):
        if found := numbers(document.plain, statement.span):
            return _only(found, f"{statement.kind}:number")
    if document.cut:
        return Parsed("truncated", "none")
    if found := numbers(document.plain, (0, len(document.plain))):
        return _only(found, "number")
    refused = document.search("refusals") or document.search("none")
    return Parsed("refused" if refused else "unparsed", "none")


def _only(found: Mapping[Span, str], rule: str) -> Parsed:
    if len(set(found.values())) > 1:
        return Parsed("ambiguous", rule)
    span, value = next(iter(found.items()))
    return Parsed("ok", rule, None, value, span)
