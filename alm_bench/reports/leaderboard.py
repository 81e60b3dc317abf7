"""Leaderboard from run folders: a table of models by tasks, then one table per set of comparable runs."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from alm_bench.core import Metric
from alm_bench.records.models import RunSummary
from alm_bench.records.run import Run
from alm_bench.reports.blocks import Block, Cell, Column, Heading, Legend, Row, Table, Text, convert_to_cell
from alm_bench.reports.breakdowns import MARGIN, get_metric_heading
from alm_bench.reports.collections import Collection, build_collection_table, find_collections
from alm_bench.reports.figures import format_value
from alm_bench.reports.provenance import build_task_title, format_task_with_options
from alm_bench.reports.ranking import (
    AGAINST_BEST,
    Section,
    TaskOf,
    build_comparison_key,
    build_rank_key,
    build_sections,
    get_metric_value,
)
from alm_bench.reports.renderers.csv import render_csv

NO_COLLECTIONS: Mapping[str, Sequence[str]] = MappingProxyType({})

METRIC_COLUMNS = ["metric", "value", "low", "high", "n", "reason"]

INTRODUCTION = "Percentages with 95 % intervals, unless a heading says otherwise."
NOTE = (
    f'"{AGAINST_BEST}": paired difference from the top row; tie: no significant difference from it. "{MARGIN}": margin '
    "over the best text-only baseline on the same items; n.s.: its 95 % interval includes zero."
)


def build_leaderboard(
    runs: Sequence[Run], task_of: TaskOf, members: Mapping[str, Sequence[str]] = NO_COLLECTIONS
) -> list[Block]:
    """Return the leaderboard of runs. `members` maps the name of each collection to the names of its tasks."""
    sections = build_sections(runs, task_of)
    return build_section_tables(sections, find_collections(sections, members, task_of))


def build_section_tables(sections: Sequence[Section], collections: Sequence[Collection]) -> list[Block]:
    """Return a table of models by tasks, a table per collection, and one table per set of comparable runs."""
    blocks: list[Block] = [Heading("Leaderboard", level=1), *_build_overview(sections)]
    blocks += [Text(INTRODUCTION), Legend("baseline", "are text-only baselines"), Text(NOTE)]
    for collection in collections:
        blocks += build_collection_table(collection)
    for section in sections:
        blocks += [Heading(section.title), _build_table(section)]
    return blocks


def _build_table(section: Section) -> Table:
    names = list(dict.fromkeys(name for row in section.rows for name in row))
    columns = [_build_column(name, section.ranked_by) for name in names]
    rows: list[Row] = [[row.get(name, convert_to_cell("-")) for name in names] for row in section.rows]
    notes = []
    if section.not_ranked:
        notes = [f"Not ranked, since no item ended as ok: {'; '.join(map(_describe_unranked, section.not_ranked))}."]
    return Table(columns, rows, notes)


_PRIORITIES = {"model": 0, AGAINST_BEST: 1, MARGIN: 1, "n": 2, "answered": 2, "errors": 4, "size": 4}
_NAMES = ("model", "trained on", "prompt", "parsed by", "note", "run", "text-only solver")
_TEXTS = ("size", "n", "skipped", "answered", "errors", AGAINST_BEST, MARGIN, *_NAMES)


def _build_column(name: str, ranked_by: str) -> Column:
    """Return a column of a section's table; columns that are not in `_TEXTS` are metrics."""
    if name not in _TEXTS:
        return Column(get_metric_heading(name), 0 if name == ranked_by else 3)
    return Column(name, _PRIORITIES.get(name, 5), overflow="middle" if name in _NAMES else "never")


def _describe_unranked(run: Run) -> str:
    """Return a run's model, fingerprint and numbers of items by status, for the list of runs that are not ranked."""
    counts = ", ".join(f"{count} {status}" for status, count in run.summary.status.items() if count)
    return f"{run.summary.model} ({run.summary.fingerprint}: {counts or 'no items'})"


