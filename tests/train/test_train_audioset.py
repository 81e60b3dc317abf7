from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alm_bench.core import DataError, UsageError
from alm_bench.data import LocalRoot
from alm_bench.train.audioset import TagFile, read_tags
from alm_bench.train.config import TrainConfig
from alm_bench.train.loop import Trainer
from alm_bench.train.setup import prepare_training

LISTEN = """
[[stage]]
name = "listen"
objective = "tags"
train = ["encoder"]
steps = {steps}
batch = 4
lr = 3e-3
"""
CLASSES = 'index,mid,display_name\n0,/m/dog,"Dog"\n1,/m/cat,"Cat"\n2,/m/car,"Car"\n'


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., TagFile]:
    def of(name: str, text: str, classes: str | None = CLASSES) -> TagFile:
        (tmp_path / name).write_text(text)
        if classes is not None:
            (tmp_path / "classes.csv").write_text(classes)
        return read_tags(tmp_path / name, LocalRoot(tmp_path), None if classes is None else tmp_path / "classes.csv")

    return of


def test_weak_labels_are_of_the_whole_clip(read: Callable[..., TagFile]) -> None:
    tagged = read("weak.csv", '# YTID, start, end, labels\na, 0.0, 10.0, "/m/cat,/m/dog"\nb, 30.0, 40.0, "/m/car"\n')
    assert tagged.build_targets(steps=8, seconds=10.0).tolist() == [[1, 1, 0], [0, 0, 1]]


def test_strong_labels_are_placed_in_time(read: Callable[..., TagFile]) -> None:
    head = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
    tagged = read("strong.tsv", head + "a\t0.0\t5.0\t/m/dog\na\t7.6\t7.7\t/m/cat\nb\t9.0\t10.0\t/m/car\n")
    target = tagged.build_targets(steps=10, seconds=10.0)
    assert target.shape == (2, 10, 3)
    assert target[0, :, 0].tolist() == [1] * 5 + [0] * 5
    assert target[0, :, 1].nonzero().flatten().tolist() == [7]
    assert target[1].sum() == target[1, 9, 2] == 1


def test_without_a_class_file_classes_are_in_order_of_name(read: Callable[..., TagFile]) -> None:
    assert read("weak.csv", 'a, 0, 10, "dog,cat"\n', classes=None).classes == ["cat", "dog"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "weak.csv",
            "# id\na, 0.0, 10.0\n",
            r'weak\.csv: line 2 has 3 fields, expected: id, start, end, "label,label"',
        ),
        ("weak.csv", 'a, 0.0, 10.0, "/m/dgo"\n', r"label '/m/dgo' is not in .*classes\.csv; known: /m/dog"),
        ("strong.tsv", "id\tlabel\na\t/m/dog\n", r"no column 'segment_id'; found id, label; expected segment_id"),
        (
            "strong.tsv",
            "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\na\tzero\t1\t/m/dog\n",
            r"line 2: from 'zero' to '1', expected two times in seconds",
        ),
    ],
)
def test_malformed_tag_files_are_refused(read: Callable[..., TagFile], name: str, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(name, text)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("index,mid\nzero,/m/dog\n", r"classes\.csv: line 2: index 'zero', expected a whole number"),
        ("mid,display_name\n/m/dog,Dog\n", r"classes\.csv: no column 'index'; found mid, display_name"),
    ],
)
def test_malformed_class_files_are_refused(read: Callable[..., TagFile], classes: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read("weak.csv", 'a, 0, 10, "/m/dog"\n', classes=classes)


def test_a_missing_class_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "weak.csv").write_text('a, 0, 10, "/m/dog"\n')
    with pytest.raises(DataError, match=r"nowhere\.csv: cannot be read"):
        read_tags(tmp_path / "weak.csv", LocalRoot(tmp_path), tmp_path / "nowhere.csv")


@pytest.mark.slow
def test_an_encoder_learns_from_a_tag_file(recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path) -> None:
    """Four clips, each of a class of its own."""
    lines = "".join(f'Y{number}, 0.0, 10.0, "class{number}"\n' for number in range(4))
    (tmp_path / "tags.csv").write_text(lines)
    data = f'[[data]]\nfile = "{tmp_path}/tags.csv"\nroot = "{reasonaqa}/AudioCapsLarger/train"\n'
    with pytest.raises(UsageError, match=r"tags\.csv has 4 classes, the encoder 68"):
        prepare_training(recipe(stages=LISTEN, data=data), tmp_path, lambda *_: None)
    config = recipe(steps=200, stages=LISTEN, data=data, model__config="{encoder={classes=4}}")
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    Trainer(config, prepared, lambda entry: None).run()
    prepared.model.eval()
    with torch.inference_mode():
        encoded = prepared.model.encoder.encode(prepared.corpus.logmels[range(4)])
    assert prepared.model.encoder.compute_probabilities(encoded).clipwise.argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_tags_alone_are_nothing_to_answer(recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path) -> None:
    (tmp_path / "tags.csv").write_text('Y0, 0.0, 10.0, "dog"\n')
    data = f'[[data]]\nfile = "{tmp_path}/tags.csv"\nroot = "{reasonaqa}/AudioCapsLarger/train"\n'
    config = recipe(data=data, model__config="{encoder={classes=1}}")
    with pytest.raises(UsageError, match="stage answer: its data has tags only, and no rows to answer"):
        Trainer(config, prepare_training(config, tmp_path, lambda *_: None), lambda entry: None).run()


def test_missing_clips_of_a_tag_file_are_left_out(
    recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path
) -> None:
    (tmp_path / "tags.csv").write_text('Y0, 0.0, 10.0, "a"\nY9, 0.0, 10.0, "b"\n')
    data = f'[[data]]\nfile = "{tmp_path}/tags.csv"\nroot = "{reasonaqa}/AudioCapsLarger/train"\n'
    changes = {"stages": LISTEN, "data": data, "model__config": "{encoder={classes=2}}"}
    with pytest.raises(DataError, match="1 clips are missing"):
        prepare_training(recipe(**changes), tmp_path, lambda *_: None)
    prepared = prepare_training(recipe(missing_audio="skip", **changes), tmp_path, lambda *_: None)
    assert [ref.id for ref in prepared.corpus.clips] == ["Y0.wav"]
    assert prepared.corpus.cues is not None
    assert prepared.corpus.cues.tolist() == [[1, 0]]
