"""`metric-check`: agreement of metrics with people, on made files and on real ones."""

import csv
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score
from small_world import alm, refusal

from alm_bench.calibration import check_metrics_on_answers, check_metrics_on_pairs
from alm_bench.data.outputs.labelled import CaptionPair, LabelledAnswer, read_labelled
from alm_bench.scoring.prediction_powered import estimate_rate
from alm_bench.scoring.short_answers import compute_token_f1, contains_reference

THINGS = ("oboe", "kettle", "tram", "goose", "harp", "drill")


def write_answers(path: Path, labelled: int = 240) -> list[dict[str, str]]:
    """Write answers of two models with labels as a CSV; those after the first `labelled` ones have no label."""
    random, rows = Random(3), []
    for number in range(120):
        thing = random.choice(THINGS)
        for model, skill in (("good", 0.9), ("poor", 0.4)):
            right = random.random() < skill
            said = f"It is {'a' if random.random() < 0.9 else 'not a'} {thing if right else random.choice(THINGS)}."
            label = {True: random.choice(["1", "1", "0.5"]), False: random.choice(["0", "0", "0.5"])}[right]
            kind = "word" if number % 3 else "short"
            rows.append({"said": said, "answer": thing, "model": model, "type": kind, "mark": label,
                         "clip": f"{number // 2}.wav", "question": f"What is it, {number}?"})  # fmt: skip
    for row in rows[labelled:]:
        row["mark"] = ""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


COLUMNS = ("--column", "label=mark", "--column", "answer=said", "--metrics", "contained,token_f1")


def test_a_users_own_file_is_checked(tmp_path: Path) -> None:
    rows = write_answers(tmp_path / "marks.csv")
    found = alm("metric-check", tmp_path / "marks.csv", *COLUMNS, "--json").json
    assert found["metrics"].keys() == {"contained", "token_f1"}
    part = found["metrics"]["contained"]
    scores = np.array([contains_reference(row["said"], [row["answer"]], row["question"]) for row in rows])
    labels = np.array([float(row["mark"]) for row in rows])
    clear = labels != 0.5
    assert part["all"]["n"] == 240
    assert part["all"]["spearman"] == pytest.approx(spearmanr(scores, labels).statistic)
    assert part["all"]["kappa"] == pytest.approx(cohen_kappa_score(labels[clear] == 1, scores[clear]))
    expected = balanced_accuracy_score(labels[clear] == 1, scores[clear])
    assert part["all"]["balanced_accuracy"] == pytest.approx(expected)
    assert part["by_type"].keys() == {"short", "word"}
    assert part["by_type"]["short"]["n"] == 80
    good = [index for index, row in enumerate(rows) if row["model"] == "good"]
    assert part["by_model"]["good"]["metric"] == pytest.approx(scores[good].mean())
    assert part["by_model"]["good"]["people"] == pytest.approx(labels[good].mean())
    assert part["by_model"]["good"]["n"] == 120
    (order,) = part["orders"]
    assert order["significant"]
    assert order["agrees"]


def test_the_table_says_how_far_each_metric_is_to_be_trusted(tmp_path: Path) -> None:
    write_answers(tmp_path / "marks.csv")
    ran = alm("metric-check", "--labels", tmp_path / "marks.csv", *COLUMNS, "--details")
    (line,) = [line for line in ran.out.splitlines() if line.startswith("| contained") and "1 of 1" in line]
    assert line.count("[") == 4, "four figures with their intervals"
    assert "240 labelled answers of marks.csv on 60 clips" in ran.out
    assert "short, n = 80" in ran.out
    assert "| poor" in ran.out


def test_rates_of_all_answers_are_estimated_from_some_labels(tmp_path: Path) -> None:
    rows = write_answers(tmp_path / "marks.csv", labelled=120)
    found = alm("metric-check", tmp_path / "marks.csv", *COLUMNS, "--json").json
    assert (found["items"], found["labelled"]) == (240, 120)
    good = [row for row in rows if row["model"] == "good"]
    score = {id(row): float(contains_reference(row["said"], [row["answer"]])) for row in good}
    known, rest = [row for row in good if row["mark"]], [row for row in good if not row["mark"]]
    expected = estimate_rate(
        [float(row["mark"]) for row in known],
        [score[id(row)] for row in known],
        [score[id(row)] for row in rest],
        [row["clip"] for row in known],
        [row["clip"] for row in rest],
    )
    model = found["metrics"]["contained"]["by_model"]["good"]
    assert model["corrected"] == pytest.approx(expected.value)
    assert model["corrected_interval"] == pytest.approx([expected.low, expected.high])
    assert "prediction-powered inference" in alm("metric-check", tmp_path / "marks.csv", *COLUMNS).out


