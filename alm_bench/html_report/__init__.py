"""The offline HTML report, from the folders of runs to one file (`alm-bench report`)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from alm_bench import __version__
from alm_bench.core import UsageError
from alm_bench.core.files import write_atomically
from alm_bench.html_report.ablations import build_ablation_view, find_ablations
from alm_bench.html_report.clips import ClipLibrary
from alm_bench.html_report.events import ReportEvents, collect_events
from alm_bench.html_report.selection import ClipChoice, select_embedded_items
from alm_bench.plugins import catalogue
from alm_bench.records.run import Run, read_run
from alm_bench.records.store import read_header, read_records
from alm_bench.reports.html import BUDGET_MB, CLIPS_BY_DEFAULT, document
from alm_bench.reports.html.document import ReportRun
from alm_bench.reports.html.links import make_address
from alm_bench.reports.html.page import render_page
from alm_bench.reports.html.versus import build_comparisons
from alm_bench.reports.plots.charts import Chart
from alm_bench.reports.plots.files import PictureFormat, write_pictures
from alm_bench.reports.plots.pictures import Address, DrawnRun, build_charts, return_no_address
from alm_bench.reports.plots.svg import draw_svg

__all__ = ["ReportOptions", "WrittenReport", "read_report_run", "write_chart_files", "write_page", "write_report"]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Options of a report."""

    clips: str = CLIPS_BY_DEFAULT
    """Items whose clips are embedded: a value of `--clips`."""

    mb: float = BUDGET_MB
    """Largest size of all embedded clips in MB."""

    folder: bool = False
    """True to write all other clips to a folder beside the file."""

    data: str = "auto"
    """Value of `--data`: source of the clips that are no longer at the paths that the records contain."""

    events: bool = False
    """True to show the sound events that the models' event heads detect in the clips."""

    event_names: Path | None = None
    """File with the names of the event classes, for models whose checkpoint does not name them."""


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report that was written."""

    path: Path
    """Path of the HTML file."""

    size: int
    """Size of the file in bytes."""

    embedded: int
    """Number of clips in the file."""

    beside: int
    """Number of clips in the folder beside the file."""

    left_out: int
    """Number of clips that are neither in the file nor beside it."""


def read_report_run(folder: Path) -> ReportRun:
    """Read a finished run with its items. Raises StoreError."""
    summary, header = read_run(folder).summary, read_header(folder)
    tasks = catalogue().tasks
    task = None
    if summary.task in tasks:
        task = tasks[summary.task].create(dict(header.spec.task_options), header.spec.answer_tags)
    return ReportRun.create(summary, header, read_records(folder)[0], task)


def write_report(folders: Sequence[Path], path: Path, options: ReportOptions | None = None) -> WrittenReport:
    """Read the finished runs in `folders` and write their report to `path`. Raises UsageError and StoreError."""
    if not folders:
        raise UsageError("report takes at least one run, found none")
    return write_report_page(
        [read_report_run(folder) for folder in dict.fromkeys(folders)], path, options or ReportOptions()
    )


def write_report_page(runs: Sequence[ReportRun], path: Path, options: ReportOptions) -> WrittenReport:
    """Write the report of runs that have been read to `path`. Raises UsageError and StoreError."""
    choice = ClipChoice.read(options.clips)
    library = ClipLibrary(options.data)
    checked = any(run.summary.audio_check is not None for run in runs)
    probes = library.add_probes() if checked else {}
    for run in runs:
        library.add_run(run)
    chosen = [*probes.values(), *library.find_clips(runs, select_embedded_items(runs, choice))]
    library.embed(chosen, round(options.mb * 1e6))
    beside = path.with_name(path.stem + "_clips") if options.folder else None
    written = 0 if beside is None else library.write_other_clips(beside)
    left_out = library.mark_absent_clips(f"the report was made with --clips {options.clips} --mb {options.mb:g}")
    events = collect_events(runs, library, options.event_names) if options.events else ReportEvents({}, ())
    ablations = [build_ablation_view(clean, changed) for clean, changed in find_ablations(runs)]
    clean = [run for run in runs if run.is_clean] or runs
    names = document.name_runs(runs)
    pairs, matrices = build_comparisons(clean, {run.summary.run: _convert_to_run(run) for run in clean}, names)
    view = {
        "title": _make_title(runs),
        "warnings": [*document.build_warnings(runs), *events.warnings],
        "overview": document.build_overview_table(runs),
        "cards": [document.build_run_card(run) for run in clean],
        "pictures": [(task, [draw_picture(chart) for chart in charts]) for task, charts in build_task_charts(clean)],
        "settings": document.build_settings_table(runs),
        "checks": document.build_audio_checks(runs, probes),
        "pairs": pairs,
        "matrices": matrices,
        "ablations": [{**one, "picture": draw_picture(one["chart"])} for one in ablations],
        "footer": _format_clip_counts(library, written, left_out, options),
    }
    clips = [clip.entry for clip in library.clips]
    data = document.build_page_data(runs, library.list_clips, clips, [one["data"] for one in ablations], events.runs)
    page = render_page(data, view, library.media, None if beside is None else beside.name)
    write_atomically(path, page, "--to")
    return WrittenReport(path, path.stat().st_size, library.embedded_count, written, left_out)


def write_chart_files(folders: Sequence[Path], folder: Path, formats: Sequence[PictureFormat]) -> list[Path]:
    """Write the charts of finished runs to image files in `folder`, and return the paths of the files.

    Raises UsageError and StoreError.
    """
    runs = [read_report_run(one) for one in dict.fromkeys(folders)]
    clean = [run for run in runs if run.is_clean] or runs
    charts = [chart for _, found in build_task_charts(clean, return_no_address) for chart in found]
    ablations = (build_ablation_view(one, changed)["chart"] for one, changed in find_ablations(runs))
    return write_pictures([*charts, *(chart for chart in ablations if chart is not None)], folder, formats)


def _make_title(runs: Sequence[ReportRun]) -> str:
    models = list(dict.fromkeys(run.model for run in runs))
    tasks = ", ".join(dict.fromkeys(run.summary.task for run in runs))
    return f"{tasks} · {models[0] if len(models) == 1 else f'{len(models)} models'}"


def _format_clip_counts(library: ClipLibrary, beside: int, left_out: int, options: ReportOptions) -> str:
    """Return one line on the numbers of clips in the page, in the folder beside it, and in neither."""
    parts = [f"{library.embedded_count:,} clips embedded (--clips {options.clips}, at most {options.mb:g} MB)"]
    if beside:
        parts.append(f"{beside:,} in the folder beside this file")
    parts.append(f"{left_out:,} left out" if left_out else "none left out")
    return f"alm-bench {__version__}. Clips: {'; '.join(parts)}. MP3, 16 kHz, 32 kb/s."


def _convert_to_run(run: ReportRun) -> Run:
    """Convert a run of a report to a `Run`, which comparisons take."""
    kept = {record.sample.id: record for record in run.records if record.status != "skipped"}
    return Run(Path(run.summary.run), run.summary, kept)


def _make_items_link(run: str, **filters: str) -> str:
    """Return the link to a run's items on the page; `filters` select items, such as `key="value"`."""
    return make_address("items", run=run, **filters)


def build_task_charts(runs: Sequence[ReportRun], address: Address = _make_items_link) -> list[tuple[str, list[Chart]]]:
    """Return the charts of each task, as pairs of the task's name and the charts of its runs.

    `address` returns the links of the charts' elements.
    """
    found = []
    for task in dict.fromkeys(run.summary.task for run in runs):
        those = [run for run in runs if run.summary.task == task]
        counts = Counter(run.model for run in those)
        drawn = [
            DrawnRun(
                run.summary,
                run.model if counts[run.model] == 1 else f"{run.model} {run.summary.run[-8:]}",
                run.records,
                run.scores,
            )
            for run in those
        ]
        found.append((task, build_charts(drawn, address)))
    return found


def draw_picture(chart: Chart | None) -> dict[str, object] | None:
    """Return the title and the SVG of a chart, for the page's template; None without a chart."""
    return None if chart is None else {"title": chart.title, "svg": Markup(draw_svg(chart))}
