"""`alm-bench show`: print single items of a run."""

from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_choices
from alm_bench.cli.output import print_text
from alm_bench.core import STATUSES, UsageError
from alm_bench.core.options import check_choice
from alm_bench.records.find import RUNS, find_run

if TYPE_CHECKING:
    from alm_bench.records.schema import Record


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
    from alm_bench.reports.items import build_item

    if status is not None:
        check_choice(status, STATUSES, "--status")
    folder = find_run(run, out)
    records, _ = read_records(folder)
    records.sort(key=lambda record: record.index)
    chosen = [
        record
        for record in records
        if (status is None or record.status == status)
        and (not wrong or _is_wrong(record))
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


def _is_wrong(record: "Record") -> bool:
    """Return True if an item with a reference answer was answered incorrectly, or if its call failed.

    Items without a reference answer and skipped items are not wrong. Sentences that have no scores are only wrong if
    the call failed.
    """
    from alm_bench.reports.items import is_perfect

    known = record.sample.has_reference and record.status != "skipped"
    scores = {name: value for name, value in record.scores.items() if name == "accuracy"} or record.scores
    if not scores:  # sentences are neither right nor wrong
        return known and record.status == "error"
    return known and not any(is_perfect(name, value) for name, value in scores.items())
