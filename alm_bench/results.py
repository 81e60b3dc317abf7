"""Typed results of runs, with their metrics and items, as objects, tables and text."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from alm_bench.core import AudioRef, Metric
from alm_bench.core.errors import AlmBenchError
from alm_bench.items import (
    Item,
    RunNames,
    encode_clip,
    find_demo_clips,
    flatten_item,
    list_columns,
    make_item,
    make_schema,
)
from alm_bench.reports.html import BUDGET_MB, CLIPS_BY_DEFAULT

if TYPE_CHECKING:
    from pathlib import Path

    import pandas
    from datasets import Dataset

    from alm_bench.records.models import RunSummary
    from alm_bench.records.run import Run, SkippedFolder
    from alm_bench.records.schema import Record
    from alm_bench.reports import Block, Form
    from alm_bench.reports.comparison import MetricComparison
    from alm_bench.runner.ablation import AblationResult


@dataclass(frozen=True, slots=True)
class MetricValue:
    """Value of one metric of one run: over all its items, or over one group of items."""

    run: str
    """Name of the run."""

    task: str
    """Name of the task."""

    model: str
    """Label of the model."""

    condition: str
    """Name of the condition."""

    grouping: str
    """Name of the grouping; "all" for all items."""

    key: str
    """Key within the grouping; "all" for all items."""

    metric: str
    """Name of the metric."""

    value: float | None
    """Value; rates are fractions. None if it is not available."""

    low: float | None
    """Lower end of the 95 % confidence interval."""

    high: float | None
    """Upper end of the 95 % confidence interval."""

    n: int
    """Number of items behind the value."""

    main: bool
    """True for the metric by which the task is ranked."""

    reason: str | None = None
    """Reason why the value is not available."""


class _Printable:
    """Base class of results. `print` shows them as the command line does, a notebook shows them as HTML."""

    def _build_blocks(self, form: "Form") -> "list[Block]":
        """Return the parts of the text for the output form."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the text that `alm-bench` prints to a terminal, with 80 columns if the width is unknown."""
        from alm_bench.reports import render
        from alm_bench.reports.screen import WIDTH, detect_screen

        return render(self._build_blocks("terminal"), "terminal", detect_screen(sys.stdout).width or WIDTH).rstrip("\n")

    def to_markdown(self) -> str:
        """Return the text that `alm-bench` writes to pipes and files."""
        from alm_bench.reports import render

        return render(self._build_blocks("markdown"), "markdown")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_html_(self) -> str:
        return markdown_to_html(self.to_markdown())


