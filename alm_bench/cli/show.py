"""`alm-bench show`: what was asked, what was said, how it was read."""

from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.core import STATUSES, UsageError
from alm_bench.core.escape import escape_terminal

if TYPE_CHECKING:
    from alm_bench.records.schema import Record


def show(
    run: common.RunArgument,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong answers.")] = False,
    status: Annotated[str | None, typer.Option(help="Only items with this status.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Only this item.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of items.")] = 10,
    out: common.Out = common.RUNS,
    json_: common.Json = False,
) -> None:
    """Show items of a run: question, options, raw text, parsed answer, reference, clip."""
    from alm_bench.records.store import read_records

    if status is not None:
        common.one_of(status, STATUSES, "--status")
    folder = common.find_run(run, out)
    records, _ = read_records(folder)
    records.sort(key=lambda record: record.index)
    chosen = [
        record
        for record in records
        if (status is None or record.status == status)
        and (not wrong or _wrong(record))
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
        import json

        common.print_json({"run": folder.name, "matching": len(chosen), "items": [json.loads(r.line()) for r in shown]})
        return
    for record in shown:
        print(_screen(record) + "\n")
    print(escape_terminal(f"{len(shown)} of {len(chosen)} matching items, {len(records)} in the run {folder.name}"))


def _wrong(record: "Record") -> bool:
    """Without a gold no answer is wrong; with one, neither is a failed call right."""
    known = record.sample.has_reference and record.status != "skipped"
    main = record.scores.get("accuracy", max(record.scores.values(), default=None))
    if main is None:  # a sentence is neither right nor wrong; a failed call is no answer
        return known and record.status == "error"
    return known and main < 1


def _screen(record: "Record") -> str:
    sample = record.sample
    parsed = record.parsed
    lines = [f"── {sample.id} · {record.status}" + (f" · {record.reason}" if record.reason else "")]
    lines += [f"{name:<10} {value}" for name, value in sample.fields.items()]
    for index, choice in enumerate(sample.choices):
        gold = " ← gold" if index == sample.target or index in (sample.targets or ()) else ""
        said = " ← answer" if parsed is not None and index in (parsed.index, *(parsed.indices or ())) else ""
        lines.append(f"  {'(' + chr(97 + index) + ')':<8} {choice}{gold}{said}")
    if isinstance(sample.target, list):
        lines += [f"reference  {text}" for text in sample.target]
    elif not sample.has_reference and sample.gold is not None:
        lines.append(f"gold       {sample.gold}")
    lines.append(f"prompt     {record.prompt}")
    lines.append("text       " + ("(none)" if record.text is None else repr(record.text)))
    if parsed is not None:
        where = "" if parsed.span is None else f", characters {parsed.span[0]}-{parsed.span[1]}"
        value = "nothing" if parsed.value is None else repr(parsed.value)
        lines.append(f"read as    {value} (status {parsed.status}, rule {parsed.rule}{where})")
    for form, options in record.likelihood.items():
        told = ", ".join(f"({chr(97 + i)}) {total:.2f} / {tokens}" for i, (total, tokens) in enumerate(options))
        lines.append(f"{'by ' + form:<10} {told} (log-likelihood / tokens)")
    if record.scores:
        lines.append("scores     " + ", ".join(f"{name} {value:g}" for name, value in record.scores.items()))
    lines += [f"clip       {ref.path}" for ref in sample.audio]
    if sample.groups:
        lines.append("groups     " + ", ".join(f"{key}={value}" for key, value in sample.groups.items()))
    return "\n".join(map(escape_terminal, lines))
