"""Reports of runs from their summaries (records/summary.py): short card, full report, and overview of several runs."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from alm_bench.core import Metric
from alm_bench.records.models import RunSummary as Summary
from alm_bench.records.models import TextMargin
from alm_bench.reports.blocks import NO_BREAK, Block, Cell, Column, Fields, Heading, Row, Table, Text, keep_together
from alm_bench.reports.breakdowns import (
    MARGIN,
    build_breakdowns,
    build_metric_table,
    get_margin_cell,
    get_metric_heading,
    is_metric_shown,
    order_metrics,
)
from alm_bench.reports.figures import (
    MISSING,
    build_margin_cell,
    build_metric_cell,
    format_interval,
    format_value,
    get_missing_reason,
    get_title,
    get_unit,
    sort_group_keys,
)
from alm_bench.reports.judges import build_judge_tables, format_judges
from alm_bench.reports.provenance import (
    build_provenance,
    build_task_title,
    format_decoding,
    format_option_order,
    format_prompt_name,
)
from alm_bench.reports.reasoning import describe_reasoning, read_reasoning
from alm_bench.reports.renderers import Form
from alm_bench.scoring.judged import JUDGED
from alm_bench.scoring.known_agreement import describe_agreement
from alm_bench.scoring.metrics import list_metric_specs

RUNS = Path("results/runs")
"""Default folder of runs, used without `--out`."""


def build_results(
    summaries: Sequence[Summary], form: Form, *, details: bool = False, out: Path | None = None
) -> list[Block]:
    """Return everything that `run` prints: the report of each run, followed by the overview."""
    blocks = [block for summary in summaries for block in build_run_report(summary, form, details=details, out=out)]
    return [*blocks, *build_closing_blocks(summaries, form, out=out)]


def build_run_report(summary: Summary, form: Form, *, details: bool = False, out: Path | None = None) -> list[Block]:
    """Return the report of one run.

    For a terminal this is a short card, with `details` also the breakdowns; for markdown it is the full report. `out`
    is the folder that contains the run's folder, which the card names.
    """
    heading = build_heading(summary)
    if form == "markdown":
        return [heading, *_build_details(summary)]
    return [heading, build_result_card(summary, out), *(_build_details(summary) if details else [])]


def _build_details(summary: Summary) -> list[Block]:
    return [
        Text(build_provenance(summary)),
        *build_judge_tables(summary),
        build_metric_table(summary),
        *build_breakdowns(summary),
    ]


def build_closing_blocks(summaries: Sequence[Summary], form: Form, *, out: Path | None = None) -> list[Block]:
    """Return the blocks after the last report: the overview and, for a terminal, commands that inspect the runs.

    In a terminal, a single run gets no overview.
    """
    if form == "markdown":
        return [build_overview(summaries)]
    overview = [build_overview(summaries)] if len(summaries) > 1 else []
    return [*overview, build_next_commands(summaries, out)]


def build_heading(summary: Summary) -> Heading:
    partial = f" · PARTIAL: {summary.processed_items} of {summary.items} items" if summary.partial else ""
    changed = "" if summary.condition == "clean" else f" · {summary.condition}"
    return Heading(f"{build_task_title(summary)} · {summary.model}{changed}{partial}", name=summary.model)


def build_result_card(summary: Summary, out: Path | None = None) -> Fields:
    """Return a run's most important results: main metric and margin, answered share, difficulty, settings, folder."""
    main, metrics = summary.main, summary.metrics
    lines = [(get_metric_heading(main), _format_main_value(summary)), ("answered", _format_answered(summary))]
    if (agreement := describe_agreement(main, summary.parser)) is not None:
        lines.append(("with people", agreement))
    if difficulty := summary.groups.get("difficulty"):
        shown = [(key, difficulty[key].get(main)) for key in sort_group_keys(difficulty)]
        texts = [keep_together(f"{key} {_format_value(metric, main)}") for key, metric in shown]
        lines.append(("difficulty", " → ".join(texts)))
    others = [
        name
        for name in order_metrics(summary)
        if name not in (main, "answered", JUDGED) and is_metric_shown(summary, name)
    ]
    if (reasoning := read_reasoning(summary)) is not None:
        lines.append(("reasoning", describe_reasoning(reasoning)))
    if others:
        texts = [keep_together(f"{get_title(name)} {_format_value(metrics[name], name)}") for name in others]
        lines.append(("also", "; ".join(texts)))
    lines += [("judged", line) for line in format_judges(summary)]
    if script := summary.tables.get("official_script"):
        lines.append(("official", script))
    lines.append(("from", _format_short_provenance(summary)))
    if (check := summary.audio_check) is not None and check.verdict != "delivered":
        lines.append(("audio", f"{check.verdict.replace('_', ' ')}: {check.reason}"))
    lines.append(("run", str((RUNS if out is None else out) / summary.run)))
    return Fields(lines)


