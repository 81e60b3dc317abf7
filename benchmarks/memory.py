"""How much memory a run takes that grows with its number of items.

    python benchmarks/memory.py [--model echo] [--items 100 14355]

Prints a markdown table: the peak memory (ru_maxrss) of a whole `alm-bench run`, from reading the questions to the
tables, in a process of its own for each number of items; and by how much it lies above that of 100 items. The questions
are made for it: ACE as its files have it (15 questions a clip; 14,355 are its whole test split), on tones of a second,
with the rows that its blind baseline is fitted on. The model is `echo`, which decodes every clip and computes nothing:
what a model takes is the same for any number of items (`--model mellow` shows it).
"""

import argparse
import csv
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alm_bench.core.wav import encode_wav

HEADER = ("Dataset", "Audio file", "Caption", "Entailment", "Neutral", "Contradiction")
A_CLIP = 15
DEVELOPMENT = 500
TEXT = (
    "a man woman speaks softly while the rain falls on metal roof and birds sing near engine running loudly then crowd "
    "claps water flows distant thunder several dogs bark indoors music plays instrument door closes footsteps gravel"
)

CHILD = """
import resource, sys
from alm_bench.cli.app import main
try:
    main()
finally:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("PEAK", kilobytes * (1 if sys.platform == "darwin" else 1024), file=sys.stderr)
"""


def write_rows(file: Path, names: Sequence[str], draw: random.Random) -> None:
    """Three items a row."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(HEADER)
        for name in names:
            rows.writerow(["AudioCaps", name, *(" ".join(draw.choices(TEXT.split(), k=14)) for _ in range(4))])


def write_data(folder: Path, items: int) -> None:
    draw = random.Random(items)
    names = [f"Y{number:011}.wav" for number in range(-(-items // A_CLIP))]
    write_rows(
        folder / "entailment/audiocaps_entailment_test.csv", [n for n in names for _ in range(A_CLIP // 3)], draw
    )
    development = [f"clip {number}.wav" for number in range(DEVELOPMENT)]
    write_rows(folder / "entailment/clotho_entailment_validation.csv", development, draw)
    (folder / "AudioCapsLarger/test").mkdir(parents=True)
    time = np.arange(16_000) / 16_000
    for number, name in enumerate(names):
        wave = 0.3 * np.sin(2 * np.pi * (100 + number) * time)
        (folder / "AudioCapsLarger/test" / name).write_bytes(encode_wav(wave, 16_000))


def peak(model: str, items: int) -> float:
    """In MB."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_data(folder / "data", items)
        where = ("--data", str(folder / "data"), "--out", str(folder / "runs"), "--limit", str(items))
        asked = ["run", "--model", model, "--tasks", "ace", *where, "--batch-size", "64", "--json"]
        done = subprocess.run([sys.executable, "-c", CHILD, *asked], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return int(done.stderr.rpartition("PEAK ")[2]) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="echo")
    parser.add_argument("--items", type=int, nargs="+", default=[100, 14_355])
    asked = parser.parse_args()
    print("| model | items | peak, MB | above the first, MB |\n|---|---|---|---|")
    first = None
    for items in asked.items:
        found = peak(asked.model, items)
        first = found if first is None else first
        print(f"| {asked.model} | {items:,} | {found:.0f} | {found - first:.0f} |", flush=True)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr)


if __name__ == "__main__":
    main()
