"""`alm-bench noise-ablation`: measure how scores change if the audio, or the model's own reasoning, is changed."""

import inspect
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_conditions, complete_tasks
from alm_bench.cli.output import print_blocks
from alm_bench.cli.run import check_report_name, describe_resume, print_forecasts, run, write_html_report
from alm_bench.core import UsageError
from alm_bench.core.escape import print_error, print_notice

if TYPE_CHECKING:
    from alm_bench.grounding import PlannedAblations
    from alm_bench.runner.ablation import AblationResult


def noise_ablation(
    model: common.ModelOption,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="T[,T]",
            help="Tasks or collections, comma-separated. [default: those of the card noise_grounding: mmau,cle]",
            autocompletion=complete_tasks,
        ),
    ] = None,
    conditions: Annotated[
        str | None,
        typer.Option(
            metavar="C[,C]",
            help="Conditions, comma-separated: `alm-bench ls conditions` lists them. [default: those marked there]",
            autocompletion=complete_conditions,
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Number of random draws of noise and swaps.")] = 1,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Plot (.png, .pdf or .svg). [default: noise-ablation-MODEL.png in --out]"),
    ] = None,
    **options: Any,
) -> None:
    """Measure how much of a score depends on the audio.

    The same questions are asked about noise, silence or other clips. Conditions `cot:` change the model's own chain of
    thought instead, and show if its answers depend on it. Takes the options of `run`. Finished runs with the
    same fingerprint are reused.
    """
    from alm_bench.cli.progress import ConsoleProgress
    from alm_bench.grounding import plan_ablations, run_ablations
    from alm_bench.records.run import is_finished
    from alm_bench.reports.plots.files import FORMATS
    from alm_bench.runner.options import RunOptions

    dry_run, json_, details, report = (options.pop(name) for name in ("dry_run", "json_", "details", "report"))
    check_report_name(report, "--report")
    if plot is not None and plot.suffix.lower().removeprefix(".") not in FORMATS:
        raise UsageError(f"--plot {plot}: expected a name that ends in .{', .'.join(FORMATS)}")
    options["map"] = common.join_column_maps(options.pop("map_"))
    asked = RunOptions(model=model, tasks=tasks or "", **options)
    with ExitStack() as opened:  # its end closes the model
        with common.redirect_model_output():
            settled = opened.enter_context(plan_ablations(asked, conditions, repeats))
        if dry_run:
            print_forecasts(settled.build_forecasts(), json_)
            return
        try:
            with common.redirect_model_output():
                measured = run_ablations(settled, ConsoleProgress())
        except KeyboardInterrupt:
            print_error(describe_resume(asked.fresh))
            raise typer.Exit(130) from None
    label = settled.adapter.identity.label
    _print_effects(settled, measured, json_, details)
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", label).strip("-")
    _write_plot(measured, plot or asked.out / f"noise-ablation-{name}.png", label)
    if report is not None:
        plans = [plan for found in measured for plan in found.plans]
        write_html_report(report, [folder for plan in plans if is_finished(folder := asked.out / plan.run_id)], json_)
    if failed := [reason for found in measured for reason in found.failed]:
        print_error(f"alm-bench: {'; '.join(failed)}")
        raise typer.Exit(1)


def _print_effects(
    planned_ablations: "PlannedAblations", results: "Sequence[AblationResult]", json_: bool, details: bool
) -> None:
    """Print the effects of all tasks, as JSON or as tables."""
    from alm_bench.reports import detect_screen
    from alm_bench.reports.ablation import build_ablation_report, build_notes, build_task_json
    from alm_bench.reports.provenance import format_task_with_revision

    model = planned_ablations.adapter.identity.label
    if json_:
        runs = [
            entry for found in results for entry in build_task_json(found.task, found.effects, found.selection_shares)
        ]
        common.print_json({"model": model, "runs": runs})
        return
    details = details or detect_screen(sys.stdout).form == "markdown"
    for job, planned, found in zip(planned_ablations.jobs, planned_ablations.tasks, results, strict=True):
        demo = " (demo)" if job.spec.data == "demo" else ""
        speech = planned.clean.header.speech
        spoken = "" if speech is None else f" [spoken by {speech}]"
        title = format_task_with_revision(found.task, job.data.version() or "") + spoken + demo
        print_blocks(build_ablation_report(title, model, found.effects, found.selection_shares, details), end="\n\n")
    print_blocks(build_notes(found.effects for found in results))


def _write_plot(results: "Sequence[AblationResult]", file: Path, model: str) -> None:
    """Write a plot of the effects to `file` and print its path. Without a score to plot, print only a note."""
    from alm_bench.reports.plots.files import write_ablation_picture
    from alm_bench.runner.conditions import create_condition

    effects = {found.task: {name: groups["all"]["all"] for name, groups in found.effects.items()} for found in results}
    levels = {name: create_condition(name).level for found in effects.values() for name in found}
    written = write_ablation_picture(effects, levels, model, file)
    print_notice(f"written to {file}" if written else "no figure: no condition has a score")


_NOT_TAKEN = ("config", "judge", "judge_preset", "judge_repeats", "calibrate")
"""Options of `run` that an ablation does not have: it compares scores by rules."""


def _add_run_options(command: Any) -> None:
    """Add every option of `run` to the command's signature; the command receives them in `**options`."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    named = {parameter.name for parameter in own}
    theirs = [p for p in inspect.signature(run).parameters.values() if p.name not in (*named, *_NOT_TAKEN)]
    first = [p for p in theirs if p.default is inspect.Parameter.empty]
    rest = [p for p in theirs if p.default is not inspect.Parameter.empty]
    command.__signature__ = inspect.Signature([*first, *own, *rest])
    command.__annotations__ = {p.name: p.annotation for p in (*first, *own, *rest)} | {"return": None}


_add_run_options(noise_ablation)
