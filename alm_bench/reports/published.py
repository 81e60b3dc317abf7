"""The tables of the Mellow paper, with measured rows beside the published ones."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alm_bench.core.escape import emphasise, escape_markdown
from alm_bench.records.run import Run
from alm_bench.reports.leaderboard import split_ranked
from alm_bench.reports.tables import cell, decoding_name, markdown, prompt_name

FILE = Path(__file__).parent / "published.toml"

Measure = Mapping[str, str]
"""`task`, `split`, `metric` and, for a breakdown, `grouping` and `key`: where the figure of a column stands."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the paper prints it: percent, to its own digits; "" is a dash. `measure` maps columns to figures."""

    number: int
    title: str
    source: str
    revision: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    measure: Mapping[str, Measure]


@cache
def published() -> tuple[Table, ...]:
    return tuple(Table(**entry) for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["table"])


def as_markdown(runs: Sequence[Run]) -> str:
    """Every table; below its rows those of ours that have a figure in it. Demo runs and changed clips have none."""
    ranked, _ = split_ranked(runs)
    ours = [run.summary for run in ranked if run.summary["data"] == "real" and run.summary["condition"] == "clean"]
    sections = [
        "# Published tables, and what was measured here",
        "Rows in bold were measured here, with 95 % intervals. What keeps them from being comparable stands below each "
        "table.",
    ]
    for table in published():
        sections.append(_section(table, ours))
    return "\n\n".join(sections) + "\n"


def _section(table: Table, ours: Sequence[Mapping[str, Any]]) -> str:
    measured = _measured(table, ours)
    rows = [[value or "-" for value in row] for row in table.rows]
    rows += [[cells.get(column, "") or "-" for column in table.columns] for cells, _ in measured]
    lines = [f"## Table {table.number}: {table.title}", markdown(table.columns, rows), f"Published: {table.source}"]
    lines[-1] += f"; data revision {table.revision}." + (f" {table.note}" if table.note else "")
    lines += [_differences(table, cells["model"], used) for cells, used in measured]
    return "\n\n".join(lines)


def _measured(table: Table, ours: Sequence[Mapping[str, Any]]) -> list[tuple[dict[str, str], list[Mapping[str, Any]]]]:
    """A row a model and way of asking it (and data revision, where a task was run on several): its cells, and the runs
    that they are from."""
    rows: dict[tuple[str, ...], tuple[dict[str, str], list[Mapping[str, Any]]]] = {}
    name_column = "model" if "model" in table.columns else table.columns[0]
    for run in ours:
        prompt = f"{run['prompt']['id'].partition('/')[2]}@{run['prompt']['version']}"
        drawn, limit = json.dumps(run["decoding"], sort_keys=True), f"{run['limit']} {run.get('sample')}"
        key = (run["model"], prompt, run["options"], run["answer_by"], drawn, limit)
        for column, measure in table.measure.items():
            same = (run["task"], run["split"]) == (measure["task"], measure["split"])
            if not same or (metric := _metric(run, measure)) is None:
                continue
            revision = run["revision"]
            taken = [other["revision"] for other in rows[key][1] if other["task"] == run["task"]] if key in rows else []
            place = key if all(other == revision for other in taken) else (*key, revision)
            cells, used = rows.setdefault(place, ({}, []))
            cells[column] = emphasise(cell(metric, measure["metric"]).partition(" of ")[0], "**")
            cells[name_column] = cells["model"] = emphasise(run["model"], "**")
            if run not in used:
                used.append(run)
    return list(rows.values())


def _metric(run: Mapping[str, Any], measure: Measure) -> Mapping[str, Any] | None:
    block = run["metrics"]
    if "grouping" in measure:
        block = run["groups"].get(measure["grouping"], {}).get(measure["key"], {})
    found: Mapping[str, Any] | None = block.get(measure["metric"])
    return found if found is not None and found["value"] is not None else None


def _differences(table: Table, model: str, used: Sequence[Mapping[str, Any]]) -> str:
    """What a reader must know before comparing a measured row with the published ones."""
    told = []
    for run in used:
        parts = [f"data revision {run['revision']} (the paper's: {table.revision})", f"read by {run['parser']}"]
        parts.append(f"prompt {prompt_name(run['prompt'])}")
        parts.append(decoding_name(run["decoding"]))
        if run["options"] != "given":
            parts.append(f"options {run['options']}")
        if run["answer_by"] == "likelihood":
            parts.append("answered by likelihood")
        if run["limit"]:
            parts.append(f"the first {run['limit']} items only")
        if run.get("sample"):
            parts.append(f"{run['sample']} items at random only")
        if run["partial"]:
            parts.append("a partial run")
        if run["status"]["error"]:
            parts.append(f"{run['status']['error']} items failed")
        if run["skipped"]:
            parts.append(f"{run['skipped']} items skipped")
        told.append(escape_markdown(f"{run['task']}: {', '.join(parts)}"))
    return f"{model} · " + "; ".join(told) + "."
