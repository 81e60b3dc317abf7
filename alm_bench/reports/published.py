"""Tables of the Mellow paper and leaderboards of benchmarks, with rows of measured results below the published ones."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import astuple

from alm_bench.core import Metric
from alm_bench.records.models import RunSummary
from alm_bench.records.run import Run
from alm_bench.reports.blocks import Block, Cell, Column, Heading, Legend, Table, Text, convert_to_cell
from alm_bench.reports.figures import format_interval, format_value
from alm_bench.reports.provenance import format_decoding, format_option_order, format_prompt_name
from alm_bench.reports.ranking import split_ranked

FILES = ("published.toml", "published_benchmarks.toml")
"""Files beside this module with tables of the Mellow paper and of the benchmarks' authors."""

MetricLocation = Mapping[str, str]
"""Location of a column's metric in a run summary: `task`, `split`, `metric` and, for a group, `grouping` and `key`."""


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """Published table. Its values are in percent, as printed in the source; "" stands for a dash.

    `number` is the number of the table in the Mellow paper, None for a table from another source. `measure` maps a
    column to the metric of a run summary that is shown in this column for measured runs.
    """

    title: str
    source: str
    revision: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    measure: Mapping[str, MetricLocation]
    number: int | None = None

    @property
    def heading(self) -> str:
        return self.title if self.number is None else f"Table {self.number}: {self.title}"


@cache
def load_published_tables() -> tuple[PublishedTable, ...]:
    """Return the published tables, in the order of the files."""
    texts = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in FILES]
    return tuple(PublishedTable(**entry) for text in texts for entry in tomllib.loads(text)["table"])


def build_published_tables(runs: Sequence[Run]) -> list[Block]:
    """Return all tables. Runs on real data and clean clips that have a metric of a table are added as rows to it."""
    ranked, _ = split_ranked(runs)
    ours = [run.summary for run in ranked if run.summary.data == "real" and run.summary.condition == "clean"]
    blocks: list[Block] = [
        Heading("Published tables, and what was measured here", level=1),
        Legend("strong", "were measured here, with 95 % intervals"),
        Text("What keeps them from being comparable stands below each table."),
    ]
    for table in load_published_tables():
        blocks += _build_section(table, ours)
    return blocks


def _build_section(table: PublishedTable, summaries: Sequence[RunSummary]) -> list[Block]:
    measured = _build_measured_rows(table, summaries)
    rows = [[convert_to_cell(value or "-") for value in row] for row in table.rows]
    rows += [[cells.get(column, convert_to_cell("-")) for column in table.columns] for cells, _ in measured]
    names = ("model", "group", "setting", "variant", table.columns[0])
    columns = [
        Column(name, 0 if name == table.columns[0] else 1, overflow="middle" if name in names else "never")
        for name in table.columns
    ]
    source = f"Published: {table.source}; data revision {table.revision}." + (f" {table.note}" if table.note else "")
    notes = [source, *(_describe_differences(table, cells["model"].text, used) for cells, used in measured)]
    return [Heading(table.heading), Table(columns, rows, notes, is_wide=True)]


MeasuredRow = tuple[dict[str, Cell], list[RunSummary]]
"""Cells of a row, by column, and the runs that they come from."""


def _build_measured_rows(table: PublishedTable, summaries: Sequence[RunSummary]) -> list[MeasuredRow]:
    """Return the rows for measured runs. Runs that differ only in task or split share a row.

    Runs of one model with different prompts, options, answer modes, decoding, limits or data revisions are in separate
    rows.
    """
    rows: dict[tuple[Any, ...], MeasuredRow] = {}
    name_column = "model" if "model" in table.columns else table.columns[0]
    for run in summaries:
        prompt = (run.prompt.name, run.prompt.version)  # prompt set, which several tasks share
        key = (run.model, prompt, run.options, run.answer_by, astuple(run.decoding), run.limit, run.sample)
        for column, measure in table.measure.items():
            same = (run.task, run.split) == (measure["task"], measure["split"])
            if not same or (metric := _find_metric(run, measure)) is None:
                continue
            revision = run.revision
            taken = [other.revision for other in rows[key][1] if other.task == run.task] if key in rows else []
            place = key if all(other == revision for other in taken) else (*key, revision)
            cells, used = rows.setdefault(place, ({}, []))
            cells[column] = _build_measured_cell(metric, measure["metric"])
            cells[name_column] = cells["model"] = Cell((run.model,), style="strong")
            if run not in used:
                used.append(run)
    return list(rows.values())


def _build_measured_cell(metric: Metric, name: str) -> Cell:
    value = format_value(metric.value or 0.0, name)
    return Cell((value + format_interval(metric, name), value), style="strong")


def _find_metric(run: RunSummary, measure: MetricLocation) -> Metric | None:
    block = run.metrics
    if "grouping" in measure:
        block = run.groups.get(measure["grouping"], {}).get(measure["key"], {})
    found = block.get(measure["metric"])
    return found if found is not None and found.value is not None else None


def _describe_differences(table: PublishedTable, model: str, summaries: Sequence[RunSummary]) -> str:
    """Return one sentence on the ways in which a measured row may differ from the published rows.

    It names data, prompt, decoding and missing items of the runs whose metrics the row shows.
    """
    parts_by_run = []
    for run in summaries:
        parts = [f"data revision {run.revision} (published: {table.revision})", f"parsed by {run.parser}"]
        parts.append(f"prompt {format_prompt_name(run.prompt)}")
        parts.append(format_decoding(run.decoding))
        if run.options != "given":
            parts.append(format_option_order(run.options))
        if run.answer_by == "likelihood":
            parts.append("answered by likelihood")
        if run.limit:
            parts.append(f"the first {run.limit} items only")
        if run.sample:
            parts.append(f"{run.sample} items at random only")
        if run.partial:
            parts.append("a partial run")
        if run.status["error"]:
            parts.append(f"{run.status['error']} items failed")
        if run.skipped:
            parts.append(f"{run.skipped} items skipped")
        parts_by_run.append(f"{run.task}: {', '.join(parts)}")
    return f"{model} · " + "; ".join(parts_by_run) + "."
