from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alm_bench.core import UsageError
from alm_bench.train.config import CONFIGS, TrainConfig, load_config
from alm_bench.train.setup import prepare_training

WITHOUT_DATA = "own-clips"
"""The recipe on which people's own recipes are based: it names no data of its own."""


@pytest.mark.parametrize(
    "file", sorted(file for file in CONFIGS.glob("*.toml") if file.stem != WITHOUT_DATA), ids=lambda file: file.stem
)
def test_every_shipped_config_reads(file: Path) -> None:
    config = load_config(file.stem)
    assert config.name == file.stem
    assert config.stage


def test_set_changes_a_key(recipe: Callable[..., TrainConfig]) -> None:
    config = recipe(stage__0__lr="1e-4", seed="7", model__network="mini", stage__0__train='["lm"]')
    assert (config.stage[0].lr, config.seed, config.model.network, config.stage[0].train) == (1e-4, 7, "mini", ("lm",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lerning_rate": "1"}, "unknown key 'lerning_rate'; known:"),
        ({"stage__0__stepz": "1"}, "unknown key 'stepz'; known: steps"),
        ({"stage__0__steps": '"many"'}, "takes int, found 'many'"),
        ({"stage": "[]"}, "at least one"),
        ({"stage__3__steps": "1"}, "no item 3 among the 1"),
        ({"stage__steps": "1"}, "stage is no table"),
    ],
)
def test_a_wrong_key_is_one_line(recipe: Callable[..., TrainConfig], changes: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as error:
        recipe(**changes)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "guesses"}, "unknown objective 'guesses'; known: "),
        ({"objective": "tags", "random_crop": "true"}, "stage.0 of recipe: random_crop would cut clips away"),
    ],
)
def test_an_objective_that_does_not_fit_is_one_line_before_anything_is_read(
    recipe: Callable[..., TrainConfig], tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    config = recipe(**{f"stage__0__{key}": value for key, value in changes.items()})
    with pytest.raises(UsageError) as error:
        prepare_training(
            replace(config, data=(replace(config.data[0], file="absent.json"),)), tmp_path, lambda *_: None
        )
    assert str(error.value).startswith(message)


def test_an_unknown_config_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"known besides a \.toml file: mellow-mini"):
        load_config("melow-mini")


def test_a_base_is_changed_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    base = load_config("mellow-mini")
    steps = list(range(3, 3 + len(base.stage)))
    file.write_text('base = "mellow-mini"\n' + "".join(f"[[stage]]\nsteps = {count}\n" for count in steps))
    own = load_config(str(file))
    assert [stage.steps for stage in own.stage] == steps
    assert [stage.lr for stage in own.stage] == [stage.lr for stage in base.stage]
    assert own.name == "own"
