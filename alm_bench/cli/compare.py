"""`alm-bench compare`: is one model better than another, or only luckier?"""

from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.core import UsageError
from alm_bench.core.escape import escape_terminal

if TYPE_CHECKING:
    from alm_bench.records.schema import Record


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN_A RUN_B [RUN_C]...", help="Runs of one task.")],
    examples: Annotated[int, typer.Option(min=0, help="Number of gained and lost items to show.")] = 0,
    different: Annotated[
        bool,
        typer.Option(
            "--different",
            help="Allow runs that differ in data revision, prompt, parser, option order or answer mode.",
        ),
    ] = False,
    out: common.Out = common.RUNS,
    json_: common.Json = False,
) -> None:
    """Compare runs with the first one, item by item: paired intervals, and p-values adjusted over all cells."""
    from alm_bench.plugins import catalogue
    from alm_bench.records.run import read_run
    from alm_bench.reports import comparison

    if len(runs) < 2:
        raise UsageError(f"compare takes two runs or more, {len(runs)} was named")
    found = [read_run(common.find_run(run, out)) for run in runs]
    comparison.check(found, different)
    task = catalogue().task(found[0].summary["task"]).create()
    cells = comparison.compare(found, task)
    if json_:
        common.print_json(comparison.as_json(found, cells))
        return
    print(comparison.as_markdown(found, cells))
    for run in found[1:] if examples else ():
        for side, pairs in comparison.examples(found[0], run, task, examples).items():
            for ours, theirs in pairs:
                print(f"{side}: {_screen(ours, theirs)}\n")


def _screen(ours: "Record", theirs: "Record") -> str:
    sample = ours.sample
    gold = sample.gold if sample.target is None or not sample.choices else sample.choices[sample.target]
    if sample.targets is not None:
        gold = " + ".join(sample.choices[index] for index in sample.targets)
    lines = [
        f"{sample.id}: {ours.prompt}",
        f"  gold: {gold}",
        f"  first: {_answer(ours)}",
        f"  second: {_answer(theirs)}",
    ]
    return "\n".join(map(escape_terminal, lines))


def _answer(record: "Record") -> str:
    """The text, or the option that was found likeliest where none was written."""
    if record.text is None and record.parsed is not None:
        return f"{record.parsed.value!r} (by likelihood)"
    return repr(record.text)
