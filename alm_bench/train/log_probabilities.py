"""Log-probabilities of drawn answers with gradient, where all answers to a question share one computation of its clips
and its prompt.

The answers to a question are packed into one row behind their common context. Attention lets each answer see the
context and itself, but no other answer, and every answer begins at the position after the context. This computes the
same function as one row per answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from alm_bench.mellow.model import Mellow

PACKED_TOKENS = 512
"""Maximum number of answer tokens that are packed into one row, unless a single answer has more. Attention computes
products of all pairs of tokens of a row, which limits what packing saves for long answers."""

PASS_TOKENS = 16_384
"""Maximum number of tokens, with padding, that the language model processes in one pass, unless a single row has
more."""

LOGITS = 2**24
"""Maximum number of logits that are computed at once. Further logits are computed in parts, and again in the backward
pass, which bounds the memory of large vocabularies."""


@dataclass(frozen=True, slots=True)
class _Pack:
    """One row of a pass: a context, followed by some of the answers to it."""

    context: int
    """Index of the context."""

    answers: tuple[int, ...]
    """Indices of the answers, over all contexts."""

    length: int
    """Number of tokens of the row."""


@dataclass(frozen=True, slots=True)
class TokenLogProbs:
    """Log-probabilities and entropies of the tokens of all answers, concatenated in order."""

    values: Tensor
    """Log-probability of each token in nats, (tokens,), with gradient."""

    entropies: Tensor
    """Entropy in nats of the model's distribution over the vocabulary at each token, (tokens,), without gradient."""


def compute_log_probs(
    model: Mellow, contexts: Sequence[Tensor], answers: Sequence[Sequence[Sequence[int]]], temperature: float
) -> TokenLogProbs:
    """Return the log-probabilities and entropies of all answers' tokens, concatenated: context by context, answer by
    answer.

    `contexts[i]` (n, D): embeddings that precede the answers `answers[i]`, a list of token ids per answer, none of them
    empty. `temperature`: the logits are divided by it.
    """
    flat = [list(answer) for group in answers for answer in group]
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for part in _group_packs(list(_build_packs(contexts, answers))):
        found |= _process_packs(model, contexts, flat, part, temperature)
    values, entropies = zip(*(found[i] for i in range(len(flat))), strict=True)
    return TokenLogProbs(torch.cat(values), torch.cat(entropies))


def _build_packs(contexts: Sequence[Tensor], answers: Sequence[Sequence[Sequence[int]]]) -> Iterator[_Pack]:
    """Divide the answers to each context into packs of at most `PACKED_TOKENS` answer tokens, and yield the packs. An
    answer with more tokens has a pack of its own.

    `answers[i]`: token ids of each answer to `contexts[i]`.
    """
    number = 0
    for context, group in enumerate(answers):
        part: list[int] = []
        tokens = 0
        for answer in group:
            if part and tokens + len(answer) > PACKED_TOKENS:
                yield _Pack(context, tuple(part), len(contexts[context]) + tokens)
                part, tokens = [], 0
            part.append(number)
            tokens += len(answer) - 1  # an answer's last token is only predicted
            number += 1
        yield _Pack(context, tuple(part), len(contexts[context]) + tokens)


def _group_packs(packs: Sequence[_Pack]) -> Iterator[list[_Pack]]:
    """Yield the packs in lists, longest packs first. The packs of a list are the rows of one pass of the model."""
    part: list[_Pack] = []
    for pack in sorted(packs, key=lambda pack: -pack.length):
        if part and (len(part) + 1) * part[0].length > PASS_TOKENS:
            yield part
            part = []
        part.append(pack)
    yield part


def _process_packs(
    model: Mellow,
    contexts: Sequence[Tensor],
    answer_tokens: Sequence[list[int]],
    packs: Sequence[_Pack],
    temperature: float,
) -> dict[int, tuple[Tensor, Tensor]]:
    """Return the log-probabilities and entropies of the tokens of each answer in `packs`, both (tokens,), by the
    answer's index. `answer_tokens`: token ids of all answers, to which the indices in `packs` refer."""
    device, longest = contexts[0].device, max(pack.length for pack in packs)
    rows, order, places = [], [], []
    positions = torch.arange(longest).repeat(len(packs), 1)
    # A segment is the context (0) or an answer (1, 2, ...). Padding belongs to no answer.
    segments = torch.full((len(packs), longest), -1)
    for row, pack in enumerate(packs):
        context, parts = contexts[pack.context], []
        start = len(context)
        segments[row, :start] = 0
        for segment, answer in enumerate(pack.answers, 1):
            written = len(answer_tokens[answer]) - 1
            parts += answer_tokens[answer][:-1]
            segments[row, start : start + written] = segment
            positions[row, start : start + written] = torch.arange(len(context), len(context) + written)
            order.append(answer)
            places += [row * longest + place for place in (len(context) - 1, *range(start, start + written))]
            start += written
        rows.append(torch.cat([context, model.embed(torch.tensor(parts, dtype=torch.long, device=device))]))
    hidden = _run_language_model(model, pad_sequence(rows, batch_first=True), segments, positions)
    targets = torch.tensor([token for answer in order for token in answer_tokens[answer]], device=device)
    selected = hidden.flatten(0, 1)[torch.tensor(places, device=device)]
    values, entropies = _score_tokens(model, selected, targets, temperature)
    lengths = [len(answer_tokens[answer]) for answer in order]
    scored = zip(torch.split(values, lengths), torch.split(entropies, lengths), strict=True)
    return dict(zip(order, scored, strict=True))


def _run_language_model(model: Mellow, x: Tensor, segments: Tensor, positions: Tensor) -> Tensor:
    """Return the hidden states (rows, n, D) after embedded tokens x (rows, n, D).

    `segments` (rows, n): 0 for tokens of the context, another number for the tokens of each answer. A token attends to
    earlier tokens of its own segment and of the context. `positions` (rows, n): position of each token.
    """
    causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    visible = (segments[:, None] == segments[:, :, None]) | (segments == 0)[:, None]
    visible = visible & causal
    mask = torch.zeros(visible.shape).masked_fill_(~visible, torch.finfo(torch.float32).min)
    output = model.lm.base_model(
        inputs_embeds=x,
        attention_mask=mask[:, None].to(x),
        position_ids=positions.to(x.device),
        use_cache=False,
    )
    return cast(Tensor, output[0])


def _score_tokens(model: Mellow, hidden: Tensor, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the log-probability and the entropy, both (tokens,), of the target tokens after hidden states (tokens,
    D)."""

    def score_part(states: Tensor, part_targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = model.lm.lm_head(states).float() / temperature
        log_probs = logits.log_softmax(dim=-1)
        with torch.no_grad():
            entropy = -(log_probs.exp() * log_probs).sum(dim=-1)
        return log_probs.gather(1, part_targets[:, None])[:, 0], entropy

    count = max(1, LOGITS // model.config.lm.vocabulary)
    if len(targets) <= count:
        return score_part(hidden, targets)
    parts = [
        cast(tuple[Tensor, Tensor], checkpoint(score_part, states, wanted, use_reentrant=False))
        for states, wanted in zip(torch.split(hidden, count), torch.split(targets, count), strict=True)
    ]
    values, entropies = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(entropies)
