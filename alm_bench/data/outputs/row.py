"""Parser of one row of a file of model outputs: its id, text, question, options and reference."""

import ast
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from string import ascii_uppercase
from typing import Any

from alm_bench.core.foreign import parse_json
from alm_bench.data.inline_options import find_answer_index, normalise_option, split_options, strip_letters

RawRow = Mapping[str, Any]
"""Row of a file before any conversion: values by column."""

MISSING: Any = object()
"""Marker of a value that a row does not have. A null value in a file is None instead."""

TEXT_COLUMNS = (
    *("model_output", "model_prediction", "prediction"),
    *("answer_prediction", "model_response", "generated_text"),
)
"""Column names of the model's text. Names that some files use for the reference (`output`, `answer`, `response`) are
not included; the option `--column` selects them."""

ID_COLUMNS = ("id", "audio_id", "custom_id", "question_id", "sample_id", "index", "idx", "doc_id")
"""Column names of an item's id, in order of preference. For `audio_id`, the file name without suffix is the id."""

MAX_LIST_CHARACTERS = 100_000
"""Maximum number of characters of a cell that is parsed as a list."""

QUESTION_COLUMNS = ("question", "instruction")
CHOICE_COLUMNS = ("choices", "options")
REFERENCE_COLUMNS = ("answer", "reference", "target", "gold", "correct_answer")


@dataclass(frozen=True, slots=True)
class Row:
    """Row in the common form that the rows of all formats are converted to."""

    text: Any = MISSING
    """Raw model output: text, number, list or null as in the file, or MISSING."""

    id: Any = MISSING
    """Raw id."""

    question: Any = MISSING
    """Text of the question."""

    choices: Any = MISSING
    """Raw options."""

    gold: Any = MISSING
    """Raw reference."""

    fields: RawRow = field(default_factory=dict)
    """Other columns, from which a task takes the groups of its score breakdowns."""

    groups: Mapping[str, str] | None = None
    """Keys of the item in the groupings of its task, if the file has them; None: the task derives them from
    `fields`."""

    outcome: "StoredOutcome | None" = None
    """Outcome of the call, if the file has it; None if it has the text alone."""


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """Outcome of a model's call, as a file of outputs states it: all but the text."""

    truncated: bool = False
    """True if the token limit ended the text."""

    refusal: str | None = None
    """Reason why the model's provider did not let it answer; None if it did."""

    skip: str | None = None
    """Reason why the item is not scored; None if it is scored."""

    error: str | None = None
    """Reason why the call failed; None if it succeeded."""


@dataclass(frozen=True, slots=True)
class Format:
    """File format of another evaluation program."""

    name: str
    """Name in messages."""

    fits: Callable[[RawRow], bool]
    """Function that returns True if a row of a file has this format."""

    convert: Callable[[RawRow, int], Row]
    """Function that converts a row, given its number from 0, to the common form."""

    view: str | None = None
    """Column that distinguishes several versions of one output. Only rows with the value of the first row are used.
    None if the format has no such column."""


@dataclass(frozen=True, slots=True)
class QuestionInfo:
    """Question of a row. Values that the file does not give are None or empty."""

    question: str | None
    """Text of the question."""

    choices: tuple[str, ...]
    """Texts of the options; empty if the file gives none."""

    gold: str | None
    """Text of the reference answer."""

    target: int | None
    """Index of the reference in `choices`; None if it is unknown or not an option."""

    @property
    def complete(self) -> bool:
        """True if an output can be scored against the question: it has two or more options and a reference."""
        return len(self.choices) > 1 and self.gold is not None


def look_up(row: RawRow, path: str) -> Any:
    """Return the value under a key of a row, or along a dotted path (`response.body.choices.0.message.content`).
    Returns MISSING if there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def get_first_value(row: RawRow, names: Sequence[str]) -> Any:
    """Return the value of the first of the columns `names` that the row has and that is not empty, else MISSING."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), MISSING)


