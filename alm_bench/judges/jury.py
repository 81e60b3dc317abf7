"""Judging of runs: judges that are loaded once for several runs, and the records of a run with their verdicts."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace as replace_fields

from alm_bench.core import AdapterIdentity, Runtime, UsageError
from alm_bench.core.adapter import CHARACTERS_PER_TOKEN
from alm_bench.core.device import make_runtime
from alm_bench.core.escape import print_notice
from alm_bench.data.outputs.labelled import LabelledAnswer
from alm_bench.judges import get_preset
from alm_bench.judges.calibration import (
    build_calibration,
    build_labelled_item,
    find_calibration,
    judge_labelled_answers,
    match_labels,
    store_calibration,
)
from alm_bench.judges.judge import Judge, Observe, forecast_calls
from alm_bench.judges.labels import read_labels
from alm_bench.judges.load import JudgeOptions, ModelIdentity, open_judges, refuse_own_judge, split_judge
from alm_bench.judges.run_items import (
    count_failures_by_reason,
    explain_unsuitable_preset,
    judge_records,
    select_records,
)
from alm_bench.plugins import catalogue
from alm_bench.records.judgement import JudgeNotes
from alm_bench.records.models import StoredIdentity
from alm_bench.records.schema import Record
from alm_bench.records.store import read_header, read_records
from alm_bench.runner.budget import Budget
from alm_bench.runner.dryrun import Forecast
from alm_bench.runner.options import RunOptions
from alm_bench.runner.plan import Plan


@dataclass(slots=True)
class JudgedRun:
    """Records of a run with verdicts, and what `run.json` stores about the judges."""

    records: list[Record]
    """All records of the run."""

    notes: dict[str, JudgeNotes] = field(default_factory=dict)
    """Notes on each judge, by its key."""

    failure_note: str | None = None
    """One line about calls that failed; None if none did."""


class Jury:
    """Judges of an evaluation, with the file of people's labels that they are compared with, if there is one.

    Their models are loaded on first use. `close` releases them.
    """

    def __init__(self, options: JudgeOptions, runtime: Runtime, labels: Path | None = None, out: Path = Path()) -> None:
        """`labels` is the file of `--calibrate`; `out` is the folder of the runs that its marks name.

        Raises UsageError for unknown names, DataError for a file that holds no labels. No model is loaded.
        """
        options.check()
        self.options, self._runtime, self._source = options, runtime, labels
        self._labels: list[LabelledAnswer] = [] if labels is None else read_labels(labels, out)
        self._held = ExitStack()
        self._judges: list[Judge] | None = None

    @property
    def judges(self) -> list[Judge]:
        """Loaded judges. Raises UsageError if one cannot be loaded."""
        if self._judges is None:
            self._judges = self._held.enter_context(open_judges(self.options, self._runtime))
        return self._judges

    def refuse_model(self, identity: "ModelIdentity | AdapterIdentity | StoredIdentity") -> None:
        """Raise UsageError if one of the judges is the model with this identity."""
        refuse_own_judge(self.judges, identity)

    def close(self) -> None:
        """Release the models."""
        self._held.close()
        self._judges = None

    def judge(self, records: Sequence[Record], task: str, budget: Budget, observe: Observe) -> JudgedRun:
        """Judge the records of a run with all judges; return them with the judgements, and notes on each judge.

        A failed call raises no error: the judgement of its item has the status `error`.

        Raises UsageError if the preset suits none of the items.
        """
        run = JudgedRun(list(records))
        failures = []
        for judge in self.judges:
            judge.usage.clear()
            run.records = judge_records(run.records, judge, task, budget, observe)
            run.notes[judge.key] = self._build_judge_notes(judge, run.records, budget, observe)
            failed = count_failures_by_reason(run.records, judge.key)
            failures += [f"{count} by {judge.label}: {reason}" for reason, count in failed.items()]
        if failures:
            shown = "; ".join(failures[:3])
            run.failure_note = f"verdicts missing on {task}: {shown}; the same command asks for these alone"
        return run

    def select_plans(self, plans: Sequence[Plan]) -> set[str]:
        """Return the ids of the runs that have items for the judges; the other runs are named on standard error.

        Raises UsageError if a judge is the evaluated model, or if there is no item for the judges at all.
        """
        preset = get_preset(self.options.preset)
        chosen, reasons = set(), {}
        for plan in plans:
            self.refuse_model(plan.adapter.identity)
            records = [item.create_record("ok", text="?") for item in plan.items]
            if select_records(records, preset):
                chosen.add(plan.run_id)
            else:
                reasons[plan.spec.task] = explain_unsuitable_preset(records, preset, plan.spec.task)
        if not chosen:
            raise UsageError(next(iter(reasons.values())))
        for reason in reasons.values():
            print_notice(f"not judged: {reason}")
        return chosen

    def forecast_run(self, folder: Path) -> Forecast:
        """Return the forecast of the calls that judging a stored run would need, without those that are cached."""
        records, _ = read_records(folder)
        return self._forecast(read_header(folder).task.name, records)

    def forecast_plan(self, plan: Plan) -> Forecast:
        """Return the forecast of the calls that judging a planned run would need.

        Its answers are not known yet: they are taken to be as long as the token limit allows.
        """
        answer = "x" * (CHARACTERS_PER_TOKEN * plan.spec.decoding.max_new_tokens)
        records = [item.create_record("ok", text=answer) for item in plan.items]
        return self._forecast(plan.spec.task, records)

    def _forecast(self, task: str, records: Sequence[Record]) -> Forecast:
        """Return the forecast of all judges' calls: about the records that they can judge, and the labelled answers."""
        labelled = [build_labelled_item(number, answer) for number, answer in enumerate(self._labels)]
        asked = [
            (judge, [*(item for _, item in select_records(records, judge.preset)), *labelled]) for judge in self.judges
        ]
        return forecast_calls(task, asked, len(records))

    def _build_judge_notes(
        self, judge: Judge, records: Sequence[Record], budget: Budget, observe: Observe
    ) -> JudgeNotes:
        """Return the notes on a judge: its agreement with people, and people's labels of items of this run.

        With a file of labels, the judge first judges the labelled answers, and its agreement is stored. Without one,
        the notes contain the agreement that was stored last.
        """
        calibration, labels = find_calibration(judge.key), {}
        if self._source is not None:
            judged = judge_labelled_answers(judge, self._labels, budget, observe)
            if (measured := build_calibration(judged, self._source)) is not None:
                calibration = measured
                store_calibration(judge.key, measured)
            labels = match_labels(self._labels, [item for _, item in select_records(records, judge.preset)])
            if not labels:
                print_notice(
                    f"{self._source.name}: labels no item of this run, so that its mean is not corrected (columns id "
                    "or question, and answer)"
                )
        return replace_fields(judge.create_notes(), calibration=calibration, labels=labels)


