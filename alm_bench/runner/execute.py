"""The loop: decoded batches to the adapter, answers to disk."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from alm_bench.core import (
    AdapterError,
    AlmBenchError,
    Decoding,
    Logs,
    Orders,
    Output,
    Request,
    Status,
    Streams,
    UsageError,
)
from alm_bench.records.schema import AUDIO_SKIPPED, Record, answered
from alm_bench.records.store import RunStore
from alm_bench.runner.asking import asking, call, check
from alm_bench.runner.budget import Budget, within
from alm_bench.runner.delivery import insist, proof_needed
from alm_bench.runner.loader import Ready, batches
from alm_bench.runner.plan import Plan

UNHEARD = ("none", "silence")
"""Conditions under which there is nothing to be heard."""

Observer = Callable[[Sequence[Record]], None]
"""Told of records after they are on disk."""


def execute(plan: Plan, store: RunStore, observe: Observer, budget: Budget | None = None) -> list[Record]:
    """Answer what is not yet in the store; returns all records in the task's order, fewer than the plan's items where
    the budget is reached. Raises AdapterError where the audio does not reach the model.

    Each batch is on disk before it is observed, so that an interruption loses at most the batch in the model's hands.
    """
    budget = Budget() if budget is None else budget
    same = still_right(plan, store.kept)
    if len(same) < len(store.kept):  # clips were replaced since
        store.rewrite(same)
    kept = {record.sample.id: record for record in same}
    budget.add(same)
    observe(same)
    todo = [i for i, record in enumerate(plan.pending) if record.sample.id not in kept]
    if isinstance(plan.adapter, Orders) and todo:
        todo = _ordered(plan.adapter, plan.requests, todo)
    if isinstance(plan.adapter, Logs):
        plan.adapter.log_to(store.folder)
    if todo and plan.spec.condition not in UNHEARD and proof_needed(plan.adapter):
        # also where a run goes on: what stands in between may have been started anew without its audio
        prompts = plan.header["prompt"]["id"].rpartition("/")[2]
        store.note("delivery", insist(plan.adapter, prompts).as_json())
    spec = plan.spec
    ahead = batches(plan.requests, todo, plan.adapter.audio, spec.batch_size, spec.workers, plan.condition)
    asked = _streamed(plan, ahead, budget) if _streams(plan) else (_answer(plan, b) for b in within(budget, ahead))
    for records in asked:
        store.append(records)
        budget.add(records)
        observe(records)
        kept.update({record.sample.id: record for record in records})
    return sorted(kept.values(), key=lambda record: record.index)


def still_right(plan: Plan, stored: Sequence[Record]) -> list[Record]:
    """The stored records whose clips are those of today."""
    heard = {record.sample.id: record.heard for record in plan.pending}
    return [record for record in stored if record.heard == heard.get(record.sample.id)]


def _ordered(adapter: Orders, requests: Sequence[Request], todo: Sequence[int]) -> list[int]:
    """`todo` in the adapter's order. Raises UsageError unless that holds every place once: an item left out would
    never be answered, and the run would end as finished without it."""
    advised = list(adapter.order([requests[i] for i in todo]))
    if sorted(advised) != list(range(len(todo))):
        raise UsageError(
            f"the adapter's order() returned {len(advised)} places for {len(todo)} requests, "
            f"expected each of 0..{len(todo) - 1} once"
        )
    return [todo[place] for place in advised]


def _answer(plan: Plan, batch: Sequence[Ready]) -> list[Record]:
    heard = [ready for ready in batch if ready.audio_error is None]
    started = time.perf_counter()
    outputs = call(asking(plan.adapter, plan.spec.decoding, plan.spec.answer_by), [ready.request for ready in heard])
    seconds = (time.perf_counter() - started) / max(len(heard), 1)
    output_of = {ready.index: output for ready, output in zip(heard, outputs, strict=True)}
    return [
        _unheard(plan, ready) if ready.audio_error is not None else _heard(plan, ready, output_of[ready.index], seconds)
        for ready in batch
    ]


def _heard(plan: Plan, ready: Ready, output: Output, seconds: float) -> Record:
    record = replace(plan.pending[ready.index], touched=ready.touched, seconds=round(seconds, 4), reason=None)
    return answered(record, output, plan.task)


def _unheard(plan: Plan, ready: Ready) -> Record:
    """An item whose clip cannot be used."""
    status: Status = "skipped" if plan.spec.missing_audio == "skip" else "error"
    reason = AUDIO_SKIPPED + (ready.audio_error or "")
    return replace(plan.pending[ready.index], touched=ready.touched, status=status, reason=reason)


def _streams(plan: Plan) -> bool:
    return isinstance(plan.adapter, Streams) and plan.spec.answer_by == "generate"


def _streamed(plan: Plan, ahead: Iterable[Sequence[Ready]], budget: Budget) -> Iterator[list[Record]]:
    """One record at a time, as the adapter's calls end. Raises AdapterError unless every request gets one output."""
    assert isinstance(plan.adapter, Streams)
    waiting: dict[str, tuple[Ready, float]] = {}
    unheard: deque[Record] = deque()

    def requests() -> Iterator[Request]:
        for ready in within(budget, itertools.chain.from_iterable(ahead)):
            if ready.audio_error is not None:
                unheard.append(_unheard(plan, ready))
                continue
            waiting[ready.request.id] = ready, time.perf_counter()
            yield ready.request

    for request, output in _calls(plan.adapter, requests(), plan.spec.decoding):
        if request.id not in waiting:
            raise AdapterError(f"the adapter's stream() gave an output for {request.id!r}, which was not open")
        ready, started = waiting.pop(request.id)
        yield [*_taken(unheard), _heard(plan, ready, output, time.perf_counter() - started)]
    if waiting:
        missing = f"{len(waiting)} requests ({next(iter(waiting))})"
        raise AdapterError(f"the adapter's stream() ended without an output for {missing}")
    yield _taken(unheard)


def _calls(adapter: Streams, requests: Iterator[Request], decoding: Decoding) -> Iterator[tuple[Request, Output]]:
    try:
        for request, output in adapter.stream(requests, decoding):
            check([output], 1)
            yield request, output
    except AlmBenchError:
        raise
    except Exception as error:  # whatever a model's code raises ends its stream
        raise AdapterError(
            f"the adapter's stream() broke: {type(error).__name__}: {error}; finished items are kept, and the same "
            "command goes on from them"
        ) from error


def _taken(records: deque[Record]) -> list[Record]:
    taken = list(records)
    records.clear()
    return taken
