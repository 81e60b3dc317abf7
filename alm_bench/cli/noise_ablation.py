"""`alm-bench noise-ablation`: what is left of a score when the clips say nothing."""

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.run import describe_kept, print_forecasts, run
from alm_bench.core import UsageError
from alm_bench.core.escape import escape_markdown, escape_terminal, print_notice

if TYPE_CHECKING:
    from alm_bench.core import Adapter
    from alm_bench.evaluation import Job
    from alm_bench.runner.ablation import Measured


def noise_ablation(
    model: Annotated[
        str, typer.Option(help="A model's name, ORG/NAME of the hub, ./file.py:Class, or package.module:Class.")
    ],
    tasks: Annotated[
        str | None, typer.Option(metavar="T[,T]", help="Tasks, comma-separated; those of noise_grounding where none.")
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(
            metavar="C[,C]",
            help="gaussian, snr:DECIBELS, silence, swap, none, third:first|middle|last, no-gold, other-options; those "
            "of noise_grounding where none.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Draws of the noise and of the swaps.")] = 1,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The figure; noise-ablation-MODEL.png below --out where none."),
    ] = None,
    **options: Any,
) -> None:
    """Ask the same questions about clean clips and about noise, silence, other clips: does the model listen?

    Takes the options of `run`. Runs of the same fingerprint are not made again.
    """
    from alm_bench.cli.progress import Bars
    from alm_bench.grounding import measure_all, settle_ablations
    from alm_bench.runner.options import RunOptions

    dry_run, json_ = options.pop("dry_run"), options.pop("json_")
    if plot is not None and plot.suffix.lower() not in FIGURES:
        raise UsageError(f"--plot {plot}: expected a name that ends in {', '.join(FIGURES)}")
    asked = RunOptions(model=model, tasks=tasks or "", **options)
    with common.chatter_aside():
        settled = settle_ablations(asked, conditions, repeats)
    if dry_run:
        print_forecasts(settled.forecasts(), json_)
        return
    try:
        with common.chatter_aside():
            measured = measure_all(settled, Bars())
    except KeyboardInterrupt:
        print_notice(describe_kept(asked.fresh))
        raise typer.Exit(130) from None
    label = settled.adapter.identity.label
    _show(settled.jobs, measured, settled.adapter, json_)
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", label).strip("-")
    _plot(measured, plot or asked.out / f"noise-ablation-{name}.png", label)
    if failed := [reason for found in measured for reason in found.failed]:
        print_notice(f"alm-bench: {'; '.join(failed)}")
        raise typer.Exit(1)


FIGURES = (".png", ".pdf", ".svg")


def _show(jobs: "Sequence[Job]", measured: "Sequence[Measured]", adapter: "Adapter", json_: bool) -> None:
    from alm_bench.records.schema import metric_json
    from alm_bench.reports import ablation
    from alm_bench.reports.tables import cell

    if json_:
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
    theirs = [p for p in inspect.signature(run).parameters.values() if p.name not in (*named, "config")]
    first = [p for p in theirs if p.default is inspect.Parameter.empty]
    rest = [p for p in theirs if p.default is not inspect.Parameter.empty]
    command.__signature__ = inspect.Signature([*first, *own, *rest])
    command.__annotations__ = {p.name: p.annotation for p in (*first, *own, *rest)} | {"return": None}


_with_options_of_run(noise_ablation)
