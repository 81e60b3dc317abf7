"""ReasonAQA's test rows that no other task's file has: multiple choice, and clips described sound by sound.

They are asked as `training` asks, about scenes of the test split that no other file names.
"""

from itertools import islice

from alm_bench.demo.attribute_questions import DESCRIBE, transcript
from alm_bench.demo.dataset import DatasetRows
from alm_bench.demo.mcq import questions
from alm_bench.demo.scene import hash_name
from alm_bench.demo.training import caption, choice_row, row

_CLIPS = {"AudioCaps": "AudioCapsLarger/test/Y{}.wav", "Clotho": "ClothoV21/evaluation/Scene {}.wav"}


def held_out_rows(clips: int) -> DatasetRows:
    """Two rows a clip, `clips` of AudioCaps' and as many of Clotho's. Seed 0 of these questions is MMAU's."""
    made = DatasetRows()
    for seed, (collection, place) in enumerate(_CLIPS.items(), start=1):
        for item in islice(questions("test", seed), clips):
            path = place.format(hash_name("reasonaqa", item.id)[:11])
            made.scenes[path] = item.scene
            made.rows.append(choice_row(made, item, path, f"{collection}_MCQ.json"))
            text, answer = [caption(made.scenes, path)], transcript(item.scene)
            made.rows.append(row(f"{collection}_Detail.json", [path], text, DESCRIBE, answer, item.difficulty))
    return made
