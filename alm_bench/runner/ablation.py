"""Ablation of a task's audio, or of the model's own reasoning: the same questions are answered without and with a
change, and the scores compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alm_bench.core import Metric, Task, UsageError
from alm_bench.records.schema import Record
from alm_bench.runner.conditions import create_condition
from alm_bench.runner.continuation import add_answer_beginnings
from alm_bench.runner.fitting import FittedAdapter
from alm_bench.runner.plan import Plan
from alm_bench.runner.spec import RunSpec
from alm_bench.scoring.grounding import (
    Effect,
    ItemPair,
    build_chainless_effect,
    build_missing_effect,
    compute_chain_effects,
    compute_effects,
    compute_selection_share,
)

Prepare = Callable[[RunSpec, FittedAdapter | None], Plan]
"""Function that plans a run. Its second argument is the fitted adapter of the clean run, so that a model that needs
fitting is fitted once; it is None for the clean run itself."""

ExecuteRun = Callable[[Plan], Sequence[Record]]
"""Function that answers the items of a run that have no stored answer, and returns all records of the run."""

FindFailure = Callable[[Sequence[Record]], str | None]
"""Function that returns the reason why a run cannot be used (too many items failed), or None."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """Planned runs of one task: the clean run and the runs under each condition."""

    clean: Plan
    """Run on the unchanged clips."""

    changed: Mapping[str, Sequence[Plan] | str]
    """Planned runs by name of the condition, one per repeat; a text is the reason why there are none."""

    @property
    def plans(self) -> list[Plan]:
        """All planned runs, the clean one first."""
        changed = [plan for plans in self.changed.values() if not isinstance(plans, str) for plan in plans]
        return [self.clean, *changed]

    @property
    def task(self) -> Task:
        """Task of the runs."""
        return self.clean.task


@dataclass(slots=True)
class AblationResult:
    """Results of the ablation of one task."""

    task: str
    """Name of the task."""

    effects: dict[str, dict[str, dict[str, Effect]]] = field(default_factory=dict)
    """Effect of a condition on a group of items, by names of the condition, of the grouping and of the group."""

    selection_shares: dict[str, Metric] = field(default_factory=dict)
    """Share of items for which the model selects any option, by name of the condition. Only conditions under which
    questions have no right option are included."""

    plans: list[Plan] = field(default_factory=list)
    """Executed runs, the clean one first. Those of conditions that change the model's reasoning are planned after
    it."""

    failed: list[str] = field(default_factory=list)
    """One line per failed run: task, condition and reason."""


def plan_ablation(spec: RunSpec, conditions: Sequence[str], repeats: int, prepare: Prepare) -> Ablation:
    """Plan the clean run of a task and its runs under `conditions`.

    A random condition gets `repeats` runs, any other condition one run. If the task does not allow a condition, the
    reason is stored in place of the runs. Raises UsageError if the reference answers of the split are withheld, since
    no score can be compared then.
    """
    clean = prepare(spec, None)
    if not any(item.sample.has_reference for item in clean.items):
        raise UsageError(f"{spec.task}: the answers of split {spec.split} are withheld, nothing can be compared")
    changed: dict[str, Sequence[Plan] | str] = {}
    for name in conditions:
        draws = range(create_condition(name).count_draws(repeats))
        try:
            changed[name] = [prepare(replace(spec, condition=name, repeat=draw), clean.fit) for draw in draws]
        except UsageError as error:  # e.g. swap in a task of one clip; other conditions are still run
            changed[name] = str(error)
    return Ablation(clean, changed)


def run_ablation(ablation: Ablation, execute_run: ExecuteRun, find_failure: FindFailure) -> AblationResult:
    """Execute the clean run and the changed runs of one task, and compute the effects of the conditions.

    `execute_run` executes a run and returns its records. `find_failure` returns the reason why records cannot be used,
    or None. If the clean run cannot be used, no other run is executed. A condition with a run that cannot be used gets
    an effect without values, with the reason.
    """
    found = AblationResult(ablation.task.card.name, plans=[ablation.clean])
    clean = execute_run(ablation.clean)
    if (broken := find_failure(clean)) is not None:
        found.failed.append(f"{found.task}, clean: {broken}")
    reasoning: dict[str, Sequence[Sequence[Record]]] = {}
    for name, plans in ablation.changed.items():
        if broken is not None:  # there is nothing to compare with: do not pay for calls
            found.effects[name] = {"all": {"all": build_missing_effect(f"clean: {broken}")}}
            continue
        if isinstance(plans, str):
            found.effects[name] = {"all": {"all": build_missing_effect(plans)}}
            continue
        condition = create_condition(name)
        if condition.changes_reasoning:
            try:
                plans = [add_answer_beginnings(plan, clean) for plan in plans]
            except UsageError as error:  # no chains of thought
                items = sum(record.status != "skipped" for record in clean)
                found.effects[name] = {"all": {"all": build_chainless_effect(items, str(error))}}
                continue
        runs = [execute_run(plan) for plan in plans]
        found.plans += plans
        failures = [told for run in runs if (told := find_failure(run)) is not None]
        if condition.without_clips and all(record.status == "error" for run in runs for record in run):
            found.effects[name] = {"all": {"all": build_missing_effect("needs audio")}}
        elif failures:
            found.effects[name] = {"all": {"all": build_missing_effect(failures[0])}}
            found.failed.append(f"{found.task}, {name}: {failures[0]}")
        elif not condition.answerable:
            found.effects[name] = {"all": {"all": build_missing_effect("the questions have no right answer")}}
            rows = [record.to_scored() for run in runs for record in run if record.status != "skipped"]
            found.selection_shares[name] = compute_selection_share(rows)
        elif condition.changes_reasoning:
            reasoning[name] = runs
        else:
            found.effects[name] = compute_effects(ablation.task, pair_items(clean, runs), condition.keeps_evidence)
    found.effects |= compute_reasoning_effects(ablation.task, clean, reasoning)
    found.effects = {name: found.effects[name] for name in ablation.changed}
    return found


def compute_reasoning_effects(
    task: Task, clean: Sequence[Record], changed: Mapping[str, Sequence[Sequence[Record]]]
) -> dict[str, dict[str, dict[str, Effect]]]:
    """Return the effects of conditions that change the model's reasoning, by condition, grouping of the items and group
    of the grouping.

    `changed` holds the records of every repeat by condition. If one of the conditions leaves the chains unchanged, it
    is the control of the others.
    """
    pairs = {name: pair_items(clean, runs) for name, runs in changed.items()}
    control = next((name for name in changed if create_condition(name).is_control), None)
    effects = {}
    for name, paired in pairs.items():
        known = {pair.clean.sample.id for pair in paired}
        rest = [record for record in clean if record.status != "skipped" and record.sample.id not in known]
        unchanged = pairs[control] if control is not None and name != control else ()
        effects[name] = compute_chain_effects(task, paired, [record.to_scored() for record in rest], unchanged)
    return effects


def pair_items(clean: Sequence[Record], repeats: Sequence[Sequence[Record]]) -> list[ItemPair]:
    """Pair each item of the clean run with the same item of every repeat, in the order of the clean run.

    An item that is skipped in a run, or absent from one, is not paired.
    """
    known = [{record.sample.id: record for record in run if record.status != "skipped"} for run in repeats]
    return [
        ItemPair(record.to_scored(), [run[record.sample.id].to_scored() for run in known])
        for record in sorted(clean, key=lambda record: record.index)
        if record.status != "skipped" and all(record.sample.id in run for run in known)
    ]
