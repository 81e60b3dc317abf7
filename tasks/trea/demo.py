"""Demo data of TREA: its three CSV files. As in the original, the right option of an
order question is in raw form: written like a class label (`keyboard_typing`)."""

from collections.abc import Callable
from itertools import islice
from string import ascii_uppercase

from alm_bench.demo.dataset import DatasetRows, Demo, DemoData, format_csv
from alm_bench.demo.mcq import Question, iterate_questions
from alm_bench.tasks.trea.plugin import OPTION_FIELDS

ITEMS = 32
"""Number of questions of each part."""

_SKILLS = {"order": "First and Last Event", "count": "Counting", "duration": "Loudness Comparison"}
"""Skill of the demo questions that stands for each part."""


def _convert_to_raw_form(text: str) -> str:
    return "_".join(text.lower().replace("'", "").replace("-", " ").split())


_SPELLINGS: dict[str, Callable[[Question, int], str]] = {
    "order": lambda q, i: _convert_to_raw_form(q.choices[i]) if i == q.gold else q.choices[i],
    "count": lambda q, i: q.choices[i],
    "duration": lambda q, i: _convert_to_raw_form(q.choices[i]),
}
"""Function that writes option `i` of a question, by part."""


def build(items: int = ITEMS) -> DemoData:
    data = DemoData()
    for part, skill in _SKILLS.items():
        dataset = DatasetRows()
        of_skill = (question for question in iterate_questions("test", 16) if question.skill == skill)
        for number, question in enumerate(islice(of_skill, items)):
            dataset.scenes[f"trea/{part}/audios/{number}.wav"] = question.scene
            row = {"id": str(number), "question": question.question, "audio_path": f"audios/{number}.wav"}
            options = {name: _SPELLINGS[part](question, i) for i, name in enumerate(OPTION_FIELDS)}
            dataset.rows.append({**row, **options, "correct": ascii_uppercase[question.gold]})
        data.add(f"trea/{part}/{part}.csv", format_csv(dataset.rows), dataset)
    return data


DEMO = Demo("trea", "1", build)
