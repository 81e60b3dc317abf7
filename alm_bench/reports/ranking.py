"""Ranking of runs: one section per set of comparable runs, each compared to its best run and to text-only baselines."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alm_bench.core import HasTextBaselines, ScoresItems, Task
from alm_bench.records.item_scores import collect_item_scores
from alm_bench.records.models import ItemScores, RunSummary, TextMargin
from alm_bench.records.run import Run
from alm_bench.reports.blocks import Cell, convert_to_cell
from alm_bench.reports.breakdowns import MARGIN, count_baseline_items, is_metric_shown, order_metrics
from alm_bench.reports.figures import build_difference_cell, build_margin_cell, build_metric_cell, get_title
from alm_bench.reports.judges import add_judge_name
from alm_bench.reports.provenance import build_task_title, format_option_order, format_prompt_name
from alm_bench.scoring.blind import compute_margin_over_best, find_best_baseline
from alm_bench.scoring.main_score import get_main_score_name
from alm_bench.scoring.metrics import get_metric_spec, sort_metrics
from alm_bench.scoring.multiple_choice import compute_question_weights
from alm_bench.scoring.paired import compute_difference

AGAINST_BEST = "against the best"
BEST = "best"

TaskOf = Callable[[str], Task | None]
"""Function that returns the task with a given name, or None if the plug-in that defines it is not installed."""


def build_comparison_key(run: Run) -> tuple[Any, ...]:
    """Return a key that is equal for comparable runs: the same items, conditions and rules. Demo and real data never
    match.
    """
    summary = run.summary
    items = (
        summary.task,
        tuple(summary.task_options.items()),
        summary.revision,
        summary.split,
        summary.items,
        summary.selection_key,
        summary.condition,
        summary.speech,
        summary.options,
    )
    versions = (summary.condition_version, summary.metric_versions.get(summary.main))
    rules = (summary.task_version, str(summary.tables.get("tokenizer")), *versions)
    return (summary.data == "demo", *items, summary.answer_by == "likelihood", *rules)


def get_comparison_settings(summary: RunSummary) -> tuple[Any, ...]:
    """Return the settings that must be equal in runs of several tasks whose scores are averaged.

    They are: True for demo data, condition and its version, voice of spoken questions, option order, and True for
    answers by likelihood.
    """
    likelihood = summary.answer_by == "likelihood"
    condition = (summary.condition, summary.condition_version, summary.speech)
    return (summary.data == "demo", *condition, summary.options, likelihood)


def _format_size(parameter_count: int | None) -> str:
    """Return a model's number of parameters, such as `167.0M`; `-` if it is not known."""
    if parameter_count is None:
        return "-"
    return f"{parameter_count / 1e9:.1f}B" if parameter_count >= 1e9 else f"{parameter_count / 1e6:.1f}M"


def _list_column_metrics(summary: RunSummary) -> list[str]:
    """Return the names of a run's metrics that become columns of the leaderboard. `answered` has its own column."""
    return [name for name in order_metrics(summary) if name != "answered" and is_metric_shown(summary, name)]


def _build_row(run: Run) -> dict[str, Cell]:
    summary, identity = run.summary, run.summary.identity
    texts = {"size": _format_size(identity.parameters), "trained on": ", ".join(identity.trained_on) or "-"}
    texts |= {"n": str(summary.n), "skipped": str(summary.skipped)}
    rest = {"prompt": format_prompt_name(summary.prompt), "parsed by": summary.parser, "note": identity.note or ""}
    solver = {"text-only solver": summary.solver} if summary.solver else {}
    return {
        "model": convert_to_cell(summary.model),
        **{name: convert_to_cell(text) for name, text in texts.items()},
        "answered": build_metric_cell(summary.metrics.get("answered"), "answered"),
        "errors": convert_to_cell(summary.status["error"]),
        **{
            name: add_judge_name(summary, name, build_metric_cell(summary.metrics[name], name))
            for name in _list_column_metrics(summary)
        },
        **{name: convert_to_cell(text) for name, text in {**solver, **rest, "run": summary.fingerprint}.items()},
    }


