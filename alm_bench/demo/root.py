"""The demo world as a data root: annotation files written once, clips synthesised when they are first read."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from alm_bench.core import AudioRef, DataError, StoreError
from alm_bench.core.files import CACHE_VARIABLE, atomic_write, cache_folder, report_full_disk
from alm_bench.core.types import Wave
from alm_bench.core.wav import encode_wav
from alm_bench.data.root import LocalRoot
from alm_bench.demo import files
from alm_bench.demo.dataset import DatasetRows
from alm_bench.demo.scene import WORLD, Scene

_COMPLETE = "world.json"
_SCENES = (files.EVALUATION_SCENES, files.HELD_OUT_SCENES, files.TRAINING_SCENES)


def synthesise(scene: Scene) -> Wave:
    """The scene's sound: float32, shape (320000,), 32 kHz, peak at most 0.98. The same scene gives the same samples."""
    from alm_bench.demo.synth.mix import synthesise as play  # scipy: only for those who listen

    return play(scene)


def encode_scene(scene: Scene) -> bytes:
    """Encode the scene's sound as a 16-bit WAV file."""
    from alm_bench.demo.synth.dsp import RATE

    return encode_wav(synthesise(scene), RATE)


def _read_clip(path: Path, scene: Scene, keep: bool) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        content = encode_scene(scene)
    if keep:
        try:
            atomic_write(path, content)
        except StoreError:
            return content  # a full or read-only disk costs the cache, never the clip
    return content


@dataclass
class DemoRoot(LocalRoot):
    """The demo world as a data folder: annotations are written once, clips are synthesised when they are first used."""

    kind: str = "demo"
    """Kind of data that a run records."""

    sizes: files.Sizes = field(default_factory=files.Sizes)
    """Sizes of the data sets."""

    keep_training: bool = False
    """Store synthesised training clips; by default they are made anew (there are thousands, and one takes 10 ms), while
    evaluation clips are always stored."""

    _scenes: dict[str, dict[str, Scene]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def version(self) -> str:
        return files.version(self.sizes)

    def audio(self, *names: str) -> AudioRef:
        """The clip under the first of `names` that the world has, else whatever file lies there."""
        for name in names:
            key = _key(name)
            for index in _SCENES:
                scene = self._load_scenes(index).get(key)
                if scene is not None:
                    keep = self.keep_training or index != files.TRAINING_SCENES
                    path = self.path / key
                    return AudioRef(key, path, partial(_read_clip, path, scene, keep), _content(scene))
        return super().audio(*names)

    def scene(self, name: str) -> Scene:
        """The description behind a clip. Raises DataError for a clip that is not of this world."""
        key = _key(name)
        for index in _SCENES:
            if key in self._load_scenes(index):
                return self._load_scenes(index)[key]
        raise DataError(
            f"the demo world has no clip {name!r}; its clips are those that the files below {self.path} name"
        )

    def add(self, made: DatasetRows) -> None:
        """Make the clips of rows made on the fly (`training_rows`) readable through `audio`, in this process."""
        self._load_scenes(files.TRAINING_SCENES).update(made.scenes)

    def _load_scenes(self, index: str) -> dict[str, Scene]:
        if index not in self._scenes:
            packed: dict[str, Any] = json.loads((self.path / index).read_text(encoding="utf-8"))
            self._scenes[index] = {name: Scene.unpack(value) for name, value in packed.items()}
        return self._scenes[index]


def _content(scene: Scene) -> str:
    """Return a hash of a scene's parameters, as 64 hex digits: names of training clips repeat with other scenes."""
    return hashlib.sha256(f"{WORLD} {scene!r}".encode()).hexdigest()


def _key(name: str) -> str:
    return str(PurePosixPath(name))


def demo_root(cache: Path | None = None, sizes: files.Sizes | None = None) -> DemoRoot:
    """The demo world below `cache` (default: `demo-v1` in the user's cache folder), written now if it is not there yet.

    Every version of the world has a folder of its own. Several processes may call this at once: one writes, the others
    wait. Raises StoreError where the folder cannot be written.
    """
    sizes = sizes or files.Sizes()
    path = (cache or cache_folder("demo-v1")) / files.version(sizes).replace("+", "-")
    if not _whole(path):
        try:
            with report_full_disk(path):
                _write(path, sizes)
        except StoreError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise StoreError(
                f"cannot write the demo world to {path}: {reason}; set {CACHE_VARIABLE} to a folder with 1 GB to spare"
            ) from error
    return DemoRoot(path, sizes=sizes)


def _whole(path: Path) -> bool:
    return all((path / name).is_file() for name in (_COMPLETE, files.HELD_OUT_SCENES))


def _write(path: Path, sizes: files.Sizes) -> None:
    """Write the missing files of the demo data."""
    path.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path / ".lock"):
        if not (path / files.HELD_OUT_SCENES).is_file():
            files.write_held_out(path, sizes)
        if (path / _COMPLETE).is_file():
            return
        files.write_evaluation(path, sizes)
        files.write_training(path, sizes)
        atomic_write(path / _COMPLETE, json.dumps({"version": files.version(sizes)}))
