"""Inference engine: generates answers by greedy decoding, sampling or beam search, and computes the log-likelihood of
given answers.

Keys and values are computed once per token and cached. The prompts are processed first; generation then adds one column
per token. A row's result does not depend on the other rows of the batch, except for the rounding of sums.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from alm_bench.core.errors import AdapterError, UsageError
from alm_bench.core.rng import create_item_generator
from alm_bench.core.types import Decoding
from alm_bench.mellow.beams import BeamSearch, advance_searches
from alm_bench.mellow.decoder import DECODERS, KVCache
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.packed_linear import can_pack
from alm_bench.mellow.sampling import sample_tokens

TOKENS = {"cpu": 1100, "cuda": 32_768}
"""Maximum number of tokens, with padding, that are processed in one pass, by device type. On CPUs it is small, so that
the activations fit in the processor's cache."""
CACHE_GROWTH = 64
"""Number of columns by which the cache grows when answers need more."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that precedes an answer: `prompt`, embeddings, after `prefix`, cached keys and values of what comes
    before them."""

    prefix: KVCache | None
    """Keys and values of the first tokens, if these were processed before, else None."""

    prompt: Tensor
    """Embedded tokens after the prefix, (n, D) with n > 0."""

    @property
    def prefix_length(self) -> int:
        """Number of tokens in the prefix."""
        return 0 if self.prefix is None else self.prefix.columns

    @property
    def length(self) -> int:
        """Number of tokens in the prefix and the prompt."""
        return self.prefix_length + len(self.prompt)


@dataclass(frozen=True, slots=True)
class GeneratedTokens:
    """Tokens of one generated answer."""

    tokens: tuple[int, ...]
    """Token ids, without the stop token."""

    truncated: bool
    """True if generation ended at the token limit instead of the stop token."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-likelihood of an answer."""

    total: float
    """Sum of the natural logarithms of the token probabilities."""

    tokens: int
    """Number of tokens in the sum."""

    @property
    def mean(self) -> float:
        """Mean log-probability per token, which does not penalise long answers for their length."""
        return self.total / self.tokens


@dataclass(slots=True)
class GenerationState:
    """State of one row of the batch during generation: the sequence of an item, and the answer so far."""

    generator: np.random.Generator
    """Random generator of the item. Results therefore do not depend on the composition of the batch."""

    length: int
    """Number of columns that the sequence occupies in the cache."""

    tokens: list[int]
    """Token ids generated so far."""

    stopped: bool = False
    """True if the stop token was generated."""


