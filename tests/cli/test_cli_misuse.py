"""Bad input of every kind: exit status 2 and one line that names what is known, closest first."""

import json
from pathlib import Path

import pytest
from small_world import alm, cle, mmau, model, outputs, questions, refusal, replay, write_csv

RUN = ("run", "--model", "blind", "--tasks", "mmau")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def known(line: str) -> list[str]:
    """The names that a line offers, in its order."""
    return [name.strip() for name in line.partition("known: ")[2].partition(" (or ")[0].split(",")]


@pytest.mark.parametrize(
    ("arguments", "says", "first"),
    [
        (("run", "--model", "blind", "--tasks", "mmua"), "unknown task 'mmua'", "mmau"),
        (("run", "--model", "blind", "--tasks", "mmau,clee"), "unknown task 'clee'", "cle"),
        (("run", "--model", "replai", "--tasks", "mmau"), "unknown model 'replai'", "replay"),
        ((*RUN, "--model-arg", "strategi=first"), "model blind has no option 'strategi'", "strategy"),
        ((*RUN, "--task-arg", "mmau.annotation=x"), "task mmau has no option 'annotation'", "annotations"),
        (("leaderbord",), "No such command 'leaderbord'", "leaderboard"),
        (("sho",), "No such command 'sho'", "show"),
        (("data", "inf"), "No such command 'inf'", "info"),
        ((*RUN, "--promt", "letters"), "No such option: --promt", "--prompt"),
        ((*RUN, "--limt", "3"), "No such option: --limt", "--limit"),
        ((*RUN, "--prompt", "nativ"), "task mmau has no prompt set 'nativ'", "native"),
        ((*RUN, "--split", "testmini"), "--split 'testmini'", "test-mini"),
        ((*RUN, "--decoding", "greedi"), "--decoding 'greedi'", "greedy"),
        ((*RUN, "--missing-audio", "skipp"), "--missing-audio 'skipp'", "skip"),
        ((*RUN, "--device", "cuda1"), "--device 'cuda1'", "cuda"),
        ((*RUN, "--dtype", "bfloat"), "--dtype 'bfloat'", "bfloat16"),
        ((*RUN, "--dtype", "aut"), "--dtype 'aut'", "auto"),
        (("ls", "task"), "'task' is unknown", "tasks"),
        (("show", "x", "--status", "eror"), "--status 'eror'", "error"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    tmp_path: Path, arguments: tuple[str, ...], says: str, first: str
) -> None:
    mmau(tmp_path / "data", 2, clips=False)
    line = refusal(alm(*arguments))
    assert says in line
    assert known(line)[0] == first, line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "--model", "blind"), "Missing option '--tasks'"),
        ((*RUN, "--tasks", ","), "--tasks names no task"),
        ((*RUN, "--limit", "0"), "Invalid value for '--limit'"),
        ((*RUN, "--limit", "many"), "Invalid value for '--limit'"),
        ((*RUN, "--batch-size", "0"), "--batch-size takes a number of items above 0, or auto, found '0'"),
        ((*RUN, "--top-p", "2"), "Invalid value for '--top-p'"),
        ((*RUN, "--beams", "3"), "--beams 3 goes with --decoding beam, found --decoding greedy"),
        ((*RUN, "--decoding", "beam", "--top-k", "3"), "--top-k 3 goes with --decoding top-k, found --decoding beam"),
        ((*RUN, "--decoding", "beam", "--beams", "1"), "Invalid value for '--beams'"),
        ((*RUN, "--decoding", "top-k"), "--decoding top-k: blind[first] supports only greedy and nucleus"),
        ((*RUN, "--model-arg", "first"), "--model-arg takes key=value, found 'first'"),
        ((*RUN, "--model-arg", "strategy=last"), "option strategy takes one of first, longest, random, found 'last'"),
        ((*RUN, "--task-arg", "cle.x=1"), "--task-arg takes TASK.key=value with a task of --tasks (mmau)"),
        ((*RUN, "--task-arg", "annotations=x"), "found 'annotations'"),
        (("run", "--model", "echo", "--tasks", "mmau", "--model-arg", "rate=fast"), "takes a whole number, found"),
        (("run", "--model", "replay", "--tasks", "mmau"), "model replay needs the option outputs=..."),
        ((*RUN, "--data", "nowhere"), "--data nowhere: no such folder (known besides a folder: auto, demo, hub)"),
        ((*RUN, "--task-arg", "mmau.annotations=no.json"), "annotations=no.json is not a file"),
        ((*RUN, "--data", "demo", "--task-arg", "mmau.annotations=no.json"), "which does not go with --data demo"),
        (
            ("run", "--model", "blind", "--tasks", "cle", "--data", "hub"),
            "cle has no data set on the Hugging Face hub for split evaluation",
        ),
        (("score", "nothing"), "no run 'nothing' (no run.json there); runs in results/runs: none"),
        (("show", "nothing"), "no run 'nothing'"),
        (("leaderboard",), "no finished run in results/runs"),
        (("submit", "cle", "x"), "task cle has no official submission"),
        (("ask", "hm?", "--model", "echo", "--audio", "no.wav"), "clip no.wav: the file is missing"),
        (("ask", "?", "--model", "echo", "--audio", "a", "--audio", "b", "--audio", "c"), "at most two --audio"),
        (("ask",), "Missing argument"),
        (("data", "info", "mmau", "--data", "nowhere"), "--data nowhere: no such folder"),
    ],
)
def test_a_wrong_value_is_one_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    mmau(tmp_path / "data", 2, clips=False)
    assert says in refusal(alm(*arguments))


