"""Audio entailment: labels told by text, figures as scikit-learn has them, and the row that hears nothing."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, recall_score
from small_world import alm, cle, hypotheses, only_run, outputs, refusal, replay, stored, write_csv

from alm_bench.core import Parsed, Sample, Scored
from alm_bench.core.prompt import render
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue

TRUE, FALSE, PLAUSIBLE, CANNOT = CHOICES = (
    "it is definitely true",
    "it is definitely false",
    "it is plausible",
    "i cannot determine",
)
TEXT = {"entailment": TRUE, "neutral": PLAUSIBLE, "contradiction": FALSE}
LABELS = ("entailment", "neutral", "contradiction")


def real(shared: Path, root: Path) -> Path:
    shutil.copytree(shared / "data/entailment", root / "entailment")
    return root


@pytest.mark.parametrize(("task", "items", "clips", "floor"), [("cle", 3135, 1045, 0.87), ("ace", 14_625, 975, 0.90)])
def test_real_size_and_the_row_that_hears_nothing(
    shared: Path, tmp_path: Path, task: str, items: int, clips: int, floor: float
) -> None:
    data = real(shared, tmp_path)
    entry = catalogue().get_task(task)
    samples = list(entry.create().samples(LocalRoot(data), entry.card.default_split))
    assert len({sample.id for sample in samples}) == len(samples) == items
    assert len({sample.groups["clip"] for sample in samples}) == clips
    where = ("--data", data, "--out", data / "runs", "--batch-size", 1000)
    ran = alm("run", "--model", "blind", "--tasks", task, *where, "--json")
    found = ran.run
    assert (ran.status, found["n"], found["revision"].split()[0]) == (0, items, "AudioEntailment")
    hypothesis_only = found["baselines"]["hypothesis only"]["accuracy"]
    assert floor <= hypothesis_only["value"] <= floor + 0.03, "figures far above would mean that golds leak"
    assert hypothesis_only["low"] < hypothesis_only["value"] < hypothesis_only["high"]
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(1 / 3), "always 'definitely true'"
    assert found["baselines"]["most frequent label"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert found["baselines"]["uniform guess (expected)"]["accuracy"]["value"] == pytest.approx(1 / 4)


def test_without_development_rows_the_row_says_why(tmp_path: Path) -> None:
    data = cle(tmp_path, development=0)
    found = alm("run", "--model", "blind", "--tasks", "cle", "--data", data, "--out", data / "runs", "--json").run
    row = found["baselines"]["hypothesis only"]["accuracy"]
    assert row["value"] is None
    assert "clotho_entailment_validation.csv is not there" in row["reason"]


def scored(sample: Sample, text: str | None) -> Scored:
    task = catalogue().get_task("cle").create()
    if text is None:
        return Scored(sample, "error", None, None, {})
    parsed = task.parse(sample, text)
    status: Any = "ok" if parsed.status == "ok" else "unparsed"
    return Scored(sample, status, text, parsed, task.grade(sample, text, parsed))


def item(number: int, label: str, choices: tuple[str, ...] = CHOICES) -> Sample:
    return Sample(
        id=f"{number}-{label}",
        fields={"hypothesis": f"hypothesis {number}"},
        choices=choices,
        target=choices.index(TEXT[label]),
        gold=TEXT[label],
        groups={"label": label, "clip": f"clip {number // 3}"},
    )


def counts(rows: list[Scored]) -> list[list[int]]:
    table = catalogue().get_task("cle").create().score(rows).tables["confusion"]
    assert table["rows"] == list(LABELS)
    assert table["columns"] == [*LABELS, "none"]
    found: list[list[int]] = table["counts"]
    return found


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_told_by_the_options_text(order: tuple[int, ...], label: str) -> None:
    """Whatever the options' order, the text or its letter gives the label that the text states."""
    choices = tuple(CHOICES[i] for i in order)
    letter = "abcd"[choices.index(TEXT[label])]
    sample = item(0, label, choices)
    texts = (TEXT[label], f"{letter}) {TEXT[label]}", letter, TEXT[label].upper(), f"({letter.upper()})")
    rows = [scored(sample, text) for text in texts]
    assert all(row.scores == {"accuracy": 1.0} for row in rows)
    matrix = counts(rows)
    assert matrix[LABELS.index(label)][LABELS.index(label)] == len(texts)
    assert sum(map(sum, matrix)) == len(texts)