def parse_model_text(value: Any) -> str | None:
    """Convert a cell to the model's text. The cell is a string, a number, a list with one of these, or a list of the
    parts of a message, whose text parts are joined.

    Returns None for null, NaN (as data frames write it) and an empty list. Raises ValueError for other values, with a
    message that describes the value.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, (int, float)):  # some programs write the answer 5 as a number
        return json.dumps(value)
    if isinstance(value, list):
        return _parse_message_parts(value)
    raise ValueError(f"is a {type(value).__name__}, expected text")


def _parse_message_parts(value: list[Any]) -> str | None:
    if not value:
        return None
    if all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in value):
        texts = [part["text"] for part in value if part["type"].endswith("text") and isinstance(part.get("text"), str)]
        return "".join(texts)
    if len(value) == 1:
        return parse_model_text(value[0])
    raise ValueError(
        f"is a list of {len(value)}, expected text; name the part that is meant with a dotted path, as x.0"
    )


def extract_user_text(messages: Any) -> Any:
    """Return the text of the last user message of a conversation. A bare string is returned as it is. Returns MISSING
    if there is no text."""
    if isinstance(messages, str):
        return messages
    if not isinstance(messages, list):
        return MISSING
    users = [m.get("content") for m in messages if isinstance(m, Mapping) and m.get("role") == "user"]
    try:
        text = parse_model_text(users[-1]) if users else None
    except ValueError:  # a message with an image or a clip and no text
        return MISSING
    return MISSING if text is None else text


def parse_id(value: Any, name: str = "id") -> str | None:
    """Convert an id to text; None if it is empty. A number such as 3.0, which spreadsheets write for 3, becomes `3`.
    `name` is the column's name; for `audio_id`, the suffix and the folders of the file name are removed."""
    if value is MISSING or value is None or value == "" or isinstance(value, (bool, list, dict)):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    return PurePosixPath(str(value)).stem if name == "audio_id" else str(value)


def find_row_id(row: RawRow) -> str | None:
    """Return the id of a row from the first of ID_COLUMNS that has one, else None."""
    found = (parse_id(row.get(name), name) for name in ID_COLUMNS)
    return next((name for name in found if name), None)


def parse_question(row: Row) -> QuestionInfo:
    """Parse the question of a row, its options without letters, and the index of the reference.

    If the row has no column of options, they are taken from a lettered list in the question's text. If the text repeats
    the options of the column, the list is removed from it.
    """
    question = row.question if isinstance(row.question, str) else None
    gold = _parse_reference(row.gold)
    choices = _parse_choices(row.choices)
    if question is not None:
        cut = split_options(question, None if choices else gold)
        same = tuple(map(normalise_option, cut.choices)) == tuple(map(normalise_option, choices))
        if cut.choices and (same or not choices):
            question, choices = cut.question, choices or cut.choices
    target = None if gold is None else _find_reference_index(gold, choices)
    return QuestionInfo(question, choices, gold if target is None else choices[target], target)


def _find_reference_index(gold: str, choices: Sequence[str]) -> int | None:
    return choices.index(gold) if gold in choices else find_answer_index(gold, choices)


def _parse_reference(value: Any) -> str | None:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is MISSING or value is None or isinstance(value, (list, dict)):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return str(value)


def _parse_choices(value: Any) -> tuple[str, ...]:
    """Parse options from a list, from a list written as text (JSON or Python), from a mapping from letters to texts, or
    from lettered text. Returns an empty tuple for other values."""
    if isinstance(value, str):
        listed = parse_list_text(value)
        value = listed if isinstance(listed, (list, dict)) else list(split_options(f"? {value}", None).choices)
    if isinstance(value, Mapping):
        letters = sorted(str(key) for key in value)
        if letters != list(ascii_uppercase[: len(letters)]) and letters != list(
            ascii_uppercase.lower()[: len(letters)]
        ):
            return ()
        value = [value[letter] for letter in letters]
    if not isinstance(value, list) or any(isinstance(choice, (list, dict)) or choice is None for choice in value):
        return ()
    return strip_letters([str(choice) for choice in value])


def parse_list_text(text: str) -> Any:
    """Parse a cell with a list or a mapping written as JSON or as a Python literal. Other text is returned
    unchanged."""
    if text.lstrip()[:1] in ("[", "{") and len(text) <= MAX_LIST_CHARACTERS:
        for read in (parse_json, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue  # the text begins with a bracket but is no list
    return text
