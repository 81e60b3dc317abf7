"""`alm-bench data synthesize` and `alm-bench data filter`: question-answer rows from captions, and their filters."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_models
from alm_bench.cli.output import print_blocks
from alm_bench.core import Decoding, UsageError
from alm_bench.core.escape import print_error, print_notice
from alm_bench.core.options import split_pair

if TYPE_CHECKING:
    from alm_bench.synthesis.prompts import Form
    from alm_bench.synthesis.service import Models, SynthesisOptions, SynthesisResult

OUT = Path("results/synthesis")
ROLES = ("audio", "caption", "split")

Filters = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[=drop|flag|repair],...",
        help="Filters, with their treatment of faulty rows; none for none (docs/synthesis.md). [default: all]",
    ),
]
Solver = Annotated[
    str | None,
    typer.Option(
        metavar="M",
        help="Text-only model that tries to answer the questions without the audio. [default: a bundled classifier]",
        autocompletion=complete_models,
    ),
]
SolverArg = Annotated[
    list[str] | None, typer.Option("--solver-arg", metavar="K=V", help="Option of the solver (repeatable).")
]
Draws = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Answers of the solver per question, all of which must be right. [default: as many as a guess gets right "
        "in at most 1 % of the questions]",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        metavar="M",
        help="Text model that decides if a caption supports an answer, where rules say no. [default: rules alone]",
        autocompletion=complete_models,
    ),
]
JudgeArg = Annotated[
    list[str] | None, typer.Option("--judge-arg", metavar="K=V", help="Option of the judge (repeatable).")
]
Repeats = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Near-duplicate questions that are kept. [default: 0.5 % of the rows, at least 3]"
    ),
]
HeldOut = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Rows whose clips no row may be about, such as a test set (repeatable)."),
]
MaxCost = Annotated[
    float | None, typer.Option(min=0, metavar="USD", help="Stop sending requests once they have cost this much (USD).")
]
BatchSize = Annotated[int, typer.Option(min=1, metavar="N", help="Batch size of models in this process.")]


def synthesize(
    model: common.ModelOption,
    captions: Annotated[
        list[str],
        typer.Option(
            metavar="FILE|demo[:N]", help="Captions: AudioCaps, Clotho, any CSV, TSV or JSON Lines (repeatable)."
        ),
    ],
    type_: Annotated[
        int,
        typer.Option("--type", metavar="1|2|3", help="Type of ReasonAQA's data: general (1), expert (2, 3) prompt."),
    ] = 1,
    form: Annotated[
        str, typer.Option(metavar="choice|detail|both", help="Multiple choice, detailed answers, or both.")
    ] = "both",
    pairs: Annotated[int, typer.Option(min=1, metavar="N", help="Questions per caption and form.")] = 5,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of captions, drawn by the seed. [default: all]")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of clips whose row names none.")] = "train",
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="ROLE=COLUMN", help="Column of a role: audio, caption or split (repeatable)."),
    ] = None,
    model_arg: common.ModelArg = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=100, metavar="T", help="Temperature of sampling; 0 for greedy decoding.")
    ] = 0.8,
    top_p: Annotated[float, typer.Option(min=0, max=1, metavar="P", help="Top-p of nucleus sampling.")] = 0.95,
    max_new_tokens: Annotated[int, typer.Option(min=1, metavar="N", help="Token limit of a call.")] = 1024,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
    filters: Filters = None,
    solver: Solver = None,
    solver_arg: SolverArg = None,
    draws: Draws = None,
    judge: Judge = None,
    judge_arg: JudgeArg = None,
    repeats: Repeats = None,
    held_out: HeldOut = None,
    max_cost: MaxCost = None,
    batch_size: BatchSize = 8,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the data set. [default: results/synthesis/type-N]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print calls, tokens and cost; call no model.")] = False,
    json_: common.Json = False,
) -> None:
    """Write training rows from captions.

    A language model writes the questions, and filters remove faulty ones. The rows have ReasonAQA's format. Every
    answer is stored: the same command resumes and repeats no call.

    Exits 1 if calls failed or the cost limit was reached.
    """
    from alm_bench.cli.progress import CountProgress
    from alm_bench.synthesis import service
    from alm_bench.synthesis.generate import WritingSettings

    source = service.CaptionSource(
        captions,
        WritingSettings(type_, _read_forms(form), pairs),
        _create_decoding(temperature, top_p, max_new_tokens, seed),
        split,
        _read_columns(map_),
        limit,
    )
    options = _build_options(
        out or OUT / f"type-{type_}", filters, seed, draws, repeats, held_out, max_cost, batch_size
    )
    with _open_models((model, model_arg), (solver, solver_arg), (judge, judge_arg), device, dtype) as models:
        if dry_run:
            from alm_bench.cli.run import print_forecasts

            assert models.writer is not None, "the writer is named"
            print_forecasts([service.forecast(source, models.writer, options)], json_)
            return
        with CountProgress("calls") as progress, common.redirect_model_output():
            result = service.synthesize(source, models, options, progress.update)
    _print_result(result, options, json_)


def filter_rows(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of rows in ReasonAQA's format.")],
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of rows that name none.")] = "train",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0,
    filters: Filters = None,
    solver: Solver = None,
    solver_arg: SolverArg = None,
    draws: Draws = None,
    judge: Judge = None,
    judge_arg: JudgeArg = None,
    repeats: Repeats = None,
    held_out: HeldOut = None,
    max_cost: MaxCost = None,
    batch_size: BatchSize = 8,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the filtered data set.")] = OUT / "filtered",
    json_: common.Json = False,
) -> None:
    """Filter training rows.

    The files have ReasonAQA's format. A data card is written beside the remaining rows.

    Exits 1 if calls of a model failed or the cost limit was reached.
    """
    from alm_bench.synthesis import service

    options = _build_options(out, filters, seed, draws, repeats, held_out, max_cost, batch_size)
    with (
        _open_models((None, None), (solver, solver_arg), (judge, judge_arg), device, dtype) as models,
        common.redirect_model_output(),
    ):
        result = service.filter_files(files, split, models, options)
    _print_result(result, options, json_)


NamedModel = tuple[str | None, list[str] | None]
"""Name of a model and its options; no name for no model."""


@contextmanager
def _open_models(
    writer: NamedModel, solver: NamedModel, judge: NamedModel, device: str, dtype: str | None
) -> "Iterator[Models]":
    """Load the named models for the duration of the block. Raises UsageError."""
    from alm_bench.synthesis.service import Models

    with ExitStack() as opened:
        found = [
            None if name is None else opened.enter_context(common.open_model(name, arguments, device, dtype))
            for name, arguments in (writer, solver, judge)
        ]
        yield Models(*found)


def _build_options(
    out: Path,
    filters: str | None,
    seed: int,
    draws: int | None,
    repeats: int | None,
    held_out: list[Path] | None,
    max_cost: float | None,
    batch: int,
) -> "SynthesisOptions":
    from alm_bench.synthesis.pipeline import parse_steps
    from alm_bench.synthesis.service import SynthesisOptions

    return SynthesisOptions(out, parse_steps(filters), seed, draws, repeats, held_out or (), max_cost, batch)


def _read_forms(text: str) -> "tuple[Form, ...]":
    """Return the forms of questions that the value of `--form` names. Raises UsageError for an unknown one."""
    from alm_bench.synthesis.prompts import FORMS

    if text == "both":
        return FORMS
    if text not in FORMS:
        raise UsageError(f"--form {text!r} is unknown; known: {', '.join(FORMS)}, both")
    return tuple(form for form in FORMS if form == text)


def _read_columns(values: list[str] | None) -> dict[str, str]:
    """Return the column names in the values of `--map` (`role=column`) by role. Raises UsageError."""
    columns = dict(split_pair(pair, "--map") for value in values or () for pair in value.split(","))
    if unknown := [role for role in columns if role not in ROLES]:
        raise UsageError(f"--map {unknown[0]}=...: no such role; known: {', '.join(ROLES)}")
    return columns


def _create_decoding(temperature: float, top_p: float, max_new_tokens: int, seed: int) -> Decoding:
    if not temperature:
        return Decoding(max_new_tokens=max_new_tokens)
    return Decoding("nucleus", max_new_tokens, top_p, temperature, seed)


def _print_result(result: "SynthesisResult", options: "SynthesisOptions", json_: bool) -> None:
    """Print the data card without examples, and the files. Exits 1 if calls failed or the cost limit was reached."""
    from alm_bench.reports.synthesis import build_card_blocks

    spending = result.spending
    if json_:
        files = [str(path) for path in result.files]
        made = {"calls_made": spending.calls, "answers_stored": spending.stored, "cost": spending.spent}
        common.print_json({**result.card, "folder": str(options.out), "files": files, **made})
    else:
        print_blocks(build_card_blocks(result.card, examples=False), end="\n\n")
        print("written: " + ", ".join(str(path) for path in result.files))
    print_notice(f"{spending.calls} calls, {spending.stored} answers were stored before, {spending.spent:.4f} USD")
    if spending.failures:
        print_error(
            f"alm-bench: {len(spending.failures)} calls failed, the first: {spending.failures[0][:200]}; "
            "the same command repeats them"
        )
    if spending.is_limit_reached:
        print_error(f"alm-bench: --max-cost {options.max_cost:g} is reached; the same command with more resumes")
    if spending.failures or spending.is_limit_reached:
        raise typer.Exit(1)
