"""Folders of clips by class and files of questions as training data, and the clips that are held out of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from alm_bench.core import DataError, UsageError
from alm_bench.plugins import catalogue
from alm_bench.train.config import DataConfig, TrainConfig, load_config
from alm_bench.train.holdout import divide_source, list_evaluated_questions
from alm_bench.train.loop import Trainer
from alm_bench.train.setup import prepare_training, read_training_sources
from alm_bench.train.sources import Source, read_source

LABELS = {"high_tone": 3, "low tone": 3, "noise": 2, "click": 1}
"""Number of clips by sub-folder."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of nine clips of four classes, and files that are no clips."""
    folder = tmp_path_factory.mktemp("own") / "clips"
    generator = np.random.default_rng(0)
    for label, count in LABELS.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            soundfile.write(folder / label / f"{number}.wav", 0.1 * generator.standard_normal(4000), 16_000)
    (folder / "noise" / "notes.txt").write_text("no clip")
    (folder / ".hidden").mkdir()
    return folder


@pytest.fixture
def questions(clips: Path) -> Path:
    """A file of eight questions with options about four clips, in pairs that share a clip, and two others."""
    lines = ["audio,question,choices,answer"]
    for number in range(8):
        clip = f"{['high_tone', 'low tone'][number % 2]}/{number % 4 // 2}.wav"
        lines.append(f'{clip},Is tone {number} high?,"up;down",{["up", "down"][number % 2]}')
    file = clips / "questions.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_a_folder_becomes_questions_with_the_label_among_other_labels(clips: Path) -> None:
    source = read_source(DataConfig(folder=clips, draws=5, options=3, question="Which one?"), "error")
    assert len(source.rows) == 5 * sum(LABELS.values())
    labels = {"high tone", "low tone", "noise", "click"}
    for row, sample in zip(source.rows, source.samples, strict=True):
        assert len(set(sample.choices)) == 3
        assert set(sample.choices) < labels
        letter = "abc"[sample.target]
        assert row.answer == f"{letter}) {sample.gold}"
        assert row.prompt.startswith("which one? a) ")
        assert f"{letter}) {sample.gold}" in row.prompt
        assert row.clips[0].path.parent.name.replace("_", " ") == sample.gold == row.subtype
    first = [row.prompt for row in source.rows[:9]]
    assert [row.prompt for row in source.rows[9:18]] != first, "each draw has other options"
    assert [row.prompt for row in read_source(source.config, "error").rows[:9]] == first


def test_clips_are_held_out_by_label_and_each_in_one_fold(clips: Path) -> None:
    held_out = []
    for fold in range(3):
        source = read_source(DataConfig(folder=clips, folds=3, fold=fold), "error")
        holdout = divide_source(source, seed=0)
        train, tested = ({clip.id for clip in part.clips} for part in (holdout.training, holdout.validation))
        assert not train & tested
        assert len(train) + len(tested) == sum(LABELS.values())
        assert holdout.untested_parts == ["click"]
        questions = list_evaluated_questions(holdout.validation)
        assert sorted(question.audio[0].id for question in questions) == sorted(tested)
        held_out += [clip.split("/")[0] for clip in sorted(tested)]
    assert {label: held_out.count(label) for label in LABELS} == LABELS | {"click": 0}
    moved = divide_source(read_source(DataConfig(folder=clips, folds=3), "error"), seed=1)
    assert moved.as_json() != divide_source(read_source(DataConfig(folder=clips, folds=3), "error"), 0).as_json()


