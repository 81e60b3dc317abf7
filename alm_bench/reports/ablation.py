"""Tables of an ablation: scores of a model on clean clips, on clips that a condition changed or removed, and with a
changed chain of thought."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alm_bench.core import Metric
from alm_bench.records.models import to_json
from alm_bench.reports.blocks import Block, Cell, Column, Heading, Row, Table, Text
from alm_bench.reports.breakdowns import get_metric_heading
from alm_bench.reports.figures import SHARE, build_difference_cell, build_metric_cell, format_value, sort_group_keys
from alm_bench.scoring.grounding import Effect
from alm_bench.scoring.verdicts import LEAST_ITEMS

Effects = Mapping[str, Mapping[str, Mapping[str, Effect]]]
"""Effects by condition, grouping and key. The effect over all items has grouping and key `all`."""

NOTE = (
    "Audio removed: grounded: the clean score beats the best text-only baseline and drops to it; partly: it drops, and "
    "still beats it; not listening: the answers or at least 90 % of the score stay. Audio degraded: "
    "robust: at least 90 % of the score stay; sensitive: it drops; no effect: neither is shown. Cannot tell: "
    f"for the reason given. No verdict below {LEAST_ITEMS} items. 95 % intervals, paired by item. --json has the "
    "breakdowns of every condition."
)


REASONING_NOTE = (
    "Chain of thought changed: reasoning matters: more than 5 % of the answers change (lower bound), or the score "
    "does; no evidence that it matters: at most 5 % change, and the score does not; cannot tell: in between, or for "
    "the reason given. Left out: items without a chain of thought or an answer; no other figure includes them."
)


def build_ablation_report(
    task: str, model: str, effects: Effects, selection_shares: Mapping[str, Metric], details: bool
) -> list[Block]:
    """Return a table of the effects of all conditions on one task, with notes.

    With `details`, further tables show the effects by group, for the first condition with a verdict. Each condition
    that leaves no correct option is given with the share of items in which the model selects an option anyway.
    """
    blocks: list[Block] = [Heading(f"{task} · {model}", name=model)]
    overall = [(name, groups["all"]["all"]) for name, groups in effects.items() if name not in selection_shares]
    listened = [(name, effect) for name, effect in overall if effect.left_out is None]
    reasoned = [(name, effect) for name, effect in overall if effect.left_out is not None]
    for rows in filter(None, (listened, reasoned)):
        blocks.append(_build_table("condition", rows))
        blocks += _build_notes(rows)
    for name, metric in selection_shares.items():
        share = build_metric_cell(metric, SHARE.name).text
        blocks.append(Text(f"{name}: an option is picked all the same in {share} % of the items."))
    for rows in (listened, reasoned) if details else ():
        first = next((name for name, effect in rows if effect.clean.value is not None and effect.verdict), None)
        for grouping, keys in effects[first].items() if first is not None else ():
            if grouping != "all" and keys:
                blocks.append(_build_table(f"{first}: {grouping}", [(key, keys[key]) for key in sort_group_keys(keys)]))
    return blocks


def build_notes(effects: Iterable[Effects]) -> list[Text]:
    """Return the explanations of the verdicts in ablations of one or more tasks."""
    left_out = {groups["all"]["all"].left_out is None for found in effects for groups in found.values()}
    return [Text(note) for note, has_clips in ((NOTE, True), (REASONING_NOTE, False)) if has_clips in left_out]


def _build_notes(effects: Sequence[tuple[str, Effect]]) -> list[Block]:
    """Return one line that names the best text-only baseline, and one line per reason for a verdict "cannot tell"."""
    lines = []
    listened = [effect for _, effect in effects if effect.left_out is None]
    if baseline := next((effect for effect in listened if effect.baseline is not None), None):
        name, value = baseline.baseline or ("", 0.0)
        lines.append(f"Best text-only baseline: {name}, {format_value(value, baseline.score)}.")
    reasons: dict[str, list[str]] = {}
    for condition, effect in effects:
        if effect.verdict is not None and effect.reason is not None:
            reasons.setdefault(effect.reason, []).append(condition)
    lines += [f"{', '.join(conditions)}: {reason}." for reason, conditions in reasons.items()]
    return [Text(line) for line in lines]


def _build_table(title: str, rows: Sequence[tuple[str, Effect]]) -> Table:
    """Return a table with one row per effect."""
    score = next((effect.score for _, effect in rows if effect.clean.value is not None), "accuracy")
    is_reasoning = any(effect.left_out is not None for _, effect in rows)
    columns = [
        Column(f"{title} ({get_metric_heading(score)})", overflow="end"),
        Column("n", 2),
        *([Column("left out", 3)] if is_reasoning else []),
        Column("clean", 1),
        Column("changed chain" if is_reasoning else "changed clips", 1),
        Column("drop"),
        Column("retention", 2),
        Column("answers changed", 3),
        Column("verdict", overflow="wrap", least=13),
    ]
    return Table(columns, [_build_row(name, effect) for name, effect in rows])


def _build_row(name: str, effect: Effect) -> Row:
    left_out = [] if effect.left_out is None else [effect.left_out]
    if effect.clean.value is None:
        reason = str(effect.reason)
        missing = Cell((f"n/a: {reason}", "n/a"), note=reason)
        return [name, "-", *left_out, missing, *["-"] * 4, effect.verdict or "-"]
    clean, noise = (build_metric_cell(metric, effect.score) for metric in (effect.clean, effect.noise))
    rest = [build_metric_cell(metric, SHARE.name) for metric in (effect.retention, effect.changed)]
    drop = build_difference_cell(effect.drop, effect.score)
    verdict = Cell((effect.verdict,)) if effect.verdict else Cell((f"n/a: {effect.reason}", "n/a"), note=effect.reason)
    return [name, effect.clean.n, *left_out, clean, noise, drop, *rest, verdict]


def build_ablation_json(task: str, condition: str, effect: Effect) -> dict[str, Any]:
    """Return the effect of one condition on one task as an entry of the list "runs" of the JSON output.

    It contains metrics and the verdict. If the verdict is null, `reason` says why.
    """
    names = ("clean", "noise", "drop", "retention", "changed")
    entry = {name: to_json(getattr(effect, name)) for name in names}
    document = {"task": task, "condition": condition, "score": effect.score, **entry, "verdict": effect.verdict}
    if effect.baseline is not None:
        document["text_only_baseline"] = {"name": effect.baseline[0], "value": effect.baseline[1]}
    if effect.chance is not None:
        document["chance"] = effect.chance
    if effect.left_out is not None:
        document["left_out"] = effect.left_out
    return document if effect.reason is None else {**document, "reason": effect.reason}


def build_task_json(task: str, effects: Effects, selection_shares: Mapping[str, Metric]) -> list[dict[str, Any]]:
    """Return the entries of one task in the output of `--json`, one per condition.

    Each condition that leaves no correct option is given with the share of items in which the model selects an option
    anyway.
    """
    entries = []
    for condition, groups in effects.items():
        entry = build_ablation_json(task, condition, groups["all"]["all"])
        entry["groups"] = {
            grouping: {key: build_ablation_json(task, condition, effect) for key, effect in keys.items()}
            for grouping, keys in groups.items()
            if grouping != "all"
        }
        if condition in selection_shares:
            entry["selected"] = to_json(selection_shares[condition])
        entries.append(entry)
    return entries
