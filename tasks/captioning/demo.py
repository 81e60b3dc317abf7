"""Demo data of captioning: AudioCaps' file, and the file of CLE, which holds the captions of Clotho."""

from alm_bench.demo.dataset import FIRST_VERSION, Demo, DemoData, format_csv
from alm_bench.tasks._shared.demo import audiocaps_captions, clotho_entailment


def build(audiocaps: int = 150, ace: int = 60, clotho: int = 200) -> DemoData:
    """`audiocaps` captioned clips, of which `ace` are those of ACE, and `clotho` clips."""
    data, captioned, spoken = DemoData(), audiocaps_captions(ace, audiocaps), clotho_entailment("evaluation", clotho)
    data.add("captions/audiocaps_test.csv", format_csv(captioned.rows), captioned)
    data.add("entailment/clotho_entailment_evaluation.csv", format_csv(spoken.rows), spoken)
    return data


DEMO = Demo("captioning", FIRST_VERSION, build)
