"""The options of `run` as they were given, and what they come to."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from alm_bench.cli import common
from alm_bench.core import AnswerBy, Decoding, OptionOrder, Strategy, UsageError

if TYPE_CHECKING:
    from alm_bench.core import Adapter
    from alm_bench.runner import RunSpec
    from alm_bench.runner.budget import Budget
    from alm_bench.runner.executors import Executor
    from alm_bench.runner.executors.cluster import Cluster
    from alm_bench.runner.executors.worker import Recipe


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many failed items a run may have: a number of items, or a percentage of them."""

    count: int = 0
    percent: float | None = None

    @staticmethod
    def read(text: str) -> "Tolerance":
        try:
            value = float(text.removesuffix("%")) if text.endswith("%") else int(text)
        except ValueError:
            value = -1
        if not 0 <= value <= (100 if text.endswith("%") else value):  # NaN is in no range
            raise UsageError(f"--max-failures takes a number of items or a percentage like 5%, found {text!r}")
        return Tolerance(percent=value) if text.endswith("%") else Tolerance(count=int(value))

    def exceeded(self, failed: int, n: int) -> bool:
        return failed > self.count if self.percent is None else 100 * failed > self.percent * n


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command as they were given."""

    model: str
    tasks: str
    data: str
    split: str | None
    limit: int | None
    seed: int
    batch_size: str
    workers: int
    cache_mb: int
    executor: str
    replicas: int | None
    address: str | None
    gpus_per_worker: float | None
    device: str
    dtype: str | None
    model_arg: list[str] | None
    task_arg: list[str] | None
    label: str | None
    prompt: str | None
    max_new_tokens: int | None
    decoding: str
    top_p: float
    temperature: float
    answer_by: str
    strategy: str
    options: str
    shuffles: int | None
    solvable_by: str | None
    answer_tag: list[str] | None
    missing_audio: str
    metrics: str | None
    max_failures: str
    max_cost: float | None
    dry_run: bool
    out: Path
    fresh: bool
    details: bool
    json_: bool

    @property
    def solver(self) -> Path | None:
        """The run's folder. Raises UsageError where there is none of that name."""
        return None if self.solvable_by is None else common.find_run(self.solvable_by, self.out)

    def budget(self) -> "Budget":
        """Of all runs of the command together."""
        from alm_bench.runner.budget import Budget

        return Budget() if self.max_cost is None else Budget(self.max_cost)

    def recipe(self, prompts: str) -> "Recipe":
        """Of the model; `prompts` is the prompt set of the tasks."""
        from alm_bench.runner.executors.worker import Recipe

        runtime = common.make_runtime(self.device, self.dtype, self.seed, self.cache_mb)
        strategy: Any = self.strategy
        return Recipe(self.model, self.model_options(), runtime, strategy, prompts)

    def model_options(self) -> dict[str, str]:
        """`--label` is an option of models that replay."""
        label = {} if self.label is None else {"label": self.label}
        return common.pairs(self.model_arg, "--model-arg") | label

    @contextmanager
    def executing(self, adapter: "Adapter") -> Iterator["Executor"]:
        """Who answers, for all runs of the command; `adapter` is the model as this process loaded it."""
        if self.executor == "local":
            from alm_bench.runner.executors.local import Local

            yield Local()
            return
        from alm_bench.plugins import catalogue
        from alm_bench.runner.executors.on_ray import OnRay

        prompts = self.prompt or catalogue().adapter(self.model).prompts
        with OnRay(self._cluster(), self.recipe(prompts), adapter) as executor:
            yield executor

    def _cluster(self) -> "Cluster":
        from alm_bench.runner.executors.cluster import Cluster

        return Cluster(self.replicas or 1, self.address, self.gpus_per_worker or 0.0)

    def _check_executor(self) -> None:
        common.one_of(self.executor, ("local", "ray"), "--executor")
        if self.executor == "ray":
            self._cluster().check()
            return
        named = {"--replicas": self.replicas, "--address": self.address, "--gpus-per-worker": self.gpus_per_worker}
        for flag, value in named.items():
            if value is not None:
                raise UsageError(f"{flag} {value} goes with --executor ray, found --executor {self.executor}")

    def check(self) -> None:
        """Raises UsageError for values that are none."""
        from alm_bench.runner.batch_size import parse_batch_size

        self._check_executor()
        common.one_of(self.decoding, ("greedy", "nucleus"), "--decoding")
        common.one_of(self.missing_audio, ("error", "skip"), "--missing-audio")
        common.one_of(self.answer_by, get_args(AnswerBy), "--answer-by")
        common.one_of(self.strategy, get_args(Strategy), "--strategy")
        common.one_of(self.options, get_args(OptionOrder), "--options")
        if self.shuffles is not None and self.options != "shuffled":
            raise UsageError(f"--shuffles {self.shuffles} goes with --options shuffled, found --options {self.options}")
        common.check_device_and_dtype(self.device, self.dtype)
        common.answer_tags(self.answer_tag)
        Tolerance.read(self.max_failures)
        parse_batch_size(self.batch_size)
        if self.max_cost is not None and not 0 < self.max_cost < math.inf:
            raise UsageError(f"--max-cost takes US dollars above 0, found {self.max_cost:g}")
        if self.solvable_by is not None:
            common.find_run(self.solvable_by, self.out)

    def spec(self, task: str, split: str, data: str, tokens: int, options: dict[str, str]) -> "RunSpec":
        """Of one task: its split, its kind of data, its own token limit, its options."""
        from alm_bench.runner import RunSpec
        from alm_bench.runner.batch_size import parse_batch_size

        method: Any = self.decoding
        order: Any = self.options
        return RunSpec(
            task=task,
            model=self.model,
            split=split,
            data=data,
            decoding=Decoding(method, self.max_new_tokens or tokens, self.top_p, self.temperature, self.seed),
            prompt=self.prompt,
            seed=self.seed,
            limit=self.limit,
            batch_size=parse_batch_size(self.batch_size),
            workers=self.workers,
            missing_audio=self.missing_audio,  # type: ignore[arg-type]
            answer_by=self.answer_by,  # type: ignore[arg-type]
            strategy=self.strategy,  # type: ignore[arg-type]
            options=order,
            shuffles=self.shuffles or 1,
            task_options=options,
            model_options=self.model_options(),
            answer_tags=common.answer_tags(self.answer_tag),
        )
