"""A run as one JSON object: what `run --json` prints and `summary.json` holds.

The shape, version 1 (rates are fractions, a figure that could not be had has value null and a reason):

    {"schema_version": 1, "runs": [{
      "task", "task_version", "model", "data": "real" | "demo", "revision", "split", "n", "skipped",
      "status": {STATUS: count}, "main": NAME, "metrics": {NAME: METRIC}, "groups": {GROUPING: {KEY: {NAME: METRIC}}},
      "blind": {ROW: {NAME: METRIC}}, "over_blind": {"all": {"all": LEAD}, GROUPING: {KEY: LEAD}},
      "tables": {...}, "partial": bool, "run", "fingerprint", "prompt", "parser", "condition", "options", "questions",
      "answer_by", "solver", "decoding", "identity", "fit", "items", "limit", "sample", "touched": {CHANGE: clips},
      "reasons": {REASON: count},
      "usage": {"calls", "prompt_tokens", "audio_tokens", "completion_tokens", "estimated_calls", "cost"} | null,
      "delivery": {"verdict", "reason", "said"} | null}]}

    METRIC = {"value", "low", "high", "n", "reason" (only where the value is null)}
    LEAD = {"row", SCORE: what the row earns, "lead": METRIC, "beaten": bool, "score" (only where it is not accuracy)}

Of a replay, `prompt.id` and `decoding.method` are "not known", and what belongs to them is null. `main` names the
figure that a task is ranked by. `fit` tells the development rows that a model was fitted on, null for
one that is not. `n` counts the items of our denominator (all but the skipped ones), `questions` what they are
arrangements of. A LEAD sets accuracy, or the score that a task has in its place (scoring/main_score.py), against the
best blind row of the same items. `tables` may hold `confusion`, `positions` (scoring/position.py), `options`
(scoring/multi_select.py) and `unpicked`, the outputs that select no option (scoring/no_option.py). `usage` sums what a
server told of its calls (records/usage.py); `delivery` is whether its audio reached the model (runner/audio_check.py),
null without a proof.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from alm_bench.core import STATUSES, KnowsBlind, MetricError, Metrics, Scored, Task, TaskCard
from alm_bench.records.schema import SCHEMA_VERSION, Record, margin_json, metric_json
from alm_bench.records.usage import sum_usage
from alm_bench.scoring.blind import Values, margin, with_reference
from alm_bench.scoring.main_score import has_main_score, main_scores
from alm_bench.scoring.multi_select import option_table
from alm_bench.scoring.multiple_choice import counted_rows, split, text_solver
from alm_bench.scoring.no_option import no_option_outputs
from alm_bench.scoring.position import positions


def _metrics(metrics: Metrics) -> dict[str, Any]:
    return {name: metric_json(metric) for name, metric in metrics.items()}


def _cause(record: Record) -> str:
    """The record's reason without the names of its clips: a thousand missing clips have one cause."""
    cause = record.reason or ""
    for ref in record.sample.audio:
        cause = cause.replace(f" ({ref.path})", "").replace(f"clip {ref.id}: ", "")
    return cause


