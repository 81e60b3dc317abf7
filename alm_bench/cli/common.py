"""What several commands share: options of one meaning, the data folder, run folders, printing."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.core import AudioRef, DataError, DataRoot, Runtime, UsageError
from alm_bench.core.errors import known_first
from alm_bench.core.escape import print_notice
from alm_bench.core.files import is_file
from alm_bench.core.foreign import dump_json
from alm_bench.core.options import split_pair
from alm_bench.core.protocols import CACHE_MB

if TYPE_CHECKING:
    from alm_bench.plugins import TaskEntry
    from alm_bench.records.run import LeftOut

RUNS = Path("results/runs")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
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
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or name, or the end of its name.")]
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


def pairs(values: Iterable[str] | None, flag: str) -> dict[str, str]:
    return dict(split_pair(value, flag) for value in values or ())


def one_of(value: str, known: Iterable[str], flag: str) -> str:
    known = list(known)
    if value not in known:
        raise UsageError(f"{flag} {value!r} is unknown; known: {known_first(value, known)}")
    return value


def metrics_of(tasks: Sequence[str], metrics: str) -> dict[str, str]:
    """Of `--metrics`: the value of the option `metrics` for those of `tasks` that have it. Raises UsageError for
    none."""
    from alm_bench.plugins import catalogue

    scored = [name for name in tasks if "metrics" in catalogue().task(name).takes()]
    if not scored:
        raise UsageError(f"--metrics: none of {', '.join(tasks)} is answered in sentences")
    return dict.fromkeys(scored, metrics.replace(",", "+"))


def check_device_and_dtype(device: str, dtype: str | None) -> None:
    """Raises UsageError for values of `--device` and `--dtype` that are unknown."""
    one_of(device.partition(":")[0], ("auto", "cpu", "cuda"), "--device")
    if dtype is not None:
        one_of(dtype, ("float32", "bfloat16", "float16", "auto"), "--dtype")


def make_runtime(device: str, dtype: str | None, seed: int = 0, cache_mb: int = CACHE_MB) -> Runtime:
    """Make the adapter's runtime for `--device` and `--dtype`. Adapters and records know what `auto` came to, never
    `auto` itself. Raises UsageError."""
    check_device_and_dtype(device, dtype)
    return Runtime(device, pick_fast_dtype(device) if dtype == "auto" else dtype, seed, cache_mb)


@cache
def pick_fast_dtype(device: str) -> str:
    """Measure once a process whether bfloat16 is faster than float32 on `device`; print the outcome in one line."""
    from alm_bench.core.device import measure_bfloat16, pick_device_name

    speed = measure_bfloat16(pick_device_name(device))
    print(speed.describe(), file=sys.stderr)
    return "bfloat16" if speed.fast else "float32"


def chatter_aside() -> AbstractContextManager[object]:
    """Standard output carries results alone: what a model's code prints meanwhile goes to standard error."""
    return redirect_stdout(sys.stderr)


def print_json(value: Mapping[str, Any]) -> None:
    print(dump_json(value, indent=1))


def data_folders() -> list[Path]:
    """Where `--data auto` looks, in order."""
    named = os.environ.get("ALM_BENCH_DATA")
    if named and not Path(named).is_dir():
        raise DataError(f"ALM_BENCH_DATA names {named}, which is no folder: unset it or name one")
    return [Path(named)] if named else [folder for folder in (Path("data"),) if folder.is_dir()]


def named_folder(choice: str) -> str:
    """The folder that a `--data` value or ALM_BENCH_DATA names, else the value: who looks at data must not see the demo
    world in its place."""
    named = os.environ.get("ALM_BENCH_DATA")
    return named if choice == "auto" and named else choice


def resolve_data(entry: "TaskEntry", split: str, choice: str, options: Mapping[str, str]) -> DataRoot:
    """The data root of one task for a `--data` value. Raises DataError, UsageError."""
    from alm_bench.data import LocalRoot, hub_root, local_root

    annotations = options.get("annotations")
    if choice == "hub":
        if split not in entry.card.hub:
            known = ", ".join(entry.card.hub) or "none"
            raise UsageError(f"task {entry.card.name} has no hub data set for split {split}; splits there: {known}")
        return hub_root(entry.card.hub[split])
    if choice == "demo":
        if annotations:
            raise UsageError(
                f"task {entry.card.name}: annotations= names real questions, --data demo does not go with it"
            )
        return _demo()
    if choice != "auto":
        if not Path(choice).is_dir():
            raise DataError(f"--data {choice}: no such folder (known besides a folder: auto, demo, hub)")
        return local_root(Path(choice), entry.card.hub.get(split))
    required = [file for file in entry.card.files if file.split == split]
    for root in map(LocalRoot, data_folders()):
        if annotations or any(root.has(file) for file in required):
            return root
    if annotations:
        return LocalRoot(Path(annotations).expanduser().parent)
    return _demo()


def split_names(text: str, what: str) -> list[str]:
    """The tasks of a comma-separated list, a collection's name replaced by those of its tasks. Raises UsageError for
    an empty list."""
    from alm_bench.plugins import catalogue

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{what} names no task: give tasks or collections, comma-separated")
    return catalogue().expand(names)


def task_entries(text: str | None, what: str) -> "list[TaskEntry]":
    """The tasks of a list, as `split_names` reads it; all where none is given. Raises UsageError for an unknown one."""
    from alm_bench.plugins import catalogue

    if text is None or text.strip() == "all":
        return [entry for _, entry in sorted(catalogue().tasks.items())]
    return [catalogue().task(name) for name in split_names(text, what)]


def clips(entry: "TaskEntry", root: DataRoot, split: str) -> list[AudioRef]:
    """The clips of a split's questions, with repeats. Raises DataError where the questions are not there."""
    return [ref for sample in entry.create().samples(root, split) for ref in sample.audio]


def _demo() -> DataRoot:
    from alm_bench.demo import demo_root

    return demo_root()


def pick_split(entry: "TaskEntry", split: str | None) -> str:
    return (
        entry.card.default_split if split is None else one_of(split, entry.card.splits, f"{entry.card.name}: --split")
    )


def find_run(name: str, out: Path = RUNS) -> Path:
    """A run's folder by path, by name, or by the end of its name."""
    from alm_bench.records.run import find_run_folders

    path = Path(name)
    if is_file(path / "run.json"):
        return path if path.name else path.resolve()  # `.` is a folder with a name too: reports print it
    folders, _ = find_run_folders(out)
    matches = [folder for folder in folders if folder.name == name] or [
        folder for folder in folders if folder.name.endswith(name)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{name!r} fits {len(matches)} runs: {', '.join(folder.name for folder in matches[:6])}")
    known = known_first(name, [folder.name for folder in folders], limit=4) if folders else "none"
    raise UsageError(f"no run {name!r} (no run.json there); runs in {out}: {known}")


def report_left_out(left_out: "Sequence[LeftOut]") -> None:
    """A line each on standard error."""
    for one in left_out:
        print_notice(f"{one.folder.name}: left out: {one.reason}")


def answer_tags(names: list[str] | None) -> tuple[str, ...]:
    """Return the names of `--answer-tag`. Raises UsageError for one that is no name."""
    found = tuple(name.strip().strip("<>[]/") for name in names or ())
    for given, name in zip(names or (), found, strict=True):
        if not re.fullmatch(r"[^\W\d][\w -]{0,39}", name):
            raise UsageError(f"--answer-tag takes a tag's name such as verdict, found {given!r}")
    return found
