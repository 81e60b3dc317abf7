"""Items of a run as flat rows of a table, with their clips. `Results` and exports use the same columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alm_bench.core import AudioRef
from alm_bench.core.foreign import replace_surrogates

if TYPE_CHECKING:
    from alm_bench.records.models import RunHeader, RunSummary
    from alm_bench.records.run import Run
    from alm_bench.records.schema import Record


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a run: the question, the answer, and how the answer was parsed and scored."""

    run: str
    """Name of the run."""

    task: str
    """Name of the task."""

    model: str
    """Label of the model."""

    condition: str
    """Name of the condition."""

    id: str
    """Id of the item."""

    status: str
    """Outcome: ok, unparsed, refused, truncated, error or skipped."""

    reason: str | None
    """Reason of the status."""

    question: str | None
    """Question without options and instructions; None for a task whose items have no field of this name."""

    prompt: str
    """Question as it was sent to the model."""

    choices: tuple[str, ...]
    """Texts of the options."""

    text: str | None
    """Raw text of the answer; None if there is none."""

    truncated: bool
    """True if the token limit ended the text."""

    answer: str | None
    """Parsed answer; None if there is none."""

    rule: str | None
    """Name of the parsing rule that determined the answer; None if no text was parsed."""

    gold: str | None
    """Correct answer; None if it is withheld."""

    seconds: float | None
    """Time that the answer took, in seconds."""

    clips: tuple[str, ...]
    """Paths of the clips."""

    scores: Mapping[str, float]
    """Scores in 0..1, by metric."""

    groups: Mapping[str, str]
    """Key of the item in each grouping."""


ITEM_COLUMNS = [name for name in Item.__dataclass_fields__ if name not in ("scores", "groups")]
"""Columns of every table of items. The columns `score_METRIC` and `group_GROUPING` follow them."""


@dataclass(frozen=True, slots=True)
class RunNames:
    """Names that all items of a run share."""

    run: str
    """Name of the run's folder."""

    task: str
    """Name of the task."""

    model: str
    """Label of the model."""

    condition: str
    """Name of the condition."""

    @staticmethod
    def from_summary(summary: "RunSummary") -> "RunNames":
        """Return the names of a run that has a summary."""
        return RunNames(summary.run, summary.task, summary.model, summary.condition)

    @staticmethod
    def from_header(header: "RunHeader", folder: Path) -> "RunNames":
        """Return the names of a run that may be unfinished."""
        return RunNames(folder.name, header.task.name, header.identity.label, header.spec.condition)


def make_item(names: RunNames, record: "Record") -> Item:
    """Build the flat `Item` of a stored record. `names` are the names of its run."""
    sample = record.sample
    return Item(
        run=names.run,
        task=names.task,
        model=names.model,
        condition=names.condition,
        id=sample.id,
        status=record.status,
        reason=record.reason,
        question=sample.fields.get("question"),
        prompt=record.prompt,
        choices=tuple(sample.choices),
        text=record.text,
        truncated=bool(record.extra.get("truncated")),
        answer=_get_selected_answer(record),
        rule=None if record.parsed is None else record.parsed.rule,
        gold=sample.describe_reference(),
        seconds=record.seconds,
        clips=tuple(str(ref.path) for ref in sample.audio),
        scores=dict(record.scores),
        groups=dict(sample.groups),
    )


def _get_selected_answer(record: "Record") -> str | None:
    """Return the selected option, several options joined by ` + `, or another parsed value; None if there is none."""
    parsed = record.parsed
    if parsed is None:
        return None
    choices = record.sample.choices
    chosen = parsed.indices or (() if parsed.index is None else (parsed.index,))
    return " + ".join(choices[index] for index in chosen) if chosen and choices else parsed.value


def flatten_item(item: Item) -> dict[str, Any]:
    """Return an item as one row of a table. Texts are valid UTF-8."""
    entry = {name: _make_storable(getattr(item, name)) for name in ITEM_COLUMNS}
    entry |= {"choices": list(map(_make_storable, item.choices)), "clips": list(map(_make_storable, item.clips))}
    entry |= {f"score_{name}": value for name, value in item.scores.items()}
    return entry | {f"group_{name}": replace_surrogates(str(value)) for name, value in item.groups.items()}


def _make_storable(value: Any) -> Any:
    """Return a text with its unpaired surrogates replaced, because tables cannot store them; other values unchanged."""
    return replace_surrogates(value) if isinstance(value, str) else value


def list_rows(run: "Run") -> list[dict[str, Any]]:
    """Return the items of a run as rows of a table, in the order of the task. Raises StoreError."""
    from alm_bench.records.store import read_records

    records, _ = read_records(run.folder)
    names = RunNames.from_summary(run.summary)
    return [flatten_item(make_item(names, record)) for record in sorted(records, key=lambda record: record.index)]


def list_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns of a table with these rows: first ITEM_COLUMNS, then the scores, then the groups."""
    found = dict.fromkeys(name for row in rows for name in row if name not in ITEM_COLUMNS)
    scores = [name for name in found if name.startswith("score_")]
    return [*ITEM_COLUMNS, *scores, *(name for name in found if name not in scores)]


def find_demo_clips(task: str, data: str, split: str) -> dict[str, AudioRef]:
    """Return the clips of a run on demo data, by id; empty for other runs.

    Demo clips need not exist as files; reading one synthesises it again. `data` is the kind of the run's data, `demo`
    or `real`.
    """
    if data != "demo":
        return {}
    from alm_bench.plugins import catalogue
    from alm_bench.resolve import find_clips, get_demo_root

    entry = catalogue().get_task(task)
    return {ref.id: ref for ref in find_clips(entry, get_demo_root(entry), split)}


def encode_clip(record: "Record", demo_clips: Mapping[str, AudioRef]) -> dict[str, Any] | None:
    """Return the first clip of an item, in the form that the audio column of a Hugging Face data set takes.

    This is a dict of `path` and `bytes`. `demo_clips` contains the synthesised clips by id. The bytes of such a clip
    are included; those of a file are None, to be read from the path. Returns None if the item has no clip or the file
    no longer exists.
    """
    if not record.sample.audio:
        return None
    ref = record.sample.audio[0]
    if (found := demo_clips.get(ref.id)) is not None and found.read is not None:
        return {"path": str(ref.path), "bytes": found.read()}
    return {"path": str(ref.path), "bytes": None} if ref.path.is_file() else None


_TYPES = {"choices": "list", "clips": "list", "truncated": "bool", "seconds": "float"}
"""Types of the columns that are not text."""


def make_schema(columns: Sequence[str]) -> Any:
    """Return the pyarrow schema of a table with these columns.

    Tables of all runs of a task have the same schema and can be concatenated. Without it, a column without a value
    (`reason` of a run without failures) would have no type.
    """
    import pyarrow as pa

    kinds = {"list": pa.list_(pa.string()), "bool": pa.bool_(), "float": pa.float64(), "text": pa.string()}

    def find_column_type(name: str) -> Any:
        return kinds["float" if name.startswith("score_") else _TYPES.get(name, "text")]

    return pa.schema([(name, find_column_type(name)) for name in columns])
