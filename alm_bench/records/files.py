"""Reading of the JSON files of a run folder: validation by type, and conversion to the current schema version."""

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
"""Converts the JSON object of a file from schema version 1 to the current version."""


class _Version(msgspec.Struct):
    schema_version: Any = None


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises StoreError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def read_run_file(path: Path) -> RunHeader:
    """Read and validate a `run.json`. Raises StoreError."""
    return decode_file(read_bytes(path), path, RunHeader, version_1.upgrade_header)


def read_summary_file(path: Path) -> tuple[SummaryFile, bytes]:
    """Read and validate a `summary.json`; return its content and its bytes. Raises StoreError, also for a file without
    runs.
    """
    data = read_bytes(path)
    found = decode_file(data, path, SummaryFile, version_1.upgrade_summary)
    if not found.runs:
        raise StoreError(f"{path}: holds no run; score it again")
    return found, data


def decode_file(data: bytes, path: Path, kind: type[Model], upgrade: Upgrade) -> Model:
    """Decode `data`, the content of the file `path`, as the type `kind`.

    `upgrade` converts files of schema version 1. Raises StoreError.
    """
    try:
        if find_version(data) == SCHEMA_VERSION:
            return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _build_store_error(path, error) from error
    except (msgspec.DecodeError, RecursionError):
        pass  # half a surrogate pair, which msgspec rejects, or malformed: parse_json reports the position
    try:
        return from_json(read_object(data, path, upgrade), kind)
    except msgspec.ValidationError as error:
        raise _build_store_error(path, error) from error


def read_object(data: bytes, path: Path, upgrade: Upgrade) -> dict[str, Any]:
    """Decode `data`, the content of the file `path`, as a JSON object of the current schema version.

    Keys that the file's type does not define are kept. Raises StoreError.
    """
    try:
        value = parse_json(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: not UTF-8 text (byte {error.start}: {error.reason})") from error
    except json.JSONDecodeError as error:
        raise StoreError(f"{path}: malformed JSON, line {error.lineno} column {error.colno}: {error.msg}") from error
    except ValueError as error:  # a number with thousands of digits, or deeply nested brackets
        raise StoreError(f"{path}: malformed JSON: {error}") from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version == SCHEMA_VERSION:
        return dict(value)
    if version != version_1.VERSION:
        raise StoreError(f"{path}: schema version {version!r}, this alm-bench reads 1 to {SCHEMA_VERSION}")
    return {**upgrade(value), "schema_version": SCHEMA_VERSION}


def find_version(data: bytes) -> Any:
    """Return the schema version that the content of a file names; None if it names none or is not valid JSON."""
    try:
        return msgspec.json.decode(data, type=_Version).schema_version
    except (msgspec.DecodeError, RecursionError):
        return None


def _build_store_error(path: Path, error: msgspec.ValidationError) -> StoreError:
    """Build the error for a file whose JSON does not have the expected type; msgspec's message names expected and found
    types.
    """
    return StoreError(f"{path}: not a whole file of this program: {error}; {ADVICE}")