def test_data_without_the_file_names_it_and_its_source(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = refusal(alm(*RUN, "--data", "empty"))
    assert "mmau/mmau-test-mini.json" in line
    assert "data folder empty" in line
    assert "GitHub Sakshi113/MMAU" in line
    line = refusal(
        alm("run", "--model", "blind", "--tasks", "mmau,cle", "--data", mmau(tmp_path / "d", 2, clips=False))
    )
    assert "entailment/clotho_entailment_evaluation.csv" in line
    assert "GitHub microsoft/AudioEntailment, data/CLE" in line


def test_a_data_folder_of_the_environment_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_DATA", "nowhere")
    assert "ALM_BENCH_DATA names nowhere, which is not a folder" in refusal(alm(*RUN))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'[{"id": 1},\n {"id" 2}]', "line 2, column 8"),
        (b"", "line 1, column 1"),
        (b'{"a": 1}', "found dict, expected a list of questions"),
        (b"[1]", "item 0 is int, expected an object"),
        (b"[]", "has no items"),
        (b"[\xff]", "not UTF-8 text (byte 1"),
    ],
)
def test_malformed_questions(tmp_path: Path, content: bytes, says: str) -> None:
    path = mmau(tmp_path / "data", 2, clips=False) / "mmau/mmau-test-mini.json"
    path.write_bytes(content)
    line = refusal(alm(*RUN))
    assert says in line


def test_a_csv_with_another_header(tmp_path: Path) -> None:
    rows = [["x", "a.wav", "c", "e", "n", "k"]]
    header = ["Dataset", "Audio file", "Caption", "Entailed", "Neutral", "Contradiction"]
    write_csv(tmp_path / "data/entailment/clotho_entailment_evaluation.csv", rows, header)
    line = refusal(alm("run", "--model", "blind", "--tasks", "cle"))
    assert "no column 'Entailment'; found Entailed, " in line
    assert "expected Dataset, Audio file, Caption, Entailment" in line


def test_duplicate_ids(tmp_path: Path) -> None:
    rows = questions(4)
    rows[3]["id"] = rows[1]["id"]
    mmau(tmp_path / "data", rows=rows, clips=False)
    line = refusal(alm(*RUN))
    assert "the id 'item-001' occurs 2 times" in line
    assert "mmau-test-mini.json" in line


