"""Beam search with length normalisation over the answers to one context, independent of the network.

The rules are those of `generate` in transformers with `early_stopping=False`, so that both give the same answers.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from alm_bench.core.types import Decoding


class Hypothesis(NamedTuple):
    """Unfinished answer."""

    score: float
    """Sum of the natural logarithms of the token probabilities."""

    tokens: tuple[int, ...]
    """Token ids so far."""


class FinishedAnswer(NamedTuple):
    """Answer that ended at the stop token or at the token limit."""

    score: float
    """Log-probability, divided by the number of tokens (the stop token included) to the power of the length penalty."""

    tokens: tuple[int, ...]
    """Token ids, without the stop token."""

    truncated: bool
    """True if the answer ended at the token limit."""


class Candidate(NamedTuple):
    """A token that may extend a hypothesis."""

    score: float
    """Log-probability of the extended hypothesis."""

    beam: int
    """Index of the hypothesis."""

    token: int
    """Token id."""


class BeamSearch:
    """State of the search for one answer: at most `beams` hypotheses, and the best finished answers.

    `stop` is the id of the stop token. `length` is the number of columns that each hypothesis occupies in the cache.
    """

    def __init__(self, stop_token: int, decoding: Decoding, length: int) -> None:
        self.stop, self.decoding, self.length = stop_token, decoding, length
        self.hypotheses = [Hypothesis(0.0, ())]
        self.finished: list[FinishedAnswer] = []
        self.is_done = False

    @property
    def best(self) -> tuple[tuple[int, ...], bool]:
        """Tokens of the best finished answer, and True if it ended at the token limit."""
        _, tokens, truncated = self.finished[0]
        return tokens, truncated

    def advance(self, candidates: Sequence[Candidate]) -> list[int]:
        """Extend the hypotheses by one token. Return the index of the former hypothesis that each new one extends.

        `candidates`: the 2 * `beams` best candidates, in descending order of their scores. Each hypothesis has only one
        candidate with the stop token, so at least `beams` of them extend a hypothesis. A candidate finishes an answer
        only if it is among the best `beams`. The search ends at the token limit, or when `beams` answers are finished
        and no hypothesis has a better score at its present length.
        """
        beams = self.decoding.beams
        extended: list[Hypothesis] = []
        sources: list[int] = []
        count = len(self.hypotheses[0].tokens) + 1
        divisor = count**self.decoding.length_penalty
        for rank, (score, beam, token) in enumerate(candidates):
            before = self.hypotheses[beam].tokens
            ends = token == self.stop
            if rank < beams and (ends or count == self.decoding.max_new_tokens):
                tokens = before if ends else (*before, token)
                self.finished.append(FinishedAnswer(score / divisor, tokens, not ends))
            elif not ends and len(extended) < beams:
                extended.append(Hypothesis(score, (*before, token)))
                sources.append(beam)
        self.finished = sorted(self.finished, key=lambda answer: answer.score, reverse=True)[:beams]
        self.is_done = count == self.decoding.max_new_tokens or (
            len(self.finished) == beams and extended[0].score / divisor <= self.finished[-1].score
        )
        self.hypotheses = extended
        return sources


def advance_searches(searches: Sequence[BeamSearch], logits: Tensor) -> list[list[int]]:
    """Extend the hypotheses of all searches by one token. Return the result of `BeamSearch.advance` for each search.

    `logits` (B, hypotheses, vocabulary): the predictions after each hypothesis of each search.
    """
    vocabulary, count = logits.shape[-1], 2 * searches[0].decoding.beams
    scores = logits.double().log_softmax(dim=-1)
    scores += scores.new_tensor([[one.score for one in search.hypotheses] for search in searches])[:, :, None]
    values, indices = scores.flatten(1).topk(count)
    sources = []
    for search, some, places in zip(searches, values.tolist(), indices.tolist(), strict=True):
        pairs = zip(some, places, strict=True)
        sources.append(search.advance([Candidate(score, *divmod(place, vocabulary)) for score, place in pairs]))
    return sources
