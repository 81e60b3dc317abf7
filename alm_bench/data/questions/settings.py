"""Declarations about a question file: the columns of the roles, and the interpretation of their cells.

They come from the command line (`--map audio=path,question=prompt`) and from the file's sidecar (`birds.toml` beside
`birds.csv`).
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from alm_bench.core import DataError, UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.data.questions.answers import FORMS

ROLES = ("audio", "question", "choices", "answer", "distractors", "id")
"""Roles of columns. Several columns of one role are joined by `+`."""

VALUES = ("answer_is", "separator", "bad_rows")
"""Declarations of `--map` that name no column."""

KINDS = ("choice", "several", "yes_no", "number", "open")
"""Kinds of questions: one right option, several right options, yes or no, a number, a short text."""

CONSTANT = "text:"
"""Prefix of a question that is the same for all rows: `question=text:Which bird is it?`."""

_PAIR = re.compile(r",(?=\s*\w+\s*=)")


@dataclass(frozen=True, slots=True)
class FileSettings:
    """Declarations of the user about a question file. Settings that are None or empty are detected from the file."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns by role (`ROLES`); an empty tuple declares that there is no such column."""

    answer_is: str | None = None
    """Form of the answers: one of `answers.FORMS`."""

    separator: str | None = None
    """Separator of options within one cell."""

    bad_rows: str = "refuse"
    """Treatment of rows that cannot be used: `refuse` the whole file, or ask these rows and `skip` their scoring."""

    kind: str | None = None
    """Kind of all questions: one of `KINDS`."""

    audio_root: Path | None = None
    """Folder that paths of clips refer to; None for the folder of the file."""

    group_by: tuple[str, ...] | None = None
    """Columns by whose values scores are broken down; None for every column that has no role and few different
    values."""

    def to_map_option(self) -> str:
        """Return the declarations as a value of `--map`; "" without any."""
        pairs = [f"{role}={'+'.join(names) or 'none'}" for role, names in self.columns.items()]
        pairs += [f"answer_is={self.answer_is}"] if self.answer_is else []
        pairs += [f"separator={_format_separator(self.separator)}"] if self.separator else []
        pairs += [f"bad_rows={self.bad_rows}"] if self.bad_rows != "refuse" else []
        return ",".join(pairs)

    def to_toml(self) -> str:
        """Return the declarations as the TOML text of a sidecar file (see `find_sidecar`)."""
        lines = ["[columns]"]
        for role, names in self.columns.items():
            value = json.dumps(names[0] if len(names) == 1 else list(names), ensure_ascii=False)
            lines.append(f"{role} = {value}")
        lines += ["", "[settings]"]
        values: dict[str, Any] = {name: getattr(self, name) for name in ("kind", *VALUES)}
        values["audio_root"] = None if self.audio_root is None else str(self.audio_root)
        values["group_by"] = None if self.group_by is None else list(self.group_by)
        lines += [
            f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items() if value is not None
        ]
        return "\n".join(lines) + "\n"


def _format_separator(separator: str) -> str:
    """Return a separator as it is written in `--map`: words for newline, tab and comma."""
    return {"\n": "newline", "\t": "tab", ",": "comma"}.get(separator, separator)


def _parse_separator(text: str) -> str:
    """Return the separator that a value of `--map` means: a name such as `tab`, or the separator itself."""
    return {"newline": "\n", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}.get(text, text)


def parse_map(text: str, where: str = "--map") -> FileSettings:
    """Parse a value of `--map`: pairs `role=column`, separated by commas. Raises UsageError."""
    pairs: dict[str, str] = {}
    for pair in _PAIR.split(text):
        key, equals, value = pair.partition("=")
        if not equals or not value.strip():
            raise UsageError(f"{where} takes role=column (audio=path,question=prompt), found {pair!r}")
        if key.strip() in pairs:
            raise UsageError(f"{where} names {key.strip()} twice")
        pairs[key.strip()] = value if key.strip() == "separator" else value.strip()
    return _make_settings(pairs, where)


