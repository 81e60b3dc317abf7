"""Leaderboards from run folders alone: one table for each set of comparable runs."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from alm_bench.core import KnowsBlind, Task
from alm_bench.core.escape import emphasise, escape_csv, escape_markdown
from alm_bench.records.item_scores import ItemScores, collect_item_scores
from alm_bench.records.run import Run
from alm_bench.records.schema import margin_json, metric_json
from alm_bench.reports.tables import (
    NOT_COMPUTED,
    OVER_BLIND,
    TITLES,
    cell,
    counted_by,
    lead,
    markdown,
    prompt_name,
    shown,
    signed,
    task_title,
)
from alm_bench.scoring.blind import best_row, margin_over_best
from alm_bench.scoring.metrics import metric_spec, metric_specs
from alm_bench.scoring.multiple_choice import question_weights
from alm_bench.scoring.paired import difference

METRIC_COLUMNS = ["metric", "value", "low", "high", "n", "reason"]
CAPTIONS = ("spider", "spice", "cider", "meteor", "rouge_l", "bleu_1", "bleu_2", "bleu_3", "bleu_4")
FIGURES = (
    *("accuracy", "chance_filled", "beyond_text", "official_accuracy", "all_right", "consistency"),
    *("by_text_sum", "by_text_mean", "by_letter_sum", "by_letter_mean"),
    *("precision", "recall", "f1", "eacc", "nacc", "cacc"),
    *("binary_accuracy", "majority_accuracy", "unanimous_accuracy", "open_accuracy"),
    *(f"open_{name}" for name in CAPTIONS),
    *CAPTIONS,
)

TaskOf = Callable[[str], Task | None]
"""The task of a name, None where its plug-in is not installed."""


def _key(run: Run) -> tuple[Any, ...]:
    """Runs are comparable on the same items: a demo run never stands beside a real one."""
    told = run.summary
    keys = ("task", "revision", "split", "items", "condition", "options")
    rules = (told.get("task_version"), str(told.get("tables", {}).get("tokenizer")))
    return (told["data"] == "demo", *(told[key] for key in keys), told["answer_by"] == "likelihood", *rules)


def _size(parameters: int | None) -> str:
    if parameters is None:
        return "-"
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.1f}M"


def _figures(told: Mapping[str, Any]) -> list[str]:
    others = [name for name in told["metrics"] if name not in (*FIGURES, "answered")]
    return [name for name in (*FIGURES, *others) if name in told["metrics"] and shown(told, name)]


def _row(run: Run) -> dict[str, str]:
    told, identity = run.summary, run.summary["identity"]
    return {
        "model": told["model"],
        "size": _size(identity["parameters"]),
        "trained on": ", ".join(identity["trained_on"]) or "-",
        "n": str(told["n"]),
        "skipped": str(told["skipped"]),
        "answered": cell(told["metrics"].get("answered"), "answered"),
        "errors": str(told["status"]["error"]),
        **{name: cell(told["metrics"][name], name) for name in _figures(told)},
        **({"text solver": told["solver"]} if told["solver"] else {}),
        "prompt": prompt_name(told["prompt"]),
        "read by": told["parser"],
        "note": identity.get("note") or "",
        "run": told["fingerprint"],
    }


def _ranked_by(members: Sequence[Run]) -> str:
    """The main figure; where members differ in it (metrics were chosen), one that all have."""
    mains = [str(name) for name in dict.fromkeys(run.summary["main"] for run in members)]
    if len(mains) == 1:
        return mains[0]
    known = dict.fromkeys([*mains, *FIGURES])
    return next((name for name in known if all(_value(run, name) is not None for run in members)), mains[0])


def _rank(run: Run, name: str) -> tuple[float, str, str]:
    """Best first; a figure that could not be had comes last."""
    value = _value(run, name)
    sign = -1 if metric_spec(name).higher_is_better else 1
    return (float("inf") if value is None else sign * value, run.summary["model"], run.summary["fingerprint"])


def _value(run: Run, name: str) -> float | None:
    value = run.summary["metrics"].get(name, {}).get("value")
    return None if value is None else float(value)


def _blind(members: Iterable[ItemScores]) -> dict[str, dict[str, float]]:
    """By text-only baseline, its score by item: of the run that counts most of them, for another may have skipped
    some."""
    found: dict[str, dict[str, float]] = {}
    for run in members:
        for name, scores in run.blind.items():
            if len(scores) > len(found.get(name, ())):
                found[name] = dict(zip(run.ids, scores, strict=True))
    return found


def _against_best(mine: ItemScores, best: ItemScores) -> str:
    """`tie` where the interval of the difference holds 0, else the difference, of the items of both."""
    theirs = dict(zip(best.ids, best.accuracy, strict=True))
    common = [place for place, name in enumerate(mine.ids) if name in theirs]
    if not common:
        return "-"
    first, second = [theirs[mine.ids[place]] for place in common], [mine.accuracy[place] for place in common]
    weights = question_weights([mine.questions[place] for place in common])
    found = difference(first, second, [mine.clips[place] for place in common], weights)
    text = signed(metric_json(found))
    return f"tie ({text})" if found.high is None or found.high >= 0 else text


class _Margins:
    """Margins over the baseline that is best on a run's items; runs of the same items have the same best one."""

    def __init__(self, blind: Mapping[str, Mapping[str, float]]) -> None:
        self._blind = blind
        self._best: dict[tuple[Sequence[str], ...], tuple[str, Sequence[float]] | None] = {}

    def format_lead(self, run: Run, mine: ItemScores) -> str:
        """The margin, marked where it may be none."""
        key = (tuple(mine.ids), tuple(mine.questions))
        if key not in self._best:
            self._best[key] = self._find_best(mine)
        found = self._best[key]
        own = run.summary["over_blind"].get("all", {}).get("all")
        if found is None:  # the summary is all there is where the items are gone
            return lead(own)
        best, scores = found
        same = own is not None and own["row"] == best and "score" not in own and own["lead"]["n"] == len(mine.ids)
        if same and mine.blind.get(best) == scores:
            return lead(own)  # the same margin, whose interval the summary has
        weights = question_weights(mine.questions)
        return lead(margin_json(margin_over_best({best: scores}, mine.accuracy, mine.clips, weights)))

    def _find_best(self, mine: ItemScores) -> tuple[str, Sequence[float]] | None:
        names = set(mine.ids)
        values = {
            row: [scores[name] for name in mine.ids] for row, scores in self._blind.items() if scores.keys() >= names
        }
        if not values or not names:
            return None
        best, _ = best_row(values, question_weights(mine.questions))
        return best, values[best]


