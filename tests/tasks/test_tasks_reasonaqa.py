"""ReasonAQA's own parts: options that stand inline, a file of many parts, multiple choice and answers in detail."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, model, only_run, outputs, refusal, replay, stored, tone

from alm_bench.core import DataError, UsageError
from alm_bench.core.prompt import render
from alm_bench.data import LocalRoot
from alm_bench.data.inline_options import split_options
from alm_bench.demo import create_demo_root
from alm_bench.plugins import catalogue
from alm_bench.tasks.mmau.demo import build_mmau_items
from alm_bench.tasks.reasonaqa.rows import PARTS, normalise_part_name

TASKS = ("clotho-mcq", "audiocaps-mcq", "clotho-detail", "audiocaps-detail")
UNREADABLE, AMBIGUOUS, REFERENCE_NOT_AN_OPTION = (
    "options cannot be read",
    "options can be read in several ways",
    "gold not among the options",
)


@pytest.mark.parametrize(
    ("asked", "answer", "choices", "target"),
    [
        ("what? a) dog b) cat", "b) cat", ["dog", "cat"], 1),
        ("What?\nA) a dog\nB) a cat\n C) a big frog", "a big frog", ["a dog", "a cat", "a big frog"], 2),
        ("what? (a) dog (barking) (b) cat", "(b) cat", ["dog (barking)", "cat"], 1),
        ("what?a) dog, b)cat; c) frog.", "C) Frog", ["dog", "cat", "frog."], 2),
        ("what? a. dog b. e.g. cat", "e.g. cat", ["dog", "e.g. cat"], 1),
        ("what? A: dog\nB: cat", "A", ["dog", "cat"], 0),
        ("which of (a) and (b) is heard? a) x b) y c) z", "b) y", ["x", "y", "z"], 1),
        ("what? a) meat b) vitamin c) rich food", "b) vitamin c) rich food", ["meat", "vitamin c) rich food"], 1),
        ("what? a) hepatitis b b) hepatitis c)", "b) hepatitis c)", ["hepatitis b", "hepatitis c)"], 1),
        ("what? a) a man b) man", "a man", ["a man", "man"], 0),
        ("what? " + " ".join(f"{c}) no {c}" for c in "abcdefgh"), "h) no h", [f"no {c}" for c in "abcdefgh"], 7),
    ],
)
def test_options_are_read_from_the_question(asked: str, answer: str, choices: list[str], target: int) -> None:
    found = split_options(asked, answer)
    assert (list(found.choices), found.target, found.skip) == (choices, target, None)
    assert found.question.endswith("?")


@pytest.mark.parametrize(
    ("asked", "answer", "skip"),
    [
        ("what is heard?", "a dog", UNREADABLE),
        ("what? a) dog", "a) dog", UNREADABLE),
        ("a) dog b) cat", "a) dog", UNREADABLE),
        ("what? a) b) cat", "b) cat", UNREADABLE),
        ("what? a) dog b) cat", "c) frog", REFERENCE_NOT_AN_OPTION),
        ("what? a) dog b) cat", "b) dog", REFERENCE_NOT_AN_OPTION),
        ("what? a) dog b) cat", "", REFERENCE_NOT_AN_OPTION),
        ("what is in part a) of it? a) dog b) cat", "b) cat", AMBIGUOUS),
        ("what? " + "a) x " * 300 + "b) y " * 300, "b) y", REFERENCE_NOT_AN_OPTION),
    ],
)
def test_what_cannot_be_read_is_not_guessed(asked: str, answer: str, skip: str) -> None:
    found = split_options(asked, answer)
    assert (found.target, found.skip) == (None, skip)


@pytest.mark.parametrize("option", ["{a}) {text}", "({a}) {text}", "{A}) {text}", "({A}) {text}", "{a}. {text}"])
@pytest.mark.parametrize("join", [" ", "\n", ", "])
def test_real_options_come_back_as_they_were(shared: Path, option: str, join: str) -> None:
    """MMAU's 1,000 questions, of 2 to 8 options with every mark that people put into them."""
    rows = json.loads((shared / "data/mmau/mmau-test-mini.2025-08-09.json").read_text(encoding="utf-8"))
    for row in rows:
        marked = [option.format(a="abcdefgh"[n], A="ABCDEFGH"[n], text=text) for n, text in enumerate(row["choices"])]
        gold = row["choices"].index(row["answer"])
        found = split_options(f"{row['question']} {join.join(marked)}", f"{'abcdefgh'[gold]}) {row['answer']}")
        assert found.skip is None, row
        assert [*found.choices] == [" ".join(text.split()).rstrip(" ,;") for text in row["choices"]]
        assert found.target is not None
        assert row["choices"][found.target] == row["answer"]