def test_copies_of_a_clip_are_one_clip(clips: Path, tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(4):
            original = clips / "high_tone" / f"{number % 2}.wav" if label == "a" else clips / "noise/0.wav"
            content = original.read_bytes() if label == "a" else original.read_bytes() + bytes(number)
            (tmp_path / label / f"{number}.wav").write_bytes(content)
    holdout = divide_source(read_source(DataConfig(folder=tmp_path, folds=2), "error"), 0)
    names = sorted(clip.id for clip in holdout.validation.clips if clip.id.startswith("a/"))
    assert names in (["a/0.wav", "a/2.wav"], ["a/1.wav", "a/3.wav"])


def test_questions_of_a_file_are_asked_as_in_evaluation_and_divided_by_clip(questions: Path) -> None:
    source = read_source(DataConfig(questions=str(questions), folds=2), "error")
    assert source.rows[0].prompt == "is tone 0 high? a) up b) down"
    assert [row.answer for row in source.rows[:2]] == ["a) up", "b) down"]
    holdout = divide_source(source, 0)
    assert not set(holdout.training.clips) & set(holdout.validation.clips)
    assert len(holdout.training.rows) == len(holdout.validation.rows) == 4


@pytest.mark.parametrize(
    ("kind", "answers", "expected"),
    [
        ("yes_no", ["Yes", "no", "yes", "no"], ["yes", "no", "yes", "no"]),
        ("open", ["A wren", "an owl", "a crow", "a gull"], ["A wren", "an owl", "a crow", "a gull"]),
    ],
)
def test_questions_without_options_are_answered_by_their_references(
    clips: Path, tmp_path: Path, kind: str, answers: list[str], expected: list[str]
) -> None:
    rows = [f"high_tone/{number % 3}.wav,What is {number}?,{answer}" for number, answer in enumerate(answers)]
    file = tmp_path / "open.csv"
    file.write_text("audio,question,answer\n" + "\n".join(rows))
    source = read_source(DataConfig(questions=str(file), kind=kind, root=clips), "error")
    assert [row.answer for row in source.rows] == expected
    assert {row.subtype for row in source.rows} == {kind}


def one_class(folder: Path) -> DataConfig:
    (folder / "dog").mkdir()
    (folder / "dog/a.wav").write_bytes(b"x")
    (folder / "loose.wav").write_bytes(b"x")
    return DataConfig(folder=folder)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (one_class, "found 1 sub-folders with clips, and 1 clips outside of one; expected one sub-folder per class"),
        (lambda folder: DataConfig(folder=folder / "none"), "none: no such folder (paths start from "),
        (lambda folder: DataConfig(questions=f"{folder}/none.csv"), "none.csv"),
    ],
)
def test_data_that_cannot_be_used_are_one_line(tmp_path: Path, make: Callable[[Path], DataConfig], said: str) -> None:
    with pytest.raises(DataError) as error:
        read_source(make(tmp_path), "error")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_too_few_clips_to_hold_one_out(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "0.wav").write_bytes(label.encode())
    source = read_source(DataConfig(folder=tmp_path), "error")
    with pytest.raises(DataError, match="found 2 clips or groups of clips that share questions, too few to hold out"):
        divide_source(source, 0)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('folder = "a"\nfile = "demo"', "data.0 takes one of file, folder, questions, found file and folder"),
        ("weight = 1.0", "data.0 takes one of file, folder, questions, found none"),
        ('file = "demo"\ndraws = 3', "data.0: draws goes with folder, found with file"),
        ('questions = "a.csv"\noptions = 3', "data.0: options goes with folder, found with questions"),
        ('folder = "a"\nfolds = 3\nfold = 3', r"data.0: fold counts from 0 to 2 \(folds - 1\), found 3"),
        ('folder = "a"\noptions = 1', "data.0: options takes a number of at least 2, found 1"),
        ('folder = "a"\nchains = "free"', "data.0: chains are written for demo data, found with a"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, table: str, said: str) -> None:
    file = tmp_path / "my.toml"
    file.write_text(f"[[data]]\n{table}\n")
    with pytest.raises(UsageError, match=said):
        load_config(str(file))


def test_a_recipe_of_its_data_alone_starts_from_the_bundled_weights(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[[data]]\nfolder = "clips"\n')
    config = load_config(str(file), {"stage.0.steps": "5"})
    assert (config.name, config.model.init, config.stage[0].objective) == ("my", "mini", "answers")
    assert config.stage[0].steps == 5
    assert config.stage[0].train == ("mapper", "lm")


def test_named_validation_data_leave_all_clips_to_train_on(
    recipe: Callable[..., TrainConfig], clips: Path, reasonaqa: Path
) -> None:
    own = f'[[data]]\nfolder = "{clips}"\n'
    named = f'[[validation]]\nfile = "{reasonaqa}/train.json"\nroot = "{reasonaqa}"\n'
    sources, validation, holdouts = read_training_sources(recipe(data=own + named))
    assert (len(sources[0].clips), len(validation[0].rows), holdouts) == (9, 12, [])
    sources, validation, holdouts = read_training_sources(recipe(data=own + "folds = 1\n"))
    assert (len(sources[0].clips), validation, holdouts) == (9, [], [])


def test_a_run_logs_what_it_held_out_and_writes_it_as_a_file_of_questions(
    recipe: Callable[..., TrainConfig], clips: Path, tmp_path: Path
) -> None:
    config = recipe(steps=2, data=f'[[data]]\nfolder = "{clips}"\ndraws = 2\nfolds = 3\n')
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    run = Trainer(config, prepared, lambda _: None).run().parent
    (holdout,) = json.loads((run / "log.jsonl").read_text().splitlines()[0])["holdout"]
    assert holdout["clips"] + len(holdout["clips_held_out"]) == 9
    assert "other clips held out (fold 0 of 3, seed 0)" in (run / "README.md").read_text()
    assert read_held_out(run) == {
        (question.audio[0].path.resolve(), question.gold)
        for question in list_evaluated_questions(prepared.holdouts[0].validation)
    }


def read_held_out(run: Path) -> set[tuple[Any, Any]]:
    """The clip and the answer of each held-out question, as evaluation reads them."""
    task: Any = catalogue().get_task(str(run / "held_out.jsonl")).create()
    return {(sample.audio[0].path.resolve(), sample.gold) for sample in task.read("all").samples}


def test_rows_and_their_questions_are_left_out_together(clips: Path) -> None:
    source: Source = read_source(DataConfig(folder=clips, draws=1), "error")
    source.keep_rows([index % 2 == 0 for index in range(len(source.rows))])
    assert [row.clips for row in source.rows] == [sample.audio for sample in source.samples]
    assert len(source.rows) == 5
