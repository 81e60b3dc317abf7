import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alm_bench.core import UsageError
from alm_bench.train.config import TrainConfig
from alm_bench.train.mixture import list_groups, sample_mixture
from alm_bench.train.setup import TrainingSetup, prepare_training
from alm_bench.train.sources import Row


def drawn(prepared: TrainingSetup, steps: Any, count: int) -> list[Row]:
    numbers = np.concatenate([steps[step] for step in range(count)])
    return [
        prepared.corpus.locate_row(int(number))[0].rows[prepared.corpus.locate_row(int(number))[1]]
        for number in numbers
    ]


@pytest.fixture
def prepared(recipe: Callable[..., TrainConfig], tmp_path: Path) -> TrainingSetup:
    """Twelve rows: two of part acd-1, ten of audiocaps_mcq."""
    return prepare_training(recipe(), tmp_path, lambda *_: None)


def test_a_mix_gives_parts_their_shares(prepared: TrainingSetup, recipe: Callable[..., TrainConfig]) -> None:
    stage = replace(recipe().stage[0], mix={"acd-*": 3.0, "AudioCaps_MCQ": 1.0})
    parts = Counter(
        row.subtype for row in drawn(prepared, sample_mixture(prepared.corpus, stage, prepared.lengths, 0), 3)
    )
    assert parts == {"acd-1": 9, "audiocaps_mcq": 3}


def test_parts_that_a_mix_leaves_out_are_not_drawn(prepared: TrainingSetup, recipe: Callable[..., TrainConfig]) -> None:
    stage = replace(recipe().stage[0], mix={"acd-1": 1.0})
    assert {row.subtype for row in drawn(prepared, sample_mixture(prepared.corpus, stage, prepared.lengths, 0), 4)} == {
        "acd-1"
    }


def test_without_a_mix_every_row_is_drawn_once(prepared: TrainingSetup, recipe: Callable[..., TrainConfig]) -> None:
    steps = sample_mixture(prepared.corpus, recipe().stage[0], prepared.lengths, 0)
    assert sorted(np.concatenate([steps[step] for step in range(3)]).tolist()) == list(range(12))


def test_weights_of_zero_leave_nothing_to_draw(prepared: TrainingSetup, recipe: Callable[..., TrainConfig]) -> None:
    source = replace(prepared.corpus.sources[0], config=replace(prepared.corpus.sources[0].config, weight=0.0))
    with pytest.raises(UsageError, match="no row would be drawn: every weight of"):
        list_groups(replace(prepared.corpus, sources=[source]), {})


def test_a_mix_of_unknown_parts_names_the_known(prepared: TrainingSetup, recipe: Callable[..., TrainConfig]) -> None:
    stage = replace(recipe().stage[0], mix={"cle": 1.0})
    with pytest.raises(UsageError, match="mix names 'cle'; parts of the data: acd-1, audiocaps_mcq"):
        sample_mixture(prepared.corpus, stage, prepared.lengths, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stage__0__mix": "{cle = -1}"}, r"stage\.0\.mix takes shares above 0, found cle = -1"),
        ({"stage__0__curriculum": "2.0"}, r"stage\.0\.curriculum takes a share of the steps, 0 to 1, found 2"),
        ({"ema": "1.5"}, r"ema takes a decay of 0 \(none\) to below 1, found 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(
    recipe: Callable[..., TrainConfig], change: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        recipe(**change)


def test_a_curriculum_draws_easy_rows_first(
    recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path
) -> None:
    rows = json.loads((reasonaqa / "train.json").read_text())
    for number, row in enumerate(rows):
        row["difficulty"] = ("easy", "medium", "hard")[number % 3]
    (tmp_path / "graded.json").write_text(json.dumps(rows))
    data = f'[[data]]\nfile = "{tmp_path}/graded.json"\nroot = "{reasonaqa}"\n'
    config = recipe(steps=12, data=data, stage__0__curriculum="0.5")
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    steps = sample_mixture(prepared.corpus, config.stage[0], prepared.lengths, 0)
    graded = [row.difficulty for row in drawn(prepared, steps, 12)]
    assert set(graded[:12]) == {"easy"}
    assert set(graded[12:24]) == {"easy", "medium"}
    assert set(graded[24:]) == {"easy", "medium", "hard"}
