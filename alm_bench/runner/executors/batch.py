"""Answering of one batch, and the data types of its result, which travel from the model to the code that writes
records."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alm_bench.core import Adapter, AnswerBy, Decoding, Output, Status
from alm_bench.records.grading import complete_record
from alm_bench.records.schema import Record
from alm_bench.runner.conditions import Condition
from alm_bench.runner.inference import MemoryShortage, build_predict_function, predict_with_bisection
from alm_bench.runner.loader import LoadedRequest
from alm_bench.runner.plan import Plan
from alm_bench.scoring.part_scores import read_parts


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """Settings of a plan that determine how its requests are sent to the model."""

    run: str
    """Id of the run, which distinguishes the plans of one command."""

    decoding: Decoding
    """Decoding settings."""

    answer_by: AnswerBy
    """Answer mode."""

    condition: Condition
    """Condition that changes the clips."""

    threads: int
    """Number of decoding threads."""

    @staticmethod
    def from_plan(plan: Plan) -> "InferenceSettings":
        """Return the settings of a plan."""
        spec = plan.spec
        return InferenceSettings(plan.run_id, spec.decoding, spec.answer_by, plan.condition, spec.workers)


@dataclass(frozen=True, slots=True)
class ItemResult:
    """Result for one item: either the output of the model, or the reason why the item's clips cannot be used."""

    index: int
    """Index of the item in the plan."""

    output: Output | None = None
    """Output of the model; None if a clip cannot be used."""

    audio_error: str | None = None
    """Reason why a clip cannot be used; None if the item has an output."""

    touched: tuple[str, ...] = ()
    """Names of the preprocessing steps that changed a clip."""

    seconds: float = 0.0
    """Time of the model for this item, in seconds."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Result of one batch."""

    answers: Sequence[ItemResult] = ()
    """One result per item."""

    seconds: float = 0.0
    """Time of the model for the batch, in seconds."""

    output_count: int = 0
    """Number of outputs without an error."""

    failed_batch_size: int | None = None
    """Size of the smallest batch that ran out of memory although each of its requests did not when sent alone; None
    without such a batch."""


def run_batch(adapter: Adapter, settings: InferenceSettings, batch: Sequence[LoadedRequest]) -> BatchResult:
    """Answer a batch of decoded requests with the adapter.

    An exception of the adapter's code becomes the error of the items that cause it. The time of the batch is divided
    equally among the items that were sent to the model.
    """
    usable = [ready for ready in batch if ready.audio_error is None and ready.error is None]
    shortage, started = MemoryShortage(), time.perf_counter()
    ask = build_predict_function(adapter, settings.decoding, settings.answer_by, shortage)
    outputs = predict_with_bisection(ask, [ready.request for ready in usable], shortage)
    seconds = time.perf_counter() - started
    output_of = {ready.index: output for ready, output in zip(usable, outputs, strict=True)}
    answers = [
        ItemResult(ready.index, output_of[ready.index], touched=ready.touched, seconds=seconds / len(usable))
        if ready.index in output_of
        else build_unusable_clip_result(ready)
        for ready in batch
    ]
    return BatchResult(answers, seconds, sum(output.error is None for output in outputs), shortage.smallest_batch)


def build_unusable_clip_result(loaded: LoadedRequest) -> ItemResult:
    """Return the result of an item whose clips cannot be used or could not be prepared, with the reason."""
    if loaded.audio_error is not None:
        return ItemResult(loaded.index, audio_error=loaded.audio_error, touched=loaded.touched)
    return ItemResult(loaded.index, Output(None, error=loaded.error), touched=loaded.touched)


def add_token_count_before_answer(adapter: Adapter, output: Output, output_format: str | None) -> Output:
    """Add the number of tokens before the answer to an item's output, as `extra["tokens_before_answer"]`. Return the
    new output.

    The output is returned unchanged if the format of the answer has no parts (`output_format` is None), if it has no
    answer, or if the adapter cannot count tokens.
    """
    if output_format is None or output.text is None:
        return output
    parts = read_parts(output.text, output_format)
    count = None if parts.answer is None else adapter.count_tokens(output.text[: parts.answer_start])
    return output if count is None else replace(output, extra={**output.extra, "tokens_before_answer": count})


def make_record(plan: Plan, answer: ItemResult) -> Record:
    """Return the record that is stored for the result of an item."""
    item = plan.items[answer.index]
    if answer.output is None:
        status: Status = "skipped" if plan.spec.missing_audio == "skip" else "error"
        reason = f"audio: {answer.audio_error}"
        return item.create_record(status, reason=reason, unusable_clip=True, preprocessing=answer.touched)
    seconds = round(answer.seconds, 4)
    output = add_token_count_before_answer(plan.adapter, answer.output, item.output_format)
    return complete_record(item, output, plan.task, preprocessing=answer.touched, seconds=seconds)