def _build_overview(sections: Sequence[Section]) -> list[Block]:
    """Return a table of the main metric by model (rows) and task (columns); a model's best run if it has several."""
    ranked = [section for section in sections if section.members]
    if not ranked:
        return []
    models: dict[str, dict[int, Cell]] = {}
    wins: dict[str, int] = {}
    for number, section in enumerate(ranked):
        for index, run in reversed(list(enumerate(section.members))):
            model = run.summary.model
            models.setdefault(model, {})[number] = _build_overview_cell(section, index)
        for model in {
            run.summary.model for index, run in enumerate(section.members) if _is_first_or_tied(section, index)
        }:
            wins[model] = wins.get(model, 0) + 1
    order = sorted(models, key=lambda model: (-wins.get(model, 0), model))
    rows: list[Row] = [
        [model, *(models[model].get(n, convert_to_cell("-")) for n in range(len(ranked)))] for model in order
    ]
    floors = [_get_best_baseline_cell(section) for section in ranked]
    if any(floor.text != "-" for floor in floors):
        rows.append([Cell(("text-only baseline (best)",), style="baseline"), *floors])
    titles = _shorten_titles(ranked)
    columns = [Column("model", overflow="middle"), *(Column(title, 1) for title in titles)]
    note = "The main metric of each task; best: the top row of its table below; tie: no significant difference from it."
    return [Table(columns, rows, [note], is_wide=True)]


def _is_first_or_tied(section: Section, index: int) -> bool:
    """Return True if the run at rank `index` (0 is the best) is the best one, or tied with it."""
    return section.ties[index] or (index == 0 and get_metric_value(section.members[0], section.ranked_by) is not None)


def _build_overview_cell(section: Section, index: int) -> Cell:
    """Return the cell with the main metric of the section's run at rank `index` (0 is the best)."""
    value = get_metric_value(section.members[index], section.ranked_by)
    if value is None:
        return convert_to_cell("n/a")
    text = format_value(value, section.ranked_by)
    mark = " best" if index == 0 else " tie" if section.ties[index] else ""
    return Cell((text + mark,), style="strong" if index == 0 else "plain")


def _get_best_baseline_cell(section: Section) -> Cell:
    """Return the cell with the score of the text-only baseline that is best on the items of the section's best run.

    It is `-` if there is no baseline, or none by the metric of the ranking.
    """
    entry = section.members[0].summary.margin_over_text_only
    if entry is None or entry.metric != section.ranked_by:
        return convert_to_cell("-")
    return convert_to_cell(format_value(entry.baseline_value, entry.metric))


def _shorten_titles(sections: Sequence[Section]) -> list[str]:
    """Return one title per section: its task and metric, with distinguishing parts if a task has several sections."""
    firsts = [section.members[0].summary for section in sections]
    short = [
        f"{build_task_title(summary)} {get_metric_heading(section.ranked_by)}"
        for summary, section in zip(firsts, sections, strict=True)
    ]
    return [
        " · ".join(
            [
                title,
                *_select_distinct_parts(
                    section, [s for s, other in zip(sections, short, strict=True) if other == title]
                ),
            ]
        )
        for title, section in zip(short, sections, strict=True)
    ]


def _select_distinct_parts(section: Section, task_sections: Sequence[Section]) -> list[str]:
    """Return the parts of a section's title that are not common to all sections of its task."""
    shared = set.intersection(*(set(one.parts) for one in task_sections))
    return [part for part in section.parts if part not in shared]


def render_leaderboard_csv(runs: Sequence[Run]) -> str:
    """Return a CSV table with one line per run, group and metric.

    Its columns are the run's settings and model, grouping, key, metric, value, low, high, n and reason.
    """
    asked = ["task", "data", "revision", "split", "condition", "options", "answer_by", "model"]
    rows = []
    for run in sorted(runs, key=lambda run: (str(build_comparison_key(run)), *build_rank_key(run, run.summary.main))):
        summary = run.summary
        base = [format_task_with_options(summary), *(getattr(summary, column) for column in asked[1:])]
        base.append(summary.identity.parameters)
        base += [" ".join(summary.identity.trained_on), summary.fingerprint]
        for grouping, key, name, metric, reason in _list_metrics(summary):
            rows.append([*base, grouping, key, name, metric.value, metric.low, metric.high, metric.n, reason])
    return render_csv([*asked, "parameters", "trained_on", "run", "grouping", "key", *METRIC_COLUMNS], rows)


def _list_metrics(summary: RunSummary) -> Iterator[tuple[str, str, str, Metric, str]]:
    """Yield one tuple per metric of a run, of its text-only baselines, and of its margins.

    A tuple consists of grouping, key, name of the metric, metric, and a remark ("" if there is none).
    """
    blocks = [("all", "all", summary.metrics)]
    blocks += [(g, key, m) for g, parts in summary.groups.items() for key, m in parts.items()]
    blocks += [("baseline", name, metrics) for name, metrics in summary.baselines.items()]
    for grouping, key, metrics in blocks:
        for name, metric in metrics.items():
            yield grouping, key, name, metric, metric.reason or ""
    for grouping, keys in summary.margins.items():
        for key, entry in keys.items():
            yield grouping, key, "margin", entry.margin, f"over {entry.baseline}"
