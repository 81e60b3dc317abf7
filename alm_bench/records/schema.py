"""The line of `samples.jsonl`: one item of a run, with everything that scoring it again needs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from alm_bench.core import (
    NOTHING,
    STATUSES,
    Arrangement,
    AudioRef,
    Likelihoods,
    Metric,
    Output,
    Parsed,
    Sample,
    Scored,
    Status,
    StoreError,
    Task,
)
from alm_bench.core.foreign import dump_json, parse_json, storable
from alm_bench.records.extra import find_fault
from alm_bench.scoring.blind import Margin
from alm_bench.scoring.likelihood import MAIN, choices
from alm_bench.scoring.multiple_choice import BY

SCHEMA_VERSION = 1
"""Version of run.json, samples.jsonl and summary.json. Readers refuse versions that they do not know."""

RETRIED: tuple[Status, ...] = ("error",)
"""Statuses that a resumed run tries again. Items whose clip was skipped are tried again too: it may be there now."""

AUDIO_SKIPPED = "audio: "
"""What the reason of an item begins with that was skipped for its clip."""


_PARSED = tuple(field.name for field in fields(Parsed))


@dataclass(frozen=True, slots=True)
class Record:
    """`index` is the item's place in the task. `prompt` is the text as the model got it; `text` the raw answer, None
    where the call failed or options were scored instead (`likelihood`).

    `heard` maps the clips that the model gets, a spare one included, to their size in bytes (None where no file tells):
    an answer is kept on resume as long as its clips are the same.
    """

    index: int
    sample: Sample
    prompt: str
    status: Status
    reason: str | None = None
    text: str | None = None
    parsed: Parsed | None = None
    scores: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    blind: Mapping[str, int | None] = field(default_factory=lambda: NOTHING)
    heard: Mapping[str, int | None] = field(default_factory=lambda: NOTHING)
    touched: tuple[str, ...] = ()
    seconds: float | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    likelihood: Likelihoods = field(default_factory=lambda: NOTHING)

    @property
    def retried(self) -> bool:
        return self.status in RETRIED or (self.status == "skipped" and (self.reason or "").startswith(AUDIO_SKIPPED))

    def scored(self) -> Scored:
        return Scored(self.sample, self.status, self.text, self.parsed, self.scores, self.blind)

    def line(self) -> str:
        sample = self.sample
        entry = {
            "id": sample.id,
            "index": self.index,
            "status": self.status,
            "reason": self.reason,
            "text": self.text,
            "parsed": None if self.parsed is None else _parsed_entry(self.parsed),
            "scores": dict(self.scores),
            "blind": dict(self.blind),
            "prompt": self.prompt,
            "fields": dict(sample.fields),
            "choices": list(sample.choices),
            "target": sample.target,
            "gold": sample.gold,
            "groups": dict(sample.groups),
            "skip": sample.skip,
            "arranged": None if sample.arranged is None else asdict(sample.arranged),
            **({} if sample.targets is None else {"targets": list(sample.targets)}),
            "audio": [{"id": ref.id, "path": str(ref.path)} for ref in sample.audio],
            "heard": dict(self.heard),
            "touched": list(self.touched),
            "seconds": self.seconds,
            "extra": dict(self.extra),
            "likelihood": {form: list(options) for form, options in self.likelihood.items()},
        }
        return dump_json(entry) + "\n"

    @staticmethod
    def read(line: str, where: str) -> "Record":
        """Raises StoreError naming `where` for a line of another shape."""
        try:
            entry = parse_json(line)
            if entry["status"] not in STATUSES:
                raise ValueError(f"status {entry['status']!r}")
            parsed = entry["parsed"]
            sample = Sample(
                id=entry["id"],
                fields=dict(entry["fields"]),
                audio=tuple(AudioRef(clip["id"], Path(clip["path"])) for clip in entry["audio"]),
                choices=tuple(entry["choices"]),
                target=entry["target"],
                gold=entry["gold"],
                groups=dict(entry["groups"]),
                skip=entry["skip"],
                arranged=_arrangement(entry.get("arranged")),
                targets=None if entry.get("targets") is None else tuple(entry["targets"]),
            )
            return Record(
                index=entry["index"],
                sample=sample,
                prompt=entry["prompt"],
                status=entry["status"],
                reason=entry["reason"],
                text=entry["text"],
                parsed=None if parsed is None else _read_parsed(parsed),
                scores=dict(entry["scores"]),
                blind=dict(entry["blind"]),
                heard=dict(entry["heard"]),
                touched=tuple(entry["touched"]),
                seconds=entry["seconds"],
                extra=dict(entry["extra"]),
                likelihood={
                    form: [(total, tokens) for total, tokens in options]
                    for form, options in entry.get("likelihood", {}).items()
                },
            )
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(f"{where}: not a record of schema {SCHEMA_VERSION}: {error!r}") from error


def _parsed_entry(parsed: Parsed) -> dict[str, Any]:
    """The fields of a reading; `indices` only of questions that may have several right options."""
    entry = {name: getattr(parsed, name) for name in _PARSED}
    if parsed.indices is None:
        del entry["indices"]
    return entry


def _read_parsed(entry: Mapping[str, Any]) -> Parsed:
    span, indices = entry["span"], entry.get("indices")
    fields = {**entry, "span": None if span is None else (span[0], span[1])}
    return Parsed(**{**fields, "indices": None if indices is None else tuple(indices)})


def _arrangement(entry: Any) -> Arrangement | None:
    return None if entry is None else Arrangement(**{**entry, "order": tuple(entry["order"])})


def grade_record(record: Record, task: Task) -> Record:
    """The record with its text read and graded: status, reading and scores follow from what is stored alone.

    Where options were scored, each way of that has a score of its own; where no text was written, one of them stands
    for the answer.
    """
    if record.status == "error":
        return replace(record, parsed=None, scores={})
    ways = choices(record.sample, record.likelihood)
    # An option that was found likeliest is no text to compare with: of its grades, accuracy alone means something.
    graded = {way: task.grade(record.sample, "", parsed) for way, parsed in ways.items()}
    scores = {way: grades["accuracy"] for way, grades in graded.items() if "accuracy" in grades}
    if record.text is not None:
        parsed = task.parse(record.sample, record.text)
        scores |= task.grade(record.sample, record.text, parsed)
    elif ways:
        parsed = ways[BY + MAIN]
        scores |= {"accuracy": scores[BY + MAIN]} if BY + MAIN in scores else {}
    else:
        return replace(record, parsed=None, scores={})
    status, reason = _status(record, parsed)
    return replace(record, parsed=parsed, scores=scores, status=status, reason=reason)


def _status(record: Record, parsed: Parsed) -> tuple[Status, str | None]:
    if record.sample.skip is not None:
        return "skipped", record.sample.skip
    if parsed.status == "ok":
        return "ok", None
    if parsed.status == "refused":
        return "refused", None
    if record.extra.get("truncated"):
        return "truncated", "the token limit ended the text before an answer"
    if parsed.status == "truncated":
        return "truncated", "the text breaks off before an answer"
    return "unparsed", parsed.rule if parsed.status == "unparsed" else parsed.status


def complete_record(record: Record, output: Output, task: Task) -> Record:
    """The record after the model's call: a failed call is an error, an answer is judged. So is one beside which the
    adapter put what cannot be stored as JSON, or a cost or a count that is none.

    What a failed call left (a text whose options could not be scored) is kept beside the reason.
    """
    if (fault := find_fault(output.extra)) is not None:
        output = replace(output, error=f"the model's reply has {fault}", refusal=None, extra=NOTHING)
    text = None if output.text is None else storable(output.text)
    extra = {**output.extra, **({"truncated": True} if output.truncated else {})} or NOTHING
    record = replace(record, text=text, extra=extra, likelihood=output.likelihood)
    if output.refusal is not None:
        return replace(record, text=None, status="refused", reason=_line(output.refusal))
    if output.error is not None or (text is None and not output.likelihood):
        if record.sample.skip is not None and not record.sample.choices:  # options that cannot be read, to be scored
            return replace(record, status="skipped", reason=record.sample.skip)
        return replace(record, status="error", reason=_line(output.error or "the model returned no text"))
    return grade_record(replace(record, status="ok"), task)


def _line(text: str) -> str:
    return " ".join(storable(text).split())[:500]


def metric_json(metric: Metric) -> dict[str, Any]:
    entry: dict[str, Any] = {"value": metric.value, "low": metric.low, "high": metric.high, "n": metric.n}
    return entry if metric.reason is None else {**entry, "reason": metric.reason}


def margin_json(margin: Margin) -> dict[str, Any]:
    entry = {"row": margin.row, margin.score: margin.value, "lead": metric_json(margin.lead), "beaten": margin.beaten}
    return entry if margin.score == "accuracy" else {**entry, "score": margin.score}
