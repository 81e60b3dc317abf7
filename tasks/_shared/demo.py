"""Demo data that several tasks use: clips of Clotho and AudioCaps with captions and hypotheses, in the file formats of
CLE, ACE and AudioCaps.

A change here alters the data of every task that uses this module: increase the versions of their demos.
"""

from pathlib import Path

from alm_bench.demo.dataset import DatasetRows
from alm_bench.demo.describe import CAPTIONS, write_captions
from alm_bench.demo.entailment import Hypotheses, iterate_hypotheses
from alm_bench.demo.scene import build_scene, hash_name

_AUDIOCAPS = "AudioCapsLarger/test"


def build_clotho_entailment(split: str, clips: int) -> DatasetRows:
    """Return the rows of CLE's file of a split: one row per clip, with its five captions as a list in one cell."""
    dataset = DatasetRows()
    folder = f"ClothoV21/{split}"
    stream = "test" if split == "evaluation" else split
    for clip in iterate_hypotheses(stream, clips, folder=folder, name_format="Recording {:.10}.wav"):
        dataset.scenes[clip.path] = clip.scene
        text = repr(write_captions(clip.scene, clip.path))
        dataset.rows.append(_build_entailment_row(clip, 0, "ClothoV2", Path(clip.path).name, text))
    return dataset


def build_audiocaps_entailment(clips: int) -> DatasetRows:
    """Return the rows of ACE's file: five rows per clip, each with one of its captions."""
    dataset = DatasetRows()
    for clip in iterate_hypotheses("test", clips, folder=_AUDIOCAPS, per_clip=CAPTIONS):
        dataset.scenes[clip.path] = clip.scene
        for turn, text in enumerate(write_captions(clip.scene, clip.path)):
            dataset.rows.append(_build_entailment_row(clip, turn, "Audiocaps", Path(clip.path).stem, text))
    return dataset


def _build_entailment_row(
    clip: Hypotheses, hypothesis_index: int, dataset: str, name: str, caption: str
) -> dict[str, str]:
    """Return a row of an entailment file, with three hypotheses about the clip, one per label.

    `hypothesis_index` is the index at which the hypothesis is taken from the clip's list for each label."""
    return {
        "Dataset": dataset,
        "Audio file": name,
        "Caption": caption,
        "Entailment": clip.entailed[hypothesis_index],
        "Neutral": clip.neutral[hypothesis_index],
        "Contradiction": clip.contradicted[hypothesis_index],
    }


def build_audiocaps_captions(ace: int, clips: int) -> DatasetRows:
    """Return the rows of AudioCaps' file: five rows per clip, each with one caption. The first clips are the `ace`
    clips of ACE; further scenes follow until there are `clips` clips."""
    dataset = DatasetRows(scenes=build_audiocaps_entailment(ace).scenes)
    for index in range(max(0, clips - len(dataset.scenes))):
        dataset.scenes[f"{_AUDIOCAPS}/Y{hash_name('captioned', index)[:11]}.wav"] = build_scene("test", index)
    for number, (path, known) in enumerate(dataset.scenes.items()):
        for turn, text in enumerate(write_captions(known, path)):
            dataset.rows.append(
                {
                    "audiocap_id": str(1000 + number * CAPTIONS + turn),
                    "youtube_id": Path(path).stem[1:],
                    "start_time": "0",
                    "caption": text,
                }
            )
    return dataset
