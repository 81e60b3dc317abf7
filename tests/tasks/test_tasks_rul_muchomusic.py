"""RUL-MuchoMusic: an order of options by the id, the authors' rule, and the perceptual index."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, only_run, outputs, replay, stored, tone

from alm_bench.core import DataError, Sample, Scored
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.scoring.blind import LONGEST, UNIFORM
from alm_bench.tasks.rul_muchomusic.official import find_official_option

OPTIONS = ("slow bells", "a fast drum", "low strings", "bright horns", "a soft choir")


def questions(count: int = 20) -> dict[str, dict[str, Any]]:
    """Invented questions. Every fourth one has a correct option that is longer than all others."""
    return {
        str(number + 2): {
            "question": f"What leads piece {number}?",
            "caption": f"The secret of piece {number}.",
            "correct_answer": f"oboe {number}" + (" " * (number % 4 == 0) + "and a long cadence") * (number % 4 == 0),
            "distractors": [f"{option} {number}" for option in OPTIONS[:4]],
            "PI": round(0.05 * number + 0.01, 2),
        }
        for number in range(count)
    }


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/rul-muchomusic"
    folder.mkdir(parents=True)
    (folder / "RUL-MuchoMusic.json").write_text(json.dumps(questions()), encoding="utf-8")
    for number, key in enumerate(questions()):
        tone(folder / f"audio/{key}.wav", 200 + 20 * number, seconds=0.1)
    return tmp_path / "data"


def samples(root: Path) -> list[Sample]:
    return list(catalogue().get_task("rul-muchomusic").create().samples(LocalRoot(root), "test"))


def test_options_have_an_order_of_their_own_that_no_other_question_changes(data: Path) -> None:
    found = samples(data)
    assert [sample.gold for sample in found] == [each["correct_answer"] for each in questions().values()]
    assert [sample.choices[sample.target] for sample in found] == [sample.gold for sample in found]
    assert len({sample.target for sample in found}) == 5
    few = dict(list(questions().items())[7:9])
    (data / "rul-muchomusic/RUL-MuchoMusic.json").write_text(json.dumps(few), encoding="utf-8")
    assert [(sample.id, sample.choices) for sample in samples(data)] == [(s.id, s.choices) for s in found[7:9]]


def test_the_caption_is_in_no_prompt_and_in_no_record(data: Path) -> None:
    ran = alm("run", "--model", "echo", "--tasks", "rul-muchomusic", "--data", data, "--prompt", "official", "--json")
    assert ran.status == 0, ran.err
    assert ran.run["status"]["error"] == 0, "clips of another suffix are found"
    assert "secret" not in (only_run(Path("results/runs")) / "samples.jsonl").read_text()
    assert all("[[Letter]]" in record["prompt"] for record in stored(only_run(Path("results/runs"))))
    for template in catalogue().get_task("rul-muchomusic").load_prompts().values():
        for sample in samples(data):
            assert "secret" not in template.render(sample.fields, sample.choices)


def test_weights_and_bands_are_those_of_a_plain_computation(data: Path) -> None:
    found = samples(data)
    answers = {s.id: s.choices[s.target] if n % 3 else s.choices[s.target - 1] for n, s in enumerate(found)}
    file = outputs(Path("said.json"), answers)
    run = alm("run", *replay(file), "--tasks", "rul-muchomusic", "--data", data, "--json").run
    index = {key: each["PI"] for key, each in questions().items()}
    right = {s.id: n % 3 != 0 for n, s in enumerate(found)}
    weighted = sum(index[key] for key in index if right[key]) / sum(index.values())
    figure = run["metrics"]["pi_weighted_accuracy"]
    assert figure["value"] == pytest.approx(weighted)
    assert figure["low"] < weighted < figure["high"]
    assert run["metrics"]["accuracy"]["value"] == pytest.approx(sum(right.values()) / 20)
    bands = {"0.0 to 0.7": (0, 0.7), "0.7 to 0.8": (0.7, 0.8), "0.8 to 0.9": (0.8, 0.9), "0.9 to 1.0": (0.9, 1)}
    for name, (low, high) in bands.items():
        inside = [key for key in index if low <= index[key] < high]
        assert run["groups"]["PI"][name]["accuracy"]["n"] == len(inside)
        share = sum(right[key] for key in inside) / len(inside)
        assert run["groups"]["PI"][name]["accuracy"]["value"] == pytest.approx(share)
    assert run["revision"].startswith("part: 20 of 1,187 items")


def test_the_longest_option_counts_if_it_is_longer_than_all_others(data: Path) -> None:
    task: Any = catalogue().get_task("rul-muchomusic").create()
    rows = [Scored(sample, "ok", "", None, {}) for sample in samples(data)]
    assert task.score(rows).blind[LONGEST]["accuracy"].value == 0.25
    same = Sample("tie", {}, choices=("aa", "bb"), target=0)
    assert task.blind_scores([Scored(same, "ok", "", None, {})])[LONGEST] == [0.0]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("[[A]] or rather [[C]]", 2),
        ("I guess B", 1),
        ("The answer is d", 3),
        ("Option B fits, option A does not", 0),
        ("(E)", 4),
        ("it sounds like BRIGHT HORNS to me", 3),
        ("the answer is a drum", 0),  # their rule takes the article for a letter
        ("I cannot tell", None),
        ("", None),
    ],
)
def test_the_authors_rule(text: str, option: int | None) -> None:
    assert find_official_option(text, OPTIONS) == option
    assert find_official_option("[[E]]", OPTIONS[:4]) is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "?", "correct_answer": "a", "distractors": [], "PI": 0.5}, "distractors is"),
        ({"question": "?", "correct_answer": "a", "distractors": ["b"], "PI": "high"}, "PI is 'high'"),
        ({"question": "?", "correct_answer": "a", "distractors": ["b"], "PI": 1.5}, "PI is 1.5, expected .* 0 to 1"),
        ({"question": "?", "correct_answer": "a", "distractors": ["b"], "PI": float("nan")}, "PI is nan"),
        ({"question": 3, "correct_answer": "a", "distractors": ["b"], "PI": 0.5}, "question is 3"),
    ],
)
def test_malformed_questions_are_refused_in_one_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    (tmp_path / "rul-muchomusic").mkdir()
    (tmp_path / "rul-muchomusic/RUL-MuchoMusic.json").write_text(json.dumps({"7": row}))
    with pytest.raises(DataError, match=message):
        samples(tmp_path)


def test_the_repositorys_file(shared: Path) -> None:
    task: Any = catalogue().get_task("rul-muchomusic").create()
    rows = [Scored(sample, "ok", "", None, {}) for sample in task.samples(LocalRoot(shared / "data"), "test")]
    document = json.loads((shared / "data/rul/RUL-MuchoMusic.json").read_text(encoding="utf-8"))
    longest = [
        len(each["correct_answer"]) > max(map(len, each["distractors"])) for each in document.values()
    ]  # fmt: skip
    baselines = task.score(rows).blind
    assert len(rows) == 1187
    assert baselines[LONGEST]["accuracy"].value == pytest.approx(sum(longest) / 1187)
    assert round(100 * sum(longest) / 1187, 1) == 10.1
    assert baselines[UNIFORM]["accuracy"].value == pytest.approx(0.2, abs=1e-3)
