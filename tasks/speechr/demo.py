"""Demo data of SpeechR, in the form of speechr_multi-choice.jsonl. The clips contain sounds, not spoken questions."""

import json

from alm_bench.demo.dataset import Demo, DemoData, Row
from alm_bench.demo.mcq import Question
from alm_bench.tasks._shared.choice_demo import ITEMS, create_choice_rows

_INSTRUCTION = "Based on the given audio, choose the best option."


def _build_clip_path(question: Question) -> str:
    kind = question.category.split()[-1]
    return f"audio_demo/{kind}_Reasoning/{_name_benchmark(question)}_12/{_name_item(question)}.wav"


def _name_benchmark(question: Question) -> str:
    return question.skill.replace(" ", "")


def _name_item(question: Question) -> str:
    return f"{_name_benchmark(question)}-{question.id[:8]}"


def _create_row(question: Question) -> Row:
    return {
        "question": question.question,
        "options": list(question.choices),
        "label": question.gold + 1,
        "id": _name_item(question),
        "instruction": f"{question.question} {_INSTRUCTION}",
        "prompt": f"{_INSTRUCTION}\n{question.question}",
        "audio_path": _build_clip_path(question),
    }


def build(items: int = ITEMS) -> DemoData:
    data, dataset = DemoData(), create_choice_rows(15, items, lambda q: f"speechr/{_build_clip_path(q)}", _create_row)
    data.add("speechr/speechr_multi-choice.jsonl", "\n".join(map(json.dumps, dataset.rows)), dataset)
    return data


DEMO = Demo("speechr", "1", build)