def markdown_to_html(text: str) -> str:
    """Convert tables and headings of markdown to HTML. HTML within the text is escaped."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


@dataclass(frozen=True, repr=False)
class Results(_Printable):
    """Runs of one call, in order. Items are read from the run folders when they are accessed."""

    runs: "Sequence[Run]"
    """The runs."""

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> "Iterator[Run]":
        return iter(self.runs)

    def __repr__(self) -> str:
        return f"<Results: {', '.join(run.folder.name for run in self.runs)}>"

    def _build_blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.reports.run_report import build_results

        out = self.runs[0].folder.parent if self.runs else None
        return build_results([run.summary for run in self.runs], form, out=out)

    @property
    def metrics(self) -> list[MetricValue]:
        """Metrics of all runs. For each run, the metrics over all items come before those of the breakdowns."""
        return [figure for run in self.runs for figure in _list_metric_values(run.summary)]

    def metric(self, task: str, name: str | None = None, model: str | None = None) -> Metric:
        """Return a metric over all items of a task's run, by default the main one. Raises KeyError if there is none.

        `model` is the label of the model, if several models were run.
        """
        for figure in self.metrics:
            named = figure.main if name is None else figure.metric == name
            if (figure.task, figure.grouping) == (task, "all") and named and model in (None, figure.model):
                return Metric(figure.value, figure.low, figure.high, figure.n, figure.reason)
        raise KeyError(f"no figure {name or '(main)'} of {task}" + (f" by {model}" if model else ""))

    @property
    def items(self) -> list[Item]:
        """Items of all runs, in the order of the tasks. Raises StoreError if a run folder cannot be read."""
        return [make_item(RunNames.from_summary(run.summary), record) for run, record in self._iterate_records()]

    def _iterate_records(self) -> "Iterator[tuple[Run, Record]]":
        from alm_bench.records.store import read_records

        for run in self.runs:
            records, _ = read_records(run.folder)
            for record in sorted(records, key=lambda record: record.index):
                yield run, record

    def to_pandas(self, of: Literal["items", "metrics"] = "items") -> "pandas.DataFrame":
        """Return a flat table with one row per item or per metric value. docs/api.md lists the columns."""
        import pandas

        if of == "metrics":
            columns = list(MetricValue.__dataclass_fields__)
            return pandas.DataFrame([asdict(figure) for figure in self.metrics], columns=columns)
        rows = [flatten_item(item) for item in self.items]
        return pandas.DataFrame(rows, columns=list_columns(rows))

    def report(
        self,
        to: "str | Path" = "report.html",
        *,
        clips: str = CLIPS_BY_DEFAULT,
        mb: float = BUDGET_MB,
        folder: bool = False,
        data: "str | Path" = "auto",
        events: bool = False,
    ) -> "Path":
        """Write an offline HTML report of the runs, as `alm-bench report` does, and return its path.

        `clips` selects the items whose clips are embedded, and `mb` limits the size of these clips in MB. With
        `folder`, all other clips are written to a folder beside the file. `data` is the data folder in which clips are
        searched that are no longer at their paths. With `events`, the report shows the sound events that the models'
        event heads find in the clips. Raises UsageError and StoreError.
        """
        from pathlib import Path

        from alm_bench.html_report import ReportOptions, write_report

        options = ReportOptions(clips, mb, folder, str(data), events)
        return write_report([run.folder for run in self.runs], Path(to), options).path

    def to_dataset(self) -> "Dataset":
        """Return a Hugging Face data set with one row per item.

        It has the columns of `to_pandas` and the column `audio`, the item's first clip, which is read or decoded only
        when it is accessed.
        """
        from datasets import Audio, Dataset, Features, Value

        clips = []
        rows = []
        made = {id(run): _find_run_clips(run.summary) for run in self.runs}
        for run, record in self._iterate_records():
            rows.append(flatten_item(make_item(RunNames.from_summary(run.summary), record)))
            clips.append(encode_clip(record, made[id(run)]))
        columns = list_columns(rows)
        clip = {"path": Value("string"), "bytes": Value("binary")}  # Audio itself would need torchcodec to take them
        features = Features({**Features.from_arrow_schema(make_schema(columns)), "audio": clip})
        values = {name: [row.get(name) for row in rows] for name in columns}
        table = Dataset.from_dict({**values, "audio": clips}, features=features)
        return table.cast_column("audio", Audio(decode=False))


def _find_run_clips(summary: "RunSummary") -> dict[str, AudioRef]:
    """Return the synthesised clips of a run on demo data by id; empty for other runs."""
    return find_demo_clips(summary.task, summary.data, summary.split)


def _list_metric_values(summary: "RunSummary") -> Iterator[MetricValue]:
    """Yield the metrics of a run's summary."""
    parts = {"all": {"all": summary.metrics}, **summary.groups}
    for grouping, keys in parts.items():
        for key, metrics in keys.items():
            for name, metric in metrics.items():
                yield MetricValue(
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


@dataclass(frozen=True, repr=False)
class Comparison(_Printable):
    """Comparison of runs with the first of them, item by item."""

    runs: "Sequence[Run]"
    """The runs. The first one is the reference."""

    cells: "Sequence[MetricComparison]"
    """Metrics of each later run and the first one, over all items and by group. The p-values of groups are adjusted
    (Holm) over the groups of a metric."""

    @property
    def conclusions(self) -> "list[str | None]":
        """One sentence per later run, which says if it differs from the first run by the main metric over all items."""
        from alm_bench.reports.comparison import format_conclusion

        return [format_conclusion(self.runs, self.cells, run) for run in self.runs[1:]]

    def _build_blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.reports.comparison import build_comparison_report

        return build_comparison_report(self.runs, self.cells)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a table with one row per cell.

        Its columns are `second`, `score`, `grouping`, `key`, `n`, `first_value`, `second_value`, `difference`, `low`,
        `high`, `won`, `lost` and `p`.
        """
        import pandas

        return pandas.DataFrame([_build_cell_row(cell) for cell in self.cells])


def _build_cell_row(cell: "MetricComparison") -> dict[str, Any]:
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
class Leaderboard(_Printable):
    """Finished runs, ranked by task."""

    runs: "Sequence[Run]"
    """Finished runs."""

    left_out: "Sequence[SkippedFolder]"
    """Folders that contain no finished run, with the reason."""

    def _build_blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.plugins import catalogue
        from alm_bench.reports.leaderboard import build_leaderboard

        find = catalogue().find_task  # runs of a task that is no longer installed are read from their summaries
        return build_leaderboard(
            self.runs,
            lambda name: None if (entry := find(name)) is None else entry.create(),
            catalogue().collections,
        )

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the columns of `leaderboard.csv`, with one row per run and metric."""
        import io

        import pandas

        from alm_bench.reports.leaderboard import render_leaderboard_csv

        texts = dict.fromkeys(("task", "model", "grouping", "key", "metric", "reason"), str)
        missing = dict.fromkeys(("value", "low", "high", "parameters"), "")  # a model may be called NA
        return pandas.read_csv(
            io.StringIO(render_leaderboard_csv(self.runs)), dtype=texts, keep_default_na=False, na_values=missing
        )


@dataclass(frozen=True, repr=False)
class NoiseAblation(_Printable):
    """Effects of conditions that remove or replace the audio on a model's scores."""

    model: str
    """Label of the model."""

    tasks: "Sequence[AblationResult]"
    """Effects, one entry per task."""

    def _build_blocks(self, form: "Form") -> "list[Block]":
        from alm_bench.reports.ablation import build_ablation_report, build_notes

        blocks: list[Block] = []
        for found in self.tasks:
            blocks += build_ablation_report(
                found.task, self.model, found.effects, found.selection_shares, form == "markdown"
            )
        return [*blocks, *build_notes(found.effects for found in self.tasks)]

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a table with one row per task, condition and group of items."""
        import pandas

        from alm_bench.reports import ablation

        rows = [
            {"grouping": grouping, "key": key, **ablation.build_ablation_json(found.task, condition, effect)}
            for found in self.tasks
            for condition, groups in found.effects.items()
            for grouping, keys in groups.items()
            for key, effect in keys.items()
        ]
        return pandas.json_normalize(rows, sep="_")


class RunFailedError(AlmBenchError):
    """Runs have failed: too many items failed, or the budget is reached. `results` contains the runs."""

    def __init__(self, message: str, results: Results) -> None:
        super().__init__(message)
        self.results = results


class RunInterrupted(KeyboardInterrupt):  # like KeyboardInterrupt, it is not an error of the program
    """Ctrl-C ended a run. `results` contains the finished items, which are stored: the same call resumes the run."""

    def __init__(self, results: Results) -> None:
        super().__init__("all finished items are kept: the same call resumes the run")
        self.results = results
