"""Executor that distributes batches from one queue in this process to workers on a Ray cluster.

The queue is not one of Ray's. `ActorPool` drops the remaining batches when all its actors have died. Ray Data loses the
block that contains an item that kills its worker, or retries it endlessly.
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
from alm_bench.runner.executors.batch import BatchResult, InferenceSettings, ItemResult, make_record
from alm_bench.runner.executors.cluster import Cluster
from alm_bench.runner.executors.worker import LoadedModel, Recipe, Worker
from alm_bench.runner.plan import Plan

DEATHS_PER_WORKER = 3
"""Number of deaths per worker, without a finished batch in between, after which the run ends (a few more for large
batches)."""

NOTICE_SECONDS = 60.0
"""Interval in seconds of the notices that no worker has started yet."""

RESUME_NOTE = "finished items are kept, and the same command resumes the run"
"""End of error messages."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that a worker answers in one call."""

    item_indices: Sequence[int]
    """Indices of the items in the plan."""

    deaths: int = 0
    """Number of workers that died while they answered these items."""


@dataclass(frozen=True, slots=True)
class RunningCall:
    """Running call of a worker."""

    worker: Any
    """The worker, a Ray actor."""

    batch: Batch | None = None
    """Batch that the worker answers; None while it loads its model."""


class RayExecutor:
    """Executor with workers on Ray. The first run starts them, and they keep their models for all runs of a command.

    If a worker dies, its batch is first repeated unchanged, since the cause is usually the machine. If the batch kills
    further workers, it is halved repeatedly, until the item that kills its worker is alone in a batch. Only this item
    gets an error.
    """

    def __init__(self, cluster: Cluster, recipe: Recipe, adapter: Adapter) -> None:
        """Prepare the executor. `adapter` is the model that this process loaded by the recipe: workers must load the
        same one."""
        self._cluster, self._recipe, self._expected = cluster, recipe, LoadedModel.from_adapter(adapter)
        self._open = ExitStack()
        self._ray: Any = None
        self._idle: list[Any] = []
        self._calls: dict[Any, RunningCall] = {}
        self._deaths = 0  # since the last finished batch

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in [*self._idle, *(call.worker for call in self._calls.values())]:
            self._ray.kill(worker)
        self._idle.clear()
        self._calls.clear()
        self._open.close()

    def answer_items(
        self, plan: Plan, todo: Sequence[int], budget: Budget, sizer: BatchSizer
    ) -> Iterator[list[Record]]:
        """Answer the items in batches. The batch size is never increased during a run.

        If a larger batch fits into the memory of one worker, it may still not fit on the machine of another one.
        """
        self._connect_cluster()
        asked, fitted = InferenceSettings.from_plan(plan), self._upload_fitted_adapter(plan)
        size = sizer.get_size()
        queue = deque(Batch(todo[start : start + size]) for start in range(0, len(todo), size))
        try:
            while True:
                if budget.is_exhausted:
                    queue.clear()
                self._start_workers(len(queue))
                while queue and self._idle:
                    self._send_batch(_take_next_batch(queue, sizer.get_size()), plan, asked, fitted)
                if not queue and not self._busy_count:
                    return
                for ended in self._wait_for_calls():
                    done = self._process_ended_call(ended, queue)
                    sizer.record_shortage(done.failed_batch_size)
                    sizer.record_answered(done.output_count)
                    if done.answers:
                        self._deaths = 0
                        yield [make_record(plan, answer) for answer in done.answers]
        finally:
            self._kill_busy_workers()

    @property
    def _busy_count(self) -> int:
        """Number of workers that are answering a batch."""
        return sum(call.batch is not None for call in self._calls.values())

    def _connect_cluster(self) -> None:
        """Connect to the cluster, unless that is done."""
        if self._ray is None:
            import ray

            self._open.enter_context(self._cluster.connect())
            self._ray = ray

    def _upload_fitted_adapter(self, plan: Plan) -> Any:
        """Put the plan's fitted adapter, pickled, into the cluster's object store, and return Ray's reference to it.

        Returns None if the adapter needed no fit: workers then load it by their recipe. Raises UsageError if the
        adapter cannot be pickled.
        """
        if plan.fit is None:
            return None
        try:
            return self._ray.put(self._ray.cloudpickle.dumps(plan.fit.adapter))
        except PICKLE_ERRORS as error:
            raise UsageError(
                f"--executor ray: {plan.fit.adapter.identity.label} is fitted here and cannot be sent to workers "
                f"({_extract_reason(error)}), expected --executor local"
            ) from error

    def _start_workers(self, waiting_count: int) -> None:
        """Start workers until there is one for each unfinished batch, at most `replicas`. `waiting_count` is the number
        of batches in the queue; those that are being answered are counted in addition."""
        wanted = min(self._cluster.replicas, waiting_count + self._busy_count)
        while len(self._idle) + len(self._calls) < wanted:
            actor = self._ray.remote(Worker).options(num_cpus=1, num_gpus=self._cluster.gpus)
            worker = actor.remote(self._recipe, Path.cwd())
            self._calls[worker.start.remote()] = RunningCall(worker)

    def _send_batch(self, batch: Batch, plan: Plan, settings: InferenceSettings, fitted_reference: Any) -> None:
        """Send a batch to an idle worker. `fitted_reference` is the result of `_upload_fitted`. Raises UsageError if
        the batch's clips cannot be pickled."""
        worker = self._idle.pop()
        requests = [(place, plan.requests[place]) for place in batch.item_indices]
        try:
            self._calls[worker.answer.remote(settings, requests, fitted_reference)] = RunningCall(worker, batch)
        except PICKLE_ERRORS as error:
            self._idle.append(worker)
            raise UsageError(
                f"--executor ray: clips of {plan.spec.task} cannot be sent to workers ({_extract_reason(error)}), "
                "expected "
                "--executor local"
            ) from error

    def _wait_for_calls(self) -> list[Any]:
        """Wait until at least one call has ended, and return the ended calls."""
        while True:
            ended: list[Any] = self._ray.wait(list(self._calls), timeout=NOTICE_SECONDS)[0]
            if ended:
                return ended
            if not self._busy_count:
                has = self._ray.available_resources()
                free = ", ".join(f"{has.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))
                print_notice(f"waiting for a worker to start; the cluster has {free} free")

    def _process_ended_call(self, ended: Any, queue: deque[Batch]) -> BatchResult:
        """Return the result of an ended call.

        The result has no answers if the worker has only loaded its model, or if the batch must be repeated. Raises the
        worker's exception, or AdapterError if Ray fails.
        """
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
            raise _convert_error(error) from error
        except died as error:
            self._ray.kill(call.worker)  # a worker that cannot be reached may still be alive
            return BatchResult(self._requeue_batch(call.batch, _extract_reason(error), queue))
        except errors.RayError as error:
            raise AdapterError(f"--executor ray: {_extract_reason(error)}; {RESUME_NOTE}") from error
        if call.batch is None:
            self._check_same_model(found)
        self._idle.append(call.worker)
        return BatchResult() if call.batch is None else found

    def _check_same_model(self, loaded: LoadedModel) -> None:
        """Raise UsageError if the model of a worker differs from the model of this process: one run would mix their
        answers."""
        if (difference := self._expected.describe_difference(loaded)) is not None:
            raise UsageError(
                f"--executor ray: the model on {loaded.machine} differs from the one here ({difference}): give every "
                "machine the same package and the same files, and name --device, --dtype and --gpus-per-worker so that "
                "both load it alike"
            )

    def _requeue_batch(self, batch: Batch | None, reason: str, queue: deque[Batch]) -> list[ItemResult]:
        """Put the batch of a dead worker back into the queue, halved if it has killed a worker before.

        `batch` is None if the worker died while loading its model. Returns no result, except for a single item that has
        killed a worker before: it is not asked again, and its result holds the error with `reason`. Raises AdapterError
        if too many workers have died in a row.
        """
        self._deaths += 1
        size = 1 if batch is None else len(batch.item_indices)
        if self._deaths > DEATHS_PER_WORKER * self._cluster.replicas + size.bit_length():
            raise AdapterError(
                f"--executor ray: {self._deaths} workers in a row died before they answered anything, the last one: "
                f"{reason}; {RESUME_NOTE}"
            )
        if batch is None:
            return []
        batch = replace(batch, deaths=batch.deaths + 1)
        if batch.deaths == 1:
            queue.append(batch)
            return []
        if size == 1:
            error = f"its worker died each of the {batch.deaths} times it was asked: {reason}"
            return [ItemResult(batch.item_indices[0], Output(None, error=error))]
        half = size // 2
        queue.append(replace(batch, item_indices=batch.item_indices[:half]))
        queue.append(replace(batch, item_indices=batch.item_indices[half:]))
        return []

    def _kill_busy_workers(self) -> None:
        """Kill the workers that are still answering a batch, since their results are no longer needed."""
        for ended, call in list(self._calls.items()):
            if call.batch is not None:
                self._ray.kill(call.worker)
                del self._calls[ended]


def _take_next_batch(queue: deque[Batch], size: int) -> Batch:
    """Remove the first batch from the queue and return it. If it exceeds the current batch size, the rest stays in the
    queue."""
    batch = queue.popleft()
    if len(batch.item_indices) > size:
        queue.appendleft(replace(batch, item_indices=batch.item_indices[size:]))
    return replace(batch, item_indices=batch.item_indices[:size])


PICKLE_ERRORS = (pickle.PicklingError, TypeError, AttributeError, ValueError)
"""Exceptions by which pickling fails."""


def _convert_error(error: Any) -> AlmBenchError:
    """Return the exception of a worker as an error with a message of one line."""
    cause = error.cause
    if isinstance(cause, AlmBenchError):
        return cause
    return AdapterError(
        f"--executor ray: a worker failed: {type(cause).__name__}: {_extract_reason(cause)}; {RESUME_NOTE}"
    )


def _extract_reason(error: BaseException) -> str:
    """Return the reason in an error message of Ray, in one line of up to 200 characters.

    Ray writes the reason last, followed only by a list of common causes, which is omitted.
    """
    text = str(error).rpartition("Worker exit detail:")[2].partition("Some common causes")[0]
    return textwrap.shorten(text, 200, placeholder="...")
