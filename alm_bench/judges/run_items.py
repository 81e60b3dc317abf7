"""Judging of a run's records: which of them a judge gets, and the records with the judgements."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from alm_bench.core import REQUIREMENT, UsageError
from alm_bench.judges.judge import Judge, Observe
from alm_bench.judges.preset import JudgeItem, JudgePreset
from alm_bench.parsing.document import Document
from alm_bench.records.judgement import Judgement
from alm_bench.records.schema import Record
from alm_bench.runner.budget import Budget
from alm_bench.scoring.multiple_choice import is_correct_option


def build_item(record: Record) -> JudgeItem:
    """Build the item that a judge gets for a record. References are never part of the item's question."""
    sample = record.sample
    question = sample.fields.get("question") or sample.metadata.get("question")
    parsed = record.parsed
    return JudgeItem(
        id=sample.id,
        question=None if question is None else str(question),
        answer=remove_reasoning(record.text or ""),
        references=list_references(record),
        requirement=sample.metadata.get(REQUIREMENT),
        full_answer=record.text or "",
        options=tuple(map(str, sample.choices)) if len(sample.choices) > 1 else (),
        is_right=is_correct_option(sample, parsed.index if parsed else None) if len(sample.choices) > 1 else None,
        metadata=sample.metadata,
        clips=sample.audio,
        cluster=sample.groups.get("clip", sample.question),
    )


def list_references(record: Record) -> tuple[str, ...]:
    """Return the reference texts of an item; for a question with options, the text of the right one."""
    sample = record.sample
    if isinstance(sample.target, list | tuple):
        return tuple(dict.fromkeys(str(text) for text in sample.target if str(text).strip()))
    known = sample.describe_reference()
    return () if known is None or not known.strip() else (known,)


def remove_reasoning(text: str) -> str:
    """Return an answer without its reasoning and without tags; all else is unchanged.

    An answer that consists of reasoning and tags only is returned as a whole.
    """
    plain = Document(text).plain
    if len(plain) != len(text):
        return text.strip()
    shown = "".join(sign if keep.strip() or not sign.strip() else " " for sign, keep in zip(text, plain, strict=True))
    return shown.strip() or text.strip()


def select_records(records: Sequence[Record], preset: JudgePreset) -> list[tuple[Record, JudgeItem]]:
    """Return the records that a preset can judge, each with the item that the judge gets.

    Skipped items are among them if only their answer could not be graded by rules, such as open questions of a task
    with multiple choice. Items that are skipped because a clip could not be used are not.
    """
    usable = [record for record in records if record.status != "skipped" or not record.unusable_clip]
    pairs = [(record, build_item(record)) for record in usable]
    return [(record, item) for record, item in pairs if preset.describe_unsuitable(item) is None]


def judge_records(
    records: Sequence[Record],
    judge: Judge,
    task: str,
    budget: Budget | None = None,
    observe: Observe = lambda done, total: None,
) -> list[Record]:
    """Return the records with the judgements of a judge, which replace earlier ones of the same judge and prompt.

    Raises UsageError if the preset suits none of the items.
    """
    chosen = select_records(records, judge.preset)
    if not chosen:
        raise UsageError(explain_unsuitable_preset(records, judge.preset, task))
    found = judge.judge([item for _, item in chosen], budget, observe)
    by_id = {record.sample.id: one for (record, _), one in zip(chosen, found, strict=True)}
    return [
        replace(record, judgements=_replace_judgement(record.judgements, by_id[record.sample.id]))
        if record.sample.id in by_id
        else record
        for record in records
    ]


def _replace_judgement(before: Sequence[Judgement], new: Judgement) -> tuple[Judgement, ...]:
    """Return the judgements with `new` in place of an earlier one of the same judge and prompt, or else at the end."""
    if all(one.key != new.key for one in before):
        return (*before, new)
    return tuple(new if one.key == new.key else one for one in before)


def explain_unsuitable_preset(records: Sequence[Record], preset: JudgePreset, task: str) -> str:
    """Return one line that says why a preset suits none of the records, with the most frequent reason."""
    reasons = [preset.describe_unsuitable(build_item(record)) or "an unusable clip" for record in records]
    reason = max(dict.fromkeys(reasons), key=reasons.count, default="there are none")
    return f"--judge-preset {preset.name} suits no item of {task} ({reason}): name another preset"


def count_failures_by_reason(records: Sequence[Record], key: str) -> Mapping[str, int]:
    """Return the numbers of items whose call to a judge failed, by reason. `key` is the judge's `Judge.key`."""
    reasons: dict[str, Any] = {}
    for record in records:
        for one in record.judgements:
            if one.key == key and one.status == "error":
                reasons[one.problem or ""] = reasons.get(one.problem or "", 0) + 1
    return reasons
