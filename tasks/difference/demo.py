"""Demo data of the difference tasks: pairs of Clotho's clips (CLE) and pairs of AudioCaps' clips. The difference of
each pair is described in three levels of detail (tiers)."""

from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData, format_csv
from alm_bench.demo.describe import CAPTIONS, TIERS, describe_difference, draw_pairs, write_captions
from alm_bench.demo.scene import Scene, create_generator
from alm_bench.tasks._shared.demo import build_audiocaps_captions, build_clotho_entailment


def _add_differences(data: DemoData, source: str, taskname: str, scenes: dict[str, Scene], count: int) -> None:
    """Add one file per tier, with `count` pairs of clips that are the same in all three files."""
    drawn = draw_pairs(create_generator("pairs", source), sorted(scenes), count)
    for tier, asked in TIERS.items():
        rows = [
            {
                "taskname": taskname,
                "filepath1": first,
                "filepath2": second,
                "caption1": write_captions(scenes[first], first)[i % CAPTIONS],
                "caption2": write_captions(scenes[second], second)[i % CAPTIONS],
                "input": asked,
                "answer": describe_difference(scenes[first], scenes[second], tier),
            }
            for i, (first, second) in enumerate(drawn)
        ]
        data.add(f"difference/{source}_adiff_{tier}_answer.csv", format_csv(rows), DatasetRows(scenes=scenes))


def build(pairs: int = 200, cle: int = 200, ace: int = 60, audiocaps: int = 150) -> DemoData:
    """Build the files for CLD and ACD, with `pairs` pairs of clips each.

    The pairs are drawn from `cle` clips of Clotho, or from `audiocaps` clips of AudioCaps. The first `ace` clips of
    AudioCaps are the clips of ACE.
    """
    data = DemoData()
    _add_differences(data, "cld_evaluation", "clothov21", build_clotho_entailment("evaluation", cle).scenes, pairs)
    _add_differences(data, "acd_test", "audiocaps", build_audiocaps_captions(ace, audiocaps).scenes, pairs)
    return data


DEMO = Demo("difference", FIRST_VERSION, build)