def build_judge_options(models: Sequence[str] | None, preset: str, repeats: int) -> JudgeOptions | None:
    """Return the options of the judges; None without a judge."""
    return JudgeOptions(tuple(models), preset, repeats) if models else None


def check_judge_options(models: Sequence[str] | None, calibrate: Path | None, repeats: int) -> None:
    """Raise UsageError if no judge is named, but an option is set that has no effect without one."""
    given = {"--calibrate": calibrate is not None, "--judge-repeats": repeats != 1}
    flag = next((flag for flag, is_given in given.items() if is_given), None)
    if not models and flag is not None:
        raise UsageError(f"{flag} goes with --judge MODEL, which is not given")


@contextmanager
def open_jury(
    models: Sequence[str] | None, preset: str, repeats: int, calibrate: Path | None, out: Path, runtime: Runtime
) -> Iterator[Jury | None]:
    """Provide judges, which are loaded on first use and closed at the end of the block; None without a judge."""
    chosen = build_judge_options(models, preset, repeats)
    if chosen is None:
        yield None
        return
    jury = Jury(chosen, runtime, calibrate, out)
    try:
        yield jury
    finally:
        jury.close()


def check_run_options(options: RunOptions) -> None:
    """Check the options of a run that concern judges. No model is loaded.

    Raises UsageError for invalid options and for a judge that is the evaluated model, and DataError if the file of
    `--calibrate` has no labels.
    """
    check_judge_options(options.judge, options.calibrate, options.judge_repeats)
    chosen = build_judge_options(options.judge, options.judge_preset, options.judge_repeats)
    if chosen is None:
        return
    chosen.check()
    if options.calibrate is not None:
        read_labels(options.calibrate, options.out)
    for one in chosen.models if options.adapter is None else ():
        name, own = split_judge(one)
        if (
            name == options.model
            and catalogue().get_adapter(name).complete_options(own) == options.parse_model_options()
        ):
            raise UsageError(
                f"--judge {one} is the evaluated model: a model does not judge its own answers; name another judge"
            )


class JuryProvider:
    """Provider of the judges of consecutive evaluations. Judges are kept loaded until an evaluation needs others."""

    def __init__(self) -> None:
        self._key: object = None
        self._jury: Jury | None = None

    def get_jury(self, options: RunOptions) -> Jury | None:
        """Return the judges that the options name; None if they name none. Models are loaded on first use.

        The judges of the last call are returned again if the options are the same, and closed otherwise.
        """
        key = (
            options.judge,
            options.judge_preset,
            options.judge_repeats,
            options.calibrate,
            options.device,
            options.dtype,
        )
        if key != self._key:
            self.close()
            chosen = build_judge_options(options.judge, options.judge_preset, options.judge_repeats)
            runtime = make_runtime(options.device, options.dtype, options.seed, options.cache_mb)
            self._jury = None if chosen is None else Jury(chosen, runtime, options.calibrate, options.out)
            self._key = key
        return self._jury

    def close(self) -> None:
        """Release the models of the judges."""
        if self._jury is not None:
            self._jury.close()
        self._key = self._jury = None
