"""Content of the page: the JSON that its scripts read, and the overview as tables, cards and pictures."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import convert

from alm_bench.core import Task
from alm_bench.records.models import RunHeader, RunSummary, to_json
from alm_bench.records.schema import Record
from alm_bench.reports.audio_check import build_audio_check
from alm_bench.reports.blocks import Cell, Column, Row, Style, Table
from alm_bench.reports.breakdowns import describe_outputs_without_option, get_metric_heading
from alm_bench.reports.figures import build_margin_cell, excludes_zero
from alm_bench.reports.html.links import LinkedTable, build_run_tables, link_table, make_address
from alm_bench.reports.html.rows import Entry, QuestionIndex, build_answer_json, find_item_scores, find_labels
from alm_bench.reports.provenance import build_provenance, build_task_title, format_prompt_name
from alm_bench.reports.run_report import build_heading, build_overview, build_result_card
from alm_bench.scoring.metrics import get_metric_spec
from alm_bench.scoring.no_option import NoOptionCounts

MAX_NAME = 120
"""Largest number of characters of a model's name in headings and lists."""


@dataclass(frozen=True, slots=True)
class ReportRun:
    """A finished run with everything that the page shows of it."""

    summary: RunSummary
    """Metrics of the run."""

    header: RunHeader
    """Settings of the run."""

    records: Sequence[Record]
    """Records of all items, in the order of the task."""

    task: Task | None
    """Task of the run; None if it is not installed."""

    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Scores by item id and metric."""

    @staticmethod
    def create(summary: RunSummary, header: RunHeader, records: Sequence[Record], task: Task | None) -> "ReportRun":
        """Return the run with the scores of its items."""
        names = [name for name, metric in summary.metrics.items() if metric.value is not None]
        ordered = sorted(records, key=lambda record: record.index)
        return ReportRun(summary, header, ordered, task, find_item_scores(task, summary.main, names, ordered))

    @property
    def model(self) -> str:
        """Name of the model, shortened in the middle if it is very long."""
        return shorten(self.summary.model)

    @property
    def is_clean(self) -> bool:
        """True for runs under the condition `clean`, which changes neither clips nor options."""
        return self.summary.condition == "clean"


def shorten(text: str, length: int = MAX_NAME) -> str:
    """Return the text with an ellipsis in the middle if it is longer than `length`."""
    return text if len(text) <= length else f"{text[: length // 2]}…{text[len(text) - length // 2 + 1 :]}"


@dataclass(frozen=True, slots=True)
class ReportWarning:
    """Warning at the top of the page, which concerns the interpretation of the scores."""

    text: str
    link: str | None = None


def name_runs(runs: Sequence[ReportRun]) -> dict[str, str]:
    """Return a name for each run, by its folder. The name consists of task, model and condition.

    If several runs have the same name, the end of the folder's name is added.
    """
    names = {}
    for run in runs:
        condition = "" if run.is_clean else f" · {run.summary.condition}"
        names[run.summary.run] = f"{build_task_title(run.summary)} · {run.model}{condition}"
    counts = Counter(names.values())
    return {run: name if counts[name] == 1 else f"{name} · {run[-8:]}" for run, name in names.items()}


def build_page_data(
    runs: Sequence[ReportRun],
    list_clips: Callable[[ReportRun, Record], Sequence[int]],
    clips: Sequence[Entry],
    ablations: Sequence[Entry],
    events: Mapping[str, Entry],
) -> Entry:
    """Return the JSON object that the scripts of the page read.

    `list_clips` returns the clips of a record as indices into `clips`. `events` holds the sound events of a run's
    clips, by the run's folder.
    """
    questions, names = QuestionIndex(), name_runs(runs)
    entries = []
    for run in runs:
        labels = find_labels(run.records)
        answers = [
            build_answer_json(
                record,
                questions.add(record),
                list_clips(run, record),
                run.scores.get(record.sample.id, {}),
                run.summary.main,
                labels,
            )
            for record in run.records
        ]
        entries.append(
            {
                "id": run.summary.run,
                "task": run.summary.task,
                "model": run.model,
                "condition": run.summary.condition,
                "label": names[run.summary.run],
                "main": run.summary.main,
                "higher": get_metric_spec(run.summary.main).higher_is_better,
                "answers": answers,
                "events": events.get(run.summary.run),
            }
        )
    return {"runs": entries, "questions": questions.entries, "clips": list(clips), "ablations": list(ablations)}


def build_warnings(runs: Sequence[ReportRun]) -> list[ReportWarning]:
    """Return warnings: partial runs, failed or skipped items, unverified audio, insignificant margins, demo data."""
    found = []
    for run in runs:
        summary, name = run.summary, f"{build_task_title(run.summary)} · {run.model}"
        if summary.partial:
            found.append(ReportWarning(f"{name}: partial, {summary.processed_items} of {summary.items} items"))
        for status, what in (("error", "failed"), ("skipped", "were skipped")):
            if number := summary.status[status]:
                link = make_address("items", run=summary.run, status=status)
                found.append(ReportWarning(f"{name}: {number} of {summary.processed_items} items {what}", link))
        if (check := summary.audio_check) is not None and check.verdict != "delivered":
            verdict = check.verdict.replace("_", " ")
            found.append(ReportWarning(f"{name}: audio-delivery check: {verdict}: {shorten(check.reason, 300)}"))
        margin = summary.margin_over_text_only
        if run.is_clean and margin is not None and not excludes_zero(margin.margin):
            text = f"{name}: no significant margin over the best text-only baseline: {build_margin_cell(margin).text}"
            found.append(ReportWarning(text, make_address("items", run=summary.run)))
    if demo := sorted({run.summary.task for run in runs if run.summary.data == "demo"}):
        found.append(ReportWarning(f"{', '.join(demo)}: demo data, synthesised: no result on a benchmark"))
    return found


def build_overview_table(runs: Sequence[ReportRun]) -> LinkedTable | None:
    """Return the table of all runs, with links to their items; None for a single run."""
    if len(runs) < 2:
        return None
    summaries = [run.summary for run in runs]
    table = build_overview(summaries)
    titles = [column.title for column in table.columns]
    rows = [
        [*row[:1], f"{runs[n].model}" + ("" if runs[n].is_clean else f" · {summaries[n].condition}"), *row[2:]]
        for n, row in enumerate(table.rows)
    ]

    def make_cell_address(row: int, column: int) -> str:
        extra = {"skipped": {"status": "skipped"}, "answered": {"status": "not ok"}, "accuracy": {"result": "wrong"}}
        return make_address("items", run=summaries[row].run, **extra.get(titles[column], {}))

    return link_table(Table(table.columns, rows, table.notes), make_cell_address)


def build_run_card(run: ReportRun) -> Entry:
    """Return the card of a run: its most important results, and all tables."""
    summary = run.summary
    items = make_address("items", run=summary.run)
    wrong = make_address("items", run=summary.run, result="wrong") if summary.main == "accuracy" else items
    links = {
        get_metric_heading(summary.main): wrong,
        "answered": make_address("items", run=summary.run, status="not ok"),
        "difficulty": items,
        "also": items,
    }
    fields = [(label, text, links.get(label)) for label, text in build_result_card(summary).items if label != "run"]
    notes = [build_provenance(summary)]
    if "no_option" in summary.tables:
        notes.append(describe_outputs_without_option(convert(summary.tables["no_option"], NoOptionCounts)))
    return {
        "heading": build_heading(summary).text.replace(summary.model, run.model),
        "fields": fields,
        "tables": build_run_tables(summary),
        "notes": notes,
    }


def build_settings_table(runs: Sequence[ReportRun]) -> LinkedTable:
    """Return a table of the runs' settings, one column per run. Settings in which runs of one task differ are
    emphasised."""
    names = name_runs(runs)
    settings = [_list_settings(run) for run in runs]
    rows: list[Row] = []
    for label in dict.fromkeys(label for entry in settings for label in entry):
        texts = [entry.get(label, "-") for entry in settings]
        known: dict[str, set[str]] = {}
        for run, text in zip(runs, texts, strict=True):
            known.setdefault(run.summary.task, set()).add(text)
        styles: list[Style] = ["strong" if len(known[run.summary.task]) > 1 else "plain" for run in runs]
        rows.append([label, *(Cell((text,), style=style) for text, style in zip(texts, styles, strict=True))])
    note = "Bold: settings in which runs of one task differ."
    return link_table(Table([Column("setting"), *(Column(names[run.summary.run]) for run in runs)], rows, [note]))


def _list_settings(run: ReportRun) -> dict[str, str]:
    summary, header = run.summary, run.header
    identity, decoding, audio = summary.identity, summary.decoding, header.audio
    heard = "not known" if isinstance(audio, str) else "none: the model takes no audio"
    if isinstance(audio, dict):
        length = "whole clip" if audio.get("seconds") is None else f"{audio['seconds']:g} s ({audio.get('crop')} part)"
        heard = f"{audio.get('rate', 0):,} Hz, {length}"
    packages = header.environment.get("packages", {})
    found = {
        "data revision": f"{summary.data} {summary.revision}, split {summary.split}",
        "items": summary.describe_selection() or f"all {summary.items:,}",
        "prompt": format_prompt_name(summary.prompt)
        + ("" if summary.prompt.hash is None else f" ({summary.prompt.hash})"),
        "parser": summary.parser,
        "decoding": decoding.method
        + ("" if decoding.max_new_tokens is None else f", at most {decoding.max_new_tokens} tokens"),
        "answer mode": summary.answer_by,
        "option order": summary.options,
        "condition": summary.condition,
        "model": shorten(identity.label),
        "weights": shorten(identity.weights or "-", 40),
        "parameters": "-" if identity.parameters is None else f"{identity.parameters:,}",
        "protocol and settings": ", ".join(f"{name} {shorten(str(value))}" for name, value in identity.settings.items())
        or "-",
        "precision": identity.dtype or "-",
        "device": identity.device or "-",
        "audio": heard,
        "commit": str(header.environment.get("commit") or "-"),
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()) or "-",
        "run": summary.run,
    }
    return {label: shorten(text, 600) for label, text in found.items()}


def build_audio_checks(runs: Sequence[ReportRun], probes: Mapping[str, int]) -> list[Entry]:
    """Return the audio-delivery checks, one per model. `probes` maps names of test sounds to indices of the page's
    clips."""
    checks = {}
    for run in runs:
        if (check := run.summary.audio_check) is None or run.summary.model in checks:
            continue
        entry = to_json(check)
        tables = [block for block in build_audio_check(run.model, "", entry) if isinstance(block, Table)]
        sounds = [answer["sound"] for answer in entry["answers"] if answer.get("sound") in probes]
        checks[run.summary.model] = {
            "model": run.model,
            "verdict": check.verdict.replace("_", " "),
            "reason": check.reason,
            "table": link_table(tables[0]) if tables else None,
            "clips": [(sound, probes[sound]) for sound in sounds],
        }
    return list(checks.values())
