"""The page itself: template, style and scripts in one HTML file that needs no network."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from alm_bench.core.escape import escape_terminal
from alm_bench.core.foreign import dump_json, replace_surrogates

ASSETS = Path(__file__).parent / "assets"

SCRIPTS = (
    "dom.js",
    "data.js",
    "filters.js",
    "list.js",
    "player.js",
    "events.js",
    "marks.js",
    "item.js",
    "conditions.js",
    "main.js",
)
"""Scripts of the page, in the order in which they run."""

_IN_SCRIPT = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})
"""Signs that could end or begin an element, or a line of a script, as escape sequences of JSON."""


def embed_json(value: Any) -> Markup:
    """Return a value as JSON for a `<script>` element, in which characters of markup are escaped."""
    return Markup(dump_json(value).translate(_IN_SCRIPT))


def hash_source(text: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _show_control_characters(value: Any) -> Any:
    """Return a value of the template in which control characters are replaced by visible ones.

    jinja escapes markup after this step.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return replace_surrogates(escape_terminal(value, kept_characters="\n\t"))
    return value


@cache
def _create_environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_show_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(data: Mapping[str, Any], view: Mapping[str, Any], media: Mapping[str, str], folder: str | None) -> str:
    """Return the HTML of a report.

    `data` is the JSON that the scripts read, `view` are the variables of the template, `media` holds base64 texts by
    element id. `folder` is the name of the folder with further clips beside the file; None without one.
    """
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    beside = "" if folder is None else " 'self' file:"
    policy = (
        f"default-src 'none'; script-src {hash_source(script)}; style-src {hash_source(style)}; "
        f"media-src data: blob:{beside}; img-src data:{beside}; base-uri 'none'; form-action 'none'"
    )
    return (
        _create_environment()
        .get_template("page.html.j2")
        .render(
            policy=Markup(policy),
            style=Markup(style),
            script=Markup(script),
            data=embed_json(data),
            media=media,
            **view,
        )
    )
