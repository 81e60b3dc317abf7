"""Items of a run: planned ones, and the records of answered ones, each a line of `samples.jsonl`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from alm_bench.core import NOTHING, Arrangement, AudioRef, Likelihoods, Parsed, Sample, Scored, Status, StoreError
from alm_bench.core.foreign import dump_json, parse_json
from alm_bench.records import version_1
from alm_bench.records.models import SCHEMA_VERSION, from_json

RETRIED: tuple[Status, ...] = ("error",)
"""Statuses that a resumed run tries again. Items skipped for an unusable clip are tried again too: it may be there
now."""

_PARSED = tuple(field.name for field in fields(Parsed))


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of a text-only baseline to one item."""

    name: str
    """Name of the baseline in tables."""

    option: int | None
    """Index of the option that it selects; None if it selects none."""

    is_run: bool = False
    """Whether the baseline is another run (`--solvable-by`)."""


Baselines = tuple[Baseline, ...]
"""Text-only baselines whose answers are stored with an item; the first is preferred as the text-only solver."""


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One item of a run before it is asked."""

    index: int
    """Position in the task, from 0."""

    sample: Sample
    """Item with its references."""

    prompt: str
    """Text as the model gets it."""

    baselines: Baselines = ()
    """Answers of text-only baselines."""

    clip_sizes: Mapping[str, int | None] = field(default_factory=lambda: NOTHING)
    """Size in bytes of each clip that the model gets, a spare one included; None if there is no such file."""

    def record(self, status: Status, **outcome: Any) -> "Record":
        """Return the record of the item, with what became of it."""
        return Record(self.index, self.sample, self.prompt, status, self.baselines, self.clip_sizes, **outcome)


@dataclass(frozen=True, slots=True)
class Record:
    """One item of a run with everything that scoring it again needs."""

    index: int
    """Position in the task, from 0."""

    sample: Sample
    """Item with its references."""

    prompt: str
    """Text as the model got it."""

    status: Status
    """Outcome."""

    baselines: Baselines = ()
    """Answers of text-only baselines."""

    clip_sizes: Mapping[str, int | None] = field(default_factory=lambda: NOTHING)
    """Size in bytes of each clip that the model got; an answer is kept on resume as long as the sizes are the same."""

    reason: str | None = None
    """Reason of an outcome other than ok, for people to read."""

    unusable_clip: bool = False
    """Whether the item was not asked because one of its clips could not be used."""

    text: str | None = None
    """Raw answer; None if the call failed or options were scored instead."""

    parsed: Parsed | None = None
    """Parsed answer."""

    scores: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    """Scores by metric."""

    preprocessing: tuple[str, ...] = ()
    """Audio preprocessing that changed a clip."""

    seconds: float | None = None
    """Seconds that the answer took."""

    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """JSON values of the adapter."""

    likelihood: Likelihoods = field(default_factory=lambda: NOTHING)
    """Log-likelihoods of the options."""

    @property
    def retried(self) -> bool:
        """Whether a resumed run tries the item again."""
        return self.status in RETRIED or (self.status == "skipped" and self.unusable_clip)

    def scored(self) -> Scored:
        """Return the item as scoring gets it."""
        predictions = {baseline.name: baseline.option for baseline in reversed(self.baselines)}
        solvers = tuple(baseline.name for baseline in self.baselines)
        return Scored(self.sample, self.status, self.text, self.parsed, self.scores, predictions, solvers)

    def line(self) -> str:
        """Return the line of `samples.jsonl`, with its newline."""
        return dump_json(self.as_json()) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the record as `samples.jsonl` and `show --json` have it."""
        sample = self.sample
        return {
            "id": sample.id,
            "index": self.index,
            "status": self.status,
            "reason": self.reason,
            "unusable_clip": self.unusable_clip,
            "text": self.text,
            "parsed": None if self.parsed is None else _parsed_entry(self.parsed),
            "scores": dict(self.scores),
            "baselines": [msgspec.structs.asdict(baseline) for baseline in self.baselines],
            "prompt": self.prompt,
            "fields": dict(sample.fields),
            "choices": list(sample.choices),
            "target": sample.target,
            "gold": sample.gold,
            "groups": dict(sample.groups),
            "skip": sample.skip,
            "option_order": None if sample.arranged is None else asdict(sample.arranged),
            **({} if sample.targets is None else {"targets": list(sample.targets)}),
            "audio": [{"id": ref.id, "path": str(ref.path)} for ref in sample.audio],
            "clip_sizes": dict(self.clip_sizes),
            "preprocessing": list(self.preprocessing),
            "seconds": self.seconds,
            "extra": dict(self.extra),
            "likelihood": {form: list(options) for form, options in self.likelihood.items()},
        }

    @staticmethod
    def read(line: str | bytes, where: str) -> "Record":
        """Read a line. Raises StoreError naming `where` for a line of another shape."""
        try:
            return _decode_line(line).record()
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{where}: not a record of schema 1 to {SCHEMA_VERSION}: {error}") from error


class _Clip(msgspec.Struct):
    id: str
    path: str


class _Line(msgspec.Struct):
    """Line of `samples.jsonl` as it is decoded. What the task's data holds is taken as it comes."""

    id: str
    index: int
    status: Status
    reason: str | None
    text: str | None
    parsed: Parsed | None
    scores: dict[str, float]
    baselines: Baselines
    prompt: str
    fields: dict[str, Any]
    choices: tuple[Any, ...]
    target: Any
    gold: Any
    groups: dict[str, Any]
    skip: str | None
    audio: tuple[_Clip, ...]
    clip_sizes: dict[str, int | None]
    preprocessing: tuple[str, ...]
    seconds: float | None
    extra: dict[str, Any]
    unusable_clip: bool
    option_order: Arrangement | None = None
    targets: tuple[int, ...] | None = None
    likelihood: dict[str, list[tuple[float, int]]] = {}

    def record(self) -> Record:
        """Return the record of the line. Raises ValueError for impossible targets."""
        sample = Sample(
            id=self.id,
            fields=self.fields,
            audio=tuple(AudioRef(clip.id, Path(clip.path)) for clip in self.audio),
            choices=self.choices,
            target=self.target,
            gold=self.gold,
            groups=self.groups,
            skip=self.skip,
            arranged=self.option_order,
            targets=self.targets,
        )
        return Record(
            index=self.index,
            sample=sample,
            prompt=self.prompt,
            status=self.status,
            baselines=self.baselines,
            clip_sizes=self.clip_sizes,
            reason=self.reason,
            unusable_clip=self.unusable_clip,
            text=self.text,
            parsed=self.parsed,
            scores=self.scores,
            preprocessing=self.preprocessing,
            seconds=self.seconds,
            extra=self.extra,
            likelihood=self.likelihood,
        )


_DECODER = msgspec.json.Decoder(_Line)


def _decode_line(line: str | bytes) -> _Line:
    """Decode a line of this schema version or of version 1. Raises ValueError."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError):  # of version 1, or with half a surrogate pair, or no record
        value = parse_json(line.decode("utf-8", "replace") if isinstance(line, bytes) else line)
    return from_json(version_1.upgrade_record(value) if version_1.is_record(value) else value, _Line)


def _parsed_entry(parsed: Parsed) -> dict[str, Any]:
    """The fields of a parsed answer; `indices` only of questions that may have several right options."""
    entry = {name: getattr(parsed, name) for name in _PARSED}
    if parsed.indices is None:
        del entry["indices"]
    return entry