def _make_settings(pairs: Mapping[str, Any], where: str) -> FileSettings:
    """Build settings from a mapping that holds the columns of roles and the values of other settings.

    Columns are `none`, one name, names joined by `+`, or a list of names. `where` begins the messages. Raises
    UsageError for unknown keys and values.
    """
    columns: dict[str, tuple[str, ...]] = {}
    values: dict[str, Any] = {}
    for key, value in pairs.items():
        if key in ROLES:
            columns[key] = _parse_columns(value, f"{where}: {key}")
        elif key in VALUES:
            values[key] = _parse_separator(value) if key == "separator" else value
        else:
            raise UsageError(f"{where} has no {key!r}; known: {format_similar_names(key, (*ROLES, *VALUES))}")
    settings = FileSettings(columns=columns, **values)
    _check_settings(settings, where)
    return settings


def _parse_columns(value: Any, where: str) -> tuple[str, ...]:
    """Parse the columns of a role from a text (joined by `+`) or a list; empty for `none`. Raises UsageError."""
    if isinstance(value, str):
        if value.strip() == "none":
            return ()
        return (value,) if value.startswith(CONSTANT) else tuple(part.strip() for part in value.split("+"))
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise UsageError(f"{where} takes the name of a column or a list of names, found {value!r:.60}")


def _check_settings(settings: FileSettings, where: str) -> None:
    """Raise UsageError for unknown values."""
    for name, value, known in (
        ("answer_is", settings.answer_is, FORMS),
        ("bad_rows", settings.bad_rows, ("refuse", "skip")),
        ("kind", settings.kind, KINDS),
    ):
        if value is not None and value not in known:
            raise UsageError(f"{where}: {name} takes {', '.join(known)}, found {value!r}")
    if settings.separator is not None and not (isinstance(settings.separator, str) and settings.separator):
        raise UsageError(f"{where}: separator takes a text, found {settings.separator!r}")


def parse_group_by(text: str) -> tuple[str, ...]:
    """Parse a value of `--group-by`: columns separated by commas, or a JSON list; `none` for no groups."""
    if text.strip() == "none":
        return ()
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except ValueError as error:
            raise UsageError(f"--group-by takes columns separated by commas, found {text!r}") from error
        return tuple(str(one) for one in listed)
    return tuple(name.strip() for name in text.split(",") if name.strip())


def find_sidecar(path: Path) -> Path:
    """Return the path of the file of declarations (sidecar) about the question file or folder `path`: `birds.toml`
    beside `birds.csv`, or `birds/birds.toml` for the folder `birds`."""
    return path / f"{path.resolve().name}.toml" if path.is_dir() else path.with_suffix(".toml")


def read_sidecar(path: Path) -> FileSettings:
    """Read the declarations in a sidecar file (see `find_sidecar`). Raises DataError if it cannot be read, UsageError
    for unknown keys and values."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: not a sidecar that can be read: {error}") from error
    for key, value in document.items():
        if key not in ("columns", "settings") or not isinstance(value, dict):
            raise UsageError(f"{path}: a sidecar has the tables [columns] and [settings], found {key!r}")
    own = dict(document.get("settings", {}))
    extra = {name: own.pop(name, None) for name in ("kind", "audio_root", "group_by")}
    settings = _make_settings({**document.get("columns", {}), **own}, str(path))
    groups = extra["group_by"]
    if groups is not None and not (isinstance(groups, list) and all(isinstance(one, str) for one in groups)):
        raise UsageError(f"{path}: group_by takes a list of columns, found {groups!r:.60}")
    root = extra["audio_root"]
    if root is not None and not isinstance(root, str):
        raise UsageError(f"{path}: audio_root takes the path of a folder, found {root!r:.60}")
    settings = replace(
        settings,
        kind=extra["kind"],
        audio_root=None if root is None else path.parent / Path(root).expanduser(),
        group_by=None if groups is None else tuple(groups),
    )
    _check_settings(settings, str(path))
    return settings


def merge_settings(command_line: FileSettings, sidecar: FileSettings) -> FileSettings:
    """Return the settings of both sources together. Those of the command line replace those of the sidecar."""
    default = FileSettings()
    own = {
        f.name: getattr(command_line, f.name)
        for f in fields(command_line)
        if getattr(command_line, f.name) != getattr(default, f.name)
    }
    return replace(sidecar, **{**own, "columns": {**sidecar.columns, **command_line.columns}})
