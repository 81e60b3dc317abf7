"""Paired comparison of finished runs with the first of them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from alm_bench.core import HasCorpus, Scored, ScoresItems, Task, UsageError
from alm_bench.records.run import Run
from alm_bench.records.schema import Record
from alm_bench.reports.blocks import Block, Column, Fields, Heading, Row, Table, Text
from alm_bench.reports.breakdowns import get_metric_heading
from alm_bench.reports.figures import build_difference_cell, format_value, sort_group_keys
from alm_bench.reports.provenance import format_prompt_name
from alm_bench.reports.reasoning import build_reasoning_comparison, compare_reasoning, convert_reasoning_to_json
from alm_bench.scoring.main_score import get_item_score
from alm_bench.scoring.metrics import get_metric_spec
from alm_bench.scoring.multiple_choice import compute_option_order_weights, has_score, list_clusters
from alm_bench.scoring.paired import POWER, Difference, adjust_by_holm, compare_corpus_metrics, compare_paired_scores

OVERALL = "all"
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """Comparison of one metric on one part of the items, between the first run and another run."""

    second: str
    """Name of the other run's folder."""

    score: str
    """Name of the metric."""

    grouping: str
    """Grouping of the task card such as `difficulty`; `all` for all items."""

    key: str
    """Value of the grouping; `all` for all items."""

    difference: Difference
    """Paired difference, other run minus first run."""

    p: float
    """p-value of the difference. Over all items it is uncorrected; for groups it is corrected (Holm) over the groups of
    the same metric and pair of runs.
    """


def check_comparability(runs: Sequence[Run], allow_differences: bool = False) -> None:
    """Raise UsageError if runs cannot be compared: runs of different tasks, or without common items.

    Unless different settings are allowed (`--different`), runs that differ in one of `SHARED_SETTINGS` or in the
    version of a metric cannot be compared either.
    """
    first = runs[0]
    for run in runs[1:]:
        names = f"{first.folder.name} and {run.folder.name}"
        for what, plural in SHARED_SETTINGS.items():
            ours, theirs = _read_setting(first, what), _read_setting(run, what)
            if ours != theirs and not (allow_differences and what != "task"):
                pairs = what != "task" and first.records.keys() & run.records.keys()
                advice = "pass --different to compare anyway" if pairs else f"expected runs of one {what}"
                raise UsageError(f"{names} used different {plural} ({ours}, {theirs}); {advice}")
        if not allow_differences:
            _check_metric_versions(first, run)
        if not any(pair_items(first, run)):
            raise UsageError(f"{names} have no item in common")


def _check_metric_versions(first: Run, second: Run) -> None:
    """Raise UsageError if a metric of both runs has different versions."""
    ours, theirs = first.summary.metric_versions, second.summary.metric_versions
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name]:
            raise UsageError(
                f"{first.folder.name} and {second.folder.name} used different versions of {name} ({ours[name]}, "
                f"{theirs[name]}); score both again, or pass --different to compare anyway"
            )


SHARED_SETTINGS = {
    "task": "tasks",
    "task options": "task options",
    "data revision": "data revisions",
    "prompt": "prompts",
    "parser": "parsers",
    "condition": "conditions",
    "spoken questions": "spoken questions",
    "option order": "option orders",
    "answer mode": "answer modes",
    "tokenizer": "tokenizers",
}
"""Settings that compared runs must have in common, with the plural of each for error messages."""


def _read_setting(run: Run, name: str) -> str:
    """Return the value of a setting of `SHARED_SETTINGS` as text."""
    summary = run.summary
    by = "likelihood" if summary.answer_by == "likelihood" else "text"  # mode `both` parses the text, too
    settings = {
        "task": summary.task,
        "task options": " ".join(f"{key}={value}" for key, value in summary.task_options.items()) or None,
        "data revision": summary.revision,
        "prompt": " ".join(filter(None, (format_prompt_name(summary.prompt), summary.prompt.hash))),
        "parser": summary.parser,
        "condition": " ".join(filter(None, (summary.condition, summary.condition_version))),
        "spoken questions": summary.speech,
        "option order": summary.options,
        "answer mode": by,
        "tokenizer": summary.tables.get("tokenizer"),
    }
    return str(settings[name])