def summarise(header: Mapping[str, Any], task: Task, records: Sequence[Record], run: str) -> dict[str, Any]:
    """One entry of "runs". Records in any order; the result does not depend on it."""
    records = sorted(records, key=lambda record: record.index)
    rows = [record.scored() for record in records]
    score = task.score(rows)
    status = Counter(record.status for record in records)
    blind = {row: _metrics(metrics) for row, metrics in score.blind.items()}
    for row, reason in header["blind_missing"].items():
        blind[row] = {"accuracy": {"value": None, "low": None, "high": None, "n": 0, "reason": reason}}
    spec = header["spec"]
    return {
        "task": header["task"]["name"],
        "task_version": header["task"]["version"],
        "model": header["identity"]["label"],
        "data": header["data"]["kind"],
        "revision": header["data"]["revision"],
        "split": spec["split"],
        "n": len(rows) - status["skipped"],
        "skipped": status["skipped"],
        "status": {name: status[name] for name in STATUSES},
        "main": _main_metric(task.card, score.metrics),
        "metrics": _metrics(score.metrics),
        "groups": {g: {key: _metrics(m) for key, m in parts.items()} for g, parts in score.groups.items()},
        "blind": blind,
        "over_blind": over_blind(task, rows),
        "tables": {**score.tables, **choice_tables(rows)},
        "partial": len(rows) < header["items"],
        "run": run,
        "fingerprint": header["fingerprint"],
        "prompt": header["prompt"],
        "parser": task.parser,
        "condition": spec.get("condition", "clean"),
        "options": _order(spec),
        "questions": len({row.sample.question for row in counted_rows(rows)}),
        "answer_by": spec.get("answer_by", "generate"),
        "solver": text_solver(counted_rows(rows)),
        "decoding": spec["decoding"],
        "identity": header["identity"],
        "fit": header.get("fit"),
        "items": header["items"],
        "limit": spec["limit"],
        "sample": spec.get("sample"),
        "touched": dict(sorted(Counter(change for record in records for change in record.touched).items())),
        "reasons": dict(Counter(_cause(record) for record in records if record.reason).most_common(20)),
        "usage": sum_usage(records),
        "delivery": header.get("delivery"),
    }


def _main_metric(card: TaskCard, metrics: Metrics) -> str:
    """Return the metric that a run is ranked by: the first of the card's that it has; a metric that is not the card's
    only if none but the share of answered items is left."""
    names = [name for name in (*card.metrics, *metrics) if name in metrics]
    return next((name for name in names if name != "answered"), names[0] if names else "accuracy")


def _order(spec: Mapping[str, Any]) -> str:
    """How options were put in order, with all that tells two runs apart."""
    order = str(spec.get("options", "given"))
    if order != "shuffled":
        return order
    orders = f", {spec['shuffles']} orders" if spec["shuffles"] > 1 else ""
    return f"{order} with seed {spec['seed']}{orders}"


def over_blind(task: Task, rows: Sequence[Scored]) -> dict[str, dict[str, Any]]:
    """What the items earn against the best blind row, by grouping and key; empty where the task has none, or its score
    cannot be had here."""
    kept = [row for row in with_reference(rows) if has_main_score(task, row.sample)]
    if not isinstance(task, KnowsBlind) or not kept:
        return {}
    try:
        score, scores = main_scores(task, kept)
        values = task.blind_scores(kept)
    except MetricError:
        return {}
    if not values:
        return {}
    place = {id(row): number for number, row in enumerate(kept)}

    def lead(part: Sequence[Scored]) -> dict[str, Any] | None:
        theirs: Values = {name: [each[place[id(row)]] for row in part] for name, each in values.items()}
        found = margin(part, theirs, [scores[place[id(row)]] for row in part], score)
        return None if found is None else margin_json(found)

    parts = {"all": {"all": kept}, **split(kept, task.card.groups)}
    return {
        grouping: {key: entry for key, part in keys.items() if (entry := lead(part)) is not None}
        for grouping, keys in parts.items()
    }


def choice_tables(rows: Sequence[Scored]) -> dict[str, Any]:
    """Tables of tasks with options: by position, by option where several may be right, and outputs that select none."""
    if not any(row.sample.choices for row in rows):
        return {}
    found: dict[str, Any] = {}
    if (places := positions(rows)) is not None:
        found["positions"] = asdict(places)
    if (options := option_table(rows)) is not None:
        found["options"] = options
    if (none := no_option_outputs(rows)) is not None:
        found["unpicked"] = {"share": metric_json(none.share), "reasons": dict(none.reasons)}
    return found


def document(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"schema_version": SCHEMA_VERSION, "runs": list(runs)}
