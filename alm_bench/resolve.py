"""From the names that a user gives to tasks, splits and data."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alm_bench.core import AudioRef, DataError, DataRoot, UsageError
from alm_bench.core.options import one_of

if TYPE_CHECKING:
    from alm_bench.demo import DemoRoot
    from alm_bench.plugins import TaskEntry


def metrics_of(tasks: Sequence[str], metrics: str) -> dict[str, str]:
    """Of `--metrics`: the value of the option `metrics` for those of `tasks` that have it. Raises UsageError for
    none."""
    from alm_bench.plugins import catalogue

    scored = [name for name in tasks if "metrics" in catalogue().task(name).takes()]
    if not scored:
        raise UsageError(f"--metrics: none of {', '.join(tasks)} is a captioning or open-ended task")
    return dict.fromkeys(scored, metrics.replace(",", "+"))


def data_folders() -> list[Path]:
    """Where `--data auto` looks, in order."""
    named = os.environ.get("ALM_BENCH_DATA")
    if named and not Path(named).is_dir():
        raise DataError(f"ALM_BENCH_DATA names {named}, which is not a folder: unset it or name one")
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
            raise UsageError(
                f"{entry.card.name} has no data set on the Hugging Face hub for split {split}; splits there: {known}"
            )
        return hub_root(entry.card.hub[split])
    if choice == "demo":
        if annotations:
            raise UsageError(
                f"task {entry.card.name}: annotations= names a file of questions, which does not go with --data demo"
            )
        return find_demo(entry)
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
    if entry.demo() is None:  # the error names the files that are missing, and where to get them
        return LocalRoot(next(iter(data_folders()), Path("data")))
    return find_demo(entry)


def find_demo(entry: "TaskEntry") -> "DemoRoot":
    """The demo data of a task, written now if they are not there yet. Raises UsageError for a task that has none,
    StoreError where they cannot be written."""
    from alm_bench.demo import demo_root

    demo = entry.demo()
    if demo is None:
        raise UsageError(f"task {entry.card.name} has no demo data: name a folder with --data")
    return demo_root(demo)


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


def pick_split(entry: "TaskEntry", split: str | None) -> str:
    return (
        entry.card.default_split if split is None else one_of(split, entry.card.splits, f"{entry.card.name}: --split")
    )


def find_clips(entry: "TaskEntry", root: DataRoot, split: str) -> list[AudioRef]:
    """The clips of a split's questions, with repeats. Raises DataError where the questions are not there."""
    return [ref for sample in entry.create().samples(root, split) for ref in sample.audio]