def _list_common_metrics(first: Run, second: Run) -> list[str]:
    """Return the metrics that have a value in both runs; a metric that was not computed does not count as 0."""
    had = [
        {name for name, metric in run.summary.metrics.items() if metric.value is not None} for run in (first, second)
    ]
    return sorted(had[0] & had[1])


PairScores = dict[str, dict[int, tuple[float, float]]]
"""Scores of item pairs: for each metric and each index of a pair, the score in the first and in the second run."""


def compute_pair_scores(first: Run, second: Run, pairs: Sequence[tuple[Scored, Scored]], task: Task) -> PairScores:
    """Return pairs of item scores, one of each run, by metric and by index into `pairs`.

    Only metrics that have a value in both runs, and scores of single items, are returned. Scores that the task computes
    for several items at once (`scores_of`) take precedence over scores in the records.
    """
    names = _list_common_metrics(first, second)
    found: PairScores = {}
    if isinstance(task, ScoresItems):
        places = [place for place, (row, _) in enumerate(pairs) if row.sample.target]
        sides = [task.scores_of([pairs[place][side] for place in places], names) if places else {} for side in (0, 1)]
        for name in sides[0].keys() & sides[1].keys():
            found[name] = dict(zip(places, zip(sides[0][name], sides[1][name], strict=True), strict=True))
    for name in names:
        if name not in found:
            counted = {place: pair for place, pair in enumerate(pairs) if has_score(name, pair)}
            graded = {
                p: (get_item_score(task, name, a), get_item_score(task, name, b)) for p, (a, b) in counted.items()
            }
            if any(name in row.scores for pair in pairs for row in pair):
                found[name] = graded
    return dict(sorted(found.items()))


def compare_runs(runs: Sequence[Run], task: Task) -> list[MetricComparison]:
    """Compare each run after the first with the first, for each metric, over all items and by group.

    The difference over all items is the primary test. Raises UsageError for runs without a common metric.
    """
    cells = []
    for run in runs[1:]:
        found = list(_compare_run(runs[0], run, task))
        if not found:
            names = f"{runs[0].folder.name} and {run.folder.name}"
            raise UsageError(f"{names} have no score in common (answers that are withheld have none)")
        cells += found
    families: dict[tuple[str, str], list[int]] = {}
    for index, cell in enumerate(cells):
        if cell.grouping != OVERALL:
            families.setdefault((cell.second, cell.score), []).append(index)
    for family in families.values():
        for index, p in zip(family, adjust_by_holm([cells[index].p for index in family]), strict=True):
            cells[index] = replace(cells[index], p=p)
    return cells


def format_conclusion(runs: Sequence[Run], comparisons: Sequence[MetricComparison], second: Run) -> str | None:
    """Return one sentence: the better one of the first run and `second` by the main metric over all items, or that no
    difference was found. Returns None if the runs do not have the metric in common."""
    main = runs[0].summary.main
    cell = next(
        (
            cell
            for cell in comparisons
            if (cell.second, cell.score, cell.grouping) == (second.folder.name, main, OVERALL)
        ),
        None,
    )
    if cell is None:
        return None
    found = cell.difference
    figures = (
        f"{format_value(found.first, main)} vs {format_value(found.second, main)}, "
        f"{build_difference_cell(found.difference, main).text}, p = {found.p:.2g}"
    )
    if found.won is not None:
        figures += f", {found.won} gained, {found.lost} lost"
    if cell.p < SIGNIFICANT:
        second_is_better = ((found.difference.value or 0.0) > 0) == get_metric_spec(main).higher_is_better
        return f"{name_models(runs[0], second)[int(second_is_better)]} is better: {figures}."
    if found.detectable is not None:
        detectable = format_value(found.detectable, main)
        figures += f"; a difference of {detectable} would have been detected with {100 * POWER:.0f} % power"
    return f"No reliable difference: {figures}."


