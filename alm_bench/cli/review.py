"""`alm-bench review`: list marks that were set on items, and turn them into label patches and parser cases."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.output import print_text
from alm_bench.core.escape import print_notice
from alm_bench.records.find import RUNS


def review(
    marks: Annotated[Path, typer.Argument(metavar="MARKS.json", help="File of marks, saved from a report.")],
    patch: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the corrected labels, for the maintainers of the benchmark."),
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the wrongly parsed answers as test cases of the parser."),
    ] = None,
    out: common.Out = RUNS,
    json_: common.Json = False,
) -> None:
    """List marks that people set on items of runs.

    For each mark, also shows what is stored, and how the current parser parses the text.

    `score RUN --labels MARKS.json` computes scores with the corrected labels.
    """
    from alm_bench.records.marks import read_marks
    from alm_bench.reports import Text
    from alm_bench.reports.review import build_mark_block
    from alm_bench.review import review_marks, write_label_patch, write_parser_cases

    reviewed = review_marks(read_marks(marks), out)
    written: dict[str, Any] = {}
    if patch is not None:
        written["labels"] = {"file": str(patch), "count": write_label_patch(reviewed, patch)}
    if cases is not None:
        written["cases"] = {"file": str(cases), "count": write_parser_cases(reviewed, cases)}
    kinds = Counter(one.mark.kind for one in reviewed)
    if json_:
        from alm_bench.records.models import to_json

        entries = [
            {
                **to_json(one.mark),
                "problem": one.problem,
                "reference": None if one.record is None else one.record.sample.describe_reference(),
                "text": None if one.record is None else one.record.text,
                "parsed": None if one.parsed is None else one.parsed.value,
                "solved": one.is_solved,
            }
            for one in reviewed
        ]
        common.print_json({"marks": entries, "kinds": dict(kinds), "written": written})
        return
    for one in reviewed:
        print_text([build_mark_block(one.mark, one.record, one.parsed, one.problem, one.is_solved)], end="\n\n")
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    print_text([Text(f"{len(reviewed)} marks" + (f": {counts}" if counts else ""))])
    for what, entry in written.items():
        print_notice(f"{entry['count']} {what} written to {entry['file']}")
