import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from alm_bench.core import AlmBenchError, UsageError
from alm_bench.mellow.checkpoint import load_folder
from alm_bench.train.config import TrainConfig
from alm_bench.train.features import LogMels
from alm_bench.train.loop import Trainer
from alm_bench.train.objectives.answers import Answers
from alm_bench.train.setup import prepare_training

BOTH = """
[[stage]]
name = "listen"
objective = "tags"
train = ["encoder"]
steps = 5
batch = 4
lr = 3e-3
[[stage]]
name = "answer"
objective = "answers"
train = ["mapper", "lm"]
steps = {steps}
batch = 4
lr = 3e-3
"""
DEMO = '[[data]]\nfile = "demo"\nrows = 60\n'


class StopError(Exception):
    pass


def train(config: TrainConfig, cache: Path, stop_at: tuple[int, int] | None = None, fresh: bool = False) -> Path:
    def observe(entry: dict[str, Any]) -> None:
        if (entry["stage"], entry["step"]) == stop_at:
            raise StopError

    return Trainer(config, prepare_training(config, cache, lambda *_: None), observe, fresh).run()


def losses(config: TrainConfig) -> list[tuple[int, int, float]]:
    lines = (config.out / config.name / "log.jsonl").read_text().splitlines()
    return [(entry["stage"], entry["step"], entry["loss"]) for entry in map(json.loads, lines)]


