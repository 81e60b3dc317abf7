"""A task's files and clips in a local folder, whatever sensible layout the folder has."""

import os
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from alm_bench.core import AudioRef, DataError, DataFile
from alm_bench.data.manifest import file_sha256

_SUFFIXES = "wav wave flac mp3 ogg oga opus m4a aac mp4 webm aif aiff aifc au snd w64 caf rf64"
AUDIO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())

_Index = Mapping[str, tuple[PurePosixPath, ...]]

_indexing = threading.Lock()  # of the module, so that roots can be pickled


@dataclass
class LocalRoot:
    """A folder given with `--data`: the common root of several tasks' folders, or one task's folder itself."""

    path: Path
    kind: str = "real"
    _index: _Index | None = field(default=None, init=False, repr=False, compare=False)

    def locate(self, file: DataFile) -> Path:
        """The file that a card declares, by the first of its patterns that matches below the root.

        A pattern is also tried without its leading folders. Of several matches the newest known revision wins
        (revisions are named by date), else the last by name. Raises DataError where nothing matches.
        """
        for pattern in _shortened(file.names):
            matches = sorted(self._matches(pattern))
            if matches:
                return _newest(matches, file.revisions)
        looked = " or ".join(file.names)
        found = "" if self.path.is_dir() else f", which is {'a file' if self.path.exists() else 'missing'}"
        raise DataError(
            f"{file.role}: found no {looked} below the data folder {self.path}{found}; get it from {file.source}"
        )

    def audio(self, *names: str) -> AudioRef:
        """The clip under the first of `names` that exists, else the clip anywhere below the root with that base name.

        An index of all audio files below the root is built when the first clip is not where its name says. In it,
        the file that shares the longest path suffix with a name wins; a name is also found with another audio suffix.
        A clip that is nowhere gets the path it was expected at. Raises DataError when two different files fit equally.
        """
        wanted = [_normal(name) for name in names]
        for name in (*names, *map(str, wanted)):
            if _is_file(self.path / name):
                return AudioRef(str(wanted[0]), self.path / name)
        index = self._indexed()
        for reduced in (_same, _stem):
            for path in wanted:
                found = index.get(_key(reduced(path.name)))
                if found:
                    return AudioRef(str(wanted[0]), self._closest(path, found))
        return AudioRef(str(wanted[0]), self.path / wanted[0])

    def version(self) -> None:
        """None: the files of a local folder tell by themselves."""
        return None

    def _matches(self, pattern: str) -> Iterator[Path]:
        for path in self.path.glob(pattern):
            if _is_file(path) and not path.name.startswith("._"):  # macOS keeps such shadows of files in archives
                yield path

    def _indexed(self) -> _Index:
        with _indexing:
            if self._index is None:
                index: dict[str, list[PurePosixPath]] = {}
                for path in sorted(_audio_below(self.path)):
                    for key in (_key(path.name), _key(_stem(path.name))):
                        index.setdefault(key, []).append(path)
                self._index = {key: tuple(paths) for key, paths in index.items()}
            return self._index

    def _closest(self, wanted: PurePosixPath, paths: tuple[PurePosixPath, ...]) -> Path:
        shared = [_shared_suffix(wanted, path) for path in paths]
        best = [self.path / path for path, length in zip(paths, shared, strict=True) if length == max(shared)]
        one_folder = len({path.parent for path in best}) == 1  # one clip in two encodings
        if not one_folder and len({file_sha256(path) for path in best}) > 1:
            raise DataError(
                f"clip {wanted}: {best[0]} and {best[1]} fit its name equally and differ; "
                f"name a --data folder that holds one of them, or put the clip at {self.path / wanted}"
            )
        return best[0]


def _shortened(patterns: Iterable[str]) -> list[str]:
    """Every pattern as it is, then every pattern without its first folder, and so on down to the bare name."""
    parts = [PurePosixPath(pattern).parts for pattern in patterns]
    depth = max(map(len, parts), default=0)
    shortened = ["/".join(part[cut:]) for cut in range(depth) for part in parts if len(part) > cut]
    return list(dict.fromkeys(shortened))


def _newest(matches: list[Path], revisions: Mapping[str, str]) -> Path:
    if len(matches) == 1 or not revisions:
        return matches[-1]
    known = [(revisions[digest], path) for path in matches if (digest := file_sha256(path)) in revisions]
    return max(known)[1] if known else matches[-1]


def _normal(name: str) -> PurePosixPath:
    """A clip's name as it stands in its id: forward slashes, no leading `./` or `/`, no `..`."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return PurePosixPath(*parts)


def _key(name: str) -> str:
    """File systems keep accents in one of two Unicode forms: compare names in one."""
    return unicodedata.normalize("NFC", name)


def _same(name: str) -> str:
    return name


def _stem(name: str) -> str:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  (a name, not a path)
    return stem if suffix.lower() in AUDIO_SUFFIXES else name


def _is_file(path: Path) -> bool:
    """False also for a name that the file system refuses (too long, a zero byte) and for a closed folder."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _shared_suffix(wanted: PurePosixPath, path: PurePosixPath) -> tuple[int, bool]:
    """How many trailing folders two paths share, then whether the base name is the same to the letter."""
    count = 0
    for a, b in zip(reversed(wanted.parent.parts), reversed(path.parent.parts), strict=False):
        if _key(a) != _key(b):
            break
        count += 1
    return count, wanted.name == path.name


def _audio_below(root: Path) -> Iterator[PurePosixPath]:
    """Audio files below `root`, as relative paths. Links to folders are followed, each folder is entered once."""
    entered: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = PurePosixPath(Path(folder).relative_to(root).as_posix())
        for name in names:
            if not name.startswith("._") and os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES:  # noqa: PTH122
                yield relative / name
