"""Measured agreement of metrics with people, which tables print beside the metrics (docs/open_answers.md).

The values in known_agreement.toml are the output of `alm-bench metric-check`.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from alm_bench.scoring.short_answers import RULE

OPEN = "open_"
"""Prefix of a metric that is computed over the open questions of a task only."""

HEADLINE = "contained"
"""Metric that decides if a short answer is right. Of the metrics that need no judge, it agrees best with people."""


@cache
def _load_table() -> dict[str, Any]:
    """Return the content of known_agreement.toml: the names of the labelled data sets in `sources`, and the measured
    values by metric in `metrics`."""
    return tomllib.loads(files(__package__).joinpath("known_agreement.toml").read_text(encoding="utf-8"))


def describe_agreement(metric: str, parser: str = "") -> str | None:
    """Return the measured agreement of a metric with people, such as `63 % of Clotho-Eval's pairs`.

    `parser` names the run's parser. It matters for `accuracy` alone, whose agreement is known only if the parser grades
    by the rule of short answers (`RULE`). Returns None for metrics that were not measured.
    """
    name = metric.removeprefix(OPEN)
    if name == "accuracy":
        name = HEADLINE if RULE in parser else name
    table = _load_table()
    known = table["metrics"].get("exact" if metric == "open_accuracy" else name)
    if known is None:
        return None
    if "balanced_accuracy" in known:
        value = f"balanced accuracy {100 * known['balanced_accuracy']:.0f} % on one-word answers"
        return f"{value} of {table['sources']['answers']}"
    return (
        f"prefers people's choice in {100 * known['pairs']:.0f} % of the caption pairs of {table['sources']['pairs']}"
    )
