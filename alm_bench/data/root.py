"""Search of a task's files and clips in a local folder, in any reasonable layout."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from alm_bench.core import AudioRef, DataError, DataFile
from alm_bench.core.files import is_file
from alm_bench.data.index import AudioIndex, count_shared_folders
from alm_bench.data.manifest import compute_cached_sha256

_index_lock = threading.Lock()  # a module variable, so that roots can be pickled


@dataclass
class LocalRoot:
    """Data folder given with `--data`: the common root of several tasks' folders, or the folder of one task."""

    path: Path
    """Path of the folder."""

    kind: str = "real"
    """Kind of data, which a run records: `real` or `demo`."""

    _index: AudioIndex | None = field(default=None, init=False, repr=False, compare=False)

    def locate(self, file: DataFile) -> Path:
        """Return the path of a file that a card declares by a list of patterns.

        The patterns are tried in order, first as they are, then without their leading folders; the first one that
        matches a file below the root is used. If it matches several files, the newest known revision is returned
        (revisions are named by date), else the last path in sorted order. Raises DataError if no file matches.
        """
        return _select_newest(self.locate_all(file), file.revisions)

    def locate_all(self, file: DataFile) -> tuple[Path, ...]:
        """Return all matches of the first pattern that matches, sorted by path. Raises DataError if no file matches."""
        matches = self._find_first_matches(file)
        if matches:
            return matches
        state = "" if self.path.is_dir() else f", which is {'a file' if self.path.exists() else 'missing'}"
        raise DataError(
            f"{file.role}: found no {' or '.join(file.names)} below the data folder {self.path}{state}; "
            f"get it from {file.source}"
        )

    def find_all_matches(self, file: DataFile) -> tuple[Path, ...]:
        """Return all matches of all patterns, sorted by path; empty if no file matches."""
        matched = {path for pattern in _shorten_patterns(file.names) for path in self._find_matches(pattern)}
        return tuple(sorted(matched))

    def has(self, file: DataFile) -> bool:
        return bool(self._find_first_matches(file))

    def audio(self, *names: str) -> AudioRef:
        """Return the clip at the first of the relative paths `names` that exists, else a clip with the same base name
        below the root.

        The clip's id is the first name, whatever file is found. The search by base name uses an index of all audio
        files below the root, which is built on first use. A `*` in a name matches any characters. Of several files, the
        one that shares the most trailing folders with the name is used. If there is none, files with another audio
        suffix are tried. If nothing is found, the result has the expected path, which does not exist. Raises DataError
        if different files match equally well.
        """
        wanted = [_normalise_name(name) for name in names]
        clip = str(wanted[0])
        for given, name in zip(names, wanted, strict=True):
            for path in (self.path / given, self.path / name):
                if is_file(path):
                    return AudioRef(clip, path)
        index = self._get_index()
        for find in (index.find_by_name, index.find_by_stem):
            for name in wanted:
                found = find(name.name)
                if found:
                    return AudioRef(clip, self._select_closest(clip, name, found))
        return AudioRef(clip, self.path / wanted[0])

    def version(self) -> str | None:
        """Return None, because local files are identified by the hash of their content."""
        return None

    def _find_first_matches(self, file: DataFile) -> tuple[Path, ...]:
        """Return the matches of the first pattern that has any; empty if none has."""
        for pattern in _shorten_patterns(file.names):
            if matches := self._find_matches(pattern):
                return tuple(matches)
        return ()

    def _find_matches(self, pattern: str) -> list[Path]:
        paths = (path for path in self.path.glob(pattern) if is_file(path))
        return sorted(path for path in paths if not path.name.startswith("._"))  # metadata files that macOS adds

    def _get_index(self) -> AudioIndex:
        with _index_lock:
            if self._index is None:
                self._index = AudioIndex.scan(self.path)
            return self._index

    def _select_closest(self, clip: str, target: PurePosixPath, paths: Iterable[PurePosixPath]) -> Path:
        """Return the path that shares the most folders with `target`.

        Raises DataError if several do, unless they are encodings of one clip or have equal contents. `clip` is the
        clip's name, for the message.
        """
        shared = {path: count_shared_folders(target, path) for path in paths}
        longest = max(shared.values())
        best = [self.path / path for path, length in shared.items() if length == longest]
        encodings = len({path.with_suffix("") for path in best}) == 1  # encodings of one clip
        if not encodings and len({compute_cached_sha256(path) for path in best}) > 1:
            raise DataError(
                f"clip {clip}: {best[0]} and {best[1]} fit its name equally and differ; "
                f"name a --data folder that holds one of them, or put the clip at {self.path / clip}"
            )
        return best[0]


def _shorten_patterns(patterns: Iterable[str]) -> list[str]:
    """Return every pattern as it is, then every pattern without its first folder, and so on down to the file name."""
    parts = [PurePosixPath(pattern).parts for pattern in patterns]
    depth = max(map(len, parts), default=0)
    shortened = ["/".join(part[cut:]) for cut in range(depth) for part in parts if len(part) > cut]
    return list(dict.fromkeys(shortened))


def _select_newest(matches: tuple[Path, ...], revisions: Mapping[str, str]) -> Path:
    """Return the file with the newest of the `revisions` (names by sha256), or the last file if none is known."""
    if len(matches) == 1 or not revisions:
        return matches[-1]
    known = [(revisions[digest], path) for path in matches if (digest := compute_cached_sha256(path)) in revisions]
    return max(known)[1] if known else matches[-1]


def _normalise_name(name: str) -> PurePosixPath:
    """Normalise a clip's name to the form of ids: forward slashes, no leading `./` or `/`, no `..`."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return PurePosixPath(*parts)
