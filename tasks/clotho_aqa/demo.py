"""Demo data of ClothoAQA: one row per question and annotator."""

from alm_bench.demo.annotated_questions import iterate_annotated_questions
from alm_bench.demo.dataset import FIRST_VERSION, DatasetRows, Demo, DemoData, format_csv

FOLDER = "clotho_aqa/audio_files"


def build_aqa_rows(split: str, clips: int) -> DatasetRows:
    """Return the rows of a split: two yes/no questions and a one-word question per clip, with three rows (annotators)
    per question."""
    dataset = DatasetRows()
    for item in iterate_annotated_questions(split, clips):
        dataset.scenes[f"{FOLDER}/{item.clip}"] = item.scene
        dataset.rows += [
            {
                "file_name": item.clip,
                "QuestionText": item.question,
                "answer": answer,
                "confidence": "maybe" if annotator == item.dissenter else "yes",
            }
            for annotator, answer in enumerate(item.answers)
        ]
    return dataset


def build(clips: int = 100) -> DemoData:
    data, dataset = DemoData(), build_aqa_rows("test", clips)
    data.add("clotho_aqa/clotho_aqa_test.csv", format_csv(dataset.rows), dataset)
    return data


DEMO = Demo("clotho_aqa", FIRST_VERSION, build)
