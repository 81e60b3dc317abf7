"""Noise ablations among the runs of a report: runs of one model on one task, with and without a condition."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alm_bench.core import AlmBenchError
from alm_bench.records.schema import Record
from alm_bench.reports.ablation import build_ablation_report, build_notes
from alm_bench.reports.blocks import Heading, Table, Text, convert_to_cell
from alm_bench.reports.html.document import ReportRun
from alm_bench.reports.html.links import Link, link_table, make_address
from alm_bench.reports.plots.pictures import build_condition_chart
from alm_bench.runner.ablation import compute_reasoning_effects, pair_items
from alm_bench.runner.conditions import Condition, create_condition
from alm_bench.scoring.grounding import Effect, build_missing_effect, compute_effects, compute_selection_share


def find_ablations(runs: Sequence[ReportRun]) -> Iterator[tuple[ReportRun, dict[str, list[ReportRun]]]]:
    """Yield pairs of a clean run and the runs of the same model, prompt and task under conditions.

    The runs under a condition are a list, one run per repeat, by the condition's name.
    """
    for clean in runs:
        if not clean.is_clean:
            continue
        changed: dict[str, list[ReportRun]] = {}
        for run in runs:
            if not run.is_clean and _get_settings(run) == _get_settings(clean):
                changed.setdefault(run.summary.condition, []).append(run)
        if changed:
            yield clean, changed


def _get_settings(run: ReportRun) -> tuple[Any, ...]:
    """Return the settings that the runs of an ablation have in common."""
    summary = run.summary
    model = summary.identity.label, summary.identity.weights
    return (
        summary.task,
        summary.revision,
        summary.split,
        summary.prompt.hash,
        summary.answer_by,
        summary.options,
        model,
    )


def build_ablation_view(clean: ReportRun, runs_by_condition: dict[str, list[ReportRun]]) -> dict[str, Any]:
    """Return the data for the page's section on an ablation: its title, tables of effects, notes and chart, and the
    names of the runs whose clips are played side by side.

    The runs under conditions are given by the condition's name, one run per repeat.
    """
    found: dict[str, dict[str, dict[str, Effect]]] = {}
    picked, levels = {}, {}
    reasoning: dict[str, Sequence[Sequence[Record]]] = {}
    for name, repeats in runs_by_condition.items():
        condition = _read_condition(name)
        levels[name] = None if condition is None else condition.level
        if clean.task is None or condition is None:
            found[name] = {"all": {"all": build_missing_effect("its task or condition is not installed")}}
        elif condition.changes_reasoning:
            reasoning[name] = [run.records for run in repeats]
        elif not condition.answerable:
            found[name] = {"all": {"all": build_missing_effect("the questions have no right answer")}}
            rows = [record.to_scored() for run in repeats for record in run.records if record.status != "skipped"]
            picked[name] = compute_selection_share(rows)
        else:
            pairs = pair_items(clean.records, [run.records for run in repeats])
            found[name] = compute_effects(clean.task, pairs, condition.keeps_evidence)
    if clean.task is not None:
        found |= compute_reasoning_effects(clean.task, clean.records, reasoning)
    blocks = build_ablation_report(clean.summary.task, clean.model, found, picked, details=True)
    addresses = {name: make_address("items", run=repeats[0].summary.run) for name, repeats in runs_by_condition.items()}
    addresses["clean"] = make_address("items", run=clean.summary.run)
    tables = [link_table(block, _make_condition_link(block, addresses)) for block in blocks if isinstance(block, Table)]
    overall = {name: groups["all"]["all"] for name, groups in found.items()}
    notes = [note.text.partition(" --json")[0] for note in build_notes([found])]
    return {
        "title": next((block.text for block in blocks if isinstance(block, Heading)), clean.summary.task),
        "tables": tables,
        "notes": [*(block.text for block in blocks if isinstance(block, Text)), *notes],
        "chart": build_condition_chart(clean.summary.task, clean.model, overall, levels, addresses),
        "data": {
            "clean": clean.summary.run,
            "changed": [run.summary.run for repeats in runs_by_condition.values() for run in repeats],
        },
    }


def _make_condition_link(table: Table, addresses: Mapping[str, str]) -> Link:
    """Return a function for `link_table`: it links each row that begins with a condition to the items of that
    condition.
    """
    return lambda row, _: addresses.get(convert_to_cell(table.rows[row][0]).text)


def _read_condition(name: str) -> Condition | None:
    """Return a condition; None for one of a package that is not installed."""
    try:
        return create_condition(name)
    except AlmBenchError:
        return None
