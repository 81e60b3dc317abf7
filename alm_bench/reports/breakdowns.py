"""Tables of one run: metrics of model and text-only baselines, and breakdowns by group, option, position and reason."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from alm_bench.core import Metrics
from alm_bench.records.models import RunSummary as Summary
from alm_bench.reports.blocks import Block, Cell, Column, Row, Table, Text
from alm_bench.reports.figures import (
    MISSING,
    build_difference_cell,
    build_margin_cell,
    build_metric_cell,
    sort_group_keys,
)
from alm_bench.reports.languages import build_language_report
from alm_bench.reports.reasoning import describe_reasoning, read_reasoning
from alm_bench.scoring.known_agreement import describe_agreement
from alm_bench.scoring.language_table import LanguageTable
from alm_bench.scoring.metrics import get_metric_spec, sort_metrics
from alm_bench.scoring.no_option import NoOptionCounts
from alm_bench.scoring.pairs import ALL, PairMetrics
from alm_bench.scoring.part_scores import PartsTable
from alm_bench.scoring.position import ChiSquare, PositionBias

MARGIN = "margin over text-only"
"""Heading of the column with the margin over the best text-only baseline."""

REASONS = {
    "off_list": "not among the options",
    "option_with_symbols": "an option with symbols",
    "extra_characters": "an option with extra characters",
    "truncated": "cut off",
}
"""Descriptions of the reasons why an output selects no option. Reasons that are not listed are printed as they are."""


def order_metrics(summary: Summary) -> list[str]:
    """Return the names of a run's metrics in table order: the share of answered items, the main metric, the others."""
    names = sort_metrics(list(summary.metrics))
    first = [name for name in ("answered", summary.main) if name in names]
    return [*first, *(name for name in names if name not in first)]


def is_metric_shown(summary: Summary, name: str) -> bool:
    """Return False for a metric that is redundant in this run, else True.

    A metric that gives a value to unanswered items (`imputes`) equals the main metric if all items are answered.
    """
    answered = summary.metrics.get("answered")
    return not (get_metric_spec(name).imputes and answered is not None and answered.value == 1)


def get_metric_heading(name: str) -> str:
    """Return a metric's title, with a remark if lower values are better."""
    spec = get_metric_spec(name)
    return spec.title if spec.higher_is_better else f"{spec.title} (lower is better)"


def build_metric_columns(names: Sequence[str], main: str) -> list[Column]:
    """Return one column per metric. Narrow terminals always keep the column of the metric `main`."""
    return [Column(get_metric_heading(name), 0 if name == main else 2 if name == "answered" else 3) for name in names]


def get_margin_cell(summary: Summary, grouping: str, key: str) -> Cell:
    return build_margin_cell(summary.margins.get(grouping, {}).get(key))


def count_baseline_items(metrics: Metrics) -> int:
    """Return the number of items of a text-only baseline: the largest `n` of its metrics."""
    return max((metric.n for metric in metrics.values()), default=0)


def build_breakdowns(summary: Summary) -> list[Block]:
    """Return the blocks that `--details` adds to a report.

    They show groups, confusion matrix, option positions, options, outputs without an option, and reasons.
    """
    tables = summary.tables
    blocks: list[Block] = [build_group_table(summary, name) for name, parts in summary.groups.items() if parts]
    if "confusion" in tables:
        blocks.append(build_confusion_table(tables["confusion"]))
    if "positions" in tables:
        blocks.append(build_position_table(msgspec.convert(tables["positions"], PositionBias)))
    if "pairs" in tables:
        blocks += build_pair_tables(msgspec.convert(tables["pairs"], list[PairMetrics]))
    if "languages" in tables:
        blocks += build_language_report(msgspec.convert(tables["languages"], LanguageTable))
    if "parts" in tables:
        blocks.append(build_output_part_table(msgspec.convert(tables["parts"], PartsTable)))
    if "options" in tables:
        blocks.append(build_option_rate_table(tables["options"]))
    if "no_option" in tables:
        blocks.append(Text(describe_outputs_without_option(msgspec.convert(tables["no_option"], NoOptionCounts))))
    if (reasoning := read_reasoning(summary)) is not None:
        blocks.append(Text(f"Reasoning: {describe_reasoning(reasoning)}."))
    if summary.reasons:
        columns = [Column("why an item did not end as ok", overflow="wrap"), Column("items")]
        blocks.append(Table(columns, [[reason, count] for reason, count in summary.reasons.items()]))
    return blocks


