"""Metrics of the reasoning in a run's outputs: its share, its length, and the share of outputs in the right format."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from alm_bench.core.types import Metric, Scored
from alm_bench.parsing.reasoning import count_words
from alm_bench.scoring.chains import find_chain, get_output_text
from alm_bench.scoring.intervals import compute_mean_interval
from alm_bench.scoring.multiple_choice import compute_mean, compute_option_order_weights, list_clusters

RowWithExtra = tuple[Scored, Mapping[str, Any]]
"""A row with the further values that the adapter returned with the answer (`Output.extra`)."""

_TAG = re.compile(r"<(/?)(\w+)>")


@dataclass(frozen=True, slots=True)
class ReasoningMetrics:
    """Reasoning in the outputs of one run. All intervals resample whole clips."""

    share: Metric
    """Share of outputs with reasoning; `n` is the number of outputs."""

    words: Metric
    """Mean number of words of the reasoning, over outputs with reasoning."""

    tokens: Metric
    """Mean number of tokens of the reasoning, over outputs for which the adapter reports it."""

    unfinished: Metric
    """Share of outputs that end within their reasoning."""

    format_kept: Metric
    """Share of outputs that have the format that the prompt asks for, and nothing else (`keeps_format`)."""

    format: str | None = None
    """Output format that the prompt asks for (see `core.prompt.PromptTemplate.format`); None if it asks for none."""


def compute_reasoning(
    answered: Sequence[RowWithExtra], format: str | None, answer_tags: Sequence[str] = ()
) -> ReasoningMetrics | None:
    """Return the metrics of the reasoning in outputs.

    Failed calls, skipped items and answers that continue a given beginning do not count. `format` is the output format
    that the prompt asks for, as a sequence of tags. Returns None if `format` is None and no output has reasoning.
    """
    written = [
        (row, extra, text)
        for row, extra in answered
        if row.status != "skipped" and "prefix" not in extra and (text := get_output_text(row, extra)) is not None
    ]
    chains = [find_chain(row, extra, answer_tags) for row, extra, _ in written]
    if not written or (format is None and not any(chains)):
        return None
    rows = [row for row, _, _ in written]
    lengths = [None if chain is None else sum(map(count_words, chain.passages)) for chain in chains]
    tokens = [extra.get("reasoning_tokens") for _, extra, _ in written]
    kept = Metric.missing("the prompt asks for no form")
    if format is not None:
        kept = compute_mean(rows, [float(keeps_format(text, format)) for _, _, text in written])
    return ReasoningMetrics(
        share=compute_mean(rows, [float(chain is not None) for chain in chains]),
        words=_compute_mean_length(rows, lengths, "no output has reasoning"),
        tokens=_compute_mean_length(rows, tokens, "the adapter reports no tokens of reasoning"),
        unfinished=compute_mean(rows, [float(chain is not None and not chain.reasoning.complete) for chain in chains]),
        format_kept=kept,
        format=format,
    )


def _compute_mean_length(rows: Sequence[Scored], lengths: Sequence[int | None], missing_reason: str) -> Metric:
    """Return the mean of the lengths, without None and 0. If no length remains, the result has the reason
    `missing_reason`."""
    known = [(row, float(length)) for row, length in zip(rows, lengths, strict=True) if length]
    if not known:
        return Metric.missing(missing_reason)
    some = [row for row, _ in known]
    return compute_mean_interval(
        [length for _, length in known], list_clusters(some), compute_option_order_weights(some)
    )


def keeps_format(text: str, format: str) -> bool:
    """Return True if a text consists of the tags of `format` in their order, with text between an opening tag and its
    closing tag, and with nothing but white space elsewhere.

    No tag may occur more often than in `format`.
    """
    return _compile_format(format).fullmatch(text.strip()) is not None


@lru_cache(maxsize=64)
def _compile_format(format: str) -> re.Pattern[str]:
    """Return a pattern that matches a whole output if its tags are those of `format` (see `keeps_format`)."""
    tags = list(_TAG.finditer(format))
    names = "|".join(sorted({re.escape(tag[2]) for tag in tags}))
    parts = []
    for number, tag in enumerate(tags):
        parts.append(re.escape(tag[0]))
        following = tags[number + 1] if number + 1 < len(tags) else None
        if following is None:
            break
        encloses = not tag[1] and following[1] and tag[2] == following[2]
        parts.append(rf"\s*(?!\s)(?:(?!</?(?:{names})>).)+?" if encloses else r"\s*")
    return re.compile("".join(parts), re.DOTALL)