def test_labels_may_be_words_or_another_scale(tmp_path: Path) -> None:
    rows = [{"response": "x", "reference": "x", "label": label} for label in ("right", "Partly", "wrong", "")]
    (tmp_path / "words.json").write_text(json.dumps(rows))
    assert [one.label for one in read_labelled(tmp_path / "words.json")] == [1, 0.5, 0, None]  # type: ignore[union-attr]
    (tmp_path / "stars.csv").write_text("response,ref1,label\nx,x,1\nx,x,3\nx,x,5\n")
    assert [one.label for one in read_labelled(tmp_path / "stars.csv")] == [0, 0.5, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("response,reference,label\nx,y,fine\n", "item 1: the label is 'fine', expected a number or one of right"),
        ("response,reference,label\nx,y,nan\n", "item 1: the label is 'nan', expected a number"),
        ("response,reference\nx,y\n", "no answer has a label"),
        ("response,label\nx,1\n", "item 1 has no 'references'; it has response, label"),
        ("reference,label\nx,1\n", "item 1 has no 'response'; it has reference, label"),
        ("response,reference,label\n", "holds no labelled answers"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "marks.csv").write_text(text)
    assert reason in refusal(alm("metric-check", tmp_path / "marks.csv"))


def test_without_a_file_it_says_where_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no file of people's judgements: looked for aqeval/val.csv" in refusal(alm("metric-check"))
    assert "expected one of them" in refusal(alm("metric-check", "a.csv", "--labels", "b.csv"))


def test_pairs_of_captions_lose_their_own_reference(tmp_path: Path) -> None:
    known = ["a harp plays", "someone plays the harp", "music of a harp", "a harp"]
    clip = {
        "raw_name": "one.wav",
        "references": known,
        "HC": [known[0], known[1], "h1", "h2", [1, 1, 0, 1]],
        "HM": [known[0], "a dog barks", "h1", "machine", [1, 1, 1, -1]],
        "MM_1": ["a harp sounds", "a drum", "m1", "m2", [0, 0, 1, -1]],
    }
    (tmp_path / "pairs.json").write_text(json.dumps([clip, {**clip, "raw_name": "two.wav"}]))
    pairs = read_labelled(tmp_path / "pairs.json")
    assert [pair.kind for pair in pairs] == ["HC", "HM", "MM"] * 2  # type: ignore[union-attr]
    without = [tuple(text for text in known if text != known[number]) for number in (0, 1)]
    assert pairs[0].references == tuple(without)
    assert pairs[1].references == (without[0], without[0])
    assert pairs[2].references == (tuple(known), tuple(known))
    found = alm("metric-check", tmp_path / "pairs.json", "--metrics", "token_f1,rouge_l", "--json").json
    assert (found["items"], found["labelled"], found["clips"]) == (6, 4, 2)
    assert found["metrics"]["token_f1"]["by_kind"]["HM"] == {
        "agreement": 1,
        "n": 2,
        "interval": pytest.approx([0.34, 1], abs=0.01),
        "reason": None,
    }
    assert found["metrics"]["token_f1"]["by_kind"]["MM"]["reason"] == "people decide no pair"
    assert "4 of 6 pairs of pairs.json" in alm("metric-check", tmp_path / "pairs.json", "--metrics", "token_f1").out


def test_real_answers_equal_plain_scipy(shared: Path) -> None:
    answers = read_labelled(shared / "data/aqeval/val.csv")
    assert all(isinstance(one, LabelledAnswer) for one in answers)
    check = check_metrics_on_answers(answers, ["token_f1"])  # type: ignore[arg-type]
    with (shared / "data/aqeval/val.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = [compute_token_f1(row["response"], [row["reference"]]) for row in rows]
    labels = [float(row["final_annotation"]) for row in rows]
    found = check.agreements["token_f1"]
    assert found.all.spearman.value == pytest.approx(spearmanr(scores, labels).statistic)  # type: ignore[union-attr]
    assert found.all.n == check.labelled == 1968  # type: ignore[union-attr]
    short = [index for index, row in enumerate(rows) if row["type"] == "short"]
    expected = spearmanr([scores[index] for index in short], [labels[index] for index in short]).statistic
    assert found.by_type["short"].spearman.value == pytest.approx(expected)  # type: ignore[union-attr]


def test_corrected_rates_are_peoples_on_the_other_half(shared: Path) -> None:
    """One-word questions, four models: half of the labels correct the rule's rate, the other half has people's rate.

    People's own rate of 57 answers has a standard error of 4 to 5 points, so the mean over five halvings is compared.
    """
    with (shared / "data/aqeval/val.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["type"] == "word"]
    labels = np.array([float(row["final_annotation"]) for row in rows])
    scores = np.array([float(contains_reference(r["response"], [r["reference"]], r["question"])) for r in rows])
    models = np.array([row["model"] for row in rows])
    for clear in (labels != 0.5, np.ones(len(labels), bool)):
        for model in sorted(set(models)):
            errors, biases, covered = [], [], 0
            for seed in range(5):
                half = np.random.default_rng(seed).random(len(clear[clear])) < 0.5
                chosen = np.zeros(len(rows), bool)
                chosen[np.flatnonzero(clear)[half]] = True
                here, there = chosen & (models == model), clear & ~chosen & (models == model)
                found = estimate_rate(labels[here].tolist(), scores[here].tolist(), scores[there].tolist())
                errors.append((found.value or 0) - labels[there].mean())
                biases.append(scores[there].mean() - labels[there].mean())
                covered += (found.low or 1) <= labels[there].mean() <= (found.high or 0)
            assert abs(np.mean(errors)) <= 0.04, model
            assert abs(np.mean(errors)) < abs(np.mean(biases)), "the correction helps"
            assert covered >= 4


@pytest.mark.slow
def test_real_pairs_of_captions_give_the_known_figures(shared: Path) -> None:
    pairs = read_labelled(shared / "data/caption_preferences/clotho_eval.json")
    assert all(isinstance(pair, CaptionPair) for pair in pairs)
    check = check_metrics_on_pairs(pairs, ["cider", "bleu_4", "rouge_l"])  # type: ignore[arg-type]
    assert check.labelled == 1555
    found = {name: 100 * one.all.value for name, one in check.agreements.items()}  # type: ignore[union-attr,operator]
    assert found == pytest.approx({"cider": 63.4, "bleu_4": 60.6, "rouge_l": 59.7}, abs=0.5)
