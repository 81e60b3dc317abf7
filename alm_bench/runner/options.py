"""Options of a run as the user gave them, their checks, and the objects that are built from them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from alm_bench.core import CACHE_MB, AnswerBy, Decoding, DecodingMethod, OptionOrder, Strategy, UsageError
from alm_bench.core.device import check_device_and_dtype, make_runtime
from alm_bench.core.options import check_choice, parse_answer_tags, parse_pairs
from alm_bench.plugins import AdapterEntry, catalogue
from alm_bench.records.find import RUNS, find_run
from alm_bench.runner.batch_size import parse_batch_size
from alm_bench.runner.budget import Budget
from alm_bench.runner.spec import RunSpec

if TYPE_CHECKING:
    from alm_bench.core import Adapter
    from alm_bench.runner.executors import Executor
    from alm_bench.runner.executors.cluster import Cluster
    from alm_bench.runner.executors.worker import Recipe


@dataclass(frozen=True, slots=True)
class FailureTolerance:
    """Number of failed items that a run may have, as a number or as a percentage of all items."""

    count: int = 0
    """Tolerated number of failed items if `percent` is None."""

    percent: float | None = None
    """Tolerated percentage of failed items, 0..100."""

    @staticmethod
    def parse(text: str) -> "FailureTolerance":
        """Parse the value of `--max-failures`. Raises UsageError unless it is a number of items or a percentage."""
        try:
            value = float(text.removesuffix("%")) if text.endswith("%") else int(text)
        except ValueError:
            value = -1
        if not 0 <= value <= (100 if text.endswith("%") else value):  # NaN is in no range
            raise UsageError(f"--max-failures takes a number of items or a percentage like 5%, found {text!r}")
        return FailureTolerance(percent=value) if text.endswith("%") else FailureTolerance(count=int(value))

    def is_exceeded(self, failed: int, n: int) -> bool:
        """Return True if more of `n` items failed than is tolerated."""
        return failed > self.count if self.percent is None else 100 * failed > self.percent * n


_NAMES = {
    **dict.fromkeys(("<class 'int'>", "int | None"), "a whole number"),
    **dict.fromkeys(("<class 'float'>", "float | None"), "a number"),
    **dict.fromkeys(("<class 'str'>", "str | None"), "a text"),
    "<class 'bool'>": "true or false",
    "pathlib.Path | None": "a path",
    "list[str] | None": "a list of texts",
}
"""Names of the types of options in error messages."""


def _has_type(value: Any, kind: Any) -> bool:
    """Return True if a value has the type of an option. A whole number is also a number; true and false are not."""
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float)
    if get_origin(kind) is list:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if parts := get_args(kind):
        return any(_has_type(value, part) for part in parts)
    return isinstance(value, kind)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of `alm-bench run`, of `evaluate` and of a suite, as the user gave them.

    Each field is the command-line option of the same name. Only `adapter` has none: it is a model given as an object.
    """

    model: str
    """Name of the model."""

    tasks: str
    """Names of tasks and collections, separated by commas."""

    data: str = "auto"
    split: str | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    batch_size: str = "8"
    workers: int = 2
    cache_mb: int = CACHE_MB
    executor: str = "local"
    replicas: int | None = None
    address: str | None = None
    gpus_per_worker: float | None = None
    device: str = "auto"
    dtype: str | None = None
    model_arg: list[str] | None = None
    task_arg: list[str] | None = None
    label: str | None = None
    prompt: str | None = None
    max_new_tokens: int | None = None
    decoding: str = "greedy"
    top_p: float = 0.8
    temperature: float = 1.0
    top_k: int | None = None
    beams: int | None = None
    length_penalty: float | None = None
    answer_by: str = "generate"
    strategy: str = "plain"
    options: str = "given"
    shuffles: int | None = None
    solvable_by: str | None = None
    answer_tag: list[str] | None = None
    missing_audio: str = "error"
    speak: str | None = None
    also_written: bool = False
    metrics: str | None = None
    max_failures: str = "0"
    max_cost: float | None = None
    track: str | None = None
    conditions: list[str] | None = None
    out: Path = RUNS
    fresh: bool = False
    map: str | None = None
    audio_root: str | None = None
    kind: str | None = None
    group_by: str | None = None
    judge: list[str] | None = None
    judge_preset: str = "qa"
    judge_repeats: int = 1
    calibrate: Path | None = None
    adapter: "Adapter | None" = None
    """Model that was given as an object; None if it is loaded by its name."""

    @property
    def entry(self) -> AdapterEntry:
        """Entry of the model in the catalogue. Raises UsageError for an unknown name."""
        if self.adapter is not None:
            return AdapterEntry(self.model, type(self.adapter), instance=self.adapter)
        return catalogue().get_adapter(self.model)

    @property
    def prompt_set_name(self) -> str:
        """Name of the prompt set: the user's, or the model's own. Raises UsageError for an unknown model."""
        return self.prompt or self.entry.prompts

    @property
    def solver_folder(self) -> Path | None:
        """Folder of the run that `--solvable-by` names, if any. Raises UsageError if there is no such run."""
        return None if self.solvable_by is None else find_run(self.solvable_by, self.out)

    def collect_file_options(self) -> dict[str, str]:
        """Return the options that only apply to tasks built from a file of questions, if the user has set them."""
        given = {name: getattr(self, name) for name in ("map", "audio_root", "kind", "group_by")}
        return {name: value for name, value in given.items() if value is not None}

    def build_budget(self) -> Budget:
        """Return the budget that all runs of the command share."""
        return Budget() if self.max_cost is None else Budget(self.max_cost)

    def build_recipe(self) -> "Recipe":
        """Return the recipe by which the model is loaded."""
        from alm_bench.runner.executors.worker import Recipe

        runtime = make_runtime(self.device, self.dtype, self.seed, self.cache_mb)
        strategy: Any = self.strategy
        return Recipe(self.model, self.parse_model_options(), runtime, strategy, self.prompt_set_name)

    def load_model(self) -> "Adapter":
        """Return the model with the strategy applied: the object `adapter` if it is set, else the model that is loaded
        by its name. Raises UsageError."""
        if self.adapter is None:
            return self.build_recipe().build_adapter()
        from alm_bench.runner.strategy import apply_strategy

        strategy: Any = self.strategy
        return apply_strategy(self.adapter, strategy, self.prompt_set_name)

    def parse_model_options(self) -> dict[str, str]:
        """Return the options of the model, including `--label`, which is an option of models that replay."""
        label = {} if self.label is None else {"label": self.label}
        return self.entry.complete_options(parse_pairs(self.model_arg, "--model-arg") | label)

    @contextmanager
    def open_executor(self, adapter: "Adapter") -> Iterator["Executor"]:
        """Provide the executor for all runs of the command. `adapter` is the model as this process loaded it."""
        if self.executor == "local":
            from alm_bench.runner.executors.local import LocalExecutor

            yield LocalExecutor()
            return
        from alm_bench.runner.executors.on_ray import RayExecutor

        with RayExecutor(self._build_cluster(), self.build_recipe(), adapter) as executor:
            yield executor

    def _build_cluster(self) -> "Cluster":
        from alm_bench.runner.executors.cluster import Cluster

        return Cluster(self.replicas or 1, self.address, self.gpus_per_worker or 0.0)

    def _check_executor(self) -> None:
        """Raise UsageError for an unknown executor, and for options that do not apply to it."""
        check_choice(self.executor, ("local", "ray"), "--executor")
        if self.executor == "ray" and self.adapter is not None:
            raise UsageError(f"--executor ray makes models by name, found {self.model}, which is made already")
        if self.executor == "ray":
            self._build_cluster().check_settings()
            return
        named = {"--replicas": self.replicas, "--address": self.address, "--gpus-per-worker": self.gpus_per_worker}
        for flag, value in named.items():
            if value is not None:
                raise UsageError(f"{flag} {value} goes with --executor ray, found --executor {self.executor}")

    def find_wrong_types(self) -> list[str]:
        """Return one line of text per option whose value has the wrong type. Values from Python or from a file may have
        any type."""
        found = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "adapter" and not _has_type(value, field.type):
                found.append(f"{field.name} takes {_NAMES.get(str(field.type), field.type)}, found {value!r:.60}")
        return found

    def _check_numbers(self) -> None:
        """Raise UsageError for numbers out of range, and for both `limit` and `sample`."""
        for name, least in (("limit", 1), ("sample", 1), ("seed", 0), ("workers", 1), ("cache_mb", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"--{name.replace('_', '-')} takes a whole number from {least} on, found {value}")
        if self.limit is not None and self.sample is not None:
            raise UsageError(
                f"--limit {self.limit} takes the first items and --sample {self.sample} random ones, expected one of "
                "them"
            )

    def _check_decoding(self) -> None:
        """Raise UsageError for decoding settings that are out of range, or that belong to another method."""
        own = {"top_k": "top-k", "beams": "beam", "length_penalty": "beam"}
        for name, method in own.items():
            if (value := getattr(self, name)) is not None and self.decoding != method:
                raise UsageError(
                    f"--{name.replace('_', '-')} {value:g} goes with --decoding {method}, found --decoding "
                    f"{self.decoding}"
                )
        self._build_decoding(1).check()

    def _build_decoding(self, max_new_tokens: int) -> Decoding:
        """Return the decoding settings. `max_new_tokens` is the task's token limit, which applies unless the user has
        set one."""
        method: Any = self.decoding
        limit = max_new_tokens if self.max_new_tokens is None else self.max_new_tokens
        own = {name: getattr(self, name) for name in ("top_k", "beams", "length_penalty")}
        given = {name: value for name, value in own.items() if value is not None}
        return Decoding(method, limit, self.top_p, self.temperature, self.seed, **given)

    def _check_speech(self) -> None:
        """Raise UsageError for a synthesiser that is unknown or not installed, and for `also_written` without one."""
        if self.speak is not None:
            from alm_bench.audio.speech import Synthesiser

            Synthesiser.parse(self.speak)
        elif self.also_written:
            raise UsageError("--also-written goes with --speak, found no --speak")

    def check(self) -> None:
        """Raise UsageError for invalid values."""
        self._check_executor()
        check_choice(self.decoding, get_args(DecodingMethod), "--decoding")
        self._check_decoding()
        check_choice(self.missing_audio, ("error", "skip"), "--missing-audio")
        check_choice(self.answer_by, get_args(AnswerBy), "--answer-by")
        check_choice(self.strategy, get_args(Strategy), "--strategy")
        check_choice(self.options, get_args(OptionOrder), "--options")
        if self.shuffles is not None and self.options != "shuffled":
            raise UsageError(f"--shuffles {self.shuffles} goes with --options shuffled, found --options {self.options}")
        check_device_and_dtype(self.device, self.dtype)
        parse_answer_tags(self.answer_tag)
        self._check_speech()
        self._check_numbers()
        FailureTolerance.parse(self.max_failures)
        parse_batch_size(self.batch_size)
        if self.max_cost is not None and not 0 < self.max_cost < math.inf:
            raise UsageError(f"--max-cost takes US dollars above 0, found {self.max_cost:g}")
        if self.solvable_by is not None:
            find_run(self.solvable_by, self.out)

    def build_spec(self, task: str, split: str, data: str, token_limit: int, options: dict[str, str]) -> RunSpec:
        """Return the specification of the run of one task.

        `split`, `data` (kind of data) and `options` belong to the task; `token_limit` is its default token limit.
        """
        from alm_bench.runner import RunSpec

        order: Any = self.options
        return RunSpec(
            task=task,
            model=self.model,
            split=split,
            data=data,
            decoding=self._build_decoding(token_limit),
            prompt=self.prompt,
            seed=self.seed,
            limit=self.limit,
            sample=self.sample,
            batch_size=parse_batch_size(self.batch_size),
            workers=self.workers,
            missing_audio=self.missing_audio,  # type: ignore[arg-type]
            answer_by=self.answer_by,  # type: ignore[arg-type]
            strategy=self.strategy,  # type: ignore[arg-type]
            options=order,
            shuffles=self.shuffles or 1,
            task_options=options,
            model_options=self.parse_model_options(),
            answer_tags=parse_answer_tags(self.answer_tag),
            speak=self.speak,
            also_written=self.also_written,
        )
