"""Beam search and top-k sampling of Mellow's engine; beam search against that of transformers on the same weights."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from alm_bench.core.errors import AdapterError, UsageError
from alm_bench.core.types import Decoding
from alm_bench.mellow.generate import TOKENS, Context, Engine, GeneratedTokens, generate
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.sampling import sample_top_k

ITEMS = ["a", "b", "c", "d"]
BEAM = Decoding("beam", max_new_tokens=12, beams=3)
CUTS = (0, 7, 3, 20)
"""Number of tokens that the beginning of each of the four prefixes lacks, so that rows differ in length."""


@pytest.fixture(scope="module")
def stopping(tiny: Mellow, prefix: torch.Tensor) -> Mellow:
    """The tiny network with a stop token that beam search often proposes: the most frequent one of greedy answers."""
    written = generate(tiny, prefix, ITEMS, Decoding(max_new_tokens=12))
    (stop, _), *_ = Counter(token for row in written for token in row.tokens[2:]).most_common(1)
    model = Mellow(replace(tiny.config, prompt=replace(tiny.config.prompt, stop=stop))).eval()
    model.load_state_dict(tiny.state_dict())
    return model


def search_with_transformers(model: Mellow, sequence: torch.Tensor, decoding: Decoding) -> GeneratedTokens:
    """Generate the answer after one sequence (n, D) with transformers' own beam search."""
    stop, lm = model.config.prompt.stop, model.lm
    written: Any = lm.generate(  # type: ignore[operator]
        inputs_embeds=sequence[None],
        attention_mask=torch.ones(1, len(sequence), dtype=torch.long),
        num_beams=decoding.beams,
        length_penalty=decoding.length_penalty,
        early_stopping=False,
        do_sample=False,
        max_new_tokens=decoding.max_new_tokens,
        eos_token_id=stop,
        pad_token_id=stop,
    )
    row = written[0].tolist()
    return GeneratedTokens(tuple(row[: row.index(stop)]), False) if stop in row else GeneratedTokens(tuple(row), True)


@pytest.mark.parametrize(("beams", "penalty"), [(2, 1.0), (4, 0.0), (4, 2.0), (5, -0.5)])
def test_beam_search_writes_what_that_of_transformers_writes(
    stopping: Mellow, prefix: torch.Tensor, beams: int, penalty: float
) -> None:
    """In one batch of rows that differ in length, against transformers on each row alone."""
    decoding = replace(BEAM, beams=beams, length_penalty=penalty)
    rows = [row[cut:] for row, cut in zip(prefix, CUTS, strict=True)]
    expected = [search_with_transformers(stopping, row, decoding) for row in rows]
    assert generate(stopping, rows, ITEMS, decoding) == expected


def test_the_comparison_covers_answers_that_end_and_answers_that_do_not(stopping: Mellow, prefix: torch.Tensor) -> None:
    found = [
        row
        for penalty in (0.0, 2.0)
        for row in generate(stopping, prefix, ITEMS, replace(BEAM, length_penalty=penalty))
    ]
    assert {row.truncated for row in found} == {True, False}
    assert [row.tokens for row in found[:4]] != [row.tokens for row in found[4:]], "the length penalty changes answers"
    greedy = generate(stopping, prefix, ITEMS, Decoding(max_new_tokens=12))
    assert greedy != found[:4]


def test_a_searched_batch_answers_as_single_items_do(
    stopping: Mellow, prefix: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the cache has to grow, where prompts are processed one by one, and after another batch."""
    rows = [row[cut:] for row, cut in zip(prefix, CUTS, strict=True)]
    alone = [generate(stopping, [row], [item], BEAM)[0] for row, item in zip(rows, ITEMS, strict=True)]
    monkeypatch.setattr("alm_bench.mellow.generate.CACHE_GROWTH", 3)
    monkeypatch.setitem(TOKENS, "cpu", 300)
    engine = Engine(stopping)
    for order in ([0, 1, 2, 3], [3, 1], [2, 0, 3]):
        contexts = [Context(None, rows[i]) for i in order]
        assert engine.generate(contexts, [ITEMS[i] for i in order], BEAM) == [alone[i] for i in order]


def test_numbers_that_are_not_finite_end_the_search(tiny: Mellow, prefix: torch.Tensor) -> None:
    with pytest.raises(AdapterError, match="became infinite or NaN"):
        generate(tiny, [prefix[0], prefix[1] * float("nan")], ITEMS[:2], BEAM)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_top_k_draws_from_the_k_likeliest(temperature: float) -> None:
    probabilities = torch.tensor([0.1, 0.4, 0.2, 0.3])
    waits = torch.from_numpy(np.random.default_rng(0).standard_exponential((20_000, 4)))
    logits = probabilities.log().expand(20_000, 4)
    for k in (1, 2, 3, 4, 9):
        expected = probabilities.double() ** (1 / temperature) * (probabilities >= probabilities.sort().values[-k:][0])
        counts = torch.bincount(sample_top_k(logits, waits, k, temperature), minlength=4)
        assert (counts / 20_000).tolist() == pytest.approx((expected / expected.sum()).tolist(), abs=0.01)


def test_top_k_sampling_follows_seed_and_item_whatever_the_batch(tiny: Mellow, prefix: torch.Tensor) -> None:
    decoding = Decoding("top-k", max_new_tokens=12, top_k=5, temperature=2.0, seed=5)
    written = generate(tiny, prefix, ITEMS, decoding)
    assert generate(tiny, prefix[[2, 0]], [ITEMS[2], ITEMS[0]], decoding) == [written[2], written[0]]
    assert generate(tiny, prefix, ITEMS, replace(decoding, seed=6)) != written
    greedy = generate(tiny, prefix, ITEMS, Decoding(max_new_tokens=12))
    assert generate(tiny, prefix, ITEMS, replace(decoding, top_k=1)) == greedy != written


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        (replace(BEAM, beams=1), "at least 2 beams, found 1"),
        (replace(BEAM, beams=1000), "at most 768 beams with 1536 tokens, found 1000"),
        (replace(BEAM, length_penalty=float("nan")), "a finite length_penalty, found nan"),
        (Decoding("top-k", top_k=0), "a top_k of at least 1, found 0"),
        (Decoding("top-k", temperature=0.0), "a temperature above 0, found 0.0"),
    ],
)
def test_impossible_settings_are_refused(tiny: Mellow, prefix: torch.Tensor, decoding: Decoding, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        generate(tiny, prefix, ITEMS, decoding)