@pytest.mark.parametrize("text", [CANNOT, "d", "d) I cannot determine", "", "It might be.", None])
def test_no_label_is_wrong_and_in_the_column_none(text: str | None) -> None:
    rows = [scored(item(i, label), text) for i, label in enumerate(LABELS)]
    assert counts(rows) == [[0, 0, 0, 1]] * 3
    score = catalogue().get_task("cle").create().score(rows)
    assert {score.metrics[name].value for name in ("accuracy", "precision", "recall", "f1", "eacc")} == {0.0}
    assert score.metrics["answered"].value == float(text is not None and scored(rows[0].sample, text).status == "ok")


def test_abstaining_is_answering() -> None:
    row = scored(item(0, "neutral"), CANNOT)
    assert row.parsed == Parsed("ok", "exact", 3, CANNOT, (0, len(CANNOT)))


class CountedRows(list[Scored]):
    """Rows that count how often they are gone through."""

    passes = 0

    def __iter__(self) -> Iterator[Scored]:
        self.passes += 1
        return super().__iter__()


def test_the_most_frequent_label_is_counted_once_not_row_by_row() -> None:
    rows = CountedRows(scored(item(i, LABELS[i % 3]), TRUE) for i in range(60))
    assert catalogue().get_task("cle").create().blind_scores(rows)["most frequent label"] == [1.0, 0.0, 0.0] * 20
    assert rows.passes < 10


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_scikit_learns(seed: int) -> None:
    draw = random.Random(seed)
    said_options = [TRUE, FALSE, PLAUSIBLE, CANNOT, "no idea"]
    weights = [draw.random() for _ in said_options]
    if seed == 4:
        weights[0] = 0  # a label that is never said has no precision: 0
    golds = [draw.choice(LABELS) for _ in range(200)]
    texts = draw.choices(said_options, weights, k=200)
    rows = [scored(item(i, gold), text) for i, (gold, text) in enumerate(zip(golds, texts, strict=True))]
    label_of = {text: label for label, text in TEXT.items()}
    said = [label_of.get(text, "none") for text in texts]
    metrics = catalogue().get_task("cle").create().score(rows).metrics
    p, r, f, _ = precision_recall_fscore_support(golds, said, labels=LABELS, average="macro", zero_division=0)
    recalls = recall_score(golds, said, labels=LABELS, average=None, zero_division=0)
    expected = dict(zip(("precision", "recall", "f1"), (p, r, f), strict=True))
    expected |= dict(zip(("eacc", "nacc", "cacc"), recalls, strict=True)) | {"accuracy": accuracy_score(golds, said)}
    assert {name: metrics[name].value for name in expected} == pytest.approx(expected)
    assert all(metrics[name].low <= metrics[name].value <= metrics[name].high for name in expected)  # type: ignore[operator]
    assert [metrics[name].n for name in ("accuracy", "eacc", "nacc", "cacc")] == [200, *map(golds.count, LABELS)]


def test_three_items_a_row_and_figures_of_a_run(tmp_path: Path) -> None:
    data = cle(tmp_path, count=5)
    texts: dict[str, str] = {}
    for number, row in enumerate(hypotheses(5)):
        for label in LABELS:
            said = PLAUSIBLE if label == "contradiction" and number < 2 else TEXT[label]
            texts[f"{row[1]}#{number // 3}-{label}"] = said
    said_file = outputs(tmp_path / "said.json", texts)
    ran = alm("run", *replay(said_file), "--tasks", "cle", "--data", data, "--out", data / "runs", "--json")
    found = ran.run
    assert (ran.status, found["n"], found["status"]["ok"]) == (0, 15, 15)
    assert found["tables"]["confusion"]["counts"] == [[5, 0, 0, 0], [0, 5, 0, 0], [0, 2, 3, 0]]
    assert found["metrics"].pop("accuracy_not_text_solvable")["reason"] == "hypothesis only answers all 15 items"
    assert {k: round(m["value"], 4) for k, m in found["metrics"].items()} == {
        "accuracy": 0.8667,
        "precision": 0.9048,  # (1 + 5/7 + 1) / 3
        "recall": 0.8667,
        "f1": 0.8611,  # (1 + 10/12 + 6/8) / 3
        "eacc": 1.0,
        "nacc": 1.0,
        "cacc": 0.6,
        "answered": 1.0,
        "accuracy_imputed": 0.8667,
    }
    rows = stored(only_run(data / "runs"))
    assert {row["groups"]["clip"] for row in rows} == {"clip 0.wav", "clip 1.wav", "clip 2.wav"}
    assert json.dumps(rows[0]["fields"]) == '{"hypothesis": "Tone 0 is there."}'


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        (["Dataset", "Audio", "Caption", "Entailment", "Neutral", "Contradiction"], [], "no column 'Audio file'"),
        (["Dataset", "Audio file", "Caption", "Entailment", "Neutral", "Contradiction"], [["x", "y.wav"]], "line 2"),
        (["Dataset", "Audio file", "Caption", "Entailment", "Neutral", "Contradiction"], [], "has no items"),
    ],
)
def test_a_malformed_csv_is_named(tmp_path: Path, header: list[str], rows: list[list[str]], expected: str) -> None:
    write_csv(tmp_path / "entailment/clotho_entailment_evaluation.csv", rows, header)
    line = refusal(alm("run", "--model", "blind", "--tasks", "cle", "--data", tmp_path, "--out", tmp_path / "runs"))
    assert expected in line


