"""Finished runs beside the first of them, item by item."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from alm_bench.core import HasCorpus, Scored, ScoresItems, Task, UsageError
from alm_bench.core.escape import Markdown, escape_markdown
from alm_bench.records.run import Run
from alm_bench.records.schema import Record, metric_json
from alm_bench.reports.tables import markdown, prompt_name, signed
from alm_bench.scoring.multiple_choice import clips, counts, weights
from alm_bench.scoring.paired import Difference, corpus_difference, holm, paired_tests

OVERALL = "all"
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Cell:
    """One score of one part of the items, in the first run and in `second`; `p` is adjusted over all cells."""

    second: str
    score: str
    grouping: str
    key: str
    difference: Difference
    p: float


def check(runs: Sequence[Run], different: bool = False) -> None:
    """Raises UsageError for runs of different tasks, without common items, and, but for `different`, on other data
    revisions, prompts, rules, orders of options or kinds of answers."""
    first = runs[0]
    for run in runs[1:]:
        names = f"{first.folder.name} and {run.folder.name}"
        for what in (
            "task",
            "data revision",
            "prompt",
            "parser",
            "condition",
            "order of options",
            "kind of answer",
            "tokenizer",
        ):
            ours, theirs = _told(first, what), _told(run, what)
            if ours != theirs and not (different and what != "task"):
                pairs = what != "task" and first.records.keys() & run.records.keys()
                advice = "; --different compares them all the same" if pairs else ""
                raise UsageError(f"{names} differ in {what} ({ours}, {theirs}), expected runs of one{advice}")
        if not any(shared(first, run)):
            raise UsageError(f"{names} have no item in common")


def _told(run: Run, what: str) -> str:
    told = run.summary
    by = "likelihood" if told["answer_by"] == "likelihood" else "text"  # scored beside or not, text is what is read
    said = {
        "task": told["task"],
        "data revision": told["revision"],
        "prompt": " ".join(filter(None, (prompt_name(told["prompt"]), told["prompt"]["hash"]))),
        "parser": told["parser"],
        "condition": told["condition"],
        "order of options": told["options"],
        "kind of answer": by,
        "tokenizer": told.get("tables", {}).get("tokenizer"),
    }
    return str(said[what])


def _figures(first: Run, second: Run) -> list[str]:
    """The figures that both runs have: what one was not asked for is no 0."""
    had = [
        {name for name, metric in run.summary["metrics"].items() if metric["value"] is not None}
        for run in (first, second)
    ]
    return sorted(had[0] & had[1])


Earned = dict[str, dict[int, tuple[float, float]]]
"""By score, what a pair of answers (by its place) earns in the first run and in the second."""


def earned(first: Run, second: Run, pairs: Sequence[tuple[Scored, Scored]], task: Task) -> Earned:
    """The scores that both runs have figures of and that single items have; the task's own ones are told first."""
    names = _figures(first, second)
    found: Earned = {}
    if isinstance(task, ScoresItems):
        places = [place for place, (row, _) in enumerate(pairs) if row.sample.target]
        sides = [task.scores_of([pairs[place][side] for place in places], names) if places else {} for side in (0, 1)]
        for name in sides[0].keys() & sides[1].keys():
            found[name] = dict(zip(places, zip(sides[0][name], sides[1][name], strict=True), strict=True))
    for name in names:
        if name not in found:
            counted = {place: pair for place, pair in enumerate(pairs) if counts(name, pair)}
            graded = {p: (a.scores.get(name, 0.0), b.scores.get(name, 0.0)) for p, (a, b) in counted.items()}
            if any(name in row.scores for pair in pairs for row in pair):
                found[name] = graded
    return dict(sorted(found.items()))


def compare(runs: Sequence[Run], task: Task) -> list[Cell]:
    """Every later run against the first: each score, over all items and each key of each grouping.

    Raises UsageError for runs without a common score.
    """
    cells = []
    for run in runs[1:]:
        found = list(_cells(runs[0], run, task))
        if not found:
            names = f"{runs[0].folder.name} and {run.folder.name}"
            raise UsageError(f"{names} have no score in common (answers that are withheld have none)")
        cells += found
    adjusted = holm([cell.p for cell in cells])
    return [replace(cell, p=p) for cell, p in zip(cells, adjusted, strict=True)]


