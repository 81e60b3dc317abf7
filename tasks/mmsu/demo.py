"""Demo data of MMSU, in the form of question/mmsu.jsonl."""

import json

from alm_bench.demo.dataset import Demo, DemoData, Row
from alm_bench.demo.mcq import Question
from alm_bench.tasks._shared.choice_demo import ITEMS, create_choice_rows, pair_fields_with_choices
from alm_bench.tasks._shared.lettered import CHOICE_FIELDS


def _create_row(question: Question) -> Row:
    return {
        "id": question.id,
        "task_name": question.skill.lower().replace(" ", "_"),
        "audio_path": f"audio/{question.id}.wav",
        "question": question.question,
        **dict(pair_fields_with_choices(question, CHOICE_FIELDS)),
        "answer_gt": question.choices[question.gold],
        "category": "Reasoning" if question.category == "Reasoning" else "Perception",
        "sub-category": "Linguistics" if question.domain == "speech" else "Paralinguistics",
        "sub-sub-category": question.domain.capitalize(),
        "linguistics_sub_discipline": question.difficulty.capitalize(),
    }


def build(items: int = ITEMS) -> DemoData:
    data, dataset = DemoData(), create_choice_rows(12, items, lambda q: f"mmsu/audio/{q.id}.wav", _create_row)
    data.add("mmsu/question/mmsu.jsonl", "\n".join(map(json.dumps, dataset.rows)), dataset)
    return data


DEMO = Demo("mmsu", "1", build)
