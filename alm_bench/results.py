"""Typed results: runs, their figures and their items, as objects, as tables, as text."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from alm_bench.core import AudioRef, Metric
from alm_bench.core.errors import AlmBenchError

if TYPE_CHECKING:
    import pandas
    from datasets import Dataset

    from alm_bench.records.models import RunSummary
    from alm_bench.records.run import LeftOut, Run
    from alm_bench.records.schema import Record
    from alm_bench.reports import Block, Form
    from alm_bench.reports.comparison import Compared
    from alm_bench.runner.ablation import Measured


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one run, of all its items (`grouping` and `key` are "all") or of those of one key of a grouping.

    `value`, `low` and `high` (the 95 % interval) are fractions; None where the figure could not be had, and `reason`
    says why. `main` marks the figure that the task is ranked by. `n` counts the items behind it.
    """

    run: str
    task: str
    model: str
    condition: str
    grouping: str
    key: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    main: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a run: what was asked, what was answered, how that was read and scored.

    `status` is ok, unparsed, refused, truncated, error or skipped, with its `reason`. `text` is the raw answer, None
    where there is none; `answer` what was read in it; `gold` the right answer, None where it is withheld. `scores` lie
    in 0..1 by metric. `clips` are the paths of the clips. `seconds` is what the answer took.
    """

    run: str
    task: str
    model: str
    condition: str
    id: str
    status: str
    reason: str | None
    prompt: str
    choices: tuple[str, ...]
    text: str | None
    answer: str | None
    gold: str | None
    seconds: float | None
    clips: tuple[str, ...]
    scores: Mapping[str, float]
    groups: Mapping[str, str]


class _Shown:
    """What is printed as the command line prints it, and shown as HTML in a notebook."""

    def _blocks(self, form: "Form") -> "list[Block]":
        raise NotImplementedError

    def __str__(self) -> str:
        """What `alm-bench` prints to a terminal: 80 columns where the width is unknown."""
        from alm_bench.reports import render
        from alm_bench.reports.screen import WIDTH, find_screen

        return render(self._blocks("terminal"), "terminal", find_screen(sys.stdout).width or WIDTH).rstrip("\n")

    def to_markdown(self) -> str:
        """Return what `alm-bench` writes into pipes and files."""
        from alm_bench.reports import render

        return render(self._blocks("markdown"), "markdown")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_html_(self) -> str:
        return markdown_to_html(self.to_markdown())


def markdown_to_html(text: str) -> str:
    """Tables and headings of markdown as HTML; HTML within the text is shown, not interpreted."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


@dataclass(frozen=True, repr=False)
class Results(_Shown):
    """The runs of one call, in order. Items are read from the run folders once they are asked for."""

    runs: "Sequence[Run]"

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> "Iterator[Run]":
        return iter(self.runs)

    def __repr__(self) -> str:
        return f"<Results: {', '.join(run.folder.name for run in self.runs)}>"

    def _blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.reports.run_report import build_results

        out = self.runs[0].folder.parent if self.runs else None
        return build_results([run.summary for run in self.runs], form, out=out)

    @property
    def metrics(self) -> list[Figure]:
        """The figures of all runs, those over all items of a run before its breakdowns."""
        return [figure for run in self.runs for figure in _figures(run.summary)]

    def metric(self, task: str, name: str | None = None, model: str | None = None) -> Metric:
        """A figure over all items of a task's run, the main one where no `name` is given. Raises KeyError."""
        for figure in self.metrics:
            named = figure.main if name is None else figure.metric == name
            if (figure.task, figure.grouping) == (task, "all") and named and model in (None, figure.model):
                return Metric(figure.value, figure.low, figure.high, figure.n, figure.reason)
        raise KeyError(f"no figure {name or '(main)'} of {task}" + (f" by {model}" if model else ""))

    @property
    def items(self) -> list[Item]:
        """The items of all runs, in the tasks' order. Raises StoreError where a run folder cannot be read."""
        return [_item(run.summary, record) for run, record in self._records()]

    def _records(self) -> "Iterator[tuple[Run, Record]]":
        from alm_bench.records.store import read_records

        for run in self.runs:
            records, _ = read_records(run.folder)
            for record in sorted(records, key=lambda record: record.index):
                yield run, record

    def to_pandas(self, of: Literal["items", "metrics"] = "items") -> "pandas.DataFrame":
        """A flat table, a row an item or a figure; docs/api.md lists the columns."""
        import pandas

        if of == "metrics":
            columns = list(Figure.__dataclass_fields__)
            return pandas.DataFrame([asdict(figure) for figure in self.metrics], columns=columns)
        items = self.items
        return pandas.DataFrame([_flat(item) for item in items], columns=None if items else ITEM_COLUMNS)

    def to_dataset(self) -> "Dataset":
        """A Hugging Face data set, a row an item: the columns of `to_pandas`, and `audio`, the item's first clip, which
        is read or decoded only once it is asked for."""
        from datasets import Audio, Dataset

        rows = []
        made = {id(run): _demo_clips(run.summary) for run in self.runs}
        for run, record in self._records():
            rows.append({**_flat(_item(run.summary, record)), "audio": _encoded(record, made[id(run)])})
        found = dict.fromkeys(name for row in rows for name in row if name != "audio")
        columns = [*(found or ITEM_COLUMNS), "audio"]
        table = Dataset.from_dict({name: [row.get(name) for row in rows] for name in columns})
        return table.cast_column("audio", Audio(decode=False))


