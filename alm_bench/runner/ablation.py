"""The same questions on clean and on changed clips: which runs that takes, and what they differ by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alm_bench.core import Metric, Task, UsageError
from alm_bench.records.schema import Record
from alm_bench.runner.conditions import read_condition
from alm_bench.runner.fitting import Fit
from alm_bench.runner.plan import Plan
from alm_bench.runner.spec import RunSpec
from alm_bench.scoring.grounding import Effect, Pair, effects, missing, picked_share

Prepare = Callable[[RunSpec, Fit | None], Plan]
"""Settle a run; a model that is fitted is fitted once, for the clean one."""

Answer = Callable[[Plan], Sequence[Record]]
"""All records of a run, made now or found finished."""

Failure = Callable[[Sequence[Record]], str | None]
"""Why a run says nothing (too many items failed), None where it does."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A task's clean run, and by condition the runs of its repeats, or why there are none."""

    clean: Plan
    changed: Mapping[str, Sequence[Plan] | str]

    @property
    def plans(self) -> list[Plan]:
        changed = [plan for plans in self.changed.values() if not isinstance(plans, str) for plan in plans]
        return [self.clean, *changed]

    @property
    def task(self) -> Task:
        return self.clean.task


@dataclass(slots=True)
class Measured:
    """By condition the effects by grouping and key, the share of items with an option picked where none is right, and
    what failed."""

    task: str
    effects: dict[str, dict[str, dict[str, Effect]]] = field(default_factory=dict)
    picked: dict[str, Metric] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def settle_ablation(spec: RunSpec, conditions: Sequence[str], repeats: int, prepare: Prepare) -> Ablation:
    """The runs to make. Raises UsageError for answers that are withheld."""
    clean = prepare(spec, None)
    if not any(item.sample.has_reference for item in clean.items):
        raise UsageError(f"{spec.task}: the answers of split {spec.split} are withheld, nothing can be compared")
    changed: dict[str, Sequence[Plan] | str] = {}
    for name in conditions:
        draws = range(repeats if read_condition(name).random else 1)
        try:
            changed[name] = [prepare(replace(spec, condition=name, repeat=draw), clean.fit) for draw in draws]
        except UsageError as error:  # a task of one clip has none to swap with; other conditions stand
            changed[name] = str(error)
    return Ablation(clean, changed)


def measure(ablation: Ablation, answer: Answer, failure: Failure) -> Measured:
    """Make the runs of a task, clean and under each condition, and set them against one another."""
    found = Measured(ablation.task.card.name)
    clean = answer(ablation.clean)
    if (broken := failure(clean)) is not None:
        found.failed.append(f"{found.task}, clean: {broken}")
    for name, plans in ablation.changed.items():
        if broken is not None:  # there is nothing to compare with, and no call worth its cost
            found.effects[name] = {"all": {"all": missing(f"clean: {broken}")}}
            continue
        if isinstance(plans, str):
            found.effects[name] = {"all": {"all": missing(plans)}}
            continue
        condition = read_condition(name)
        runs = [answer(plan) for plan in plans]
        failures = [told for run in runs if (told := failure(run)) is not None]
        if condition.without_clips and all(record.status == "error" for run in runs for record in run):
            found.effects[name] = {"all": {"all": missing("needs audio")}}
        elif failures:
            found.effects[name] = {"all": {"all": missing(failures[0])}}
            found.failed.append(f"{found.task}, {name}: {failures[0]}")
        elif not condition.answerable:
            found.effects[name] = {"all": {"all": missing("the questions have no right answer")}}
            rows = [record.scored() for run in runs for record in run if record.status != "skipped"]
            found.picked[name] = picked_share(rows)
        else:
            found.effects[name] = effects(ablation.task, pair_items(clean, runs), condition.keeps_evidence)
    return found


def pair_items(clean: Sequence[Record], repeats: Sequence[Sequence[Record]]) -> list[Pair]:
    """Pair the items that every run has, in the clean run's order; skipped ones are left out."""
    known = [{record.sample.id: record for record in run if record.status != "skipped"} for run in repeats]
    return [
        Pair(record.scored(), [run[record.sample.id].scored() for run in known])
        for record in sorted(clean, key=lambda record: record.index)
        if record.status != "skipped" and all(record.sample.id in run for run in known)
    ]
