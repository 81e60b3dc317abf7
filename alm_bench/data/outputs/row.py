"""One row of a file of outputs: its id, text, question, options and reference."""

import ast
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from string import ascii_uppercase
from typing import Any

from alm_bench.core.foreign import parse_json
from alm_bench.data.inline_options import find_answer_index, fold_option, split_choice, strip_letters

RawRow = Mapping[str, Any]
"""A row as the file has it."""

MISSING: Any = object()
"""Stands for a part that a row does not have; a part that is null there is None."""

TEXT_COLUMNS = (
    *("model_output", "model_prediction", "prediction"),
    *("answer_prediction", "model_response", "generated_text"),
)
"""Names under which files keep the model's text. Names that other files use for the gold (`output`, `answer`,
`response`) are not among them: those are named with `--column`."""

ID_COLUMNS = ("id", "audio_id", "custom_id", "question_id", "sample_id", "index", "idx", "doc_id")
"""Names under which files keep an item's id, best first. Of an `audio_id` the stem is the id."""

LONGEST_LIST = 100_000
"""Characters of a cell that is read as a list."""

QUESTION_COLUMNS = ("question", "instruction")
CHOICE_COLUMNS = ("choices", "options")
GOLD_COLUMNS = ("answer", "reference", "target", "gold", "correct_answer")


@dataclass(frozen=True, slots=True)
class Row:
    """One row in the common form that every format is converted to."""

    text: Any = MISSING
    """Raw model output: a string, a list with one string, null, or MISSING."""

    id: Any = MISSING
    """Raw id."""

    question: Any = MISSING
    """Text of the question."""

    choices: Any = MISSING
    """Raw options."""

    gold: Any = MISSING
    """Raw reference."""

    fields: RawRow = field(default_factory=dict)
    """Other columns, for the breakdowns of a task."""


@dataclass(frozen=True, slots=True)
class Format:
    """File format of another program."""

    name: str
    """Name for messages."""

    fits: Callable[[RawRow], bool]
    """Recognises a row by its keys."""

    read: Callable[[RawRow, int], Row]
    """Converts a row, given its number from 0."""

    view: str | None = None
    """Column that tells several views of one output apart; only rows with the first row's value are used."""


@dataclass(frozen=True, slots=True)
class QuestionInfo:
    """Question of a row, as far as the file gives it."""

    question: str | None
    """Text of the question."""

    choices: tuple[str, ...]
    """Texts of the options."""

    gold: str | None
    """Text of the reference."""

    target: int | None
    """Index of the reference among `choices`, None if it is unknown or none of them."""

    @property
    def complete(self) -> bool:
        """True if the output can be scored against it."""
        return len(self.choices) > 1 and self.gold is not None


def look_up(row: RawRow, path: str) -> Any:
    """The part of a row under a key, or along a dotted path (`response.body.choices.0.message.content`), else
    MISSING."""
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


def first_of(row: RawRow, names: Sequence[str]) -> Any:
    """The first of these parts that the row has and that is not empty, else MISSING."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), MISSING)


def read_text_value(value: Any) -> str | None:
    """A model's text as it stands in a row: a string, a number, a list of one of these, or the text parts of a message.

    Null, a data frame's NaN and an empty list are no text. Raises ValueError, whose message says what was found.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, (int, float)):  # a program that wrote the answer 5 as a number
        return json.dumps(value)
    if isinstance(value, list):
        return _read_list(value)
    raise ValueError(f"is a {type(value).__name__}, expected text")


def _read_list(value: list[Any]) -> str | None:
    if not value:
        return None
    if all(isinstance(part, Mapping) and isinstance(part.get("type"), str) for part in value):
        texts = [part["text"] for part in value if part["type"].endswith("text") and isinstance(part.get("text"), str)]
        return "".join(texts)
    if len(value) == 1:
        return read_text_value(value[0])
    raise ValueError(
        f"is a list of {len(value)}, expected text; name the part that is meant with a dotted path, as x.0"
    )


def message_text(messages: Any) -> Any:
    """The text of the last message of a user, of a conversation or a bare string; else MISSING."""
    if isinstance(messages, str):
        return messages
    if not isinstance(messages, list):
        return MISSING
    users = [m.get("content") for m in messages if isinstance(m, Mapping) and m.get("role") == "user"]
    try:
        text = read_text_value(users[-1]) if users else None
    except ValueError:  # a picture or a clip, without a text
        return MISSING
    return MISSING if text is None else text


def read_id(value: Any, name: str = "id") -> str | None:
    """An id as text, None for an empty one. Spreadsheets write the id 3 as 3.0."""
    if value is MISSING or value is None or value == "" or isinstance(value, (bool, list, dict)):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    return PurePosixPath(str(value)).stem if name == "audio_id" else str(value)


def own_id(row: RawRow) -> str | None:
    """The id of a row by its own columns."""
    found = (read_id(row.get(name), name) for name in ID_COLUMNS)
    return next((name for name in found if name), None)


def describe(row: Row) -> QuestionInfo:
    """The question of a row, its options without letters, and which of them is the gold.

    Options that the row does not list are cut out of its question, where that has a lettered list; a question that
    repeats the row's own options loses that list.
    """
    question = row.question if isinstance(row.question, str) else None
    gold = _read_gold(row.gold)
    choices = _read_choices(row.choices)
    if question is not None:
        cut = split_choice(question, None if choices else gold)
        same = tuple(map(fold_option, cut.choices)) == tuple(map(fold_option, choices))
        if cut.choices and (same or not choices):
            question, choices = cut.question, choices or cut.choices
    target = None if gold is None else _find_gold(gold, choices)
    return QuestionInfo(question, choices, gold if target is None else choices[target], target)


def _find_gold(gold: str, choices: Sequence[str]) -> int | None:
    return choices.index(gold) if gold in choices else find_answer_index(gold, choices)


def _read_gold(value: Any) -> str | None:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is MISSING or value is None or isinstance(value, (list, dict)):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    return str(value)


def _read_choices(value: Any) -> tuple[str, ...]:
    """Read options from a list, a list written as text (JSON or Python), a mapping from letters, or lettered text."""
    if isinstance(value, str):
        listed = read_written_list(value)
        value = listed if isinstance(listed, (list, dict)) else list(split_choice(f"? {value}", None).choices)
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


def read_written_list(text: str) -> Any:
    """A list or a mapping that a cell has as JSON or as Python writes it; else the text itself."""
    if text.lstrip()[:1] in ("[", "{") and len(text) <= LONGEST_LIST:
        for read in (parse_json, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue  # a text that begins with a bracket
    return text
