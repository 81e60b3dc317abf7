"""Putting requests before an adapter: its text, its scores of the options, and what it does wrong."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from alm_bench.core import (
    Adapter,
    AlmBenchError,
    AnswerBy,
    Decoding,
    OptionScores,
    Output,
    Request,
    UnreachableError,
)
from alm_bench.core.errors import describe_error, is_out_of_memory

Predict = Callable[[Sequence[Request]], list[Output]]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a model's code gave nothing, as it is recorded with the items; whether it was for want of `memory`."""

    reason: str
    memory: bool = False


@dataclass(slots=True)
class MemoryShortage:
    """What memory did not suffice for: the fewest requests that were too many together, and how many were too much
    each by itself (which say nothing of others)."""

    together: int | None = None
    alone: int = 0


def asking(
    adapter: Adapter, decoding: Decoding, answer_by: AnswerBy = "generate", shortage: MemoryShortage | None = None
) -> Predict:
    """What to call with a batch: the adapter's text, its scores of the options, or both in one output; `shortage` is
    that of `call`."""

    def generate(batch: Sequence[Request]) -> list[Output]:
        outputs = list(adapter.generate(batch, decoding))
        check(outputs, len(batch))
        return outputs

    def score(batch: Sequence[Request]) -> list[Output]:
        scores = list(adapter.loglikelihood(batch))
        if len(scores) != len(batch):
            raise ValueError(f"the adapter returned {len(scores)} option scores for {len(batch)} requests")
        return [_scored(one, request) for one, request in zip(scores, batch, strict=True)]

    def both(batch: Sequence[Request]) -> list[Output]:
        written = generate(batch)
        return [
            replace(text, error=text.error or options.error, likelihood=options.likelihood)
            for text, options in zip(written, predict_bisecting(score, batch, shortage), strict=True)
        ]

    asks: dict[AnswerBy, Predict] = {"generate": generate, "likelihood": score, "both": both}
    return asks[answer_by]


def check(outputs: Sequence[object], count: int) -> None:
    """Raises ValueError: what a model's code returns is not checked by anyone else."""
    if len(outputs) != count:
        raise ValueError(f"the adapter returned {len(outputs)} outputs for {count} requests")
    for output in outputs:
        if not isinstance(output, Output) or not isinstance(output.text, str | None):
            raise ValueError(f"the adapter returned {output!r:.80}, expected an Output with text or None")
        if not isinstance(output.error, str | None) or not isinstance(output.refusal, str | None):
            raise ValueError(f"the adapter returned {output!r:.80}, expected a text or None as error and refusal")
        if not isinstance(output.extra, Mapping):
            raise ValueError(f"the adapter returned an extra of {type(output.extra).__name__}, expected a mapping")


def _scored(one: object, request: Request) -> Output:
    """The scores of a request's options as plain numbers. Raises ValueError, as `check`."""
    if not isinstance(one, OptionScores):
        raise ValueError(f"the adapter returned {one!r:.80}, expected OptionScores")
    if one.error is None and "text" not in one.forms:
        raise ValueError(f"the adapter scored the forms {list(one.forms)}, expected text among them")
    forms = {}
    for form, options in one.forms.items():
        forms[form] = [(float(total), int(tokens)) for total, tokens in options]
        sound = all(math.isfinite(total) and tokens > 0 for total, tokens in forms[form])
        if len(options) != len(request.choices) or not sound:
            raise ValueError(
                f"the adapter scored {form} as {options!r:.80}, expected {len(request.choices)} pairs of a finite "
                "sum and a number of tokens"
            )
    return Output(None, error=one.error, likelihood=forms)


def capture_failure(work: Callable[[], Made], let: type[AlmBenchError] = UnreachableError) -> Made | Failure:
    """What code that is not ours gives, or what it raised; errors that are `let` through are raised."""
    try:
        return work()
    except let:
        raise
    except Exception as error:  # noqa: BLE001  whatever a model's code raises is recorded with its item
        return Failure(describe_error(error), is_out_of_memory(error))


def predict_bisecting(
    ask: Predict, requests: Sequence[Request], shortage: MemoryShortage | None = None
) -> list[Output]:
    """The outputs; a failing batch is halved until the failing requests stand alone. `shortage` is told of those that
    failed for want of memory.

    Raises UnreachableError where the adapter does.
    """
    if not requests:
        return []
    shortage = MemoryShortage() if shortage is None else shortage
    outputs = capture_failure(lambda: ask(requests))
    if not isinstance(outputs, Failure):
        return outputs
    if len(requests) == 1:
        shortage.alone += outputs.memory
        return [Output(None, error=outputs.reason)]
    half, alone = len(requests) // 2, shortage.alone
    found = predict_bisecting(ask, requests[:half], shortage) + predict_bisecting(ask, requests[half:], shortage)
    if outputs.memory and shortage.alone == alone:
        shortage.together = min(len(requests), shortage.together or len(requests))
    return found
