"""What is asked of every family, put to a tiny checkpoint of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from small_world import alm, only_run, stored

from alm_bench.adapters.hf.adapter import split_reasoning
from alm_bench.adapters.hf.generate import compute_next_token_log_probs
from alm_bench.core import AudioRef, Decoding, Output, Request, Runtime
from alm_bench.mellow.beams import BeamSearch, advance_searches
from alm_bench.plugins import catalogue

SHORT = Decoding(max_new_tokens=8)
CHOICES = ("Dog", "A cat", "Rain")


def adapter(path: Path | str, name: str = "hf", **options: str) -> Any:
    return catalogue().get_adapter(name).create({"path": str(path), **options}, Runtime())


def wave(seconds: float, seed: int = 0) -> Any:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(16_000 * seconds))).astype(np.float32)


def request(item: str, *seconds: float, prompt: str = "What is heard here?", seed: int = 0) -> Request:
    """A question about clips of noise of so many seconds."""
    refs = tuple(AudioRef(f"{item}-{i}", Path(f"{item}-{i}.wav")) for i in range(len(seconds)))
    waves = tuple(wave(length, seed + i) for i, length in enumerate(seconds))
    return Request(item, prompt, refs, CHOICES, waves=waves)


def batch() -> list[Request]:
    """Clips and prompts of several lengths, two clips, none."""
    return [
        request("a", 1.0),
        request("b", 2.3, prompt="A rather longer question: what is heard in this clip, a dog or a cat?"),
        request("c", 0.7, 1.1),
        request("d"),
    ]


def check_batches(model: Any) -> None:
    """A batch of 4 is a batch of 1 token for token, greedily, sampled, and in its likelihoods."""
    requests = batch()
    for decoding in (SHORT, Decoding("nucleus", 8, top_p=0.9, seed=3)):
        alone = [model.generate([one], decoding)[0] for one in requests]
        assert all(output.error is None and output.text is not None for output in alone)
        assert list(model.generate(requests, decoding)) == alone
        assert list(model.generate(requests[::-1], decoding)) == alone[::-1]
    counts = [output.extra["audio_tokens"] for output in alone]
    assert all(count > 0 for count in counts[:3])
    assert counts[3] == 0, "no clip, no audio token"
    together, alone_scores = model.loglikelihood(requests), [model.loglikelihood([one])[0] for one in requests]
    for some, one in zip(together, alone_scores, strict=True):
        assert [*some.forms] == ["text", "letter"]
        for form in some.forms:
            np.testing.assert_allclose(some.forms[form], one.forms[form], atol=1e-4)


def search_by_full_passes(model: Any, one: Request, decoding: Decoding) -> list[int]:
    """Beam search over one request, in which every hypothesis is computed anew: the processor encodes the prompt and
    the clips once per hypothesis, and nothing is cached. Return the token ids of the best answer."""
    stops, (row,) = model.loaded.stops, model.encoder.prepare_rows([one])
    search = BeamSearch(stops[0], decoding, 0)
    while not search.is_done:
        encoded = model.encoder.encode_rows([row] * len(search.hypotheses))
        answers = [hypothesis.tokens for hypothesis in search.hypotheses]
        scores = compute_next_token_log_probs(model.loaded, encoded, answers)
        logits = torch.stack([score[-1] for score in scores])[None]
        for other in stops[1:]:  # an answer ends at each of them
            assert logits[0, :, other].max() < logits[0, :, stops[0]].max() - 20, "a second stop token matters here"
        advance_searches([search], logits)
    return list(search.best[0])


def check_beam_search(model: Any) -> None:
    """A batch gets the answers of a search by full passes; the clips of a row with two are not mixed up."""
    requests = [request("b", 1.5), request("c", 0.7, 1.1, prompt="two")]
    decoding = Decoding("beam", max_new_tokens=6, beams=3)
    expected = [
        model.loaded.tokenizer.decode(search_by_full_passes(model, one, decoding), skip_special_tokens=True)
        for one in requests
    ]
    assert [split_reasoning(text)[0] for text in expected] == texts(model.generate(requests, decoding))


def last_logits(model: Any, requests: Sequence[Request]) -> torch.Tensor:
    """After the prompt, (len(requests), vocabulary), of one batch."""
    encoded, lost = model.encoder.encode(model.encoder.prepare_rows(requests))
    assert not lost
    with torch.inference_mode():
        return model.loaded.model(**encoded.inputs).logits[:, -1]  # type: ignore[no-any-return]


def check_clips_matter(model: Any) -> None:
    """Another clip changes its row's logits and no other's."""
    requests = [request(f"q{i}", 1.5, seed=i, prompt="What? " * (i + 1)) for i in range(4)]
    changed = [*requests]
    changed[2] = replace(requests[2], waves=(wave(1.5, seed=99),))
    before, after = last_logits(model, requests), last_logits(model, changed)
    differs = (before - after).abs().amax(dim=1)
    assert differs[2] > 1e-3, "the clip is heard"
    assert differs[[0, 1, 3]].max() < 1e-4


def check_runs(path: Path, out: Path, joined: bool) -> None:
    """The demo world's questions through the command line: one clip, hypotheses, two clips."""
    command = ("run", "--model", "hf", "--model-arg", f"path={path}", "--tasks", "mmau,cle,cld-1", "--data", "demo")
    ran = alm(*command, "--limit", 2, "--max-new-tokens", 4, "--metrics", "bleu_1", "--out", out, "--json")
    assert ran.status == 0, ran.err
    assert [run["task"] for run in ran.json["runs"]] == ["mmau", "cle", "cld-1"]
    for run in ran.json["runs"]:
        assert run["status"]["error"] == 0, run
        assert run["identity"]["family"] == json.loads((path / "config.json").read_text())["model_type"]
        rows = stored(out / run["run"])
        assert all(row["extra"]["audio_tokens"] > 0 for row in rows)
        assert all(("joined" in row["extra"]) == (joined and run["task"] == "cld-1") for row in rows)


def run_mmau(path: Path, data: Path, out: Path, *more: object) -> tuple[Any, list[dict[str, Any]]]:
    """One run on a data folder, and its stored items."""
    command = ("run", "--model", "hf", "--model-arg", f"path={path}", "--tasks", "mmau", "--data", data)
    ran = alm(*command, "--max-new-tokens", 4, "--out", out, "--json", *more)
    return ran, stored(only_run(out))


def texts(outputs: Sequence[Output]) -> list[str | None]:
    return [output.text for output in outputs]
