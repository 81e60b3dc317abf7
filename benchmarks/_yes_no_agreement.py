"""Agreement of parsed yes/no answers with people, on AQEval's binary questions (part of parser_agreement.py).

    python benchmarks/_yes_no_agreement.py ../shared/data/aqeval/val.csv

An item of the file has a question, a reference answer, a model's response and people's verdict on it (1 right, 0 wrong;
verdicts between are left out). Response and reference are parsed with the question given: the two agree with the people
where they are the same answer and the verdict is 1, or different ones and it is 0.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.parsing import parse_yes_no
from alm_bench.scoring.intervals import compute_wilson_interval


@dataclass(frozen=True, slots=True)
class YesNoItem:
    """One verdict: `said` and `reference` are None where the text is read as neither."""

    question: str
    response: str
    said: str | None
    reference: str | None
    is_right: bool

    @property
    def decided(self) -> bool:
        return self.said is not None and self.reference is not None

    @property
    def agrees(self) -> bool:
        return self.decided and (self.said == self.reference) == self.is_right


def read_items(path: Path, with_question: bool = True) -> Iterator[YesNoItem]:
    """Yield the binary items of an AQEval file that people call right or wrong."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["type"] == "binary" and row["final_annotation"] in ("0.0", "1.0"):
                question = row["question"] if with_question else None
                said, reference = (parse_yes_no(row[key], question).value for key in ("response", "reference"))
                yield YesNoItem(row["question"], row["response"], said, reference, row["final_annotation"] == "1.0")


def agreement_rows(path: Path) -> list[list[str]]:
    """Rows of a markdown table: what is given, items, share that is decided, agreement of those with its interval."""
    rows = []
    for name, with_question in (("text alone", False), ("with the question", True)):
        items = list(read_items(path, with_question))
        decided = [item for item in items if item.decided]
        agree = sum(item.agrees for item in decided)
        found = compute_wilson_interval(agree, len(decided))
        low, high = 100 * (found.low or 0), 100 * (found.high or 0)
        share = f"{agree} of {len(decided)}: {100 * agree / len(decided):.1f} [{low:.1f}, {high:.1f}]"
        rows.append([name, str(len(items)), f"{len(items) - len(decided)}", share])
    return rows


def main(arguments: Sequence[str]) -> None:
    path = Path(arguments[0])
    print("| given | items | left open | agreement of the decided, % [95 % interval] |\n|---|---|---|---|")
    for row in agreement_rows(path):
        print(f"| {' | '.join(row)} |")
    print("\nDisagreements:\n")
    for item in read_items(path):
        if item.decided and not item.agrees:
            verdict = "right" if item.is_right else "wrong"
            print(f"- {item.question} reference {item.reference}, called {verdict}: {item.response}")


if __name__ == "__main__":
    main(sys.argv[1:])
