"""Suites: models x tasks x options in one file, checked as a whole, run as a whole, gone on with as a whole."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, cle, mmau, model, refusal, run_killed, stored

SUITE = """
[defaults]
data = "data"
limit = 3
batch_size = 1

[models.blind]
model_arg = { strategy = "longest" }

[models.letters]
model = "MODEL"

[tasks.mmau]
[tasks.cle]
limit = 2
[tasks.audiocaps-mcq]

[[overrides]]
model = "letters"
task = "mmau"
seeds = [0, 1]
"""
BODY = """\
    def answer(self, request):
        if os.path.exists("killed"):
            with open("asked", "a") as asked:
                asked.write(request.id + "\\n")
            if len(open("asked").readlines()) > 4:
                os.kill(os.getpid(), signal.SIGKILL)
        return "(" + "abcd"[zlib.crc32(request.id.encode()) % max(1, len(request.choices))] + ")"
"""


def inline_question(number: int) -> dict[str, str]:
    """A row of ReasonAQA on one of MMAU's tones."""
    return {
        "taskname": "audiocaps",
        "filepath1": f"AudioCapsLarger/test/Yitem-{number:03}.wav",
        "filepath2": "",
        "caption1": "a tone",
        "caption2": "",
        "input": f"what is heard in clip {number}? a) a tone b) a drum c) nothing",
        "answer": "a) a tone",
        "subtype": "AudioCaps_MCQ.json",
    }


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    root = cle(mmau(tmp_path / "data", 4), 2, development=0)
    (root / "reasonaqa").mkdir()
    (root / "reasonaqa/test.json").write_text(json.dumps([inline_question(number) for number in range(4)]))
    named = model(tmp_path / "letters.py", BODY, audio="None")
    file = tmp_path / "suite.toml"
    file.write_text(SUITE.replace("seeds = [0, 1]", "seed = 1").replace("MODEL", named), encoding="utf-8")
    return file


def figures(printed: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in run.items() if key != "usage"} for run in printed["runs"]]


def test_a_suite_that_was_killed_goes_on_and_gives_the_figures_of_single_runs(suite: Path) -> None:
    Path("killed").touch()
    run_killed(
        f"import sys; sys.argv[1:] = ['run', '--config', {str(suite)!r}]\nfrom alm_bench.cli import main; main()"
    )
    Path("killed").unlink()
    folders = sorted(Path("results/runs").iterdir())
    assert len(folders) == 5, "three runs of the first model, and one finished and one begun of the second, at its 5th"
    finished = {
        folder: (folder / "samples.jsonl").read_bytes() for folder in folders if (folder / "summary.json").exists()
    }
    assert len(finished) == 4
    whole = alm("run", "--config", suite, "--json")
    assert whole.status == 0, whole.err
    assert [(run["model"], run["task"], run["items"]) for run in whole.json["runs"]] == [
        ("blind[longest]", "mmau", 3),
        ("blind[longest]", "cle", 2),
        ("blind[longest]", "audiocaps-mcq", 3),
        ("Model", "mmau", 3),
        ("Model", "cle", 2),
        ("Model", "audiocaps-mcq", 3),
    ]
    assert all((folder / "samples.jsonl").read_bytes() == before for folder, before in finished.items())
    single = []
    named = ("--data", "data", "--out", "single", "--json", "--model")
    for more in (
        ("blind", "--model-arg", "strategy=longest", "--limit", 3, "--tasks", "mmau,audiocaps-mcq"),
        ("blind", "--model-arg", "strategy=longest", "--limit", 2, "--tasks", "cle"),
        (f"{suite.parent / 'letters.py'}:Model", "--limit", 3, "--seed", 1, "--tasks", "mmau"),
        (f"{suite.parent / 'letters.py'}:Model", "--limit", 2, "--tasks", "cle"),
        (f"{suite.parent / 'letters.py'}:Model", "--limit", 3, "--tasks", "audiocaps-mcq"),
    ):
        single += figures(alm("run", *named, *more).json)
    assert sorted(figures(whole.json), key=str) == sorted(single, key=str)


