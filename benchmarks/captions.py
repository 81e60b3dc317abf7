"""Caption metrics against pycocoevalcap's own values, and SPICE's time and memory on a whole task, first and again.

    python benchmarks/captions.py parity ../shared/spice/expected.json
    python benchmarks/captions.py spice ../shared/data/difference/cld_evaluation_adiff_fewwords_answer.csv [--rows N]

`spice` takes the answer of the next row for the candidate of each. It goes on where it was stopped, so that the first
time counts only when the cache is empty: name an empty one with ALM_BENCH_CACHE.
"""

import argparse
import json
import resource
import time
from pathlib import Path

from alm_bench.data.readers import read_csv
from alm_bench.scoring.captions import compute_caption_scores, tokenize
from alm_bench.scoring.metrics import list_default_metrics
from alm_bench.scoring.spice import compute_spice, report_progress_to


def parity(file: Path) -> None:
    """The largest difference of any value, per item and per corpus; each group of items is a corpus."""
    expected = json.loads(file.read_text(encoding="utf-8"))
    print("| group | metric | items | corpus off by | items off by |\n|---|---|---|---|---|")
    for group, corpus in expected["corpus"].items():
        items = [item for item in expected["items"] if item["id"].startswith(group)]
        found = compute_caption_scores([item["candidate"] for item in items], [item["references"] for item in items])
        for metric in (name for name in list_default_metrics() if name in corpus):
            value = found.corpus[metric].value
            if value is None:
                raise SystemExit(f"{metric}: {found.corpus[metric].reason}")
            pairs = zip(found.items[metric], items, strict=True)
            worst = max(abs(one - item["scores"][metric]) for one, item in pairs)
            print(f"| {group} | {metric} | {len(items)} | {abs(value - corpus[metric]):.1e} | {worst:.1e} |")


def spice(file: Path, rows: int | None) -> None:
    answers = [row["answer"] for row in read_csv(file, ("answer",))][:rows]
    references = tokenize(answers)
    candidates = [*references[1:], references[0]]
    said: list[float] = []
    print("| run | items | seconds | peak memory, MB | of Java, MB |\n|---|---|---|---|---|", flush=True)
    for run in ("first", "second"):
        started = time.perf_counter()

        def told(done: int, total: int, started: float = started) -> None:
            print(f"  {done} of {total}, {time.perf_counter() - started:.0f} s", flush=True)

        with report_progress_to(told):
            scores = compute_spice(candidates, [[text] for text in references])
        seconds = time.perf_counter() - started
        own, javas = (
            resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(f"| {run} | {len(scores)} | {seconds:.1f} | {own:.0f} | {javas:.0f} |", flush=True)
        if said and said != scores:
            raise SystemExit("the second run's scores are others")
        said = scores
    print(f"mean SPICE {100 * sum(said) / len(said):.2f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["parity", "spice"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int)
    asked = parser.parse_args()
    if asked.what == "parity":
        parity(asked.file)
    else:
        spice(asked.file, asked.rows)


if __name__ == "__main__":
    main()