def test_the_loss_falls_and_only_what_trains_changes(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    config = recipe(steps=40)
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    before = {name: value.clone() for name, value in prepared.model.state_dict().items()}
    folder = Trainer(config, prepared, lambda entry: None).run()
    run = config.out / config.name
    card = (run / "README.md").read_text()
    assert "| answer" in card
    assert "train.json" in card
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert list((run / "tensorboard").iterdir())
    found = [loss for _, _, loss in losses(config)]
    assert sum(found[-5:]) < 0.7 * sum(found[:5])
    after = load_folder(folder)[0].state_dict()
    for name, value in after.items():
        assert torch.equal(value, before[name]) == name.startswith("encoder."), name


@pytest.mark.parametrize(
    "stop_at", [pytest.param((0, 3), marks=pytest.mark.slow), pytest.param((1, 0), marks=pytest.mark.slow), (1, 4)]
)
def test_a_resumed_run_takes_the_same_steps(
    recipe: Callable[..., TrainConfig], tmp_path: Path, stop_at: tuple[int, int]
) -> None:
    whole = recipe(stages=BOTH, data=DEMO, name="whole")
    train(whole, tmp_path)
    parts = replace(whole, name="parts")
    with pytest.raises(StopError):
        train(parts, tmp_path, stop_at)
    train(parts, tmp_path)
    assert [entry[:2] for entry in losses(parts)] == [entry[:2] for entry in losses(whole)]
    for ours, theirs in zip(losses(parts), losses(whole), strict=True):
        assert ours[2] == pytest.approx(theirs[2], abs=1e-6)


def test_a_resume_into_another_config_says_what_differs(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    train(recipe(steps=2), tmp_path)
    other = recipe(steps=2, stage__0__lr="1e-5")
    with pytest.raises(UsageError, match=r"differs in stage\.0\.lr"):
        train(other, tmp_path)
    train(other, tmp_path, fresh=True)


def test_a_loss_that_is_no_number_stops_with_the_rows_saved(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    config = recipe(steps=5)
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    with torch.no_grad():
        prepared.model.mapper.c2l.weight.fill_(float("nan"))
    with pytest.raises(AlmBenchError, match="the loss is nan at step 0 of stage answer"):
        Trainer(config, prepared, lambda entry: None).run()
    (line,) = (config.out / config.name / "log.jsonl").read_text().splitlines()
    assert len(json.loads(line)["rows"]) == 4


def test_accumulation_changes_no_loss(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    whole, parts = recipe(steps=4, name="whole"), recipe(steps=4, name="parts", stage__0__accumulate="2")
    for config in (whole, parts):
        prepared = prepare_training(config, tmp_path, lambda *_: None)
        prepared.model.mapper.projection.drop.p = 0.0
        Trainer(config, prepared, lambda entry: None).run()
    for ours, theirs in zip(losses(parts), losses(whole), strict=True):
        assert ours[2] == pytest.approx(theirs[2], rel=1e-5)


def test_parts_that_do_not_exist_are_refused(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="train names 'decoder', which the network has not; its parts: encoder, lm, mapper"
    ):
        train(recipe(stage__0__train='["decoder"]'), tmp_path)


def test_tags_need_data_with_tags(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="its data has no tags"):
        train(recipe(stages=BOTH), tmp_path)


def test_the_text_only_ablation_hears_nothing(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """Silent training is training on clips of zeros: the same steps, taken without looking at any clip."""
    config = recipe(stages=BOTH, data=DEMO, stage__0__silent="true", stage__1__silent="true")
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    loud = prepared.corpus.logmels
    prepared.corpus.logmels = LogMels(np.full_like(loud.values, np.nan), loud.silent)
    Trainer(config, prepared, lambda entry: None).run()
    assert all(math.isfinite(loss) for _, _, loss in losses(config))


def test_a_moving_average_is_what_is_kept_and_resumed(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    plain, whole = recipe(steps=6, name="plain"), recipe(steps=6, name="whole", ema="0.9")
    for config in (plain, whole):
        train(config, tmp_path)
    assert losses(plain) == losses(whole)
    final, average = (load_folder(config.out / config.name / "last")[0].mapper.c2l.weight for config in (plain, whole))
    assert not torch.equal(final, average)
    parts = replace(whole, name="parts")
    with pytest.raises(StopError):
        train(parts, tmp_path, stop_at=(0, 3))
    train(parts, tmp_path)
    resumed = load_folder(parts.out / parts.name / "last")[0].mapper.c2l.weight
    assert torch.allclose(resumed, average, atol=1e-6)


def test_gradient_checkpointing_changes_no_loss(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    plain = recipe(steps=4, name="plain")
    saving = recipe(steps=4, name="saving", gradient_checkpointing="true")
    for config in (plain, saving):
        train(config, tmp_path)
    for ours, theirs in zip(losses(saving), losses(plain), strict=True):
        assert ours[2] == pytest.approx(theirs[2], rel=1e-5)


@pytest.mark.slow
def test_validation_rows_are_answered_on_a_schedule(
    recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path
) -> None:
    """A network that has learned the four answers of its rows by heart answers them word for word."""
    source = f'file = "{reasonaqa}/train.json"\nroot = "{reasonaqa}"\n'
    data = f"[[data]]\n{source}[[validation]]\n{source}"
    config = recipe(steps=400, data=data, answer_every="200", model__config="{mapper={pool=8, dropout=0.0}}")
    train(config, tmp_path)
    entries = map(json.loads, (config.out / config.name / "log.jsonl").read_text().splitlines())
    first, last = (entry for entry in entries if "answered" in entry)
    assert first["answered"].keys() == last["answered"].keys() == {"acd-1", "audiocaps_mcq"}
    assert last["answered"]["audiocaps_mcq"] >= 0.7


def test_long_clips_are_cut_anew_each_time(recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path) -> None:
    (tmp_path / "long/AudioCapsLarger/train").mkdir(parents=True)
    for clip in sorted((reasonaqa / "AudioCapsLarger/train").iterdir()):
        time = np.arange(20 * 32_000) / 32_000
        chirp = 0.3 * np.sin(2 * np.pi * (200 * time + 60 * time**2))
        soundfile.write(tmp_path / "long/AudioCapsLarger/train" / clip.name, chirp, 32_000)
    data = f'[[data]]\nfile = "{reasonaqa}/train.json"\nroot = "{tmp_path}/long"\n'
    config = recipe(data=data, stage__0__random_crop="true")
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    stage = Trainer(config, prepared, lambda entry: None).set_up_stage(0)
    batches = [Answers.collate(stage.data, [0], step) for step in (0, 0, 1)]
    first, again, other = (batch.logmel for batch in batches if batch.logmel is not None)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_held_out_clips_stay_whole(recipe: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """Masks are for training: validation hears the clip."""
    config = recipe(stage__0__spec_augment="true")
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    trainer = Trainer(config, prepared, lambda entry: None)
    masked = Answers.collate(trainer.set_up_stage(0).data, [2], 0).logmel
    heard = Answers.collate(trainer.load_validation_data(prepared.corpus, config.stage[0]), [2], 0).logmel
    whole = prepared.corpus.logmels[[2]]
    assert masked is not None
    assert heard is not None
    assert not torch.equal(masked, whole)
    assert torch.equal(heard, whole)


def test_running_out_of_memory_names_what_helps(
    recipe: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = recipe(steps=3)
    trainer = Trainer(config, prepare_training(config, tmp_path, lambda *_: None), lambda entry: None)

    def greedy(*_: object) -> None:
        torch.empty(1 << 62, dtype=torch.uint8)  # more than any machine has

    monkeypatch.setattr(trainer, "step", greedy)
    with pytest.raises(AlmBenchError, match="out of memory at step 0 of stage answer: lower its batch, or raise acc"):
        trainer.run()