def test_audiocaps_names_find_their_clips(tmp_path: Path) -> None:
    """`Y<id>`, `<id>` and `<id>_<start>` are names of one clip."""
    names = ["Yaaaaaaaaaaa", "Ybbbbbbbbbbb", "Yccccccccccc", "Yddddddddddd"]
    rows = [["Audiocaps", name, "a", f"{name} e", f"{name} n", f"{name} c"] for name in names]
    write_csv(tmp_path / "entailment/audiocaps_entailment_test.csv", rows)
    folder = tmp_path / "AudioCapsLarger/test"
    folder.mkdir(parents=True)
    for file in ("Yaaaaaaaaaaa.wav", "bbbbbbbbbbb.wav", "ccccccccccc_30.wav"):
        (folder / file).write_bytes(b"RIFF")
    samples = list(catalogue().get_task("ace").create().samples(LocalRoot(tmp_path), "test"))
    assert [sample.audio[0].path.name for sample in samples[::3]] == [
        "Yaaaaaaaaaaa.wav",
        "bbbbbbbbbbb.wav",
        "ccccccccccc_30.wav",
        "Yddddddddddd.wav",  # expected there, and reported as missing
    ]


NATIVE = (
    'based on the audio, what can be said about the hypothesis - "tone 0 is there."? '
    "a) it is definitely true b) it is definitely false c) it is plausible d) i cannot determine"
)
LETTERS = """Based on the audio, what can be said about the hypothesis "Tone 0 is there."?
(A) it is definitely true
(B) it is definitely false
(C) it is plausible
(D) i cannot determine
Answer with the letter of the correct option."""
R1_AQA = (
    'Based on the audio, what can be said about the hypothesis "Tone 0 is there."? Please choose the answer from the '
    "following options: ['it is definitely true', 'it is definitely false', 'it is plausible', 'i cannot determine']. "
    "Output the final answer in <answer> </answer>."
)


@pytest.mark.parametrize(
    ("task", "name", "expected", "digest"),
    [
        ("cle", "native", NATIVE, "79a30cef07d1"),
        ("cle", "letters", LETTERS, "709fcffcdd91"),
        ("cle", "bare", "Tone 0 is there.", "a0db68548e22"),
        ("cle", "r1-aqa", R1_AQA, "d926f6eb2aeb"),
        ("ace", "native", NATIVE, "9bec8d4f8890"),
        ("ace", "letters", LETTERS, "367239c20e07"),
    ],
)
def test_rendered_prompts_are_frozen(tmp_path: Path, task: str, name: str, expected: str, digest: str) -> None:
    """A changed wording needs a new version and new figures: change these lines only with both."""
    template = catalogue().get_task(task).load_prompts()[name]
    sample = next(iter(catalogue().get_task("cle").create().samples(LocalRoot(cle(tmp_path, 1)), "evaluation")))
    assert {"native", "letters", "bare", "r1-aqa", "sari-free"} <= set(catalogue().get_task(task).load_prompts())
    assert render(sample, template).prompt == expected
    assert (template.id, template.version, template.hash) == (f"{task}/{name}", 1, digest)
