"""Seconds and memory to read a file of 100,000 questions as a task, against reading its rows alone.

python benchmarks/own_file.py [--rows 100000]
"""

import argparse
import csv
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from alm_bench.data.readers import read_csv
from alm_bench.plugins import catalogue

COLUMNS = ["id", "audio", "question", "A", "B", "C", "D", "answer", "habitat", "note"]


def write_file(path: Path, count: int) -> None:
    """Write questions about two clips each, with options and answers of their own."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n in range(count):
            options = [f"wren {n}", f"robin {n}", "owl", "crow"]
            question = f"Which of these birds is heard in recording {n}?"
            row = [
                f"q{n}",
                f"clips/{n // 2}.wav",
                question,
                *options,
                "ABCD"[n % 4],
                ("wood", "town")[n % 2],
                f"note {n}",
            ]
            writer.writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "birds.csv"
        write_file(path, 100)
        warm: Any = catalogue().get_task(str(path)).create({})
        list(warm.samples(warm.open_root("all"), "all"))  # libraries are loaded once
        write_file(path, asked.rows)
        started = time.process_time()
        rows = len(read_csv(path, COLUMNS))
        alone = time.process_time() - started
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        task: Any = catalogue().get_task(str(path)).create({})
        count = len(list(task.samples(task.open_root("all"), "all")))
        taken = time.process_time() - started
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print("| rows | rows alone, s | as a task, s | ratio | memory beyond rows alone, MB |")
    print("|---|---|---|---|---|")
    print(f"| {rows:,} | {alone:.1f} | {taken:.1f} | {taken / alone:.1f} | {memory:.0f} |")
    assert count == rows


if __name__ == "__main__":
    main()
