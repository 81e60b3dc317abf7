"""`alm-bench push`: upload a run to the Hugging Face hub."""

from typing import Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import build_choices_completer
from alm_bench.cli.output import print_text
from alm_bench.core.escape import print_notice
from alm_bench.core.options import check_choice
from alm_bench.records.find import RUNS, find_run


def push(
    run: common.RunArgument,
    repository: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository on the hub.")],
    to: Annotated[
        str,
        typer.Option(
            metavar="dataset|hf-eval",
            help="Upload the items to a data set, or propose the result to a model's repository (pull request).",
            autocompletion=build_choices_completer("dataset", "hf-eval"),
        ),
    ] = "dataset",
    public: Annotated[
        bool, typer.Option("--public", help="Make the data set public if it is created. [default: private]")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files; upload nothing.")] = False,
    dataset: common.HubDataset = None,
    task_id: common.HubTaskId = "default",
    source: common.HubSource = None,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Upload a run to the Hugging Face hub. Neither audio nor paths of this machine are uploaded.

    The items contain the benchmark's questions and answers: check its licence before making them public.
    """
    from alm_bench.export.format import HubTarget
    from alm_bench.export.push import KINDS, prepare_upload, send_upload
    from alm_bench.records.run import read_run
    from alm_bench.reports import Fields

    kind: Any = check_choice(to, KINDS, "--to")
    found = read_run(find_run(run, out))
    with prepare_upload(found, repository, kind, public, HubTarget(dataset, task_id, source)) as upload:
        entry = upload.as_json()
        url = None if dry_run else send_upload(upload)
    if json_:
        common.print_json({"run": found.folder.name, **entry, "dry_run": dry_run, "url": url})
        return
    title = f"{entry['type']} {repository}" + (" (dry run, nothing was uploaded)" if dry_run else "")
    print_text([Fields([(file["path"], f"{file['bytes']:,} bytes") for file in entry["files"]], title=title)])
    if url is not None:
        print_notice(f"uploaded: {url}")
