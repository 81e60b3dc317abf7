"""Conversion of rows with conversations (`conversations`, `messages`) to rows with a question and an answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alm_bench.core import DataError
from alm_bench.data.questions.cells import remove_placeholders

_USER, _MODEL = ("user", "human"), ("assistant", "gpt", "model")
_CLIP_KEYS = ("audio", "audio_url", "path", "file", "url", "audio_path")


def expand_conversations(rows: Sequence[Mapping[str, Any]], path: Path) -> list[Mapping[str, Any]]:
    """Return rows with `question` and `answer` in place of a conversation of one question and one answer.

    Clips among the parts of the question become `audio`; placeholders of clips (`<audio>`) are removed. Rows without a
    conversation are returned unchanged. Raises DataError for a conversation of several questions.
    """
    names = [name for name in (rows[0] if rows else ()) if is_conversation(rows[0][name])]
    if len(names) != 1 or any("question" in row or "answer" in row for row in rows):
        return list(rows)
    (name,) = names
    found: list[Mapping[str, Any]] = []
    for number, row in enumerate(rows, 1):
        turns = [(_read_role(turn), turn) for turn in row.get(name) or () if isinstance(turn, Mapping)]
        asked = [turn for role, turn in turns if role in _USER]
        said = [turn for role, turn in turns if role in _MODEL]
        if len(asked) != 1 or len(said) != 1:
            raise DataError(
                f"{path}: row {number}, column {name}: has {len(asked)} questions and {len(said)} answers, expected "
                "one of each"
            )
        question, clips = _read_turn(asked[0])
        others = {key: value for key, value in row.items() if key != name}
        own = {"question": question, "answer": _read_turn(said[0])[0]}
        found.append({**others, **({"audio": clips} if clips and "audio" not in others else {}), **own})
    return found


def is_conversation(value: Any) -> bool:
    """Return True for a list of turns that all have a role and a text."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, Mapping) and _read_role(turn) for turn in value)
    )


def _read_role(turn: Mapping[str, Any]) -> str:
    """Return the role of a turn in lower case; "" if it has no role or no text."""
    role = turn.get("from", turn.get("role"))
    return role.lower() if isinstance(role, str) and ("value" in turn or "content" in turn) else ""


def _read_turn(turn: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the text of a turn without placeholders, and its clips."""
    content = turn.get("value", turn.get("content"))
    if isinstance(content, str):
        return remove_placeholders(content), []
    texts, clips = [], []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            texts.append(remove_placeholders(part["text"]))
        elif isinstance(part, Mapping):
            clips += [part[key] for key in _CLIP_KEYS if key in part][:1]
    return "\n".join(filter(None, texts)), clips
