"""Answers in four parts as training rows: the schedule that shortens the chain, in English."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alm_bench.core import UsageError
from alm_bench.parsing.parts import get_format
from alm_bench.train.config import TrainConfig
from alm_bench.train.loop import Trainer
from alm_bench.train.objectives import check_objectives
from alm_bench.train.objectives.parts import AnswersInParts
from alm_bench.train.setup import prepare_training

STAGES = """
[[stage]]
name = "parts"
objective = "parts"
train = ["mapper", "lm"]
steps = {steps}
batch = 4
lr = 3e-3

[stage.parts]
start = 2
end = 4
groups = 2
"""

TEXTS = {
    "transcript": "how high is the tone? listen to the clip.",
    "translation": "what pitch does the tone have?",
    "response": "the tone is rather high.",
    "answer": "it is tone number 1.",
}


def rows_file(folder: Path, reasonaqa: Path, answer: str) -> str:
    rows = json.loads((reasonaqa / "train.json").read_text())[2:]
    path = folder / "parts.json"
    path.write_text(json.dumps([{**row, "answer": answer} for row in rows]))
    return f'[[data]]\nfile = "{path}"\nroot = "{reasonaqa}"\n'


def test_the_chain_of_a_row_is_shortened_in_the_course_of_training(
    recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path
) -> None:
    form = get_format("xs-cot")
    config = recipe(stages=STAGES, data=rows_file(tmp_path, reasonaqa, form.write_parts(TEXTS)))
    check_objectives(config)
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    stage = Trainer(config, prepared, lambda entry: None).set_up_stage(0)
    trained = {}
    for step in (0, 2, 3, 4, 9):
        batch = AnswersInParts.collate(stage.data, [0], step)
        trained[step] = prepared.tokenizer.decode(list(batch.answers[0]), skip_special_tokens=True)
    assert form.split_into_parts(trained[0]).texts == TEXTS, (
        "the bundled vocabulary writes the format in English without loss"
    )
    assert trained[2] == trained[0]
    assert form.split_into_parts(trained[3]).texts == {**TEXTS, "transcript": "how high... listen to..."}, (
        "two of four sentences"
    )
    last = form.split_into_parts(trained[4])
    assert (last.form, trained[9]) == ("semi", trained[4])
    assert last.texts == {
        "transcript": "how high... listen to...",
        "translation": "what pitch...",
        "response": "the tone...",
        "answer": TEXTS["answer"],
    }
    loss = float(AnswersInParts(prepared.model)(AnswersInParts.collate(stage.data, [0, 1], 4)).detach())
    assert 0 < loss < float("inf")


def test_rows_and_schedules_that_do_not_fit_are_refused(
    recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path
) -> None:
    config = recipe(stages=STAGES, data=rows_file(tmp_path, reasonaqa, "a tone"))
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    with pytest.raises(UsageError, match=r"row 0: its answer is not in the format xs-cot \(direct\)"):
        Trainer(config, prepared, lambda entry: None).set_up_stage(0)
    for changes, reason in (
        ({"stage__0__parts__end": "1"}, "an end after its start"),
        ({"stage__0__parts__format": '"xs"'}, "unknown format 'xs'"),
    ):
        with pytest.raises(UsageError, match=reason):
            check_objectives(recipe(stages=STAGES, **changes))