def split_ranked(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs with an item that ended as `ok`, and those without: nothing ranks them."""
    ranked = [run for run in runs if run.summary["status"]["ok"]]
    return ranked, [run for run in runs if not run.summary["status"]["ok"]]


def group_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each table."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: str(_key(run))):
        groups.setdefault(_key(run), []).append(run)
    return list(groups.values())


def tables(runs: Sequence[Run], task_of: TaskOf) -> list[tuple[str, list[dict[str, str]]]]:
    """Title and rows of each table, best accuracy first, the text-only baselines of its items last."""
    return [_table(members, task_of(members[0].summary["task"])) for members in group_runs(runs)]


def _table(everyone: list[Run], task: Task | None) -> tuple[str, list[dict[str, str]]]:
    members, _ = split_ranked(everyone)
    ranked_by = _ranked_by(members or everyone)
    members = sorted(members, key=lambda run: _rank(run, ranked_by))
    first = (members or everyone)[0].summary
    by_accuracy = any("accuracy" in run.summary["metrics"] for run in members)
    scores = [run.scores or collect_item_scores(task, run.records.values()) for run in members if by_accuracy]
    margins = _Margins(_blind(scores) if isinstance(task, KnowsBlind) else {})
    differences: dict[tuple[Sequence[Any], ...], str] = {}  # of few items, many runs have the same ones right
    rows = []
    for number, run in enumerate(members):
        row = _row(run)
        figure = "accuracy" if "accuracy" in row else ranked_by
        place = list(row).index(figure) + 1 if figure in row else len(row)
        against = {}
        if "accuracy" in run.summary["metrics"]:
            mine = scores[number]
            key = (tuple(mine.ids), tuple(mine.questions), tuple(mine.clips), tuple(mine.accuracy))
            if mine is scores[0]:
                best = "best" if mine.ids else "-"
            elif key not in differences:
                best = differences[key] = _against_best(mine, scores[0])
            else:
                best = differences[key]
            against = {"against the best": best, OVER_BLIND: margins.format_lead(run, mine)}
        elif run.summary["over_blind"]:
            against = {OVER_BLIND: lead(run.summary["over_blind"].get("all", {}).get("all"))}
        cells = list(row.items())
        rows.append(dict([*cells[:place], *against.items(), *cells[place:]]))
    for name in dict.fromkeys(name for run in [*members, *everyone] for name in run.summary["blind"]):
        # Of the run that counts most items: another may have skipped some, or had no development data.
        metrics = max((r.summary["blind"][name] for r in everyone if name in r.summary["blind"]), key=counted_by)
        figures = {key: cell(metrics.get(key), key) for key in _figures(first)}
        rows.append({"model": emphasise(name), "n": str(counted_by(metrics) or "-"), **figures})
    tokenizer = first.get("tables", {}).get("tokenizer")
    asked = [f"condition {first['condition']}"] if first["condition"] != "clean" else []
    asked += [f"options {first['options']}"] if first["options"] != "given" else []
    asked += [f"ranked by {TITLES.get(ranked_by, ranked_by)}"] if ranked_by != "accuracy" else []
    asked += [f"words split by {tokenizer}"] if tokenizer else []
    asked += ["answered by likelihood"] if first["answer_by"] == "likelihood" else []
    parts = [task_title(first), first["split"], f"revision {first['revision']}", f"{first['items']} items", *asked]
    return " · ".join(parts), rows


NOTES = (
    "Percent, with 95 % intervals. Rows in italics heard nothing.",
    "*against the best*: the paired difference to the first row; a tie is not separable from it. "
    f"*{OVER_BLIND}*: the lead over what the same items give to those who hear nothing.",
)


def as_markdown(runs: Sequence[Run], task_of: TaskOf) -> str:
    """Rates in percent with 95 % intervals."""
    sections = ["# Leaderboard", *NOTES]
    for members in group_runs(runs):
        title, rows = _table(members, task_of(members[0].summary["task"]))
        columns = list(dict.fromkeys(column for row in rows for column in row))
        titles = [TITLES.get(column) or _metric_title(column) for column in columns]
        cells, notes = _noted([[row.get(column, "-") for column in columns] for row in rows])
        sections += [f"## {escape_markdown(title)}", markdown(titles, cells), *notes, *_not_ranked(members)]
    return "\n\n".join(sections) + "\n"


def _metric_title(column: str) -> str:
    spec = metric_specs().get(column)
    return column if spec is None else spec.title


def _not_ranked(members: Sequence[Run]) -> list[str]:
    """One line on the runs that are in no row."""
    told = []
    for run in split_ranked(members)[1]:
        counts = ", ".join(f"{count} {status}" for status, count in run.summary["status"].items() if count)
        told.append(f"{run.summary['model']} ({run.summary['fingerprint']}: {counts or 'no items'})")
    return [escape_markdown(f"Not ranked, since no item ended as ok: {'; '.join(told)}.")] if told else []


LONG_REASON = 60
"""Characters of a cell, beyond which it is told below its table."""


def _noted(rows: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[str]]:
    """The rows with long reasons numbered, and the reasons."""
    reasons: dict[str, str] = {}

    def short(cell: str) -> str:
        if not cell.startswith(NOT_COMPUTED) or len(cell) <= LONG_REASON:
            return cell
        return f"not computed [{reasons.setdefault(cell.removeprefix(NOT_COMPUTED), str(len(reasons) + 1))}]"

    cells = [[short(cell) for cell in row] for row in rows]
    return cells, [f"[{number}] {escape_markdown(reason)}" for reason, number in reasons.items()]


def as_csv(runs: Sequence[Run]) -> str:
    """One line a run and figure: task, data, revision, model, group and key, metric, value, low, high, n."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    asked = ["task", "data", "revision", "split", "condition", "options", "answer_by", "model"]
    writer.writerow([*asked, "parameters", "trained_on", "run", "grouping", "key", *METRIC_COLUMNS])
    for run in sorted(runs, key=lambda run: (str(_key(run)), *_rank(run, run.summary["main"]))):
        told = run.summary
        base = [*(told[column] for column in asked), told["identity"]["parameters"]]
        base += [" ".join(told["identity"]["trained_on"]), told["fingerprint"]]
        base = [escape_csv(cell) for cell in base]
        for grouping, key, name, metric, reason in _figures_of(told):
            names = [escape_csv(grouping), escape_csv(key), escape_csv(name)]
            figures = [metric["value"], metric["low"], metric["high"], metric["n"]]
            writer.writerow([*base, *names, *figures, escape_csv(reason)])
    return out.getvalue()


def _figures_of(told: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any], str]]:
    """Grouping, key, name, metric and what is to be said of it."""
    blocks = [("all", "all", told["metrics"])]
    blocks += [(g, key, m) for g, parts in told["groups"].items() for key, m in parts.items()]
    blocks += [("blind", row, metrics) for row, metrics in told["blind"].items()]
    for grouping, key, metrics in blocks:
        for name, metric in metrics.items():
            yield grouping, key, name, metric, metric.get("reason", "")
    for grouping, keys in told["over_blind"].items():
        for key, entry in keys.items():
            yield grouping, key, "over_blind", entry["lead"], f"over {entry['row']}"
