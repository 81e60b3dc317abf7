"""Plug-ins as `alm-bench new` writes them: they pass their own tests, install, and their tables look like ours."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from small_world import alm, refusal

import alm_bench.scaffold
from alm_bench.core import StoreError
from alm_bench.core.files import write_atomically


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def begun(cwd: Path, *command: object) -> "subprocess.Popen[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_", "ALM_BENCH_D"))}
    environment = {**clean, "PYTHONPATH": str(Path("site").absolute()), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment,
    )


def done(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    return out


def test_what_is_written_passes_its_tests_installs_and_runs(tmp_path: Path) -> None:
    try:
        enough = int(version("setuptools").partition(".")[0]) >= 77
    except PackageNotFoundError:
        enough = False
    if not enough:
        pytest.skip("needs setuptools>=77 here, since nothing is fetched for a test")
    assert alm("new", "task", "bird_song").out.startswith("wrote bird_song: cd bird_song && pip install -e . && ")
    assert alm("new", "adapter", "acme", "--out", "models/acme").status == 0
    tests = [
        begun(tmp_path / folder, "pytest", "-q", "-p", "no:cacheprovider") for folder in ("bird_song", "models/acme")
    ]
    assert [count in done(test) for count, test in zip(("5 passed", "4 passed"), tests, strict=True)] == [True, True]
    quiet = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", "site")
    done(begun(tmp_path, "pip", "install", *quiet, "./bird_song", "./models/acme"))
    tasks, models = (begun(tmp_path, "alm_bench", "ls", what, "--json") for what in ("tasks", "models"))
    (task,) = [row for row in json.loads(done(tasks))["tasks"] if row["task"] == "bird_song"]
    assert (task["kind"], task["splits"]) == ("multiple_choice", "test")
    (model,) = [row for row in json.loads(done(models))["models"] if row["model"] == "acme"]
    assert (model["options"], model["what"]) == ("loud", "the first option where a clip is loud, else the last")
    told = done(begun(tmp_path / "bird_song", "alm_bench", "run", "--model", "acme", "--tasks", "bird_song"))
    assert "## bird_song · acme" in told
    assert "| counting " in told
    assert "margin over text-only" in told
    assert {path.name for path in Path("site/bird_song_task").iterdir() if path.is_file()} == {
        *("__init__.py", "plugin.py", "prompts.toml", "task.toml")
    }
    data = ("--data", tmp_path / "bird_song/data", "--json")
    blind = done(begun(tmp_path, "alm_bench", "run", "--model", "blind", "--tasks", "bird_song", *data))
    (run,) = json.loads(blind)["runs"]
    assert (run["n"], run["revision"], run["metrics"]["accuracy"]["value"]) == (8, "demo", 0.375)
    assert set(run["baselines"]) == {
        "uniform guess (expected)",
        "first option",
        "longest option",
        "most frequent letter",
    }


def test_the_worker_is_the_template(tmp_path: Path) -> None:
    assert alm("new", "worker").out.startswith("wrote worker.py: alm-bench run --model exec --model-arg command=")
    assert alm("new", "worker", "models/gama/serve.py").status == 0
    template = Path(alm_bench.scaffold.__file__).parent / "templates/worker.py.tmpl"
    assert Path("worker.py").read_bytes() == Path("models/gama/serve.py").read_bytes() == template.read_bytes()


@pytest.mark.parametrize(
    "name", ["", "Birds", "bird-song", "1bird", "_bird", "class", "été", "a" * 41, "bird song", "../bird", "b\n"]
)
@pytest.mark.parametrize("kind", ["task", "adapter"])
def test_a_name_that_is_none(kind: str, name: str) -> None:
    assert "expected up to 40 lower-case letters, digits and underscores" in refusal(alm("new", kind, "--", name))
    assert not list(Path().iterdir())


def test_a_name_that_is_taken() -> None:
    assert refusal(alm("new", "task", "mmau")).startswith("alm-bench: there is a task mmau already")
    assert "there is a task noise_grounding already" in refusal(alm("new", "task", "noise_grounding"))
    assert refusal(alm("new", "adapter", "echo")).startswith(
        "alm-bench: there is a model echo already (alm-bench ls mo"
    )


@pytest.mark.parametrize("command", [("task", "birds"), ("adapter", "birds"), ("worker", "birds")])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_nothing_is_overwritten(command: tuple[str, ...], kind: str) -> None:
    if kind == "file":
        Path("birds").write_text("mine")
    elif kind == "folder":
        Path("birds").mkdir()
    else:
        Path("birds").symlink_to("nowhere")
    assert "birds exists already, and is not overwritten" in refusal(alm("new", *command))
    assert [path.name for path in Path().iterdir()] == ["birds"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file", "in the way")
    with pytest.raises(StoreError, match="a file is in the way: name another folder with --out"):
        alm_bench.scaffold.create_task("birds", tmp_path / "file/birds")
    written: list[Path] = []

    def full(path: Path, data: bytes) -> int:
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        return len(data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="the disk is full"):
        alm_bench.scaffold.create_task("birds", tmp_path / "birds")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["task", "adapter"])
def test_no_word_is_left_unfilled(kind: str) -> None:
    alm("new", kind, "bird_song")
    files = [path for path in Path("bird_song").rglob("*") if path.suffix in (".py", ".toml", ".md")]
    assert len(files) > 4
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "$" not in text
        if file.suffix == ".py":
            compile(text, file, "exec")
        if file.suffix == ".toml":
            tomllib.loads(text)
