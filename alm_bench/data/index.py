"""Search of audio files below a folder by base name."""

import bisect
import fnmatch
import glob
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_SUFFIXES = "wav wave flac mp3 ogg oga opus m4a aac mp4 webm aif aiff aifc au snd w64 caf rf64"
AUDIO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())


@dataclass(frozen=True, slots=True)
class AudioIndex:
    """Index of the audio files below a folder. Pairs are sorted by name, for binary search."""

    names: tuple[tuple[str, PurePosixPath], ...]
    """Pairs of base name and path relative to the folder."""

    stems: tuple[tuple[str, PurePosixPath], ...]
    """Pairs of base name without suffix and path relative to the folder."""

    @staticmethod
    def scan(folder: Path) -> "AudioIndex":
        paths = list(iterate_audio_files(folder))
        return AudioIndex(
            names=tuple(sorted((_normalise_name(path.name), path) for path in paths)),
            stems=tuple(sorted((_normalise_name(path.stem), path) for path in paths)),
        )

    def find_by_name(self, name: str) -> list[PurePosixPath]:
        """Return the paths of files with this base name, in which `*` stands for any characters."""
        return _find_paths(self.names, name)

    def find_by_stem(self, name: str) -> list[PurePosixPath]:
        """Return the paths of files whose base names equal `name` apart from the audio suffix."""
        stem, suffix = os.path.splitext(name)  # noqa: PTH122  (a name, not a path)
        return _find_paths(self.stems, stem if suffix.lower() in AUDIO_SUFFIXES else name)


def count_shared_folders(target: PurePosixPath, path: PurePosixPath) -> int:
    """Return the number of trailing folders that two paths have in common."""
    count = 0
    for a, b in zip(reversed(target.parent.parts), reversed(path.parent.parts), strict=False):
        if _normalise_name(a) != _normalise_name(b):
            break
        count += 1
    return count


def _normalise_name(name: str) -> str:
    """Normalise a name to Unicode NFC, because file systems store accents in one of two Unicode forms."""
    return unicodedata.normalize("NFC", name)


def _build_star_pattern(name: str) -> str:
    """Escape a name as a glob pattern in which only `*` is special, because names of clips may contain brackets."""
    return "*".join(glob.escape(part) for part in name.split("*"))


def _find_paths(pairs: tuple[tuple[str, PurePosixPath], ...], name: str) -> list[PurePosixPath]:
    """Return the paths whose keys match `name` (with `*` for any characters), from sorted pairs of key and path."""
    wanted = _normalise_name(name)
    head, star, _ = wanted.partition("*")
    matches = re.compile(fnmatch.translate(_build_star_pattern(wanted))).match if star else wanted.__eq__
    found = []
    for place in range(bisect.bisect_left(pairs, (head,)), len(pairs)):
        key, path = pairs[place]
        if key != head and not (star and key.startswith(head)):
            break
        if matches(key):
            found.append(path)
    return found


def iterate_audio_files(root: Path) -> Iterator[PurePosixPath]:
    """Yield the audio files below `root` as relative paths. Links to folders are followed; each folder is entered
    once."""
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
