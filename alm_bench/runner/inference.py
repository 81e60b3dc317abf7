"""Calls of an adapter with a batch of requests, for text and for option scores, and handling of their failures."""

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
from alm_bench.core.vectors import encode_vector

Predict = Callable[[Sequence[Request]], list[Output]]
"""Function that answers a batch of requests, with one output per request."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Failure:
    """Failure of a model's code."""

    reason: str
    """Reason, as it is stored with the items."""

    out_of_memory: bool = False
    """True if the code ran out of memory."""


@dataclass(slots=True)
class MemoryShortage:
    """Record of the calls that ran out of memory."""

    smallest_batch: int | None = None
    """Size of the smallest batch that ran out of memory although each of its requests did not when sent alone; None
    without such a batch."""

    single_requests: int = 0
    """Number of requests that ran out of memory when sent alone, which a smaller batch size would not prevent."""


def build_predict_function(
    adapter: Adapter, decoding: Decoding, answer_by: AnswerBy = "generate", shortage: MemoryShortage | None = None
) -> Predict:
    """Build a function that sends a batch of requests to the adapter and returns one output per request.

    Depending on `answer_by`, outputs contain a generated text, option scores, both, or an embedding. For `both`,
    `shortage` is updated if option scores run out of memory (see `predict_bisecting`).
    """

    def generate(batch: Sequence[Request]) -> list[Output]:
        outputs = list(adapter.generate(batch, decoding))
        check_outputs(outputs, len(batch))
        return outputs

    def score(batch: Sequence[Request]) -> list[Output]:
        scores = list(adapter.loglikelihood(batch))
        if len(scores) != len(batch):
            raise ValueError(f"the adapter returned {len(scores)} option scores for {len(batch)} requests")
        return [_convert_scores(one, request) for one, request in zip(scores, batch, strict=True)]

    def answer_by_both(batch: Sequence[Request]) -> list[Output]:
        written = generate(batch)
        return [
            replace(text, error=text.error or options.error, likelihood=options.likelihood)
            for text, options in zip(written, predict_with_bisection(score, batch, shortage), strict=True)
        ]

    def embed(batch: Sequence[Request]) -> list[Output]:
        vectors = list(adapter.embed(batch))
        if len(vectors) != len(batch):
            raise ValueError(f"the adapter returned {len(vectors)} embeddings for {len(batch)} requests")
        return [Output(None, embedding=encode_vector(vector)) for vector in vectors]

    asks: dict[AnswerBy, Predict] = {
        "generate": generate,
        "likelihood": score,
        "both": answer_by_both,
        "embedding": embed,
    }
    return asks[answer_by]


def check_outputs(outputs: Sequence[object], count: int) -> None:
    """Raise ValueError unless there are `count` valid outputs. No other code checks what an adapter returns."""
    if len(outputs) != count:
        raise ValueError(f"the adapter returned {len(outputs)} outputs for {count} requests")
    for output in outputs:
        if not isinstance(output, Output) or not isinstance(output.text, str | None):
            raise ValueError(f"the adapter returned {output!r:.80}, expected an Output with text or None")
        if not isinstance(output.error, str | None) or not isinstance(output.refusal, str | None):
            raise ValueError(f"the adapter returned {output!r:.80}, expected a text or None as error and refusal")
        if not isinstance(output.extra, Mapping):
            raise ValueError(f"the adapter returned an extra of {type(output.extra).__name__}, expected a mapping")


def _convert_scores(one: object, request: Request) -> Output:
    """Return the option scores of a request as an output with plain numbers. Raises ValueError for invalid scores."""
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


def capture_failure(function: Callable[[], Value], reraised: type[AlmBenchError] = UnreachableError) -> Value | Failure:
    """Return the result of `function`, or a `Failure` if it raises an exception.

    It is meant for code of adapters, which may raise anything. Exceptions of the type `reraised` are not captured.
    """
    try:
        return function()
    except reraised:
        raise
    except Exception as error:  # noqa: BLE001  whatever a model's code raises is recorded with its item
        return Failure(describe_error(error), is_out_of_memory(error))


def predict_with_bisection(
    predict: Predict, requests: Sequence[Request], shortage: MemoryShortage | None = None
) -> list[Output]:
    """Return one output per request. A batch that fails is halved until each failing request is sent alone.

    `predict` sends a batch to the model. A request that fails alone gets an output with the error. `shortage` is
    updated if calls run out of memory. Raises UnreachableError if the adapter raises it.
    """
    if not requests:
        return []
    shortage = MemoryShortage() if shortage is None else shortage
    outputs = capture_failure(lambda: predict(requests))
    if not isinstance(outputs, Failure):
        return outputs
    if len(requests) == 1:
        shortage.single_requests += outputs.out_of_memory
        return [Output(None, error=outputs.reason)]
    half, shortages_before = len(requests) // 2, shortage.single_requests
    found = predict_with_bisection(predict, requests[:half], shortage) + predict_with_bisection(
        predict, requests[half:], shortage
    )
    if outputs.out_of_memory and shortage.single_requests == shortages_before:
        shortage.smallest_batch = min(len(requests), shortage.smallest_batch or len(requests))
    return found
