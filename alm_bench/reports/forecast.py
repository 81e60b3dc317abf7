"""Table of a dry run: calls, audio, tokens and cost that a run would need."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_bench.reports.blocks import Column, Row, Table


def build_forecast_table(forecasts: Sequence[Mapping[str, Any]], total: Mapping[str, Any]) -> Table:
    """Return a table with one row per forecast and, if there are several, a row `all` with their sums (`total`).

    The arguments are the JSON objects that `--dry-run --json` prints.
    """
    several = len({entry["model"] for entry in forecasts}) > 1
    rows = []
    for entry in forecasts:
        title = f"{entry['task']} {entry['condition']}".removesuffix(" clean")
        rows.append(_build_row(entry, f"{title} · {entry['model']}" if several else title))
    if len(forecasts) > 1:
        rows.append(_build_row(total, "all"))
    columns = [
        Column("task", overflow="end"),
        Column("items", 2),
        Column("stored", 2),
        Column("calls"),
        Column("audio, min"),
        Column("prompt tokens (estimate)", 1),
        Column("audio tokens (estimate)", 1),
        Column("completion tokens (at most)", 1),
        Column("USD (estimate)"),
    ]
    return Table(columns, rows)


def _build_row(entry: Mapping[str, Any], title: str) -> Row:
    return [
        title,
        f"{entry['items']:,}",
        f"{entry['stored']:,}",
        f"{entry['calls']:,}" + (f" ({entry['unusable']} unusable)" if entry["unusable"] else ""),
        f"{entry['audio_minutes']:.1f}",
        f"{entry['prompt_tokens']:,}",
        f"{entry['audio_tokens']:,}",
        f"{entry['completion_tokens']:,}",
        "-" if entry["cost"] is None else f"{entry['cost']:.4f}",
    ]
