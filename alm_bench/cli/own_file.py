"""Check of a question file of the user's own, for `alm-bench data info` and `alm-bench data verify`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from alm_bench.core import ReadsOwnFile, Sample, Scored, Task, UsageError
from alm_bench.resolve import pick_split

if TYPE_CHECKING:
    from alm_bench.plugins import TaskEntry


def build_file_report(
    entry: "TaskEntry", split_name: str | None, decodes_headers: bool, options: Mapping[str, str]
) -> dict[str, Any]:
    """Return the report on a file: its roles of columns, faults of rows, clips, duplicates, baselines and leaks.

    `split_name` is the split that the user named, if any. If `decodes_headers` is True, the header of every clip is
    decoded to find unreadable clips. `options` are the options of the file as a task. Raises DataError if the file
    cannot be read.
    """
    from alm_bench.data import compute_cached_sha256, inspect_clips
    from alm_bench.scoring.leaks import find_leaks

    task = entry.create(options)
    if not isinstance(task, ReadsOwnFile):
        raise UsageError(f"{entry.card.name} is no file")
    split = pick_split(entry, split_name)
    root = task.open_root(split)
    numbered, faults = task.list_samples_and_faults(split)
    samples = [sample for _, sample in numbered]
    clips = inspect_clips((ref for sample in samples for ref in sample.audio), decodes_headers)
    unusable = {**dict.fromkeys(clips.missing, "is missing"), **clips.unreadable}
    faults = [
        *faults,
        *(
            (row, f"clip {ref.id}: {unusable[ref.id]}")
            for row, sample in numbered
            for ref in sample.audio
            if ref.id in unusable
        ),
    ]
    files = task.files(root, split)
    leaks = [{**asdict(leak), "rate": leak.rate, "suspicious": leak.is_suspicious} for leak in find_leaks(samples)]
    return {
        "task": entry.card.name,
        "split": split,
        "data": "real",
        "folder": str(root.path),
        "complete": not faults and bool(samples),
        "files": [
            {
                "role": role,
                "split": split,
                "place": path.name,
                "optional": False,
                "path": str(path),
                "bytes": path.stat().st_size,
                "sha256": compute_cached_sha256(path),
                "revision": None,
                "source": "a file of your own",
            }
            for role, path in files.items()
        ],
        "clips": {
            "layout": ["<path in the file>"],
            "source": "beside the file",
            "total": clips.total,
            "present": clips.present_count,
            "missing": list(clips.missing),
            "missing_paths": [str(path) for path in clips.missing_paths],
            "unreadable": dict(clips.unreadable),
        },
        "items": len(samples),
        "part": None,
        "columns": task.describe(split),
        "problems": [{"row": row, "problem": text} for row, text in sorted(faults)],
        "duplicates": list_duplicates(samples),
        "baselines": _compute_baselines(task, samples),
        "leaks": leaks,
    }


def list_duplicates(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Return one entry per group of items that ask the same question about the same clips with the same options.

    An entry has the items' `ids`, and `differ`, which is True if their answers differ.
    """
    together: dict[tuple[Any, ...], list[Sample]] = {}
    for sample in samples:
        clips = tuple(ref.id for ref in sample.audio)
        together.setdefault((clips, sample.fields["question"], tuple(sorted(sample.choices))), []).append(sample)
    return [
        {"ids": [sample.id for sample in same], "differ": len({sample.gold for sample in same}) > 1}
        for same in together.values()
        if len(same) > 1
    ]


def _compute_baselines(task: Task, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the accuracy of each text-only baseline as a JSON object (the fields of `Metric`), by its name."""
    rows = [Scored(sample, "error" if sample.skip is None else "skipped", None, None, {}) for sample in samples]
    if not any(row.sample.has_reference and row.status != "skipped" for row in rows):
        return {}
    return {name: asdict(metrics["accuracy"]) for name, metrics in task.score(rows).blind.items()}
