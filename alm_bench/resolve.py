"""Look-up of the tasks, splits and data whose names a user enters, for example on the command line."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alm_bench.core import AudioRef, DataError, DataRoot, UsageError
from alm_bench.core.options import check_choice

if TYPE_CHECKING:
    from alm_bench.demo import DemoRoot
    from alm_bench.plugins import TaskEntry


def build_metrics_options(tasks: Sequence[str], metrics: str) -> dict[str, str]:
    """Return the value of the task option `metrics` for each of `tasks` that has this option, by the task's name.

    `metrics` is the value of `--metrics`. Raises UsageError if none of the tasks has the option.
    """
    from alm_bench.plugins import catalogue

    scored = [name for name in tasks if "metrics" in catalogue().get_task(name).list_option_names()]
    if not scored:
        raise UsageError(f"--metrics: none of {', '.join(tasks)} is a captioning or open-ended task")
    return dict.fromkeys(scored, metrics.replace(",", "+"))


def list_data_folders() -> list[Path]:
    """Return the folders that `--data auto` searches, in order. Raises DataError if ALM_BENCH_DATA names no folder."""
    named = os.environ.get("ALM_BENCH_DATA")
    if named and not Path(named).is_dir():
        raise DataError(f"ALM_BENCH_DATA names {named}, which is not a folder: unset it or name one")
    return [Path(named)] if named else [folder for folder in (Path("data"),) if folder.is_dir()]


def resolve_data_choice(choice: str) -> str:
    """Return the folder in ALM_BENCH_DATA if `choice` is `auto` and the variable is set, else `choice` itself.

    `choice` is a value of `--data`. Commands that inspect data use this function, so that they never show the demo data
    in place of a folder that the user named.
    """
    named = os.environ.get("ALM_BENCH_DATA")
    return named if choice == "auto" and named else choice


def resolve_data(entry: "TaskEntry", split: str, choice: str, options: Mapping[str, str]) -> DataRoot:
    """Return the data root of one task for `choice`, a value of `--data`. Raises DataError and UsageError."""
    from alm_bench.data import LocalRoot, fetch_hub_root, open_local_root

    annotations = options.get("annotations")
    variant = select_demo_options(entry, options)
    if variant and choice not in ("auto", "demo"):
        raise UsageError(
            f"task {entry.card.name}: {', '.join(variant)}= changes the demo data, found --data {choice}: "
            "use --data demo"
        )
    if choice == "hub":
        if split not in entry.card.hub:
            known = ", ".join(entry.card.hub) or "none"
            raise UsageError(
                f"{entry.card.name} has no data set on the Hugging Face hub for split {split}; splits there: {known}"
            )
        return fetch_hub_root(entry.card.hub[split])
    if choice == "demo" or variant:
        if annotations:
            raise UsageError(
                f"task {entry.card.name}: annotations= names a file of questions, which does not go with --data demo"
            )
        return get_demo_root(entry, variant)
    if choice != "auto":
        if not Path(choice).is_dir():
            raise DataError(f"--data {choice}: no such folder (known besides a folder: auto, demo, hub)")
        return open_local_root(Path(choice), entry.card.hub.get(split))
    required = [file for file in entry.card.files if file.split == split]
    beside = [entry.folder / "data"] if entry.folder is not None and (entry.folder / "data").is_dir() else []
    for root in map(LocalRoot, [*list_data_folders(), *beside]):
        if annotations or any(root.has(file) for file in required):
            return root
    if annotations:
        return LocalRoot(Path(annotations).expanduser().parent)
    if entry.load_demo() is None:  # the error names the files that are missing, and where to get them
        return LocalRoot(next(iter(list_data_folders()), Path("data")))
    return get_demo_root(entry)


def select_demo_options(entry: "TaskEntry", options: Mapping[str, str]) -> dict[str, float]:
    """Return those task options that change the demo data (`Demo.options`), as numbers. An option of 0 is left out."""
    names = getattr(entry.load_demo(), "options", ()) if options else ()
    values = {name: float(options[name]) for name in names if name in options}
    return {name: value for name, value in values.items() if value}


def get_demo_root(entry: "TaskEntry", variant: Mapping[str, float] | None = None) -> "DemoRoot":
    """Return the demo data of a task. They are written if they do not exist yet.

    `variant` holds the options that change them (`select_demo_options`). Raises UsageError for a task without demo
    data, StoreError if they cannot be written.
    """
    from alm_bench.demo import create_demo_root

    demo = entry.load_demo()
    if demo is None:
        raise UsageError(f"task {entry.card.name} has no demo data: name a folder with --data")
    return create_demo_root(demo, None, **(variant or {}))


def expand_task_names(text: str, option: str) -> list[str]:
    """Return the task names in a comma-separated list. The name of a collection is replaced by the names of its tasks.

    Raises UsageError for an empty list. `option`: name of the command-line option, at the beginning of its message.
    """
    from alm_bench.plugins import catalogue

    names = _rejoin_paths_with_commas([name.strip() for name in text.split(",") if name.strip()])
    if not names:
        raise UsageError(f"{option} names no task: give tasks or collections, comma-separated")
    return catalogue().expand_names(names)


def _rejoin_paths_with_commas(parts: Sequence[str]) -> list[str]:
    """Join parts of a comma-separated list again if together they are the path of an existing file.

    Returns all parts in order. A path may contain a comma, at which the list was split."""
    names: list[str] = []
    for part in parts:
        joined = f"{names[-1]},{part}" if names else part
        spaced = f"{names[-1]}, {part}" if names else part
        existing = next((one for one in (joined, spaced) if names and Path(one).expanduser().exists()), None)
        if existing is not None and not Path(names[-1]).expanduser().exists():
            names[-1] = existing
        else:
            names.append(part)
    return names


def select_tasks(text: str | None, option: str) -> "list[TaskEntry]":
    """Return the entries of the tasks in a comma-separated list, or of all tasks if `text` is None or `all`.

    The name of a collection is replaced by the names of its tasks. Raises UsageError for an empty list, which names the
    command-line option `option`, and for an unknown task.
    """
    from alm_bench.plugins import catalogue

    if text is None or text.strip() == "all":
        return [entry for _, entry in sorted(catalogue().tasks.items())]
    return [catalogue().get_task(name) for name in expand_task_names(text, option)]


def pick_split(entry: "TaskEntry", split: str | None) -> str:
    """Return the name of the split to use: `split`, or the default split of the task's card for None.

    Raises UsageError for an unknown split, and for None if the task reads a file with several splits.
    """
    if split is None and "path" in entry.implied_options and len(entry.card.splits) > 1:
        raise UsageError(f"{entry.card.source} has the splits {', '.join(entry.card.splits)}: name one with --split")
    return (
        entry.card.default_split
        if split is None
        else check_choice(split, entry.card.splits, f"{entry.card.name}: --split")
    )


def find_clips(entry: "TaskEntry", root: DataRoot, split: str) -> list[AudioRef]:
    """Return the clips of all questions of a split, including repetitions. Raises DataError if the questions are
    missing."""
    return [ref for sample in entry.create().samples(root, split) for ref in sample.audio]
