"""Results for the Hugging Face hub: evaluation results of a model repository, and a section of a model card.

Evaluation results follow https://huggingface.co/docs/hub/eval-results: YAML files in the folder `.eval_results` of a
model's repository, which the hub shows on the model's page and in the benchmark's leaderboard.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alm_bench import __version__
from alm_bench.core import UsageError
from alm_bench.core.files import write_atomically
from alm_bench.export.format import ExportFormat, HubTarget
from alm_bench.plugins import catalogue
from alm_bench.records.models import RunSummary
from alm_bench.records.store import HEADER
from alm_bench.reports import Block, Heading, Text, render
from alm_bench.reports.figures import format_interval, format_value, get_spec, get_unit
from alm_bench.reports.provenance import build_provenance
from alm_bench.reports.run_report import build_overview

if TYPE_CHECKING:
    from alm_bench.records.run import Run


def write_eval_results(run: "Run", path: Path, target: HubTarget) -> int:
    """Write a run's main metric as a file for `.eval_results`. Returns 1, the number of results."""
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    entries = eval_result_entries_to_yaml([build_eval_result(run, target)])
    write_atomically(path, yaml.safe_dump(entries, sort_keys=False, allow_unicode=True), "--file")
    return 1


def build_eval_result(run: "Run", target: HubTarget) -> Any:
    """Return a `huggingface_hub.EvalResultEntry` with the main metric of a finished run.

    The value has the scale and rounding of the tables of `alm-bench run`. The date is the day on which the run was
    started. `notes` describes the metric and the protocol. Raises UsageError for a run on demo data, an unfinished run,
    a missing value, and if no data set of the hub is known.
    """
    from huggingface_hub import EvalResultEntry

    summary = run.summary
    metric = summary.metrics.get(summary.main)
    if summary.data == "demo":
        raise UsageError(f"{summary.run} is a run on the built-in demo data, which is no benchmark of the hub")
    if summary.partial:
        raise UsageError(f"{summary.run} is not finished ({summary.processed_items} of {summary.items} items)")
    if metric is None or metric.value is None:
        reason = "" if metric is None else f": {metric.reason}"
        raise UsageError(f"{summary.run} has no value of its main metric {summary.main}{reason}")
    started = (run.folder / HEADER).stat().st_mtime
    return EvalResultEntry(
        dataset_id=target.dataset or _find_dataset(summary),
        task_id=target.task_id,
        value=float(format_value(metric.value, summary.main)),
        date=time.strftime("%Y-%m-%d", time.gmtime(started)),
        source_url=target.source,
        notes=describe_protocol(summary),
    )


def _find_dataset(summary: RunSummary) -> str:
    """Return the data set of the hub that the task's card names for the split. Raises UsageError if there is none."""
    task = catalogue().tasks.get(summary.task)
    hub = {} if task is None else task.card.hub
    if summary.split not in hub:
        raise UsageError(
            f"the card of {summary.task} names no data set of the hub for split {summary.split}: "
            "name the benchmark's with --dataset ORG/NAME"
        )
    return hub[summary.split]


def describe_protocol(summary: RunSummary) -> str:
    """Return one line that names the main metric, its interval, the number of items and the settings of the run."""
    main = summary.main
    interval = format_interval(summary.metrics[main], main).strip()
    measured = f"{get_spec(main).title}{get_unit(main)}" + (f", 95 % CI {interval}" if interval else "")
    return f"{measured}, n = {summary.n}; {build_provenance(summary).rstrip('.')}; alm-bench {__version__}"


def write_model_card(run: "Run", path: Path, target: HubTarget) -> int:
    """Write a section for a model card: the run's metrics in a table, and its settings. Returns 1, the number of
    results."""
    write_atomically(path, render_model_card(run.summary) + "\n", "--file")
    return 1


def render_model_card(summary: RunSummary) -> str:
    """Return the section of a model card in markdown, without a trailing newline."""
    tool = f"Measured by alm-bench {__version__} on {summary.n} items."
    demo = " These are synthetic demo data, not the benchmark." if summary.data == "demo" else ""
    blocks: list[Block] = [Heading("Evaluation"), Text(tool + demo)]
    blocks += [build_overview([summary]), Text(build_provenance(summary))]
    return render(blocks, "markdown")


FORMATS = (
    ExportFormat("hf-eval", "result for a model's page on the hub", ".eval_results/{task}.yaml", write_eval_results),
    ExportFormat("model-card", "section of a model card", "model-card.md", write_model_card),
)