ITEM_COLUMNS = [name for name in Item.__dataclass_fields__ if name not in ("scores", "groups")]
"""Columns that every table of items has; `score_METRIC` and `group_GROUPING` follow them."""


def _figures(summary: "RunSummary") -> Iterator[Figure]:
    parts = {"all": {"all": summary.metrics}, **summary.groups}
    for grouping, keys in parts.items():
        for key, metrics in keys.items():
            for name, metric in metrics.items():
                yield Figure(
                    summary.run,
                    summary.task,
                    summary.model,
                    summary.condition,
                    grouping,
                    key,
                    name,
                    metric.value,
                    metric.low,
                    metric.high,
                    metric.n,
                    name == summary.main,
                    metric.reason,
                )


def _item(summary: "RunSummary", record: "Record") -> Item:
    sample = record.sample
    return Item(
        run=summary.run,
        task=summary.task,
        model=summary.model,
        condition=summary.condition,
        id=sample.id,
        status=record.status,
        reason=record.reason,
        prompt=record.prompt,
        choices=tuple(sample.choices),
        text=record.text,
        answer=_answer(record),
        gold=_gold(record),
        seconds=record.seconds,
        clips=tuple(str(ref.path) for ref in sample.audio),
        scores=dict(record.scores),
        groups=dict(sample.groups),
    )


def _answer(record: "Record") -> str | None:
    """The option that was chosen, options joined by ` + `, or another value that was read."""
    parsed = record.parsed
    if parsed is None:
        return None
    choices = record.sample.choices
    chosen = parsed.indices or (() if parsed.index is None else (parsed.index,))
    return " + ".join(choices[index] for index in chosen) if chosen and choices else parsed.value


def _gold(record: "Record") -> str | None:
    """The right option, options joined by ` + `, or the answer as the data writes it."""
    sample = record.sample
    right = sample.targets or ((sample.target,) if isinstance(sample.target, int) and sample.choices else ())
    return " + ".join(sample.choices[index] for index in right) if right else sample.gold


def _flat(item: Item) -> dict[str, Any]:
    entry = {name: getattr(item, name) for name in ITEM_COLUMNS}
    entry |= {"choices": list(item.choices), "clips": list(item.clips)}
    entry |= {f"score_{name}": value for name, value in item.scores.items()}
    return entry | {f"group_{name}": value for name, value in item.groups.items()}


def _demo_clips(summary: "RunSummary") -> dict[str, AudioRef]:
    """The clips of a run on the demo world, which are no files: they are made again. By id; none of other runs."""
    if summary.data != "demo":
        return {}
    from alm_bench.plugins import catalogue
    from alm_bench.resolve import find_clips, find_demo

    entry = catalogue().task(summary.task)
    return {ref.id: ref for ref in find_clips(entry, find_demo(entry), summary.split)}


def _encoded(record: "Record", made: Mapping[str, AudioRef]) -> dict[str, Any] | None:
    """The item's first clip as a file's path, or as bytes where it was `made`; None where it has none or it is not
    there any more."""
    if not record.sample.audio:
        return None
    ref = record.sample.audio[0]
    if (found := made.get(ref.id)) is not None and found.read is not None:
        return {"path": str(ref.path), "bytes": found.read()}
    return {"path": str(ref.path), "bytes": None} if ref.path.is_file() else None


