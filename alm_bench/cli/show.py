"""`alm-bench show`: print single items of a run."""

from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_choices
from alm_bench.cli.output import print_text
from alm_bench.core import STATUSES, UsageError
from alm_bench.core.options import check_choice
from alm_bench.records.find import RUNS, find_run


def show(
    run: common.RunArgument,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong answers.")] = False,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(STATUSES),
            help="Only items with this status.",
            autocompletion=complete_choices(*STATUSES),
        ),
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="Only this item.")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Maximum number of items.")] = 10,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Show items of a run.

    Each with its question, options, raw text, parsed answer, reference and clip.
    """
    from alm_bench.records.store import read_records
    from alm_bench.reports import Text
    from alm_bench.reports.items import build_item, is_wrong

    if status is not None:
        check_choice(status, STATUSES, "--status")
    folder = find_run(run, out)
    records, _ = read_records(folder)
    records.sort(key=lambda record: record.index)
    chosen = [
        record
        for record in records
        if (status is None or record.status == status)
        and (not wrong or is_wrong(record))
        and (id_ is None or record.sample.id == id_)
    ]
    if id_ is not None and all(record.sample.id != id_ for record in records):
        raise UsageError(
            f"{folder.name} has no item {id_!r}; its first is {records[0].sample.id!r}"
            if records
            else f"{folder.name} is empty"
        )
    shown = chosen[:limit]
    if json_:
        items = [record.as_json() for record in shown]
        common.print_json({"run": folder.name, "matching": len(chosen), "items": items})
        return
    for record in shown:
        print_text([build_item(record)], end="\n\n")
    print_text([Text(f"{len(shown)} of {len(chosen)} matching items, {len(records)} in the run {folder.name}")])
