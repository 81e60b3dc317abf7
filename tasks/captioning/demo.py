"""Demo data of the captioning tasks: AudioCaps' file, and CLE's file, which contains the captions of Clotho."""

from alm_bench.demo.dataset import FIRST_VERSION, Demo, DemoData, format_csv
from alm_bench.tasks._shared.demo import build_audiocaps_captions, build_clotho_entailment


def build(audiocaps: int = 150, ace: int = 60, clotho: int = 200) -> DemoData:
    """Build the files, with `audiocaps` clips of AudioCaps and `clotho` clips of Clotho.

    The first `ace` clips of AudioCaps are the clips of ACE.
    """
    data, audiocaps_rows, clotho_rows = (
        DemoData(),
        build_audiocaps_captions(ace, audiocaps),
        build_clotho_entailment("evaluation", clotho),
    )
    data.add("captions/audiocaps_test.csv", format_csv(audiocaps_rows.rows), audiocaps_rows)
    data.add("entailment/clotho_entailment_evaluation.csv", format_csv(clotho_rows.rows), clotho_rows)
    return data


DEMO = Demo("captioning", FIRST_VERSION, build)
