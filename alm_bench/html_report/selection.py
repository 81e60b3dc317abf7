"""Selection of the items whose clips become part of a report (`--clips`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from alm_bench.core import UsageError
from alm_bench.core.foreign import parse_whole_number
from alm_bench.core.rng import create_item_generator
from alm_bench.reports.html.document import ReportRun
from alm_bench.reports.items import is_wrong

KINDS = ("wrong", "changed", "sample:N", "all", "none")

Item = tuple[str, str]
"""Name of the task and id of the item."""


@dataclass(frozen=True, slots=True)
class ClipChoice:
    """Kinds of items whose clips are embedded, the most important ones first."""

    kinds: tuple[str, ...]
    """`wrong`, `changed`, `sample` or `all`; empty for `none`."""

    sample: int = 0
    """Number of random items per task, for `sample`."""

    @staticmethod
    def read(text: str) -> "ClipChoice":
        """Parse a value of `--clips`. Raises UsageError."""
        kinds, sample = [], 0
        for name in (part.strip() for part in text.split(",")):
            kind, colon, number = name.partition(":")
            count = parse_whole_number(number) if kind == "sample" and colon else None
            if count is not None:
                sample = count
            elif name not in ("wrong", "changed", "all", "none"):
                raise UsageError(f"--clips {text}: expected {', '.join(KINDS)}, comma-separated; found {name!r}")
            kinds.append(kind)
        return ClipChoice(() if "none" in kinds else tuple(dict.fromkeys(kinds)), sample)


def select_embedded_items(runs: Sequence[ReportRun], choice: ClipChoice) -> list[Item]:
    """Return the items whose clips are embedded, in the order in which they fill the budget.

    If a task has clean runs, only these determine which of its items are wrong or changed, since most answers are wrong
    under a condition that removes the sound.
    """
    found: dict[Item, None] = {}
    tasks = dict.fromkeys(run.summary.task for run in runs)
    for kind in choice.kinds:
        for task in tasks:
            those = [run for run in runs if run.summary.task == task]
            deciding = [run for run in those if run.is_clean] or those
            found |= dict.fromkeys((task, name) for name in _list_ids(deciding, kind, choice.sample))
    return list(found)


def _list_ids(runs: Sequence[ReportRun], kind: str, sample: int) -> list[str]:
    """Return the ids of the items of the kind `kind`, a value of `--clips`. For the kind `sample`, draw `sample` items
    at random."""
    records = [record for run in runs for record in run.records]
    if kind == "wrong":
        return [record.sample.id for record in records if is_wrong(record)]
    if kind == "changed":
        scores: dict[str, set[float | None]] = {}
        for run in runs:
            for name, values in run.scores.items():
                scores.setdefault(name, set()).add(values.get(run.summary.main))
        return [name for name, values in scores.items() if len(values) > 1]
    ids = list(dict.fromkeys(record.sample.id for record in records))
    if kind == "all":
        return ids
    order = create_item_generator("clips of a report", runs[0].summary.task).permutation(len(ids))
    return [ids[int(index)] for index in order[:sample]]