def _pick_ranking_metric(members: Sequence[Run]) -> str:
    """Return the metric by which runs are ranked.

    It is their main metric. If they have different ones, it is the first metric that all runs have, main metrics first.
    """
    mains = list(dict.fromkeys(run.summary.main for run in members))
    if len(mains) == 1:
        return mains[0]
    known = dict.fromkeys(
        [*mains, *sort_metrics([name for run in members for name in _list_column_metrics(run.summary)])]
    )
    return next((name for name in known if all(get_metric_value(run, name) is not None for run in members)), mains[0])


def build_rank_key(run: Run, name: str) -> tuple[float, str, str]:
    """Return a sort key that puts the best run first, whether high or low values are better; runs without a value come
    last.
    """
    value = get_metric_value(run, name)
    sign = -1 if get_metric_spec(name).higher_is_better else 1
    return (float("inf") if value is None else sign * value, run.summary.model, run.summary.fingerprint)


def get_metric_value(run: Run, name: str) -> float | None:
    metric = run.summary.metrics.get(name)
    return None if metric is None else metric.value


def _collect_baselines(members: Iterable[ItemScores]) -> dict[str, dict[str, float]]:
    """Return the score of each item by text-only baseline.

    Each baseline's scores are taken from the run that has most of them, since other runs may have skipped items.
    """
    found: dict[str, dict[str, float]] = {}
    for run in members:
        for name, scores in run.baselines.items():
            if len(scores) > len(found.get(name, ())):
                found[name] = dict(zip(run.ids, scores, strict=True))
    return found


@dataclass(frozen=True, slots=True)
class _BestComparison:
    """Comparison of a run with the best run: the cell, and True if the difference is not significant."""

    cell: Cell
    is_tie: bool = False


def _compare_to_best(item_scores: ItemScores, best_scores: ItemScores, name: str) -> _BestComparison:
    """Compare a run with the best run on their common items.

    The result is a tie unless the whole interval of the difference is on the worse side of 0.
    """
    theirs = dict(zip(best_scores.ids, best_scores.accuracy, strict=True))
    common = [index for index, item in enumerate(item_scores.ids) if item in theirs]
    if not common:
        return _BestComparison(convert_to_cell("-"))
    first, second = (
        [theirs[item_scores.ids[index]] for index in common],
        [item_scores.accuracy[index] for index in common],
    )
    weights = compute_question_weights([item_scores.questions[index] for index in common])
    found = compute_difference(first, second, [item_scores.clips[index] for index in common], weights)
    cell = build_difference_cell(found, name)
    nearest = found.high if get_metric_spec(name).higher_is_better else None if found.low is None else -found.low
    if nearest is not None and nearest < 0:
        return _BestComparison(cell)
    return _BestComparison(mark_tie(cell), is_tie=True)


def mark_tie(cell: Cell) -> Cell:
    """Return the cell of a difference, marked as a tie. Its shortest form is `tie` alone."""
    return Cell((*(f"tie ({form})" for form in cell.forms), "tie"))


