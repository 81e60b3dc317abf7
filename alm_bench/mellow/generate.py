"""Answers from a prefix: batched, with a key-value cache, greedy or nucleus sampling."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Cache, DynamicCache, PreTrainedModel

from alm_bench.core.errors import UsageError
from alm_bench.core.types import Decoding
from alm_bench.mellow.model import Mellow


@dataclass(frozen=True, slots=True)
class Written:
    """One answer: its tokens before the stop token, and whether the token limit ended it instead."""

    tokens: tuple[int, ...]
    truncated: bool


@dataclass(slots=True)
class Row:
    """One answer in the making. `dice` belongs to the item alone, so its company in a batch changes nothing."""

    dice: np.random.Generator
    tokens: list[int]


def dice(seed: int, item: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}\n{item}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))


def step(lm: PreTrainedModel, inputs: Tensor, cache: Cache, seen: Tensor | None) -> Tensor:
    """Extend every row of `cache` by embedded `inputs` (B, n, D); logits (B, vocabulary) after the last position.

    `seen` (B, length so far) is 0 for padding on the left, None where rows are equal in length and have none.
    """
    extra: dict[str, Tensor] = {}
    if seen is not None:
        places = (seen.cumsum(dim=1) - 1).clamp(min=0)
        extra = {"attention_mask": seen, "position_ids": places[:, -inputs.shape[1] :]}
    logits: Tensor = lm(inputs_embeds=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1, **extra).logits
    return logits[:, -1]


def left_padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Rows (n_i, D) as one batch (B, longest, D), and what of it is no padding (B, longest), None if all of it is."""
    longest = max(len(row) for row in rows)
    if all(len(row) == longest for row in rows):
        return torch.stack(list(rows)), None
    seen = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=rows[0].device)
    return pad_sequence(list(rows), batch_first=True, padding_side="left"), seen


def choose(logits: Tensor, rows: Sequence[Row], decoding: Decoding) -> Tensor:
    """The next token of each row, (B,)."""
    if decoding.method == "greedy":
        return logits.argmax(dim=-1)
    waits = np.stack([row.dice.standard_exponential(logits.shape[1], dtype=np.float32) for row in rows])
    return nucleus(logits, torch.from_numpy(waits).to(logits.device), decoding.top_p, decoding.temperature)


def nucleus(logits: Tensor, waits: Tensor, top_p: float, temperature: float) -> Tensor:
    """Sample from the smallest set of likeliest tokens whose probability reaches `top_p`.

    `waits` (B, vocabulary) are standard exponential draws: the token with the shortest wait / probability wins, which
    is a draw by probability. Rounding in the logits, which a batch's size changes, almost never changes the winner;
    inverting the cumulative distribution would turn the slightest change of a near-tie's order into another token.
    """
    probabilities = (logits.double() / temperature).softmax(dim=-1)
    ranked = probabilities.sort(dim=-1, descending=True).values
    last = (ranked.cumsum(dim=-1) < top_p).sum(dim=-1, keepdim=True).clamp(max=ranked.shape[-1] - 1)
    kept = probabilities >= ranked.gather(1, last)
    return torch.where(kept, probabilities / waits.clamp(min=1e-30), 0.0).argmax(dim=-1)


@torch.inference_mode()
def generate(
    model: Mellow, sequences: Sequence[Tensor] | Tensor, items: Sequence[str], decoding: Decoding
) -> list[Written]:
    """Answer what each of `sequences` (n, D) asks, on its own: a row ends at its stop token and leaves the batch.

    `items` names the rows, for sampling.
    """
    if decoding.max_new_tokens < 1:
        raise UsageError(f"max_new_tokens must be at least 1, found {decoding.max_new_tokens}")
    if decoding.method == "nucleus" and not (decoding.temperature > 0 and 0 < decoding.top_p <= 1):
        raise UsageError(
            "nucleus sampling takes a temperature above 0 and a top_p in 0..1, "
            f"found {decoding.temperature} and {decoding.top_p}"
        )
    prefix, seen = left_padded(list(sequences))
    length, positions = prefix.shape[1] + decoding.max_new_tokens, model.config.lm.positions
    if length > positions:
        raise UsageError(
            f"the language model has {positions} positions, {prefix.shape[1]} of them are before the answer: "
            f"max_new_tokens can be at most {positions - prefix.shape[1]}, found {decoding.max_new_tokens}"
        )
    rows = [Row(dice(decoding.seed, item), []) for item in items]
    stopped = [False] * len(rows)
    active = list(range(len(rows)))
    cache = DynamicCache(config=model.lm.config)
    logits = step(model.lm, prefix, cache, seen)
    while True:
        tokens = choose(logits, [rows[i] for i in active], decoding)
        kept = []
        for place, token in enumerate(tokens.tolist()):
            row = active[place]
            if token == model.config.prompt.stop:
                stopped[row] = True
            else:
                rows[row].tokens.append(token)
                if len(rows[row].tokens) < decoding.max_new_tokens:
                    kept.append(place)
        if not kept:
            return [Written(tuple(row.tokens), not stop) for row, stop in zip(rows, stopped, strict=True)]
        if len(kept) < len(active):
            places = torch.tensor(kept, device=tokens.device)
            cache.batch_select_indices(places)
            tokens, active = tokens[places], [active[place] for place in kept]
            seen = None if seen is None else seen[places]
        if seen is not None:
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], dim=1)
        logits = step(model.lm, model.embed(tokens[:, None]), cache, seen)
