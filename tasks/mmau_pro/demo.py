"""Demo data of MMAU-Pro, as JSON Lines with the fields of test.parquet.

Every twelfth question is open, and every twelfth an instruction to follow. Every eighth has a second and a third clip,
of the questions before it.
"""

import json

from alm_bench.demo.dataset import Demo, DemoData, Row
from alm_bench.demo.mcq import Question
from alm_bench.tasks._shared.choice_demo import ITEMS, create_choice_rows


def _build_clip_path(question: Question) -> str:
    return f"data/{question.id}.wav"


def _create_row(question: Question) -> Row:
    return {
        "id": question.id,
        "audio_path": [_build_clip_path(question)],
        "question": question.question,
        "answer": question.choices[question.gold],
        "choices": list(question.choices),
        "length_type": "short",
        "perceptual_skills": [question.skill],
        "reasoning_skills": [question.skill, "Comparison"] if question.category == "Reasoning" else [],
        "category": question.domain,
        "transcription": None,
        "task_classification": question.category,
        "task_identifier": None,
        "kwargs": None,
        "sub-cat": question.skill,
    }


def _vary_row(number: int, rows: list[Row]) -> Row:
    """Return row `number` of `rows`: converted to another kind of item, depending on the number, or unchanged.

    The other kinds are open questions, instructions, and questions about several clips.
    """
    row = rows[number]
    if number % 12 == 5:
        return {**row, "category": "open", "choices": []}
    if number % 12 == 11:
        instruction: Row = {
            "task_identifier": "Number Words (at most)",
            "kwargs": {"N": 10},
            "answer": None,
            "choices": [],
        }
        return {**row, **instruction, "category": "instruction following"}
    if number % 8 == 7:
        earlier = [path for other in rows[number - 2 : number] for path in other["audio_path"]]
        return {**row, "audio_path": [*row["audio_path"], *earlier], "category": "multi"}
    return row


def build(items: int = ITEMS) -> DemoData:
    data, dataset = DemoData(), create_choice_rows(13, items, lambda q: f"mmau-pro/{_build_clip_path(q)}", _create_row)
    rows = [_vary_row(number, dataset.rows) for number in range(len(dataset.rows))]
    data.add("mmau-pro/test.jsonl", "\n".join(map(json.dumps, rows)), dataset)
    return data


DEMO = Demo("mmau_pro", "1", build)
