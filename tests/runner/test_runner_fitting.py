"""Adapters that are fitted: on which rows, never on those that are asked, and how a run tells of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, cle, hypotheses, mmau, model, refusal, stored, tone, write_csv

from alm_bench.plugins import catalogue

BODY = """
    said = None

    def fit(self, rows):
        import copy, json
        from dataclasses import replace
        taken = [(row.request.id, row.request.audio[0].id, row.request.choices[row.target], row.request.prompt,
                  [wave.size for wave in row.request.waves]) for row in rows]
        open({log!r}, "a").write(json.dumps(taken) + "\\n")
        fitted = copy.copy(self)
        fitted.said = max((answer for _, _, answer, _, _ in taken), default=None)
        fitted.identity = replace(self.identity, settings={{"said": str(fitted.said)}})
        return fitted

    def answer(self, request):
        return self.said if self.said in request.choices else request.choices[0]

    def blind_answers(self, requests):
        return {{"twin": [len(request.choices) - 1 for request in requests]}}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """CLE with clips of both splits, and MMAU."""
    root = mmau(cle(tmp_path / "data", count=4, development=6), count=4)
    for i in range(3):
        tone(root / f"ClothoV21/validation/clip {i}.wav", 500 + 40 * i)
    return root


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "fitted.jsonl"


def fitting(tmp_path: Path, log: Path) -> str:
    return model(tmp_path / "fitting.py", BODY.format(log=str(log)), audio="AudioPolicy(rate=8000)")


