"""Demo data of AF-Reasoning-Eval: its three files, with options in the prompts."""

import json
from functools import partial
from string import ascii_uppercase

from alm_bench.demo.dataset import Demo, DemoData, Row
from alm_bench.demo.mcq import Question
from alm_bench.tasks._shared.choice_demo import ITEMS, create_choice_rows

SUFFIX = " Output the answer with <SUMMARY>, <CAPTION>, <REASONING>, and <CONCLUSION> tags."

_PARTS = {
    "AQA_MCQ": ("AQA-MCQ", "Clotho-AQA/audio_files"),
    "AQA_Yes_No": ("AQA-Yes_No", "Clotho-AQA/audio_files"),
    "Classification_mini": ("Classification-mini", "FSD50k/eval"),
}
"""Name of the part and folder of the clips, by file."""


def _build_clip_path(folder: str, question: Question) -> str:
    return f"af-reasoning/{folder}/{question.id}.wav"


def _create_row(question: Question) -> Row:
    options = " ".join(f"({ascii_uppercase[i]}) {text.lower()}." for i, text in enumerate(question.choices))
    answer = f"({ascii_uppercase[question.gold]}) {question.choices[question.gold].lower()}"
    return {"name": f"{question.id}.wav", "prompt": f"{question.question}\n{options}{SUFFIX}", "output": answer}


def build(items: int = ITEMS) -> DemoData:
    data = DemoData()
    for number, (file, (part, folder)) in enumerate(_PARTS.items()):
        dataset = create_choice_rows(140 + number, items // 3, partial(_build_clip_path, folder), _create_row)
        document = {
            "dataset_path": folder,
            "flamingo_task": f"AF-Reasoning-Eval-{part}",
            "total_num": len(dataset.rows),
            "data": {str(index): row for index, row in enumerate(dataset.rows)},
        }
        data.add(f"af-reasoning/{file}.json", json.dumps(document, indent=1), dataset)
    return data


DEMO = Demo("af_reasoning", "1", build)
