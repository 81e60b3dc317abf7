"""SAKURA: its layouts, its two questions per clip, and what follows from the pairs."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from small_world import alm, only_run, refusal, stored, tone, write_csv

from alm_bench.core import DataError, Sample, Scored
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.scoring.blind import FIRST, LETTER, LONGEST, UNIFORM

COLUMNS = ["file", "attribute_label", "single_instruction", "single_answer", "multi_instruction", "multi_answer"]


def row(number: int) -> dict[str, str]:
    """An invented row. References rotate through the options; some begin with a blank, some end in a full stop."""
    names = ("owl", "frog", "toad", "crow")
    place = number % 4
    blank, stop = " " if number % 3 == 0 else "", "." if number % 5 == 0 else ""
    options = " ".join(f"({letter}) {name}" for letter, name in zip("abcd", names, strict=True))
    facts = [f"It has {count} of them{stop}" for count in ("one", "two", "three", "four")]
    listed = " ".join(f"({letter}) {fact}" for letter, fact in zip("abcd", facts, strict=True))
    return {
        "file": f"clip{number}.wav",
        "attribute_label": names[place],
        "single_instruction": f"Which one calls in recording {number}? {options}",
        "single_answer": f"{blank}({'abcd'[place]}) {names[place]}",
        "multi_instruction": f"How many legs does the one in recording {number} have?  {listed}",
        "multi_answer": f"({'dabc'[place]}) {facts[(place + 3) % 4]}",
    }


def write_json(path: Path, rows: list[dict[str, str]], track: str) -> None:
    document = {f"data/{track}/audio/{each['file']}": {key: each[key] for key in COLUMNS[1:]} for each in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def write_parquet(path: Path, rows: list[dict[str, str]]) -> None:
    clips = [{"bytes": each["file"].encode(), "path": each["file"]} for each in rows]
    columns = {key: [each[key] for each in rows] for key in COLUMNS[1:]}
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.parquet.write_table(pa.table({"audio": clips, **columns}), path)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty rows, with one synthesised clip each, in the repository's layout."""
    monkeypatch.chdir(tmp_path)
    rows = [row(number) for number in range(20)]
    write_json(tmp_path / "data/sakura/Animal/metadata.json", rows, "Animal")
    for number, each in enumerate(rows):
        tone(tmp_path / "data/sakura/Animal/audio" / each["file"], 200 + 20 * number, seconds=0.1)
    return tmp_path / "data"


def samples(root: Path, **options: str) -> list[Sample]:
    return list(catalogue().get_task("sakura").create(options).samples(LocalRoot(root), "test"))


def test_every_layout_gives_the_same_questions(data: Path, tmp_path: Path) -> None:
    rows, found = [row(number) for number in range(20)], samples(data)
    assert len(found) == 40
    assert [(sample.id, sample.target) for sample in found[:4]] == [
        ("Animal/clip0/single", 0),
        ("Animal/clip0/multi", 3),
        ("Animal/clip1/single", 1),
        ("Animal/clip1/multi", 0),
    ]
    assert found[0].gold == "owl"
    assert all(ref.path.is_file() for sample in found for ref in sample.audio)
    for layout in ("csv", "clone", "parquet"):
        root = tmp_path / layout
        if layout == "csv":
            write_csv(root / "sakura/Animal/metadata.csv", [[each[key] for key in COLUMNS] for each in rows], COLUMNS)
        elif layout == "clone":
            write_json(root / "sakura/data/Animal/metadata.json", rows, "Animal")
        else:
            write_parquet(root / "sakura/AnimalQA/data/test-00000-of-00001.parquet", rows)
        others = samples(root)
        assert [(s.id, s.fields, s.choices, s.target, s.groups) for s in others] == [
            (s.id, s.fields, s.choices, s.target, s.groups) for s in found
        ], layout
    reader = others[0].audio[0].read
    assert reader is not None
    assert reader() == b"clip0.wav"


def test_the_folder_of_the_task_and_of_a_track_are_found(data: Path) -> None:
    assert len(samples(data / "sakura")) == len(samples(data / "sakura/Animal")) == 40


def test_clips_that_have_no_file_come_from_the_hubs_copy(data: Path) -> None:
    write_parquet(data / "sakura/AnimalQA/data/test-00000-of-00001.parquet", [row(number) for number in range(20)])
    (data / "sakura/Animal/audio/clip1.wav").unlink()
    found = {sample.id: sample.audio[0] for sample in samples(data)}
    assert found["Animal/clip0/single"].read is None
    assert found["Animal/clip1/single"].read is not None


