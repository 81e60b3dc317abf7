"""Data root of demo data: files are written once, clips are synthesised when they are first read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import filelock

from alm_bench.core import AudioRef, DataError, StoreError
from alm_bench.core.files import CACHE_VARIABLE, get_cache_folder, translate_write_errors, write_atomically
from alm_bench.core.types import Wave
from alm_bench.core.wav import encode_wav
from alm_bench.data.root import LocalRoot
from alm_bench.demo.dataset import DatasetRows, Demo
from alm_bench.demo.scene import WORLD, Scene

_SCENES, _TRAINING = "scenes/evaluation.json", "scenes/training.json"
_COMPLETE = "complete.json"
"""File that is written last. Its presence shows that the data are complete."""

_CLIPS = "clips"


def synthesise(scene: Scene) -> Wave:
    """Return the audio of a scene: float32, shape (320000,), 32 kHz, peak at most 0.98. The same scene always gives the
    same samples."""
    from alm_bench.demo.synth.mix import synthesise as play  # imports scipy, which only synthesis needs

    return play(scene)


def encode_scene(scene: Scene) -> bytes:
    """Return the audio of a scene as the bytes of a 16-bit WAV file."""
    from alm_bench.demo.synth.dsp import RATE

    return encode_wav(synthesise(scene), RATE)


def _read_clip(path: Path, scene: Scene, keep: bool) -> bytes:
    """Return the bytes of a clip: those of the file `path`, or synthesised ones if it does not exist.

    With `keep`, a synthesised clip is stored at `path`.
    """
    try:
        return path.read_bytes()
    except OSError:
        content = encode_scene(scene)
    if keep:
        try:
            write_atomically(path, content)
        except StoreError:
            return content  # on a full or read-only disk the clip is returned without being stored
    return content


@dataclass
class DemoRoot(LocalRoot):
    """Data folder of demo data. Files are written once; clips are synthesised when they are first read."""

    kind: str = "demo"
    """Kind of data that a run records."""

    revision: str = WORLD
    """Data revision that a run records."""

    clips: Path | None = None
    """Folder of stored clips; None for `clips` below `path`. A clip's file name contains a hash of its scene. Data sets
    with the same clip therefore share its file, and other versions of a clip have other files."""

    _scenes: dict[str, dict[str, Scene]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def version(self) -> str:
        return self.revision

    def audio(self, *names: str) -> AudioRef:
        """Return the clip of the first of `names` that has a scene. If none has one, search for a file, as
        `LocalRoot.audio` does."""
        for name in names:
            key = _normalise_path(name)
            for index in (_SCENES, _TRAINING):
                scene = self._load_scenes(index).get(key)
                if scene is not None:
                    content = _hash_scene(scene)
                    path = (self.clips or self.path / _CLIPS) / f"{Path(key).stem}-{content[:16]}.wav"
                    return AudioRef(key, path, partial(_read_clip, path, scene, index != _TRAINING), content)
        return super().audio(*names)

    def get_scene(self, name: str) -> Scene:
        """Return the scene of a clip. Raises DataError if the demo data have no such clip."""
        key = _normalise_path(name)
        for index in (_SCENES, _TRAINING):
            if key in self._load_scenes(index):
                return self._load_scenes(index)[key]
        raise DataError(f"the demo data have no clip {name!r}; the files below {self.path} name their clips")

    def add(self, dataset: DatasetRows) -> None:
        """Register the scenes of rows that were generated in this process (`build_training_rows`), so that `audio`
        finds their clips."""
        self._load_scenes(_TRAINING).update(dataset.scenes)

    def _load_scenes(self, index: str) -> dict[str, Scene]:
        """Return the scenes in the file `index`, by the clip's path; empty if the file does not exist."""
        if index not in self._scenes:
            path = self.path / index
            packed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            self._scenes[index] = {name: Scene.unpack(value) for name, value in packed.items()}
        return self._scenes[index]


def _hash_scene(scene: Scene) -> str:
    """Return a hash of a scene's parameters, as 64 hex digits. Names of clips are not sufficient, because the same name
    can belong to another scene in another training set."""
    return hashlib.sha256(f"{WORLD} {scene!r}".encode()).hexdigest()


def _normalise_path(name: str) -> str:
    return str(PurePosixPath(name))


def create_demo_root(demo: Demo, cache: Path | None = None, **sizes: float) -> DemoRoot:
    """Return the data root of a task's demo data below `cache` (default: `demo` in the user's cache folder), and write
    the files if they do not exist. `sizes` are passed to `demo.build`.

    Every revision has a folder of its own. If several processes call this function at once, one writes and the others
    wait. Raises StoreError if the folder cannot be written.
    """
    revision = demo.compute_revision(sizes)
    folder = _find_demo_folder(cache)
    path = folder / demo.name / revision.replace("+", "-")
    if not (path / _COMPLETE).is_file():
        try:
            with translate_write_errors(path):
                _write_files(path, demo, sizes)
        except StoreError as error:
            reason = getattr(error.__cause__, "strerror", None) or error
            raise StoreError(
                f"cannot write the demo data to {path}: {reason}; set {CACHE_VARIABLE} to a folder with 1 GB to spare"
            ) from error
    return DemoRoot(path, revision=revision, clips=folder / _CLIPS)


def create_training_root(dataset: DatasetRows) -> DemoRoot:
    """Return a data root without files, for clips of rows that this process generated (`build_training_rows`)."""
    root = DemoRoot(_find_demo_folder(None) / "training")
    root.add(dataset)
    return root


def _find_demo_folder(cache: Path | None) -> Path:
    return cache or get_cache_folder("demo")


def _write_files(path: Path, demo: Demo, sizes: Mapping[str, float]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path / ".lock"):
        if (path / _COMPLETE).is_file():
            return
        made = demo.build(**sizes)
        for name, content in made.files.items():
            write_atomically(path / name, content)
        for index, scenes in ((_SCENES, made.scenes), (_TRAINING, made.training_scenes)):
            packed = {name: scene.pack() for name, scene in scenes.items()}
            write_atomically(path / index, json.dumps(packed, separators=(",", ":")))
        write_atomically(path / _COMPLETE, json.dumps({"revision": demo.compute_revision(sizes), "sizes": dict(sizes)}))
