"""Reader of a file of model outputs that another program wrote: texts by item id, and the questions that it
contains."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from alm_bench.core import DataError, Sample, UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.core.files import hash_json
from alm_bench.data.inline_options import REFERENCE_NOT_AN_OPTION, normalise_option
from alm_bench.data.outputs.files import read_rows
from alm_bench.data.outputs.formats import list_formats
from alm_bench.data.outputs.row import (
    CHOICE_COLUMNS,
    ID_COLUMNS,
    MISSING,
    QUESTION_COLUMNS,
    REFERENCE_COLUMNS,
    TEXT_COLUMNS,
    Format,
    QuestionInfo,
    RawRow,
    Row,
    StoredOutcome,
    find_row_id,
    get_first_value,
    look_up,
    parse_id,
    parse_model_text,
    parse_question,
)

Duplicates = Literal["error", "first", "last", "each"]
"""Treatment of repeated ids: raise an error, keep the first or the last item, or keep each item. With `each`, items
after the first get their number appended to the id."""

PLAIN = "rows"
"""Format name of files without the format of a particular program."""


@dataclass(frozen=True, slots=True)
class OutputColumns:
    """Options for reading a file of outputs: its columns of texts and ids, and the treatment of repeated ids."""

    text: str | None = None
    """Key or dotted path of the model output; None: the default of the file's format."""

    id: str | None = None
    """Key or dotted path of the id; None: the default of the file's format."""

    duplicates: Duplicates = "error"
    """Treatment of repeated ids."""

    def __post_init__(self) -> None:
        if self.duplicates not in get_args(Duplicates):
            raise UsageError(f"--duplicates takes first, last or each, found {self.duplicates!r}")


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """One item of a file of model outputs."""

    id: str
    """Unique id."""

    text: str | None
    """Model output, None if the file has none for this item."""

    question: QuestionInfo
    """Question of the item. Values that the file does not give are None or empty."""

    fields: RawRow
    """Other columns."""

    groups: Mapping[str, str] | None = None
    """Keys in the groupings of the task, if the file has them."""

    outcome: StoredOutcome | None = None
    """Outcome of the call, if the file has it."""

    original_id: str | None = None
    """Id in the file if `id` is a numbered one, because the file repeats the id; else None."""

    @property
    def id_in_file(self) -> str:
        """Id of the item in the file, without a number for repeated ids."""
        return self.original_id or self.id

    def convert_to_sample(self, groups: Mapping[str, str]) -> Sample:
        """Return the item as a sample without clips. `groups` maps groupings to the item's group in each of them."""
        asked = self.question
        again = {"clip": groups.get("clip", self.id_in_file)} if self.original_id else {}
        return Sample(
            id=self.id,
            fields={"question": asked.question or ""},
            choices=asked.choices,
            target=asked.target,
            gold=asked.gold,
            groups={**groups, **again},
            skip=None if asked.target is not None else REFERENCE_NOT_AN_OPTION,
        )

    @property
    def skip(self) -> str | None:
        """Reason why the item is not scored, if the file states one."""
        return None if self.outcome is None else self.outcome.skip


@dataclass(frozen=True, slots=True)
class StoredOutputs:
    """Content of a file of model outputs."""

    path: Path
    """Path of the file."""

    format: str
    """Name of the file's format."""

    items: Mapping[str, StoredOutput]
    """Items by id, in the order of the file."""

    @property
    def has_questions(self) -> bool:
        """True if the file contains its own questions: every item has options and a reference, and at least one
        reference is an option. If no reference is an option (because they are indices, for example), outputs cannot be
        scored against them."""
        asked = [item.question for item in self.items.values()]
        return all(question.complete for question in asked) and any(question.target is not None for question in asked)

    @property
    def label(self) -> str:
        """Name of the file for messages, followed by the file's format unless it is plain rows."""
        return self.path.name if self.format == PLAIN else f"{self.path.name} ({self.format})"


def compute_questions_digest(samples: Sequence[tuple[str, Sequence[str], str | None]]) -> str:
    """Return a sha256 over questions, each a triple (id, options, reference).

    Files with the same questions have the same hash, in whatever order. Options and references are normalised first.
    """
    rows = sorted(
        (name, list(map(normalise_option, choices)), normalise_option(gold or "")) for name, choices, gold in samples
    )
    return hash_json(rows)


def read_stored_outputs(path: Path, columns: OutputColumns | None = None) -> StoredOutputs:
    """Read a file of outputs in any format of `formats/`, or in plain rows (JSON, JSONL, CSV, TSV or xlsx).

    Raises DataError if the file has another structure, or if a row has no text or no id. Also raises it for repeated
    ids if `columns.duplicates` is `error`.
    """
    columns = OutputColumns() if columns is None else columns
    rows = read_rows(path, lambda row: _is_output(row, columns))
    if not rows:
        raise DataError(f"{path}: holds no outputs")
    known = next((one for one in list_formats() if one.fits(rows[0])), None)
    read = known or Format(PLAIN, lambda row: True, _convert_plain_row)
    if columns.text is None and known is None:
        _check_text_column(path, rows, TEXT_COLUMNS)
    elif columns.text is not None and all(look_up(row, columns.text) is MISSING for row in rows):
        _check_text_column(path, rows, (columns.text,))
    if read.view is not None:
        rows = [row for row in rows if row.get(read.view) == rows[0].get(read.view)]
    items = [_convert_row(path, number, row, read, columns) for number, row in enumerate(rows)]
    return StoredOutputs(path, read.name, _index_by_id(path, items, columns.duplicates))


