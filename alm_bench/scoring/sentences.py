"""Tasks whose answers are sentences: parsing, caption metrics and the text-only baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alm_bench.core.errors import MetricError, UsageError
from alm_bench.core.types import Metric, Metrics, Parsed, Sample, Scored, TaskScore
from alm_bench.scoring.captions import CaptionMetrics, compute_caption_scores
from alm_bench.scoring.metrics import (
    LAST,
    get_metric_spec,
    get_sentence_metric_spec,
    is_computable,
    list_default_metrics,
)
from alm_bench.scoring.multiple_choice import compute_answered_share, drop_skipped_rows, list_clusters

TEXT_PARSER = "text@1"
"""Name and version of the parser of sentences, which strips white space and the opening words that a prompt asked
for."""

SCORING = ("metrics",)
"""Task options that change neither the answers nor the grades of items."""

BLIND_OTHER = "another item's reference"
"""Name of the text-only baseline."""


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """Options of tasks with caption metrics."""

    metrics: str | None = None
    """Metric names separated by `+` (`spice+cider`), or `all` (default) for the metrics of `list_default_metrics`."""

    def list_metrics(self) -> tuple[str, ...]:
        """Return the names of the selected metrics. Raises UsageError for one that is not computed from sentences."""
        if self.metrics in (None, "all"):
            return list_default_metrics()
        names = tuple(name.strip() for name in self.metrics.split("+") if name.strip())
        if not names:
            raise UsageError(f"metrics={self.metrics} names no metric; known: {', '.join(list_default_metrics())}")
        for name in names:
            try:
                get_sentence_metric_spec(name)
            except UsageError as error:
                raise UsageError(f"metrics={self.metrics}: {error}") from None
        return names


def compute_text_baseline_scores(rows: Sequence[Scored], metrics: Sequence[str]) -> Mapping[str, Sequence[float]]:
    """Return the score of each row for the text-only baseline, by the baseline's name; empty without a baseline.

    The baseline answers with a reference of another item (`pick_mismatched_references`). The metric is the main metric
    of `metrics`.
    """
    answer_texts = pick_mismatched_references(rows)
    if answer_texts is None:
        return {}
    return {BLIND_OTHER: score_each_answer(answer_texts, rows, pick_main_metric(metrics))}


def parse_text(text: str, openings: Sequence[str] = ()) -> Parsed:
    """Parse a sentence: the whole text, without white space around it and without an opening phrase.

    `openings` are the opening phrases in lower case; at most one is removed. An empty sentence has the status `empty`.
    """
    start = len(text) - len(text.lstrip())
    end = len(text.rstrip())
    lowered = text.lower()
    for opening in openings:
        if lowered.startswith(opening, start):
            start += len(opening)
            break
    value = text[start:end].strip()
    if not value:
        return Parsed("empty", "empty")
    return Parsed("ok", "text", value=value, span=(text.index(value, start), end))


def compute_caption_score(rows: Sequence[Scored], metrics: Sequence[str]) -> TaskScore:
    """Compute the caption metrics over all rows that are not skipped.

    An item without an answer is scored as an empty caption.
    """
    kept = [row for row in drop_skipped_rows(rows) if row.sample.target]
    if not kept:
        return TaskScore({get_sentence_metric_spec(name).name: Metric.missing("no items") for name in metrics})
    answer_texts = list_answer_sentences(kept)
    names = [row.sample.id for row in kept]
    found = compute_caption_scores(
        answer_texts, [list_references(row.sample) for row in kept], list_clusters(kept), metrics, names
    )
    figures = {**found.corpus, "answered": compute_answered_share(kept)}
    return TaskScore(figures, blind=_compute_baseline_metrics(kept, metrics), tables=describe_computation(found))


def describe_computation(captions: CaptionMetrics) -> dict[str, Any]:
    """Return how caption metrics were computed, for the run's tables: the keys `tokenizer` and `weights`.

    A key is left out if no tokeniser, or no weights, were used.
    """
    used = {"tokenizer": captions.tokenizer, "weights": captions.weights}
    return {name: value for name, value in used.items() if value}


def compute_item_scores(rows: Sequence[Scored], metrics: Sequence[str]) -> tuple[str, Sequence[float]]:
    """Return the name of the metric that items are compared by, and its value for each row.

    Raises MetricError if the metric cannot be computed.
    """
    name = pick_main_metric(metrics)
    return get_sentence_metric_spec(name).name, score_each_answer(list_answer_sentences(rows), rows, name)


def score_each_answer(answer_texts: Sequence[str], rows: Sequence[Scored], metric: str) -> Sequence[float]:
    """Return the score of each sentence as the answer to its row. Raises MetricError if `metric` cannot be computed."""
    found = compute_caption_scores(answer_texts, [list_references(row.sample) for row in rows], metrics=[metric])
    name = get_sentence_metric_spec(metric).name
    if name not in found.items:
        raise MetricError(f"{name} {found.corpus[name].reason}")
    return found.items[name]


def list_answer_sentences(rows: Sequence[Scored]) -> list[str]:
    """Return the parsed answer sentence of each row, "" for a row without one."""
    return [(row.parsed.value if row.parsed is not None else None) or "" for row in rows]


def compute_scores_by_metric(rows: Sequence[Scored], metric_names: Sequence[str]) -> Mapping[str, Sequence[float]]:
    """Compute one score per row, by metric, for those metrics in `metric_names` whose corpus value is a mean over
    items.

    Other metrics, such as BLEU and METEOR, are left out.
    """
    specs = [get_metric_spec(name) for name in metric_names]
    names = [spec.name for spec in specs if spec.per_item and spec.compute is not None]
    if not names:
        return {}
    return compute_caption_scores(
        list_answer_sentences(rows), [list_references(row.sample) for row in rows], metrics=names
    ).items


def pick_main_metric(metrics: Sequence[str]) -> str:
    """Return the metric that items are compared by.

    Of `metrics`, it is the one with the lowest `MetricSpec.preference` that can be computed on this machine. If none
    has a preference and can be computed, it is the first one.
    """
    preferred = sorted(metrics, key=lambda name: get_metric_spec(name).preference)
    return next(
        (name for name in preferred if get_metric_spec(name).preference < LAST and is_computable(name)), metrics[0]
    )


def list_references(sample: Sample) -> list[str]:
    """Return the references of an item."""
    return list(sample.target)


def pick_mismatched_references(rows: Sequence[Scored]) -> list[str] | None:
    """Return, for each row, the first reference of the next item that shares no clip with this row.

    Such a sentence belongs to the same task but to other audio. Returns None if any row has no such item.
    """
    heard = [{ref.id for ref in row.sample.audio} for row in rows]
    answer_texts = []
    for place in range(len(rows)):
        following = (*range(place + 1, len(rows)), *range(place))
        other = next((k for k in following if not heard[k] & heard[place]), None)
        if other is None:
            return None
        answer_texts.append(list_references(rows[other].sample)[0])
    return answer_texts


def _compute_baseline_metrics(rows: Sequence[Scored], metrics: Sequence[str]) -> dict[str, Metrics]:
    """Return the corpus metrics of the text-only baseline."""
    answer_texts = pick_mismatched_references(rows)
    if answer_texts is None:
        return {}
    known = [list_references(row.sample) for row in rows]
    return {BLIND_OTHER: compute_caption_scores(answer_texts, known, list_clusters(rows), metrics).corpus}
