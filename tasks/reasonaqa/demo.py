"""Demo data of ReasonAQA: training and validation rows, and test rows of two parts (multiple choice, and descriptions
sound by sound). No other task uses the scenes of these test rows."""

import json
from itertools import islice

from alm_bench.demo.attribute_questions import DESCRIBE, transcript
from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData, format_csv
from alm_bench.demo.mcq import questions
from alm_bench.demo.scene import hash_name
from alm_bench.demo.training import caption, choice_row, row, training_rows
from alm_bench.demo.vocabulary import TAGS

_CLIPS = {"AudioCaps": "AudioCapsLarger/test/Y{}.wav", "Clotho": "ClothoV21/evaluation/Scene {}.wav"}


def held_out_rows(clips: int) -> DatasetRows:
    """Return the test rows: two rows per clip, for `clips` clips of AudioCaps and `clips` clips of Clotho. Their
    questions have the seeds 1 and 2; seed 0 is used by MMAU."""
    made = DatasetRows()
    for seed, (collection, place) in enumerate(_CLIPS.items(), start=1):
        for item in islice(questions("test", seed), clips):
            path = place.format(hash_name("reasonaqa", item.id)[:11])
            made.scenes[path] = item.scene
            made.rows.append(choice_row(made, item, path, f"{collection}_MCQ.json"))
            text, answer = [caption(made.scenes, path)], transcript(item.scene)
            made.rows.append(row(f"{collection}_Detail.json", [path], text, DESCRIBE, answer, item.difficulty))
    return made


def build(test: int = 288, train: int = 20_000, val: int = 1_200) -> DemoData:
    """Build the files: test rows for `test` clips per data set, `train` training rows, `val` validation rows, and the
    tags of the training clips, separated by `;`."""
    data, held_out = DemoData(), held_out_rows(test)
    data.add("reasonaqa/test.json", json.dumps(held_out.rows, indent=0), held_out)
    for split, count in (("train", train), ("val", val)):
        made = training_rows(count, split=split)
        data.files[f"reasonaqa/{split}.json"] = json.dumps(made.rows, indent=0)
        data.training_scenes |= made.scenes
        if split == "train":
            tags = [
                {"path": path, "tags": ";".join(sorted(scene.types, key=TAGS.index))}
                for path, scene in made.scenes.items()
            ]
            data.files["reasonaqa/tags_train.csv"] = format_csv(tags)
    return data


DEMO = Demo("reasonaqa", FIRST_VERSION, build)
