"""JSON files of a run folder: read, checked against their types, and brought to today's schema."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from alm_bench.core import StoreError
from alm_bench.core.foreign import parse_json
from alm_bench.records import version_1
from alm_bench.records.models import SCHEMA_VERSION, Model, RunHeader, SummaryFile, from_json

ADVICE = "restore it, score the run again, or run with --fresh"

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the content of a file of version 1 into that of today's version."""


class _Version(msgspec.Struct):
    schema_version: Any = None


def read_bytes(path: Path) -> bytes:
    """Read a file. Raises StoreError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def read_run_file(path: Path) -> RunHeader:
    """Read a `run.json`. Raises StoreError."""
    return decode_file(read_bytes(path), path, RunHeader, version_1.upgrade_header)


def read_summary_file(path: Path) -> tuple[SummaryFile, bytes]:
    """Read a `summary.json`, which holds at least one run; return its bytes too. Raises StoreError."""
    data = read_bytes(path)
    found = decode_file(data, path, SummaryFile, version_1.upgrade_summary)
    if not found.runs:
        raise StoreError(f"{path}: holds no run; score it again")
    return found, data


def decode_file(data: bytes, path: Path, kind: type[Model], upgrade: Upgrade) -> Model:
    """Decode the content of `path`, of this schema version or of version 1. Raises StoreError."""
    try:
        if find_version(data) == SCHEMA_VERSION:
            return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _misfit(path, error) from error
    except (msgspec.DecodeError, RecursionError):
        pass  # halves of surrogate pairs, which msgspec does not read; or malformed: the slow reader says where
    try:
        return from_json(read_object(data, path, upgrade), kind)
    except msgspec.ValidationError as error:
        raise _misfit(path, error) from error


def read_object(data: bytes, path: Path, upgrade: Upgrade) -> dict[str, Any]:
    """Read the content of `path` as a JSON object of today's schema, with the keys that its type does not have. Raises
    StoreError."""
    try:
        value = parse_json(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: not UTF-8 text (byte {error.start}: {error.reason})") from error
    except json.JSONDecodeError as error:
        raise StoreError(f"{path}: malformed JSON, line {error.lineno} column {error.colno}: {error.msg}") from error
    except ValueError as error:  # a number of thousands of digits, brackets within brackets
        raise StoreError(f"{path}: malformed JSON: {error}") from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version == SCHEMA_VERSION:
        return dict(value)
    if version != version_1.VERSION:
        raise StoreError(f"{path}: schema version {version!r}, this alm-bench reads 1 to {SCHEMA_VERSION}")
    return {**upgrade(value), "schema_version": SCHEMA_VERSION}


def find_version(data: bytes) -> Any:
    """Return the schema version that a file's content names; None without one, and for malformed JSON."""
    try:
        return msgspec.json.decode(data, type=_Version).schema_version
    except (msgspec.DecodeError, RecursionError):
        return None


def _misfit(path: Path, error: msgspec.ValidationError) -> StoreError:
    """Return the error for JSON that is not what this program writes; msgspec says what it expected and found."""
    return StoreError(f"{path}: not a whole file of this program: {error}; {ADVICE}")