def test_a_suite_is_foretold_as_a_whole(suite: Path) -> None:
    told = alm("run", "--config", suite, "--dry-run", "--json").json
    assert (len(told["runs"]), told["total"]["calls"]) == (6, 16)
    assert not Path("results").exists()
    table = alm("run", "--config", suite, "--dry-run").out
    assert "blind[longest]" in table
    assert "Model" in table


def test_seeds_are_runs_of_their_own(suite: Path) -> None:
    suite.write_text('[defaults]\ndata = "demo"\nlimit = 2\nseeds = [0, 1, 2]\n[models.blind]\n[tasks.mmau]\n')
    runs = alm("run", "--config", suite, "--json").json["runs"]
    assert [run["decoding"]["seed"] for run in runs] == [0, 1, 2]
    assert len({run["run"] for run in runs}) == 3


def test_everything_that_is_wrong_with_a_suite_is_said_at_once(suite: Path) -> None:
    text = suite.read_text(encoding="utf-8")
    suite.write_text(
        text.replace("limit = 3", "limti = 3").replace("batch_size", "btach_size") + 'tsak = "cle"\n', encoding="utf-8"
    )
    line = refusal(alm("run", "--config", suite))
    assert "suite.toml: 3 errors: " in line
    for wrong in (
        "defaults: unknown key 'limti', known: limit,",
        "defaults: unknown key 'btach_size', known: batch_size",
        "overrides[1]: unknown key 'tsak', known: task",
    ):
        assert wrong in line
    assert not Path("results").exists()


def test_unknown_names_and_values_are_said_at_once(suite: Path) -> None:
    suite.write_text(
        '[defaults]\ndata = "demo"\nanswer_by = "guess"\n[models.blnd]\n[models.blind]\n[tasks.mmua]\n[tasks.cle]\n'
        'answer_by = "generate"\nlimit = 3\n[[overrides]]\ntask = "clotho"\n'
    )
    line = refusal(alm("run", "--config", suite))
    assert "overrides[1]: task 'clotho' is not in the suite" in line
    suite.write_text(suite.read_text().partition("[[")[0])
    line = refusal(alm("run", "--config", suite))
    assert "2 errors: unknown model 'blnd'" in line
    assert "--answer-by 'guess' is unknown" in line
    suite.write_text('[defaults]\nlimit = "3"\nfresh = true\n[models.blind]\n[tasks.mmau]\nmodel_arg = 3\n')
    line = refusal(alm("run", "--config", suite))
    assert "3 errors" in line
    assert "limit takes a whole number, found '3'" in line


def test_a_suite_takes_no_options_beside_it(suite: Path) -> None:
    assert "--model, --limit beside --config" in refusal(alm("run", "--config", suite, "--model", "x", "--limit", 2))
    assert "cannot read no.toml" in refusal(alm("run", "--config", "no.toml"))


def test_several_models_are_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    both = alm(
        "run", "--model", "blind", "--model", "echo", "--tasks", "mmau", "--data", "demo", "--limit", 2, "--json"
    )
    assert [run["model"] for run in both.json["runs"]] == ["blind[first]", "echo"]
    wrong = refusal(alm("run", "--model", "blind", "--model", "eccho", "--tasks", "mmau", "--data", "demo", "--fresh"))
    assert "unknown model 'eccho'" in wrong
    assert json.loads((Path("results/runs") / both.json["runs"][0]["run"] / "summary.json").read_text())["runs"]
    assert len(stored(Path("results/runs") / both.json["runs"][1]["run"])) == 2


@pytest.mark.parametrize("seeds", ["[]", "[1, 1]", '["a"]', "[[1]]"])
def test_seeds_are_different_whole_numbers(suite: Path, seeds: str) -> None:
    suite.write_text(
        f'[defaults]\ndata = "demo"\nseeds = {seeds}\nlimti = 2\n[models.blnd]\nmodel = ["x"]\n[tasks.mmua]\n'
    )
    line = refusal(alm("run", "--config", suite))
    assert "seeds takes different whole numbers" in line
    assert "model takes a name, found ['x']" in line
    assert "unknown key 'limti'" in line
    assert "unknown task 'mmua'" in line, "all at once"
