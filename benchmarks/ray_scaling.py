"""Items per second of two workers on a Ray cluster of this machine against one.

    python benchmarks/ray_scaling.py [--items 96] [--rounds 3]

Prints a markdown row: medians of the rounds, in which one and two workers take turns. The model does nothing but
multiply matrices, on one thread. Workers are started and warm before the clock runs, as in a run that is long. The last
column is what two bare processes make of the same against one: a machine that is shared may not have two cores to give.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alm_bench.core import Adapter, Request
    from alm_bench.runner import Plan
    from alm_bench.runner.executors.on_ray import RayExecutor
    from alm_bench.runner.executors.worker import Recipe

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MODEL = '''
import numpy as np
from alm_bench.core import BaseAdapter

SIZE, TIMES = 384, {times}


class Multiplies(BaseAdapter):
    """Compute and nothing else."""

    audio = None

    def answer(self, request):
        product = step = np.random.default_rng(len(request.prompt)).normal(size=(SIZE, SIZE)) / SIZE**0.5
        for _ in range(TIMES):
            product = product @ step
        return "abcd"[int(abs(product[0, 0]) * 1e6) % 4]
'''


def seconds(executor: "RayExecutor", plan: "Plan", places: range) -> float:
    from alm_bench.runner.batch_size import BatchSizer
    from alm_bench.runner.budget import Budget

    started = time.perf_counter()
    answered = sum(
        len(records)
        for records in executor.answer_items(plan, places, Budget(), BatchSizer(plan.spec.batch_size, print))
    )
    taken = time.perf_counter() - started
    assert answered == len(places)
    return taken


adapter: "Adapter"
"""Of a bare process."""


def prepared(recipe: "Recipe") -> None:
    global adapter
    adapter = recipe.build_adapter()


def answered(request: "Request") -> str:
    return str(adapter.answer(request))  # type: ignore[attr-defined]


def bare(recipe: "Recipe", requests: "Sequence[Request]", processes: int) -> float:
    """The seconds that so many processes take, warm."""
    with multiprocessing.get_context("spawn").Pool(processes, prepared, (recipe,)) as pool:
        for _ in range(2):  # the first time warms them
            started = time.perf_counter()
            pool.map(answered, requests, chunksize=4)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=60, help="matrix products an item")
    asked = parser.parse_args()
    os.environ |= dict.fromkeys(THREADS, "1")

    import ray

    from alm_bench.core import Decoding, Runtime
    from alm_bench.core.prompt import pick_prompt
    from alm_bench.plugins import catalogue
    from alm_bench.resolve import get_demo_root
    from alm_bench.runner import RunSpec, prepare_run
    from alm_bench.runner.executors.cluster import Cluster
    from alm_bench.runner.executors.on_ray import RayExecutor
    from alm_bench.runner.executors.worker import Recipe

    folder = Path(tempfile.mkdtemp())
    (folder / "multiplies.py").write_text(MODEL.format(times=asked.times), encoding="utf-8")
    recipe = Recipe(f"{folder}/multiplies.py:Multiplies", {}, Runtime(), "plain", "letters")
    entry, own = catalogue().get_task("mmau"), recipe.build_adapter()
    spec = RunSpec("mmau", recipe.model, "test-mini", "demo", Decoding(), limit=asked.items, batch_size=4)
    plan = prepare_run(
        spec, entry.create(), pick_prompt(entry.load_prompts(), "letters", "mmau"), get_demo_root(entry), own
    )
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    taken: dict[int, list[float]] = {1: [], 2: []}
    with RayExecutor(Cluster(1), recipe, own) as one, RayExecutor(Cluster(2), recipe, own) as two:
        crews = {1: one, 2: two}
        for crew in crews.values():
            seconds(crew, plan, range(len(plan.items)))
        for _ in range(asked.rounds):
            for workers, crew in crews.items():
                taken[workers].append(seconds(crew, plan, range(len(plan.items))))
    ray.shutdown()
    alone, together = (bare(recipe, plan.requests, processes) for processes in (1, 2))
    single, double = (len(plan.items) / statistics.median(taken[workers]) for workers in (1, 2))
    print("| items | one worker, items/s | two workers, items/s | ratio | two bare processes |\n|---|---|---|---|---|")
    print(f"| {len(plan.items)} | {single:.1f} | {double:.1f} | {double / single:.2f} | {alone / together:.2f} |")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
