"""All audio files below a folder, by base name."""

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
    """Audio files below a folder, sorted by key for binary search."""

    names: tuple[tuple[str, PurePosixPath], ...]
    """Pairs of base name and path below the folder."""

    stems: tuple[tuple[str, PurePosixPath], ...]
    """Pairs of base name without suffix and path below the folder."""

    @staticmethod
    def of(folder: Path) -> "AudioIndex":
        paths = list(_audio_below(folder))
        return AudioIndex(
            names=tuple(sorted((_key(path.name), path) for path in paths)),
            stems=tuple(sorted((_key(path.stem), path) for path in paths)),
        )

    def by_name(self, name: str) -> list[PurePosixPath]:
        """Return files called `name`, in which `*` stands for any characters."""
        return _find(self.names, name)

    def by_stem(self, name: str) -> list[PurePosixPath]:
        """Return files called `name` except for the audio suffix."""
        stem, suffix = os.path.splitext(name)  # noqa: PTH122  (of a name, not a path)
        return _find(self.stems, stem if suffix.lower() in AUDIO_SUFFIXES else name)


def shared_suffix(wanted: PurePosixPath, path: PurePosixPath) -> int:
    """Return the number of trailing folders that two paths share."""
    count = 0
    for a, b in zip(reversed(wanted.parent.parts), reversed(path.parent.parts), strict=False):
        if _key(a) != _key(b):
            break
        count += 1
    return count


def _key(name: str) -> str:
    """File systems keep accents in one of two Unicode forms: compare names in one."""
    return unicodedata.normalize("NFC", name)


def _star_pattern(name: str) -> str:
    """A glob pattern in which only `*` is special, for clips have brackets in their names."""
    return "*".join(glob.escape(part) for part in name.split("*"))


def _find(pairs: tuple[tuple[str, PurePosixPath], ...], name: str) -> list[PurePosixPath]:
    wanted = _key(name)
    head, star, _ = wanted.partition("*")
    matches = re.compile(fnmatch.translate(_star_pattern(wanted))).match if star else wanted.__eq__
    found = []
    for place in range(bisect.bisect_left(pairs, (head,)), len(pairs)):
        key, path = pairs[place]
        if key != head and not (star and key.startswith(head)):
            break
        if matches(key):
            found.append(path)
    return found


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