def _format_main_value(summary: Summary) -> str:
    """Format the main metric and its margin: `64.5 % [61.5, 67.4], margin +12.3 [+9.0, +15.6] over first option`."""
    main = summary.main
    metric = summary.metrics.get(main)
    if metric is None or metric.value is None:
        return MISSING if metric is None else f"{MISSING}: {get_missing_reason(metric)}"
    value = f"{format_value(metric.value, main)}{get_unit(main)}{format_interval(metric, main)}"
    entry = summary.margin_over_text_only
    return keep_together(value) + ("" if entry is None else f", margin {_format_margin(entry, main)}")


def _format_margin(entry: TextMargin, main: str) -> str:
    """Format a margin; its metric is named if it is not the main metric."""
    by = "" if entry.metric == main else f" by {get_title(entry.metric)}"
    return f"{keep_together(build_margin_cell(entry).forms[1])}{by} over {entry.baseline}"


def _format_value(metric: Metric | None, name: str) -> str:
    """Format a metric's value without interval or unit."""
    if metric is None:
        return "-"
    return MISSING if metric.value is None else format_value(metric.value, name)


def _format_answered(summary: Summary) -> str:
    """Format the share of answered items and the other statuses: `98.7 % of n = 1,000; 8 unparsed, 5 refused`."""
    metric = summary.metrics.get("answered")
    n = f"n{NO_BREAK}={NO_BREAK}{summary.n:,}"
    share = (
        n if metric is None or metric.value is None else keep_together(f"{_format_value(metric, 'answered')} % of {n}")
    )
    others = [f"{count:,} {name}" for name, count in summary.status.items() if count and name != "ok"]
    return share + ("; " + ", ".join(map(keep_together, others)) if others else "")


def _format_short_provenance(summary: Summary) -> str:
    data = "demo data" if summary.data == "demo" else f"revision {summary.revision}"
    selection = summary.describe_selection()
    parts = [f"{data}, split {summary.split}" + (f", {selection}" if selection else "")]
    parts += [f"prompt {format_prompt_name(summary.prompt)}", format_decoding(summary.decoding)]
    if summary.options != "given":
        parts.append(format_option_order(summary.options))
    if summary.answer_by != "generate":
        parts.append(f"answered by {summary.answer_by}")
    if summary.usage is not None and summary.usage.cost:
        parts.append(f"cost {summary.usage.cost:.4f} USD")
    return "; ".join(parts)


def build_next_commands(summaries: Sequence[Summary], out: Path | None = None) -> Fields:
    """Return commands with which to inspect the run."""
    where = "" if out is None or out == RUNS else f" --out {shlex.quote(str(out))}"
    failed = any(summary.status["error"] for summary in summaries)
    items = "--status error" if failed else "--wrong"
    return Fields([("next", f"alm-bench show latest {items}{where}"), ("", f"alm-bench score latest --details{where}")])


def build_overview(summaries: Sequence[Summary]) -> Table:
    """Return a table with one row per run."""
    plain = all(summary.main == "accuracy" for summary in summaries)
    extra_metrics = [name for name, spec in list_metric_specs().items() if spec.in_overview]

    def build_main_cell(summary: Summary) -> Cell:
        figure = build_metric_cell(summary.metrics.get(summary.main), summary.main)
        if plain:
            return figure
        title = get_title(summary.main)
        return Cell(tuple(f"{title}: {form}" for form in figure.forms), figure.note)

    rows: list[Row] = [
        [
            build_task_title(summary) + (" (partial)" if summary.partial else ""),
            summary.model,
            summary.n,
            summary.skipped,
            build_metric_cell(summary.metrics.get("answered"), "answered"),
            build_main_cell(summary),
            *(build_metric_cell(summary.metrics.get(name), name) for name in extra_metrics),
            get_margin_cell(summary, "all", "all"),
        ]
        for summary in summaries
    ]
    columns = [
        Column("task", overflow="end"),
        Column("model", 1, overflow="middle"),
        Column("n", 2),
        Column("skipped", 4),
        Column("answered", 2),
        Column("accuracy" if plain else "main metric"),
        *(Column(get_title(name), 3) for name in extra_metrics),
        Column(MARGIN, 1),
    ]
    return Table(columns, rows)
