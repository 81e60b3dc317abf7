"""Reports on the data of tasks: present, missing and downloaded files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alm_bench.reports.blocks import Block, Column, Fields, Row, Table, Text

Report = Mapping[str, Any]
"""Entry of one task in the output of `data info --json`."""

MOST_LISTED = 5
"""Largest number of missing clips, and of unreadable clips, that are listed by name."""


def build_data_table(reports: Sequence[Report]) -> Table:
    """Return a table with one row per file, and one row for the clips of each task."""
    columns = [
        Column("task", overflow="end"),
        Column("path below the data folder", 1, overflow="middle", least=40),
        Column("present"),
        Column("revision", 3, overflow="end"),
        Column("sha256", 4),
        Column("source", 2, overflow="end", least=30),
    ]
    return Table(columns, [row for report in reports for row in _build_rows(report)])


def _build_rows(report: Report) -> list[Row]:
    rows: list[Row] = []
    for file in report["files"]:
        present = f"{file['bytes']:,} bytes" if file["path"] else ("no (optional)" if file["optional"] else "NO")
        digest = (file["sha256"] or "-")[:12]
        rows.append([report["task"], file["place"], present, file["revision"] or "-", digest, file["source"]])
    clips = report["clips"]
    present = f"{clips['present']} of {clips['total']} clips" if clips["total"] else "not checked"
    rows.append([report["task"], " or ".join(clips["layout"]), present, "-", "-", clips["source"]])
    return rows


def build_data_paths(report: Report) -> Fields:
    """Return the paths of a task's files; for missing ones, the paths at which they are expected."""
    demo = "the built-in demo data, " if report["data"] == "demo" else ""
    lines = []
    for file in report["files"]:
        path = file["path"] or f"missing: {Path(report['folder']) / file['place']}"
        lines.append(f"{file['role']}: {path}{' (optional)' if file['optional'] else ''}")
    clips = report["clips"]
    pairs = list(zip(clips["missing"], clips["missing_paths"], strict=True))
    if report["part"] is not None:
        lines.append(f"{report['part']}; tables never rank it with the whole")
    lines += [f"missing clip {clip}: {path}" for clip, path in pairs[:MOST_LISTED]]
    if len(pairs) > MOST_LISTED:
        lines.append(f"... {len(pairs) - MOST_LISTED} more clips are missing")
    lines += [f"unreadable clip {clip}: {reason}" for clip, reason in list(clips["unreadable"].items())[:MOST_LISTED]]
    return Fields([("", line) for line in lines], title=f"{report['task']}: {demo}{report['folder']}")


def build_fetch_table(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return a table with one row per file that `data get` checked; `rows` are the entries of its `--json` output."""
    columns = [
        Column("task", overflow="end"),
        Column(f"path below {folder}", 1, overflow="middle", is_name=True, least=40),
        Column("state"),
        Column("size", 2),
        Column("sha256", 3),
    ]
    cells: list[Row] = [
        [
            row["task"],
            row["place"],
            row["state"],
            f"{row['bytes']:,} bytes" if row["bytes"] is not None else "-",
            (row["sha256"] or "-")[:12],
        ]
        for row in rows
    ]
    return [Table(columns, cells)]


def build_fetch_notes(rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return notes on single files, and a note if nothing was downloaded."""
    blocks: list[Block] = []
    if all(row["state"] in ("there", "elsewhere") for row in rows):
        blocks.append(Text("nothing was downloaded: every public file is present"))
    blocks += [Text(f"{row['task']}, {row['role']}: {row['state']}: {row['note']}") for row in rows if row["note"]]
    return blocks