def row(subtype: str, clip: str, asked: str, answer: str, **more: str) -> dict[str, str]:
    taskname = "audiocaps" if "AudioCaps" in clip else "clothov21"
    texts = {"filepath2": "", "caption1": "a caption", "caption2": ""}
    return {
        "taskname": taskname,
        "filepath1": clip,
        **texts,
        "input": asked,
        "answer": answer,
        "subtype": subtype,
    } | more


RAIN, BELL = "ClothoV21/evaluation/Rain, on (tin) roof.wav", "ClothoV21/evaluation/bell.wav"
DOG = "AudioCapsLarger/test/Y-dog.wav"
ROWS = [
    row("Clotho_MCQ.json", RAIN, "what is heard? a) rain b) wind c) a dog", "a) rain"),
    row("CLE.json", RAIN, "based on the audio, ... a) it is definitely true", "a) it is definitely true"),
    row("Clotho_MCQ.json", RAIN, "how loud is it?\nA) very\nB) not at all", "not at all"),
    row("AudioCaps_MCQ.json", DOG, "who barks? (a) a dog (b) a fox", "(a) a dog"),
    row("Clotho_MCQ.json", BELL, "what rings?", "a bell"),
    row("Clotho_MCQ.json", BELL, "what rings? a) bell b) gong", "c) chime"),
    row("ACD-1.json", DOG, "explain the difference in few words", "Audio 1 barks.", filepath2=DOG),
    row("Clotho_Detail.json", RAIN, "Describe the scene in detail.", "Rain falls on a roof of tin without an end."),
    row("Clotho_Detail.json", BELL, "describe the bell", "A large bell rings twice in the distance."),
    row("AudioCaps_Detail.json", DOG, "describe the dog", "The dog barks at a car that passes by."),
    row("Temporal.json", DOG, "what comes first?", "the dog"),
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data"
    for number, clip in enumerate((RAIN, BELL, "AudioCapsLarger/test/-dog.wav")):  # found without its Y too
        tone(root / clip, 200 + 50 * number)
    write(root, ROWS)
    return root


def write(root: Path, rows: Any, split: str = "test") -> Path:
    file = root / f"reasonaqa/{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows), encoding="utf-8")
    return file


def samples(root: Path, task: str, split: str = "test") -> list[Any]:
    return list(catalogue().get_task(task).create().samples(LocalRoot(root), split))


def test_each_task_takes_its_part(data: Path) -> None:
    found = {task: samples(data, task) for task in TASKS}
    assert [[sample.id for sample in found[task]] for task in TASKS] == [
        ["Rain, on (tin) roof#0", "Rain, on (tin) roof#1", "bell#0", "bell#1"],
        ["Y-dog#0"],
        ["Rain, on (tin) roof#0", "bell#0"],
        ["Y-dog#0"],
    ]
    assert [sample.skip for sample in found["clotho-mcq"]] == [None, None, UNREADABLE, REFERENCE_NOT_AN_OPTION]
    (dog,) = found["audiocaps-mcq"]
    assert (dog.choices, dog.target, dog.gold) == (("a dog", "a fox"), 0, "a dog")
    assert dog.groups == {"taskname": "audiocaps", "clip": "AudioCapsLarger/test/Y-dog.wav"}
    assert dog.audio[0].path.name == "-dog.wav"
    native, letters = (catalogue().get_task("clotho-mcq").load_prompts()[name] for name in ("native", "letters"))
    loud = found["clotho-mcq"][1]
    assert render(loud, native).prompt == "how loud is it? a) very b) not at all"
    assert "(B) not at all\nAnswer with the letter" in render(loud, letters).prompt
    detail = catalogue().get_task("clotho-detail").load_prompts()
    assert render(found["clotho-detail"][0], detail["native"]).prompt == "describe the scene in detail."
    assert "whole sentences" in render(found["clotho-detail"][0], detail["letters"]).prompt


@pytest.mark.parametrize(
    "name", ["clotho-mcq.json", "ClothoV21_MCQ.json", "CLOTHO_mcq", "Clotho MCQ", "clothov2.1-mcq"]
)
def test_parts_are_known_however_they_are_written(data: Path, name: str) -> None:
    write(data, [{**ROWS[0], "subtype": name}], "val")
    assert len(samples(data, "clotho-mcq", "val")) == 1


def test_known_parts_are_those_of_the_papers_table(shared: Path) -> None:
    table = (shared / "published/table1_reasonaqa.csv").read_text().split()[1:-1]
    assert sorted(line.partition(",")[0] for line in table) == sorted(PARTS)
    assert len({*map(normalise_part_name, PARTS)}) == len(PARTS)
    assert {normalise_part_name(f"{part}-{tier}.json") for part in ("ACD", "CLD") for tier in "123"} == {"acd", "cld"}


def test_unknown_parts_are_listed_once(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for task in (*TASKS, *TASKS):
        samples(data, task)
    said = capsys.readouterr().err
    assert said == f"{data / 'reasonaqa/test.json'}: parts that no task reads: Temporal.json\n"


def test_multiple_choice_is_scored_and_what_cannot_be_is_counted(data: Path) -> None:
    said = {"Rain, on (tin) roof#0": "a) rain", "Rain, on (tin) roof#1": "very", "bell#0": "a bell", "bell#1": "gong"}
    where = ("--data", data, "--out", "runs", "--json")
    ran = alm("run", *replay(outputs(Path("said.json"), said)), "--tasks", "clotho-mcq", *where)
    assert ran.status == 0, ran.err
    run = ran.run
    assert (run["n"], run["skipped"], run["main"]) == (2, 2, "accuracy")
    assert run["reasons"] == {UNREADABLE: 1, REFERENCE_NOT_AN_OPTION: 1}
    assert run["metrics"]["accuracy"]["value"] == 0.5
    assert run["groups"]["taskname"]["clothov21"]["accuracy"]["value"] == 0.5
    assert run["baselines"]["uniform guess (expected)"]["accuracy"]["value"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert run["margins"]["all"]["all"]["baseline_value"] == pytest.approx(0.5)
    assert [record["status"] for record in stored(only_run(Path("runs")))] == ["ok", "ok", "skipped", "skipped"]


def test_options_that_cannot_be_read_are_no_failure_of_who_scores_them(data: Path) -> None:
    body = """
    def loglikelihood(self, batch):
        from alm_bench.core import OptionScores
        scores = [[(-1.0 - n, 1) for n in range(len(one.choices))] for one in batch]
        return [OptionScores({"text": each}) if each else OptionScores(error="none") for each in scores]
"""
    asked = ("--model", model(Path("m.py"), body), "--tasks", "clotho-mcq", "--answer-by", "likelihood")
    ran = alm("run", *asked, "--data", data, "--json")
    assert (ran.status, ran.run["n"], ran.run["status"]["skipped"]) == (0, 2, 2), ran.err
    assert ran.run["reasons"] == {UNREADABLE: 1, REFERENCE_NOT_AN_OPTION: 1}
    again = alm("score", only_run(Path("results/runs")), "--json").run
    assert again["reasons"] == ran.run["reasons"]


def test_details_are_scored_as_captions_are(data: Path) -> None:
    said = {"Rain, on (tin) roof#0": ROWS[7]["answer"], "bell#0": ROWS[8]["answer"]}
    where = ("--data", data, "--out", "runs", "--metrics", "cider,rouge_l", "--json")
    run = alm("run", *replay(outputs(Path("said.json"), said)), "--tasks", "clotho-detail", *where).run
    assert (run["n"], run["main"]) == (2, "cider")
    assert run["metrics"]["rouge_l"]["value"] == pytest.approx(1)
    assert run["baselines"]["another item's reference"]["rouge_l"]["value"] < 0.4
    lead = run["margins"]["all"]["all"]
    assert (lead["baseline"], lead["metric"]) == ("another item's reference", "cider")
    assert lead["margin"]["value"] == pytest.approx(
        run["metrics"]["cider"]["value"] - run["baselines"]["another item's reference"]["cider"]["value"]
    )


def test_a_row_without_an_answer_is_skipped(data: Path) -> None:
    write(data, [ROWS[7], {**ROWS[8], "answer": " "}])
    assert [sample.skip for sample in samples(data, "clotho-detail")] == [None, "the row has no answer"]
    run = alm("run", "--model", "echo", "--tasks", "clotho-detail", "--data", data, "--metrics", "cider", "--json").run
    assert (run["n"], run["skipped"]) == (1, 1)


def test_metrics_are_an_option_of_details_alone(data: Path) -> None:
    asked = ("run", "--model", "echo", "--data", data, "--metrics", "cider", "--json")
    runs = alm(*asked, "--tasks", "reasonaqa").json["runs"]
    assert [run["task"] for run in runs] == ["clotho-mcq", "clotho-detail", "audiocaps-mcq", "audiocaps-detail"]
    assert ["cider" in run["metrics"] for run in runs] == [False, True, False, True]
    assert "none of clotho-mcq is a captioning or open-ended task" in refusal(alm(*asked, "--tasks", "clotho-mcq"))
    with pytest.raises(UsageError, match="task clotho-mcq has no option 'metrics'; known: none"):
        catalogue().get_task("clotho-mcq").create({"metrics": "cider"})


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"rows": ROWS}, "expected a JSON list of objects with filepath1, input, answer and subtype"),
        ([*ROWS, "a row"], "expected a JSON list of objects with filepath1, input, answer and subtype"),
        (ROWS[1:2], "no rows of the part clotho_mcq; parts there: CLE.json"),
        ([], "no rows of the part clotho_mcq; parts there: none"),
        ([{**ROWS[0], "filepath1": ""}], "row 0: field 'filepath1' is '', expected text"),
        ([ROWS[1], {**ROWS[0], "input": None}], "row 1: field 'input' is None, expected text"),
        ([{**ROWS[0], "answer": 3}], "row 0: field 'answer' is 3, expected text"),
    ],
)
def test_other_layouts_are_refused(data: Path, rows: Any, reason: str) -> None:
    file = write(data, rows)
    with pytest.raises(DataError) as caught:
        samples(data, "clotho-mcq")
    assert str(caught.value) == f"{file}: {reason}"