def build_metric_table(summary: Summary) -> Table:
    """Return a table with a row for the model, followed by rows for the text-only baselines on the same items."""
    names = [name for name in order_metrics(summary) if is_metric_shown(summary, name)]
    figures = [build_metric_cell(summary.metrics.get(name), name) for name in names]
    has_margin = bool(summary.margins)
    margin = [get_margin_cell(summary, "all", "all")] if has_margin else []
    rows: list[Row] = [[summary.model, summary.n, *figures, *margin]]
    for row, metrics in summary.baselines.items():
        cells = [build_metric_cell(metrics.get(name), name) for name in names]
        rows.append(
            [Cell((row,), style="baseline"), count_baseline_items(metrics) or "-", *cells, *("-" for _ in margin)]
        )
    columns = [Column("", overflow="middle"), Column("n", 1), *build_metric_columns(names, summary.main)]
    return Table([*columns, *([Column(MARGIN, 1)] if has_margin else [])], rows, notes=_list_agreements(summary, names))


def _list_agreements(summary: Summary, names: Sequence[str]) -> list[str]:
    """Return a note with the measured agreement of a run's metrics with people; empty if none was measured."""
    known = [(name, describe_agreement(name, summary.parser)) for name in names]
    parts = [f"{get_metric_heading(name)}: {text}" for name, text in known if text is not None]
    return [f"Agreement with people: {'; '.join(parts)}."] if parts else []


def _count_items(metrics: Metrics) -> int:
    """Return the number of items in the denominator of the main metrics.

    It is the `n` of the answered share. Official metrics may be computed on more items.
    """
    return metrics["answered"].n if "answered" in metrics else count_baseline_items(metrics)


def build_group_table(summary: Summary, grouping: str) -> Table:
    """Return a table with one row per key of a grouping. The margin column names the best text-only baseline of each
    row.
    """
    parts = summary.groups[grouping]
    names = [name for name in order_metrics(summary) if not get_metric_spec(name).imputes]
    rows: list[Row] = [
        [
            key,
            _count_items(parts[key]),
            *(build_metric_cell(parts[key].get(name), name) for name in names),
            get_margin_cell(summary, grouping, key),
        ]
        for key in sort_group_keys(parts)
    ]
    columns = [Column(grouping, overflow="end"), Column("n", 1), *build_metric_columns(names, summary.main)]
    return Table([*columns, Column(MARGIN, 1)], rows)


def build_position_table(table: PositionBias) -> Table:
    """Return shares and accuracy by option position, with the results of the two chi-square tests below the table."""
    total = sum(position.chosen for position in table.positions) or 1
    rows: list[Row] = [
        [
            position.letter,
            f"{100 * position.references / table.n:.1f}",
            f"{100 * position.chosen / total:.1f}",
            build_metric_cell(position.accuracy, "accuracy"),
        ]
        for position in table.positions
    ]
    columns = [
        Column("position"),
        Column("share of correct answers at this position"),
        Column("share of answers"),
        Column("accuracy when the answer is at this position"),
    ]
    same, wrong = _format_chi_square(table.accuracy_test), _format_chi_square(table.wrong_test)
    note = (
        f"Of the {table.n} items with {table.options} options. Chi-square of accuracy by position: {same}; "
        f"of wrong answers: {wrong}."
    )
    return Table(columns, rows, [note])


def _format_chi_square(test: ChiSquare) -> str:
    if test.p is None:
        return f"{MISSING} ({test.reason})"
    return f"{test.chi2 or 0:.1f} ({test.dof} degrees of freedom), p = {test.p:.3g}"


