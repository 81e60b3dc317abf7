"""Checks of a task's files and clips, for `alm-bench data info` and `alm-bench data verify`."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import AudioError, AudioRef, DataError, DataFile, DataRoot, TaskCard
from alm_bench.core.files import is_file
from alm_bench.data.manifest import compute_cached_sha256

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FileReport:
    """State of a file that the task's card declares. `path`, `size`, `sha256` and `revision` are None if the file is
    missing."""

    file: DataFile
    """Declaration of the file on the card."""

    path: Path | None = None
    """Path of the file."""

    size: int | None = None
    """Size in bytes."""

    sha256: str | None = None
    """Sha256 of the content."""

    revision: str | None = None
    """Name of the revision; "unknown" if the card does not list this content; None if the card lists no revisions."""


@dataclass(frozen=True, slots=True)
class ClipReport:
    """State of a task's clips. Ids are in the order of the annotation file."""

    total: int
    """Number of distinct clips."""

    missing: tuple[str, ...]
    """Ids of the clips that do not exist."""

    unreadable: dict[str, str]
    """Reason why the header of a clip cannot be decoded, by clip id."""

    missing_paths: tuple[Path, ...] = ()
    """Expected paths of the missing clips, in the order of `missing`."""

    @property
    def present_count(self) -> int:
        """Number of clips that exist."""
        return self.total - len(self.missing)


@dataclass(frozen=True, slots=True)
class DataReport:
    """State of a task's data."""

    task: str
    """Name of the task."""

    root: Path
    """Data folder that was inspected."""

    files: tuple[FileReport, ...]
    """One report per declared file."""

    clips: ClipReport
    """Report on the clips."""

    @property
    def complete(self) -> bool:
        """True if every required file and every clip exists, and no inspected header is unreadable."""
        needed = all(report.path is not None or report.file.optional for report in self.files)
        return needed and not self.clips.missing and not self.clips.unreadable


def inspect_task_data(
    card: TaskCard, root: DataRoot, clips: Iterable[AudioRef], split: str | None = None, headers: bool = False
) -> DataReport:
    """Inspect the task's files of `split` (None: of all splits) and every distinct clip.

    With `headers`, also decode the header of each existing clip. Raises DataError if a file cannot be read.
    """
    files = (file for file in card.files if split is None or file.split in (None, split))
    return DataReport(
        card.name, root.path, tuple(inspect_file(file, root) for file in files), inspect_clips(clips, headers)
    )


def inspect_file(file: DataFile, root: DataRoot) -> FileReport:
    if not root.has(file):
        return FileReport(file)
    path = root.locate(file)
    digest = compute_cached_sha256(path)
    revision = file.revisions.get(digest, UNKNOWN) if file.revisions else None
    return FileReport(file, path, path.stat().st_size, digest, revision)


def inspect_clips(clips: Iterable[AudioRef], headers: bool = False) -> ClipReport:
    """Find the clips without a file; with `headers`, also those whose file header cannot be read."""
    missing: list[AudioRef] = []
    unreadable: dict[str, str] = {}
    distinct = {clip.id: clip for clip in clips}
    for clip in distinct.values():
        if clip.read is None and not is_file(clip.path):
            missing.append(clip)
        elif headers and (reason := _find_header_error(clip)) is not None:
            unreadable[clip.id] = reason
    ids, paths = tuple(clip.id for clip in missing), tuple(clip.path for clip in missing)
    return ClipReport(len(distinct), ids, unreadable, paths)


def _find_header_error(clip: AudioRef) -> str | None:
    """Return the reason why the clip's header cannot be decoded, or None."""
    import soundfile  # imported here, so that listing tasks does not load it

    try:
        with io.BytesIO(clip.read()) if clip.read else clip.path.open("rb") as file:
            source = file if clip.read else file.fileno()  # a file's name could hint at another format
            with soundfile.SoundFile(source, closefd=False) as sound:
                return None if sound.frames > 0 else "holds no samples"
    except (OSError, AudioError, DataError) as error:
        return str(error)
    except soundfile.LibsndfileError as error:
        return str(error.error_string).rstrip(".")
