"""What became of a batch, as it travels from whoever asked the model to whoever writes the records."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from alm_bench.core import Adapter, AnswerBy, Decoding, Output, Status
from alm_bench.records.grading import complete_record
from alm_bench.records.schema import Record
from alm_bench.runner.conditions import Condition
from alm_bench.runner.inference import MemoryShortage, asking, predict_bisecting
from alm_bench.runner.loader import LoadedRequest
from alm_bench.runner.plan import Plan


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """What of a plan decides how its requests are put to the model; `run` tells the plans of a command apart."""

    run: str
    decoding: Decoding
    answer_by: AnswerBy
    condition: Condition
    threads: int

    @staticmethod
    def of(plan: Plan) -> "InferenceSettings":
        spec = plan.spec
        return InferenceSettings(plan.run_id, spec.decoding, spec.answer_by, plan.condition, spec.workers)


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of item `index`, or the reason why its clips cannot be used; one of the two."""

    index: int
    output: Output | None = None
    audio_error: str | None = None
    touched: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch, in how many seconds of the model, which gave `outputs` without an error. Memory did not
    suffice for `too_many` at once."""

    answers: Sequence[Answer] = ()
    seconds: float = 0.0
    outputs: int = 0
    too_many: int | None = None


def run_batch(adapter: Adapter, asked: InferenceSettings, batch: Sequence[LoadedRequest]) -> BatchResult:
    """Ask the model about a batch. Whatever its code raises is the output of the items that make it raise."""
    heard = [ready for ready in batch if ready.audio_error is None and ready.error is None]
    shortage, started = MemoryShortage(), time.perf_counter()
    ask = asking(adapter, asked.decoding, asked.answer_by, shortage)
    outputs = predict_bisecting(ask, [ready.request for ready in heard], shortage)
    seconds = time.perf_counter() - started
    output_of = {ready.index: output for ready, output in zip(heard, outputs, strict=True)}
    answers = [
        Answer(ready.index, output_of[ready.index], touched=ready.touched, seconds=seconds / len(heard))
        if ready.index in output_of
        else report_unusable_clip(ready)
        for ready in batch
    ]
    return BatchResult(answers, seconds, sum(output.error is None for output in outputs), shortage.together)


def report_unusable_clip(ready: LoadedRequest) -> Answer:
    """Of an item whose clips cannot be used, or could not be prepared."""
    if ready.audio_error is not None:
        return Answer(ready.index, audio_error=ready.audio_error, touched=ready.touched)
    return Answer(ready.index, Output(None, error=ready.error), touched=ready.touched)


def make_record(plan: Plan, answer: Answer) -> Record:
    """Return the item as it is stored."""
    item = plan.items[answer.index]
    if answer.output is None:
        status: Status = "skipped" if plan.spec.missing_audio == "skip" else "error"
        reason = f"audio: {answer.audio_error}"
        return item.record(status, reason=reason, unusable_clip=True, preprocessing=answer.touched)
    seconds = round(answer.seconds, 4)
    return complete_record(item, answer.output, plan.task, preprocessing=answer.touched, seconds=seconds)
