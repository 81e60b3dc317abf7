"""Clips of a report: where their files are, how a condition changed them, and their encoding within a size budget."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import soxr  # type: ignore[import-untyped]

from alm_bench.audio import load
from alm_bench.audio.mp3 import RATE, encode_mp3
from alm_bench.audio.probes import SOUNDS, build_probe
from alm_bench.audio.spectrogram import draw_log_mel
from alm_bench.core import AlmBenchError, AudioError, AudioPolicy, AudioRef, Request, Wave
from alm_bench.core.files import is_file, write_atomically
from alm_bench.plugins import catalogue
from alm_bench.records.schema import Record
from alm_bench.reports.html.document import ReportRun, shorten
from alm_bench.resolve import find_clips, get_demo_root, resolve_data
from alm_bench.runner.conditions import Change, create_condition

LONGEST = 30.0
"""Largest length of a clip in the report in seconds. Longer clips are cut off."""

_AT_ONCE = 16  # clips that are encoded before the budget is checked again

LEFT_OUT = "This clip is not part of the page: {reason}."


@dataclass(slots=True)
class ReportClip:
    """One clip of the page, as a condition changed it for the model."""

    name: str
    """Id of the clip."""

    ref: AudioRef
    """Reference to the clip's file."""

    policy: AudioPolicy
    """Sample rate and channels with which the clip is decoded."""

    change: Change | None = None
    """Function by which a condition changes the waveform; None if the clip is not changed."""

    run: ReportRun | None = None
    """A run that has the clip. If the clip is no longer at its path, it is searched in this run's data."""

    entry: dict[str, Any] = field(default_factory=dict)
    """JSON object about the clip for the page's scripts. The key `why` is the reason why there is no sound."""


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """Encoded sound and spectrogram of a clip."""

    audio: bytes
    """MP3 file."""

    image: bytes
    """Log-mel spectrogram, a PNG file."""

    seconds: float
    """Duration in seconds."""


