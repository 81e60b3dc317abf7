"""`alm-bench run`: models on tasks, resumed by itself, with tables at the end."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.output import print_blocks
from alm_bench.core import CACHE_MB, UsageError
from alm_bench.core.escape import print_notice

if TYPE_CHECKING:
    from alm_bench.records.run import Run
    from alm_bench.runner.dryrun import Forecast
    from alm_bench.runner.options import RunOptions


def run(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model's name, ORG/NAME of the hub, ./file.py:Class, or package.module:Class (repeatable: one after "
            "the other)."
        ),
    ] = None,
    tasks: Annotated[str | None, typer.Option(metavar="T[,T]", help="Tasks, comma-separated.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A suite of models and tasks (docs/suites.md) in place of both."),
    ] = None,
    data: common.DataChoice = "auto",
    split: Annotated[str | None, typer.Option(help="The task's first split where none.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N items of each task.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="N items of each task, drawn at random by --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For sampling, shuffles and random strategies.")] = 0,
    batch_size: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Items given to the model at once; fewer once memory does not suffice. auto: 8, then more as long as "
            "memory and time allow (with --executor ray: 8 and fewer).",
        ),
    ] = "8",
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode clips.")] = 2,
    cache_mb: Annotated[
        int,
        typer.Option(min=0, help="Memory for what questions about the same clips share; 0: each computes its own."),
    ] = CACHE_MB,
    executor: Annotated[
        str, typer.Option(metavar="local|ray", help="The model in this process, or in workers on a Ray cluster.")
    ] = "local",
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Workers of --executor ray, each with the model; 1 where none.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="auto|HOST:PORT", help="A Ray cluster; an own one on this machine where none.")
    ] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(min=0, help="GPUs of each worker of --executor ray, shares allowed; 0 where none.")
    ] = None,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    model_arg: common.ModelArg = None,
    task_arg: Annotated[
        list[str] | None, typer.Option(metavar="TASK.K=V", help="An option of a task (repeatable).")
    ] = None,
    label: common.Label = None,
    prompt: Annotated[str | None, typer.Option(help="A prompt set; the model's native one where none.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="The task's own limit where none.")] = None,
    decoding: Annotated[str, typer.Option(metavar="greedy|nucleus")] = "greedy",
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Of nucleus sampling.")] = 0.8,
    temperature: Annotated[float, typer.Option(min=0.01, max=100, help="Of nucleus sampling.")] = 1.0,
    answer_by: Annotated[
        str,
        typer.Option(
            metavar="generate|likelihood|both",
            help="The text that the model writes, the option that it finds likeliest, or both side by side.",
        ),
    ] = "generate",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="plain|caption-first",
            help="Ask at once, or first for a description of the clips, which then stands before the question.",
        ),
    ] = "plain",
    options: Annotated[
        str,
        typer.Option(metavar="given|shuffled|circular", help="The order of options; circular asks every rotation."),
    ] = "given",
    shuffles: Annotated[
        int | None, typer.Option(min=1, help="Orders of each question with --options shuffled; 1 where none.")
    ] = None,
    solvable_by: common.SolvableBy = None,
    answer_tag: common.AnswerTag = None,
    missing_audio: Annotated[
        str, typer.Option(metavar="error|skip", help="What an unusable clip makes of its item.")
    ] = "error",
    metrics: Annotated[
        str | None, typer.Option(metavar="M[,M]|all", help="Of tasks that are answered in sentences; all where none.")
    ] = None,
    max_failures: Annotated[str, typer.Option(metavar="N|P%", help="Failed items that exit status 0 allows.")] = "0",
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="USD", help="Ask no more once the answers of these runs cost so much."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print calls, minutes of audio, tokens and cost; ask nothing.")
    ] = False,
    out: common.Out = common.RUNS,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of going on.")] = False,
    details: common.Details = False,
    json_: common.Json = False,
) -> None:
    """Run a model on tasks and print the tables.

    A run of the same fingerprint (data, prompt, order of options, model, way of answering, decoding, seed, limit) is
    resumed where it stopped.
    """
    values = dict(locals())
    for name in ("model", "config", "dry_run", "json_", "details"):
        del values[name]
    evaluate(_members(model, config, values), dry_run, json_, details)


def _members(model: list[str] | None, config: Path | None, values: Mapping[str, Any]) -> "list[RunOptions]":
    """The evaluations that are asked for, a model each, or those of a suite. Raises UsageError."""
    from alm_bench.runner.options import RunOptions

    if config is not None:
        from alm_bench.suites import read_suite

        _check_alone(config, model, values)
        return read_suite(config, values["out"], values["fresh"])
    for name, value in (("--model", model), ("--tasks", values["tasks"])):
        if value is None:
            raise UsageError(f"Missing option '{name}' (or --config FILE, a suite)")
    return [RunOptions(model=name, **values) for name in dict.fromkeys(model or ())]


def _check_alone(config: Path, model: list[str] | None, values: Mapping[str, Any]) -> None:
    """Raises UsageError for options beside `--config` that belong into its file."""
    from dataclasses import fields

    from alm_bench.runner.options import RunOptions

    defaults = {field.name: field.default for field in fields(RunOptions)} | {"tasks": None}
    given = ["model"] if model else []
    given += [name for name, value in values.items() if name not in ("out", "fresh") and value != defaults[name]]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"{flags} beside --config {config}: expected only --dry-run, --out, --fresh and --json there, the rest "
            "belongs into the file"
        )


def evaluate(members: "Sequence[RunOptions]", dry_run: bool, json_: bool, details: bool) -> None:
    """Make the runs and print their tables, or print what they would take."""
    from alm_bench.cli.progress import Bars
    from alm_bench.evaluation import forecast_all, run_all
    from alm_bench.records.summary import document
    from alm_bench.reports import build_end, build_run, find_screen

    out, folder = sys.stdout, members[0].out
    form = find_screen(out).form

    def print_run(run: "Run") -> None:
        if not json_:
            print_blocks(build_run(run.summary, form, details=details, out=folder), end="\n\n", stream=out)

    with common.chatter_aside():
        forecasts = forecast_all(members) if dry_run else None
        outcome = run_all(members, Bars(), print_run) if forecasts is None else None
    if forecasts is not None:
        print_forecasts(forecasts, json_)
    if outcome is None:
        return
    if json_:
        common.print_json(document(outcome.summaries))
    else:
        print_blocks(build_end(outcome.summaries, form, out=folder))
    if outcome.interrupted:
        print_notice(describe_kept(members[0].fresh))
        raise typer.Exit(130)
    if outcome.failure is not None:
        print_notice(f"alm-bench: {outcome.failure}")
        raise typer.Exit(1)


def describe_kept(fresh: bool) -> str:
    """Say what an interruption leaves."""
    return f"all finished items are kept: the same command{' without --fresh' if fresh else ''} goes on from here"


def print_forecasts(forecasts: "Sequence[Forecast]", json_: bool) -> None:
    """Print what the runs would take."""
    from alm_bench.records.summary import document
    from alm_bench.runner import dryrun

    if json_:
        runs: list[Any] = [one.entry() for one in forecasts]
        common.print_json({**document(runs), "dry_run": True, "total": dryrun.total(forecasts)})
    else:
        from alm_bench.reports.forecast import build_forecast

        print_blocks([build_forecast([one.entry() for one in forecasts], dryrun.total(forecasts))])
