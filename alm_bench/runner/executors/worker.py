"""A model that is made where it works, and answers batches of references: in this process, or as an actor elsewhere."""

import os
import pickle
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from alm_bench import __version__
from alm_bench.core import Adapter, AdapterIdentity, AudioPolicy, Request, Runtime, Strategy
from alm_bench.plugins import catalogue
from alm_bench.runner.executors.batch import BatchResult, InferenceSettings, run_batch
from alm_bench.runner.loader import AudioPipeline, load_batch
from alm_bench.runner.strategy import apply_strategy


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an adapter is made, from words alone: the same on every machine that has the package and the model's files.

    `prompts` is the prompt set that its strategy is worded in.
    """

    model: str
    options: Mapping[str, str]
    runtime: Runtime
    strategy: Strategy
    prompts: str

    def make(self) -> Adapter:
        """Load the model. Raises UsageError."""
        adapter = catalogue().adapter(self.model).create(self.options, self.runtime)
        return apply_strategy(adapter, self.strategy, self.prompts)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Which model was made from a recipe, by which version of this program, and on which machine."""

    identity: AdapterIdentity
    audio: AudioPolicy | None
    version: str
    machine: str

    @staticmethod
    def of(adapter: Adapter) -> "Loaded":
        return Loaded(adapter.identity, adapter.audio, __version__, platform.node())

    def unlike(self, other: "Loaded") -> str | None:
        """What differs where answers of the two may not stand in one run, as `name: ours, theirs`."""
        names = [field.name for field in fields(AdapterIdentity)]
        ours = {name: getattr(self.identity, name) for name in names} | {"audio": self.audio, "version": self.version}
        theirs = {name: getattr(other.identity, name) for name in names} | {
            "audio": other.audio,
            "version": other.version,
        }
        return next((f"{name}: {ours[name]}, {theirs[name]}" for name in ours if ours[name] != theirs[name]), None)


class Worker:
    """Holds one model. `folder` is where the command was given: relative paths of the model and of clips are below
    it, and it is made the current folder where it is there."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self._recipe, self._folder = recipe, folder
        self._adapter: Adapter | None = None
        self._fitted: tuple[str, Adapter] | None = None

    def start(self) -> Loaded:
        """Load the model. Raises UsageError where it cannot be."""
        if self._folder.is_dir() and self._folder != Path.cwd():
            os.chdir(self._folder)
        self._adapter = self._recipe.make()
        return Loaded.of(self._adapter)

    def answer(
        self, asked: InferenceSettings, batch: Sequence[tuple[int, Request]], fitted: bytes | None = None
    ) -> BatchResult:
        """Decode the clips of a batch of (item, request) and put it to the model, or to `fitted`: the run's own
        adapter, pickled."""
        adapter = self._for(asked.run, fitted)
        return run_batch(adapter, asked, load_batch(batch, AudioPipeline.of(adapter, asked.condition), asked.threads))

    def _for(self, run: str, fitted: bytes | None) -> Adapter:
        if fitted is None:
            assert self._adapter is not None, "started before it is asked"
            return self._adapter
        if self._fitted is None or self._fitted[0] != run:
            self._fitted = run, pickle.loads(fitted)
        return self._fitted[1]
