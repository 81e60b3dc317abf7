"""Demo data of the entailment tasks: CLE, with the validation split that text-only baselines are trained on, and
ACE."""

from alm_bench.demo.dataset import FIRST_VERSION, Demo, DemoData, format_csv
from alm_bench.tasks._shared.demo import build_audiocaps_entailment, build_clotho_entailment


def build(cle: int = 200, ace: int = 60) -> DemoData:
    """Build the files, with `cle` clips in each split of CLE and `ace` clips in ACE."""
    data = DemoData()
    for split in ("evaluation", "validation"):
        dataset = build_clotho_entailment(split, cle)
        data.add(f"entailment/clotho_entailment_{split}.csv", format_csv(dataset.rows), dataset)
    dataset = build_audiocaps_entailment(ace)
    data.add("entailment/audiocaps_entailment_test.csv", format_csv(dataset.rows), dataset)
    return data


DEMO = Demo("entailment", FIRST_VERSION, build)