def name_models(first: Run, second: Run) -> tuple[str, str]:
    """Return names for two runs: their models, or their folders if the models are the same."""
    names = first.summary.model, second.summary.model
    return names if names[0] != names[1] else (first.folder.name, second.folder.name)


def pair_items(first: Run, second: Run) -> list[tuple[Scored, Scored]]:
    """Return pairs of the items that both runs have, in the first run's order.

    If questions were asked in several option orders, each order is an item of its own.
    """
    names = [
        name
        for name, record in first.records.items()
        if name in second.records and _get_option_order(record) == _get_option_order(second.records[name])
    ]
    names.sort(key=lambda name: first.records[name].index)
    return [(first.records[name].to_scored(), second.records[name].to_scored()) for name in names]


def _get_option_order(record: Record) -> tuple[int, ...] | None:
    """Return the option order of an item if its question was asked in several orders, else None.

    Items of questions that were asked only once are paired even if the two runs used different orders.
    """
    arranged = record.sample.arranged
    return arranged.order if arranged is not None and arranged.count > 1 else None


def _compare_run(first: Run, second: Run, task: Task) -> Iterator[MetricComparison]:
    """Yield the comparisons of two runs by each metric, over all items and by group. No p-value is corrected yet."""
    pairs = pair_items(first, second)
    groupings = list(
        dict.fromkeys(grouping for row, _ in pairs for grouping in row.sample.groups if grouping != "clip")
    )
    parts = {(OVERALL, OVERALL): list(range(len(pairs)))}
    for grouping in groupings:
        for place, (row, _) in enumerate(pairs):
            if (key := row.sample.groups.get(grouping)) is not None:
                parts.setdefault((grouping, key), []).append(place)
    keys = {grouping: sort_group_keys(sorted(key for name, key in parts if name == grouping)) for grouping, _ in parts}
    ordered = sorted(
        parts.items(), key=lambda item: (item[0][0] != OVERALL, item[0][0], keys[item[0][0]].index(item[0][1]))
    )
    scores = compute_pair_scores(first, second, pairs, task)
    for score, values in scores.items():
        for part, places in ordered:
            counted = [place for place in places if place in values]
            if not counted:
                continue
            a, b = zip(*(values[place] for place in counted), strict=True)
            ours = [pairs[place][0] for place in counted]
            difference = _orient_difference(
                compare_paired_scores(a, b, list_clusters(ours), compute_option_order_weights(ours)), score
            )
            yield MetricComparison(second.folder.name, score, *part, difference, difference.p)
    if isinstance(task, HasCorpus):
        for score, difference in _compare_corpus_metrics(pairs, task).items():
            if score not in scores:
                yield MetricComparison(second.folder.name, score, OVERALL, OVERALL, difference, difference.p)


def _orient_difference(difference: Difference, metric_name: str) -> Difference:
    """Return the difference with `won` and `lost` swapped if lower values of the metric are better."""
    if get_metric_spec(metric_name).higher_is_better:
        return difference
    return replace(difference, won=difference.lost, lost=difference.won)


def _compare_corpus_metrics(pairs: Sequence[tuple[Scored, Scored]], task: HasCorpus) -> dict[str, Difference]:
    """Compare two runs by metrics that are computed on all answers at once and are not means over items.

    Return the differences by metric, computed on the items with a reference answer.
    """
    kept = [pair for pair in pairs if pair[0].sample.has_reference]
    if not kept:
        return {}
    first, second = (task.corpus(side) for side in zip(*kept, strict=True))
    return compare_corpus_metrics(first, second, list_clusters([row for row, _ in kept]))


