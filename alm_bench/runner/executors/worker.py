"""Worker that loads a model by its recipe and answers batches of requests whose clips are not decoded yet.

It runs in this process, or as a Ray actor on another machine.
"""

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
    """Everything that is needed to load an adapter, as plain values that can be sent to other machines.

    Every machine with the package and the model's files loads the same adapter by it.
    """

    model: str
    """Name of the model."""

    options: Mapping[str, str]
    """Options of the model."""

    runtime: Runtime
    """Device, precision, seed and cache size."""

    strategy: Strategy
    """Answering strategy that is applied to the adapter."""

    prompts: str
    """Prompt set in whose words the strategy asks the model."""

    def build_adapter(self) -> Adapter:
        """Load the model and apply the strategy. Raises UsageError if that is not possible."""
        adapter = catalogue().get_adapter(self.model).create(self.options, self.runtime)
        return apply_strategy(adapter, self.strategy, self.prompts)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Identity of a model that was loaded by a recipe, with the version of this package and the machine."""

    identity: AdapterIdentity
    """Identity of the model."""

    audio: AudioPolicy | None
    """Audio policy of the model; None if it takes no audio."""

    version: str
    """Version of this package."""

    machine: str
    """Host name of the machine."""

    @staticmethod
    def from_adapter(adapter: Adapter) -> "LoadedModel":
        """Return the identity of an adapter that this process has loaded."""
        return LoadedModel(adapter.identity, adapter.audio, __version__, platform.node())

    def describe_difference(self, other: "LoadedModel") -> str | None:
        """Return the first difference from the other model as `name: ours, theirs`; None if both may answer items of
        one run.

        Identity, audio policy and package version are compared, host names are not.
        """
        names = [field.name for field in fields(AdapterIdentity)]
        ours = {name: getattr(self.identity, name) for name in names} | {"audio": self.audio, "version": self.version}
        theirs = {name: getattr(other.identity, name) for name in names} | {
            "audio": other.audio,
            "version": other.version,
        }
        return next((f"{name}: {ours[name]}, {theirs[name]}" for name in ours if ours[name] != theirs[name]), None)


class Worker:
    """Holds one model and answers batches.

    `folder` is the folder in which the command was started. If it exists on the worker's machine, it becomes the
    current folder, so that relative paths of the model and of clips are valid.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self._recipe, self._folder = recipe, folder
        self._adapter: Adapter | None = None
        self._fitted: tuple[str, Adapter] | None = None

    def start(self) -> LoadedModel:
        """Load the model and return its identity. Raises UsageError if it cannot be loaded."""
        if self._folder.is_dir() and self._folder != Path.cwd():
            os.chdir(self._folder)
        self._adapter = self._recipe.build_adapter()
        return LoadedModel.from_adapter(self._adapter)

    def answer(
        self, settings: InferenceSettings, batch: Sequence[tuple[int, Request]], pickled_adapter: bytes | None = None
    ) -> BatchResult:
        """Decode the clips of a batch of pairs (item index, request) and answer the batch.

        `pickled_adapter` is the pickled adapter that was fitted for the run and answers in place of the worker's model;
        None if the adapter needs no fit.
        """
        adapter = self._select_adapter(settings.run, pickled_adapter)
        return run_batch(
            adapter,
            settings,
            load_batch(batch, AudioPipeline.from_adapter(adapter, settings.condition), settings.threads),
        )

    def _select_adapter(self, run: str, pickled_adapter: bytes | None) -> Adapter:
        """Return the adapter for a run: the worker's model, or the unpickled `pickled_adapter`, which is kept until the
        next run."""
        if pickled_adapter is None:
            assert self._adapter is not None, "started before it is asked"
            return self._adapter
        if self._fitted is None or self._fitted[0] != run:
            self._fitted = run, pickle.loads(pickled_adapter)
        return self._fitted[1]
