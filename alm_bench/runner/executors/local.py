"""The model in this process: batches decoded for it, or requests streamed to it."""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from alm_bench.core import Adapter, AdapterError, AlmBenchError, Decoding, Output, Request
from alm_bench.core.errors import describe_error
from alm_bench.records.schema import Record
from alm_bench.runner.batch_size import BatchSizer
from alm_bench.runner.budget import Budget, within
from alm_bench.runner.executors.batch import Answer, InferenceSettings, make_record, report_unusable_clip, run_batch
from alm_bench.runner.inference import check
from alm_bench.runner.loader import AudioPipeline, LoadedRequest, load_batches
from alm_bench.runner.plan import Plan


class Local:
    """Asks the plan's own adapter."""

    def answered(self, plan: Plan, todo: Sequence[int], budget: Budget, sizer: BatchSizer) -> Iterator[list[Record]]:
        spec, asked = plan.spec, InferenceSettings.of(plan)
        hearing = AudioPipeline.of(plan.adapter, plan.condition)
        ahead = load_batches(plan.requests, todo, hearing, sizer.size, spec.workers)
        if plan.adapter.abilities.stream and spec.answer_by == "generate":
            yield from _streamed(plan, plan.adapter, ahead, budget)
            return
        for batch in within(budget, ahead):
            done = run_batch(plan.adapter, asked, batch)
            sizer.lacked(done.too_many)
            sizer.went(done.outputs, done.seconds)
            yield [make_record(plan, answer) for answer in done.answers]


def _streamed(
    plan: Plan, adapter: Adapter, ahead: Iterable[Sequence[LoadedRequest]], budget: Budget
) -> Iterator[list[Record]]:
    """One record at a time, as the adapter's calls end. Raises AdapterError unless every request gets one output."""
    waiting: dict[str, tuple[LoadedRequest, float]] = {}
    deaf: deque[Record] = deque()

    def requests() -> Iterator[Request]:
        for ready in within(budget, itertools.chain.from_iterable(ahead)):
            if ready.audio_error is not None or ready.error is not None:
                deaf.append(make_record(plan, report_unusable_clip(ready)))
                continue
            waiting[ready.request.id] = ready, time.perf_counter()
            yield ready.request

    for request, output in _calls(adapter, requests(), plan.spec.decoding):
        if request.id not in waiting:
            raise AdapterError(f"the adapter's stream() gave an output for {request.id!r}, which was not open")
        ready, started = waiting.pop(request.id)
        seconds = time.perf_counter() - started
        yield [*_taken(deaf), make_record(plan, Answer(ready.index, output, touched=ready.touched, seconds=seconds))]
    if waiting:
        missing = f"{len(waiting)} requests ({next(iter(waiting))})"
        raise AdapterError(f"the adapter's stream() ended without an output for {missing}")
    yield _taken(deaf)


def _calls(adapter: Adapter, requests: Iterator[Request], decoding: Decoding) -> Iterator[tuple[Request, Output]]:
    try:
        for request, output in adapter.stream(requests, decoding):
            check([output], 1)
            yield request, output
    except AlmBenchError:
        raise
    except Exception as error:  # whatever a model's code raises ends its stream
        raise AdapterError(
            f"the adapter's stream() broke: {describe_error(error)}; finished items are kept, and the same "
            "command resumes the run"
        ) from error


def _taken(records: deque[Record]) -> list[Record]:
    taken = list(records)
    records.clear()
    return taken
