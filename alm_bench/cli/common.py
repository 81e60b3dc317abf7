"""Options that several commands have, and printing."""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.core.escape import print_notice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alm_bench.records.run import LeftOut

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
Details = Annotated[
    bool,
    typer.Option("--details", help="On a terminal: also results by group, position, option and reason."),
]
ModelArg = Annotated[list[str] | None, typer.Option("--model-arg", metavar="K=V", help="Model option (repeatable).")]
Label = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the model in tables, for outputs of other programs."),
]
Device = Annotated[str, typer.Option(help="Device: auto, cpu or cuda.")]
Dtype = Annotated[
    str | None,
    typer.Option(
        help="float32, bfloat16, float16, or auto (bfloat16 if it is faster on this machine, else float32). "
        "[default: the model's own]"
    ),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's folder, its name or a part of it, or `latest`.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the run folders.")]
AnswerTag = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Tag that contains the answer, such as verdict for <verdict>B</verdict> (repeatable)."
    ),
]
SolvableBy = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="Text-only run: also report accuracy on the items that it does not solve."),
]
DataChoice = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="auto|demo|hub|PATH",
        help="Data folder; auto: $ALM_BENCH_DATA, then ./data, else the built-in demo data.",
    ),
]


def chatter_aside() -> AbstractContextManager[object]:
    """Standard output carries results alone: what a model's code prints meanwhile goes to standard error."""
    return redirect_stdout(sys.stderr)


def print_json(value: Mapping[str, Any]) -> None:
    from alm_bench.reports.renderers.json import render_json

    print(render_json(value))


def report_left_out(left_out: "Sequence[LeftOut]") -> None:
    """A line each on standard error."""
    for one in left_out:
        print_notice(f"{one.folder.name}: left out: {one.reason}")
