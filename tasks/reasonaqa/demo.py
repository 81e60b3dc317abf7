"""Demo data of ReasonAQA: training and validation rows, and test rows of two parts (multiple choice, and descriptions
sound by sound). No other task uses the scenes of these test rows."""

import json
from itertools import islice

from alm_bench.demo.attribute_questions import DESCRIBE, compose_transcript
from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData, format_csv
from alm_bench.demo.mcq import iterate_questions
from alm_bench.demo.scene import hash_name
from alm_bench.demo.training import build_row, build_training_rows, compose_caption, create_choice_row
from alm_bench.demo.vocabulary import TAGS

_CLIPS = {"AudioCaps": "AudioCapsLarger/test/Y{}.wav", "Clotho": "ClothoV21/evaluation/Scene {}.wav"}


def create_test_rows(clips: int) -> DatasetRows:
    """Return the test rows: two rows per clip, for `clips` clips of AudioCaps and `clips` clips of Clotho. Their
    questions have the seeds 1 and 2; seed 0 is used by MMAU."""
    dataset = DatasetRows()
    for seed, (collection, place) in enumerate(_CLIPS.items(), start=1):
        for item in islice(iterate_questions("test", seed), clips):
            path = place.format(hash_name("reasonaqa", item.id)[:11])
            dataset.scenes[path] = item.scene
            dataset.rows.append(create_choice_row(dataset, item, path, f"{collection}_MCQ.json"))
            text, answer = [compose_caption(dataset.scenes, path)], compose_transcript(item.scene)
            dataset.rows.append(build_row(f"{collection}_Detail.json", [path], text, DESCRIBE, answer, item.difficulty))
    return dataset


def build(test: int = 288, train: int = 20_000, val: int = 1_200) -> DemoData:
    """Build the files: test rows for `test` clips per data set, `train` training rows, `val` validation rows, and the
    tags of the training clips, separated by `;`."""
    data, test_rows = DemoData(), create_test_rows(test)
    data.add("reasonaqa/test.json", json.dumps(test_rows.rows, indent=0), test_rows)
    for split, count in (("train", train), ("val", val)):
        dataset = build_training_rows(count, split=split)
        data.files[f"reasonaqa/{split}.json"] = json.dumps(dataset.rows, indent=0)
        data.training_scenes |= dataset.scenes
        if split == "train":
            tags = [
                {"path": path, "tags": ";".join(sorted(scene.types, key=TAGS.index))}
                for path, scene in dataset.scenes.items()
            ]
            data.files["reasonaqa/tags_train.csv"] = format_csv(tags)
    return data


DEMO = Demo("reasonaqa", FIRST_VERSION, build)
