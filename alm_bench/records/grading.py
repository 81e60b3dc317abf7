"""Conversion of a model's output to the record of an item: status, parsed answer and scores."""

from dataclasses import replace
from functools import partial

from alm_bench.core import NOTHING, Output, Parsed, Status, Task
from alm_bench.core.foreign import replace_surrogates
from alm_bench.records.extra import find_extra_problem
from alm_bench.records.schema import PlannedItem, Record
from alm_bench.scoring.likelihood import MAIN, select_options_by_metric
from alm_bench.scoring.part_scores import read_parts


def complete_record(
    item: PlannedItem,
    output: Output,
    task: Task,
    *,
    preprocessing: tuple[str, ...] = (),
    seconds: float | None = None,
) -> Record:
    """Return the record of an item after the model's call.

    An answer is parsed and graded; a failed call becomes an error. If the model continued a given beginning of its
    answer (reasoning and a text that leads over to the answer), the second part of the beginning is put before the
    output and parsed with it. The whole beginning is stored as `prefix` in the record's `extra`.

    An output is also an error if its `extra` cannot be stored as JSON or has an invalid cost or count. Text that a
    failed call returned, such as an answer whose options could not be scored, is stored with the reason.
    """
    if (fault := find_extra_problem(output.extra)) is not None:
        output = replace(output, error=f"the model's reply has {fault}", refusal=None, extra=NOTHING)
    text = None if output.text is None else replace_surrogates(output.text)
    extra = {**output.extra, **({"truncated": True} if output.truncated else {})} or NOTHING
    if item.beginning is not None:
        text = None if text is None else item.beginning.lead + text
        extra = {**extra, "prefix": item.beginning.text}
    outcome = partial(
        item.create_record,
        preprocessing=preprocessing,
        seconds=seconds,
        extra=extra,
        likelihood=output.likelihood,
        embedding=output.embedding,
    )
    if output.refusal is not None:
        return outcome("refused", reason=_shorten_line(output.refusal))
    if output.error is not None or (text is None and not output.likelihood and output.embedding is None):
        if item.sample.skip is not None and not item.sample.choices:  # options were to be scored but cannot be read
            return outcome("skipped", text=text, reason=item.sample.skip)
        return outcome("error", text=text, reason=_shorten_line(output.error or "the model returned no text"))
    return grade_record(outcome("ok", text=text), task)


def grade_record(record: Record, task: Task) -> Record:
    """Parse and grade the stored answer of a record again. Return the record with new status, parsed answer and scores.

    Each method of scoring options by log-likelihood yields a score of its own. If no text was generated, the option
    that the main method selects is the parsed answer.
    """
    if record.status == "error":
        return replace(record, parsed=None, scores={})
    ways = select_options_by_metric(record.sample, record.likelihood)
    # No text was generated for these options, so accuracy is their only meaningful grade.
    graded = {way: task.grade(record.sample, "", parsed) for way, parsed in ways.items()}
    scores = {way: grades["accuracy"] for way, grades in graded.items() if "accuracy" in grades}
    if record.text is not None:
        parsed, answer = _parse_answer(record, record.text, task)
        scores |= task.grade(record.sample, answer, parsed)
    elif ways:
        parsed = ways[MAIN]
        scores |= {"accuracy": scores[MAIN]} if MAIN in scores else {}
    else:
        return replace(record, parsed=None, scores={})
    status, reason = _find_status(record, parsed)
    return replace(record, parsed=parsed, scores=scores, status=status, reason=reason)


def _parse_answer(record: Record, text: str, task: Task) -> tuple[Parsed, str]:
    """Return the parsed answer and the text that it was parsed from.

    If the output has several parts, only its answer part is parsed. If that part cannot be read, the returned `Parsed`
    has the reason as its rule, and the text is empty.
    """
    if record.output_format is None:
        return task.parse(record.sample, text), text
    parts = read_parts(text, record.output_format)
    if parts.answer is None:
        return Parsed("truncated" if parts.status == "unclosed" else "unparsed", f"parts {parts.status}"), ""
    parsed = task.parse(record.sample, parts.answer)
    if parsed.span is not None:
        offset = text.find(parts.answer, parts.answer_start)
        parsed = replace(parsed, span=(parsed.span[0] + offset, parsed.span[1] + offset))
    return parsed, parts.answer


def _find_status(record: Record, parsed: Parsed) -> tuple[Status, str | None]:
    """Return the status of a record with this parsed answer, and the reason unless the status is `ok`."""
    if record.sample.skip is not None:
        return "skipped", record.sample.skip
    if parsed.status == "ok":
        return "ok", None
    if parsed.status == "refused":
        return "refused", None
    if record.extra.get("truncated"):
        return "truncated", "the token limit ended the text before an answer"
    if parsed.status == "truncated":
        return "truncated", "the text breaks off before an answer"
    return "unparsed", parsed.rule if parsed.status == "unparsed" else parsed.status


def _shorten_line(text: str) -> str:
    """Return the text in one line, cut off after 500 characters."""
    return " ".join(replace_surrogates(text).split())[:500]
