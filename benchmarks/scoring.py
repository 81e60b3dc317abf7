"""Seconds to read, grade and score 10,000 MMAU answers: every breakdown, blind row, lead and interval, on one core.

    python benchmarks/scoring.py [--items 10000]

The questions are the demo world's, each with wording of its own, so that nothing is read from a cache; the answers come
in the forms in which models give them.
"""

import argparse
import time
from dataclasses import replace

from alm_bench.core import Sample, Scored
from alm_bench.plugins import catalogue
from alm_bench.records.summary import build_choice_tables, compute_text_margins
from alm_bench.resolve import get_demo_root

FORMS = (
    "{text}",
    "{text}",
    "{text}",
    "({letter}) {text}",
    "{letter}",
    "The answer is {text}.",
    "The correct answer is ({letter}) {text}.",
    "<answer>{text}</answer>",
    "I hear it clearly and often in this recording. Therefore, the answer is '{text}'.",
    "I cannot determine the answer.",
)


def question(sample: Sample, number: int) -> Sample:
    """The sample under another id, its options of wording of their own."""
    choices = tuple(f"{choice}, part {number}" for choice in sample.choices)
    return replace(sample, id=f"{sample.id}-{number}", choices=choices, gold=choices[sample.target or 0])


def answer(sample: Sample, number: int) -> str:
    place = (sample.target or 0) if number % 3 else number % len(sample.choices)
    return FORMS[number % len(FORMS)].format(letter="ABCDEFGH"[place], text=sample.choices[place])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    asked = parser.parse_args()
    task = catalogue().get_task("mmau").create()
    made = list(task.samples(get_demo_root(catalogue().get_task("mmau")), "test-mini"))
    samples = [question(made[number % len(made)], number) for number in range(asked.items)]
    texts = [answer(sample, number) for number, sample in enumerate(samples)]

    few = [Scored(sample, "unparsed", "", None, {}) for sample in samples[:50]]
    task.score(few), build_choice_tables(few)  # libraries are loaded once

    started = time.process_time()
    parsed = [task.parse(sample, text) for sample, text in zip(samples, texts, strict=True)]
    read = time.process_time()
    rows = [
        Scored(sample, "ok" if one.index is not None else "unparsed", text, one, task.grade(sample, text, one))
        for sample, text, one in zip(samples, texts, parsed, strict=True)
    ]
    graded = time.process_time()
    score = task.score(rows)
    leads, tables = compute_text_margins(task, rows), build_choice_tables(rows)
    scored = time.process_time()

    print("| items | read, s | graded, s | scored, s | together, s | accuracy |\n|---|---|---|---|---|---|")
    seconds = " | ".join(
        f"{b - a:.2f}" for a, b in ((started, read), (read, graded), (graded, scored), (started, scored))
    )
    assert set(leads) == {"all", *score.groups}, "every breakdown has its leads"
    assert set(tables) == {"positions", "no_option"}
    value = score.metrics["accuracy"].value or 0.0
    print(f"| {asked.items:,} | {seconds} | {100 * value:.1f} % |")


if __name__ == "__main__":
    main()
