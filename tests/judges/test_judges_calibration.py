"""Calibration of judges: what theory says of a judge of known error rate, and what tables and files say of it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from scripted_judge import read_prompts, verdict, write_judge
from sklearn.metrics import cohen_kappa_score
from small_world import alm, model, only_run, refusal

from alm_bench.calibration import compute_answer_agreement
from alm_bench.data.outputs.labelled import LabelledAnswer
from alm_bench.records.judged_summary import summarise_judgements
from alm_bench.records.judgement import Judgement, JudgeNotes
from alm_bench.records.schema import PlannedItem, Record
from alm_bench.scoring.judged import compute_bounds, compute_judged_mean
from alm_bench.scoring.prediction_powered import estimate_rate

SETS = 2000


@pytest.fixture(autouse=True)
def _own_replies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))


def draw_sets(rate: float, miss: float, alarm: float, unread: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels and verdicts of `SETS` sets of 150 labelled and 600 other answers, each of shape (SETS, 750).

    People call a share `rate` right. Of those the judge misses a share `miss`; of the others it credits `alarm`. A
    share `unread` of the verdicts is NaN.
    """
    generator = np.random.default_rng(0)
    labels = (generator.random((SETS, 750)) < rate).astype(float)
    flips = generator.random(labels.shape)
    scores = np.where(labels == 1, flips >= miss, flips < alarm).astype(float)
    scores[generator.random(labels.shape) < unread] = np.nan
    return labels, scores


@pytest.mark.parametrize(
    ("rate", "miss", "alarm", "unread"), [(0.6, 0.1, 0.2, 0.0), (0.6, 0.1, 0.2, 0.15), (0.3, 0.5, 0.5, 0.0)]
)
def test_the_corrected_interval_covers_the_truth(rate: float, miss: float, alarm: float, unread: float) -> None:
    """A good judge, one with unreadable verdicts, a useless one: 95 +- 1.5 % of the intervals hold the true rate."""
    labels, scores = draw_sets(rate, miss, alarm, unread)
    filled = np.where(np.isnan(scores), np.nanmean(scores, axis=1, keepdims=True), scores)
    found = [estimate_rate(y[:150], f[:150], f[150:]) for y, f in zip(labels, filled, strict=True)]
    covered = np.mean([one.low <= rate <= one.high for one in found])  # type: ignore[operator]
    assert covered == pytest.approx(0.95, abs=0.015)
    width = np.mean([one.high - one.low for one in found])  # type: ignore[operator]
    plain = 2 * 1.96 * np.sqrt(rate * (1 - rate) / 150)
    # By theory the variance is Var(y) / n (1 - rho^2 N / (N + n)), with rho the correlation of label and score.
    said = rate * (1 - miss) + (1 - rate) * alarm
    rho = (1 - unread) ** 0.5 * (rate * (1 - miss) - rate * said) / np.sqrt(rate * (1 - rate) * said * (1 - said))
    assert width == pytest.approx(plain * np.sqrt(1 - rho**2 * 600 / 750), rel=0.02)


def test_kappa_is_that_of_the_judges_error_rates() -> None:
    """Of 60 right answers the judge misses 6, of 40 wrong ones it credits 8."""
    labels = [1.0] * 60 + [0.0] * 40
    scores = [0.0] * 6 + [1.0] * 54 + [1.0] * 8 + [0.0] * 32
    answers = [LabelledAnswer("", ("x",), label, clip=str(n % 20)) for n, label in enumerate(labels)]
    found = compute_answer_agreement(answers, scores).all
    agree, said = 0.6 * 0.9 + 0.4 * 0.8, 0.6 * 0.9 + 0.4 * 0.2
    chance = 0.6 * said + 0.4 * (1 - said)
    assert found.accuracy.value == pytest.approx(agree)
    assert found.kappa.value == pytest.approx((agree - chance) / (1 - chance))
    assert found.kappa.low < found.kappa.value < found.kappa.high  # type: ignore[operator]