class _MarginCellBuilder:
    """Builder of margin cells: the margin of a run over the text-only baseline that is best on the run's items.

    The best baseline is computed once per set of items. The first argument maps the name of each text-only baseline to
    its scores by item id, `name` is the name of the metric.
    """

    def __init__(self, baseline_scores: Mapping[str, Mapping[str, float]], name: str) -> None:
        self._blind = baseline_scores
        self._name = name
        self._best: dict[tuple[Sequence[str], ...], tuple[str, tuple[float, ...]] | None] = {}

    def build_cell(self, run: Run, item_scores: ItemScores) -> Cell:
        """Return the cell with the margin of `run`, whose scores by item are `item_scores`."""
        key = (item_scores.ids, item_scores.questions)
        if key not in self._best:
            self._best[key] = self._find_best_baseline(item_scores)
        found = self._best[key]
        own = run.summary.margin_over_text_only
        if found is None:  # without item scores, only the summary has a margin
            return build_margin_cell(own)
        best, scores = found
        is_same = own is not None and (own.baseline, own.metric, own.margin.n) == (
            best,
            self._name,
            len(item_scores.ids),
        )
        if is_same and item_scores.baselines.get(best) == scores:
            return build_margin_cell(own)  # equal to the margin in the summary, which has its interval
        weights = compute_question_weights(item_scores.questions)
        found_margin = compute_margin_over_best(
            {best: scores}, item_scores.accuracy, item_scores.clips, weights, self._name
        )
        return build_margin_cell(TextMargin.from_margin(found_margin))

    def _find_best_baseline(self, item_scores: ItemScores) -> tuple[str, tuple[float, ...]] | None:
        """Return the name of the best text-only baseline on the run's items, and its score on each item.

        Only baselines with a score for every item are considered. Returns None if there are no such baselines or no
        items.
        """
        names = set(item_scores.ids)
        values = {
            row: tuple(scores[name] for name in item_scores.ids)
            for row, scores in self._blind.items()
            if scores.keys() >= names
        }
        if not values or not names:
            return None
        best, _ = find_best_baseline(
            values, compute_question_weights(item_scores.questions), get_metric_spec(self._name).higher_is_better
        )
        return best, values[best]


