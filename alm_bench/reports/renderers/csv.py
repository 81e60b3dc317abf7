"""A table as CSV, for spreadsheets and data frames."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from alm_bench.core.escape import escape_csv


def render_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a line a row below one of column names; None is an empty cell, and no text is run as a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([escape_csv(value) for value in row] for row in rows)
    return out.getvalue()
