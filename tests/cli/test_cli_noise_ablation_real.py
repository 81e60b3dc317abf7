"""`noise-ablation` on real clips that the bundled model was never trained for: it must not be called grounded."""

import json
import shutil
from pathlib import Path

import pytest
from scipy.stats import binomtest
from small_world import alm, stored

pytestmark = pytest.mark.needs_shared

TRACKS = {"Animal": 48, "Emotion": 32}
"""Number of questions of each track whose clips exist: two per clip."""


def write_available_part(shared: Path, root: Path) -> None:
    """Write SAKURA's rows whose clips exist, in the layout of the repository, with their clips."""
    for track in TRACKS:
        source, target = shared / "data/sakura" / track, root / "sakura" / track
        shutil.copytree(source / "audio", target / "audio")
        rows = json.loads((source / "metadata.json").read_text(encoding="utf-8"))
        part = {key: row for key, row in rows.items() if (target / "audio" / Path(key).name).is_file()}
        (target / "metadata.json").write_text(json.dumps(part), encoding="utf-8")


def test_a_model_out_of_its_depth_is_never_grounded(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_available_part(shared, Path("data"))
    asked = ("--tasks", "sakura", "--data", "data", "--conditions", "gaussian,silence,snr:20", "--json")
    ran = alm("noise-ablation", "--model", "mellow", *asked)
    assert ran.status == 0, ran.err
    verdicts = {run["condition"]: run["verdict"] for run in ran.json["runs"]}
    assert set(verdicts.values()) <= {"cannot tell", "not listening"}, verdicts
    for run in ran.json["runs"]:
        tracks = run["groups"]["track"]
        assert {name: part["clean"]["n"] for name, part in tracks.items()} == TRACKS
        assert {part["verdict"] for part in tracks.values()} <= {"cannot tell", "not listening"}, run["condition"]
        assert {(part["verdict"], part["reason"]) for part in run["groups"]["hop"].values()} == {
            (None, "fewer than 30 items")
        }
    check_pairs(next(path for path in Path("results/runs").iterdir() if path.match("sakura-mellow*-[0-9a-f]*")))


def check_pairs(folder: Path) -> None:
    """Compare the paired figures of a stored run with a plain computation from its records."""
    right = {record["id"]: record["scores"]["accuracy"] for record in stored(folder)}
    clips = {name.rpartition("/")[0] for name in right}
    assert len(clips) == 40
    perceived = [clip for clip in clips if right[f"{clip}/single"]]
    reasoned = sum(right[f"{clip}/multi"] for clip in perceived)
    (summary,) = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["runs"]
    whole, given = summary["tables"]["pairs"][0], summary["metrics"]["reasoning_given_perception"]
    assert (whole["pairs"], given["n"]) == (40, len(perceived))
    difference = sum(right[f"{clip}/multi"] - right[f"{clip}/single"] for clip in clips) / 40
    assert whole["difference"]["difference"]["value"] == pytest.approx(difference)
    if perceived:
        interval = binomtest(round(reasoned), len(perceived)).proportion_ci(0.95, method="wilson")
        figures = (reasoned / len(perceived), interval.low, interval.high)
        assert (given["value"], given["low"], given["high"]) == pytest.approx(figures)
