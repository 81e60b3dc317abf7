"""`noise-ablation` on real clips that the bundled model was never trained for: it must not be called grounded."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
from small_world import alm

pytestmark = pytest.mark.needs_shared

OPTION = re.compile(r"\([a-h]\)\s*")
TRACKS = ("Animal", "Emotion")


def questions(shared: Path, root: Path) -> int:
    """Write the questions whose clips are at hand as MMAU rows, and their clips; return how many."""
    rows = []
    for track in TRACKS:
        folder = shared / "data/sakura" / track
        with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                clip = folder / "audio" / row["file"]
                if not clip.is_file():
                    continue
                (root / "mmau/clips").mkdir(parents=True, exist_ok=True)
                shutil.copy(clip, root / "mmau/clips" / f"{track}-{clip.name}")
                for hop in ("single", "multi"):
                    question, *choices = OPTION.split(row[f"{hop}_instruction"])
                    rows.append(
                        {
                            "id": f"{track}/{clip.stem}/{hop}",
                            "audio_id": f"clips/{track}-{clip.name}",
                            "question": question.strip(),
                            "choices": [choice.strip() for choice in choices],
                            "answer": OPTION.sub("", row[f"{hop}_answer"]).strip(),
                            "dataset": track,
                            "task": "sound",
                            "split": "test-mini",
                            "category": "Reasoning",
                            "sub-category": hop,
                            "difficulty": "easy" if hop == "single" else "hard",
                        }
                    )
    (root / "mmau/mmau-test-mini.json").write_text(json.dumps(rows), encoding="utf-8")
    return len(rows)


def test_a_model_out_of_its_depth_is_never_grounded(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert questions(shared, Path("data")) == 80
    asked = ("--tasks", "mmau", "--data", "data", "--conditions", "gaussian,silence,snr:20", "--json")
    ran = alm("noise-ablation", "--model", "mellow", *asked)
    assert ran.status == 0, ran.err
    verdicts = {run["condition"]: run["verdict"] for run in ran.json["runs"]}
    assert set(verdicts.values()) <= {"cannot tell", "not listening"}, verdicts
    for run in ran.json["runs"]:
        parts = [part["verdict"] for keys in run["groups"].values() for part in keys.values()]
        assert set(parts) <= {"cannot tell", "not listening", None}, run["condition"]
