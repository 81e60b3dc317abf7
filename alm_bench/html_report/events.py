"""Sound events that the models' event heads detect in a report's clips, and the words for events in answers.

The Mellow paper (arXiv 2503.08540, appendix I) shows them like this, to distinguish hallucinated events from present
ones.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.audio import load
from alm_bench.core import Adapter, AlmBenchError, AudioError, EventPresence, Runtime
from alm_bench.core.adapter import read_abilities
from alm_bench.data.class_labels import read_class_labels
from alm_bench.html_report.clips import ClipLibrary
from alm_bench.plugins import catalogue
from alm_bench.records.schema import Record
from alm_bench.reports.event_curves import (
    THRESHOLD,
    EventCurve,
    build_event_curves,
    mark_event_words,
    rename_classes,
)
from alm_bench.reports.html.document import ReportRun, ReportWarning, shorten
from alm_bench.reports.html.rows import Entry, to_utf16_span

STEPS = 128
"""Largest number of points of a curve; longer ones are reduced to the maximum of neighbouring points."""

_BATCH = 8  # clips per call of the event head


@dataclass(frozen=True, slots=True)
class ReportEvents:
    """Events of the clips and answers of all runs whose model has an event head."""

    runs: Mapping[str, Entry]
    """JSON object per run, by its name: the curves of clips by index, and the marked words of answers by item id."""

    warnings: Sequence[ReportWarning]
    """One warning per model whose event head could not be used."""


def collect_events(runs: Sequence[ReportRun], library: ClipLibrary, names: Path | None = None) -> ReportEvents:
    """Compute the event curves of all clips that the page has, for each run whose model has an event head.

    The model is loaded as the run used it. If it cannot be loaded, or has other weights than those of the run, a
    warning says so, and the run has no curves. `names` is a file with the names of the classes (AudioSet's
    class_labels_indices.csv). Raises UsageError for a file that does not name the classes of a model.
    """
    groups: dict[tuple[Any, ...], list[ReportRun]] = {}
    for run in runs:
        spec = run.header.spec
        key = (spec.model, tuple(sorted(spec.model_options.items())), run.summary.identity.weights)
        groups.setdefault(key, []).append(run)
    found: dict[str, Entry] = {}
    warnings = []
    labels = None if names is None else read_class_labels(names)
    for same in groups.values():
        try:
            adapter = _load_model(same[0])
        except AlmBenchError as error:
            text = f"{same[0].model}: no event curves: the model cannot be loaded: {shorten(str(error), 300)}"
            warnings.append(ReportWarning(text))
            continue
        if adapter is None:
            continue
        with closing(adapter):
            if adapter.identity.weights != same[0].summary.identity.weights:
                text = f"{same[0].model}: no event curves: the model's weights are not those of the run any more"
                warnings.append(ReportWarning(text))
                continue
            for run in same:
                presences = _compute_presences(adapter, run, library)
                if labels is not None:
                    presences = {index: rename_classes(one, labels, str(names)) for index, one in presences.items()}
                if presences:
                    found[run.summary.run] = _describe_run(run, library, presences)
    return ReportEvents(found, warnings)


def _load_model(run: ReportRun) -> Adapter | None:
    """Load the model of a run. Returns None if it has no event head or cannot be loaded by name."""
    model = run.header.spec.model
    if model is None or (":" not in model and model not in catalogue().adapters):
        return None
    entry = catalogue().get_adapter(model)
    if not read_abilities(entry.cls).event_presence:
        return None
    adapter = entry.create(run.header.spec.model_options, Runtime())
    return adapter if adapter.abilities.event_presence else None


def _compute_presences(adapter: Adapter, run: ReportRun, library: ClipLibrary) -> dict[int, EventPresence]:
    """Compute the output of the event head for the clips of a run that are in the page, by the clip's index."""
    policy = adapter.audio
    assert policy is not None, "a model with an event head gets clips"
    indices = list(dict.fromkeys(n for record in run.records for n in library.list_clips(run, record)))
    present = [index for index in indices if {"audio", "file"} & library.clips[index].entry.keys()]
    found: dict[int, EventPresence] = {}
    for start in range(0, len(present), _BATCH):
        waves = {}
        for index in present[start : start + _BATCH]:
            ref = library.locate(index)
            try:
                waves[index] = load(ref, policy, library.clips[index].change).wave if not isinstance(ref, str) else None
            except AudioError:  # the clip has been changed since it was encoded
                continue
        kept = {index: wave for index, wave in waves.items() if wave is not None}
        found |= zip(kept, adapter.event_presence(list(kept.values())), strict=True) if kept else {}
    return found


def _describe_run(run: ReportRun, library: ClipLibrary, presences: Mapping[int, EventPresence]) -> Entry:
    """Return the curves of a run's clips, and the marked words of its free-text answers, as a JSON object."""
    clips = {str(index): _describe_clip(presence) for index, presence in presences.items()}
    words = {}
    for record in run.records:
        heard = [presences[index] for index in library.list_clips(run, record) if index in presences]
        if (marks := _mark_words(record, heard)) and len(heard) == len(library.list_clips(run, record)):
            words[record.sample.id] = marks
    return {"threshold": THRESHOLD, "clips": clips, "words": words}


def _describe_clip(presence: EventPresence) -> Entry:
    """Return the event curves of a clip as a JSON object."""
    curves = [
        {
            "name": curve.name,
            "values": _downsample_curve(curve),
            "peak": round(curve.peak, 3),
            "spans": [[round(start, 2), round(end, 2)] for start, end in curve.list_spans()],
        }
        for curve in build_event_curves(presence)
    ]
    return {"seconds": presence.seconds, "curves": curves}


def _downsample_curve(curve: EventCurve) -> list[int]:
    """Return a curve in percent, reduced to at most `STEPS` points by taking the maximum of neighbouring points."""
    width = -(-len(curve.values) // STEPS)
    return [round(100 * max(curve.values[start : start + width])) for start in range(0, len(curve.values), width)]


def _mark_words(record: Record, presences: Sequence[EventPresence]) -> list[list[Any]]:
    """Return a list of start, end (in UTF-16 units) and state for each word in a free-text answer that names an event.

    Empty for questions with options: the words of such an answer come from the question, so they do not show what the
    model perceived.
    """
    if not record.text or record.sample.choices or not presences:
        return []
    marks = []
    end = 0
    for part in mark_event_words(record.text, presences):
        start, end = end, end + len(part.text)
        if part.state is not None:
            span = to_utf16_span(record.text, (start, end))
            marks.append([*span, part.state])
    return marks