def split_ranked(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Split runs into those with at least one item of status `ok`, and those without, which cannot be ranked."""
    ranked = [run for run in runs if run.summary.status["ok"]]
    return ranked, [run for run in runs if not run.summary.status["ok"]]


def group_runs(runs: Sequence[Run]) -> list[list[Run]]:
    """Return groups of comparable runs, one per table."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: str(build_comparison_key(run))):
        groups.setdefault(build_comparison_key(run), []).append(run)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class Section:
    """Set of comparable runs with its table rows: the best run first, text-only baselines last."""

    parts: Sequence[str]
    """Parts of the title: task, split, data revision, items, and settings that deviate from the default."""
    ranked_by: str
    """Name of the metric by which the runs are ranked."""
    rows: Sequence[Mapping[str, Cell]]
    """Cells of each row by the name of their column."""
    members: Sequence[Run]
    """Ranked runs, in the order of the rows."""
    ties: Sequence[bool]
    """One flag per member: True if it is tied with the first member, whose own flag is False."""
    not_ranked: Sequence[Run]

    @property
    def title(self) -> str:
        return " · ".join(self.parts)


def build_sections(runs: Sequence[Run], task_of: TaskOf) -> list[Section]:
    """Group runs into sets of comparable runs, and return one section per set.

    If several sections have the same title, the versions of condition and metric are added to their titles.
    """
    sections = [_build_section(members, task_of(members[0].summary.task)) for members in group_runs(runs)]
    titles = Counter(section.title for section in sections)
    return [
        replace(section, parts=[*section.parts, *_list_version_parts(section)])
        if titles[section.title] > 1
        else section
        for section in sections
    ]


def _list_version_parts(section: Section) -> list[str]:
    """Return the versions of condition and metric as title parts, for sections whose titles are otherwise equal."""
    summary = (section.members or section.not_ranked)[0].summary
    versions = {
        "condition": summary.condition_version,
        get_title(summary.main): summary.metric_versions.get(summary.main),
    }
    return [f"{name} version {version}" for name, version in versions.items() if version is not None]


def _build_section(runs: list[Run], task: Task | None) -> Section:
    """Build the section of a set of comparable runs: rows for ranked runs, best first, then for text-only baselines.

    Runs without an item of status `ok` are not ranked; the section names them.
    """
    members, not_ranked = split_ranked(runs)
    ranked_by = _pick_ranking_metric(members or runs)
    members = sorted(members, key=lambda run: build_rank_key(run, ranked_by))
    name, scores = _collect_scores(members, ranked_by, task)
    margins = _MarginCellBuilder(_collect_baselines(scores) if isinstance(task, HasTextBaselines) else {}, name)
    differences: dict[
        tuple[Sequence[Any], ...], _BestComparison
    ] = {}  # many runs have equal scores if there are few items
    rows: list[Mapping[str, Cell]] = []
    ties = []
    for number, run in enumerate(members):
        row = _build_row(run)
        figure = name if name in row else ranked_by
        index = list(row).index(figure) + 1 if figure in row else len(row)
        beside: dict[str, Cell] = {}
        tie = False
        if scores and name in run.summary.metrics:
            mine = scores[number]
            key = (mine.ids, mine.questions, mine.clips, mine.accuracy)
            if number == 0:
                against = _BestComparison(convert_to_cell(BEST if mine.ids else "-"))
            elif key not in differences:
                against = differences[key] = _compare_to_best(mine, scores[0], name)
            else:
                against = differences[key]
            tie = against.is_tie
            beside = {AGAINST_BEST: against.cell, MARGIN: margins.build_cell(run, mine)}
        elif run.summary.margins:
            beside = {MARGIN: build_margin_cell(run.summary.margin_over_text_only)}
        cells = list(row.items())
        rows.append(dict([*cells[:index], *beside.items(), *cells[index:]]))
        ties.append(tie)
    rows += _iterate_baseline_rows([*members, *runs], (members or runs)[0])
    return Section(_list_title_parts((members or runs)[0], ranked_by), ranked_by, rows, members, ties, not_ranked)


def _collect_scores(members: Sequence[Run], ranked_by: str, task: Task | None) -> tuple[str, list[ItemScores]]:
    """Return the metric of paired comparisons and each member's item scores.

    The metric is accuracy if any run has it, else the metric `ranked_by`. The list is empty if the metric has no scores
    of single items, or only scores that are costly to compute.
    """
    if any("accuracy" in run.summary.metrics for run in members):
        return "accuracy", [read_accuracies(run, task) for run in members]
    if task is None or isinstance(task, ScoresItems) or get_main_score_name(task) != ranked_by:
        return ranked_by, []
    return ranked_by, [collect_item_scores(task, run.records.values(), ranked_by) for run in members]


def read_accuracies(run: Run, task: Task | None) -> ItemScores:
    """Return the accuracy of each item, from the stored scores if there are any, else from the records."""
    return run.scores or collect_item_scores(task, run.records.values())


def _iterate_baseline_rows(runs: Sequence[Run], first: Run) -> Iterator[Mapping[str, Cell]]:
    """Yield one table row per text-only baseline.

    A baseline's metrics are taken from the run in which it has most items, since other runs may have skipped some
    items, or lacked the development data to fit the baseline.
    """
    for name in dict.fromkeys(name for run in runs for name in run.summary.baselines):
        metrics = max(
            (r.summary.baselines[name] for r in runs if name in r.summary.baselines), key=count_baseline_items
        )
        figures = {key: build_metric_cell(metrics.get(key), key) for key in _list_column_metrics(first.summary)}
        yield {
            "model": Cell((name,), style="baseline"),
            "n": convert_to_cell(count_baseline_items(metrics) or "-"),
            **figures,
        }


def _list_title_parts(run: Run, ranked_by: str) -> list[str]:
    """Return the texts of which a section's title consists: task, split, revision, items, and settings that are not
    default."""
    summary = run.summary
    tokenizer = summary.tables.get("tokenizer")
    asked = [f"condition {summary.condition}"] if summary.condition != "clean" else []
    asked += [format_option_order(summary.options)] if summary.options != "given" else []
    asked += [f"ranked by {get_title(ranked_by)}"] if ranked_by != "accuracy" else []
    asked += [f"words split by {tokenizer}"] if tokenizer else []
    asked += ["answered by likelihood"] if summary.answer_by == "likelihood" else []
    items = summary.describe_selection() or f"{summary.items} items"
    return [build_task_title(summary), summary.split, f"revision {summary.revision}", items, *asked]