class ClipLibrary:
    """All clips of the answers of a report. Equal clips are stored once.

    `data` is the value of `--data`, for clips that are no longer at the paths in the records.
    """

    def __init__(self, data: str) -> None:
        self.clips: list[ReportClip] = []
        self.media: dict[str, str] = {}
        """Embedded sounds and pictures in base64, by the id of their element."""
        self._data = data
        self._index: dict[tuple[Any, ...], int] = {}
        self._answers: dict[tuple[str, str], list[int]] = {}
        self._roots: dict[tuple[str, str, str], Mapping[str, AudioRef] | str] = {}

    def add_run(self, run: ReportRun) -> None:
        """Add the clips of all answers of a run, as the model got them under the run's condition."""
        spec, policy = run.header.spec, _read_policy(run.header.audio)
        requests = [Request(record.sample.id, "", record.sample.audio) for record in run.records]
        try:
            condition = create_condition(spec.condition, spec.seed, spec.repeat)
            heard = condition.requests(requests)
        except AlmBenchError:  # a condition of a package that is not installed
            self._answers |= {(run.summary.run, record.sample.id): [] for record in run.records}
            return
        for record, request in zip(run.records, heard, strict=True):
            self._answers[run.summary.run, record.sample.id] = [
                self._add(run, ref, policy, condition.change(ref.id), (spec.condition, spec.seed, spec.repeat))
                for ref in request.audio
                if not record.clip_sizes or ref.id in record.clip_sizes  # else the draw was another one
            ]

    def add_probes(self) -> dict[str, int]:
        """Add the sounds of the audio-delivery check; return their indices by name."""
        policy = AudioPolicy(rate=RATE)
        return {name: self._append(("probe", name), ReportClip("", build_probe(name), policy)) for name in SOUNDS}

    def _add(
        self, run: ReportRun, ref: AudioRef, policy: AudioPolicy, change: Change | None, condition: tuple[str, int, int]
    ) -> int:
        """Add the clip `ref` of a run as `change` changes it, and return its index.

        `condition` is the condition's name, seed and repeat. Equal clips under equal conditions are stored once.
        Without a `change`, the clip is the same under all conditions, so it is stored once for all.
        """
        if change is None:
            policy, condition = AudioPolicy(rate=RATE, max_seconds=LONGEST), ("", 0, 0)
        key = (ref.id, str(ref.path), policy, *condition)
        return self._append(key, ReportClip(ref.id, ref, policy, change, run))

    def _append(self, key: tuple[Any, ...], clip: ReportClip) -> int:
        """Add a clip unless one with this key was added before; return its index."""
        if key not in self._index:
            self._index[key] = len(self.clips)
            clip.entry = {"name": shorten(clip.name)}
            self.clips.append(clip)
        return self._index[key]

    def list_clips(self, run: ReportRun, record: Record) -> list[int]:
        """Return the indices of the clips that belong to an answer, in `clips`."""
        return self._answers[run.summary.run, record.sample.id]

    def find_clips(self, runs: Sequence[ReportRun], items: Sequence[tuple[str, str]]) -> list[int]:
        """Return the indices of the clips of some items in all runs, in the order of the items.

        `items` are pairs of task and item id.
        """
        names: dict[str, list[str]] = {}
        for run in runs:
            names.setdefault(run.summary.task, []).append(run.summary.run)
        found = [self._answers.get((run, item), []) for task, item in items for run in names.get(task, ())]
        return list(dict.fromkeys(index for indices in found for index in indices))

    def embed(self, indices: Sequence[int], budget: int) -> None:
        """Embed the clips with the given indices, in this order, until they take `budget` bytes of the page."""
        used = 0
        for index, encoded in self._encode(indices):
            entry = self.clips[index].entry
            if isinstance(encoded, str):
                entry["why"] = encoded
                continue
            parts = {"audio": encoded.audio, "image": encoded.image}
            names = [f"{kind[0]}-{_hash_content(content)}" for kind, content in parts.items()]
            texts = dict(zip(names, (base64.b64encode(content).decode() for content in parts.values()), strict=True))
            size = sum(len(text) for name, text in texts.items() if name not in self.media)
            if used + size > budget:
                break
            used += size
            self.media |= texts
            entry |= {"seconds": round(encoded.seconds, 3), **dict(zip(parts, names, strict=True))}

    def write_other_clips(self, folder: Path) -> int:
        """Write the clips that are not embedded to a folder beside the page; return their number."""
        rest = [index for index, clip in enumerate(self.clips) if not {"audio", "why"} & clip.entry.keys()]
        count = 0
        for index, encoded in self._encode(rest):
            entry = self.clips[index].entry
            if isinstance(encoded, str):
                entry["why"] = encoded
                continue
            sound, picture = f"{_hash_content(encoded.audio)}.mp3", f"{_hash_content(encoded.audio)}.png"
            write_atomically(folder / sound, encoded.audio, "--to")
            write_atomically(folder / picture, encoded.image, "--to")
            entry |= {
                "seconds": round(encoded.seconds, 3),
                "file": f"{folder.name}/{sound}",
                "imageFile": f"{folder.name}/{picture}",
            }
            count += 1
        return count

    def mark_absent_clips(self, reason: str) -> int:
        """Store `reason` with each clip that is neither embedded nor in the folder beside the page. Return their
        number."""
        absent = [clip for clip in self.clips if not {"audio", "file"} & clip.entry.keys()]
        for clip in absent:
            clip.entry.setdefault("why", LEFT_OUT.format(reason=reason))
        return len(absent)

    @property
    def embedded_count(self) -> int:
        """Number of clips in the page."""
        return sum("audio" in clip.entry for clip in self.clips)

    def locate(self, index: int) -> AudioRef | str:
        """Return a reference to the bytes of the clip with this index; if there is none, a sentence with the reason."""
        return self._locate(self.clips[index])

    def _encode(self, indices: Sequence[int]) -> Iterator[tuple[int, EncodedClip | str]]:
        """Yield each clip with its encoding, or with a sentence on why there is none."""
        refs = {index: self._locate(self.clips[index]) for index in indices}
        with ThreadPoolExecutor() as pool:  # libsndfile and soxr release the interpreter
            for start in range(0, len(indices), _AT_ONCE):
                part = indices[start : start + _AT_ONCE]
                yield from zip(part, pool.map(lambda n: _encode_clip(self.clips[n], refs[n]), part), strict=True)

    def _locate(self, clip: ReportClip) -> AudioRef | str:
        """Return a reference to the clip's bytes; if there is none, a sentence with the reason."""
        if clip.run is None or (is_file(clip.ref.path) and clip.ref.path.suffix != ".parquet"):
            return clip.ref
        found = self._find_data_clips(clip.run)
        if isinstance(found, str):
            return found
        return found.get(clip.ref.id, clip.ref)

    def _find_data_clips(self, run: ReportRun) -> Mapping[str, AudioRef] | str:
        """Return the clips in a run's data, by id. If the data cannot be read, return a sentence with the reason."""
        summary, header = run.summary, run.header
        key = (summary.task, summary.split, summary.data)
        if key not in self._roots:
            try:
                entry = catalogue().get_task(summary.task)
                if summary.data == "demo":
                    root: Any = get_demo_root(entry)
                else:
                    root = resolve_data(entry, summary.split, self._data, header.spec.task_options)
                self._roots[key] = {ref.id: ref for ref in find_clips(entry, root, summary.split)}
            except AlmBenchError as error:
                self._roots[key] = f"The clip's file is not there: {shorten(str(error), 300)}"
        return self._roots[key]


def _read_policy(audio: Any) -> AudioPolicy:
    """Return the audio settings in a run's header as a policy that does not cut clips. Missing settings have
    defaults."""
    known = {
        name: audio[name] for name in ("rate", "channels", "min_seconds") if isinstance(audio, dict) and name in audio
    }
    return replace(AudioPolicy(), **known, max_seconds=LONGEST)


def _encode_clip(clip: ReportClip, ref: AudioRef | str) -> EncodedClip | str:
    """Decode, change and encode a clip; return a sentence with the reason if that is not possible."""
    if isinstance(ref, str):
        return ref
    try:
        wave: Wave = load(ref, clip.policy, clip.change).wave
    except AudioError as error:
        return f"The clip cannot be played: {shorten(str(error), 300)}"
    if clip.policy.rate != RATE:
        wave = soxr.resample(wave, clip.policy.rate, RATE, quality="HQ")
    return EncodedClip(encode_mp3(wave), draw_log_mel(wave, RATE), wave.size / RATE)


def _hash_content(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]
