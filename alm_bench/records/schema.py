"""Items of a run: planned items, and records of processed items, each of which is one line of `samples.jsonl`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec

from alm_bench.core import NOTHING, AudioRef, Likelihoods, OptionArrangement, Parsed, Sample, Scored, Status, StoreError
from alm_bench.core.foreign import dump_json, parse_json
from alm_bench.core.languages import ItemLanguages
from alm_bench.records import version_1
from alm_bench.records.judgement import Judgement
from alm_bench.records.models import SCHEMA_VERSION, from_json, to_json
from alm_bench.scoring.chains import Beginning
from alm_bench.scoring.part_scores import read_parts

RETRIED: tuple[Status, ...] = ("error",)
"""Statuses of items that a resumed run processes again. Items that were skipped because of an unusable clip are
processed again too, because the clip may have been repaired.
"""

_PARSED = tuple(field.name for field in fields(Parsed))


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of one text-only baseline to one item."""

    name: str
    """Name of the baseline in tables."""

    option: int | None
    """Index of the option that it selects; None if it selects none."""

    is_run: bool = False
    """True if the baseline is another run (`--solvable-by`)."""


Baselines = tuple[Baseline, ...]
"""Answers of text-only baselines to one item, in order of preference as the text-only solver."""


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One item of a run before the model gets it."""

    index: int
    """Position of the item in the task, from 0."""

    sample: Sample
    """Item with its reference answers."""

    prompt: str
    """Prompt that the model will get."""

    baselines: Baselines = ()
    """Answers of text-only baselines."""

    clip_sizes: Mapping[str, int | None] = field(default_factory=lambda: NOTHING)
    """Size in bytes of each clip that the model gets, including a spare clip; None for a clip without a file."""

    beginning: Beginning | None = None
    """Beginning of the answer that the model continues; None if it answers from the start."""

    spoken: str | None = None
    """Text that the clip of the question speaks; None for a written question."""

    output_format: str | None = None
    """Format of answers in several parts; None for answers in one piece."""

    def create_record(self, status: Status, **outcome: Any) -> "Record":
        """Return the record of the item; `outcome` are further fields of the record."""
        return Record(
            self.index,
            self.sample,
            self.prompt,
            status,
            self.baselines,
            self.clip_sizes,
            spoken=self.spoken,
            output_format=self.output_format,
            **outcome,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One processed item of a run, with all data that scoring needs."""

    index: int
    """Position of the item in the task, from 0."""

    sample: Sample
    """Item with its reference answers."""

    prompt: str
    """Prompt that the model got."""

    status: Status
    """Outcome of the item."""

    baselines: Baselines = ()
    """Answers of text-only baselines."""

    clip_sizes: Mapping[str, int | None] = field(default_factory=lambda: NOTHING)
    """Size in bytes of each clip that the model got. A resumed run reuses the answer as long as the sizes have not
    changed.
    """

    reason: str | None = None
    """Explanation of an outcome other than `ok`, for people to read."""

    unusable_clip: bool = False
    """True if the item was skipped because one of its clips could not be used."""

    text: str | None = None
    """Raw answer; None if the call failed, or if options were scored instead of text being generated."""

    parsed: Parsed | None = None
    """Parsed answer; None if no answer was parsed."""

    scores: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    """Scores of the item by metric name."""

    preprocessing: tuple[str, ...] = ()
    """Names of the audio preprocessing steps that changed a clip of the item."""

    seconds: float | None = None
    """Duration of the model's answer in seconds."""

    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """JSON values that the adapter returned with the answer."""

    likelihood: Likelihoods = field(default_factory=lambda: NOTHING)
    """Log-likelihoods of the options, by the form in which options were scored."""

    embedding: str | None = None
    """Embedding of the item's clip or text, as `core.vectors` encodes it; None unless the task compares embeddings."""

    judgements: tuple[Judgement, ...] = ()
    """Verdicts of judge models on the answer, one per judge and preset."""

    spoken: str | None = None
    """Text that the clip of the question spoke; None for a written question."""

    output_format: str | None = None
    """Format of answers in several parts; None for answers in one piece."""

    @property
    def answer_text(self) -> str | None:
        """Text from which the answer is parsed. None if the model returned no text.

        If the output has several parts, it is the answer part, or "" if that part is missing; otherwise the whole
        output.
        """
        if self.output_format is None or self.text is None:
            return self.text
        return read_parts(self.text, self.output_format).answer or ""

    @property
    def needs_retry(self) -> bool:
        """True if a resumed run processes the item again."""
        return self.status in RETRIED or (self.status == "skipped" and self.unusable_clip)

    def to_scored(self) -> Scored:
        """Return the item in the form that scoring functions take."""
        predictions = {baseline.name: baseline.option for baseline in reversed(self.baselines)}
        solvers = tuple(baseline.name for baseline in self.baselines)
        return Scored(
            self.sample, self.status, self.answer_text, self.parsed, self.scores, predictions, solvers, self.embedding
        )

    def to_json_line(self) -> str:
        """Return the record as one line of `samples.jsonl`, including the newline."""
        return dump_json(self.as_json()) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the record as a JSON object, as in `samples.jsonl` and `show --json`."""
        sample = self.sample
        return {
            "id": sample.id,
            "index": self.index,
            "status": self.status,
            "reason": self.reason,
            "unusable_clip": self.unusable_clip,
            "text": self.text,
            "parsed": None if self.parsed is None else _convert_parsed_to_json(self.parsed),
            "scores": dict(self.scores),
            "baselines": [msgspec.structs.asdict(baseline) for baseline in self.baselines],
            "prompt": self.prompt,
            **({} if self.spoken is None else {"spoken": self.spoken}),
            **({} if self.output_format is None else {"output_format": self.output_format}),
            "fields": dict(sample.fields),
            "choices": list(sample.choices),
            "target": sample.target,
            "gold": sample.gold,
            "groups": dict(sample.groups),
            "skip": sample.skip,
            "option_order": None if sample.arranged is None else asdict(sample.arranged),
            **({} if sample.targets is None else {"targets": list(sample.targets)}),
            **({"metadata": dict(sample.metadata)} if sample.metadata else {}),
            **({} if sample.languages is None else {"languages": asdict(sample.languages)}),
            "audio": [{"id": ref.id, "path": str(ref.path)} for ref in sample.audio],
            "clip_sizes": dict(self.clip_sizes),
            "preprocessing": list(self.preprocessing),
            "seconds": self.seconds,
            "extra": dict(self.extra),
            "likelihood": {form: list(options) for form, options in self.likelihood.items()},
            **({} if self.embedding is None else {"embedding": self.embedding}),
            **({"judgements": to_json(self.judgements)} if self.judgements else {}),
        }

    @staticmethod
    def read(line: str | bytes, location: str) -> "Record":
        """Parse one line of `samples.jsonl`. Raises StoreError, which names `location`, for an invalid line."""
        try:
            return _decode_line(line).create_record()
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{location}: not a record of schema 1 to {SCHEMA_VERSION}: {error}") from error


class _Clip(msgspec.Struct):
    id: str
    path: str


class _Line(msgspec.Struct):
    """Type of one line of `samples.jsonl`. Values from the task's own data are not validated."""

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
    option_order: OptionArrangement | None = None
    targets: tuple[int, ...] | None = None
    likelihood: dict[str, list[tuple[float, int]]] = {}
    embedding: str | None = None
    metadata: dict[str, Any] = {}
    judgements: tuple[Judgement, ...] = ()
    languages: ItemLanguages | None = None
    spoken: str | None = None
    output_format: str | None = None

    def create_record(self) -> Record:
        """Return the record of the line. Raises ValueError for invalid targets."""
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
            metadata=self.metadata or NOTHING,
            languages=self.languages,
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
            embedding=self.embedding,
            judgements=self.judgements,
            spoken=self.spoken,
            output_format=self.output_format,
        )


_DECODER = msgspec.json.Decoder(_Line)


def _decode_line(line: str | bytes) -> _Line:
    """Decode a line of the current schema version or of version 1. Raises ValueError."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError):  # version 1, half a surrogate pair, or not a record
        value = parse_json(line.decode("utf-8", "replace") if isinstance(line, bytes) else line)
    return from_json(version_1.upgrade_record(value) if version_1.is_record(value) else value, _Line)


def _convert_parsed_to_json(parsed: Parsed) -> dict[str, Any]:
    """Return the fields of a parsed answer; without `indices` unless several options may be correct."""
    entry = {name: getattr(parsed, name) for name in _PARSED}
    if parsed.indices is None:
        del entry["indices"]
    return entry
