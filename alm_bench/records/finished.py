"""A finished run as it was stored: its summary and its items."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import StoreError
from alm_bench.records.schema import Record
from alm_bench.records.store import SUMMARY, read_header, read_records, read_summary


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run of one task: its summary row and its items by id, skipped ones left out."""

    folder: Path
    summary: Mapping[str, Any]
    records: Mapping[str, Record]


def finished(folder: Path) -> bool:
    return (folder / SUMMARY).is_file()


def read_run(folder: Path) -> Run:
    """Raises StoreError for a folder without a finished run."""
    read_header(folder)
    if not finished(folder):
        raise StoreError(f"{folder} holds no finished run: run its command again, it goes on where it stopped")
    records, _ = read_records(folder)
    return Run(folder, read_summary(folder)[0], {r.sample.id: r for r in records if r.status != "skipped"})
