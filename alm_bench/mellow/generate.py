"""The engine: answers after what is asked, greedy or sampled, and how likely given answers are.

What a batch shares is computed once, every row once: reading stores keys and values, writing adds one column a token.
A row's arithmetic does not look at its neighbours: which rows share a batch changes no more than the rounding of sums.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from alm_bench.core.errors import AdapterError, UsageError
from alm_bench.core.rng import item_generator
from alm_bench.core.types import Decoding
from alm_bench.mellow.decoder import DECODERS, KVCache
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.packed_linear import packs

TOKENS = {"cpu": 1100, "cuda": 32_768}
"""Tokens that are read at once: on CPUs so few that what passes between layers stays in the cache."""
GROWTH = 64
"""Columns that are added where answers need more."""
LIKELY = (64, 512, 4096)
"""So many of the likeliest tokens are looked at first in sampling: sorting a vocabulary takes as long as a step."""


@dataclass(frozen=True, slots=True)
class Context:
    """Sequence that an answer follows."""

    prefix: KVCache | None
    """Keys and values of tokens processed before, None if there are none."""

    prompt: Tensor
    """Embedded tokens after them, (n, D) with n > 0."""

    @property
    def start(self) -> int:
        return 0 if self.prefix is None else self.prefix.columns

    @property
    def length(self) -> int:
        return self.start + len(self.prompt)


@dataclass(frozen=True, slots=True)
class GeneratedTokens:
    """Tokens of one answer."""

    tokens: tuple[int, ...]
    """Token ids before the stop token."""

    truncated: bool
    """True if the token limit ended the answer instead of the stop token."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-likelihood of an answer."""

    total: float
    """Sum of the natural logarithms of its tokens' probabilities."""

    tokens: int
    """Number of tokens in the sum."""

    @property
    def mean(self) -> float:
        """Per token: what longer answers are not worse by for their length alone."""
        return self.total / self.tokens


@dataclass(slots=True)
class Row:
    """State of an answer that is being generated."""

    generator: np.random.Generator
    """The item's own random generator, so that results do not depend on the composition of the batch."""

    length: int
    """Number of columns of the sequence so far."""

    tokens: list[int]
    """Token ids generated so far."""

    stopped: bool = False
    """True once the stop token was drawn."""


