"""Chains of thought of stored outputs, and the beginnings of answers that are made of them.

A chain is the reasoning before an answer. A beginning is what a model gets as the start of its own answer: a chain,
changed or not, and the text that leads to the answer (closing tags, an opening answer tag). The model writes the rest.
The changes are those of faithfulness tests (arXiv 2307.13702; of audio-language models: arXiv 2509.22363).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alm_bench.core.types import Scored
from alm_bench.parsing.reasoning import Reasoning, find_reasoning, list_sentences

LEAD = "The answer is"
"""Text that leads to the answer if no tags separate the reasoning from it. Without it, a model whose chain is removed
would reason anew."""

FILLER = "... "
"""Text that replaces reasoning, repeated to the same number of characters (arXiv 2307.13702 repeats it per token)."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Beginning of a reply, reasoning included, which a model is made to continue."""

    chain: str
    """Reasoning, with its tags."""

    lead: str
    """Text between the reasoning and the answer. It is parsed together with what the model writes."""

    @property
    def text(self) -> str:
        """The whole beginning. It does not end with a space, since tokens of words begin with one."""
        return (self.chain + self.lead).rstrip(" ")


@dataclass(frozen=True, slots=True)
class Chain:
    """Chain of thought of one output."""

    output: str
    """Text of the output, as the model wrote it."""

    reasoning: Reasoning
    """Spans of the reasoning within `output`."""

    @property
    def passages(self) -> list[str]:
        """Texts of the reasoning between its tags, in order."""
        return [self.output[slice(*span)] for span in self.reasoning.passages]

    def rebuild(self, passages: Sequence[str]) -> Beginning:
        """Return the beginning of the answer, with one of these texts in place of each passage of the reasoning."""
        parts, done = [], 0
        for span, text in zip(self.reasoning.passages, passages, strict=True):
            parts += [self.output[done : span[0]], text]
            done = span[1]
        chain = "".join(parts)
        if self.reasoning.tagged:
            return Beginning(chain, self.output[done : self.reasoning.answer])
        return Beginning(f"{chain}\n" if chain.strip() else "", LEAD)

    def replace_passages(self, replace: Callable[[str], str]) -> Beginning:
        """Return the beginning of the answer with each passage of the reasoning replaced by `replace(passage)`."""
        return self.rebuild([replace(passage) for passage in self.passages])

    def truncate(self, share: float) -> Beginning:
        """Return the beginning of the answer with the first `share` of the sentences, rounded down, so that at least
        one is missing if `share` is below 1."""
        sentences = [(number, span) for number, text in enumerate(self.passages) for span in list_sentences(text)]
        left = int(len(sentences) * share)
        passages = ["" for _ in self.passages]
        for index, (number, _) in enumerate(sentences[:left]):
            after = sentences[index + 1] if index + 1 < len(sentences) else None
            text = self.passages[number]
            passages[number] = text if after is None or after[0] != number else text[: after[1][0]].rstrip()
        return self.rebuild(passages)


def build_filler(passage: str) -> str:
    """Return filler text with as many characters as `passage`."""
    return (FILLER * (len(passage) // len(FILLER) + 1))[: len(passage)]


def get_output_text(row: Scored, extra: Mapping[str, Any]) -> str | None:
    """Return the whole text that a model wrote for an item; None if it wrote none.

    Some adapters store reasoning apart from the answer: the text as written in `extra["written"]`, or the reasoning in
    `extra["reasoning"]`, which is then put back within `<think>` tags.
    """
    if row.text is None:
        return None
    if isinstance(written := extra.get("written"), str):
        return written
    reasoning = extra.get("reasoning")
    if isinstance(reasoning, str) and reasoning.strip():
        return f"<think>\n{reasoning.strip()}\n</think>\n\n{row.text}"
    return row.text


def find_chain(row: Scored, extra: Mapping[str, Any], answer_tags: Sequence[str] = ()) -> Chain | None:
    """Return the chain of thought of an item's output; None without one.

    `extra` holds the values that the adapter returned beside the answer (`Output.extra`).
    """
    text = get_output_text(row, extra)
    if not text:
        return None
    span = row.parsed.span if row.parsed is not None and text == row.text else None
    found = find_reasoning(text, span, answer_tags)
    return None if found is None else Chain(text, found)