def select_examples(first: Run, second: Run, task: Task, count: int) -> dict[str, list[tuple[Record, Record]]]:
    """Return the first `count` items that the second run wins, and those that it loses, by the task's main metric.

    The keys of the result are `won` and `lost`. Each item is a pair of records, one of each run.
    """
    pairs = pair_items(first, second)
    values = compute_pair_scores(first, second, pairs, task)
    main = first.summary.main if first.summary.main in values else next(iter(values))
    higher = get_metric_spec(main).higher_is_better
    found: dict[str, list[tuple[Record, Record]]] = {"won": [], "lost": []}
    for place, (a, b) in values[main].items():
        side = found["won" if (b > a) == higher else "lost"]
        if a != b and len(side) < count:
            name = pairs[place][0].sample.id
            side.append((first.records[name], second.records[name]))
    return found


def build_comparison_report(runs: Sequence[Run], comparisons: Sequence[MetricComparison]) -> list[Block]:
    """Return a conclusion and a table for each run after the first; p-values below 0.05 are marked with a star.

    A table on reasoning follows if any run has reasoning.
    """
    blocks: list[Block] = []
    for run in runs[1:]:
        base, name = name_models(runs[0], run)
        said = format_conclusion(runs, comparisons, run)
        rows = [_build_row(cell) for cell in comparisons if cell.second == run.folder.name]
        columns = [
            Column("metric", overflow="end", least=14),
            Column("items", overflow="end", least=14),
            Column("n", 2),
            Column(base, is_name=True),
            Column(name, is_name=True),
            Column("difference"),
            Column("gained / lost", 3),
            Column("p"),
        ]
        note = (
            "difference: second minus first, 95 % interval, paired by item; *: p < 0.05. The p-value over all items is "
            "uncorrected; those of groups are corrected (Holm) over the groups of their metric."
        )
        blocks.append(Heading(f"{name} against {base}", name=max(name, base, key=len)))
        blocks += [Text(said)] if said else []
        blocks.append(Table(columns, rows, [note]))
    if figures := compare_reasoning(runs):
        blocks.append(build_reasoning_comparison([run.folder.name for run in runs], figures))
    return blocks


def _build_row(cell: MetricComparison) -> Row:
    found, score = cell.difference, cell.score
    return [
        get_metric_heading(score),
        cell.key if cell.grouping == OVERALL else f"{cell.grouping}: {cell.key}",
        found.difference.n,
        format_value(found.first, score),
        format_value(found.second, score),
        build_difference_cell(found.difference, score),
        "-" if found.won is None else f"{found.won} / {found.lost}",
        f"{cell.p:.3g}" + (" *" if cell.p < SIGNIFICANT else ""),
    ]


def build_example(outcome: str, first_record: Record, second_record: Record, names: tuple[str, str]) -> list[Block]:
    """Return a block with one item that the runs answer differently: the reference and both answers.

    `outcome` is `won` or `lost`, the outcome of the second run on this item. The records and `names` are those of the
    first and of the second run.
    """
    sample = first_record.sample
    reference = sample.gold if sample.target is None or not sample.choices else sample.choices[sample.target]
    if sample.targets is not None:
        reference = " + ".join(sample.choices[index] for index in sample.targets)
    answers = [
        f"{name}: {_format_answer(record)}" for name, record in zip(names, (first_record, second_record), strict=True)
    ]
    lines = [f"reference: {reference}", *answers]
    return [
        Fields([("", line) for line in lines], title=f"{outcome} by {names[1]}: {sample.id}: {first_record.prompt}")
    ]


def _format_answer(record: Record) -> str:
    """Return the generated text, or the option with the highest likelihood if no text was generated."""
    if record.text is None and record.parsed is not None:
        return f"{record.parsed.value!r} (by likelihood)"
    return repr(record.text)


def build_comparison_json(runs: Sequence[Run], comparisons: Sequence[MetricComparison]) -> dict[str, Any]:
    return {
        "runs": [run.folder.name for run in runs],
        "conclusions": [format_conclusion(runs, comparisons, run) for run in runs[1:]],
        "cells": [asdict(cell) for cell in comparisons],
        **({"reasoning": convert_reasoning_to_json(figures)} if (figures := compare_reasoning(runs)) else {}),
    }
