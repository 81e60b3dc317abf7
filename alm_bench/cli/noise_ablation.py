"""`alm-bench noise-ablation`: what is left of a score when the clips say nothing."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.asked import Asked, Tolerance
from alm_bench.cli.run import Job, foretell, kept, plan_of, run, run_one, settle
from alm_bench.core import UsageError
from alm_bench.core.escape import escape_markdown, escape_terminal, print_notice

if TYPE_CHECKING:
    from alm_bench.core import Adapter
    from alm_bench.records.schema import Record
    from alm_bench.runner import Plan, RunSpec
    from alm_bench.runner.ablation import Ablation, Measured
    from alm_bench.runner.budget import Budget
    from alm_bench.runner.executors import Executor
    from alm_bench.runner.fitting import Fit


def noise_ablation(
    tasks: Annotated[
        str | None, typer.Option(metavar="T[,T]", help="Tasks, comma-separated. [default: mmau,cle]")
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(
            metavar="C[,C]",
            help="gaussian, snr:DECIBELS, silence, swap, none, third:first|middle|last, no-gold, other-options. "
            "[default: those of the card noise_grounding]",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number of random draws of noise and swaps.")] = 1,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Plot file. [default: noise-ablation-MODEL.png in --out]"),
    ] = None,
    **options: Any,
) -> None:
    """Measure how much of a model's score depends on the audio, with noise, silence or other clips in its place.

    Takes the options of `run`. Finished runs with the same fingerprint are reused.
    """
    from alm_bench.plugins import catalogue
    from alm_bench.runner.ablation import measure
    from alm_bench.runner.conditions import Condition

    card = catalogue().ablations["noise_grounding"]
    asked = Asked(tasks=",".join(card.bases) if tasks is None else tasks, **options)
    told = card.conditions if conditions is None else conditions.split(",")
    names = list(dict.fromkeys(name.strip() for name in told if name.strip()))
    if not names:
        raise UsageError("--conditions names no condition")
    for name in names:
        Condition.read(name)
    if asked.solvable_by is not None:
        raise UsageError("--solvable-by belongs to run and score, expected none here")
    if plot is not None and plot.suffix.lower() not in FIGURES:
        raise UsageError(f"--plot {plot}: expected a name that ends in {', '.join(FIGURES)}")
    jobs, adapter = settle(asked)
    if getattr(adapter, "stored", False):
        raise UsageError(f"{adapter.identity.label} answered the clean clips, and hears no others: name a model")
    with common.chatter_aside():
        planned = [_settled(job, adapter, names, repeats) for job in jobs]  # what does not fit is met before any works
        budget = asked.budget()
        budget.check([one.clean for one in planned])
    if asked.dry_run:
        foretell([plan for one in planned for plan in one.plans], asked)
        return
    with common.chatter_aside(), asked.executing(adapter) as executor:
        answer = partial(_records, asked=asked, budget=budget, executor=executor)
        failure = partial(_failure, asked=asked)
        measured = [measure(one, answer, failure) for one in planned]
    _show(jobs, measured, adapter, asked)
    label = re.sub(r"[^A-Za-z0-9.-]+", "-", adapter.identity.label).strip("-")
    _plot(measured, plot or asked.out / f"noise-ablation-{label}.png", adapter.identity.label)
    if failed := [reason for found in measured for reason in found.failed]:
        print_notice(f"alm-bench: {'; '.join(failed)}")
        raise typer.Exit(1)


FIGURES = (".png", ".pdf", ".svg")


def _settled(job: Job, adapter: "Adapter", names: Sequence[str], repeats: int) -> "Ablation":
    from alm_bench.runner.ablation import settle_ablation

    def prepare(spec: "RunSpec", fit: "Fit | None") -> "Plan":
        return plan_of(replace(job, spec=spec), adapter, None, fit)

    return settle_ablation(job.spec, names, repeats, prepare)


def _failure(records: "Sequence[Record]", asked: Asked) -> str | None:
    """Why a run with more failed items than --max-failures allows shows nothing."""
    failed = [record.reason or "" for record in records if record.status == "error"]
    if not Tolerance.read(asked.max_failures).exceeded(len(failed), len(records)):
        return None
    return f"{len(failed)} of {len(records)} items failed, as: {failed[0][:120]}"


def _records(plan: "Plan", asked: Asked, budget: "Budget", executor: "Executor") -> "list[Record]":
    from alm_bench.records.store import read_records

    summary, interrupted = run_one(plan, asked, budget, executor)
    if interrupted:
        print_notice(kept(asked))
        raise typer.Exit(130)
    if summary["partial"]:
        print_notice(f"alm-bench: {budget.told(plan, sum(summary['status'].values()))}")
        raise typer.Exit(1)
    return read_records(asked.out / plan.run_id)[0]


def _show(jobs: Sequence[Job], measured: "Sequence[Measured]", adapter: "Adapter", asked: Asked) -> None:
    from alm_bench.records.schema import metric_json
    from alm_bench.reports import ablation
    from alm_bench.reports.tables import cell

    if asked.json_:
        runs = [entry for found in measured for entry in _entries(found)]
        common.print_json({"model": adapter.identity.label, "runs": runs})
        return
    for job, found in zip(jobs, measured, strict=True):
        demo = " (demo)" if job.spec.data == "demo" else ""
        print(f"## {escape_markdown(f'{found.task}{demo} · {adapter.identity.label}')}\n")
        listened = [(name, groups["all"]["all"]) for name, groups in found.effects.items() if name not in found.picked]
        if listened:
            score = next((effect.score for _, effect in listened if effect.clean.value is not None), "accuracy")
            print(ablation.table(f"condition ({score})", listened) + "\n")
        for name, metric in found.picked.items():
            share = cell(metric_json(metric), "share")
            print(f"{name}: an option is picked all the same in {share} % of the items.\n")
        first = next((name for name, effect in listened if effect.verdict is not None), None)
        for grouping, keys in found.effects[first].items() if first is not None else ():
            if grouping != "all" and keys:
                print(ablation.table(f"{first}: {grouping}", list(keys.items())) + "\n")
    print(
        "grounded: the drop lies above 0, and what is left does not beat the best blind row; partly: the former alone; "
        "not listening: otherwise. Intervals are 95 %, paired by item; --json has the breakdowns of every condition."
    )


def _entries(found: "Measured") -> list[dict[str, Any]]:
    """What `--json` says of a task: an entry a condition."""
    from alm_bench.records.schema import metric_json
    from alm_bench.reports import ablation

    entries = []
    for condition, groups in found.effects.items():
        entry = ablation.as_json(found.task, condition, groups["all"]["all"])
        entry["groups"] = {
            grouping: {key: ablation.as_json(found.task, condition, effect) for key, effect in keys.items()}
            for grouping, keys in groups.items()
            if grouping != "all"
        }
        if condition in found.picked:
            entry["picked"] = metric_json(found.picked[condition])
        entries.append(entry)
    return entries


def _plot(measured: "Sequence[Measured]", file: Path, model: str) -> None:
    """Score against the ratio of clip to noise: clean, decibels, noise alone."""
    from alm_bench.core.files import report_full_disk

    curves: dict[str, list[tuple[float, float]]] = {}
    for found in measured:
        for condition, groups in found.effects.items():
            effect = groups["all"]["all"]
            if effect.noise.value is None or effect.clean.value is None:
                continue
            if condition.startswith("snr:") or condition == "gaussian":
                curve = curves.setdefault(found.task, [(float("inf"), effect.clean.value)])
                decibels = float("-inf") if condition == "gaussian" else float(condition.removeprefix("snr:"))
                curve.append((decibels, effect.noise.value))
    if not curves:
        print_notice("no figure: it shows the conditions gaussian and snr:, none of which was measured")
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    levels = sorted({level for curve in curves.values() for level, _ in curve})
    names = {float("-inf"): "noise alone", float("inf"): "clean"}
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for task, curve in curves.items():
        points = sorted(curve)
        axes.plot([levels.index(level) for level, _ in points], [100 * v for _, v in points], marker="o", label=task)
    axes.set_xticks(range(len(levels)), [names.get(level, f"{level:g} dB") for level in levels])
    axes.set_xlabel("clip to noise")
    axes.set_ylabel("score, %")
    axes.set_ylim(bottom=0)
    axes.set_title(escape_terminal(model), parse_math=False)  # a name is no formula
    axes.legend()
    with report_full_disk(file, "--plot"):
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
    print_notice(f"written to {file}")


def _with_options_of_run(command: Any) -> None:
    """Give the command every option of `run` for its `**options`."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    named = {parameter.name for parameter in own}
    theirs = [p for p in inspect.signature(run).parameters.values() if p.name not in named]
    first = [p for p in theirs if p.default is inspect.Parameter.empty]
    rest = [p for p in theirs if p.default is not inspect.Parameter.empty]
    command.__signature__ = inspect.Signature([*first, *own, *rest])
    command.__annotations__ = {p.name: p.annotation for p in (*first, *own, *rest)} | {"return": None}


_with_options_of_run(noise_ablation)