def test_the_demo_world_asks_in_the_words_of_its_training_rows(tmp_path: Path) -> None:
    root = create_demo_root(catalogue().get_task("clotho-mcq").load_demo(), tmp_path, test=96, train=600, val=60)
    test, train = (json.loads((root.path / f"reasonaqa/{split}.json").read_text()) for split in ("test", "train"))
    for task in TASKS:
        entry = catalogue().get_task(task)
        found = list(entry.create().samples(root, "test"))
        asked = [one["input"] for one in test if normalise_part_name(one["subtype"]) == normalise_part_name(task)]
        assert [render(sample, entry.load_prompts()["native"]).prompt for sample in found] == asked
        assert len(found) == 96
        assert all(sample.skip is None and sample.audio[0].read is not None for sample in found)
        assert {tuple(one) for one in test} == {tuple(train[0])}
    golds = [sample.target for sample in catalogue().get_task("clotho-mcq").create().samples(root, "test")]
    assert {golds.count(place) for place in (2, 3)} == {15}, "four options, each right as often"
    heard = {json.dumps(root.get_scene(one["filepath1"]).pack()) for one in test}
    trained = {json.dumps(root.get_scene(one["filepath1"]).pack()) for one in train}
    assert len(heard) == 192
    assert not heard & trained
    assert not heard & {json.dumps(scene.pack()) for scene in build_mmau_items("test", 320).scenes.values()}


def test_difference_tasks_read_their_own_files_before_those_of_reasonaqa(tmp_path: Path) -> None:
    rows = create_demo_root(catalogue().get_task("clotho-mcq").load_demo(), tmp_path, test=4, train=80, val=60)
    for task in ("cld-1", "acd-3"):
        entry = catalogue().get_task(task)
        root = create_demo_root(entry.load_demo(), tmp_path, pairs=5, cle=4, ace=4, audiocaps=6)
        created, split = entry.create(), entry.card.default_split
        before = [*created.samples(root, split)]
        (root.path / "reasonaqa").mkdir(exist_ok=True)
        (root.path / "reasonaqa/test.json").write_bytes((rows.path / "reasonaqa/test.json").read_bytes())
        assert [path.suffix for path in created.files(root, split).values()] == [".csv"]
        assert [(one.id, one.target) for one in created.samples(root, split)] == [(o.id, o.target) for o in before]