class Engine:
    """Inference engine for a network's language model. It does not follow later changes of the weights.

    `compiled`: run generation steps through torch.compile, which fuses small operations and takes a minute at the first
    answers. Raises UsageError if `compiled` is set on a CPU where oneDNN computes the products: torch cannot trace
    these, and other products would take twice as long.
    """

    def __init__(self, model: Mellow, compiled: bool = False) -> None:
        self.stop = model.config.prompt.stop
        self.decoder = DECODERS[model.config.lm.kind](model.lm)
        if compiled and can_pack(self.decoder.embeddings):
            raise UsageError("compile=true is for GPUs, found a CPU, which answers faster without it: leave it out")
        self._compiled = compiled
        self._step = torch.compile(self.decoder.extend, dynamic=True) if compiled else self.decoder.extend
        self._memory = self.decoder.allocate_memory(0, 0)

    def embed(self, ids: Sequence[int] | Tensor) -> Tensor:
        """Return the embeddings (n, D) of token ids (n,)."""
        embeddings = self.decoder.embeddings
        return embeddings[torch.as_tensor(ids, dtype=torch.long, device=embeddings.device)]

    @torch.inference_mode()
    def compute_prefixes(self, sequences: Sequence[Tensor]) -> list[KVCache]:
        """Compute the keys and values of embedded sequences (n, D), for use as `Context.prefix`.

        Returns one cache per sequence, each with a single row.
        """
        found: dict[int, KVCache] = {}
        for part in self._group_rows([len(sequence) for sequence in sequences]):
            x = self._pad_rows([sequences[i] for i in part])
            cache = self.decoder.create_cache(*x.shape[:2])
            self.decoder.extend(x, cache, 0, None)
            found |= {i: cache.slice_rows(row, row + 1, len(sequences[i])).copy() for row, i in enumerate(part)}
        return [found[i] for i in range(len(sequences))]

    @torch.inference_mode()
    def generate(
        self, contexts: Sequence[Context], item_ids: Sequence[str], decoding: Decoding
    ) -> list[GeneratedTokens]:
        """Generate an answer for each context. A row leaves the batch as soon as its answer is complete.

        `item_ids`: ids of the rows, which seed sampling. Raises UsageError for impossible decoding parameters and
        AdapterError if a hidden state is not finite.
        """
        self._check_decoding_limits(decoding, max(context.length for context in contexts))
        if decoding.method == "beam":
            return self._search_beams(contexts, decoding)
        order, cache, hidden = self._process_contexts(contexts, min(decoding.max_new_tokens, CACHE_GROWTH))
        rows = [
            GenerationState(create_item_generator("tokens", decoding.seed, item_ids[i]), contexts[i].length, [])
            for i in order
        ]
        active = list(rows)
        while True:
            tokens = choose_tokens(self.decoder.head(hidden), active, decoding)
            for row, token in zip(active, tokens.tolist(), strict=True):
                row.stopped = token == self.stop
                row.tokens += [] if row.stopped else [token]
            tokens = _remove_finished_rows(active, tokens, cache, decoding.max_new_tokens)
            if not active:
                break
            if max(row.length for row in active) == cache.columns:
                cache = self._grow_cache(cache, len(active))
            lengths = [row.length for row in active]
            hidden = self._process_next_tokens(
                tokens, cache.slice_rows(0, len(active), self._count_columns_to_read(lengths)), lengths
            )
            for row in active:
                row.length += 1
        generated = {i: GeneratedTokens(tuple(row.tokens), not row.stopped) for i, row in zip(order, rows, strict=True)}
        return [generated[i] for i in range(len(contexts))]

    def _search_beams(self, contexts: Sequence[Context], decoding: Decoding) -> list[GeneratedTokens]:
        """Generate an answer for each context by beam search. Each context has as many neighbouring rows as there are
        beams. Its rows leave the batch together."""
        order, read, hidden = self._process_contexts(contexts, 0)
        width, lengths = decoding.beams, [contexts[i].length for i in order]
        logits = self.decoder.head(hidden)[:, None]
        cache = self.decoder.create_cache(len(order) * width, read.columns + min(decoding.max_new_tokens, CACHE_GROWTH))
        for row in range(len(order)):
            cache.write_rows(row * width, read.slice_rows(row, row + 1).expand(width))
        searches = [BeamSearch(self.stop, decoding, length) for length in lengths]
        active = list(searches)
        while True:
            sources = advance_searches(active, logits)
            if all(search.is_done for search in active):
                break
            _copy_beams(active, sources, cache)
            tokens = _remove_finished_searches(active, cache)
            if max(search.length for search in active) == cache.columns:
                cache = self._grow_cache(cache, len(active) * width)
            rows = [search.length for search in active for _ in range(width)]
            view = cache.slice_rows(0, len(rows), self._count_columns_to_read(rows))
            hidden = self._process_next_tokens(torch.tensor(tokens, device=hidden.device), view, rows)
            logits = self.decoder.head(hidden).view(len(active), width, -1)
            for search in active:
                search.length += 1
        found = {i: GeneratedTokens(*search.best) for i, search in zip(order, searches, strict=True)}
        return [found[i] for i in range(len(contexts))]

    @torch.inference_mode()
    def compute_answer_likelihoods(
        self, contexts: Sequence[Context], answers: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[Likelihood]]:
        """Compute the log-likelihoods of given answers. `answers[i]` lists the answers to `contexts[i]` as token ids;
        the result has the same order.

        Each context is processed once. All answers to it then form one batch, which continues from the cached keys and
        values of the context.
        Raises UsageError for an empty answer or one that exceeds the model's positions, and AdapterError if a hidden
        state is not finite.
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
            i: self._score_answers(cache.slice_rows(row, row + 1, contexts[i].length), first[row], answers[i])
            for row, i in enumerate(order)
        }
        return [found[i] for i in range(len(contexts))]

    def _score_answers(
        self, context_cache: KVCache, first_logits: Tensor, answers: Sequence[Sequence[int]]
    ) -> list[Likelihood]:
        """Compute the log-likelihoods of the answers to one context. `context_cache`: the context's keys and values.
        `first_logits` (vocabulary,): logits of the first token of an answer."""
        logits = first_logits.expand(len(answers), 1, -1)
        longest = max(map(len, answers))
        if longest > 1:
            # Padding follows an answer's end, so causal attention never reads it.
            x = self._pad_rows([self.embed(answer[:-1]) for answer in answers])
            cache = self.decoder.create_cache(len(answers), context_cache.columns + x.shape[1])
            for row in range(len(answers)):
                cache.write_rows(row, context_cache)
            every = torch.arange(x.shape[1], device=x.device).expand(len(answers), -1)
            after = self._check_finite(self.decoder.extend(x, cache, context_cache.columns, every))
            logits = torch.cat([logits, self.decoder.head(after)], dim=1)
        scores = logits.double().log_softmax(dim=-1)
        ids = [torch.tensor(answer, device=scores.device)[:, None] for answer in answers]
        return [
            Likelihood(float(row[: len(answer)].gather(1, answer).sum()), len(answer))
            for row, answer in zip(scores, ids, strict=True)
        ]

    def _process_contexts(self, contexts: Sequence[Context], extra_columns: int) -> tuple[list[int], KVCache, Tensor]:
        """Process all contexts as one batch.

        Returns three values. The first lists, for each row of the batch, the index of its context in `contexts`. The
        second holds the keys and values, with room for at least `extra_columns` further columns. The third holds the
        hidden state after the last token of each row, (B, D).
        """
        parts = list(self._group_rows([len(context.prompt) for context in contexts]))
        widest = max(context.prefix_length for context in contexts) + max(len(context.prompt) for context in contexts)
        order = [i for part in parts for i in part]
        cache = self._allocate_cache(len(order), widest + extra_columns)
        for row, i in enumerate(order):
            if (prefix := contexts[i].prefix) is not None:
                cache.write_rows(row, prefix)
        hidden, row = [], 0
        for part in parts:
            part_contexts = [contexts[i] for i in part]
            x = self._pad_rows([context.prompt for context in part_contexts])
            starts = [context.prefix_length for context in part_contexts]
            last = torch.tensor([[len(context.prompt) - 1] for context in part_contexts], device=x.device)
            view = cache.slice_rows(row, row + len(part), max(starts) + x.shape[1])
            hidden.append(
                self._check_finite(self.decoder.extend(x, view, self._convert_start_columns(starts), last))[:, 0]
            )
            row += len(part)
        return order, cache, torch.cat(hidden)

    def _allocate_cache(self, rows: int, columns: int) -> KVCache:
        """Allocate a cache. The memory of the previous batch is reused if it is large enough."""
        needed = self.decoder.count_cache_elements(rows, columns)
        if self._memory.numel() < needed:
            self._memory = self.decoder.allocate_memory(0, 0)  # frees the old memory first
            self._memory = self.decoder.allocate_memory(rows, columns)
        return self.decoder.create_cache(rows, columns, self._memory[:needed])

    def _count_columns_to_read(self, lengths: Sequence[int]) -> int | None:
        """Return the number of columns that attention reads for the next token, or None for all.

        CPUs are limited by memory bandwidth, so no more columns are read than needed. On GPUs, a shape that changes
        with every token would cost more than it saves.
        """
        return max(lengths) + 1 if self.decoder.embeddings.device.type == "cpu" else None

    def _process_next_tokens(self, tokens: Tensor, cache: KVCache, lengths: Sequence[int]) -> Tensor:
        """Process one new token per row, `tokens` (B,). Returns the hidden states after the new tokens, (B, D).
        `lengths`: number of columns that each row occupied before."""
        x = self.decoder.embeddings[tokens][:, None]
        # torch.compile would recompile for every new number, but not for a tensor.
        starts = torch.tensor(lengths, device=x.device) if self._compiled else self._convert_start_columns(lengths)
        return self._check_finite(self._step(x, cache, starts, torch.zeros_like(tokens)[:, None]))[:, 0]

    def _check_finite(self, hidden_states: Tensor | None) -> Tensor:
        """Return the hidden states `hidden_states` unchanged. Raises AdapterError if they are not finite, and discards
        the cache's memory: NaN in one row would yield an arbitrary answer, and NaN in the memory would affect later
        batches."""
        assert hidden_states is not None
        if not hidden_states.isfinite().all():
            self._memory = self.decoder.allocate_memory(0, 0)
            raise AdapterError(
                "the network's numbers became infinite or NaN: found in a clip whose samples lie far beyond -1..1, in "
                "damaged weights, or where float16 does not reach; look at the clip, or take --dtype float32"
            )
        return hidden_states

    def _convert_start_columns(self, starts: Sequence[int]) -> Tensor | int:
        """Return the start columns of the rows: one number if all are equal, else a tensor (B,). A single number lets
        the cache write all rows as one block."""
        return starts[0] if len(set(starts)) == 1 else torch.tensor(starts, device=self.decoder.embeddings.device)

    def _grow_cache(self, cache: KVCache, rows: int) -> KVCache:
        """Return a cache with `CACHE_GROWTH` more columns and the content of the first `rows` rows of `cache`."""
        larger = self.decoder.create_cache(rows, cache.columns + CACHE_GROWTH)
        larger.write_rows(0, cache.slice_rows(0, rows))
        return larger

    def _group_rows(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Group rows to be processed in one pass, as lists of indices into `lengths`. Rows of similar length share a
        group, which limits padding. A group has at most `TOKENS` tokens, or a single row."""
        part: list[int] = []
        for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            if part and (len(part) + 1) * lengths[part[0]] > TOKENS[self.decoder.embeddings.device.type]:
                yield part
                part = []
            part.append(i)
        yield part

    def _pad_rows(self, rows: Sequence[Tensor]) -> Tensor:
        """Stack rows (n, D) into (B, longest, D), padded on the right."""
        return pad_sequence(list(rows), batch_first=True).to(self.decoder.embeddings)

    def _check_decoding_limits(self, decoding: Decoding, longest: int) -> None:
        """Raise UsageError for impossible decoding parameters. `longest`: length of the longest context in tokens."""
        decoding.check()
        vocabulary = len(self.decoder.embeddings)
        if decoding.method == "beam" and 2 * decoding.beams > vocabulary:
            raise UsageError(
                f"beam search takes at most {vocabulary // 2} beams with {vocabulary} tokens, found {decoding.beams}"
            )
        positions = self.decoder.positions
        if longest + decoding.max_new_tokens > positions:
            raise UsageError(
                f"the language model has {positions} positions, {longest} of them are before the answer: "
                f"max_new_tokens can be at most {positions - longest}, found {decoding.max_new_tokens}"
            )


