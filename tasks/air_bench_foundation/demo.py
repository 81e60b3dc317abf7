"""Demo data of AIR-Bench Foundation, in the form of Foundation_meta.json."""

import json

from alm_bench.demo.dataset import Demo, DemoData, Row
from alm_bench.demo.mcq import Question
from alm_bench.tasks._shared.choice_demo import ITEMS, create_choice_rows, pair_fields_with_choices
from alm_bench.tasks._shared.lettered import CHOICE_FIELDS


def _name_task(question: Question) -> str:
    return f"{question.domain.capitalize()}_{question.skill.replace(' ', '_')}"


def _create_row(question: Question) -> Row:
    return {
        "path": f"{question.id}.wav",
        "question": question.question,
        **dict(pair_fields_with_choices(question, CHOICE_FIELDS)),
        "answer_gt": question.choices[question.gold],
        "task_name": _name_task(question),
        "dataset_name": "demo",
        "uniq_id": question.id,
    }


def build(items: int = ITEMS) -> DemoData:
    data = DemoData()
    folder = "air-bench-foundation/Foundation"
    dataset = create_choice_rows(17, items, lambda q: f"{folder}/{_name_task(q)}_demo/{q.id}.wav", _create_row)
    data.add(f"{folder}/Foundation_meta.json", json.dumps(dataset.rows, indent=1), dataset)
    return data


DEMO = Demo("air_bench_foundation", "1", build)
