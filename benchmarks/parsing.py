"""How the time to read an answer grows with its length, and whether any text at all is read.

    python benchmarks/parsing.py [--strings 1000000] [--against REF]

Prints a markdown row for each kind of long text: the ratio of 100 kB to 10 kB, medians in one run (linear is 10). Then
reads random strings made of the pieces that answers are made of: none may raise, and none may take long.
"""

import argparse
import importlib
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alm_bench.parsing import parse_choice

Parse = Callable[..., Any]

CHOICES = ("A dog barking", "A cat meowing", "Rain falling", "four")
PIECES = (
    *(
        "the answer is ",
        "<answer>",
        "</answer>",
        "<think>",
        "</think>",
        "(e.g. ",
        "[",
        "]",
        "{'answer': '",
        "'}",
        "\\boxed{",
    ),
    *(
        "not ",
        "a dog barking",
        "cat",
        "option 2",
        "(b)",
        "B",
        ". ",
        ", ",
        " or ",
        "\n",
        "**",
        '"',
        "'",
        "none of the ",
        "4",
    ),
    *("if ", "so ", "I cannot ", "é", "答案是", "（Ａ）", "\x00", "�", "     ", "2.5", "twenty-", "dog_barking"),
)


def repeated(piece: str) -> Callable[[int], str]:
    return lambda size: piece * (size // len(piece))


def mixed(size: int) -> str:
    generator = random.Random(0)
    parts, length = [], 0
    while length < size:
        parts.append(generator.choice(PIECES))
        length += len(parts[-1])
    return "".join(parts)


TEXTS: dict[str, Callable[[int], str]] = {
    "prose": repeated("I think there is the sound of something in the room. "),
    "statements": repeated("the answer is "),
    "tags": repeated("<answer>"),
    "brackets": repeated("["),
    "blanks": lambda size: "x" + " " * size + "x",
    "stars": repeated("*"),
    "options": repeated("a dog barking and "),
    "quotation marks of mail": repeated("> "),
    "mixed": mixed,
}


def seconds(text: str, rounds: int = 7) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        parse_choice(text, CHOICES)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def older_parser(ref: str, folder: Path) -> Parse:
    """Load `parse_choice` of another commit, its package under another name beside this one."""
    archive = subprocess.run(["git", "archive", ref, "alm_bench"], capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
    (folder / "alm_bench").rename(folder / "older_bench")
    for file in (folder / "older_bench").rglob("*.py"):
        file.write_text(file.read_text(encoding="utf-8").replace("alm_bench", "older_bench"), encoding="utf-8")
    sys.path.insert(0, str(folder))
    older: Parse = importlib.import_module("older_bench.parsing").parse_choice
    return older


def compare(ref: str, folder: Path, part: int = 100, rounds: int = 7) -> None:
    """Print the time to read real MMAU outputs, this parser's over another commit's, both in turn on each part."""
    rows = []
    for file in sorted(folder.glob("*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, list):
            rows += [
                (str(row.get("model_output") or row.get("model_prediction") or ""), row["choices"]) for row in found
            ]
    with tempfile.TemporaryDirectory() as scratch:
        parsers = (older_parser(ref, Path(scratch)), parse_choice)
        total = [0.0, 0.0]
        for start in range(0, len(rows), part):
            best = [math.inf, math.inf]
            for _ in range(rounds):
                for number, parse in enumerate(parsers):
                    started = time.perf_counter()
                    for text, choices in rows[start : start + part]:
                        parse(text, choices)
                    best[number] = min(best[number], time.perf_counter() - started)
            total = [a + b for a, b in zip(total, best, strict=True)]
    per_answer = 1e6 / len(rows)
    print(f"{len(rows):,} MMAU outputs: {total[1] * per_answer:.0f} us each, {ref} {total[0] * per_answer:.0f} us,")
    print(f"ratio {total[1] / total[0]:.2f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=1_000_000)
    parser.add_argument("--against", metavar="REF", help="a git commit whose parser reads the same MMAU outputs")
    parser.add_argument("--outputs", type=Path, default=Path("../shared/data/mmau_outputs"))
    asked = parser.parse_args()
    if asked.against:
        compare(asked.against, asked.outputs)
    print("| text | 10 kB, ms | 100 kB, ms | ratio |\n|---|---|---|---|")
    for name, make in TEXTS.items():
        short, long = seconds(make(10_000)), seconds(make(100_000))
        print(f"| {name} | {1000 * short:.1f} | {1000 * long:.1f} | {long / short:.1f} |")
    generator, longest, read = random.Random(1), 0.0, 0
    for _ in range(asked.strings):
        text = "".join(generator.choices(PIECES, k=generator.randint(0, 12)))
        started = time.perf_counter()
        read += parse_choice(text, CHOICES).index is not None
        longest = max(longest, time.perf_counter() - started)
    print(f"\n{asked.strings:,} random strings: none raised, {read:,} select an option,")
    print(f"the slowest took {1000 * longest:.0f} ms")


if __name__ == "__main__":
    main()
