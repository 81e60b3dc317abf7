"""Computation of a run's summary from its records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from alm_bench.core import STATUSES, HasTextBaselines, Metric, MetricError, Metrics, Scored, Task, TaskCard
from alm_bench.records.judged_summary import list_judged_metrics, summarise_judgements
from alm_bench.records.models import RunHeader, RunSummary, StoredSpec, TextMargin, to_json
from alm_bench.records.schema import Record
from alm_bench.records.usage import sum_usage
from alm_bench.scoring.blind import Values, compute_margin, select_rows_with_reference
from alm_bench.scoring.language_table import build_language_tables, compute_answer_language_metric
from alm_bench.scoring.main_score import compute_main_scores, has_main_score
from alm_bench.scoring.metrics import list_metric_versions
from alm_bench.scoring.multi_select import build_option_table
from alm_bench.scoring.multiple_choice import drop_skipped_rows, find_text_solver, split_by_group
from alm_bench.scoring.no_option import count_no_option_outputs
from alm_bench.scoring.pairs import analyse_pairs, list_pair_specs
from alm_bench.scoring.part_scores import PartsItem, score_parts
from alm_bench.scoring.position import analyse_positions
from alm_bench.scoring.reasoning import compute_reasoning


def _get_reason_without_clip_names(record: Record) -> str:
    """Return the reason of a record without clip names, so that a thousand missing clips count as one reason."""
    cause = record.reason or ""
    for ref in record.sample.audio:
        cause = cause.replace(f" ({ref.path})", "").replace(f"clip {ref.id}: ", "")
    return cause


def summarise_run(header: RunHeader, task: Task, records: Sequence[Record], run: str) -> RunSummary:
    """Compute the summary of a run from its records, which may be in any order. `run` is the run folder's name."""
    records = sorted(records, key=lambda record: record.index)
    rows = [record.to_scored() for record in records]
    score = task.score(rows)
    part_metrics, part_tables = score_parts(_list_part_items(records))
    judges = summarise_judgements(records, header.judges, task.card.groups)
    metrics = {
        **score.metrics,
        **compute_answer_language_metric(rows),
        **part_metrics,
        **list_judged_metrics(judges),
    }
    status = Counter(record.status for record in records)
    missing: dict[str, Metrics] = {
        name: {"accuracy": Metric.missing(reason)} for name, reason in header.baselines_missing.items()
    }
    spec = header.spec
    return RunSummary(
        task=header.task.name,
        task_version=header.task.version,
        model=header.identity.label,
        data=header.data.kind,
        revision=header.data.revision,
        split=spec.split,
        n=len(rows) - status["skipped"],
        skipped=status["skipped"],
        status={name: status[name] for name in STATUSES},
        main=_get_main_metric(task.card, score.metrics),
        metrics=metrics,
        groups=score.groups,
        baselines={**score.blind, **missing},
        margins=compute_text_margins(task, rows),
        tables={
            **score.tables,
            **build_choice_tables(rows),
            **_build_pair_table(task.card, rows),
            **({"judges": to_json(judges)} if judges else {}),
            **_build_reasoning_table(header, records),
            **build_language_tables(task, rows),
            **part_tables,
        },
        partial=len(rows) < header.items,
        run=run,
        fingerprint=header.fingerprint,
        prompt=header.prompt,
        parser=task.parser,
        condition=spec.condition,
        condition_version=header.condition_version,
        speech=header.speech,
        options=_describe_order(spec),
        questions=len({row.sample.question for row in drop_skipped_rows(rows)}),
        answer_by=spec.answer_by,
        solver=find_text_solver(drop_skipped_rows(rows)),
        decoding=spec.decoding,
        identity=header.identity,
        fit=header.fit,
        items=header.items,
        limit=spec.limit,
        sample=spec.sample,
        selection=header.selection,
        preprocessing=dict(sorted(Counter(change for record in records for change in record.preprocessing).items())),
        reasons=dict(
            Counter(_get_reason_without_clip_names(record) for record in records if record.reason).most_common(20)
        ),
        usage=sum_usage(records),
        audio_check=header.audio_check,
        task_options=_list_question_options(task, spec),
        metric_versions={**list_metric_versions(score.metrics), **score.tables.get("weights", {})},
    )


