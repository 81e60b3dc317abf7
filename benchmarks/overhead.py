"""What the runner adds to a model's own time, and what keeping records adds to the runner's.

    python benchmarks/overhead.py [--rounds 5] [--items 1000] [--only mellow|echo]

Prints two markdown tables, medians of rounds; the ratio is the median of the rounds' ratios. Demo world, MMAU first and
then CLE until there are enough items.

`mellow`, batches of 8: the runner as `alm-bench run` has it (`prepare`, `execute` with records on disk and progress
shown, on a model that is loaded) against a bare loop over the same requests in the same order and batches: clips
decoded and prepared in line, each once a batch, `adapter.generate` called, texts kept in a list. Both begin with
nothing kept of any clip, as a run does; torch has its threads as always. Within a round the two take turns every few
batches, each with a network of its own and a clock that stands while the other works: on a machine with neighbours a
second is not like the next. (For processors: beside a model on a GPU clips are decoded in the loop's turns, too.) What
the runs left on disk is deleted at the end.

`echo` without clips, batches of 64: `execute` with durable records (one fsync a batch) against the same loop without
records: the executor's (`LocalExecutor().answered`), which asks, reads and grades, and its records kept in a list.
Plans are made before the clock runs, and who begins a round alternates.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alm_bench.audio import load
from alm_bench.cli.progress import Progress
from alm_bench.core import CACHE_MB, Adapter, AudioRef, Decoding, Request, Runtime, Wave
from alm_bench.core.prompt import pick_prompt
from alm_bench.plugins import catalogue
from alm_bench.records.schema import Record
from alm_bench.records.store import RunStore
from alm_bench.resolve import get_demo_root
from alm_bench.runner import Plan, RunSpec, execute, prepare_run
from alm_bench.runner.batch_size import BatchSizer
from alm_bench.runner.budget import Budget
from alm_bench.runner.executors.local import LocalExecutor
from alm_bench.runner.loader import list_clips
from alm_bench.runner.plan import _describe_environment

TURN = 5
"""Batches of one side before the other's turn."""

SPLITS = {"mmau": "test-mini", "cle": "evaluation"}


def planned(adapter: Adapter, prompts: str, items: int, size: int) -> list[Plan]:
    """So many items over both tasks."""
    plans: list[Plan] = []
    for name, split in SPLITS.items():
        left = items - sum(len(plan.items) for plan in plans)
        if not left:
            break
        entry = catalogue().get_task(name)
        decoding = Decoding(max_new_tokens=entry.card.max_new_tokens)
        spec = RunSpec(name, "benchmark", split, "demo", decoding, limit=left, batch_size=size)
        plans.append(
            prepare_run(
                spec, entry.create(), pick_prompt(entry.load_prompts(), prompts, name), get_demo_root(entry), adapter
            )
        )
    return plans


def executed(plans: Sequence[Plan], runs: Path, between: Callable[[], None] = lambda: None) -> list[Record]:
    """With records in a new folder below `runs`; `between` is called after every batch."""
    found: list[Record] = []
    folder = Path(tempfile.mkdtemp(dir=runs))
    for plan in plans:
        store = RunStore(folder / plan.run_id, plan.header)
        with store, Progress(plan.spec.task, len(plan.items)) as progress:

            def observe(records: Sequence[Record], progress: Progress = progress) -> None:
                progress.update(records)
                between()

            found += execute(plan, store, observe)
    return found


def unrecorded(plans: Sequence[Plan]) -> list[Record]:
    found: list[Record] = []
    for plan in plans:
        sizer = BatchSizer(plan.spec.batch_size, print)
        for records in LocalExecutor().answer_items(plan, range(len(plan.items)), Budget(), sizer):
            found += records
    return found


def bare(plans: Sequence[Plan]) -> Iterator[list[str | None]]:
    """The texts of every batch."""
    for plan in plans:
        adapter, size = plan.adapter, plan.spec.batch_size
        assert isinstance(size, int)
        order = adapter.order(plan.requests)
        for start in range(0, len(order), size):
            batch = heard(adapter, [plan.requests[place] for place in order[start : start + size]])
            yield [output.text for output in adapter.generate(batch, plan.spec.decoding)]


