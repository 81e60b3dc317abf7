"""`alm-bench run`: run models on tasks, resume stored runs, and print the results."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import (
    build_choices_completer,
    complete_metrics,
    complete_models,
    complete_suites,
    complete_tasks,
)
from alm_bench.cli.output import print_blocks
from alm_bench.core import CACHE_MB, UsageError
from alm_bench.core.escape import print_error, print_notice
from alm_bench.records.find import RUNS

if TYPE_CHECKING:
    from alm_bench.records.run import Run
    from alm_bench.runner.dryrun import Forecast
    from alm_bench.runner.options import RunOptions


def run(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M",
            help=f"{common.NAMES_OF_MODELS[:-1]} (repeatable).",
            autocompletion=complete_models,
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="T[,T]",
            help="Tasks, collections, and files of your own (./birds.csv), comma-separated.",
            autocompletion=complete_tasks,
        ),
    ] = None,
    map_: common.ColumnMap = None,
    audio_root: common.AudioRoot = None,
    kind: common.Kind = None,
    group_by: common.GroupBy = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Suite of models and tasks (docs/suites.md).", autocompletion=complete_suites
        ),
    ] = None,
    data: common.DataChoice = "auto",
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Split. [default: the task's first]")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Use only the first N items of each task.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Use a random sample of N items, stratified by the task's groups (see --seed)."
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Seed of all random draws: --sample, option orders, sampled tokens, random baselines.",
        ),
    ] = 0,
    batch_size: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            autocompletion=build_choices_completer("auto"),
            help="Batch size; halved automatically on out-of-memory. auto: begin with 8 and grow while "
            "memory and time allow (with --executor ray: never grow).",
        ),
    ] = "8",
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Number of threads that decode clips.")] = 2,
    cache_mb: Annotated[
        int,
        typer.Option(min=0, metavar="MB", help="Cache for questions about the same clips; 0: no cache."),
    ] = CACHE_MB,
    executor: Annotated[
        str,
        typer.Option(
            metavar="local|ray",
            help="Run the model in this process or in workers on a Ray cluster.",
            autocompletion=build_choices_completer("local", "ray"),
        ),
    ] = "local",
    replicas: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Workers of --executor ray, each with the model. [default: 1]"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="auto|HOST:PORT", help="Address of a Ray cluster. [default: start one locally]"),
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(min=0, metavar="N", help="GPUs (or a fraction) per worker of --executor ray. [default: 0]"),
    ] = None,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    model_arg: common.ModelArg = None,
    task_arg: Annotated[
        list[str] | None, typer.Option(metavar="TASK.K=V", help="Option of one of the tasks (repeatable).")
    ] = None,
    label: common.Label = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Prompt set: native, letters or bare (docs/adapters.md). [default: the model's preferred one]",
        ),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Token limit of an answer. [default: the task's]")
    ] = None,
    decoding: Annotated[
        str,
        typer.Option(
            metavar="greedy|nucleus|top-k|beam",
            help="Decoding method.",
            autocompletion=build_choices_completer("greedy", "nucleus", "top-k", "beam"),
        ),
    ] = "greedy",
    top_p: Annotated[float, typer.Option(min=0, max=1, metavar="P", help="Top-p of nucleus sampling.")] = 0.8,
    temperature: Annotated[
        float, typer.Option(min=0.01, max=100, metavar="T", help="Temperature of nucleus and top-k sampling.")
    ] = 1.0,
    top_k: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Number of tokens that top-k sampling draws from. [default: 50]"),
    ] = None,
    beams: Annotated[int | None, typer.Option(min=2, metavar="N", help="Beams of beam search. [default: 4]")] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            min=-10,
            max=10,
            metavar="A",
            help="Beam search: answers are ranked by log-probability / length^A. [default: 1]",
        ),
    ] = None,
    answer_by: Annotated[
        str,
        typer.Option(
            metavar="generate|likelihood|both",
            autocompletion=build_choices_completer("generate", "likelihood", "both"),
            help="Score the generated text, the option with the highest log-likelihood, or both.",
        ),
    ] = "generate",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="plain|caption-first",
            autocompletion=build_choices_completer("plain", "caption-first"),
            help="Ask directly, or describe-then-answer: ask for a description of the clips first.",
        ),
    ] = "plain",
    options: Annotated[
        str,
        typer.Option(
            metavar="given|shuffled|circular",
            help="Option order; circular: every rotation (CircularEval).",
            autocompletion=build_choices_completer("given", "shuffled", "circular"),
        ),
    ] = "given",
    shuffles: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Orders per question with --options shuffled. [default: 1]")
    ] = None,
    solvable_by: common.SolvableBy = None,
    answer_tag: common.AnswerTag = None,
    speak: Annotated[
        str | None,
        typer.Option(
            metavar="espeak-ng[:VOICE]|COMMAND",
            help="Ask by voice: the question is a clip that a speech synthesiser makes (docs/speech.md).",
        ),
    ] = None,
    also_written: Annotated[
        bool, typer.Option("--also-written", help="With --speak: give the question as text, too.")
    ] = False,
    missing_audio: Annotated[
        str,
        typer.Option(
            metavar="error|skip",
            help="How to treat items whose clip is missing or unreadable.",
            autocompletion=build_choices_completer("error", "skip"),
        ),
    ] = "error",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="M[,M]|all",
            help="Metrics for captioning and open-ended tasks. [default: all]",
            autocompletion=complete_metrics,
        ),
    ] = None,
    judge: common.JudgeModel = None,
    judge_preset: common.JudgePresetName = "qa",
    judge_repeats: common.JudgeRepeats = 1,
    calibrate: common.Calibrate = None,
    max_failures: Annotated[str, typer.Option(metavar="N|P%", help="Exit 0 if at most this many items fail.")] = "0",
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="USD", help="Stop sending requests once the runs have cost this much (USD)."),
    ] = None,
    track: common.Track = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate calls, minutes of audio, tokens and cost; send no request.")
    ] = False,
    out: common.Out = RUNS,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write an offline HTML report of the finished runs (see `report`)."),
    ] = None,
    details: common.Details = False,
    json_: common.Json = False,
) -> None:
    """Run models on tasks and print the results.

    Answers are stored in a folder per run. A run with the same fingerprint (data, prompt, option order, model, answer
    mode, decoding, seed, limit) is resumed.
    """
    values = dict(locals())
    for name in ("model", "config", "dry_run", "json_", "details", "report"):
        del values[name]
    check_report_name(report, "--report")
    values["map"] = common.join_column_maps(values.pop("map_"))
    evaluate(_list_evaluations(model, config, values), dry_run, json_, details, report)


def _list_evaluations(model: list[str] | None, config: Path | None, values: Mapping[str, Any]) -> "list[RunOptions]":
    """Return the evaluations to run: one per model, or those of the suite in `config`. Raises UsageError."""
    from alm_bench.runner.options import RunOptions

    if config is not None:
        from alm_bench.suites import read_suite

        _check_config_options(config, model, values)
        return read_suite(config, values["out"], values["fresh"])
    for name, value in (("--model", model), ("--tasks", values["tasks"])):
        if value is None:
            raise UsageError(f"Missing option '{name}' (or --config FILE, a suite)")
    return [RunOptions(model=name, **values) for name in dict.fromkeys(model or ())]


def _check_config_options(config: Path, model: list[str] | None, values: Mapping[str, Any]) -> None:
    """Raise UsageError for options besides `--config` that can only be set in its file."""
    from dataclasses import fields

    from alm_bench.runner.options import RunOptions

    defaults = {field.name: field.default for field in fields(RunOptions)} | {"tasks": None}
    given = ["model"] if model else []
    given += [name for name, value in values.items() if name not in ("out", "fresh") and value != defaults[name]]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"{flags} beside --config {config}: expected only --dry-run, --out, --fresh, --report and --json there, "
            "the rest belongs in the file"
        )


def evaluate(
    members: "Sequence[RunOptions]", dry_run: bool, json_: bool, details: bool, report: Path | None = None
) -> None:
    """Run the evaluations and print their results, or with `dry_run` print estimates of calls, tokens and cost.

    `report` is the path of the HTML report of the finished runs; None for no report.
    """
    from alm_bench.cli.progress import ConsoleProgress
    from alm_bench.evaluation import forecast_evaluations, run_evaluations
    from alm_bench.records.models import build_runs_json
    from alm_bench.reports import detect_screen
    from alm_bench.reports.run_report import build_closing_blocks, build_run_report

    out, folder = sys.stdout, members[0].out
    form = detect_screen(out).form

    def print_run(run: "Run") -> None:
        if not json_:
            print_blocks(build_run_report(run.summary, form, details=details, out=folder), end="\n\n", stream=out)

    with common.redirect_model_output():
        forecasts = forecast_evaluations(members) if dry_run else None
        outcome = run_evaluations(members, ConsoleProgress(), print_run) if forecasts is None else None
    if forecasts is not None:
        print_forecasts(forecasts, json_)
    if outcome is None:
        return
    if json_:
        common.print_json(build_runs_json(outcome.summaries))
    else:
        print_blocks(build_closing_blocks(outcome.summaries, form, out=folder))
    if report is not None:
        write_html_report(report, [run.folder for run in outcome.runs if not run.summary.partial], json_)
    if outcome.interrupted:
        print_error(describe_resume(members[0].fresh))
        raise typer.Exit(130)
    if outcome.failure is not None:
        print_error(f"alm-bench: {outcome.failure}")
        raise typer.Exit(1)


def check_report_name(path: Path | None, option: str) -> None:
    """Raise UsageError if the path of a report does not end in .html or .htm. `option` names the option in messages."""
    if path is not None and path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{option} {path}: expected a name that ends in .html")


def write_html_report(path: Path, folders: Sequence[Path], json_: bool) -> None:
    """Write the HTML report of finished runs and print its path, on standard error if the command prints JSON."""
    if not folders:
        print_notice("no report: no run is finished")
        return
    from alm_bench.html_report import ReportOptions, write_report

    with common.redirect_model_output():
        written = write_report(folders, path, ReportOptions(events=True))
    if json_:
        print_notice(f"report: {written.path}")
    else:
        print(f"\nReport ({written.size / 1e6:.1f} MB, open it in a browser):\n{written.path}")


def describe_resume(fresh: bool) -> str:
    """Return a line for an interrupted run: which items are stored, and how to resume.

    `fresh` is True if the command had the option `--fresh`.
    """
    return f"all finished items are kept: the same command{' without --fresh' if fresh else ''} resumes the run"


def print_forecasts(forecasts: "Sequence[Forecast]", json_: bool) -> None:
    """Print the estimated calls, audio, tokens and cost of runs."""
    from alm_bench.records.models import build_runs_json
    from alm_bench.runner import dryrun

    if json_:
        runs: list[Any] = [one.to_json() for one in forecasts]
        common.print_json({**build_runs_json(runs), "dry_run": True, "total": dryrun.sum_forecasts(forecasts)})
    else:
        from alm_bench.reports.forecast import build_forecast_table

        print_blocks([build_forecast_table([one.to_json() for one in forecasts], dryrun.sum_forecasts(forecasts))])