def build_pair_tables(pair_metrics: Sequence[PairMetrics]) -> list[Block]:
    """Return one table per declaration of pairs, with a row for all pairs and one per group."""
    tables: dict[str, list[PairMetrics]] = {}
    for each in pair_metrics:
        tables.setdefault(each.name, []).append(each)
    return [_build_pair_table(each) for each in tables.values()]


def _build_pair_table(pair_metrics: Sequence[PairMetrics]) -> Table:
    whole = pair_metrics[0]
    first, second = whole.first or "one", whole.second or "another"
    rows: list[Row] = []
    for each in pair_metrics:
        difference = (
            Cell(("-",)) if each.difference is None else build_difference_cell(each.difference.difference, "accuracy")
        )
        metrics = (each.first_accuracy, each.second_accuracy)
        conditional = (each.given_right, each.given_wrong)
        rows.append(
            [
                each.key if each.grouping == ALL else f"{each.grouping}: {each.key}",
                each.pairs,
                *(build_metric_cell(metric, "accuracy") for metric in metrics),
                difference,
                *(build_metric_cell(metric, whole.name) for metric in conditional),
                Cell(("-",)) if each.same_answer is None else build_metric_cell(each.same_answer, "share"),
            ]
        )
    columns = [
        Column(whole.title, overflow="end"),
        Column("pairs", 1),
        Column(first),
        Column(second),
        Column("difference", 2),
        Column(f"{second} if {first} is right"),
        Column(f"{second} if {first} is wrong", 2),
        Column("same option", 3),
    ]
    p = "" if whole.difference is None else f"; p = {whole.difference.p:.2g} over all pairs"
    note = f"Accuracy, paired by item. Difference: {second} minus {first}, 95 % interval{p}."
    left_out = f" {whole.unpaired} items have no partner." if whole.unpaired else ""
    return Table(columns, rows, [note + left_out])


def describe_outputs_without_option(table: NoOptionCounts) -> str:
    """Return one sentence with the number, share and reasons of outputs that select no option."""
    share, count = table.share, sum(table.reasons.values())
    low, high = share.low, share.high
    interval = "" if low is None or high is None else f", CI {100 * low:.1f}-{100 * high:.1f}"
    text = f"No option selected: {count:,} of {share.n:,} ({100 * (share.value or 0):.1f} %{interval})"
    why = ", ".join(f"{count:,} {REASONS.get(reason, reason)}" for reason, count in table.reasons.items())
    return f"{text}: {why}." if why else f"{text}."


def build_output_part_table(table: PartsTable) -> Table:
    """Return a table with numbers of items whose outputs have several parts: by form, by status, and by shortened
    part."""
    rows: list[Row] = [["form", name, count] for name, count in table.form.items()]
    rows += [["status", name.replace("_", " "), count] for name, count in table.status.items()]
    rows += [["shortened", name, count] for name, count in table.shortened.items()]
    total = sum(table.status.values())
    counted = f"by the model's tokenizer for {table.counted} of {total} outputs, else by the share of characters"
    return Table(
        [Column("parts of the outputs"), Column("what"), Column("items")],
        rows,
        notes=[f"Tokens and seconds before the answer: {counted}."],
    )


def build_option_rate_table(table: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with one row per option of questions with possibly several correct options; rates in percent."""
    rows = [
        [entry["option"], entry["right"], entry["selected"]]
        + [f"{100 * entry[figure]:.1f}" for figure in ("precision", "recall", "f1")]
        for entry in table
    ]
    columns = [Column("option", overflow="end")]
    return Table([*columns, *(Column(title) for title in ("right", "selected", "P", "R", "F1"))], rows)


def build_confusion_table(table: Mapping[str, Any]) -> Table:
    rows = [[title, *counts] for title, counts in zip(table["rows"], table["counts"], strict=True)]
    columns = [Column("reference \\ answer", overflow="end")]
    return Table([*columns, *(Column(str(title), is_name=True) for title in table["columns"])], rows)