def test_outputs_that_repeat_an_id_or_have_no_text(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 2, clips=False)
    path = tmp_path / "said.json"

    def said(content: object) -> str:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return refusal(alm("run", *replay(path), "--tasks", "mmau"))

    assert "item 2 repeats the id 'a'" in said([{"id": "a", "model_output": "x"}, {"id": "a", "model_output": "y"}])
    line = said([{"id": "a", "model_outputs": "x"}])
    assert "no column model_output or model_prediction or prediction" in line
    assert "found model_outputs" in line
    assert "has neither id nor audio_id" in said([{"model_output": "x"}])
    assert "line 1, column" in said('[{"id": "a", }]')
    assert "holds no outputs" in said([])
    assert "outputs=none.json is not a file" in refusal(alm("run", *replay(Path("none.json")), "--tasks", "mmau"))
    path.write_text('[{"id": "a", "model_output": "x"}]')
    line = refusal(alm("run", *replay(path), "--model-arg", "column=model_outpu", "--tasks", "mmau"))
    assert "no column model_outpu with the model's text; found model_output, id" in line


def test_outputs_that_miss_items_make_them_errors(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 4, clips=False)
    said = outputs(tmp_path / "said.json", {"item-000": "Rain", "item-001": None, "item-002": "", "stranger": "Dog"})
    ran = alm("run", *replay(said), "--tasks", "mmau", "--json")
    assert ran.status == 1
    assert (ran.run["n"], ran.run["status"]["error"], ran.run["status"]["unparsed"]) == (4, 2, 1)
    assert ran.run["metrics"]["accuracy"]["value"] == 0.25
    assert ran.run["reasons"] == {
        "said.json has a null for this id": 1,
        "empty": 1,
        "said.json has no output for this id": 1,
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("./nothing.py:Model", "no such file: nothing.py"),
        ("./m.py:Modell", "./m.py has no class 'Modell'; it has: Model, "),
        ("./m.py:", "./m.py has no class ''"),
        ("./m.py:VALUE", "./m.py has no class 'VALUE'"),
        ("./m.py:Deaf", "./m.py:Deaf is no class with generate()"),
        ("./broken.py:Model", "cannot import ./broken.py: SyntaxError"),
        ("./needs.py:Model", "cannot import ./needs.py: ModuleNotFoundError: No module named 'no_such_library'"),
        ("./raises.py:Model", "cannot import ./raises.py: ZeroDivisionError"),
        ("no_such_library.models:Model", "cannot import no_such_library.models: ModuleNotFoundError"),
        ("pathlib:Pathh", "pathlib has no class 'Pathh'; it has: Path"),
        (":Model", "--model takes a name, ./file.py:Class or package.module:Class"),
        ("a b:Model", "--model takes a name"),
        ("..x:Model", "--model takes a name"),
        ("./data:Model", "no such file: data"),
    ],
)
def test_a_model_of_ones_own_that_is_not_there(tmp_path: Path, name: str, says: str) -> None:
    mmau(tmp_path / "data", 2, clips=False)
    model(tmp_path / "m.py", "    def answer(self, request):\n        return 'a'\n\nVALUE = 3\nclass Deaf: pass\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "needs.py").write_text("import no_such_library\n")
    (tmp_path / "raises.py").write_text("1 / 0\n")
    assert says in refusal(alm("run", "--model", name, "--tasks", "mmau"))


def test_misuse_writes_nothing(tmp_path: Path) -> None:
    cle(tmp_path / "data")
    refusal(alm("run", "--model", "blind", "--tasks", "cle", "--prompt", "x"))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("arguments", [(), ("data",)])
def test_a_command_without_arguments_shows_its_help(arguments: tuple[str, ...]) -> None:
    ran = alm(*arguments)
    assert ran.status == 2
    assert "Usage: alm-bench" in ran.out + ran.err
    assert "Traceback" not in ran.err


def test_help_and_version() -> None:
    for arguments in (("--help",), ("run", "--help"), ("data", "verify", "--help"), ("--version",)):
        ran = alm(*arguments)
        assert (ran.status, ran.err) == (0, "")
        assert "alm-bench" in ran.out
