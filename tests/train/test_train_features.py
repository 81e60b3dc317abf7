"""Which clip a row is trained on: clips of one name are told apart by what they hold, in the cache and in a corpus."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from alm_bench.core import AudioError, AudioRef
from alm_bench.demo import build_training_rows, create_training_root
from alm_bench.train.config import TrainConfig
from alm_bench.train.features import LogMels, build_audio_key
from alm_bench.train.setup import TrainingSetup, prepare_training
from alm_bench.train.sources import build_clip_key

Recipe = Callable[..., TrainConfig]


@pytest.fixture
def louder(reasonaqa: Path, tmp_path: Path) -> Path:
    """Another root with clips of the same names and sizes."""
    folder = tmp_path / "louder/AudioCapsLarger/train"
    folder.mkdir(parents=True)
    for clip in (reasonaqa / "AudioCapsLarger/train").iterdir():
        wave, rate = soundfile.read(clip)
        soundfile.write(folder / clip.name, 2 * wave, rate)
        os.utime(folder / clip.name, (clip.stat().st_atime, clip.stat().st_mtime))
        assert (folder / clip.name).stat().st_size == clip.stat().st_size
    return tmp_path / "louder"


def table(file: Path, root: Path) -> str:
    return f'[[data]]\nfile = "{file}/train.json"\nroot = "{root}"\n'


def prepared(config: TrainConfig, cache: Path) -> TrainingSetup:
    return prepare_training(config, cache, lambda *_: None)


def values(logmels: LogMels, count: int) -> torch.Tensor:
    return logmels[range(count)]


def test_the_same_names_below_another_root_are_other_clips(
    recipe: Recipe, reasonaqa: Path, louder: Path, tmp_path: Path
) -> None:
    quiet = prepared(recipe(), tmp_path / "cache").corpus
    loud = prepared(recipe(data=table(reasonaqa, louder)), tmp_path / "cache").corpus
    alone = prepared(recipe(data=table(reasonaqa, louder)), tmp_path / "empty").corpus
    assert torch.equal(values(loud.logmels, 4), values(alone.logmels, 4))
    assert (values(loud.logmels, 4) > values(quiet.logmels, 4)).any()


def test_two_roots_of_one_recipe_keep_their_clips(
    recipe: Recipe, reasonaqa: Path, louder: Path, tmp_path: Path
) -> None:
    config = recipe(data=table(reasonaqa, reasonaqa) + table(reasonaqa, louder))
    corpus = prepared(config, tmp_path).corpus
    assert len(corpus.clips) == 8
    for row in (0, 12):
        source, index = corpus.locate_row(row)
        ref = source.rows[index].clips[0]
        assert corpus.clips[corpus.clip_indices[build_clip_key(ref)]].path == ref.path


def test_a_changed_clip_is_heard_anew(recipe: Recipe, reasonaqa: Path, louder: Path, tmp_path: Path) -> None:
    config = recipe(data=table(reasonaqa, louder))
    before = values(prepared(config, tmp_path).corpus.logmels, 4)
    for clip in (louder / "AudioCapsLarger/train").iterdir():
        wave, rate = soundfile.read(clip)
        soundfile.write(clip, np.roll(wave, 1000) * 0.1, rate)
        os.utime(clip, (1, 1))
    assert not torch.equal(values(prepared(config, tmp_path).corpus.logmels, 4), before)


def test_the_cache_is_used_for_clips_that_stayed(recipe: Recipe, tmp_path: Path) -> None:
    prepared(recipe(), tmp_path / "cache")
    computed: list[int] = []
    prepare_training(recipe(), tmp_path / "cache", lambda what, done, total: computed.append(done))
    assert not computed
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_demo_clips_of_one_name_are_told_apart_by_their_scenes() -> None:
    """Rows of another number have clips of the same names and other scenes."""
    roots = []
    for rows in (60, 1500):
        made = build_training_rows(rows)
        roots.append((made, create_training_root(made)))
    (few, small), (many, large) = roots
    shared = few.scenes.keys() & many.scenes.keys()
    differing = {name for name in shared if few.scenes[name] != many.scenes[name]}
    assert differing, "the names tell the scenes apart: this test shows nothing"
    for name in shared:
        same = build_audio_key(small.audio(name)) == build_audio_key(large.audio(name))
        assert same == (name not in differing)
        assert (build_clip_key(small.audio(name)) == build_clip_key(large.audio(name))) == same


def test_a_clip_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"clip a\.wav: cannot read .*: No such file"):
        build_audio_key(AudioRef("a.wav", tmp_path / "a.wav"))
