"""Tables with one row per item: CSV, parquet, and Hugging Face data sets. docs/export.md lists the columns.

The tables can be scored again: `alm-bench run --model replay --model-arg outputs=FILE`.
"""

import csv
import io
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alm_bench.core import UsageError
from alm_bench.core.escape import quote_formula
from alm_bench.core.files import replace_atomically, translate_write_errors, write_atomically
from alm_bench.core.foreign import dump_json
from alm_bench.export.format import ExportFormat, HubTarget
from alm_bench.items import list_columns, list_rows, make_schema

if TYPE_CHECKING:
    from alm_bench.records.run import Run


def write_csv(run: "Run", path: Path, target: HubTarget) -> int:
    """Write a CSV file. Lists are written as JSON.

    Texts are complete, with their line breaks. A text that a spreadsheet would run as a formula is preceded by `'`,
    which the replay removes.
    """
    rows = list_rows(run)
    columns = list_columns(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_format_cell(row.get(name)) for name in columns] for row in rows)
    write_atomically(path, out.getvalue(), "--file")
    return len(rows)


def _format_cell(value: Any) -> Any:
    """Return a value as a CSV cell: an empty one for None, JSON for a list, quoted text for a formula."""
    if isinstance(value, list):
        return dump_json(value)
    if isinstance(value, bool):
        return str(value).lower()
    return quote_formula(value) if isinstance(value, str) else value


def write_parquet(run: "Run", path: Path, target: HubTarget) -> int:
    """Write a parquet file. Columns have the same types for every run."""
    rows = list_rows(run)
    write_parquet_rows(rows, path)
    return len(rows)


def write_parquet_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows of items as a parquet file. Columns that all rows lack are left out."""
    import pyarrow as pa
    import pyarrow.parquet

    present: Mapping[str, Any] = {name: None for row in rows for name in row} or dict.fromkeys(list_columns([]))
    columns = [name for name in list_columns(rows) if name in present]
    table = pa.Table.from_pylist(rows, schema=make_schema(columns))
    with replace_atomically(path, "--file") as temporary:
        pyarrow.parquet.write_table(table, temporary)


def write_dataset(run: "Run", path: Path, target: HubTarget) -> int:
    """Write a folder for `datasets.load_from_disk`, with the items and their first clip, not decoded.

    A folder that is a data set is replaced. Raises UsageError for any other existing path.
    """
    from alm_bench.results import Results

    if path.exists() and not (path / "dataset_info.json").is_file():
        raise UsageError(f"{path} exists and is no data set of this program: name another folder with --file")
    data = Results((run,)).to_dataset()
    fresh = path.with_name(f"{path.name}.tmp")
    with translate_write_errors(path, "--file"), _hide_progress():
        shutil.rmtree(fresh, ignore_errors=True)
        data.save_to_disk(fresh)
        shutil.rmtree(path, ignore_errors=True)
        fresh.rename(path)
    return int(data.num_rows)


@contextmanager
def _hide_progress() -> Iterator[None]:
    """Context manager in which `datasets` shows no progress bars."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()


FORMATS = (
    ExportFormat("csv", "table of items", "items.csv", write_csv, is_table=True),
    ExportFormat("parquet", "table of items", "items.parquet", write_parquet, is_table=True),
    ExportFormat("dataset", "Hugging Face data set with clips", "items", write_dataset, is_table=True),
)
