"""Demo data of the retrieval tasks: AudioCaps' file, and CLE's file, which contains the captions of Clotho."""

from alm_bench.demo.dataset import Demo, DemoData, format_csv
from alm_bench.tasks._shared.demo import build_audiocaps_captions, build_clotho_entailment


def build(audiocaps: int = 100, clotho: int = 100) -> DemoData:
    """Build the files. `audiocaps` and `clotho` are the numbers of clips."""
    data = DemoData()
    audiocaps_rows = build_audiocaps_captions(audiocaps, audiocaps)
    clotho_rows = build_clotho_entailment("evaluation", clotho)
    data.add("captions/audiocaps_test.csv", format_csv(audiocaps_rows.rows), audiocaps_rows)
    data.add("entailment/clotho_entailment_evaluation.csv", format_csv(clotho_rows.rows), clotho_rows)
    return data


DEMO = Demo("retrieval", "1", build)
