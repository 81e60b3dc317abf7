"""Demo data of CLE (with the validation split that models are fitted on) and ACE."""

from alm_bench.demo.dataset import FIRST_VERSION, Demo, DemoData, format_csv
from alm_bench.tasks._shared.demo import audiocaps_entailment, clotho_entailment


def build(cle: int = 200, ace: int = 60) -> DemoData:
    """`cle` clips of each split of CLE, `ace` clips of ACE."""
    data = DemoData()
    for split in ("evaluation", "validation"):
        made = clotho_entailment(split, cle)
        data.add(f"entailment/clotho_entailment_{split}.csv", format_csv(made.rows), made)
    made = audiocaps_entailment(ace)
    data.add("entailment/audiocaps_entailment_test.csv", format_csv(made.rows), made)
    return data


DEMO = Demo("entailment", FIRST_VERSION, build)
