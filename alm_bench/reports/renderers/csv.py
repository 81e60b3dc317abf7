"""Tables in CSV format, for spreadsheets and data frames."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from alm_bench.core.escape import escape_csv


def render_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a line of column names, followed by one line per row.

    None becomes an empty cell. Texts are escaped so that spreadsheets do not run them as formulas.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([escape_csv(value) for value in row] for row in rows)
    return out.getvalue()