def _list_part_items(records: Sequence[Record]) -> list[PartsItem]:
    """Return the items whose outputs have several parts."""
    return [
        PartsItem(
            record.sample,
            record.text,
            record.output_format,
            record.spoken,
            record.extra.get("completion_tokens") or record.extra.get("tokens"),
            record.extra.get("tokens_before_answer"),
            record.seconds,
        )
        for record in records
        if record.output_format is not None and record.text is not None
    ]


def _get_main_metric(card: TaskCard, metrics: Metrics) -> str:
    """Return the name of the main metric, by which runs are ranked.

    It is the first metric of the task card that the run has, or else its first other metric. The share of answered
    items (`answered`) is chosen only if there is no other metric.
    """
    names = [name for name in (*card.metrics, *metrics) if name in metrics]
    return next((name for name in names if name != "answered"), names[0] if names else "accuracy")


def _list_question_options(task: Task, spec: StoredSpec) -> dict[str, str]:
    """Return the task's options that select or change its questions, sorted by name."""
    left_out = (*getattr(task, "scoring", ()), "annotations")
    return {key: value for key, value in sorted(spec.task_options.items()) if key not in left_out}


def _describe_order(spec: StoredSpec) -> str:
    """Return the option order in words, with the seed and the number of orders, which distinguish shuffled runs."""
    if spec.options != "shuffled":
        return spec.options
    orders = f", {spec.shuffles} orders" if spec.shuffles > 1 else ""
    return f"{spec.options} with seed {spec.seed}{orders}"


def compute_text_margins(task: Task, rows: Sequence[Scored]) -> dict[str, dict[str, TextMargin]]:
    """Compute margins over the best text-only baseline, by grouping and key.

    Returns {} if the task has no text-only baselines, no item has a score, or the main metric cannot be computed.
    """
    kept = [row for row in select_rows_with_reference(rows) if has_main_score(task, row.sample)]
    if not isinstance(task, HasTextBaselines) or not kept:
        return {}
    try:
        score, scores = compute_main_scores(task, kept)
        values = task.blind_scores(kept)
    except MetricError:
        return {}
    if not values:
        return {}
    index = {id(row): number for number, row in enumerate(kept)}

    def compute_part_margin(part: Sequence[Scored]) -> TextMargin | None:
        theirs: Values = {name: [each[index[id(row)]] for row in part] for name, each in values.items()}
        found = compute_margin(part, theirs, [scores[index[id(row)]] for row in part], score)
        return None if found is None else TextMargin.from_margin(found)

    parts = {"all": {"all": kept}, **split_by_group(kept, task.card.groups)}
    return {
        grouping: {key: entry for key, part in keys.items() if (entry := compute_part_margin(part)) is not None}
        for grouping, keys in parts.items()
    }


def _build_pair_table(card: TaskCard, rows: Sequence[Scored]) -> dict[str, Any]:
    """Return the table `pairs`, a list of `PairMetrics` as JSON objects; {} for runs without paired items."""
    known = select_rows_with_reference(rows)
    specs = list_pair_specs(card.pairs, known)
    found = []
    for spec in specs:
        groupings = card.groups if spec.first is not None else ()  # any two conditions: pairs grow with their square
        found += [asdict(figures) for figures in analyse_pairs(known, spec, groupings)]
    return {"pairs": found} if found else {}


def _build_reasoning_table(header: RunHeader, records: Sequence[Record]) -> dict[str, Any]:
    """Return `{"reasoning": ...}` with the `ReasoningMetrics` of a run as a JSON object.

    Return {} if the run has no reasoning and its prompt does not ask for an output format.
    """
    answered = [(record.to_scored(), record.extra) for record in records]
    found = compute_reasoning(answered, header.prompt.format, header.spec.answer_tags)
    return {} if found is None else {"reasoning": asdict(found)}


def build_choice_tables(rows: Sequence[Scored]) -> dict[str, Any]:
    """Return the tables of tasks with options, as JSON objects by name. A table without data is absent.

    `positions` holds shares and accuracy by position of the option, `options` results by option if several options may
    be correct, and `no_option` the number of outputs that select no option.
    """
    rows = [row for row in rows if row.sample.choices]
    if not rows:
        return {}
    found: dict[str, Any] = {}
    if (places := analyse_positions(rows)) is not None:
        found["positions"] = asdict(places)
    if (options := build_option_table(rows)) is not None:
        found["options"] = options
    if (none := count_no_option_outputs(rows)) is not None:
        found["no_option"] = asdict(none)
    return found
