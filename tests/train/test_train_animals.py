"""The bundled model learns animal calls from two clips of each label, and recognises the third."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import small_world

CHANCE_OF_FOUR = 0.25
WANTED = 0.4


@pytest.mark.slow
def test_animal_calls_are_learned_from_the_bundled_weights(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = shared / "data/sakura/Animal"
    with (source / "metadata.csv").open(newline="", encoding="utf-8") as file:
        labels = {row["file"]: row["attribute_label"] for row in csv.DictReader(file)}
    clips = sorted((source / "audio").glob("*.wav"))
    for clip in clips:
        folder = tmp_path / "clips" / labels[clip.name]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder)
    Path("animals.toml").write_text('[[data]]\nfolder = "clips/"\nfolds = 3\n')
    asked, right = [], 0.0
    for fold in range(3):
        name = f"animals-{fold}"
        changes = (f"data.0.fold={fold}", f"name={name}")
        trained = small_world.alm("train", "--config", "animals.toml", *(x for c in changes for x in ("--set", c)))
        assert trained.status == 0, trained.err
        run = Path("results/training") / name
        evaluated = small_world.alm(
            *("run", "--model", "mellow", "--model-arg", f"checkpoint={run}/last", "--json"),
            *("--tasks", run / "held_out.jsonl"),
        )
        assert evaluated.status == 0, evaluated.err
        questions = [json.loads(line) for line in (run / "held_out.jsonl").read_text().splitlines()]
        assert all(len(question["choices"]) == 4 for question in questions)
        accuracy = json.loads(evaluated.out)["runs"][0]["metrics"]["accuracy"]["value"]
        asked += [question["audio"][0] for question in questions]
        right += round(accuracy * len(questions))
    assert len(asked) == len(set(asked)) == len(clips) == 24
    print(f"{right:g} of 24 held-out clips, {100 * right / 24:.1f} % (chance {100 * CHANCE_OF_FOUR:g})")
    assert right / 24 >= WANTED
