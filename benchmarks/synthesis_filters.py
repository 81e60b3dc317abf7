"""CPU seconds of each filter of `data filter`, and of the data card, on 10,000 rows.

python benchmarks/synthesis_filters.py [--rows 10000]

The rows are multiple-choice and open questions of the demo data with a planted shortcut, as a language model would have
written them from the captions. The rest of the table is what `data filter` does besides.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from alm_bench.core.foreign import dump_json
from alm_bench.demo import build_training_rows
from alm_bench.synthesis.card import build_card
from alm_bench.synthesis.filters import FilterSettings
from alm_bench.synthesis.folder import write_folder
from alm_bench.synthesis.pipeline import parse_steps, run_filters
from alm_bench.synthesis.rows import read_rows

LIMIT = 60.0
"""Largest acceptable sum for 10,000 rows, in CPU seconds."""

PARTS = ("AudioCaps_MCQ.json", "AudioCaps_Open.json")

Value = TypeVar("Value")


def measure(work: Callable[[], Value]) -> tuple[Value, float]:
    """Return the result of `work` and the CPU seconds that it took."""
    started = time.process_time()
    return work(), time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    count = parser.parse_args().rows
    made = [row for row in build_training_rows(round(2.5 * count), shortcut=0.3).rows if row["subtype"] in PARTS][
        :count
    ]
    settings = FilterSettings(repeats=count)  # near-duplicates are found and kept, so that all filters get all rows
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(dump_json(made), encoding="utf-8")
        rows, seconds["reading"] = measure(lambda: read_rows(path))
        for step in parse_steps("all"):
            _, seconds[step.filter.name] = measure(lambda step=step: list(step.filter.check(rows, settings)))
        result = run_filters(rows, parse_steps("malformed"), settings)
        about = {"title": "rows", "settings": {}, "failed_calls": 0, "cost_limit_reached": False}
        card, seconds["data card"] = measure(lambda: build_card(rows, result, settings, about))
        _, seconds["writing"] = measure(lambda: write_folder(Path(folder) / "out", result, card))
    print(f"| {len(rows):,} rows | CPU seconds |\n|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.1f} |")
    total = sum(seconds.values())
    print(f"| all | {total:.1f} (at most {LIMIT * len(rows) / 10_000:.0f}) |")


if __name__ == "__main__":
    main()
