"""Options and print functions that several commands share."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli.completion import (
    build_choices_completer,
    complete_data,
    complete_judge_presets,
    complete_models,
    complete_runs,
    complete_tasks,
    complete_trackers,
)
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.options import parse_pairs
from alm_bench.core.verbosity import VERBOSITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alm_bench.core import Adapter
    from alm_bench.records.run import SkippedFolder

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
Details = Annotated[
    bool,
    typer.Option(
        "--details",
        help="On a terminal, print breakdowns, too (by group, option position, ...); files and pipes always get them.",
    ),
]
ModelArg = Annotated[list[str] | None, typer.Option("--model-arg", metavar="K=V", help="Model option (repeatable).")]
RecipeChanges = Annotated[
    list[str] | None, typer.Option("--set", metavar="K=V", help="Override a key: stage.0.steps=10 (repeatable).")
]
Label = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the model in tables, with --model replay."),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda[:N]", help="Device.", autocompletion=build_choices_completer("auto", "cpu", "cuda")
    ),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="DTYPE",
        help="float32, bfloat16, float16, or auto (bfloat16 if it is faster on this machine, else float32). "
        "[default: the model's own]",
        autocompletion=build_choices_completer("float32", "bfloat16", "float16", "auto"),
    ),
]
ColumnMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="ROLE=COLUMN[,...]",
        help="For a question file of your own: which column has which role, such as "
        "audio=path,question=prompt,answer=label (docs/own_data.md).",
    ),
]
AudioRoot = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="For a question file of your own: folder of its clips. [default: the file's folder]"
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="Kind of the questions of a file as task: choice, several, yes_no, number or open. [default: told by the "
        "answers]",
        autocompletion=build_choices_completer("choice", "several", "yes_no", "number", "open"),
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN[,...]|none",
        help="Columns by which the scores of a file as task are broken down. [default: all without a role]",
    ),
]
RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's folder, its name or a part of it, or `latest`.", autocompletion=complete_runs
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder that contains the run folders.")]
AnswerTag = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Tag that contains the answer, such as verdict for <verdict>B</verdict> (repeatable)."
    ),
]
SolvableBy = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Also report accuracy on the items that this text-only run gets wrong.",
        autocompletion=complete_runs,
    ),
]
JudgeModel = Annotated[
    list[str] | None,
    typer.Option(
        "--judge",
        metavar="MODEL[:K=V,...]",
        help="Model that grades answers in free text (repeatable; never the evaluated model), such as "
        "openai:model=NAME (docs/judges.md).",
    ),
]
JudgePresetName = Annotated[
    str,
    typer.Option(
        "--judge-preset",
        metavar="NAME",
        help="Prompt and scale of the judge (`ls judges`).",
        autocompletion=complete_judge_presets,
    ),
]
JudgeRepeats = Annotated[
    int,
    typer.Option("--judge-repeats", min=1, max=20, metavar="N", help="Times that the judge is asked each prompt."),
]
Calibrate = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="People's labels of answers: measure how far the judge agrees with them, and correct its mean by the "
        "labels of this run's items.",
    ),
]
DataChoice = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="auto|demo|hub|PATH",
        help="Data folder; auto: $ALM_BENCH_DATA, then ./data, else the built-in demo data.",
        autocompletion=complete_data,
    ),
]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="trackio",
        help="Also log to an experiment tracker (pip install 'alm-bench[trackio]').",
        autocompletion=complete_trackers,
    ),
]
HubDataset = Annotated[
    str | None,
    typer.Option(
        "--dataset", metavar="ORG/NAME", help="The benchmark's data set on the hub. [default: that of the task's card]"
    ),
]
HubTaskId = Annotated[
    str, typer.Option("--task-id", metavar="ID", help="Id of the task in eval.yaml of the benchmark's data set.")
]
HubSource = Annotated[
    str | None, typer.Option("--source", metavar="URL", help="Page or repository with the outputs behind the result.")
]
NAMES_OF_MODELS = "Model name, Hugging Face ORG/NAME, ./file.py:Class, or package.module:Class."
ModelOption = Annotated[str, typer.Option("--model", metavar="M", help=NAMES_OF_MODELS, autocompletion=complete_models)]
TaskArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[TASK[,TASK]...]",
        help="Tasks or collections (such as cld). [default: all]",
        autocompletion=complete_tasks,
    ),
]


def join_column_maps(values: list[str] | None) -> str | None:
    """Return the values of a repeated `--map` as one comma-separated value; None without any."""
    return ",".join(values) if values else None


def collect_file_options(
    map_: list[str] | None, audio_root: str | None, kind: str | None, group_by: str | None
) -> dict[str, str]:
    """Return the options of a task whose questions come from a file; options that are None are left out."""
    given = {"map": join_column_maps(map_), "audio_root": audio_root, "kind": kind, "group_by": group_by}
    return {name: value for name, value in given.items() if value is not None}


@contextmanager
def redirect_model_output() -> Iterator[None]:
    """Redirect standard output within the block to standard error; discard it if the command is quiet.

    Standard output is thus free of anything that a model's code prints, and contains results only.
    """
    if VERBOSITY.quiet:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            yield
    else:
        with redirect_stdout(sys.stderr):
            yield


@contextmanager
def open_model(name: str, model_arg: list[str] | None, device: str, dtype: str | None) -> "Iterator[Adapter]":
    """Load a model for the duration of a block, and close it, also after an error.

    Raises UsageError for an unknown name and invalid options.
    """
    from alm_bench.core.device import make_runtime
    from alm_bench.plugins import catalogue

    runtime = make_runtime(device, dtype)
    with redirect_model_output():
        adapter = catalogue().get_adapter(name).create(parse_pairs(model_arg, "--model-arg"), runtime)
    with closing(adapter):
        yield adapter


def split_names(text: str, flag: str) -> tuple[str, ...]:
    """Return the comma-separated names in the value of the option `flag`. Raises UsageError if there are none."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError(f"{flag} names no {flag.removeprefix('--').removesuffix('s')}")
    return names


def print_json(value: Mapping[str, Any]) -> None:
    from alm_bench.reports.renderers.json import render_json

    print(render_json(value))


def print_skipped_folders(skipped_folders: "Sequence[SkippedFolder]") -> None:
    """Print one line on standard error for each skipped run folder, with the reason."""
    for one in skipped_folders:
        print_notice(f"{one.folder.name}: left out: {one.reason}")