def test_missing_verdicts_widen_the_interval_and_do_not_move_the_value() -> None:
    scores = [1.0, 1.0, 0.0, 0.5] * 10
    clips = [str(n // 2) for n in range(60)]
    whole, part = compute_judged_mean(scores, clips[:40]), compute_judged_mean([*scores, *([None] * 20)], clips)
    assert whole.value == part.value == 0.625
    assert (part.low or 0) < (whole.low or 0) < (whole.high or 0) < (part.high or 0)
    assert compute_bounds([*scores, *([None] * 20)]) == (pytest.approx(25 / 60), pytest.approx(45 / 60))
    assert compute_judged_mean([None], ["1"]).reason == "no verdict could be read"


def build_record(number: int, score: float | None) -> Record:
    from alm_bench.core import Sample

    one = Judgement(judge="j", identity="1", preset="qa", version=1, prompt_hash="2", score=score,
                    status="unjudged" if score is None else "judged")  # fmt: skip
    sample = Sample(f"q{number}", {"question": "?"}, target=["x"])
    return PlannedItem(number, sample, "?").create_record("ok", text="x", judgements=(one,))


def test_a_runs_mean_is_corrected_by_labels_of_its_items() -> None:
    """The judge credits everything; half of what is labelled is right: so is, by estimate, half of all."""
    records = [build_record(n, 1.0) for n in range(200)]
    labels = {f"q{n}": float(n % 2) for n in range(40)}
    (table,) = summarise_judgements(records, {"j#1/qa@2": JudgeNotes(labels=labels)}, ())
    assert table.metrics["judged"].value == 1.0
    assert table.corrected is not None
    assert table.corrected.value == pytest.approx(0.5)
    assert table.corrected.n == 40


def write_labelled(path: Path, answers: int = 60) -> Path:
    """Write answers of two models with labels: the verdict of the scripted judge is wrong on every fifth."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question", "reference", "response", "model", "type", "label", "clip"])
        for n in range(answers):
            label = n % 3 != 0
            seen = "yes" if label != (n % 5 == 0) else "no"
            row = [f"q{n}", f"Question {n}?", "x", f"{seen} {n}", ("one", "two")[n % 2], ("a", "b")[n % 4 > 1]]
            writer.writerow([*row, int(label), f"{n // 2}.wav"])
    return path


SCRIPT = {"Answer: yes": verdict("right"), "Answer: no": verdict("wrong")}


def test_judge_check_measures_agreement_and_later_tables_show_it(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    path = write_labelled(tmp_path / "marks.csv")
    ran = alm("judge-check", path, "--judge", judge, "--json")
    assert ran.status == 0, ran.err
    labels = np.array([n % 3 != 0 for n in range(60)])
    scores = labels != (np.arange(60) % 5 == 0)
    found = ran.json["metrics"]["scripted"]
    assert found["all"]["accuracy"] == pytest.approx(0.8)
    assert found["all"]["kappa"] == pytest.approx(cohen_kappa_score(labels, scores))
    assert found["all"]["spearman"] == pytest.approx(spearmanr(labels, scores).statistic)
    assert found["all"]["intervals"]["kappa"][0] < found["all"]["kappa"] < found["all"]["intervals"]["kappa"][1]
    assert found["by_type"].keys() == {"a", "b"}
    assert found["by_model"]["one"] == {
        "metric": pytest.approx(scores[::2].mean()), "people": pytest.approx(labels[::2].mean()), "n": 30,
        "labelled": 30, "corrected": pytest.approx(labels[::2].mean()), "corrected_interval": pytest.approx(
            found["by_model"]["one"]["corrected_interval"])}  # fmt: skip
    entry = ran.json["judges"]["scripted"]
    assert (entry["preset"], entry["n"], entry["unjudged"], entry["warning"]) == ("qa", 60, {}, None)
    assert "moderate" not in alm("judge-check", path, "--judge", judge).out
    assert len(read_prompts(script)) == 60, "the second call asks nothing"

    questions = tmp_path / "own.csv"
    questions.write_text("id,question,answer\n" + "".join(f"q{n},Question {n}?,x\n" for n in range(8)))
    named = model(tmp_path / "m.py", "    def answer(self, request):\n        return 'yes'\n", audio="None")
    run = alm("run", "--model", named, "--tasks", questions, "--kind", "open", "--out", tmp_path / "runs",
              "--judge", judge, "--details")  # fmt: skip
    assert run.status == 0, run.err
    above, below = run.out.index("judge's agreement with people"), run.out.index("judged answers")
    assert above < below
    assert "| marks.csv" in run.out
    assert "not calibrated" not in run.out


def test_a_judge_whose_replies_have_no_verdict_has_no_agreement(tmp_path: Path) -> None:
    judge, _ = write_judge(tmp_path, json.dumps({"default": "What a fine question!"}))
    path = write_labelled(tmp_path / "marks.csv", 12)
    ran = alm("judge-check", path, "--judge", judge, "--json").json
    assert ran["metrics"] == {}
    assert ran["not_computed"] == {"scripted": "no verdict of 12 could be read"}
    assert ran["judges"]["scripted"]["bounds"] == [0.0, 1.0]
    assert ran["judges"]["scripted"]["warning"].startswith("no reply could be read as a verdict")
    text = alm("judge-check", path, "--judge", judge).out
    assert "not computed: no verdict of 12 could be read" in text
    assert "the judge says nothing about the answers" in text
    assert "12 labelled answers" in text


def test_two_judges_and_a_dry_run_and_a_sample(tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps(SCRIPT))
    path = write_labelled(tmp_path / "marks.csv")
    both = ("--judge", judge, "--judge", f"{judge},label=second,weights=2")
    (planned,) = alm("judge-check", path, *both, "--dry-run", "--json").json["runs"]
    assert (planned["calls"], planned["cost"]) == (120, pytest.approx(0.12))
    assert read_prompts(script) == []
    ran = alm("judge-check", "--labels", path, *both, "--sample", 20, "--json").json
    assert ran["items"] == 20
    assert ran["clips"] == 10, "answers about one clip are drawn together"
    (pair,) = ran["judges_kappa"]
    assert (pair["judges"], pair["kappa"]) == (["scripted", "second"], 1.0)


def test_pairs_of_captions(tmp_path: Path) -> None:
    clips = [
        {"raw_name": f"{n}.wav", "references": ["rain falls", "it rains", "a storm"],
         "HI": ["it rains", "a dog", "a", "b", [1, 1, 1, -1]], "MM_1": ["a dog", "rain", "a", "b", [-1, -1, 1, -1]]}
        for n in range(5)
    ]  # fmt: skip
    (tmp_path / "pairs.json").write_text(json.dumps(clips))
    script = {"\n- a dog\n\nHow": '{"score": 10}', "default": '{"score": 90}'}
    judge, _ = write_judge(tmp_path, json.dumps(script))
    ran = alm("judge-check", tmp_path / "pairs.json", "--judge", judge, "--judge-preset", "clair-a", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["metrics"]["scripted"]["all"]["agreement"] == 1.0
    assert "it" in alm("judge-check", tmp_path / "pairs.json", "--judge", judge, "--judge-preset", "clair-a").out


def test_marks_of_a_report_calibrate_a_run(tmp_path: Path) -> None:
    """Thirty items, twelve with people's marks; the judge credits all, people half of those they marked."""
    judge, script = write_judge(tmp_path, json.dumps({"default": verdict("right")}))
    questions = tmp_path / "own.csv"
    questions.write_text("id,question,answer\n" + "".join(f"q{n},Question {n}?,x\n" for n in range(30)))
    named = model(tmp_path / "m.py", "    def answer(self, request):\n        return request.id\n", audio="None")
    where = ("--out", tmp_path / "runs")
    assert alm("run", "--model", named, "--tasks", questions, "--kind", "open", *where).status == 0
    folder = only_run(tmp_path / "runs")
    marks = [
        {"run": folder.name, "task": "file:own", "id": f"q{n}", "kind": ("answer-right", "answer-wrong")[n % 2]}
        for n in range(12)
    ]
    (tmp_path / "marks.json").write_text(json.dumps({"alm_bench_marks": 1, "marks": marks}))
    ran = alm("score", folder, "--judge", judge, "--calibrate", tmp_path / "marks.json", *where, "--json")
    assert ran.status == 0, ran.err
    (table,) = ran.run["tables"]["judges"]
    assert table["calibration"]["n"] == 12
    assert (table["corrected"]["value"], table["corrected"]["n"]) == (pytest.approx(0.5), 12)
    assert len(read_prompts(script)) == 30, "the marked answers are the same prompts"
    text = alm("score", folder, "--details", *where).out
    assert "by people's standard" in text
    assert "no better than chance" in text
    # labels of other answers say nothing about this run
    other = alm("score", folder, "--judge", judge, "--calibrate", write_labelled(tmp_path / "x.csv"), *where, "--json")
    assert other.run["tables"]["judges"][0]["corrected"] is None
    assert "labels no item of this run" in other.err


def test_misuse_of_judge_check(tmp_path: Path) -> None:
    faults = {
        (): "judge-check takes --judge MODEL",
        ("--judge", "clap"): "a judge writes text of its own",
        ("--judge", "echo", "--judge-preset", "mmar-rubrics"): "cannot judge the texts of",
    }
    path = write_labelled(tmp_path / "marks.csv", 6)
    for options, line in faults.items():
        assert line in refusal(alm("judge-check", path, *options))
