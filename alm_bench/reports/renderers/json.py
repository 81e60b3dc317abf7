"""JSON format of the documents that commands print with `--json`."""

from collections.abc import Mapping
from typing import Any

from alm_bench.core.foreign import dump_json


def render_json(document: Mapping[str, Any]) -> str:
    """Return a document as one indented JSON object, without a trailing newline."""
    return dump_json(document, indent=1)
