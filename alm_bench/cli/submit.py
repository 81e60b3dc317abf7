"""`alm-bench submit`: write the submission file of a benchmark that scores answers itself."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_tasks
from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.protocols import MakesSubmission
from alm_bench.records.find import RUNS, find_run
from alm_bench.resolve import select_tasks


def submit(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK[,TASK]...",
            help="Task of the run, or a list or collection that contains it.",
            autocompletion=complete_tasks,
        ),
    ],
    run: common.RunArgument,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write. [default: submission.json in the run's folder]")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Path of the task's question file, if it has moved.")
    ] = None,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Write the official submission file of a run."""
    from alm_bench.core.files import write_atomically
    from alm_bench.core.foreign import dump_json
    from alm_bench.records.store import read_header, read_records

    named = select_tasks(task, "submit")
    plugins = {entry.card.name: entry.create() for entry in named}
    if not any(isinstance(plugin, MakesSubmission) for plugin in plugins.values()):
        raise UsageError(f"task {', '.join(plugins)} has no official submission")
    folder = find_run(run, out)
    header = read_header(folder)
    plugin = plugins.get(header.task.name)
    if plugin is None:
        raise UsageError(f"{folder.name} is a run of {header.task.name}, not of {task}")
    if not isinstance(plugin, MakesSubmission):
        raise UsageError(f"task {header.task.name} has no official submission")
    if (order := header.spec.options) != "given":
        raise UsageError(f"{folder.name} is a run with --options {order}, expected one with --options given")
    records, _ = read_records(folder)
    if annotations is None and header.data.annotations is None:
        raise UsageError(f"{folder.name} does not name its file of questions, expected --annotations FILE")
    source = annotations or Path(header.data.annotations or "")
    value = plugin.submission([record.to_scored() for record in records], source)
    target = to or folder / "submission.json"
    write_atomically(target, dump_json(value, indent=1) + "\n", "--to")
    if json_:
        common.print_json({"file": str(target), "items": len(value)})
    else:
        print_notice(f"{len(value)} items written to {target}")
