"""Demo data as a data root: files are written once, clips are synthesised when they are first read."""

import hashlib
import json
from collections.abc import Mapping
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
from alm_bench.demo.dataset import DatasetRows, Demo
from alm_bench.demo.scene import WORLD, Scene

_SCENES, _TRAINING = "scenes/evaluation.json", "scenes/training.json"
_COMPLETE = "complete.json"
"""Written last: its presence means that the data are complete."""

_CLIPS = "clips"


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
    """Demo data as a data folder: files are written once, clips are synthesised when they are first used."""

    kind: str = "demo"
    """Kind of data that a run records."""

    revision: str = WORLD
    """Data revision that a run records."""

    clips: Path | None = None
    """Folder of stored clips, None for `clips` below `path`. Their names hold a hash of the scene, so that data that
    share a clip share its file, and another version of the data never finds the clips of this one."""

    _scenes: dict[str, dict[str, Scene]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def version(self) -> str:
        return self.revision

    def audio(self, *names: str) -> AudioRef:
        """The clip under the first of `names` that has a scene, else whatever file lies there."""
        for name in names:
            key = _key(name)
            for index in (_SCENES, _TRAINING):
                scene = self._load_scenes(index).get(key)
                if scene is not None:
                    content = _content(scene)
                    path = (self.clips or self.path / _CLIPS) / f"{Path(key).stem}-{content[:16]}.wav"
                    return AudioRef(key, path, partial(_read_clip, path, scene, index != _TRAINING), content)
        return super().audio(*names)

    def scene(self, name: str) -> Scene:
        """The description behind a clip. Raises DataError for a clip that is not of these data."""
        key = _key(name)
        for index in (_SCENES, _TRAINING):
            if key in self._load_scenes(index):
                return self._load_scenes(index)[key]
        raise DataError(f"the demo data have no clip {name!r}; the files below {self.path} name their clips")

    def add(self, made: DatasetRows) -> None:
        """Make the clips of rows made on the fly (`training_rows`) readable through `audio`, in this process."""
        self._load_scenes(_TRAINING).update(made.scenes)

    def _load_scenes(self, index: str) -> dict[str, Scene]:
        if index not in self._scenes:
            path = self.path / index
            packed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            self._scenes[index] = {name: Scene.unpack(value) for name, value in packed.items()}
        return self._scenes[index]


def _content(scene: Scene) -> str:
    """Return a hash of a scene's parameters, as 64 hex digits: names of training clips repeat with other scenes."""
    return hashlib.sha256(f"{WORLD} {scene!r}".encode()).hexdigest()


def _key(name: str) -> str:
    return str(PurePosixPath(name))


def demo_root(demo: Demo, cache: Path | None = None, **sizes: int) -> DemoRoot:
    """Demo data of a task below `cache` (default: `demo` in the user's cache folder), written now if they are not there
    yet. `sizes` are passed to `demo.build`.

    Every revision has a folder of its own. Several processes may call this at once: one writes, the others wait.
    Raises StoreError where the folder cannot be written.
    """
    revision = demo.revision(sizes)
    folder = _folder(cache)
    path = folder / demo.name / revision.replace("+", "-")
    if not (path / _COMPLETE).is_file():
        try:
            with report_full_disk(path):
                _write(path, demo, sizes)
        except StoreError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise StoreError(
                f"cannot write the demo data to {path}: {reason}; set {CACHE_VARIABLE} to a folder with 1 GB to spare"
            ) from error
    return DemoRoot(path, revision=revision, clips=folder / _CLIPS)


def training_root(made: DatasetRows) -> DemoRoot:
    """A data root with no files, for the clips of rows made on the fly (`training_rows`)."""
    root = DemoRoot(_folder(None) / "training")
    root.add(made)
    return root


def _folder(cache: Path | None) -> Path:
    return cache or cache_folder("demo")


def _write(path: Path, demo: Demo, sizes: Mapping[str, int]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path / ".lock"):
        if (path / _COMPLETE).is_file():
            return
        made = demo.build(**sizes)
        for name, content in made.files.items():
            atomic_write(path / name, content)
        for index, scenes in ((_SCENES, made.scenes), (_TRAINING, made.training_scenes)):
            packed = {name: scene.pack() for name, scene in scenes.items()}
            atomic_write(path / index, json.dumps(packed, separators=(",", ":")))
        atomic_write(path / _COMPLETE, json.dumps({"revision": demo.revision(sizes), "sizes": dict(sizes)}))
