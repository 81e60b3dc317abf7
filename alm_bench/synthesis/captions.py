"""Readers of captions: AudioCaps' and Clotho's files, any CSV or JSON Lines file, and the demo data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import DataError, UsageError
from alm_bench.data.readers import read_csv, read_jsonl

DEMO = "demo"
"""Name of the captions of the demo data."""

_AUDIO = ("file_name", "audio", "audio_path", "path", "filepath", "filepath1", "file", "clip", "filename", "wav")
_CAPTION = ("caption", "text", "description", "sentence", "caption_1")
_DEMO_CLIPS = 100
_FOLDERS = {"train": "development", "val": "validation", "test": "evaluation"}


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption of a clip."""

    clip: str
    """Path of the clip below the audio folder."""

    text: str
    """The caption."""

    dataset: str
    """Name of the data set, as the names of ReasonAQA's parts begin (`AudioCaps`, `ClothoV21`)."""

    split: str
    """Split of the clip."""

    number: int = 0
    """Index of the caption among those of its clip."""

    @property
    def id(self) -> str:
        """Id of the caption, unique within the files of one command."""
        return f"{self.dataset}/{self.split}/{self.clip}#{self.number}"


def read_captions(source: str, split: str, columns: Mapping[str, str] | None = None) -> list[Caption]:
    """Read the captions of a file, or of `demo` or `demo:N` (N scenes of the demo data).

    A file with the columns `youtube_id` and `caption` is AudioCaps, one with `file_name` and `caption_1` to `caption_5`
    Clotho. Any other CSV or JSON Lines file has a column of clips and one of captions, which `columns` may name (roles
    `audio`, `caption`, `split`). `split` is the split of clips whose row names none.

    Raises DataError and UsageError.
    """
    name, _, count = source.partition(":")
    if name == DEMO:
        return _create_demo_captions(split, count, source)
    path = Path(source).expanduser()
    if not path.is_file():
        raise DataError(f"--captions {source}: no such file (known besides a file: {DEMO}, {DEMO}:N)")
    rows = read_jsonl(path) if path.suffix in (".jsonl", ".ndjson") else read_csv(path, (), _find_delimiter(path))
    if not rows:
        raise DataError(f"{path}: no captions")
    header = list(rows[0])
    if not columns and {"youtube_id", "caption"} <= set(header):
        found: Iterable[Caption] = _number_captions(
            (f"AudioCapsLarger/{split}/Y{row['youtube_id']}.wav", row["caption"], split) for row in rows
        )
        return _check_captions(_set_dataset(found, "AudioCaps"), path)
    if not columns and {"file_name", "caption_1"} <= set(header):
        folder = f"ClothoV21/{_FOLDERS.get(split, split)}"
        names = [column for column in header if column.startswith("caption_")]
        found = _number_captions(
            (f"{folder}/{row['file_name']}", row[column], split) for row in rows for column in names
        )
        return _check_captions(_set_dataset(found, "ClothoV21"), path)
    audio, caption = _pick_column("audio", header, columns, _AUDIO), _pick_column("caption", header, columns, _CAPTION)
    parts = (columns or {}).get("split", "split" if "split" in header else "")
    found = _number_captions((str(row[audio]), str(row[caption]), str(row.get(parts) or split)) for row in rows)
    return _check_captions(_set_dataset(found, path.stem), path)


def _find_delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _pick_column(
    role: str, header: Sequence[str], columns: Mapping[str, str] | None, known_names: Sequence[str]
) -> str:
    """Return the name of the column that has a role (`audio` or `caption`).

    It is the one that `columns` names for the role, else the first of the `known_names` names that is in `header`.
    Raises UsageError if there is none.
    """
    named = (columns or {}).get(role)
    if named is not None and named not in header:
        raise UsageError(f"--map {role}={named}: no such column; found {', '.join(header)}")
    found = named or next((name for name in known_names if name in header), None)
    if found is None:
        raise UsageError(
            f"no column of {role}s among {', '.join(header)}: name it with --map {role}=COLUMN "
            f"(known: {known_names[0]}, ...)"
        )
    return found


def _number_captions(rows: Iterable[tuple[str, str, str]]) -> Iterator[Caption]:
    """Yield a caption for each triple (path of the clip, text, split), with its index among the captions of the same
    clip. The name of the data set is left empty."""
    counts: dict[tuple[str, str], int] = {}
    for clip, text, split in rows:
        number = counts.get((clip, split), 0)
        counts[clip, split] = number + 1
        yield Caption(clip, " ".join(text.split()), "", split, number)


def _set_dataset(captions: Iterable[Caption], dataset: str) -> list[Caption]:
    """Return the captions with the name of their data set."""
    return [Caption(one.clip, one.text, dataset, one.split, one.number) for one in captions]


def _check_captions(captions: list[Caption], path: Path) -> list[Caption]:
    """Return the captions. Raises DataError for an empty caption or clip."""
    for number, caption in enumerate(captions):
        if not caption.text or not caption.clip:
            missing = "caption" if caption.clip else "path of a clip"
            raise DataError(f"{path}: caption {number + 1} has no {missing}, expected text")
    return captions


def _create_demo_captions(split: str, count: str, source: str) -> list[Caption]:
    """Return the caption of each of `count` scenes of the demo data. Raises UsageError."""
    from alm_bench.demo import build_scene, write_captions
    from alm_bench.demo.scene import hash_name

    if count and not (count.isascii() and count.isdigit() and int(count)):
        raise UsageError(f"--captions {source}: expected {DEMO}:N with a number of scenes")
    found = []
    for index in range(int(count or _DEMO_CLIPS)):
        clip = f"AudioCapsLarger/{split}/Y{hash_name('synthesis', split, index)[:11]}.wav"
        found.append(Caption(clip, write_captions(build_scene(split, index), clip, 1)[0], "AudioCaps", split))
    return found
