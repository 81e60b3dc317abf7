"""Folder of a synthetic data set: its rows by split, its removed rows and its data card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alm_bench.core.files import translate_write_errors, write_atomically
from alm_bench.core.foreign import dump_json
from alm_bench.synthesis.pipeline import DroppedRow, FilterResult
from alm_bench.synthesis.rows import convert_row_to_json, dump_rows

CALLS = "calls.jsonl"
"""File of the answers of all models."""

CARD = "card"
"""Stem of the data card's files: `.json`, `.md` and `.html`."""

REMOVED = "removed.json"
"""File of the rows that filters removed, with the reasons."""


def write_folder(folder: Path, result: FilterResult, card: Mapping[str, Any]) -> list[Path]:
    """Write the files of a data set and return their paths: one file of rows per split (`train.json`), then the removed
    rows and the card. Files of splits without rows are removed. Raises StoreError."""
    from alm_bench.reports import render
    from alm_bench.reports.synthesis import build_card_blocks, render_card_page

    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    splits = sorted({row.split for row in (*result.rows, *(one.row for one in result.dropped))})
    written = []
    for split in splits:
        rows = [row for row in result.rows if row.split == split]
        path = folder / f"{split}.json"
        if rows:
            write_atomically(path, dump_rows(rows))
            written.append(path)
        else:
            path.unlink(missing_ok=True)
    write_atomically(folder / REMOVED, _dump_removed(result.dropped))
    text = render(build_card_blocks(card), "markdown")
    write_atomically(folder / f"{CARD}.json", dump_json(card, indent=1) + "\n")
    write_atomically(folder / f"{CARD}.md", text + "\n")
    write_atomically(folder / f"{CARD}.html", render_card_page(card["title"], text))
    return [*written, folder / REMOVED, *(folder / f"{CARD}.{suffix}" for suffix in ("json", "md", "html"))]


def _dump_removed(dropped: Sequence[DroppedRow]) -> str:
    lines = []
    for one in dropped:
        fault = {"filter": one.filter, "reason": one.finding.reason, "detail": one.finding.detail}
        lines.append(dump_json({**fault, **convert_row_to_json(one.row)}))
    return "[\n" + ",\n".join(lines) + "\n]\n"
