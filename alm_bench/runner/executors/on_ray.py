"""Workers on a Ray cluster under one queue in this process.

The queue is not Ray's: `ActorPool` drops what is left when all its actors are dead, and Ray Data loses the block that a
poison item is in, or runs in a circle.
"""

import pickle
import textwrap
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from alm_bench.core import Adapter, AdapterError, AlmBenchError, Output, UsageError
from alm_bench.core.escape import print_notice
from alm_bench.records.schema import Record
from alm_bench.runner.batch_size import BatchSizer
from alm_bench.runner.budget import Budget
from alm_bench.runner.executors.batch import Answer, BatchResult, InferenceSettings, make_record
from alm_bench.runner.executors.cluster import Cluster
from alm_bench.runner.executors.worker import Loaded, Recipe, Worker
from alm_bench.runner.plan import Plan

DEATHS_A_WORKER = 3
NOTICE_SECONDS = 60.0
RESUMES = "finished items are kept, and the same command resumes the run"


@dataclass(frozen=True, slots=True)
class Batch:
    """`places` of items that are asked together; `deaths` counts the workers that died over them."""

    places: Sequence[int]
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """What a worker is at: a batch, or loading its model."""

    worker: Any
    batch: Batch | None = None


class OnRay:
    """Workers that stay, with their models, from one run to the next of a command; they are started with the first.

    A batch whose worker dies is asked again as it was, since it is mostly the machine that died; then it is halved,
    until the item that kills its worker stands alone. That item fails, and no other.
    """

    def __init__(self, cluster: Cluster, recipe: Recipe, adapter: Adapter) -> None:
        """`adapter` is what this process made from the recipe: workers must come to the same."""
        self._cluster, self._recipe, self._expected = cluster, recipe, Loaded.of(adapter)
        self._open = ExitStack()
        self._ray: Any = None
        self._idle: list[Any] = []
        self._calls: dict[Any, Call] = {}
        self._deaths = 0  # since something was last finished

    def __enter__(self) -> "OnRay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in [*self._idle, *(call.worker for call in self._calls.values())]:
            self._ray.kill(worker)
        self._idle.clear()
        self._calls.clear()
        self._open.close()

    def answered(self, plan: Plan, todo: Sequence[int], budget: Budget, sizer: BatchSizer) -> Iterator[list[Record]]:
        """Sizes only fall: what suits one worker says little of the machine of another."""
        self._join()
        asked, fitted = InferenceSettings.of(plan), self._shipped(plan)
        size = sizer.size()
        queue = deque(Batch(todo[start : start + size]) for start in range(0, len(todo), size))
        try:
            while True:
                if budget.reached:
                    queue.clear()
                self._staff(len(queue))
                while queue and self._idle:
                    self._give(_next(queue, sizer.size()), plan, asked, fitted)
                if not queue and not self._working:
                    return
                for ended in self._ended():
                    done = self._taken(ended, queue)
                    sizer.lacked(done.too_many)
                    sizer.held(done.outputs)
                    if done.answers:
                        self._deaths = 0
                        yield [make_record(plan, answer) for answer in done.answers]
        finally:
            self._abandon()

    @property
    def _working(self) -> int:
        return sum(call.batch is not None for call in self._calls.values())

    def _join(self) -> None:
        if self._ray is None:
            import ray

            self._open.enter_context(self._cluster.joined())
            self._ray = ray

    def _shipped(self, plan: Plan) -> Any:
        """A fitted adapter in the cluster's store; None where workers have the plan's adapter by their recipe."""
        if plan.fit is None:
            return None
        try:
            return self._ray.put(self._ray.cloudpickle.dumps(plan.fit.adapter))
        except UNPICKLED as error:
            raise UsageError(
                f"--executor ray: {plan.fit.adapter.identity.label} is fitted here and cannot be sent to workers "
                f"({_line(error)}), expected --executor local"
            ) from error

    def _staff(self, waiting: int) -> None:
        """Start workers until there are as many as have something to do."""
        wanted = min(self._cluster.replicas, waiting + self._working)
        while len(self._idle) + len(self._calls) < wanted:
            actor = self._ray.remote(Worker).options(num_cpus=1, num_gpus=self._cluster.gpus)
            worker = actor.remote(self._recipe, Path.cwd())
            self._calls[worker.start.remote()] = Call(worker)

    def _give(self, batch: Batch, plan: Plan, asked: InferenceSettings, fitted: Any) -> None:
        worker = self._idle.pop()
        requests = [(place, plan.requests[place]) for place in batch.places]
        try:
            self._calls[worker.answer.remote(asked, requests, fitted)] = Call(worker, batch)
        except UNPICKLED as error:
            self._idle.append(worker)
            raise UsageError(
                f"--executor ray: clips of {plan.spec.task} cannot be sent to workers ({_line(error)}), expected "
                "--executor local"
            ) from error

    def _ended(self) -> list[Any]:
        """The calls that ended, at least one."""
        while True:
            ended: list[Any] = self._ray.wait(list(self._calls), timeout=NOTICE_SECONDS)[0]
            if ended:
                return ended
            if not self._working:
                has = self._ray.available_resources()
                free = ", ".join(f"{has.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))
                print_notice(f"waiting for a worker to start; the cluster has {free} free")

    def _taken(self, ended: Any, queue: deque[Batch]) -> BatchResult:
        """What became of a call; no answers where it was no batch or has to be asked again."""
        call = self._calls.pop(ended)
        errors = self._ray.exceptions
        died = (
            *(errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError),
            *(errors.ObjectLostError, errors.OutOfMemoryError),
        )
        try:
            found = self._ray.get(ended)
        except errors.RayTaskError as error:
            self._ray.kill(call.worker)
            raise _told(error) from error
        except died as error:
            self._ray.kill(call.worker)  # one that cannot be reached may be alive
            return BatchResult(self._lost(call.batch, _line(error), queue))
        except errors.RayError as error:
            raise AdapterError(f"--executor ray: {_line(error)}; {RESUMES}") from error
        if call.batch is None:
            self._same(found)
        self._idle.append(call.worker)
        return BatchResult() if call.batch is None else found

    def _same(self, loaded: Loaded) -> None:
        """Raises UsageError where a worker's model is another one: its answers would stand in this one's run."""
        if (unlike := self._expected.unlike(loaded)) is not None:
            raise UsageError(
                f"--executor ray: the model on {loaded.machine} differs from the one here ({unlike}): give every "
                "machine the same package and the same files, and name --device, --dtype and --gpus-per-worker so that "
                "both load it alike"
            )

    def _lost(self, batch: Batch | None, reason: str, queue: deque[Batch]) -> list[Answer]:
        """Put a dead worker's batch back; the item that killed it, where that is known now."""
        self._deaths += 1
        size = 1 if batch is None else len(batch.places)
        if self._deaths > DEATHS_A_WORKER * self._cluster.replicas + size.bit_length():
            raise AdapterError(
                f"--executor ray: {self._deaths} workers in a row died before they answered anything, the last one: "
                f"{reason}; {RESUMES}"
            )
        if batch is None:
            return []
        batch = replace(batch, deaths=batch.deaths + 1)
        if batch.deaths == 1:
            queue.append(batch)
            return []
        if size == 1:
            error = f"its worker died each of the {batch.deaths} times it was asked: {reason}"
            return [Answer(batch.places[0], Output(None, error=error))]
        half = size // 2
        queue.append(replace(batch, places=batch.places[:half]))
        queue.append(replace(batch, places=batch.places[half:]))
        return []

    def _abandon(self) -> None:
        """Workers that are at something nobody waits for any more."""
        for ended, call in list(self._calls.items()):
            if call.batch is not None:
                self._ray.kill(call.worker)
                del self._calls[ended]


def _next(queue: deque[Batch], size: int) -> Batch:
    """The first batch, or as much of it as may be asked at once by now."""
    batch = queue.popleft()
    if len(batch.places) > size:
        queue.appendleft(replace(batch, places=batch.places[size:]))
    return replace(batch, places=batch.places[:size])


UNPICKLED = (pickle.PicklingError, TypeError, AttributeError, ValueError)


def _told(error: Any) -> AlmBenchError:
    """What a worker raised, as its own line where it has one."""
    cause = error.cause
    if isinstance(cause, AlmBenchError):
        return cause
    return AdapterError(f"--executor ray: a worker failed: {type(cause).__name__}: {_line(cause)}; {RESUMES}")


def _line(error: BaseException) -> str:
    """The part of a message that tells the reason, in a line: Ray's say it last, before a list of usual causes."""
    text = str(error).rpartition("Worker exit detail:")[2].partition("Some common causes")[0]
    return textwrap.shorten(text, 200, placeholder="...")
