"""Reader of ReasonAQA's JSON files, whose rows belong to several parts (tasks)."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from alm_bench.core import DataError
from alm_bench.core.escape import print_notice
from alm_bench.data.readers import read_json

REQUIRED_KEYS = ("filepath1", "input", "answer")
PARTS = (
    *("clotho", "audiocaps", "clotho_aqa", "cle", "ace", "cld", "acd"),
    *("clotho_mcq", "clotho_detail", "audiocaps_mcq", "audiocaps_detail"),
)
"""Names of the parts, as in the rows of table 1 of the Mellow paper (arXiv 2503.08540). In the files, `cld` and `acd`
are followed by the number of the tier."""


def normalise_part_name(subtype: str) -> str:
    """Normalise the name of a part, so that different spellings in the files are equal: `AudioCaps_MCQ.json` and
    `audiocaps-mcq`, `ClothoV21_MCQ.json` and `clotho_mcq`."""
    name = re.sub(r"[\s_-]", "", subtype.casefold().removesuffix(".json"))
    name = re.sub(r"^clothov2(1|\.1)?", "clotho", name)
    return name[:-1] if name[:-1] in ("cld", "acd") and name[-1] in "123" else name


_KNOWN = frozenset(map(normalise_part_name, PARTS))


def read_part(path: Path, part: str) -> list[Mapping[str, Any]]:
    """Return the rows of a part, in file order. Raises DataError if the file has another structure or no row of the
    part.

    Parts of the file that are not in PARTS are named on standard error, once per file.
    """
    document = read_json(path)
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise DataError(f"{path}: expected a JSON list of objects with {', '.join(REQUIRED_KEYS)} and subtype")
    found: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(document):
        if normalise_part_name(name := str(row.get("subtype") or "unnamed")) == normalise_part_name(part):
            _check_row(path, number, row)
        found.setdefault(name, []).append(row)
    if unknown := tuple(sorted(name for name in found if normalise_part_name(name) not in _KNOWN)):
        _warn_of_unknown_parts(path, unknown)
    part_rows = [
        row for name, rows in found.items() if normalise_part_name(name) == normalise_part_name(part) for row in rows
    ]
    if not part_rows:
        raise DataError(f"{path}: no rows of the part {part}; parts there: {', '.join(sorted(found)) or 'none'}")
    return part_rows


def _check_row(path: Path, number: int, row: Mapping[str, Any]) -> None:
    """Raise DataError unless every key of `REQUIRED_KEYS` has a text; only `answer` may be empty."""
    for key in REQUIRED_KEYS:
        if not isinstance(row.get(key), str) or not (row[key].strip() or key == "answer"):
            raise DataError(f"{path}: row {number}: field {key!r} is {row.get(key)!r}, expected text")


@cache
def _warn_of_unknown_parts(path: Path, unknown: Sequence[str]) -> None:
    """Print the unknown parts of a file. The cache limits this to once per file, even if several tasks read it."""
    print_notice(f"{path}: parts that no task reads: {', '.join(unknown)}")
