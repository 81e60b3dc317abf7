"""Leaderboards of collections: models by their macro mean and mean rank over several tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace

from alm_bench.core import Metric
from alm_bench.records.models import ItemScores
from alm_bench.records.run import Run
from alm_bench.reports.blocks import Block, Cell, Column, Heading, Row, Table, convert_to_cell
from alm_bench.reports.figures import build_difference_cell, build_metric_cell, format_value
from alm_bench.reports.provenance import format_option_order
from alm_bench.reports.ranking import (
    AGAINST_BEST,
    BEST,
    Section,
    TaskOf,
    get_comparison_settings,
    get_metric_value,
    mark_tie,
    read_accuracies,
)
from alm_bench.scoring.collection import CollectionScore, TaskItems, score_collection
from alm_bench.scoring.multiple_choice import compute_question_weights

ACCURACY = "accuracy"

NOTE = (
    "Macro mean: mean of the tasks' accuracies, in percent. Mean rank: 1 is the best; models with equal accuracies "
    "share their ranks. Intervals (95 %): bootstrap over clips within each task, the same draws for all models. Of "
    "several runs of a model, the best counts."
)


@dataclass(frozen=True, slots=True)
class Collection:
    """Tasks of a collection with comparable runs, and the models that have a run of each."""

    name: str
    """Name of the collection."""

    all_tasks: Sequence[str]
    """All tasks of the collection."""

    sections: Sequence[Section]
    """One set of comparable runs per task."""

    runs: Mapping[str, Sequence[Run]]
    """Best run of each task, by model, best macro mean first."""

    scores: Mapping[str, CollectionScore]
    """Result of each model, and of each text-only baseline."""

    baselines: Sequence[str]
    """Names of the text-only baselines in `scores`."""

    incomplete: Mapping[str, Sequence[str]]
    """Missing tasks of each model that is not ranked, by model."""

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks in `sections`."""
        return [section.members[0].summary.task for section in self.sections]

    @property
    def title(self) -> str:
        """Name, tasks and settings that deviate from the default."""
        summary = self.sections[0].members[0].summary
        parts = [f"Collection {self.name}" + (" (demo)" if summary.data == "demo" else "")]
        if len(self.tasks) < len(self.all_tasks):
            parts.append(f"{len(self.tasks)} of {len(self.all_tasks)} tasks")
        parts += [f"condition {summary.condition}"] if summary.condition != "clean" else []
        parts += [f"spoken by {summary.speech}"] if summary.speech is not None else []
        parts += [format_option_order(summary.options)] if summary.options != "given" else []
        parts += ["answered by likelihood"] if summary.answer_by == "likelihood" else []
        return " · ".join(parts)


def find_collections(
    sections: Sequence[Section], members: Mapping[str, Sequence[str]], task_of: TaskOf
) -> list[Collection]:
    """Return the collections of which at least two tasks have ranked runs. `members` are the tasks of each collection.

    Runs on demo and real data, and under different conditions or option orders, are not combined: each combination of
    these settings is a collection of its own. If a task has several sets of comparable runs, the set with most items is
    used. Sets without accuracy, because answers are withheld, are ignored. A collection is left out if some of its
    tasks are ranked by another metric than accuracy, since their scores have no common scale.
    """
    found = []
    for name, tasks in members.items():
        ranked = [section for section in sections if section.members and section.members[0].summary.task in tasks]
        if any(section.ranked_by != ACCURACY for section in ranked):
            continue
        by_settings: dict[tuple[Any, ...], dict[str, Section]] = {}
        valued = [section for section in ranked if get_metric_value(section.members[0], ACCURACY) is not None]
        for section in sorted(valued, key=_build_size_key):  # the last one of a task is the largest
            summary = section.members[0].summary
            by_settings.setdefault(get_comparison_settings(summary), {})[summary.task] = section
        for chosen in by_settings.values():
            if len(chosen) > 1:
                found.append(
                    _build_collection(name, tasks, [chosen[task] for task in tasks if task in chosen], task_of)
                )
    return found


def _build_size_key(section: Section) -> tuple[int, int]:
    """Return a sort key for the size of a section: the number of items of its best run, then the number of runs."""
    return section.members[0].summary.n, len(section.members)


def _build_collection(name: str, all_tasks: Sequence[str], sections: Sequence[Section], task_of: TaskOf) -> Collection:
    """Return the collection `name`: models with a run in every section are ranked, the others are `incomplete`.

    The second argument lists all tasks of the collection, `sections` holds the runs of those tasks that have runs, one
    section per task.
    """
    best = [{run.summary.model: run for run in reversed(section.members)} for section in sections]
    models = list(dict.fromkeys(model for runs in best for model in runs))
    tasks = [section.members[0].summary.task for section in sections]
    incomplete = {
        model: missing
        for model in models
        if (missing := [task for task, runs in zip(tasks, best, strict=True) if model not in runs])
    }
    ranked = [model for model in models if model not in incomplete]
    runs = {model: [each[model] for each in best] for model in ranked}
    items = [
        [read_accuracies(runs[model][number], task_of(task)) for model in ranked] for number, task in enumerate(tasks)
    ]
    baselines = _find_common_baselines(items) if ranked else []
    scores: dict[str, CollectionScore] = {}
    if ranked and all(_list_common_items(part) for part in items):
        scores = dict(zip(ranked, score_collection([_align_items(part) for part in items]), strict=True))
        with_baselines = [[*part, *(_convert_baseline_to_model(part[0], name) for name in baselines)] for part in items]
        results = score_collection([_align_items(part) for part in with_baselines])[len(ranked) :]
        scores |= dict(zip(baselines, results, strict=True))
    order = sorted(scores.keys() & runs.keys(), key=lambda model: (-(scores[model].macro_mean.value or 0), model))
    ordered = {model: runs[model] for model in order}
    return Collection(name, all_tasks, sections, ordered, scores, baselines, incomplete)