def test_the_official_prompt_is_the_instruction(data: Path) -> None:
    template = catalogue().get_task("sakura").load_prompts()["official"]
    for sample in samples(data):
        number, hop = sample.id.split("/")[1].removeprefix("clip"), sample.id.rsplit("/")[-1]
        assert template.render(sample.fields, sample.choices) == " ".join(
            row(int(number))[f"{hop}_instruction"].split()
        )


def test_a_part_of_the_questions_is_named_and_ranked_by_itself(data: Path) -> None:
    assert len(samples(data, hop="single")) == len(samples(data, hop="multi")) == 20
    for hop in ("single", "multi"):
        asked = ("--tasks", "sakura", "--data", data, "--task-arg", f"sakura.hop={hop}", "--json")
        ran = alm("run", "--model", "blind", *asked).run
        assert ran["revision"].startswith("part: 20 of 4,000 items")
        assert ran["task_options"] == {"hop": hop}
    out = alm("leaderboard").out
    assert "sakura hop=single" in out
    assert "sakura hop=multi" in out
    assert out.count("best") >= 2, "neither is ranked below the other"
    first, second = sorted(path.name for path in Path("results/runs").iterdir())
    assert "task options" in refusal(alm("compare", first, second))


def test_figures_of_a_run(data: Path) -> None:
    run = alm("run", "--model", "blind", "--tasks", "sakura", "--data", data, "--json").run
    assert run["metrics"]["accuracy"]["value"] == pytest.approx(0.25)
    assert run["metrics"]["official_accuracy"]["reason"] == "the official rule is a judge model, which was not asked"
    assert run["groups"]["track"]["Animal"]["accuracy"]["n"] == 40
    assert run["groups"]["hop"]["Animal, single"]["accuracy"]["n"] == 20
    whole, track = run["tables"]["pairs"]
    assert (whole["pairs"], whole["unpaired"], track["key"]) == (20, 0, "Animal")
    assert run["metrics"]["reasoning_given_perception"] == whole["given_right"]
    assert whole["given_right"]["value"] == 0.0, "no clip has its first option right in both questions"
    assert run["baselines"][FIRST]["reasoning_given_perception"]["value"] == 0.0
    folder = only_run(Path("results/runs"))
    again = alm("score", folder.name, "--details", "--json").run
    assert again["tables"] == run["tables"]
    card = alm("score", folder.name, "--details").out
    assert "multi if single is right" in card


def test_echo_decodes_every_clip(data: Path) -> None:
    ran = alm("run", "--model", "echo", "--tasks", "sakura", "--data", data, "--json")
    assert ran.run["status"]["error"] == 0
    assert {record["status"] for record in stored(only_run(Path("results/runs")))} <= {"ok", "unparsed"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "found list, expected an object with one row per clip"),
        ('{"a.wav": {"single_instruction": "?"}}', "attribute_label is None, expected a text"),
        ('{"a.wav": 3}', "found int, expected an object with attribute_label"),
    ],
)
def test_malformed_files_are_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "sakura/Animal/metadata.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        samples(tmp_path)


def test_without_files_the_first_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sakura/Animal/metadata\.json"):
        samples(tmp_path)


def test_the_repositorys_files(shared: Path) -> None:
    found = samples(shared / "data")
    assert len(found) == 4000
    assert not [sample.id for sample in found if sample.skip is not None]
    template = catalogue().get_task("sakura").load_prompts()["official"]
    known = {key: value for path in sorted((shared / "data/sakura").glob("*/metadata.json"))
             for key, value in _read_instructions(path)}  # fmt: skip
    assert all(template.render(s.fields, s.choices) == known[s.id] for s in found)
    task: Any = catalogue().get_task("sakura").create()
    rows = [Scored(sample, "ok", "", None, {}) for sample in found if sample.groups["hop"] == "Animal, single"]
    baselines = task.score(rows).blind
    values = [baselines[name]["accuracy"].value for name in (UNIFORM, FIRST, LONGEST)]
    assert values == [0.25, 0.25, 0.22]
    assert sum(row.sample.target == 1 for row in rows) / len(rows) == 0.25 == baselines[LETTER]["accuracy"].value


def _read_instructions(path: Path) -> list[tuple[str, str]]:
    document = json.loads(path.read_text(encoding="utf-8"))
    return [
        (f"{path.parent.name}/{Path(key).stem}/{hop}", " ".join(each[f"{hop}_instruction"].split()))
        for key, each in document.items()
        for hop in ("single", "multi")
    ]
