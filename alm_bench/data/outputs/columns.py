"""Columns of a file with texts and references, under their common names or under names that the user gives."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.core import DataError, UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.core.options import split_pair
from alm_bench.data.outputs.row import MISSING, RawRow, get_first_value, look_up, parse_list_text

_NUMBERED = re.compile(r"(?:ref|reference|caption)_?(\d+)")


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Names of a file's columns by their role."""

    common_names: Mapping[str, Sequence[str]]
    """Common names of the column of each role, in order of preference."""

    user_names: Mapping[str, str]
    """Names that the user gave, by role. A dotted path selects a value of a nested object."""

    @classmethod
    def parse(
        cls, common_names: Mapping[str, Sequence[str]], pairs: Sequence[str], flag: str = "--column"
    ) -> "ColumnNames":
        """Return column names from the values of a command-line option: `ROLE=NAME`, or `NAME` for the first role.

        `common_names` holds the common names by role, `pairs` the values, and `flag` is the option, for messages.

        Raises UsageError for an unknown role.
        """
        first = next(iter(common_names))
        given = dict(split_pair(pair if "=" in pair else f"{first}={pair}", flag) for pair in pairs)
        for role in given:
            if role not in common_names:
                raise UsageError(
                    f"{flag} {role}=...: unknown role {role!r}; known: {format_similar_names(role, common_names)}"
                )
        return cls(common_names, given)

    def find(self, row: RawRow, role: str) -> Any:
        """Return the value of a role in a row, or MISSING if the row does not have it or has an empty cell there."""
        if role not in self.user_names:
            return get_first_value(row, self.common_names[role])
        value = look_up(row, self.user_names[role])
        return MISSING if value in (None, "") else value

    def find_text(self, row: RawRow, role: str, where: str) -> str:
        """Return the text of a role in a row. An empty cell is an empty text, and a list of one text is that text.

        Raises DataError, which begins with `where`, if the row lacks the column or its value is no text.
        """
        names = [self.user_names[role]] if role in self.user_names else list(self.common_names[role])
        value = self.find(row, role)
        if value is MISSING:
            value = next((found for name in names if (found := look_up(row, name)) is not MISSING), MISSING)
        if value is MISSING:
            raise DataError(
                f"{where} has no {names[0]!r}; it has {', '.join(map(str, row)) or 'nothing'}: "
                f"name its column with --column {role}=NAME"
            )
        listed = parse_list_text(value) if isinstance(value, str) else value
        if isinstance(listed, list) and len(listed) == 1:
            value = listed[0]
        if not isinstance(value, str):
            raise DataError(f"{where}: the {role} is a {type(value).__name__}, expected text")
        return value

    def find_texts(self, row: RawRow, role: str, where: str) -> list[str]:
        """Return the texts of a role in a row: of a list, of a cell with a list, or of columns `ref1` to `refN`.

        Raises DataError, which begins with `where`, if there are none or one of them is empty or no text.
        """
        value = self.find(row, role)
        if value is MISSING and role not in self.user_names:
            value = _find_numbered_texts(row) or MISSING
        if value is MISSING:
            name = self.user_names.get(role, self.common_names[role][0])
            raise DataError(
                f"{where} has no {name!r}; it has {', '.join(map(str, row)) or 'nothing'}: "
                f"name its column with --column {role}=NAME, or bring columns ref1, ref2, ..."
            )
        if isinstance(value, str):
            listed = parse_list_text(value)
            value = listed if isinstance(listed, list) else [value]
        if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
            raise DataError(f"{where}: {role} are {value!r:.80}, expected a list of one text or more")
        if any(not text.strip() for text in value):
            raise DataError(f"{where}: a reference is empty, expected a text")
        return value


def _find_numbered_texts(row: RawRow) -> list[str]:
    """Return the texts in the columns `ref1`, `ref2`, ... (also `reference_1`, `caption_1`), without empty ones."""
    found = {int(match[1]): row[name] for name in row if (match := _NUMBERED.fullmatch(str(name).strip().lower()))}
    return [found[number] for number in sorted(found) if found[number] not in (None, "")]


def describe_item(path: Path, number: int) -> str:
    """Return the beginning of a message about an item of a file, counted from 1."""
    return f"{path}: item {number}"
