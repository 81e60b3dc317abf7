"""`import alm_bench`: the functions give what the commands print and store, and end as the commands do."""

import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, cle, mmau, model, only_run, run_killed, stored

import alm_bench as ab
from alm_bench.core import AdapterIdentity, BaseAdapter, NoOptions, Request, Runtime
from alm_bench.models import FunctionAdapter, hash_function
from alm_bench.records.models import to_json


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pick_second(request: Request) -> str:
    return f"({'ab'[len(request.choices) > 1]})"


@pytest.fixture
def _interruptible() -> Iterator[None]:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background job ignores it
    yield
    signal.signal(signal.SIGINT, handler)


def stored_lines(out: str, task: str) -> list[str]:
    """The lines of the only run of a task."""
    (folder,) = [path for path in Path(out).iterdir() if path.name.startswith(f"{task}-")]
    return (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


@pytest.mark.usefixtures("_interruptible")
def test_evaluate_gives_the_runs_and_the_tables_of_the_command_though_it_was_interrupted() -> None:
    def interrupt_once_stored(progress: ab.Progress) -> None:
        if (progress.title, progress.done) == ("cle", 1):
            os.kill(os.getpid(), signal.SIGINT)

    given: dict[str, Any] = {"data": "demo", "limit": 3, "batch_size": 1, "out": "python"}
    with pytest.raises(ab.RunInterrupted):
        ab.evaluate("mellow", ["mmau", "cle"], progress=interrupt_once_stored, **given)
    before = stored_lines("python", "mmau"), stored_lines("python", "cle")
    assert len(before[0]) == 3
    assert 1 <= len(before[1]) < 3
    results = ab.evaluate("mellow", ["mmau", "cle"], **given)
    after = stored_lines("python", "mmau"), stored_lines("python", "cle")
    assert (after[0], after[1][: len(before[1])]) == before, "nothing was asked again"
    asked = ("--tasks", "mmau,cle", "--data", "demo", "--limit", 3, "--batch-size", 1, "--out", "command")
    command = alm("run", "--model", "mellow", *asked)
    assert command.status == 0
    assert results.to_markdown() == command.out.rstrip("\n")
    for run in results:
        theirs = json.loads((Path("command") / run.folder.name / "summary.json").read_text())
        assert json.loads((run.folder / "summary.json").read_text())["runs"] == theirs["runs"]
    assert [item.task for item in results.items] == ["mmau"] * 3 + ["cle"] * 3


LETTERS = """
import zlib

def answer_by_id(request):
    return f"({'abcd'[zlib.crc32(request.id.encode()) % len(request.choices)]})"
"""
KILLED = """
import os, signal
import alm_bench as ab
import letters

def kill_once_stored(progress):
    if (progress.title, progress.done) == ("cle", 2):
        os.kill(os.getpid(), signal.SIGKILL)

ab.evaluate(letters.answer_by_id, ["mmau", "cle"], limit=3, batch_size=1, progress=kill_once_stored)
"""
"""A process that is killed in the middle of a run: progress is reported once a batch is on disk."""


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a run, whatever its model is called."""
    return {key: summary[key] for key in ("task", "n", "metrics", "groups", "status", "baselines", "margins")}


def test_a_function_whose_process_was_killed_gives_the_figures_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cle(mmau(tmp_path / "data", 4), 2, development=0)
    (tmp_path / "letters.py").write_text(LETTERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run_killed(KILLED)
    before = stored_lines("results/runs", "mmau"), stored_lines("results/runs", "cle")
    assert len(before[0]) == 3
    assert len(before[1]) >= 2
    letters = importlib.import_module("letters")
    results = ab.evaluate(letters.answer_by_id, ["mmau", "cle"], limit=3, batch_size=1)
    assert stored_lines("results/runs", "mmau") == before[0]
    assert stored_lines("results/runs", "cle")[:2] == before[1][:2], "what is stored is not asked again"
    body = "    def answer(self, request):\n        import letters\n        return letters.answer_by_id(request)\n"
    name = model(tmp_path / "wrapped.py", body)
    command = alm("run", "--model", name, "--tasks", "mmau,cle", "--limit", 3, "--json", "--out", "commands")
    assert [figures(to_json(run.summary)) for run in results] == [figures(run) for run in command.json["runs"]]


def test_evaluate_goes_on_with_the_run_of_the_command() -> None:
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--data", "demo", "--limit", 6).status == 0
    before = (only_run(Path("results/runs")) / "samples.jsonl").read_bytes()
    (run,) = ab.evaluate("blind", "mmau", data="demo", limit=6)
    assert run.folder == only_run(Path("results/runs"))
    assert (run.folder / "samples.jsonl").read_bytes() == before


def test_a_function_is_a_model_known_by_its_source() -> None:
    results = ab.evaluate(pick_second, "mmau", data="demo", limit=8)
    (run,) = results
    assert run.summary.model == "pick_second"
    assert run.summary.identity.weights is not None
    assert {item.text for item in results.items} == {"(b)"}
    assert {item.answer for item in results.items} == {item.choices[1] for item in results.items}

    def pick_second_too(request: Request) -> str:
        return "(b)"

    pick_second_too.__name__ = "pick_second"
    (other,) = ab.evaluate(pick_second_too, "mmau", data="demo", limit=8)
    assert other.folder != run.folder, "another source is another model"


def test_an_adapter_that_is_made_already_is_a_model() -> None:
    class Loud(BaseAdapter):
        def answer(self, request: Request) -> str:
            return f"({'ab'[float(abs(request.waves[0]).max()) > 0.01]})"

    adapter = Loud(NoOptions(), Runtime())
    adapter.identity = AdapterIdentity("loud", "tests")
    results = ab.evaluate(adapter, "mmau", data="demo", limit=4, conditions=["clean", "silence"])
    texts = {run.summary.condition: {row["text"] for row in stored(run.folder)} for run in results}
    assert texts == {"clean": {"(b)"}, "silence": {"(a)"}}


def test_a_random_sample_is_drawn_by_the_seed_and_is_a_run_of_its_own() -> None:
    def ids(**given: int) -> tuple[str, list[str]]:
        results = ab.evaluate("blind", "mmau", data="demo", **given)
        return results.runs[0].folder.name, [item.id for item in results.items]

    everything = ids()[1]
    name, drawn = ids(sample=8)
    assert len(drawn) == 8
    assert drawn != everything[:8]
    assert sorted(drawn, key=everything.index) == drawn
    assert set(ids(sample=5)[1]) < set(drawn)
    assert ids(sample=8, seed=1)[1] != drawn
    command = alm("run", "--model", "blind", "--tasks", "mmau", "--data", "demo", "--sample", 8, "--json")
    assert command.run["run"] == name
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--sample", 8, "--limit", 2).status == 2


def test_tables_are_flat_and_clips_lie_beside_the_items() -> None:
    results = ab.evaluate("blind", ["mmau", "cle"], data="demo", limit=3)
    items = results.to_pandas()
    assert len(items) == 6
    assert {"run", "task", "id", "text", "gold", "score_accuracy", "group_difficulty"} <= set(items.columns)
    figures = results.to_pandas("metrics")
    main = figures[figures["main"] & (figures["grouping"] == "all") & (figures["task"] == "mmau")]
    assert main["value"].item() == items[items["task"] == "mmau"]["score_accuracy"].mean()
    assert results.metric("mmau").value == main["value"].item()
    data = results.to_dataset()
    assert data.column_names[-1] == "audio"
    assert data[0]["audio"]["bytes"][:4] == b"RIFF"
    assert list(data["id"]) == list(items["id"])


def test_clips_of_real_data_are_paths(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 2)
    data = ab.evaluate("blind", "mmau").to_dataset()
    assert data[0]["audio"] == {"path": str(Path("data/mmau/test-mini-audios/item-000.wav")), "bytes": None}


def test_notebooks_get_tables_and_no_html_of_a_model() -> None:
    def mark(request: Request) -> str:
        return "<script>alert(1)</script>"

    mark.__name__ = "<b>mark</b>"
    html = ab.evaluate(mark, "mmau", data="demo", limit=2)._repr_html_()
    assert "<table>" in html
    assert "<b>" not in html


def test_runs_are_compared_ranked_scored_again_and_found() -> None:
    first = ab.evaluate("blind", "mmau", data="demo", limit=12)
    second = ab.evaluate(pick_second, "mmau", data="demo", limit=12)
    names = [results.runs[0].folder.name for results in (first, second)]
    assert ab.compare(first, second).to_markdown() == alm("compare", *names).out.rstrip("\n")
    assert len(ab.compare(*names).to_pandas()) > 1
    board = alm("leaderboard")
    assert ab.leaderboard().to_markdown() == board.out.rstrip("\n")
    assert set(ab.leaderboard().to_pandas()["model"]) == {"blind[first]", "pick_second"}
    assert alm("score", "latest").out.rstrip("\n") in ab.rescore(second).to_markdown()
    assert ab.load_run("pick-sec").runs[0].folder.name == names[1]
    assert ab.load_run("latest").runs[0].folder.name == names[1]
    assert alm("show", "pick-sec").out == alm("show", "latest").out == alm("show", names[1]).out
    with pytest.raises(ab.UsageError, match="fits 2 runs"):
        ab.load_run("mmau-")


def test_texts_and_captions_are_read_without_a_run() -> None:
    assert ab.parse("I think it is (B) a cat.", ["dog", "cat"]).index == 1
    assert ab.parse("Yes, clearly.", form="yes_no").value == "yes"
    with pytest.raises(ab.UsageError, match="choices go with form choice"):
        ab.parse("Yes", ["a"], form="yes_no")
    scores = ab.caption_metrics(["a dog barks"], [["a dog barks loudly"]], metrics=["rouge_l"])
    assert 0.5 < (scores.corpus["rouge_l"].value or 0) < 1


def test_noise_ablation_gives_the_effects_of_the_command() -> None:
    found = ab.noise_ablation("echo", "mmau", data="demo", limit=3, conditions=["silence"])
    command = ("noise-ablation", "--model", "echo", "--tasks", "mmau", "--data", "demo", "--limit", 3)
    (entry,) = alm(*command, "--conditions", "silence", "--json").json["runs"]
    row = found.to_pandas().iloc[0]
    assert (row["condition"], row["verdict"], row["drop_value"]) == (
        "silence",
        entry["verdict"],
        entry["drop"]["value"],
    )


@pytest.mark.parametrize(
    ("call", "command"),
    [
        (("blind", "mmua", {}), ("--model", "blind", "--tasks", "mmua")),
        (("blnd", "mmau", {}), ("--model", "blnd", "--tasks", "mmau")),
        (("blind", "mmau", {"data": "nowhere"}), ("--model", "blind", "--tasks", "mmau", "--data", "nowhere")),
        (("blind", "mmau", {"answer_by": "guess"}), ("--model", "blind", "--tasks", "mmau", "--answer-by", "guess")),
    ],
)
def test_errors_are_exceptions_with_the_line_of_the_command(
    call: tuple[str, str, dict[str, str]], command: tuple[str, ...]
) -> None:
    with pytest.raises(ab.UsageError) as caught:
        ab.evaluate(call[0], call[1], **call[2])  # type: ignore[arg-type]
    assert alm("run", *command).err == f"alm-bench: {caught.value}\n"


def test_options_of_another_name_or_kind_are_refused() -> None:
    with pytest.raises(ab.UsageError, match="no option 'limti'; known: limit"):
        ab.evaluate("blind", "mmau", limti=3)
    with pytest.raises(ab.UsageError, match="limit takes a whole number, found 'many'"):
        ab.evaluate("blind", "mmau", limit="many")  # type: ignore[arg-type]
    with pytest.raises(ab.UsageError, match="found the class BaseAdapter"):
        ab.evaluate(BaseAdapter, "mmau")  # type: ignore[arg-type]


def test_a_model_that_raises_fails_the_call_and_keeps_its_results(tmp_path: Path) -> None:
    def broken(request: Request) -> str:
        raise RuntimeError("no such layer")

    with pytest.raises(ab.RunFailedError) as caught:
        ab.evaluate(broken, "mmau", data="demo", limit=3)
    name = model(
        tmp_path / "broken.py", "    def answer(self, request):\n        raise RuntimeError('no such layer')\n"
    )
    command = alm("run", "--model", name, "--tasks", "mmau", "--data", "demo", "--limit", 3)
    assert command.err.splitlines()[-1] == f"alm-bench: {caught.value}"
    assert [item.status for item in caught.value.results.items] == ["error"] * 3
    assert len(ab.evaluate(broken, "mmau", data="demo", limit=3, max_failures="100%").items) == 3


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_keeps_what_is_done() -> None:
    log = Path("asked")  # on disk: what a function is bound to is part of its identity

    def asked() -> list[str]:
        return log.read_text().split() if log.exists() else []

    def interrupted(request: Request) -> str:
        with Path("asked").open("a") as file:
            file.write(f"{request.id}\n")
        if len(Path("asked").read_text().split()) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return "(a)"

    with pytest.raises(KeyboardInterrupt) as caught:
        ab.evaluate(interrupted, "mmau", data="demo", limit=8, batch_size=1)
    assert isinstance(caught.value, ab.RunInterrupted)
    kept = len(caught.value.results.items)
    assert 0 < kept < 8
    before = len(asked())
    assert len(ab.evaluate(interrupted, "mmau", data="demo", limit=8, batch_size=1).items) == 8
    assert len(asked()) - before == 8 - kept, "only what was left is asked"


def test_progress_tells_of_every_batch() -> None:
    told: list[ab.Progress] = []
    ab.evaluate("blind", "mmau", data="demo", limit=5, batch_size=2, progress=told.append)
    assert [one.done for one in told if one.stage == "items"][-1] == 5
    assert str(told[-1]) == "mmau: 5 of 5 items, 5 ok"


def test_a_hub_id_is_the_hub_adapter_with_that_repository() -> None:
    from alm_bench.plugins import catalogue
    from alm_bench.runner.options import RunOptions

    entry = catalogue().get_adapter("acme/ears-7b")
    assert (entry.name, entry.complete_options({})) == ("hf", {"path": "acme/ears-7b"})
    assert RunOptions("acme/ears-7b", "mmau").parse_model_options() == {"path": "acme/ears-7b"}
    with pytest.raises(ab.UsageError, match="stands for path=acme/ears-7b, found --model-arg path=x"):
        entry.complete_options({"path": "x"})
    assert "unknown model 'acme/ears/7b'" in alm("run", "--model", "acme/ears/7b", "--tasks", "mmau").err


WITHOUT = textwrap.dedent(
    """
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("torch", "transformers"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())
    """
)


def test_what_needs_no_model_works_without_torch_and_transformers(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 6)
    texts = [{"id": f"item-{i:03}", "model_output": "(A)"} for i in range(6)]
    Path("answers.json").write_text(json.dumps(texts), encoding="utf-8")
    rows = json.loads(Path("data/mmau/mmau-test-mini.json").read_text())
    Path("whole.json").write_text(json.dumps([{**row, "model_output": "(A)"} for row in rows]), encoding="utf-8")
    replay = ["run", "--model", "replay", "--model-arg", "outputs=answers.json", "--tasks", "mmau"]
    commands = [["ls", "models"], replay, [*replay, "--label", "again"], ["ls", "runs"], ["score", "latest"]]
    commands += [["compare", "again", "answers"], ["leaderboard"], ["rescore-matrix", "whole.json"]]
    code = WITHOUT + textwrap.dedent(
        f"""
        import alm_bench as ab
        from alm_bench.cli.app import main

        assert not {{"numpy", "pandas", "datasets"}} & sys.modules.keys(), "the import alone"
        for arguments in {commands!r}:
            sys.argv = ["alm-bench", *arguments]
            try:
                main()
            except SystemExit as end:
                assert not end.code, (arguments, end.code)
        print(ab.evaluate("replay", "mmau", model_arg={{"outputs": "answers.json"}}).metric("mmau"))
        assert not {{"torch", "transformers"}} & sys.modules.keys()
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_functions_of_other_bound_values_are_other_models() -> None:
    def bound(letter: str) -> Any:
        return lambda request: letter

    class Caller:
        def __init__(self, letter: Any) -> None:
            self.letter = letter

        def __call__(self, request: Any) -> str:
            return str(self.letter)

    plain = [
        bound("a"),
        bound("b"),
        Caller("a"),
        Caller("b"),
        functools.partial(max, "a"),
        functools.partial(bound, "a"),
    ]
    known = [hash_function(function) for function in plain]
    assert known[0] == hash_function(bound("a")) != known[1]
    assert known[2] == hash_function(Caller("a")) != known[3]
    assert known[4] is None, "a builtin has no source"
    assert known[5] != hash_function(functools.partial(bound, "b"))
    assert hash_function(Caller(object())) is None
    assert FunctionAdapter(Caller(object())).identity.weights != FunctionAdapter(Caller(object())).identity.weights