def _find_common_baselines(items: Sequence[Sequence[ItemScores]]) -> list[str]:
    """Return the text-only baselines that every task has, in the order of the first task."""
    first = items[0][0].baselines
    return [name for name in first if all(name in part[0].baselines for part in items)]


def _convert_baseline_to_model(scores: ItemScores, baseline: str) -> ItemScores:
    """Return the scores of a text-only baseline in place of the model's accuracy, so that it can be ranked."""
    return replace(scores, accuracy=scores.baselines[baseline])


def _list_common_items(models: Sequence[ItemScores]) -> list[str]:
    """Return the ids of the items that every run has, in the order of the first; a run may have skipped some."""
    others = [set(scores.ids) for scores in models[1:]]
    return [id for id in models[0].ids if all(id in ids for ids in others)]


def _align_items(models: Sequence[ItemScores]) -> TaskItems:
    """Return the scores of the models on their common items."""
    common = _list_common_items(models)
    rows = [dict(zip(scores.ids, scores.accuracy, strict=True)) for scores in models]
    position = {id: index for index, id in enumerate(models[0].ids)}
    chosen = [position[id] for id in common]
    weights = compute_question_weights([models[0].questions[index] for index in chosen])
    scores = np.array([[row[id] for id in common] for row in rows], dtype=np.float64)
    return TaskItems(scores, [models[0].clips[index] for index in chosen], np.array(weights))


def build_collection_table(collection: Collection) -> list[Block]:
    """Return the heading and the table of a collection: models by macro mean, then text-only baselines."""
    columns = [
        Column("model", overflow="middle"),
        Column("macro mean"),
        Column(AGAINST_BEST, 1),
        Column("mean rank", 1),
    ]
    columns += [Column(task, 2) for task in collection.tasks]
    rows: list[Row] = []
    for number, (model, runs) in enumerate(collection.runs.items()):
        score = collection.scores[model]
        against = convert_to_cell(BEST) if number == 0 else _build_difference_to_best_cell(score.against_best)
        values = [get_metric_value(run, ACCURACY) for run in runs]
        cells = [
            convert_to_cell("-") if value is None else convert_to_cell(format_value(value, ACCURACY))
            for value in values
        ]
        rows.append(
            [model, build_metric_cell(score.macro_mean, ACCURACY), against, _build_rank_cell(score.mean_rank), *cells]
        )
    for name in collection.baselines if collection.scores else ():
        means = build_metric_cell(collection.scores[name].macro_mean, ACCURACY)
        figures = [section.members[0].summary.baselines.get(name, {}).get(ACCURACY) for section in collection.sections]
        cells = [Cell((build_metric_cell(figure, ACCURACY).forms[-1],)) for figure in figures]
        rows.append([Cell((name,), style="baseline"), Cell((means.forms[-1],)), "-", "-", *cells])
    return [Heading(collection.title), Table(columns, rows, [*_list_notes(collection), NOTE], is_wide=True)]


def _list_notes(collection: Collection) -> list[str]:
    """Return notes on the data of each task, missing tasks, and models that are not ranked."""
    data = [f"{section.parts[0]}: {', '.join(section.parts[1:4])}" for section in collection.sections]
    notes = [f"Data: {'; '.join(data)}."]
    if absent := [task for task in collection.all_tasks if task not in collection.tasks]:
        notes.append(f"Without runs: {', '.join(absent)}.")
    if collection.incomplete:
        lacking = [f"{model} ({', '.join(tasks)})" for model, tasks in collection.incomplete.items()]
        notes.append(f"Not ranked, since runs are missing: {'; '.join(lacking)}.")
    return notes


def _build_difference_to_best_cell(metric: Metric) -> Cell:
    """Return the cell of the difference to the best macro mean, marked as a tie unless its interval is below 0."""
    cell = build_difference_cell(metric, ACCURACY)
    if metric.high is not None and metric.high < 0:
        return cell
    return mark_tie(cell)


def _build_rank_cell(metric: Metric) -> Cell:
    value = f"{metric.value:.2f}"
    interval = "" if metric.low is None or metric.high is None else f" [{metric.low:.2f}, {metric.high:.2f}]"
    return Cell(tuple(dict.fromkeys([value + interval, value])))


def build_collection_json(collection: Collection) -> dict[str, Any]:
    """Return a collection as a JSON object: its tasks, and one entry per ranked model and text-only baseline."""

    def build_model_json(name: str, score: CollectionScore) -> dict[str, Any]:
        figures = {"macro_mean": score.macro_mean, "mean_rank": score.mean_rank}
        return {"model": name, **{key: _build_metric_json(metric) for key, metric in figures.items()}}

    return {
        "collection": collection.name,
        "title": collection.title,
        "tasks": collection.tasks,
        "models": [
            {**build_model_json(model, collection.scores[model]), "runs": [run.folder.name for run in runs]}
            for model, runs in collection.runs.items()
        ],
        "baselines": [
            {"name": name, "macro_mean": _build_metric_json(collection.scores[name].macro_mean)}
            for name in (collection.baselines if collection.scores else ())
        ],
        "incomplete": {model: list(tasks) for model, tasks in collection.incomplete.items()},
    }


def _build_metric_json(metric: Metric) -> dict[str, float | int | None]:
    return {"value": metric.value, "low": metric.low, "high": metric.high, "n": metric.n}
