"""Tables of the agreement of metrics, or of a judge, with people."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_bench.calibration import AnswerAgreement, MetricCheck, ModelRates, PairAgreement
from alm_bench.core import Metric
from alm_bench.reports.blocks import Block, Cell, Column, Row, Table, Text
from alm_bench.reports.breakdowns import get_metric_heading
from alm_bench.reports.figures import MISSING, build_metric_cell
from alm_bench.scoring.agreement import THRESHOLD, Agreement, PairOrder

AGREEMENT = ("spearman", "kendall", "kappa", "balanced_accuracy", "accuracy")
"""Measures of agreement in JSON."""

SHARE = "share"
"""Name of the format of percentages (`reports.figures`)."""


def build_agreement_report(check: MetricCheck, source: str, details: bool = False) -> list[Block]:
    """Return a table of agreement with people, with one row per metric, and a table by model if models are known.

    With `details`, one more table per type of question follows. `source` is the name of the file with the labels.
    """
    answers = {name: one for name, one in check.agreements.items() if isinstance(one, AnswerAgreement)}
    pairs = {name: one for name, one in check.agreements.items() if isinstance(one, PairAgreement)}
    if check.has_pairs:
        return _build_pair_agreement(check, pairs, source)
    blocks: list[Block] = [_build_overall_table(check, answers, source)]
    if any(one.by_model for one in answers.values()):
        blocks.append(_build_model_table(check, answers))
    types = list(dict.fromkeys(key for one in answers.values() for key in one.by_type))
    blocks += [_build_type_table(check, answers, key) for key in types] if details else []
    return blocks


def build_correlation_cell(metric: Metric) -> Cell:
    """Return the cell of a correlation or kappa: `0.46 [0.41, 0.50]`."""
    if metric.value is None:
        return Cell((f"{MISSING}: {metric.reason}", MISSING), note=metric.reason)
    value = f"{metric.value:.2f}"
    return Cell((value if metric.low is None else f"{value} [{metric.low:.2f}, {metric.high:.2f}]", value))


def _build_agreement_cells(agreement: Agreement, is_judge: bool) -> list[Cell]:
    """Return the cells for the columns of `_list_agreement_columns`. The accuracy is shown for judges only."""
    return [
        *(build_correlation_cell(metric) for metric in (agreement.spearman, agreement.kendall, agreement.kappa)),
        build_metric_cell(agreement.balanced_accuracy, SHARE),
        *([build_metric_cell(agreement.accuracy, SHARE)] if is_judge else []),
    ]


def _list_agreement_columns(is_judge: bool) -> list[Column]:
    return [*_AGREEMENT_COLUMNS, *([Column("accuracy", 1)] if is_judge else [])]


def _get_title(check: MetricCheck, name: str) -> str:
    return check.titles.get(name) or get_metric_heading(name)


_AGREEMENT_COLUMNS = (
    Column("Spearman"),
    Column("Kendall", 4),
    Column("kappa", 2),
    Column("balanced accuracy", 1),
)


def _build_overall_table(check: MetricCheck, answers: Mapping[str, AnswerAgreement], source: str) -> Table:
    """Return the table of agreement with people, one row per metric or judge. `source` names the file with the
    labels."""
    has_orders = any(one.orders for one in answers.values())
    rows: list[Row] = [
        [
            _get_title(check, name),
            *_build_agreement_cells(one.all, bool(check.titles)),
            *([describe_model_order_agreement(one.orders)] if has_orders else []),
        ]
        for name, one in answers.items()
    ]
    rows += [
        [_get_title(check, name), *_build_missing_cells(reason, has_orders + bool(check.titles))]
        for name, reason in check.missing.items()
    ]
    note = (
        f"{check.labelled:,} labelled answers of {source} on {check.clips:,} clips, which the 95 % intervals resample. "
        f"Kappa and balanced accuracy: answers with a label of 0 or 1, right from a score of {THRESHOLD}."
    )
    if has_orders:
        what = "judge" if check.titles else "metric"
        note += f" Models: pairs that people's labels separate (p < 0.05) and that the {what} puts in the same order."
    note += _describe_weights(check)
    first = Column("judge" if check.titles else "metric", overflow="middle")
    columns = [first, *_list_agreement_columns(bool(check.titles)), *([Column("models", 3)] if has_orders else [])]
    return Table(columns, rows, notes=[note])


def _describe_weights(check: MetricCheck) -> str:
    """Return a sentence with the hashes of the weights; "" if no metric computes with weights."""
    each = [f"{get_metric_heading(name)}: {described}" for name, described in check.weights.items()]
    return f" Weights: {'; '.join(each)}." if each else ""


def _format_reason(reason: str) -> str:
    """Return the text `not computed`, with the reason."""
    return reason if reason.startswith("not computed") else f"not computed: {reason}"


def _build_missing_cells(reason: str, extra_column_count: int) -> list[Cell]:
    """Return the cells of a metric or judge without values: the reason, then `-` for each other column.

    The second argument is the number of columns that the table has beside `_AGREEMENT_COLUMNS`.
    """
    first = Cell((_format_reason(reason), "not computed"), note=_format_reason(reason))
    return [first, *(Cell(("-",)) for _ in range(3 + extra_column_count))]


def describe_model_order_agreement(orders: Sequence[PairOrder]) -> str:
    """Return a text such as `5 of 6`: the number of pairs of models that the metric orders as people do.

    Only pairs that differ significantly by people's labels are counted. Returns `-` if there are none.
    """
    separated = [order for order in orders if order.is_significant]
    return f"{sum(order.agrees for order in separated)} of {len(separated)}" if separated else "-"


def _build_model_table(check: MetricCheck, answers: Mapping[str, AnswerAgreement]) -> Table:
    """Return a table with one row per model: people's mean label, and one column per metric or judge.

    If all answers are labelled, a metric's column holds the metric's mean. Otherwise it holds the mean label of all
    answers, estimated from the labels and the metric's scores.
    """
    known: dict[str, ModelRates] = {}
    for one in answers.values():
        known = {**one.by_model, **known}
    partly = any(rates.people.n != rates.metric.n for rates in known.values())

    def build_cell(name: str, rates: ModelRates | None) -> Cell:
        if rates is None:
            return Cell(("-",))
        if partly:
            return build_metric_cell(rates.corrected, SHARE)
        return build_metric_cell(Metric(rates.metric.value, n=rates.metric.n), SHARE if check.titles else name)

    rows: list[Row] = [
        [
            model,
            build_metric_cell(rates.people, SHARE),
            rates.people.n,
            *(build_cell(name, one.by_model.get(model)) for name, one in answers.items()),
        ]
        for model, rates in known.items()
    ]
    titles = [Column(_get_title(check, name), 1) for name in answers]
    notes = ["people: mean label, times 100."]
    if partly:
        notes = ["people: mean label, times 100, of the labelled answers. Others: mean label of all answers, estimated "
                 "from the labels and the metric (prediction-powered inference, arXiv 2301.09633)."]  # fmt: skip
    return Table([Column("model"), Column("people"), Column("n", 2), *titles], rows, notes=notes)


def _build_type_table(check: MetricCheck, answers: Mapping[str, AnswerAgreement], key: str) -> Table:
    """Return the table of agreement on the answers to questions of the type `key`, with one row per metric or judge."""
    count = max(one.by_type[key].n for one in answers.values() if key in one.by_type)
    is_judge = bool(check.titles)
    rows: list[Row] = [
        [_get_title(check, name), *_build_agreement_cells(one.by_type[key], is_judge)]
        for name, one in answers.items()
        if key in one.by_type
    ]
    first = Column("judge" if is_judge else "metric", overflow="middle")
    return Table([first, *_list_agreement_columns(is_judge)], rows, title=f"{key}, n = {count:,}")


def _build_pair_agreement(check: MetricCheck, pairs: Mapping[str, PairAgreement], source: str) -> list[Block]:
    """Return the share of caption pairs in which each metric or judge prefers the same caption as people, and a
    note."""
    kinds = list(next(iter(pairs.values())).by_kind) if pairs else []
    rows: list[Row] = [
        [_get_title(check, name), *(build_metric_cell(metric, SHARE) for metric in (one.all, *one.by_kind.values()))]
        for name, one in pairs.items()
    ]
    for name, reason in check.missing.items():
        first = Cell((_format_reason(reason), "not computed"), note=_format_reason(reason))
        rows.append([get_metric_heading(name), first, *("-" for _ in kinds)])
    what = "judge" if check.titles else "metric"
    columns = [Column(what, overflow="middle"), Column("all"), *(Column(kind, 1) for kind in kinds)]
    note = (
        f"Pairs of captions in which the {what} prefers the caption that people prefer, in %: {check.labelled:,} of "
        f"{check.items:,} pairs of {source}, without those that people do not decide (chance 50). The 95 % intervals "
        f"resample {check.clips:,} clips."
    )
    return [Table(columns, rows), Text(note + _describe_weights(check))]


def build_check_json(check: MetricCheck, source: str) -> dict[str, Any]:
    """Return a check as the JSON object that `--json` prints; missing values are null, with a reason."""
    metrics = {name: _build_result_json(one) for name, one in check.agreements.items()}
    return {
        "source": source,
        "items": check.items,
        "labelled": check.labelled,
        "clips": check.clips,
        "metrics": metrics,
        "not_computed": dict(check.missing),
        "weights": dict(check.weights),
    }


def _build_result_json(result: AnswerAgreement | PairAgreement) -> dict[str, Any]:
    if isinstance(result, PairAgreement):
        by_kind = {kind: convert_metric_to_json("agreement", metric) for kind, metric in result.by_kind.items()}
        return {"all": convert_metric_to_json("agreement", result.all), "by_kind": by_kind}
    models = {
        name: {
            "metric": rates.metric.value,
            "people": rates.people.value,
            "n": rates.metric.n,
            "labelled": rates.people.n,
            "corrected": rates.corrected.value,
            "corrected_interval": _get_bounds(rates.corrected),
        }
        for name, rates in result.by_model.items()
    }
    orders = [
        {
            "models": [order.first, order.second],
            "people": order.people,
            "metric": order.metric,
            "p": order.p,
            "n": order.n,
            "significant": order.is_significant,
            "agrees": order.agrees,
        }
        for order in result.orders
    ]
    return {
        "all": _build_agreement_json(result.all),
        "by_type": {key: _build_agreement_json(part) for key, part in result.by_type.items()},
        "by_model": models,
        "orders": orders,
    }


def _build_agreement_json(agreement: Agreement) -> dict[str, Any]:
    figures = {name: getattr(agreement, name) for name in AGREEMENT}
    return {
        **{name: metric.value for name, metric in figures.items()},
        "n": agreement.n,
        "intervals": {name: _get_bounds(metric) for name, metric in figures.items()},
        "reasons": {name: metric.reason for name, metric in figures.items() if metric.value is None},
    }


def convert_metric_to_json(name: str, metric: Metric) -> dict[str, Any]:
    return {name: metric.value, "n": metric.n, "interval": _get_bounds(metric), "reason": metric.reason}


def _get_bounds(metric: Metric) -> list[float] | None:
    return None if metric.low is None or metric.high is None else [metric.low, metric.high]
