"""How long a command takes to begin.

    python benchmarks/startup.py [--rounds 5]

Prints a markdown table, medians of the rounds: `alm-bench --help` and `alm-bench ls` from start to end; and `alm-bench
run` with the bundled model on the demo world (written before the clock runs, its first clips read) from start to the
first record on disk. The share of imports is what `-X importtime` counts in a run of its own, of that run's time.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alm_bench.plugins import catalogue
from alm_bench.resolve import get_demo_root

MAIN = ("-c", "from alm_bench.cli.app import main; main()")
RUN = ("run", "--model", "mellow", "--tasks", "mmau", "--data", "demo", "--limit", "8", "--batch-size", "1")


def ended(*asked: str, python: tuple[str, ...] = ()) -> tuple[float, str]:
    """Seconds of a command, and its standard error."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *python, *MAIN, *asked], capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stderr


def first_record(folder: str) -> float:
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, *MAIN, *RUN, "--out", folder], stdout=-3, stderr=-3) as process:
        while not any(file.stat().st_size for file in Path(folder).glob("*/samples.jsonl")):
            if process.poll() is not None:
                raise SystemExit("the run ended without a record")
            time.sleep(0.002)
        taken = time.perf_counter() - started
        process.kill()
    return taken


def imports(*asked: str) -> float:
    """Their share of a command's time; both are longer while they are counted."""
    seconds, told = ended(*asked, python=("-X", "importtime"))
    own = sum(int(microseconds) for microseconds in re.findall(r"^import time: +(\d+) \|", told, re.MULTILINE))
    return own / 1e6 / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    get_demo_root(catalogue().get_task("mmau"))
    print("| command | seconds | share of imports, % |\n|---|---|---|")
    for asked in (("--help",), ("ls",)):
        taken = statistics.median(ended(*asked)[0] for _ in range(rounds))
        print(f"| `{' '.join(asked)}` | {taken:.2f} | {100 * imports(*asked):.0f} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        ended(*RUN, "--out", f"{folder}/warm")
        taken = statistics.median(first_record(f"{folder}/{number}") for number in range(rounds))
        share = imports(*RUN, "--out", f"{folder}/imports")
        print(f"| `run`, to its first record | {taken:.2f} | {100 * share:.0f} (of a run of 8 items) |")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
