"""Likelihoods of options off a shared prefix equal sums over full passes."""

from collections.abc import Sequence

import pytest
import torch

from alm_bench.core.errors import UsageError
from alm_bench.mellow.config import LanguageModelConfig, MellowConfig
from alm_bench.mellow.generate import Context, Engine, Likelihood
from alm_bench.mellow.model import Mellow, build_untrained

OPTIONS = ([5], [7, 8, 9], [7, 8, 10, 11, 12, 13], [200, 3])


def log_likelihoods(model: Mellow, sequence: torch.Tensor, answers: Sequence[Sequence[int]]) -> list[Likelihood]:
    return Engine(model).compute_answer_likelihoods([Context(None, sequence)], [answers])[0]


def naive(model: Mellow, sequence: torch.Tensor, answer: list[int]) -> float:
    """One full pass over the sequence and the answer, without a cache or a batch."""
    ids = torch.tensor(answer)
    with torch.inference_mode():
        inputs = torch.cat([sequence, model.embed(ids)])
        scores = model.lm(inputs_embeds=inputs[None], use_cache=False).logits[0].log_softmax(dim=-1)
    return sum(float(scores[len(sequence) - 1 + place, token]) for place, token in enumerate(answer))


def test_they_are_the_sums_of_full_passes(tiny: Mellow, prefix: torch.Tensor) -> None:
    gpt2 = LanguageModelConfig(kind="gpt2", vocabulary=300, width=48, layers=2, heads=4, positions=512)
    for model in (tiny, build_untrained(MellowConfig(lm=gpt2), seed=1)):
        for sequence in prefix:
            found = log_likelihoods(model, sequence, OPTIONS)
            assert [one.tokens for one in found] == [1, 3, 6, 2]
            expected = [naive(model, sequence, answer) for answer in OPTIONS]
            assert [one.total for one in found] == pytest.approx(expected, abs=1e-4)
            assert [one.mean for one in found] == pytest.approx(
                [e / n for e, n in zip(expected, (1, 3, 6, 2), strict=True)], abs=1e-4
            )


def test_an_option_does_not_depend_on_the_others(tiny: Mellow, prefix: torch.Tensor) -> None:
    together = log_likelihoods(tiny, prefix[0], OPTIONS)
    alone = [log_likelihoods(tiny, prefix[0], [answer])[0] for answer in OPTIONS]
    assert [one.total for one in together] == pytest.approx([one.total for one in alone], abs=1e-4)


def test_answers_without_tokens_are_refused(tiny: Mellow, prefix: torch.Tensor) -> None:
    for answers in ([], [[5], []]):
        with pytest.raises(UsageError, match="likelihoods are of answers with tokens"):
            log_likelihoods(tiny, prefix[0], answers)


def test_an_answer_beyond_the_last_position_is_refused(tiny: Mellow, prefix: torch.Tensor) -> None:
    left = tiny.lm.config.max_position_embeddings - prefix.shape[1]
    assert log_likelihoods(tiny, prefix[0], [[5] * left])[0].tokens == left
    with pytest.raises(UsageError, match=f"{left} positions left for an answer, found one of {left + 1} tokens"):
        log_likelihoods(tiny, prefix[0], [[5], [5] * (left + 1)])
