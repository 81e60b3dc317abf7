from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest
import torch

from alm_bench.core.errors import AdapterError, UsageError
from alm_bench.core.types import Decoding
from alm_bench.mellow.config import LanguageModelConfig, MellowConfig
from alm_bench.mellow.decoder import KVCache
from alm_bench.mellow.generate import TOKENS, Context, Engine, GeneratedTokens, generate
from alm_bench.mellow.model import Mellow, build_untrained
from alm_bench.mellow.packed_linear import can_pack
from alm_bench.mellow.sampling import sample_nucleus

GREEDY = Decoding(max_new_tokens=20)
NUCLEUS = Decoding(method="nucleus", max_new_tokens=20, top_p=0.9, seed=5)
ITEMS = ["a", "b", "c", "d"]


def naive(model: Mellow, prefix: torch.Tensor, count: int) -> list[list[int]]:
    """Every token from a full pass over everything before it, no cache."""
    rows = []
    with torch.inference_mode():
        for row in prefix:
            inputs, tokens = row[None], []
            for _ in range(count):
                token = model.lm(inputs_embeds=inputs, use_cache=False).logits[0, -1].argmax()
                if token == model.config.prompt.stop:
                    break
                tokens.append(int(token))
                inputs = torch.cat([inputs, model.embed(token.view(1, 1))], dim=1)
            rows.append(tokens)
    return rows


def test_cached_greedy_equals_full_recomputation(tiny: Mellow, prefix: torch.Tensor) -> None:
    expected = naive(tiny, prefix, 20)
    assert len({tuple(row) for row in expected}) == 4
    written = generate(tiny, prefix, ITEMS, GREEDY)
    assert [list(row.tokens) for row in written] == expected


