"""Items of runs as the JSON values that the page shows: each question once, and one answer per run and item."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alm_bench.core import MetricError, ScoresItems, Task
from alm_bench.core.foreign import dump_json
from alm_bench.records.schema import Record
from alm_bench.reports.items import is_wrong
from alm_bench.scoring.blind import select_rows_with_reference
from alm_bench.scoring.main_score import compute_main_scores, has_main_score

Entry = dict[str, Any]

ScoresByItem = Mapping[str, Mapping[str, float]]
"""Scores by item id and metric name."""


@dataclass(slots=True)
class QuestionIndex:
    """Questions of all runs of a page. Runs of the same items share them."""

    entries: list[Entry] = field(default_factory=list)
    """One JSON object per question."""

    _index: dict[str, int] = field(default_factory=dict)

    def add(self, record: Record) -> int:
        """Return the index of the record's question, which is added unless an equal one is there."""
        sample = record.sample
        entry: Entry = {
            "id": sample.id,
            "prompt": record.prompt,
            "fields": [[str(name), str(text)] for name, text in sample.fields.items()],
            "choices": [str(choice) for choice in sample.choices],
            "references": list(_find_references(record)),
            "texts": _list_reference_texts(record),
            "groups": {str(name): str(key) for name, key in sample.groups.items() if name != "clip"},
        }
        key = dump_json(entry)
        if key not in self._index:
            self._index[key] = len(self.entries)
            self.entries.append(entry)
        return self._index[key]


def _find_references(record: Record) -> tuple[int, ...]:
    """Return the indices of the correct options; empty for other kinds of references."""
    sample = record.sample
    if sample.targets is not None:
        return sample.targets
    return (sample.target,) if isinstance(sample.target, int) and sample.choices else ()


def _list_reference_texts(record: Record) -> list[str]:
    """Return the references that are not options: captions, numbers, answers in words."""
    sample = record.sample
    if isinstance(sample.target, list | tuple):
        return [str(text) for text in sample.target]
    if sample.choices and sample.has_reference:
        return []
    return [] if sample.gold is None else [str(sample.gold)]


def find_item_scores(task: Task | None, main: str, names: Sequence[str], records: Sequence[Record]) -> ScoresByItem:
    """Return the scores of each item that has the task's main score.

    `main` is the main metric, `names` are all metrics of the run. `task` is None if the task is not installed: scores
    come from the records then.
    """
    rows = [record.to_scored() for record in records if record.status != "skipped"]
    if task is None:
        return {row.sample.id: dict(row.scores) for row in rows if row.scores}
    kept = [row for row in select_rows_with_reference(rows) if has_main_score(task, row.sample)]
    if not kept:
        return {}
    try:
        if isinstance(task, ScoresItems):
            columns = {name: list(values) for name, values in task.scores_of(kept, names).items()}
        else:
            columns = {}
        if main not in columns:
            name, values = compute_main_scores(task, kept)
            columns[name] = list(values)
    except MetricError:
        return {}
    return {
        row.sample.id: {**row.scores, **{name: values[index] for name, values in columns.items()}}
        for index, row in enumerate(kept)
    }


def find_labels(records: Sequence[Record]) -> dict[str, str]:
    """Return the labels of options, by the option's text.

    They are known for tasks with the grouping `label`, whose key is the label of an item's reference. For other tasks
    the result is empty.
    """
    return {
        str(record.sample.choices[references[0]]): str(label)
        for record in records
        if (label := record.sample.groups.get("label")) and len(references := _find_references(record)) == 1
    }


def build_answer_json(
    record: Record,
    question: int,
    clips: Sequence[int],
    scores: Mapping[str, float],
    main: str,
    labels: Mapping[str, str],
) -> Entry:
    """Return one answer as a JSON object. Fields without content are left out.

    `question` and `clips` are indices into the page's questions and clips, `scores` are the item's scores, `main` is
    the run's main metric, and `labels` the result of `find_labels`.
    """
    parsed = record.parsed
    chosen = [] if parsed is None else list(parsed.indices or (() if parsed.index is None else (parsed.index,)))
    entry: Entry = {
        "q": question,
        "status": record.status,
        "result": _classify_item(record),
        "value": _round_finite(scores.get(main)),
        "reason": record.reason,
        "text": record.text,
        "rule": None if parsed is None else parsed.rule,
        "parsed": None if parsed is None else parsed.value,
        "span": _find_answer_span(record),
        "chosen": chosen,
        "clips": list(clips),
        "scores": {name: _round_finite(score) for name, score in (scores or record.scores).items()},
        "baselines": [[baseline.name, baseline.option] for baseline in record.baselines],
        "likelihood": {
            form: [[_round_finite(total), tokens] for total, tokens in options]
            for form, options in record.likelihood.items()
        },
        "reasoning": record.extra.get("reasoning"),
        "prefix": record.extra.get("prefix"),
        "preprocessing": list(record.preprocessing),
        "seconds": record.seconds,
        "label": _find_label(record, chosen, labels) if labels else None,
    }
    return {name: content for name, content in entry.items() if content not in (None, [], {})}


def _classify_item(record: Record) -> str:
    """Return `wrong` for items that are wrong by `is_wrong`, `right` for an accuracy of 1, else `unscored`.

    Items without a reference answer, skipped items and captions are unscored.
    """
    if is_wrong(record):
        return "wrong"
    return "right" if record.sample.has_reference and record.scores.get("accuracy") == 1 else "unscored"


def _find_label(record: Record, selected_indices: Sequence[int], labels: Mapping[str, str]) -> str:
    """Return the label of the first selected option; `none` without a selection or a label."""
    if not selected_indices:
        return "none"
    return labels.get(str(record.sample.choices[selected_indices[0]]), "none")


def _round_finite(value: float | None) -> float | None:
    """Round a value to six decimals. Returns None for NaN and infinity, which JSON does not have."""
    return round(value, 6) if value is not None and math.isfinite(value) else None


def _find_answer_span(record: Record) -> list[int] | None:
    """Return start and end of the parsed answer within the output's text, in UTF-16 units, or None if it has no
    span."""
    if record.text is None or record.parsed is None or record.parsed.span is None:
        return None
    return to_utf16_span(record.text, record.parsed.span)


def to_utf16_span(text: str, span: tuple[int, int]) -> list[int]:
    """Return a span of characters as indices of UTF-16 units, which is how browsers count."""
    if text.isascii():
        return list(span)
    return [len(text[:index].encode("utf-16-le", "surrogatepass")) // 2 for index in span]
