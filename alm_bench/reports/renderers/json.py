"""Documents as JSON, as every `--json` prints them."""

from collections.abc import Mapping
from typing import Any

from alm_bench.core.foreign import dump_json


def render_json(document: Mapping[str, Any]) -> str:
    """Return one JSON object, indented, without a newline at its end."""
    return dump_json(document, indent=1)
