"""Executor that answers items in this process, with batches of decoded requests or with a stream of requests."""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from alm_bench.core import Adapter, AdapterError, AlmBenchError, AnsweredRequest, Decoding, Request
from alm_bench.core.errors import describe_error
from alm_bench.records.schema import Record
from alm_bench.runner.batch_size import BatchSizer
from alm_bench.runner.budget import Budget, iterate_within_budget
from alm_bench.runner.executors.batch import (
    InferenceSettings,
    ItemResult,
    build_unusable_clip_result,
    make_record,
    run_batch,
)
from alm_bench.runner.inference import check_outputs
from alm_bench.runner.loader import AudioPipeline, LoadedRequest, load_batches
from alm_bench.runner.plan import Plan


class LocalExecutor:
    """Executor that calls the plan's own adapter."""

    def answer_items(
        self, plan: Plan, todo: Sequence[int], budget: Budget, sizer: BatchSizer
    ) -> Iterator[list[Record]]:
        spec, asked = plan.spec, InferenceSettings.from_plan(plan)
        pipeline = AudioPipeline.from_adapter(plan.adapter, plan.condition)
        batches = load_batches(plan.requests, todo, pipeline, sizer.get_size, spec.workers)
        if plan.adapter.abilities.stream and spec.answer_by == "generate":
            yield from _stream_records(plan, plan.adapter, batches, budget)
            return
        for batch in iterate_within_budget(budget, batches):
            done = run_batch(plan.adapter, asked, batch)
            sizer.record_shortage(done.failed_batch_size)
            sizer.record_batch(done.output_count, done.seconds)
            yield [make_record(plan, answer) for answer in done.answers]


def _stream_records(
    plan: Plan, adapter: Adapter, batches: Iterable[Sequence[LoadedRequest]], budget: Budget
) -> Iterator[list[Record]]:
    """Yield records as the calls of a streaming adapter end, together with records of items whose clips cannot be used.

    Raises AdapterError unless the adapter returns exactly one output for each request.
    """
    waiting: dict[str, tuple[LoadedRequest, float]] = {}
    unusable: deque[Record] = deque()

    def iterate_requests() -> Iterator[Request]:
        """Yield the requests whose clips can be used, and add the records of the others to `unusable`."""
        for ready in iterate_within_budget(budget, itertools.chain.from_iterable(batches)):
            if ready.audio_error is not None or ready.error is not None:
                unusable.append(make_record(plan, build_unusable_clip_result(ready)))
                continue
            waiting[ready.request.id] = ready, time.perf_counter()
            yield ready.request

    for answers in call_stream(adapter, iterate_requests(), plan.spec.decoding):
        records = _pop_all(unusable)
        for request, output in answers:
            if request.id not in waiting:
                raise AdapterError(f"the adapter's stream() gave an output for {request.id!r}, which was not open")
            ready, started = waiting.pop(request.id)
            seconds = time.perf_counter() - started
            records.append(make_record(plan, ItemResult(ready.index, output, touched=ready.touched, seconds=seconds)))
        yield records
    if waiting:
        missing = f"{len(waiting)} requests ({next(iter(waiting))})"
        raise AdapterError(f"the adapter's stream() ended without an output for {missing}")
    yield _pop_all(unusable)


def call_stream(adapter: Adapter, requests: Iterator[Request], decoding: Decoding) -> Iterator[list[AnsweredRequest]]:
    """Yield lists of answered requests from the adapter's `stream`. One list holds the answers that arrived together.

    An exception of the adapter's code is raised as AdapterError.
    """
    try:
        for answers in adapter.stream(requests, decoding):
            together = answers if isinstance(answers, list) else [answers]
            check_outputs([output for _, output in together], len(together))
            yield together
    except AlmBenchError:
        raise
    except Exception as error:  # whatever a model's code raises ends its stream
        raise AdapterError(
            f"the adapter's stream() broke: {describe_error(error)}; finished items are kept, and the same "
            "command resumes the run"
        ) from error


def _pop_all(records: deque[Record]) -> list[Record]:
    """Remove all records from the queue and return them."""
    taken = list(records)
    records.clear()
    return taken
