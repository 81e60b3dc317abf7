"""Finished runs beside the first of them, item by item."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alm_bench.core import Metric, Scored, UsageError
from alm_bench.records.schema import Record
from alm_bench.records.store import read_header, read_records, read_summary
from alm_bench.records.tables import markdown
from alm_bench.scoring.choice import clips
from alm_bench.scoring.paired import Difference, holm, paired

OVERALL = "all"
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run of one task: its summary row and its items by id, skipped ones left out."""

    folder: Path
    summary: Mapping[str, Any]
    records: Mapping[str, Record]


@dataclass(frozen=True, slots=True)
class Cell:
    """One score of one part of the items, in the first run and in `second`; `p` is adjusted over all cells."""

    second: str
    score: str
    grouping: str
    key: str
    difference: Difference
    p: float


def read_run(folder: Path) -> Run:
    """Raises StoreError for a folder without a finished run."""
    read_header(folder)
    records, _ = read_records(folder)
    return Run(folder, read_summary(folder)[0], {r.sample.id: r for r in records if r.status != "skipped"})


def check(runs: Sequence[Run], different: bool = False) -> None:
    """Raises UsageError for runs of different tasks, and, but for `different`, on other data, prompts or rules."""
    first = runs[0]
    for run in runs[1:]:
        for key, what in (("task", "task"), ("revision", "data revision"), ("prompt", "prompt"), ("parser", "parser")):
            ours, theirs = first.summary[key], run.summary[key]
            if ours != theirs and not (different and key != "task"):
                advice = "" if key == "task" else "; --different compares them all the same"
                raise UsageError(
                    f"{first.folder.name} and {run.folder.name} differ in {what} ({_said(ours)}, {_said(theirs)}), "
                    f"expected runs of one{advice}"
                )
        if not first.records.keys() & run.records.keys():
            raise UsageError(f"{first.folder.name} and {run.folder.name} have no item in common")


def _said(value: Any) -> str:
    return f"{value['id']}@{value['version']}" if isinstance(value, dict) and "id" in value else str(value)


def compare(runs: Sequence[Run]) -> list[Cell]:
    """Every later run against the first: each score, over all items and each key of each grouping."""
    cells = [cell for run in runs[1:] for cell in _cells(runs[0], run)]
    adjusted = holm([cell.p for cell in cells])
    return [replace(cell, p=p) for cell, p in zip(cells, adjusted, strict=True)]


def shared(first: Run, second: Run) -> list[tuple[Scored, Scored]]:
    """The items of both, in the first run's order."""
    names = [name for name in first.records if name in second.records]
    names.sort(key=lambda name: first.records[name].index)
    return [(first.records[name].scored(), second.records[name].scored()) for name in names]


def _cells(first: Run, second: Run) -> Iterator[Cell]:
    pairs = shared(first, second)
    scores = sorted({name for pair in pairs for row in pair for name in row.scores})
    groupings = list(
        dict.fromkeys(grouping for row, _ in pairs for grouping in row.sample.groups if grouping != "clip")
    )
    for score in scores:
        parts = {(OVERALL, OVERALL): pairs}
        for grouping in groupings:
            for pair in pairs:
                if (key := pair[0].sample.groups.get(grouping)) is not None:
                    parts.setdefault((grouping, key), []).append(pair)
        for (grouping, key), part in sorted(parts.items(), key=lambda item: (item[0][0] != OVERALL, item[0])):
            a, b = ([row.scores.get(score, 0.0) for row in side] for side in zip(*part, strict=True))
            difference = paired(a, b, clips([row for row, _ in part]))
            yield Cell(second.folder.name, score, grouping, key, difference, difference.p)


def examples(first: Run, second: Run, count: int, score: str = "accuracy") -> dict[str, list[tuple[Record, Record]]]:
    """Items that the second run wins and loses, the first `count` of each."""
    found: dict[str, list[tuple[Record, Record]]] = {"won": [], "lost": []}
    for ours, theirs in shared(first, second):
        gain = theirs.scores.get(score, 0.0) - ours.scores.get(score, 0.0)
        side = found["won" if gain > 0 else "lost"]
        if gain and len(side) < count:
            side.append((first.records[ours.sample.id], second.records[ours.sample.id]))
    return found


def as_markdown(runs: Sequence[Run], cells: Sequence[Cell]) -> str:
    """A table for each later run; a star where the adjusted p-value is below 0.05."""
    blocks = []
    base = runs[0].summary["model"]
    for run in runs[1:]:
        name = run.summary["model"]
        rows = [
            [
                cell.score,
                cell.key if cell.grouping == OVERALL else f"{cell.grouping}: {cell.key}",
                cell.difference.difference.n,
                f"{100 * cell.difference.first:.1f}",
                f"{100 * cell.difference.second:.1f}",
                _signed(cell.difference.difference),
                f"{cell.difference.won} / {cell.difference.lost}",
                f"{cell.p:.3g}" + (" *" if cell.p < SIGNIFICANT else ""),
            ]
            for cell in cells
            if cell.second == run.folder.name
        ]
        headers = ["score", "items", "n", base, name, "difference", "won / lost", "p (Holm)"]
        blocks.append(f"## {name} against {base}\n\n" + markdown(headers, rows))
    return "\n\n".join(blocks) + "\n"


def _signed(metric: Metric) -> str:
    """`+2.0 [-1.5, +5.4]` in percent; without an interval where one clip is all there is."""
    numbers = [f"{100 * number:+.1f}" for number in (metric.value, metric.low, metric.high) if number is not None]
    return numbers[0] + (f" [{numbers[1]}, {numbers[2]}]" if len(numbers) == 3 else "")


def as_json(runs: Sequence[Run], cells: Sequence[Cell]) -> dict[str, Any]:
    return {"runs": [run.folder.name for run in runs], "cells": [asdict(cell) for cell in cells]}
