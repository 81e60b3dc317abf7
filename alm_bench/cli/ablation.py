"""`alm-bench noise-ablation`: what is left of a score when the clips say nothing."""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.run import Asked, Job, plan_of, run, run_one, settle
from alm_bench.core import UsageError

if TYPE_CHECKING:
    from alm_bench.core import Adapter
    from alm_bench.records.ablation import Effect
    from alm_bench.records.schema import Record

DEFAULT = "gaussian,snr:20,snr:0,silence,swap,none"
Found = dict[tuple[str, str], "dict[str, dict[str, Effect]]"]
"""By task and condition: effects by grouping and key."""


def noise_ablation(
    conditions: Annotated[
        str, typer.Option(metavar="C[,C]", help="Also third:first|middle|last, no-gold, other-options.")
    ] = DEFAULT,
    repeats: Annotated[int, typer.Option(min=1, help="Draws of the noise and of the swaps.")] = 1,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score against SNR; noise-ablation.png below --out where none.")
    ] = None,
    **options: Any,
) -> None:
    """Ask the same questions about clean clips and about noise, silence, other clips: does the model listen?

    Takes the options of `run`. Runs of the same fingerprint are not made again.
    """
    from alm_bench.runner.conditions import Condition

    asked = Asked(**options)
    names = list(dict.fromkeys(name.strip() for name in conditions.split(",") if name.strip()))
    if not names:
        raise UsageError("--conditions names no condition")
    for name in names:
        Condition.read(name)
    jobs, adapter = settle(asked)
    if getattr(adapter, "stored", False):
        raise UsageError(f"{adapter.identity.label} answered the clean clips, and hears no others: name a model")
    with common.chatter_aside():
        found, picked = _measure(jobs, adapter, names, repeats, asked)
    _show(jobs, adapter, found, picked, asked)
    _plot(found, plot or asked.out / "noise-ablation.png", adapter.identity.label)


def _measure(
    jobs: Sequence[Job], adapter: "Adapter", names: Sequence[str], repeats: int, asked: Asked
) -> "tuple[Found, dict[tuple[str, str], Any]]":
    """The runs of every task, clean and under each condition, and what they differ by."""
    from alm_bench.records.ablation import effects, missing, pairs, picked
    from alm_bench.runner.conditions import OPTIONS, Condition

    found: Found = {}
    chosen: dict[tuple[str, str], Any] = {}
    for job in jobs:
        clean = _records(job, adapter, "clean", 0, asked)
        for name in names:
            draws = repeats if Condition.read(name).random else 1
            try:
                runs = [_records(job, adapter, name, repeat, asked) for repeat in range(draws)]
            except UsageError as error:  # a task of one clip has none to swap with; other tasks have
                found[job.spec.task, name] = {"all": {"all": missing(str(error))}}
                continue
            if name in OPTIONS:
                found[job.spec.task, name] = {"all": {"all": missing("the questions have no right answer")}}
                chosen[job.spec.task, name] = picked([record for run in runs for record in run])
            else:
                found[job.spec.task, name] = effects(job.task, pairs(clean, runs))
    return found, chosen


def _records(job: Job, adapter: "Adapter", condition: str, repeat: int, asked: Asked) -> "list[Record]":
    from alm_bench.records.store import read_records

    changed = replace(job, spec=replace(job.spec, condition=condition, repeat=repeat))
    plan = plan_of(changed, adapter, None)
    _, interrupted = run_one(plan, asked.out, asked.fresh, None)
    if interrupted:
        print("all finished items are kept: the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130)
    return read_records(asked.out / plan.run_id)[0]


def _show(
    jobs: Sequence[Job], adapter: "Adapter", found: Found, picked: "dict[tuple[str, str], Any]", asked: Asked
) -> None:
    from alm_bench.records import ablation
    from alm_bench.records.schema import metric_json
    from alm_bench.records.tables import cell

    if asked.json_:
        runs = []
        for (task, condition), groups in found.items():
            entry = ablation.as_json(task, condition, groups["all"]["all"])
            entry["groups"] = {
                grouping: {key: ablation.as_json(task, condition, effect) for key, effect in keys.items()}
                for grouping, keys in groups.items()
                if grouping != "all"
            }
            if (task, condition) in picked:
                entry["picked"] = metric_json(picked[task, condition])
            runs.append(entry)
        common.print_json({"model": adapter.identity.label, "runs": runs})
        return
    for job in jobs:
        task = job.spec.task
        mine = {condition: groups for (owner, condition), groups in found.items() if owner == task}
        demo = " (demo)" if job.spec.data == "demo" else ""
        print(f"## {task}{demo} · {adapter.identity.label}\n")
        listened = [
            (name, groups["all"]["all"]) for name, groups in mine.items() if (job.spec.task, name) not in picked
        ]
        if listened:
            print(ablation.table("condition", listened) + "\n")
        for name in mine:
            if (task, name) in picked:
                share = cell(metric_json(picked[task, name]), "share")
                print(f"{name}: an option is picked all the same in {share} % of the items.\n")
        measured = next((name for name, effect in listened if effect.verdict is not None), None)
        for grouping, keys in mine[measured].items() if measured is not None else ():
            if grouping != "all" and keys:
                print(ablation.table(f"{measured}: {grouping}", list(keys.items())) + "\n")
    print(
        "grounded: the drop lies above 0, and what is left does not beat the best blind row; partly: the former alone; "
        "not listening: otherwise. Intervals are 95 %, paired by item; --json has the breakdowns of every condition."
    )


def _plot(found: Found, file: Path, model: str) -> None:
    """Score against the ratio of clip to noise, where there are two points or more: clean, decibels, noise alone."""
    from alm_bench.core.files import storing

    curves: dict[str, list[tuple[float, float]]] = {}
    for (task, condition), groups in found.items():
        effect = groups["all"]["all"]
        if effect.verdict is None or effect.noise.value is None or effect.clean.value is None:
            continue
        if condition.startswith("snr:") or condition == "gaussian":
            curve = curves.setdefault(task, [(float("inf"), effect.clean.value)])
            decibels = float("-inf") if condition == "gaussian" else float(condition.removeprefix("snr:"))
            curve.append((decibels, effect.noise.value))
    if not curves:
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
    axes.set_title(model)
    axes.legend()
    with storing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=120, bbox_inches="tight")
    pyplot.close(figure)
    print(f"written to {file}", file=sys.stderr)


def _with_options_of_run(command: Any) -> None:
    """Give the command every option of `run` for its `**options`."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    theirs = list(inspect.signature(run).parameters.values())
    first = [p for p in theirs if p.default is inspect.Parameter.empty]
    rest = [p for p in theirs if p.default is not inspect.Parameter.empty]
    command.__signature__ = inspect.Signature([*first, *own, *rest])
    command.__annotations__ = {p.name: p.annotation for p in (*first, *own, *rest)} | {"return": None}


_with_options_of_run(noise_ablation)