def generate(
    model: Mellow, sequences: Sequence[Tensor] | Tensor, item_ids: Sequence[str], decoding: Decoding
) -> list[GeneratedTokens]:
    """Generate an answer after each of `sequences` (n, D), with the network's current weights. Arguments as in
    `Engine.generate`."""
    return Engine(model).generate([Context(None, sequence) for sequence in sequences], item_ids, decoding)


def _remove_finished_rows(active: list[GenerationState], tokens: Tensor, cache: KVCache, token_limit: int) -> Tensor:
    """Remove finished rows from `active` and `cache`: those with the stop token, or with `token_limit` tokens.

    Returns the entries of `tokens` (one per row) that belong to the remaining rows, in their new order. The last
    row moves into the gap that a finished row leaves, so that one row is copied instead of all.
    """
    places = list(range(len(active)))
    for place in reversed(range(len(active))):
        if not active[place].stopped and len(active[place].tokens) < token_limit:
            continue
        if place < len(active) - 1:
            cache.write_rows(place, cache.slice_rows(len(active) - 1, len(active), active[-1].length))
            active[place], places[place] = active[-1], places[-1]
        active.pop()
        places.pop()
    return tokens[torch.tensor(places, dtype=torch.long, device=tokens.device)]


def _copy_beams(active: Sequence[BeamSearch], sources: Sequence[Sequence[int]], cache: KVCache) -> None:
    """Reorder the cache's rows so that each row holds the tokens of the hypothesis that now has this index.

    `sources`, the result of `advance_searches`, lists for each search the former row of each hypothesis. Only the
    answers' columns are copied, since all rows of a search have the same context.
    """
    width, generated = active[0].decoding.beams, len(active[0].hypotheses[0].tokens) - 1
    rows = [number * width + row for number, some in enumerate(sources) for row in some]
    lengths = [search.length for search in active]
    if generated and rows != list(range(len(rows))):
        cache.select_rows(rows, min(lengths) - generated, max(lengths))


def _remove_finished_searches(active: list[BeamSearch], cache: KVCache) -> list[int]:
    """Remove finished searches from `active`, and their rows from `cache`. Return the last tokens of the remaining
    searches' hypotheses, as a list with one token per row."""
    for place in reversed(range(len(active))):
        if not active[place].is_done:
            continue
        last = active.pop()
        if place < len(active):  # the rows of the last search move into the gap
            width = last.decoding.beams
            first = len(active) * width
            cache.write_rows(place * width, cache.slice_rows(first, first + width, last.length))
            active[place] = last
    return [one.tokens[-1] for search in active for one in search.hypotheses]


def choose_tokens(logits: Tensor, rows: Sequence[GenerationState], decoding: Decoding) -> Tensor:
    """Return the next token of each row, (B,), for logits (B, vocabulary)."""
    if not decoding.is_sampled:
        return logits.argmax(dim=-1)
    return sample_tokens(logits, [row.generator for row in rows], decoding)