def read_output_texts(path: Path, column: str | None = None) -> dict[str, str | None]:
    """Read the raw model outputs of a file by item id. The value is None if the file has no text for the item. Raises
    the errors of `read_stored_outputs`."""
    return {name: item.text for name, item in read_stored_outputs(path, OutputColumns(column)).items.items()}


def _is_output(row: RawRow, columns: OutputColumns) -> bool:
    """Return True if a row contains a model output: in the column `columns.text` if that is given, otherwise in one of
    TEXT_COLUMNS or in a known format."""
    if columns.text is not None:
        return look_up(row, columns.text) is not MISSING
    return any(name in row for name in TEXT_COLUMNS) or any(one.fits(row) for one in list_formats())


def _convert_plain_row(row: RawRow, number: int) -> Row:
    text = next((row[name] for name in TEXT_COLUMNS if name in row), None)
    return Row(
        text=text,
        id=find_row_id(row),
        question=get_first_value(row, QUESTION_COLUMNS),
        choices=get_first_value(row, CHOICE_COLUMNS),
        gold=get_first_value(row, REFERENCE_COLUMNS),
        fields={name: value for name, value in row.items() if name not in TEXT_COLUMNS},
    )


def _check_text_column(path: Path, rows: Sequence[RawRow], columns: Sequence[str]) -> None:
    """Raise DataError if no row has one of the columns with the model's text."""
    found = list(dict.fromkeys(str(key) for row in rows for key in row))
    if not found:
        raise DataError(f"{path}: holds no outputs")
    if any(name in row for row in rows for name in columns):
        return
    raise DataError(
        f"{path}: no column {' or '.join(columns)} with the model's text; found "
        f"{format_similar_names(columns[0], found)}; name the right one"
    )


def _convert_row(path: Path, number: int, raw: RawRow, fmt: Format, columns: OutputColumns) -> StoredOutput:
    is_plain = fmt.name == PLAIN
    row = fmt.convert({key: raw[key] for key in raw if key != columns.text} if is_plain else raw, number)
    name = parse_id(look_up(raw, columns.id)) if columns.id is not None else parse_id(row.id)
    if name is None:
        has = ", ".join(map(str, raw)) or "nothing"
        if columns.id is not None:
            raise DataError(f"{path}: item {number + 1} has no {columns.id!r} to be its id; it has {has}")
        others = ", ".join(ID_COLUMNS[2:])
        raise DataError(
            f"{path}: item {number + 1} has neither id nor audio_id (nor {others}); it has {has}; name one with --id"
        )
    where = columns.text or "text"
    if columns.text is not None:
        found = look_up(raw, columns.text)
        row = replace(row, text=None if found is MISSING else found)
    elif is_plain:
        where = next((column for column in TEXT_COLUMNS if column in raw), where)
    try:
        text = parse_model_text(None if row.text is MISSING else row.text)
    except ValueError as error:
        raise DataError(f"{path}: the {where} of {name!r} {error}") from error
    return StoredOutput(name, text, parse_question(row), row.fields, row.groups, row.outcome)


def _index_by_id(path: Path, items: Sequence[StoredOutput], duplicates: Duplicates) -> dict[str, StoredOutput]:
    """Return the outputs by id; `duplicates` decides what happens with repeated ids. Raises DataError."""
    if duplicates == "error":
        _check_no_repeats(path, items)
    if duplicates == "each":
        return _number_repeats(path, items)
    found: dict[str, StoredOutput] = {}
    for item in items:
        if item.id not in found or duplicates == "last":
            found[item.id] = item
    return found


def _check_no_repeats(path: Path, items: Sequence[StoredOutput]) -> None:
    """Raise DataError if an id repeats."""
    counts = Counter(item.id for item in items)
    repeated = sum(count > 1 for count in counts.values())
    seen: set[str] = set()
    for number, item in enumerate(items, start=1):
        if item.id in seen:
            raise DataError(
                f"{path}: item {number} repeats the id {item.id!r} (it occurs {counts[item.id]} times; {repeated} ids "
                "repeat), expected one output an item; choose with --duplicates first|last|each (of a replay: "
                "--model-arg duplicates=...), or name another id with --id (--model-arg id=...)"
            )
        seen.add(item.id)


def _number_repeats(path: Path, items: Sequence[StoredOutput]) -> dict[str, StoredOutput]:
    """Return the outputs by id. The second and later items with the same id get a number: `7`, `7 (2)`. Raises
    DataError if another item already has the numbered id."""
    found: dict[str, StoredOutput] = {}
    seen: Counter[str] = Counter()
    for item in items:
        seen[item.id] += 1
        name = item.id if seen[item.id] == 1 else f"{item.id} ({seen[item.id]})"
        if name in found:
            raise DataError(f"{path}: the id {name!r} is another item's, with --duplicates each: choose first or last")
        found[name] = item if name == item.id else replace(item, id=name, original_id=item.id)
    return found


def read_questions(path: Path) -> dict[str, QuestionInfo]:
    """Read the questions of an annotation file, by item id. Raises DataError."""
    rows = read_rows(path, lambda row: find_row_id(row) is not None)
    found: dict[str, QuestionInfo] = {}
    for number, row in enumerate(rows):
        convert: Any = next((one.convert for one in list_formats() if one.fits(row)), _convert_plain_row)
        plain = convert(row, number)
        if (name := parse_id(plain.id)) is None:
            raise DataError(f"{path}: item {number + 1} has neither id nor audio_id; it has {', '.join(map(str, row))}")
        found[name] = parse_question(plain)
    return found
