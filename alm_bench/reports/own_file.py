"""Report on a question file of the user's own: columns, faults of rows, text-only baselines and leaks."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_bench.core import Metric
from alm_bench.reports.blocks import Block, Column, Fields, Row, Table, Text, build_text_columns
from alm_bench.reports.figures import build_metric_cell

MOST_PROBLEMS = 100
"""Largest number of faulty rows, and of duplicates, that are printed; `--json` has all."""


def build_file_check(report: Mapping[str, Any]) -> list[Block]:
    """Return the blocks of one file's report; `report` is its entry in the output of `data verify --json`."""
    blocks: list[Block] = [Text(line) for line in report["columns"]]
    faults = [(f"row {one['row']}", one["problem"]) for one in report["problems"]]
    blocks.append(_build_list("Faults of rows", faults, "no row has a fault"))
    duplicates = [
        (f"{len(one['ids'])} items", f"{', '.join(one['ids'][:6])}{': different answers' if one['differ'] else ''}")
        for one in report["duplicates"]
    ]
    blocks.append(_build_list("Duplicates", duplicates, "no two items ask the same question"))
    if report["baselines"]:
        blocks.append(_build_baselines(report["baselines"]))
    if report["leaks"]:
        blocks.append(_build_leak_table(report["leaks"]))
    return blocks


def _build_list(title: str, lines: Sequence[tuple[str, str]], empty_text: str) -> Block:
    """Return labelled lines under a title; if there are none, the sentence `title: empty_text.`"""
    if not lines:
        return Text(f"{title}: {empty_text}.")
    shown = list(lines[:MOST_PROBLEMS])
    if len(lines) > MOST_PROBLEMS:
        shown.append(("...", f"{len(lines) - MOST_PROBLEMS:,} more (--json lists all)"))
    return Fields(shown, title=f"{title}: {len(lines):,}")


def _build_baselines(baselines: Mapping[str, Any]) -> Table:
    rows: list[Row] = [
        [name, build_metric_cell(Metric(**metric), "accuracy"), metric["n"]] for name, metric in baselines.items()
    ]
    return Table(build_text_columns("text-only baseline", "accuracy", "n"), rows)


def _build_leak_table(leaks: list[Mapping[str, Any]]) -> Table:
    """Return a table with one row per cue that selects an option."""
    columns = [
        Column("option", overflow="end"),
        Column("right"),
        Column("chance"),
        Column("questions"),
        Column("p", 1),
        Column("leak"),
    ]
    rows: list[Row] = [
        [
            leak["cue"],
            f"{100 * leak['rate']:.1f}",
            f"{100 * leak['chance']:.1f}",
            f"{leak['items']:,}",
            f"{leak['p_value']:.2g}",
            "yes" if leak["suspicious"] else "-",
        ]
        for leak in leaks
    ]
    note = "Share of questions in which the option that a cue selects is right, in %; p: binomial test against chance."
    return Table(columns, rows, [note])