class Engine:
    """A network's language model as it is now, ready to infer.

    `compiled` puts writing through torch.compile, which takes a minute at the first answers and joins the many small
    operations between two products into few. Raises UsageError where products are laid out for the processor: torch
    cannot trace those, and without them writing takes twice as long.
    """

    def __init__(self, model: Mellow, compiled: bool = False) -> None:
        self.stop = model.config.prompt.stop
        self.decoder = DECODERS[model.config.lm.kind](model.lm)
        if compiled and packs(self.decoder.embeddings):
            raise UsageError("compile=true is for GPUs, found a CPU, which answers faster without it: leave it out")
        self._compiled = compiled
        self._step = torch.compile(self.decoder.extend, dynamic=True) if compiled else self.decoder.extend
        self._memory = self.decoder.memory(0, 0)

    def embed(self, ids: Sequence[int] | Tensor) -> Tensor:
        """(n,) token ids -> (n, D)."""
        embeddings = self.decoder.embeddings
        return embeddings[torch.as_tensor(ids, dtype=torch.long, device=embeddings.device)]

    @torch.inference_mode()
    def prefixes(self, sequences: Sequence[Tensor]) -> list[KVCache]:
        """Compute keys and values of embedded sequences (n, D), one row each, to continue from."""
        found: dict[int, KVCache] = {}
        for part in self._parts([len(sequence) for sequence in sequences]):
            x = self._pad_rows([sequences[i] for i in part])
            cache = self.decoder.cache(*x.shape[:2])
            self.decoder.extend(x, cache, 0, None)
            found |= {i: cache.rows(row, row + 1, len(sequences[i])).copy() for row, i in enumerate(part)}
        return [found[i] for i in range(len(sequences))]

    @torch.inference_mode()
    def generate(self, contexts: Sequence[Context], items: Sequence[str], decoding: Decoding) -> list[GeneratedTokens]:
        """Answer each context on its own: a row ends at its stop token and leaves the batch.

        `items` names the rows, for sampling. Raises UsageError for a decoding that is impossible, AdapterError where
        numbers are not finite.
        """
        self._check(decoding, max(context.length for context in contexts))
        order, cache, hidden = self._process_contexts(contexts, min(decoding.max_new_tokens, GROWTH))
        rows = [Row(item_generator("tokens", decoding.seed, items[i]), contexts[i].length, []) for i in order]
        active = list(rows)
        while True:
            tokens = choose(self.decoder.head(hidden), active, decoding)
            for row, token in zip(active, tokens.tolist(), strict=True):
                row.stopped = token == self.stop
                row.tokens += [] if row.stopped else [token]
            tokens = _without(active, tokens, cache, decoding.max_new_tokens)
            if not active:
                break
            if max(row.length for row in active) == cache.columns:
                cache = self._grown(cache, len(active))
            lengths = [row.length for row in active]
            hidden = self._next(tokens, cache.rows(0, len(active), self._columns(lengths)), lengths)
            for row in active:
                row.length += 1
        written = {i: GeneratedTokens(tuple(row.tokens), not row.stopped) for i, row in zip(order, rows, strict=True)}
        return [written[i] for i in range(len(contexts))]

    @torch.inference_mode()
    def log_likelihoods(
        self, contexts: Sequence[Context], answers: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[Likelihood]]:
        """Compute the log-likelihood of each of the `answers` (token ids) to each context, in order.

        A context is processed once; all answers to it form one batch that continues from its keys and values. Raises
        UsageError for an empty answer or one beyond the last position, AdapterError if a value is not finite.
        """
        for context, given in zip(contexts, answers, strict=True):
            if not given or not all(given):
                raise UsageError(f"likelihoods are of answers with tokens, found {[len(answer) for answer in given]}")
            left, longest = self.decoder.positions - context.length, max(map(len, given))
            if longest > left:
                raise UsageError(f"the model has {left} positions left for an answer, found one of {longest} tokens")
        order, cache, hidden = self._process_contexts(contexts, 0)
        first = self.decoder.head(hidden)
        found = {
            i: self._score_answers(cache.rows(row, row + 1, contexts[i].length), first[row], answers[i])
            for row, i in enumerate(order)
        }
        return [found[i] for i in range(len(contexts))]

    def _score_answers(self, read: KVCache, first: Tensor, answers: Sequence[Sequence[int]]) -> list[Likelihood]:
        """Score answers to a context: `read` holds its keys and values, `first` (vocabulary,) the logits after it."""
        logits = first.expand(len(answers), 1, -1)
        longest = max(map(len, answers))
        if longest > 1:
            # What is padded stands behind the answer's end, where nothing looks.
            x = self._pad_rows([self.embed(answer[:-1]) for answer in answers])
            cache = self.decoder.cache(len(answers), read.columns + x.shape[1])
            for row in range(len(answers)):
                cache.write_rows(row, read)
            every = torch.arange(x.shape[1], device=x.device).expand(len(answers), -1)
            after = self._finite(self.decoder.extend(x, cache, read.columns, every))
            logits = torch.cat([logits, self.decoder.head(after)], dim=1)
        scores = logits.double().log_softmax(dim=-1)
        ids = [torch.tensor(answer, device=scores.device)[:, None] for answer in answers]
        return [
            Likelihood(float(row[: len(answer)].gather(1, answer).sum()), len(answer))
            for row, answer in zip(scores, ids, strict=True)
        ]

    def _process_contexts(self, contexts: Sequence[Context], more: int) -> tuple[list[int], KVCache, Tensor]:
        """Process every context. Return their order in the batch, keys and values with room for at least `more`
        columns, and the hidden state after the last token of each, (B, D)."""
        parts = list(self._parts([len(context.prompt) for context in contexts]))
        widest = max(context.start for context in contexts) + max(len(context.prompt) for context in contexts)
        order = [i for part in parts for i in part]
        cache = self._cache(len(order), widest + more)
        for row, i in enumerate(order):
            if (prefix := contexts[i].prefix) is not None:
                cache.write_rows(row, prefix)
        hidden, row = [], 0
        for part in parts:
            asked = [contexts[i] for i in part]
            x = self._pad_rows([context.prompt for context in asked])
            starts = [context.start for context in asked]
            last = torch.tensor([[len(context.prompt) - 1] for context in asked], device=x.device)
            view = cache.rows(row, row + len(part), max(starts) + x.shape[1])
            hidden.append(self._finite(self.decoder.extend(x, view, self._places(starts), last))[:, 0])
            row += len(part)
        return order, cache, torch.cat(hidden)

    def _cache(self, rows: int, columns: int) -> KVCache:
        """Allocate a cache, reusing the previous batch's memory if it is large enough."""
        needed = self.decoder.elements(rows, columns)
        if self._memory.numel() < needed:
            self._memory = self.decoder.memory(0, 0)  # given back before more is taken
            self._memory = self.decoder.memory(rows, columns)
        return self.decoder.cache(rows, columns, self._memory[:needed])

    def _columns(self, lengths: Sequence[int]) -> int | None:
        """Columns that attention reads for the next token; None: all. CPUs wait for memory and read no more than are
        needed. On GPUs a shape that changes with every token would cost more than the reading."""
        return max(lengths) + 1 if self.decoder.embeddings.device.type == "cpu" else None

    def _next(self, tokens: Tensor, cache: KVCache, lengths: Sequence[int]) -> Tensor:
        """Compute the logits after one more token in every row, (B, D)."""
        x = self.decoder.embeddings[tokens][:, None]
        # Numbers would be compiled anew one by one.
        starts = torch.tensor(lengths, device=x.device) if self._compiled else self._places(lengths)
        return self._finite(self._step(x, cache, starts, torch.zeros_like(tokens)[:, None]))[:, 0]

    def _finite(self, after: Tensor | None) -> Tensor:
        """Return hidden states or logits unchanged if they are finite. Raises AdapterError otherwise: one item's NaN
        would be taken for an answer, and NaNs left in the keys and values would reach later batches."""
        assert after is not None
        if not after.isfinite().all():
            self._memory = self.decoder.memory(0, 0)
            raise AdapterError(
                "the network's numbers became infinite or NaN: found in a clip whose samples lie far beyond -1..1, in "
                "damaged weights, or where float16 does not reach; look at the clip, or take --dtype float32"
            )
        return after

    def _places(self, starts: Sequence[int]) -> Tensor | int:
        """Return one number if all rows start at the same column: their columns are then written as one block."""
        return starts[0] if len(set(starts)) == 1 else torch.tensor(starts, device=self.decoder.embeddings.device)

    def _grown(self, cache: KVCache, rows: int) -> KVCache:
        larger = self.decoder.cache(rows, cache.columns + GROWTH)
        larger.write_rows(0, cache.rows(0, rows))
        return larger

    def _parts(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Rows that are read together: of like length, so that little is padded, and not more than some tokens."""
        part: list[int] = []
        for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            if part and (len(part) + 1) * lengths[part[0]] > TOKENS[self.decoder.embeddings.device.type]:
                yield part
                part = []
            part.append(i)
        yield part

    def _pad_rows(self, rows: Sequence[Tensor]) -> Tensor:
        """Stack rows into (B, longest, D), padded on the right."""
        return pad_sequence(list(rows), batch_first=True).to(self.decoder.embeddings)

    def _check(self, decoding: Decoding, longest: int) -> None:
        if decoding.max_new_tokens < 1:
            raise UsageError(f"max_new_tokens must be at least 1, found {decoding.max_new_tokens}")
        if decoding.method == "nucleus" and not (decoding.temperature > 0 and 0 < decoding.top_p <= 1):
            raise UsageError(
                "nucleus sampling takes a temperature above 0 and a top_p in 0..1, "
                f"found {decoding.temperature} and {decoding.top_p}"
            )
        positions = self.decoder.positions
        if longest + decoding.max_new_tokens > positions:
            raise UsageError(
                f"the language model has {positions} positions, {longest} of them are before the answer: "
                f"max_new_tokens can be at most {positions - longest}, found {decoding.max_new_tokens}"
            )


def generate(
    model: Mellow, sequences: Sequence[Tensor] | Tensor, items: Sequence[str], decoding: Decoding
) -> list[GeneratedTokens]:
    """Answer what each of `sequences` (n, D) asks, with the network as it is now."""
    return Engine(model).generate([Context(None, sequence) for sequence in sequences], items, decoding)


def _without(active: list[Row], tokens: Tensor, cache: KVCache, limit: int) -> Tensor:
    """Take the rows that are done out of `active`; the tokens (B,) of those that go on. The last row moves into a gap:
    one row is copied, not all."""
    places = list(range(len(active)))
    for place in reversed(range(len(active))):
        if not active[place].stopped and len(active[place].tokens) < limit:
            continue
        if place < len(active) - 1:
            cache.write_rows(place, cache.rows(len(active) - 1, len(active), active[-1].length))
            active[place], places[place] = active[-1], places[-1]
        active.pop()
        places.pop()
    return tokens[torch.tensor(places, dtype=torch.long, device=tokens.device)]


def choose(logits: Tensor, rows: Sequence[Row], decoding: Decoding) -> Tensor:
    """The next token of each row, (B,)."""
    if decoding.method == "greedy":
        return logits.argmax(dim=-1)
    waits = np.stack([row.generator.standard_exponential(logits.shape[1], dtype=np.float32) for row in rows])
    return nucleus(logits, torch.from_numpy(waits).to(logits.device), decoding.top_p, decoding.temperature)


def nucleus(logits: Tensor, waits: Tensor, top_p: float, temperature: float) -> Tensor:
    """Sample from the smallest set of likeliest tokens whose probability reaches `top_p`.

    `waits` (B, vocabulary) are standard exponential draws: the token with the shortest wait / probability wins, which
    is a draw by probability. Rounding in the logits, which a batch's size changes, almost never changes the winner;
    inverting the cumulative distribution would turn the slightest change of a near-tie's order into another token.
    """
    probabilities = (logits.double() / temperature).softmax(dim=-1)
    kept = probabilities >= _least(probabilities, top_p)
    return torch.where(kept, probabilities / waits.clamp(min=1e-30), 0.0).argmax(dim=-1)


def _least(probabilities: Tensor, top_p: float) -> Tensor:
    """The probability of the last token that is in each row's set, (B, 1)."""
    if top_p == 1:
        return probabilities.min(dim=-1, keepdim=True).values
    vocabulary = probabilities.shape[-1]
    for count in (*(few for few in LIKELY if few < vocabulary), vocabulary):
        ranked = probabilities.topk(count).values
        reached = ranked.cumsum(dim=-1)
        if (reached[:, -1] >= top_p).all():
            break
    last = (reached < top_p).sum(dim=-1, keepdim=True).clamp(max=count - 1)
    return ranked.gather(1, last)
