"""A real server, started for the run: `transformers serve` with a tiny Qwen2-Audio writes what the same weights write
through transformers in this process."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import tiny_hf
from small_world import alm, mmau, only_run, stored

COMMAND = (
    f"{sys.executable} -c 'from transformers.cli.transformers import main; main()' serve {{model}} --host 127.0.0.1 "
    "--port {port} --device cpu --dtype float32"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("fastapi", "uvicorn", "openai"):
        if find_spec(package) is None:
            pytest.skip(f"transformers serve needs {package}: pip install -e '.[dev]'")
    return tiny_hf.qwen2_audio(tmp_path_factory.mktemp("qwen2_audio") / "m")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mmau(tmp_path_factory.mktemp("data"), count=6)


def texts(data: Path, out: Path, *model: object) -> tuple[Any, dict[str, str]]:
    ran = alm("run", *model, "--tasks", "mmau", "--data", data, "--max-new-tokens", 6, "--out", out, "--json")
    assert ran.status == 0, ran.err
    return ran.run, {row["id"]: row["text"] for row in stored(only_run(out))}


@pytest.fixture(scope="module")
def in_process(checkpoint: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("hf") / "runs"
    _, found = texts(data, out, "--model", "hf", "--model-arg", f"path={checkpoint}", "--device", "cpu")
    assert len(set(found.values())) > 1, "it says different things of different clips"
    return found


@pytest.mark.parametrize("stream", ["false", "true"])
def test_the_same_checkpoint_gives_the_same_texts(
    checkpoint: Path,
    data: Path,
    in_process: dict[str, str],
    tmp_path: Path,
    stream: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    options = {"model": checkpoint, "command": COMMAND, "concurrency": 1, "stream": stream}
    named = [part for key, value in options.items() for part in ("--model-arg", f"{key}={value}")]
    run, served = texts(data, tmp_path / "runs", "--model", "serve", *named)
    if stream == "true":  # the server holds back what is no whole character yet, and never sends it
        in_process = {item: text.rstrip("\ufffd") for item, text in in_process.items()}
    assert served == in_process
    assert run["audio_check"]["verdict"] == "delivered"
    assert not list((tmp_path / "cache/servers").glob("*.json")), "the server has ended"