def test_answers_longer_than_the_room_of_the_batch(
    tiny: Mellow, prefix: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = naive(tiny, prefix, 20)
    monkeypatch.setattr("alm_bench.mellow.generate.CACHE_GROWTH", 3)
    monkeypatch.setitem(TOKENS, "cpu", 300)  # one row at a time
    rows = [prefix[0], prefix[1][7:], prefix[2], prefix[3]]
    written = generate(tiny, rows, ITEMS, GREEDY)
    assert [list(row.tokens) for row in written] == [expected[0], *naive(tiny, prefix[1:2, 7:], 20), *expected[2:]]


def test_a_batch_leaves_nothing_for_the_next(tiny: Mellow, prefix: torch.Tensor) -> None:
    """Memory is kept from batch to batch: larger, smaller, of other lengths."""
    engine = Engine(tiny)
    for rows in ([0, 1, 2, 3], [2], [3, 1], [0, 1, 2, 3]):
        contexts = [Context(None, prefix[i, 3 * i :]) for i in rows]
        alone = [
            generate(tiny, [context.prompt], [ITEMS[i]], NUCLEUS)[0] for i, context in zip(rows, contexts, strict=True)
        ]
        assert engine.generate(contexts, [ITEMS[i] for i in rows], NUCLEUS) == alone


def test_numbers_that_are_not_finite_end_their_batch_and_reach_no_other(tiny: Mellow, prefix: torch.Tensor) -> None:
    engine = Engine(tiny)
    rows = [prefix[0], prefix[1, 9:], prefix[2, 5:]]
    contexts = [Context(None, row) for row in rows]
    wanted = engine.generate(contexts, ITEMS[:3], GREEDY)
    broken = Context(None, prefix[3] * float("nan"))
    with pytest.raises(AdapterError, match="became infinite or NaN"):
        engine.generate([broken, *contexts], ITEMS, GREEDY)
    assert engine.generate(contexts, ITEMS[:3], GREEDY) == wanted
    with pytest.raises(AdapterError, match="became infinite or NaN"):
        engine.compute_answer_likelihoods([contexts[1], broken], [[[5]], [[5]]])
    assert engine.generate(contexts, ITEMS[:3], GREEDY) == wanted


@pytest.mark.parametrize("cuts", [[0, 0, 0], [0, 7, 3]])
def test_attention_of_a_new_token_reads_no_columns_behind_it(
    tiny: Mellow, prefix: torch.Tensor, monkeypatch: pytest.MonkeyPatch, cuts: list[int]
) -> None:
    """On CPUs, which wait for memory; with a mask where rows differ in length, without one where they do not."""
    engine = Engine(tiny)
    step, columns = engine._step, []

    def noted(x: torch.Tensor, cache: KVCache, start: torch.Tensor | int, last: torch.Tensor) -> torch.Tensor | None:
        columns.append(cache.columns)
        return step(x, cache, start, last)

    monkeypatch.setattr(engine, "_step", noted)
    rows = [prefix[i, cut:] for i, cut in enumerate(cuts)]
    written = engine.generate([Context(None, row) for row in rows], ITEMS[:3], GREEDY)
    assert [list(row.tokens) for row in written] == [naive(tiny, row[None], 20)[0] for row in rows]
    assert columns == [prefix.shape[1] + count for count in range(1, 20)]


@pytest.mark.slow
def test_a_compiled_step_writes_the_same(tiny: Mellow, prefix: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, where nothing is laid out for a processor: traced whole (`fullgraph`), though not compiled."""
    if can_pack(torch.zeros(1, 1)):
        with pytest.raises(UsageError, match="compile=true is for GPUs"):
            Engine(tiny, compiled=True)
    for module in ("packed_linear", "generate"):
        monkeypatch.setattr(f"alm_bench.mellow.{module}.can_pack", lambda weight: False)
    trace = partial(torch.compile, backend="eager", fullgraph=True)
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: trace(function, dynamic=dynamic))
    contexts = [Context(None, row) for row in prefix]
    assert Engine(tiny, compiled=True).generate(contexts, ITEMS, GREEDY) == generate(tiny, prefix, ITEMS, GREEDY)


def test_gpt2_too(prefix: torch.Tensor) -> None:
    lm = LanguageModelConfig(kind="gpt2", vocabulary=300, width=48, layers=2, heads=4, positions=512)
    model = build_untrained(MellowConfig(lm=lm), seed=1)
    written = generate(model, prefix, ITEMS, GREEDY)
    assert [list(row.tokens) for row in written] == naive(model, prefix, 20)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_in_half_precision_tokens_still_differ_in_their_logits(tiny: Mellow, kind: Literal["llama", "gpt2"]) -> None:
    """In bfloat16 there are some 800 numbers between 0.1 and 10, and 1,536 tokens."""
    model = build_untrained(MellowConfig(lm=replace(tiny.config.lm, kind=kind)))
    model.cast(torch.bfloat16)
    engine = Engine(model)
    hidden = torch.randn(4, 48, generator=torch.Generator().manual_seed(1)).bfloat16()
    logits = engine.decoder.head(engine.decoder.normalise_output(hidden))
    assert min(len(row.unique()) for row in logits) > 1530
    exact = model.float().lm.lm_head(engine.decoder.normalise_output(hidden))
    assert torch.allclose(logits, exact, atol=1e-5)


@pytest.mark.parametrize("decoding", [GREEDY, NUCLEUS])
def test_a_batch_answers_as_single_items_do(tiny: Mellow, prefix: torch.Tensor, decoding: Decoding) -> None:
    together = generate(tiny, prefix, ITEMS, decoding)
    alone = [generate(tiny, prefix[i : i + 1], ITEMS[i : i + 1], decoding)[0] for i in range(4)]
    assert together == alone
    swapped = generate(tiny, prefix[[2, 0]], [ITEMS[2], ITEMS[0]], decoding)
    assert swapped == [together[2], together[0]]


def test_sampling_follows_seed_and_item(tiny: Mellow, prefix: torch.Tensor) -> None:
    first = generate(tiny, prefix, ITEMS, NUCLEUS)
    assert generate(tiny, prefix, ITEMS, NUCLEUS) == first
    assert generate(tiny, prefix, ITEMS, replace(NUCLEUS, seed=6)) != first
    same_prefix = generate(tiny, prefix[[0, 0]], ["a", "b"], NUCLEUS)
    assert same_prefix[0] == first[0]
    assert same_prefix[0] != same_prefix[1]


def test_each_row_stops_by_itself(tiny: Mellow, prefix: torch.Tensor) -> None:
    free = [row.tokens for row in generate(tiny, prefix, ITEMS, GREEDY)]
    stop = next(token for token in free[1][3:] if token not in free[1][:3])
    assert any(stop not in tokens for tokens in free)
    model = Mellow(replace(tiny.config, prompt=replace(tiny.config.prompt, stop=stop))).eval()
    model.load_state_dict(tiny.state_dict())
    expected = [
        GeneratedTokens(tokens[: tokens.index(stop)], truncated=False)
        if stop in tokens
        else GeneratedTokens(tokens, truncated=True)
        for tokens in free
    ]
    assert generate(model, prefix, ITEMS, GREEDY) == expected


def test_nucleus_draws_from_the_smallest_set_that_reaches_top_p() -> None:
    probabilities = torch.tensor([0.1, 0.4, 0.2, 0.3])
    waits = torch.from_numpy(np.random.default_rng(0).standard_exponential((20_000, 4)))
    logits = probabilities.log().expand(20_000, 4)

    def shares(top_p: float, temperature: float = 1.0) -> list[float]:
        counts = torch.bincount(sample_nucleus(logits, waits, top_p, temperature), minlength=4)
        return (counts / 20_000).tolist()

    assert shares(1.0) == pytest.approx([0.1, 0.4, 0.2, 0.3], abs=0.01)
    assert shares(0.8) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9], abs=0.01)
    assert shares(0.65) == pytest.approx([0, 4 / 7, 0, 3 / 7], abs=0.01)
    assert shares(0.01) == [0, 1, 0, 0]
    sharp = np.square([0.1, 0.4, 0.2, 0.3])
    assert shares(1.0, 0.5) == pytest.approx(list(sharp / sharp.sum()), abs=0.01)


@pytest.mark.parametrize("top_p", [0.1, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("spread", [0.1, 2.0, 8.0])
def test_the_set_of_a_large_vocabulary_is_the_smallest(top_p: float, spread: float) -> None:
    """Sets of one token, of thousands, and of all, some within one batch."""
    numbers = np.random.default_rng(2)
    logits = numbers.standard_normal((3, 6000)) * [[spread], [spread], [0.1]]
    waits = numbers.standard_exponential((3, 6000))
    expected = []
    for row, wait in zip(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), waits, strict=True):
        ranked = np.argsort(-row)
        size = 6000 if top_p == 1 else int((row[ranked].cumsum() < top_p).sum()) + 1
        expected.append(min(ranked[:size], key=lambda token: wait[token] / row[token]))
    found = sample_nucleus(torch.from_numpy(logits), torch.from_numpy(waits), top_p, 1.0)
    assert found.tolist() == expected


def test_a_large_vocabulary_is_not_sorted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    topk = torch.Tensor.topk

    def counted(self: torch.Tensor, count: int) -> Any:
        looked.append(count)
        return topk(self, count)

    monkeypatch.setattr(torch.Tensor, "topk", counted)
    logits = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 6000)))
    for sharpness in (8, 1):
        sample_nucleus(sharpness * logits, torch.ones(2, 6000), 0.9, 1.0)
    assert looked == [64, 64, 512, 4096]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_new_tokens": 0}, "at least 1"),
        ({"max_new_tokens": 400}, "at most 228"),
        ({"method": "nucleus", "temperature": 0.0}, "temperature above 0"),
        ({"method": "nucleus", "top_p": 1.5}, "top_p in 0..1"),
    ],
)
def test_impossible_decoding_is_refused(
    tiny: Mellow, prefix: torch.Tensor, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        generate(tiny, prefix, ITEMS, replace(GREEDY, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("decoding", [GREEDY, NUCLEUS])
def test_rows_of_different_length_answer_as_they_do_alone(
    tiny: Mellow, prefix: torch.Tensor, decoding: Decoding
) -> None:
    rows = [row[start:] for row, start in zip(prefix, (0, 3, 17, 40), strict=True)]
    alone = [generate(tiny, [row], [item], decoding)[0] for row, item in zip(rows, ITEMS, strict=True)]
    assert generate(tiny, rows, ITEMS, decoding) == alone


def summed_loss(model: Mellow, sequence: torch.Tensor, answer: list[int]) -> float:
    """Of one answer, from the predictions of everything before each of its tokens, one by one."""
    loss = 0.0
    with torch.inference_mode():
        for place, token in enumerate(answer):
            before = torch.cat([sequence, model.embed(torch.tensor(answer[:place], dtype=torch.long))])
            logits = model.lm(inputs_embeds=before[None], use_cache=False).logits[0, -1]
            loss -= logits.float().log_softmax(dim=0)[token].item()
    return loss


def test_the_loss_of_a_batch_is_the_sum_of_its_rows(tiny: Mellow, prefix: torch.Tensor) -> None:
    rows = [row[start:] for row, start in zip(prefix, (0, 3, 17, 40), strict=True)]
    answers = [[5, 9, 0], [7, 0], [8, 30, 31, 32, 0], [0]]
    total, count = tiny.compute_answer_loss(rows, answers)
    assert count == 11
    single = [summed_loss(tiny, row, answer) for row, answer in zip(rows, answers, strict=True)]
    assert total.item() == pytest.approx(sum(single), rel=1e-5)
