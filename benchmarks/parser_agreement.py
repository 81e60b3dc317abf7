"""How often the parser reads an answer as the people who labelled it did, on real and on invented outputs.

    python benchmarks/parser_agreement.py ../shared/data/mcq [--step 1] [--against REF]

Prints agreement by source and by kind with Wilson's 95 % intervals, the endings of chains of thought, and the invented
cases by form and kind. `--step N` takes every N-th variant (bold, full stop, line break) of an ending.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from answer_endings import chain_texts
from parsing import older_parser

from alm_bench.core import Sample
from alm_bench.parsing import parse_choice, parse_label, parse_number, parse_yes_no
from alm_bench.parsing.plain import ENTAILMENT
from alm_bench.scoring.intervals import compute_wilson_interval
from alm_bench.scoring.other_parsers import Answer, compute_rule_accuracies

Counted = Mapping[str, Sequence[bool]]


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def is_same(choices: Sequence[str], index: int | None, label: int | None) -> bool:
    """Whether two readings are one; a duplicate of an option is that option."""
    if index is None or label is None:
        return index is label
    return choices[index].casefold() == choices[label].casefold()


def print_table(title: str, counted: Counted, also: Counted | None = None) -> None:
    print(f"\n| {title} | n | agree |" + (" wrong option |" if also else ""))
    print("|---|---|---|" + ("---|" if also else ""))
    for name, agreed in counted.items():
        metric = compute_wilson_interval(sum(agreed), len(agreed))
        low, high = 100 * (metric.low or 0), 100 * (metric.high or 0)
        cells = f"| {name} | {len(agreed)} | {100 * sum(agreed) / len(agreed):.1f} [{low:.1f}, {high:.1f}] |"
        print(cells + (f" {sum(also[name])} |" if also else ""))


def group(rows: Iterable[tuple[Iterable[str], bool]]) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = defaultdict(list)
    for names, agreed in rows:
        for name in names:
            found[name].append(agreed)
    return dict(found)


def real_rows(folder: Path) -> list[tuple[list[str], bool]]:
    """Labelled outputs of other systems; where two people labelled one, either label will do."""
    found = []
    for row in read_rows(folder / "real_dev.jsonl"):
        index = parse_choice(row["output"], row["choices"]).index
        agreed = any(is_same(row["choices"], index, label) for label in row["labels"])
        names = ["all", "unambiguous" if not row["ambiguous"] else "ambiguous", f"drawn: {row['drawn']}"]
        if not row["ambiguous"]:
            names.append(f"drawn: {row['drawn']}, unambiguous")
        found.append(([*names, row["source"]], agreed))
    return found


def mmau_rows(folder: Path) -> list[tuple[list[str], bool]]:
    found = []
    for row in read_rows(folder / "mcq_dev.jsonl"):
        agreed = is_same(row["choices"], parse_choice(row["output"], row["choices"]).index, row["label"])
        found.append((["all", "ambiguous" if row["amb"] else "unambiguous", *row["tags"]], agreed))
    return found


READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "choice": lambda row: parse_choice(row["text"], row["choices"]).index,
    "yes_no": lambda row: parse_yes_no(row["text"]).value,
    "entailment": lambda row: parse_label(row["text"], ENTAILMENT).value,
    "number": lambda row: parse_number(row["text"]).value,
}


def case_rows(folder: Path) -> list[tuple[list[str], bool]]:
    """Invented texts. A row's question is for parsers that take one."""
    found = []
    for row in read_rows(folder / "cases.jsonl"):
        got = READERS[row["form"]](row)
        agreed = got == row["want"] or (row["form"] == "number" and str(got) == str(row["want"]))
        found.append(([row["form"], f"{row['form']}: {row['kind']}"], agreed))
    return found


def chain_counts(folder: Path, step: int) -> tuple[dict[str, list[bool]], dict[str, list[bool]]]:
    """Each ending on each chain: whether it is read right, and whether it is read as another option."""
    right: dict[str, list[bool]] = defaultdict(list)
    wrong: dict[str, list[bool]] = defaultdict(list)
    for row in read_rows(folder / "chains_dev.jsonl"):
        for name, text, stated in chain_texts(row["chain"], row["choices"], row["answer"], step):
            index = parse_choice(text, row["choices"]).index
            same = is_same(row["choices"], index, stated)
            right[name].append(same)
            wrong[name].append(index is not None and not same)
    return dict(right), dict(wrong)


def rule_rows(folder: Path, older: Callable[..., Any] | None) -> list[tuple[str, float, int]]:
    """Every rule on outputs of 25 words and more in which the reader found an option: the share that it reads alike."""
    answers = []
    for row in read_rows(folder / "real_dev.jsonl"):
        label = row["labels"][0]
        if not row["ambiguous"] and label is not None and len(row["output"].split()) >= 25:
            sample = Sample(row["id"], {}, choices=tuple(row["choices"]), target=label, gold=row["choices"][label])
            answers.append(Answer(sample, row["output"]))
    found = [(row.rule.name, row.accuracy.value or 0.0, len(answers)) for row in compute_rule_accuracies(answers)]
    if older is not None:
        same = [answer.is_correct(older(answer.text, answer.choices).index) for answer in answers]
        found.insert(1, ("alm-bench, the other commit", sum(same) / len(same), len(same)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="REF", help="a git commit whose parser joins the table of rules")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--step", type=int, default=1)
    asked = parser.parse_args()
    print_table("outputs of other systems", group(real_rows(asked.folder)))
    print_table("outputs on MMAU", group(mmau_rows(asked.folder)))
    print_table("invented cases", group(case_rows(asked.folder)))
    with tempfile.TemporaryDirectory() as scratch:
        older = older_parser(asked.against, Path(scratch)) if asked.against else None
        print("\n| rule, on the reasoning outputs of other systems | n | agrees with the reader |\n|---|---|---|")
        for name, share, count in rule_rows(asked.folder, older):
            print(f"| {name} | {count} | {100 * share:.1f} |")
    print_table("endings of chains of thought", *chain_counts(asked.folder, asked.step))


if __name__ == "__main__":
    main()
