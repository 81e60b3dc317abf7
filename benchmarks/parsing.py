"""How the time to read an answer grows with its length, and whether any text at all is read.

    python benchmarks/parsing.py [--strings 1000000]

Prints a markdown row for each kind of long text: the ratio of 100 kB to 10 kB, medians in one run (linear is 10). Then
reads random strings made of the pieces that answers are made of: none may raise, and none may take long.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

from alm_bench.parsing import parse_choice

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
    "mixed": mixed,
}


def seconds(text: str, rounds: int = 7) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        parse_choice(text, CHOICES)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strings", type=int, default=1_000_000)
    asked = parser.parse_args()
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
