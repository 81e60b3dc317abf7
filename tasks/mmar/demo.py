"""Demo data of MMAR, in the form of MMAR-meta.jsonl."""

import json

from alm_bench.demo.dataset import Demo, DemoData, Row
from alm_bench.demo.mcq import Question
from alm_bench.tasks._shared.choice_demo import ITEMS, create_choice_rows


def _create_row(question: Question) -> Row:
    answer = question.choices[question.gold]
    return {
        "id": question.id,
        "audio_path": f"./audio/{question.id}.wav",
        "question": question.question,
        "choices": list(question.choices),
        "answer": answer,
        "modality": question.domain,
        "category": f"{question.category} Layer",
        "sub-category": question.skill,
        "language": "en" if question.domain == "speech" else None,
        "source": "demo",
        "url": "",
        "timestamp": "00:00:00,00:00:10",
        "thinking": f"Only {answer} fits what is heard.",
        "cue": [answer],
        "rubric": [
            {"name": "Cue", "scoring_point": f"Award 1 point for naming {answer}.", "note": "", "choices": [0, 1]}
        ],
    }


def build(items: int = ITEMS) -> DemoData:
    data, dataset = DemoData(), create_choice_rows(11, items, lambda q: f"mmar/audio/{q.id}.wav", _create_row)
    data.add("mmar/MMAR-meta.jsonl", "\n".join(map(json.dumps, dataset.rows)), dataset)
    return data


DEMO = Demo("mmar", "1", build)
