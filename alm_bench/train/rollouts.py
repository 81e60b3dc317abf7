"""Drawing of answers for training: groups of answers to the same question, whose clips and prompt are computed once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from alm_bench.core.types import Decoding
from alm_bench.mellow.generate import Context, Engine, GeneratedTokens
from alm_bench.mellow.model import Mellow

ROWS = {"cpu": 128, "cuda": 512}
"""Maximum number of answers that are drawn at once, by device type, unless a single group has more. It bounds the
memory of keys and values."""


def draw_groups(
    model: Mellow, contexts: Sequence[Tensor], draw_ids: Sequence[Sequence[str]], decoding: Decoding
) -> list[list[GeneratedTokens]]:
    """Draw answers to each context with the current weights of a network without adapters. Returns one list of answers
    per context.

    `contexts[i]` (n, D): embeddings that precede the answers, n > 1. `draw_ids[i]`: one id per answer that is drawn to
    context i. An answer is seeded by its id and `decoding.seed`. The keys and values of all tokens of a context but the
    last are computed once and copied to all answers.
    """
    engine = Engine(model)
    drawn: list[list[GeneratedTokens]] = []
    start = 0
    while start < len(contexts):
        stop, rows = start + 1, len(draw_ids[start])
        while stop < len(contexts) and rows + len(draw_ids[stop]) <= ROWS.get(model.device.type, ROWS["cuda"]):
            rows += len(draw_ids[stop])
            stop += 1
        drawn += _draw_part(engine, contexts[start:stop], draw_ids[start:stop], decoding)
        start = stop
    return drawn


@torch.inference_mode()
def _draw_part(
    engine: Engine, contexts: Sequence[Tensor], draw_ids: Sequence[Sequence[str]], decoding: Decoding
) -> list[list[GeneratedTokens]]:
    """Draw the answers to some contexts in one batch. Arguments and result as in `draw_groups`."""
    prefixes = engine.compute_prefixes([context[:-1] for context in contexts])
    rows = [
        Context(prefix, context[-1:].to(engine.decoder.embeddings))
        for prefix, context, ids in zip(prefixes, contexts, draw_ids, strict=True)
        for _ in ids
    ]
    written = iter(engine.generate(rows, [item for ids in draw_ids for item in ids], decoding))
    return [[next(written) for _ in ids] for ids in draw_ids]


def list_token_ids(answer: GeneratedTokens, stop: int) -> list[int]:
    """Return the token ids of a drawn answer, with the stop token if it was drawn."""
    return [*answer.tokens] if answer.truncated else [*answer.tokens, stop]
