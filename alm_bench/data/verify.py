"""Inspection of a task's data, for `alm-bench data info` and `alm-bench data verify`."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import AudioError, AudioRef, DataError, DataFile, DataRoot, TaskCard
from alm_bench.core.files import is_file
from alm_bench.data.manifest import file_sha256

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FileReport:
    """State of a file that the card declares. `path`, `size`, `sha256` and `revision` are None if it is missing."""

    file: DataFile
    """Its entry on the card."""

    path: Path | None = None
    """Where it is."""

    size: int | None = None
    """Size in bytes."""

    sha256: str | None = None
    """Hash of the content."""

    revision: str | None = None
    """Name of a known revision, "unknown" for other content, None if the card lists no revisions."""


@dataclass(frozen=True, slots=True)
class ClipReport:
    """State of a task's clips; ids are in the order of the annotations."""

    total: int
    """Number of distinct clips."""

    missing: tuple[str, ...]
    """Ids of missing clips."""

    unreadable: dict[str, str]
    """Reasons by id of clips whose header cannot be decoded."""

    missing_paths: tuple[Path, ...] = ()
    """Where the missing clips were expected."""

    @property
    def present(self) -> int:
        return self.total - len(self.missing)


@dataclass(frozen=True, slots=True)
class DataReport:
    """State of a task's data."""

    task: str
    """Name of the task."""

    root: Path
    """Folder that was inspected."""

    files: tuple[FileReport, ...]
    """State of each file."""

    clips: ClipReport
    """State of the clips."""

    @property
    def complete(self) -> bool:
        """True if every required file and every clip exists."""
        needed = all(report.path is not None or report.file.optional for report in self.files)
        return needed and not self.clips.missing and not self.clips.unreadable


def inspect(
    card: TaskCard, root: DataRoot, clips: Iterable[AudioRef], split: str | None = None, headers: bool = False
) -> DataReport:
    """Inspect the files of `split` (None: all splits) and every distinct clip.

    With `headers`, the header of each existing clip is decoded.
    """
    files = (file for file in card.files if split is None or file.split in (None, split))
    return DataReport(
        card.name, root.path, tuple(inspect_file(file, root) for file in files), inspect_clips(clips, headers)
    )


def inspect_file(file: DataFile, root: DataRoot) -> FileReport:
    if not root.has(file):
        return FileReport(file)
    path = root.locate(file)
    digest = file_sha256(path)
    revision = file.revisions.get(digest, UNKNOWN) if file.revisions else None
    return FileReport(file, path, path.stat().st_size, digest, revision)


def inspect_clips(clips: Iterable[AudioRef], headers: bool = False) -> ClipReport:
    missing: list[AudioRef] = []
    unreadable: dict[str, str] = {}
    distinct = {clip.id: clip for clip in clips}
    for clip in distinct.values():
        if clip.read is None and not is_file(clip.path):
            missing.append(clip)
        elif headers and (reason := _unreadable(clip)) is not None:
            unreadable[clip.id] = reason
    ids, paths = tuple(clip.id for clip in missing), tuple(clip.path for clip in missing)
    return ClipReport(len(distinct), ids, unreadable, paths)


def _unreadable(clip: AudioRef) -> str | None:
    """Return the reason why the clip's header cannot be decoded, or None."""
    import soundfile  # here, so that listing tasks does not load it

    try:
        with io.BytesIO(clip.read()) if clip.read else clip.path.open("rb") as file:
            source = file if clip.read else file.fileno()  # a file's name could hint at another format
            with soundfile.SoundFile(source, closefd=False) as sound:
                return None if sound.frames > 0 else "holds no samples"
    except (OSError, AudioError, DataError) as error:
        return str(error)
    except soundfile.LibsndfileError as error:
        return str(error.error_string).rstrip(".")