def fits(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def command(data: Path, tmp_path: Path, log: Path, *more: object, tasks: str = "cle") -> tuple[object, ...]:
    where = ("--data", data, "--out", tmp_path / "runs")
    return ("run", "--model", fitting(tmp_path, log), "--tasks", tasks, *where, "--json", *more)


def test_it_is_fitted_on_the_development_split_alone(data: Path, tmp_path: Path, log: Path) -> None:
    ran = alm(*command(data, tmp_path, log, "--limit", 5))
    assert ran.status == 0, ran.err
    (rows,) = fits(log)
    assert len(rows) == 18, "a limit is of the items that are asked"
    assert {clip for _, clip, _, _, _ in rows} == {f"ClothoV21/validation/clip {i}.wav" for i in range(3)}
    folder = next((tmp_path / "runs").glob("cle-*"))
    asked = {ref["id"] for row in stored(folder) for ref in row["audio"]}
    assert asked == {"ClothoV21/evaluation/clip 0.wav", "ClothoV21/evaluation/clip 1.wav"}
    assert not asked & {clip for _, clip, _, _, _ in rows}
    assert all(sizes == [2400] for *_, sizes in rows), "clips are decoded by the adapter's policy"
    name, _, answer, prompt, _ = rows[0]
    assert (name, answer) == ("clip 0.wav#0-entailment", "it is definitely true")
    assert 'about the hypothesis "Tone 0 is there."?' in prompt, "under the prompt set of the run"


def test_a_run_tells_what_its_model_was_fitted_on(data: Path, tmp_path: Path, log: Path) -> None:
    ran = alm(*command(data, tmp_path, log)).run
    header = json.loads((tmp_path / "runs" / ran["run"] / "run.json").read_text())
    assert ran["fit"] == header["fit"]
    assert {key: ran["fit"][key] for key in ("task", "split", "rows", "left_out")} == {
        "task": "cle", "split": "validation", "rows": 18, "left_out": 0,
    }  # fmt: skip
    assert ran["identity"]["settings"] == {"said": "it is plausible"}
    report = alm("score", ran["run"], "--out", tmp_path / "runs")
    assert "fitted on 18 rows of cle, split validation" in report.out
    blind = alm("run", "--model", "blind", "--tasks", "cle", "--data", data, "--out", tmp_path / "runs", "--json").run
    assert blind["fit"] is None


def test_equal_rows_are_the_same_run_and_others_another(data: Path, tmp_path: Path, log: Path) -> None:
    def fingerprint() -> str:
        ran = alm(*command(data, tmp_path, log))
        assert ran.status == 0, ran.err
        return str(ran.run["fingerprint"])

    first = fingerprint()
    assert fingerprint() == first
    tone(data / "ClothoV21/validation/clip 2.wav", 580, seconds=0.5)
    longer = fingerprint()
    write_csv(data / "entailment/clotho_entailment_validation.csv", hypotheses(5))
    assert len({first, longer, fingerprint()}) == 3


def test_each_task_has_a_fit_of_its_own(data: Path, tmp_path: Path, log: Path) -> None:
    """Fitted for CLE, the model still answers MMAU as one that is not, whatever comes first."""
    for tasks in ("cle,mmau", "mmau,cle"):
        ran = alm(*command(data, tmp_path, log, "--fresh", tasks=tasks))
        assert ran.status == 0, ran.err
        runs = {run["task"]: run for run in ran.json["runs"]}
        assert runs["mmau"]["fit"] is None
        assert runs["mmau"]["identity"]["settings"] == {"said": "None"}
        rows = stored(next((tmp_path / "runs").glob("cle-*")))
        assert {row["text"] for row in rows} == {"it is plausible"}
    assert sorted(map(len, fits(log))) == [0, 0, 18, 18]


def test_ace_is_fitted_on_cle(data: Path, tmp_path: Path, log: Path) -> None:
    write_csv(data / "entailment/audiocaps_entailment_test.csv", [["Audiocaps", "Yabc", "a", "Is.", "May be.", "Not."]])
    tone(data / "AudioCapsLarger/test/Yabc.wav", 700)
    ran = alm(*command(data, tmp_path, log, tasks="ace"))
    assert ran.status == 0, ran.err
    assert (ran.run["fit"]["task"], ran.run["fit"]["rows"], ran.run["n"]) == ("cle", 18, 3)


def test_the_split_that_is_fitted_on_is_not_tested(data: Path, tmp_path: Path, log: Path) -> None:
    ran = alm(*command(data, tmp_path, log, "--split", "validation"))
    assert (ran.status, fits(log)) == (2, [])
    assert ran.err.splitlines()[-1] == (
        "alm-bench: cle: Model is fitted on split validation, expected another split to test it on"
    )


def test_a_split_found_in_the_others_place_is_refused(data: Path, tmp_path: Path, log: Path) -> None:
    """Without the validation clips, clips of the same bare name are those of the test."""
    for clip in (data / "ClothoV21/validation").iterdir():
        clip.unlink()
    ran = alm(*command(data, tmp_path, log))
    assert (ran.status, fits(log)) == (2, [])
    assert "clip ClothoV21/validation/clip 0.wav of the development split validation is" in ran.err
    assert "which is clip ClothoV21/evaluation/clip 0.wav of the items asked" in ran.err


def test_a_missing_development_clip_stops_or_is_left_out(data: Path, tmp_path: Path, log: Path) -> None:
    (data / "ClothoV21/validation/clip 2.wav").write_bytes(b"no sound")
    ran = alm(*command(data, tmp_path, log))
    assert (ran.status, ran.out) == (2, "")
    assert "development row clip 2.wav#0-entailment: clip ClothoV21/validation/clip 2.wav: cannot be decoded" in ran.err
    assert "--missing-audio skip fits without it" in ran.err
    skipped = alm(*command(data, tmp_path, log, "--missing-audio", "skip"))
    assert skipped.status == 0, skipped.err
    assert (skipped.run["fit"]["rows"], skipped.run["fit"]["left_out"]) == (12, 6)


def test_missing_development_rows_are_named(data: Path, tmp_path: Path, log: Path) -> None:
    (data / "entailment/clotho_entailment_validation.csv").unlink()
    ran = alm(*command(data, tmp_path, log))
    assert ran.status == 2
    assert "found no entailment/clotho_entailment_validation.csv below the data folder" in ran.err


def test_a_twins_answers_are_a_blind_row(data: Path, tmp_path: Path, log: Path) -> None:
    ran = alm(*command(data, tmp_path, log, "--options", "shuffled")).run
    rows = stored(tmp_path / "runs" / ran["run"])
    assert {baseline["option"] for row in rows for baseline in row["baselines"] if baseline["name"] == "twin"} == {3}
    right = sum(row["target"] == 3 for row in rows) / len(rows)
    assert ran["baselines"]["twin"]["accuracy"]["value"] == pytest.approx(right)
    preferred = [baseline["name"] for baseline in rows[0]["baselines"]]
    assert preferred == ["hypothesis only", "twin"], "the task's own row stays the text-only solver"


def test_an_ablation_fits_once(data: Path, tmp_path: Path, log: Path) -> None:
    arguments = command(data, tmp_path, log, "--conditions", "silence,gaussian", "--plot", tmp_path / "plot.png")
    ran = alm("noise-ablation", *arguments[1:])
    assert ran.status == 0, ran.err
    assert len(fits(log)) == 1
    for folder in (tmp_path / "runs").glob("cle-*"):
        assert {row["text"] for row in stored(folder)} == {"it is plausible"}


def test_the_validation_split_can_be_asked_and_has_no_row_fitted_on_it(data: Path, tmp_path: Path) -> None:
    arguments = ("--tasks", "cle", "--split", "validation", "--data", data, "--out", tmp_path / "runs", "--json")
    ran = alm("run", "--model", "blind", *arguments)
    assert ran.status == 0, ran.err
    assert ran.run["n"] == 18
    assert ran.run["baselines"]["hypothesis only"]["accuracy"]["reason"] == "these are the rows that it is fitted on"


def test_cards_name_splits_that_there_are() -> None:
    named = {name: entry.card for name, entry in catalogue().tasks.items() if entry.card.fit_split is not None}
    assert set(named) == {"cle", "ace"}
    for card in named.values():
        source = catalogue().get_task(card.fit_task or card.name).card
        assert card.fit_split in source.splits
        assert source.default_split != card.fit_split


def test_a_model_that_picks_is_told_where_nothing_is_to_pick(tmp_path: Path) -> None:
    name = model(
        tmp_path / "picks.py", "    def answer(self, request):\n        return 'a'\n", picks="True", prompts="'bare'"
    )
    line = refusal(alm("run", "--model", name, "--tasks", "cld-1", "--data", "demo"))
    assert "Model picks among options, which the items of cld-1 do not have (no prompt set 'bare')" in line