def shared(first: Run, second: Run) -> list[tuple[Scored, Scored]]:
    """The items of both, in the first run's order; two orders of one question are two items."""
    names = [
        name
        for name, record in first.records.items()
        if name in second.records and _order(record) == _order(second.records[name])
    ]
    names.sort(key=lambda name: first.records[name].index)
    return [(first.records[name].scored(), second.records[name].scored()) for name in names]


def _order(record: Record) -> tuple[int, ...] | None:
    """Of one among several orders of a question; a question that is asked once is one item in any order."""
    arranged = record.sample.arranged
    return arranged.order if arranged is not None and arranged.count > 1 else None


def _cells(first: Run, second: Run, task: Task) -> Iterator[Cell]:
    pairs = shared(first, second)
    groupings = list(
        dict.fromkeys(grouping for row, _ in pairs for grouping in row.sample.groups if grouping != "clip")
    )
    parts = {(OVERALL, OVERALL): list(range(len(pairs)))}
    for grouping in groupings:
        for place, (row, _) in enumerate(pairs):
            if (key := row.sample.groups.get(grouping)) is not None:
                parts.setdefault((grouping, key), []).append(place)
    ordered = sorted(parts.items(), key=lambda item: (item[0][0] != OVERALL, item[0]))
    scores = earned(first, second, pairs, task)
    for score, values in scores.items():
        for part, places in ordered:
            counted = [place for place in places if place in values]
            if not counted:
                continue
            a, b = zip(*(values[place] for place in counted), strict=True)
            ours = [pairs[place][0] for place in counted]
            difference = paired_tests(a, b, clips(ours), weights(ours))
            yield Cell(second.folder.name, score, *part, difference, difference.p)
    if isinstance(task, HasCorpus):
        for score, difference in _corpus(pairs, task).items():
            if score not in scores:
                yield Cell(second.folder.name, score, OVERALL, OVERALL, difference, difference.p)


def _corpus(pairs: Sequence[tuple[Scored, Scored]], task: HasCorpus) -> dict[str, Difference]:
    """Of the figures that are no means of items, over the items that have a target."""
    kept = [pair for pair in pairs if pair[0].sample.has_reference]
    if not kept:
        return {}
    first, second = (task.corpus(side) for side in zip(*kept, strict=True))
    return corpus_difference(first, second, clips([row for row, _ in kept]))


def examples(first: Run, second: Run, task: Task, count: int) -> dict[str, list[tuple[Record, Record]]]:
    """Items that the second run wins and loses by the task's main score, the first `count` of each."""
    pairs = shared(first, second)
    values = earned(first, second, pairs, task)
    main = first.summary["main"]
    found: dict[str, list[tuple[Record, Record]]] = {"won": [], "lost": []}
    for place, (a, b) in (values[main] if main in values else next(iter(values.values()))).items():
        side = found["won" if b > a else "lost"]
        if a != b and len(side) < count:
            name = pairs[place][0].sample.id
            side.append((first.records[name], second.records[name]))
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
                signed(metric_json(cell.difference.difference)),
                "-" if cell.difference.won is None else f"{cell.difference.won} / {cell.difference.lost}",
                Markdown(f"{cell.p:.3g}" + (" *" if cell.p < SIGNIFICANT else "")),
            ]
            for cell in cells
            if cell.second == run.folder.name
        ]
        headers = ["score", "items", "n", base, name, "difference", "won / lost", "p (Holm)"]
        blocks.append(f"## {escape_markdown(f'{name} against {base}')}\n\n" + markdown(headers, rows))
    return "\n\n".join(blocks) + "\n"


def as_json(runs: Sequence[Run], cells: Sequence[Cell]) -> dict[str, Any]:
    return {"runs": [run.folder.name for run in runs], "cells": [asdict(cell) for cell in cells]}
