"""How long `alm-bench leaderboard` and `alm-bench ls runs` take with many runs.

    python benchmarks/leaderboard.py [--runs 1000] [--items 5] [--rounds 3]

Makes finished runs of demo MMAU questions in a temporary folder: one plan, random letters as answers, a name and a
fingerprint for each run. Then times the two commands as a user gives them, each in a process of its own (Python's start
included), and prints a markdown table of the medians. The folder is deleted at the end.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from alm_bench.core import Decoding, Output, Runtime
from alm_bench.core.prompt import pick_prompt
from alm_bench.plugins import catalogue
from alm_bench.records.grading import complete_record
from alm_bench.records.run import finish_run
from alm_bench.records.schema import Record
from alm_bench.records.store import RunStore
from alm_bench.records.summary import summarise_run
from alm_bench.reports.renderers.markdown import render_pipe_table
from alm_bench.resolve import get_demo_root
from alm_bench.runner import Plan, RunSpec, prepare_run


def plan_items(items: int) -> Plan:
    entry = catalogue().get_task("mmau")
    adapter = catalogue().get_adapter("blind").create({}, Runtime("cpu", None))
    decoding = Decoding(max_new_tokens=entry.card.max_new_tokens)
    spec = RunSpec("mmau", "blind", "test-mini", "demo", decoding, limit=items)
    return prepare_run(
        spec, entry.create(), pick_prompt(entry.load_prompts(), "letters", "mmau"), get_demo_root(entry), adapter
    )


def answer_at_random(plan: Plan, seed: int) -> Iterator[Record]:
    draw = random.Random(seed)
    for item in plan.items:
        letter = chr(ord("a") + draw.randrange(len(item.sample.choices)))
        yield complete_record(item, Output(f"({letter})"), plan.task)


def make_runs(plan: Plan, runs: int, out: Path) -> None:
    for number in range(runs):
        identity = replace(plan.header.identity, label=f"model {number}")
        header = replace(plan.header, identity=identity, fingerprint=f"{number:012x}")
        folder = out / f"mmau-model-{number}-demo-{number:012x}"
        records = list(answer_at_random(plan, number))
        with RunStore(folder, header) as store:
            store.append(records)
            finish_run(store, plan.task, summarise_run(store.header, plan.task, records, folder.name), records)


def time_command(arguments: list[str], rounds: int) -> float:
    """Seconds, the median of `rounds`."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "alm_bench", *arguments], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--items", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "runs"
        make_runs(plan_items(options.items), options.runs, out)
        commands = {
            "leaderboard": ["leaderboard", "--out", str(out), "--to", name],
            "ls runs": ["ls", "runs", "--out", str(out)],
        }
        rows = [[title, f"{time_command(command, options.rounds):.1f}"] for title, command in commands.items()]
    print(render_pipe_table([f"{options.runs:,} runs of {options.items} items", "seconds"], rows))


if __name__ == "__main__":
    main()
