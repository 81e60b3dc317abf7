"""Execution of a run: an executor answers the items that have no stored answer, and the answers are written to disk."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from alm_bench.core import Adapter, Request, UsageError
from alm_bench.core.escape import print_notice
from alm_bench.records.schema import Record
from alm_bench.records.store import RunStore
from alm_bench.runner.audio_check import needs_audio_check, require_audio
from alm_bench.runner.batch_size import BatchSizer
from alm_bench.runner.budget import Budget
from alm_bench.runner.executors import Executor
from alm_bench.runner.executors.local import LocalExecutor
from alm_bench.runner.plan import Plan

Observer = Callable[[Sequence[Record]], None]
"""Callback that gets records after they have been written to disk."""


def execute(
    plan: Plan,
    store: RunStore,
    observe: Observer,
    budget: Budget | None = None,
    executor: Executor | None = None,
) -> list[Record]:
    """Answer the items of the plan that are not yet in the store, and return all records in the task's order.

    `executor` answers the items; by default this process does. Each batch is on disk before `observe` gets it. An
    interruption therefore loses at most two batches: the one that the model is answering, and the one before it, which
    is being written. If the budget is reached, the result has fewer records than the plan has items.

    Raises AdapterError if the audio does not reach the model, StoreLostError if the run's files are gone. No further
    request is sent after either error.
    """
    budget = Budget() if budget is None else budget
    same = drop_records_of_changed_clips(plan, store.kept)
    if len(same) < len(store.kept):  # clips have been replaced
        store.rewrite(same)
    kept = {record.sample.id: record for record in same}
    budget.add(same)
    observe(same)
    todo = [i for i, item in enumerate(plan.items) if item.sample.id not in kept]
    if todo:
        todo = _order_items(plan.adapter, plan.requests, todo)
    plan.adapter.log_to(store.folder)
    if todo and not plan.condition.silent and needs_audio_check(plan.adapter):
        _check_audio(plan, store)
    if todo:
        sizer = BatchSizer(plan.spec.batch_size, lambda line: print_notice(f"{plan.spec.task}: {line}"))
        try:
            batches = _track_cost((executor or LocalExecutor()).answer_items(plan, todo, budget, sizer), budget, store)
            # Calls of a streaming adapter end one by one: each answer is observed at once, not with the next one.
            write = _write_each if plan.adapter.abilities.stream else _write_in_thread
            with closing(write(batches, store)) as written:
                for records in written:
                    observe(records)
                    kept.update({record.sample.id: record for record in records})
        finally:
            store.update_header(batch_size=sizer.as_json())
    return sorted(kept.values(), key=lambda record: record.index)


CHECK_HOURS = 24
"""Number of hours for which a passed audio check stays valid when the run is resumed."""


def _check_audio(plan: Plan, store: RunStore) -> None:
    """Check that audio reaches the model, unless a check of the same run passed within the last `CHECK_HOURS` hours.

    After that time a resumed run is checked again, since its server may have been restarted without audio input. Raises
    AdapterError if the audio does not reach the model.
    """
    stored = store.header.audio_check
    passed = stored is not None and stored.verdict in ("delivered", "no reaction")
    if passed and 0 <= time.time() - (stored.checked_at or 0) < CHECK_HOURS * 3600:  # type: ignore[union-attr]
        return
    found = require_audio(plan.adapter, plan.header.prompt.name)
    store.update_header(audio_check={**found.as_json(), "checked_at": time.time()})
    if found.length is not None and found.length.verdict == "cut":
        print_notice(f"{plan.adapter.identity.label} cuts long clips silently: {found.length.reason}")


def _track_cost(batches: Iterator[list[Record]], budget: Budget, store: RunStore) -> Iterator[list[Record]]:
    """Yield the answered batches. After each, add its cost to the budget and check that the store still has its files.

    The next batch is requested only after that. Raises StoreLostError if the files are gone.
    """
    try:
        store.check()
        for records in batches:
            budget.add(records)
            yield records
            store.check()
    finally:
        if isinstance(batches, Generator):  # ends calls that are still running
            batches.close()


def _write_each(batches: Iterator[list[Record]], store: RunStore) -> Generator[list[Record], None, None]:
    """Write each batch to the store, then yield it."""
    for records in batches:
        store.append(records)
        yield records


def _write_in_thread(batches: Iterator[list[Record]], store: RunStore) -> Generator[list[Record], None, None]:
    """Yield each batch once it is on disk. A thread writes it while the next batch is answered.

    A thread is used because flushing to disk can take as long as a small model takes to answer. If the iteration ends
    early, all answered batches are still written.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="records") as disk:
        before: tuple[list[Record], Future[None]] | None = None
        for records in batches:
            writing = disk.submit(store.append, records)
            if before is not None:
                before[1].result()
                yield before[0]
            before = records, writing
        if before is not None:
            before[1].result()
            yield before[0]


def drop_records_of_changed_clips(plan: Plan, stored: Sequence[Record]) -> list[Record]:
    """Return the stored records whose clips have the same sizes now as when they were answered."""
    sizes = {item.sample.id: item.clip_sizes for item in plan.items}
    return [record for record in stored if record.clip_sizes == sizes.get(record.sample.id)]


def _order_items(adapter: Adapter, requests: Sequence[Request], todo: Sequence[int]) -> list[int]:
    """Return the item indices `todo` in the adapter's preferred order.

    Raises UsageError unless the adapter's order contains every index exactly once. A missing item would never be
    answered, and the run would be stored as finished without it.
    """
    advised = list(adapter.order([requests[i] for i in todo]))
    if sorted(advised) != list(range(len(todo))):
        raise UsageError(
            f"the adapter's order() returned {len(advised)} places for {len(todo)} requests, "
            f"expected each of 0..{len(todo) - 1} once"
        )
    return [todo[place] for place in advised]