def heard(adapter: Adapter, batch: Sequence[Request]) -> list[Request]:
    policy = adapter.audio
    assert policy is not None
    assert adapter.abilities.prepare
    waves: dict[AudioRef, Wave] = {}
    features: dict[AudioRef, Any] = {}
    for ref in (ref for request in batch for ref in list_clips(request)):
        if ref not in waves:
            waves[ref] = load(ref, policy).wave
            features[ref] = adapter.prepare(waves[ref])
    return [
        replace(
            request,
            waves=tuple(waves[ref] for ref in list_clips(request)),
            features=tuple(features[ref] for ref in list_clips(request)),
        )
        for request in batch
    ]


def compared(one: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median seconds of each, and the median of the rounds' ratios; who begins a round alternates."""
    seconds: dict[Callable[[], object], list[float]] = {one: [], other: []}
    for number in range(rounds):
        for work in (one, other) if number % 2 else (other, one):
            started = time.perf_counter()
            work()
            seconds[work].append(time.perf_counter() - started)
    return medians(seconds[one], seconds[other])


def medians(ones: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    ratios = [a / b for a, b in zip(ones, others, strict=True)]
    print(f"ratios: {', '.join(f'{ratio:.3f}' for ratio in ratios)}", file=sys.stderr)
    return statistics.median(ones), statistics.median(others), statistics.median(ratios)


class Turns:
    """A loop that goes on for `TURN` batches at every `TURN`th call, and has a clock of its own."""

    def __init__(self, loop: Iterator[list[str | None]]) -> None:
        self._loop, self._calls = loop, 0
        self.seconds, self.texts = 0.0, list[str | None]()

    def __call__(self) -> None:
        self._calls += 1
        if self._calls % TURN == 0:
            self.take(TURN)

    def take(self, batches: int | None = None) -> None:
        """So many batches, or what is left."""
        started = time.perf_counter()
        for texts in itertools.islice(self._loop, batches):
            self.texts += texts
        self.seconds += time.perf_counter() - started


def with_mellow(items: int, rounds: int, runs: Path) -> None:
    entry = catalogue().get_adapter("mellow")
    adapters: list[Any] = [entry.create({}, Runtime()) for _ in range(2)]

    def plans(adapter: Adapter) -> list[Plan]:
        return planned(adapter, entry.prompts, items, 8)

    for request in (request for plan in plans(adapters[0]) for request in plan.requests):
        for ref in list_clips(request):
            ref.read() if ref.read is not None else None  # synthesised once, and then a file
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(1 + rounds):
        one, other = adapters if number % 2 else reversed(adapters)
        for adapter in adapters:
            adapter.answerer.reset_cache(CACHE_MB)
        turns = Turns(bare(plans(other)))
        _describe_environment.cache_clear()  # a run looks that up once
        started = time.perf_counter()
        records = executed(plans(one), runs, turns)
        whole = time.perf_counter() - started - turns.seconds
        turns.take()
        assert sorted(map(str, turns.texts)) == sorted(str(record.text) for record in records), "both ask the same"
        if number:  # once to be warm
            ours.append(whole)
            theirs.append(turns.seconds)
    ran, looped, ratio = medians(ours, theirs)
    print("| model | items | bare loop, s | runner, s | ratio |\n|---|---|---|---|---|")
    print(f"| mellow | {items} | {looped:.2f} | {ran:.2f} | {ratio:.3f} |\n", flush=True)


def with_echo(items: int, rounds: int, runs: Path) -> None:
    entry = catalogue().get_adapter("echo")
    adapter = entry.create({}, Runtime())
    adapter.audio = None
    plans = planned(adapter, entry.prompts, items, 64)
    assert len(executed(plans, runs)) == len(unrecorded(plans)) == items
    ours, theirs, ratio = compared(lambda: executed(plans, runs), lambda: unrecorded(plans), rounds)
    print("| model | items | without records, ms | with records, ms | ratio |\n|---|---|---|---|---|")
    print(f"| echo | {items} | {1e3 * theirs:.0f} | {1e3 * ours:.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--only", choices=("mellow", "echo"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as runs:
        if asked.only != "echo":
            with_mellow(asked.items, asked.rounds, Path(runs))
        if asked.only != "mellow":
            with_echo(asked.items, 5 * asked.rounds, Path(runs))
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
