"""`alm-bench show`: browse the items of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import build_choices_completer
from alm_bench.cli.output import print_text
from alm_bench.core import STATUSES, UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.options import check_choice, parse_pairs
from alm_bench.records.find import RUNS, find_run

if TYPE_CHECKING:
    from alm_bench.records.models import RunHeader
    from alm_bench.records.schema import Record


def show(
    run: common.RunArgument,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong answers.")] = False,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(STATUSES),
            help="Only items with this status.",
            autocompletion=build_choices_completer(*STATUSES),
        ),
    ] = None,
    rule: Annotated[
        str | None, typer.Option(metavar="RULE", help="Only answers that this parsing rule determined.")
    ] = None,
    difficulty: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Only items of this difficulty (--group difficulty=LEVEL).")
    ] = None,
    skill: Annotated[
        str | None, typer.Option(metavar="SKILL", help="Only items of this skill (--group skill=SKILL).")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Only items whose group K is V (repeatable).")
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="Only this item.")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Maximum number of items of a page.")] = 10,
    page: Annotated[int, typer.Option(min=1, metavar="N", help="Number of the page.")] = 1,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print a CSV table of all selected items, with the columns of `export`.")
    ] = False,
    play: Annotated[
        bool, typer.Option("--play", help="Play each item's clips with an audio player of this machine.")
    ] = False,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """Show items of a run.

    For each item, shows its question, options, raw text, parsed answer, reference and clip.
    """
    from alm_bench.records.store import read_header, read_records
    from alm_bench.reports.item_filter import ItemFilter, select_items

    if status is not None:
        check_choice(status, STATUSES, "--status")
    if csv and json_:
        raise UsageError("show prints either --csv or --json, found both")
    named = {"difficulty": difficulty, "skill": skill}
    groups = {**parse_pairs(group, "--group"), **{key: value for key, value in named.items() if value is not None}}
    folder = find_run(run, out)
    records, _ = read_records(folder)
    records.sort(key=lambda record: record.index)
    conditions = ItemFilter(wrong, status, rule, groups, id_)  # type: ignore[arg-type]  # status is checked above
    chosen = select_items(records, conditions, folder.name)
    if csv:
        _print_csv(chosen, read_header(folder), folder)
        return
    pages = max(1, -(-len(chosen) // limit))
    if page > pages:
        raise UsageError(f"--page {page}: the {len(chosen)} matching items have {pages} pages of {limit}")
    shown = chosen[(page - 1) * limit : page * limit]
    if json_:
        items = [record.as_json() for record in shown]
        common.print_json({"run": folder.name, "matching": len(chosen), "page": page, "pages": pages, "items": items})
        return
    _print_items(shown, read_header(folder) if play else None)
    rest = f"; page {page} of {pages}" + (f" (--page {page + 1}: the next)" if page < pages else "")
    _print_line(
        f"{len(shown)} of {len(chosen)} matching items, {len(records)} in the run {folder.name}"
        + (rest if pages > 1 else "")
    )


def _print_items(records: "Sequence[Record]", header: "RunHeader | None") -> None:
    """Print items. If `header`, the header of their run, is given, also play the clips of each item."""
    from alm_bench.reports.items import build_item_block

    if header is None:
        for record in records:
            print_text([build_item_block(record)], end="\n\n")
        return
    from alm_bench.cli.player import find_player, play_clip
    from alm_bench.items import find_demo_clips

    player = find_player()
    made = find_demo_clips(header.task.name, header.data.kind, header.spec.split)
    for record in records:
        print_text([build_item_block(record)], end="\n\n")
        for ref in record.sample.audio:
            if (problem := play_clip(made.get(ref.id, ref), player)) is not None:
                print_notice(problem)


def _print_csv(records: "Sequence[Record]", header: "RunHeader", folder: Path) -> None:
    """Print a CSV table for spreadsheets, with one line per item. Lists are written as JSON."""
    from alm_bench.core.foreign import dump_json
    from alm_bench.items import RunNames, flatten_item, list_columns, make_item
    from alm_bench.reports.renderers.csv import render_csv

    names = RunNames.from_header(header, folder)
    rows = [flatten_item(make_item(names, record)) for record in records]
    columns = list_columns(rows)
    cells = [[row.get(column) for column in columns] for row in rows]
    lines = [[dump_json(cell) if isinstance(cell, list) else cell for cell in row] for row in cells]
    print(render_csv(columns, lines), end="")


def _print_line(text: str) -> None:
    from alm_bench.reports import Text

    print_text([Text(text)])