@dataclass(frozen=True, repr=False)
class Comparison(_Shown):
    """Runs against the first of them, by item. `cells` are metrics by part of the items; the p-values of groups are
    adjusted (Holm) over the groups of a metric."""

    runs: "Sequence[Run]"
    cells: "Sequence[Compared]"

    @property
    def conclusions(self) -> "list[str | None]":
        """A sentence for each later run: whether it differs from the first by the main metric over all items."""
        from alm_bench.reports.comparison import conclusion

        return [conclusion(self.runs, self.cells, run) for run in self.runs[1:]]

    def _blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.reports.comparison import build_comparison

        return build_comparison(self.runs, self.cells)

    def to_pandas(self) -> "pandas.DataFrame":
        """A row a cell: `second`, `score`, `grouping`, `key`, `n`, `first_value`, `second_value`, `difference`, `low`,
        `high`, `won`, `lost`, `p`."""
        import pandas

        return pandas.DataFrame([_cell_row(cell) for cell in self.cells])


def _cell_row(cell: "Compared") -> dict[str, Any]:
    found = cell.difference
    return {
        "second": cell.second,
        "score": cell.score,
        "grouping": cell.grouping,
        "key": cell.key,
        "n": found.difference.n,
        "first_value": found.first,
        "second_value": found.second,
        "difference": found.difference.value,
        "low": found.difference.low,
        "high": found.difference.high,
        "won": found.won,
        "lost": found.lost,
        "p": cell.p,
    }


@dataclass(frozen=True, repr=False)
class Leaderboard(_Shown):
    """Finished runs, ranked by task; `left_out` are folders that are no finished run, with the reason."""

    runs: "Sequence[Run]"
    left_out: "Sequence[LeftOut]"

    def _blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.plugins import catalogue
        from alm_bench.reports.leaderboard import build_leaderboard

        tasks = catalogue().tasks  # runs of a task that is no longer installed have their summaries
        return build_leaderboard(self.runs, lambda name: tasks[name].create() if name in tasks else None)

    def to_pandas(self) -> "pandas.DataFrame":
        """The columns of `leaderboard.csv`, a row a run and figure."""
        import io

        import pandas

        from alm_bench.reports.leaderboard import as_csv

        texts = dict.fromkeys(("task", "model", "grouping", "key", "metric", "reason"), str)
        missing = dict.fromkeys(("value", "low", "high", "parameters"), "")  # a model may be called NA
        return pandas.read_csv(io.StringIO(as_csv(self.runs)), dtype=texts, keep_default_na=False, na_values=missing)


@dataclass(frozen=True, repr=False)
class NoiseAblation(_Shown):
    """What is left of a model's scores when its clips say nothing, a task each."""

    model: str
    tasks: "Sequence[Measured]"

    def _blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.reports import Text
        from alm_bench.reports.ablation import NOTE, build_ablation

        blocks: list[Block] = []
        for found in self.tasks:
            blocks += build_ablation(found.task, self.model, found.effects, found.picked, form == "markdown")
        return [*blocks, Text(NOTE)]

    def to_pandas(self) -> "pandas.DataFrame":
        """A row a task, condition and part of the items."""
        import pandas

        from alm_bench.reports import ablation

        rows = [
            {"grouping": grouping, "key": key, **ablation.ablation_json(found.task, condition, effect)}
            for found in self.tasks
            for condition, groups in found.effects.items()
            for grouping, keys in groups.items()
            for key, effect in keys.items()
        ]
        return pandas.json_normalize(rows, sep="_")


class RunFailedError(AlmBenchError):
    """Runs that count as failed (too many failed items, the budget reached); `results` has them all the same."""

    def __init__(self, message: str, results: Results) -> None:
        super().__init__(message)
        self.results = results


class RunInterrupted(KeyboardInterrupt):  # as KeyboardInterrupt, it is no error of the program
    """Ctrl-C ended a run; `results` has what was done, which is on disk: the same call resumes it."""

    def __init__(self, results: Results) -> None:
        super().__init__("all finished items are kept: the same call resumes the run")
        self.results = results
