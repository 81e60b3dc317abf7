"""Specification of a metric, which is all that a new metric has to define."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from alm_bench.scoring.metrics.sentences import CaptionScore, Sentences

Scale = Literal["percent", "number"]
"""Format of a stored value in print: a fraction times 100, or the number itself."""

Compute = Callable[["Sentences"], "CaptionScore"]
"""Function from candidates and references to the corpus value and one value per item.

It may raise MetricError, whose text is shown.
"""

LAST = 1_000_000
"""Default of `MetricSpec.rank` and `MetricSpec.preference`: after all metrics with a value of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """Specification of one metric of a run, which can be a column of a table and the basis of a ranking."""

    name: str
    """Key in `summary.json` and in `--metrics`: lower-case letters, digits and underscores."""

    title: str
    """Heading of the column in tables."""

    description: str = ""
    """One sentence with the source (paper, equation)."""

    version: str | int | None = None
    """Version of the computation, to be raised with every change of it; values of different versions are not compared.

    Default for metrics of installed packages: a hash of the module that the entry point names.
    """

    scale: Scale = "percent"
    """`percent` if a stored value is a fraction that is printed as a percentage, `number` if it is printed as it is."""

    decimals: int = 1
    """Number of decimals of a printed value."""

    higher_is_better: bool = True
    """False for error rates and distances, for which rankings and margins are reversed."""

    per_item: bool = True
    """True if the corpus value is the mean of item values."""

    is_fraction: bool = True
    """True if an item's value lies in 0..1, so that 0.5 separates right from wrong. False for CIDEr, for example."""

    shows_interval: bool = True
    """True if tables print the 95 % interval beside the value."""

    own_items: bool = False
    """True if the metric is computed over other items than the rest of its table row, so that its `n` is printed."""

    imputes: bool = False
    """True if the metric assigns a value to items without an answer, so that it is redundant if all items have
    answers."""

    in_overview: bool = False
    """True if the overview table at the end of a command, with one row per run, has a column of this metric."""

    compute: Compute | None = None
    """Function that computes the metric from sentences; None for a metric that its task computes.

    `compute_mean_score` builds its result for a mean of item values.
    """

    weights: tuple[str, ...] = ()
    """Names of the weights that the metric computes with (`alm_bench.scoring.weights.SOURCES`).

    `Sentences.find_weights` returns their folders. Users name them as options of the metric (`NAME:weights=FOLDER`).
    """

    require: Callable[[], object] | None = None
    """Function that raises MetricError if something that the metric needs (Java, a model) is not installed.

    It is called before any text is processed.
    """

    by_default: bool = False
    """True if the metric is computed by default; other metrics must be selected by name."""

    preference: int = LAST
    """Order of preference for the comparison of items: of the selected metrics that can be computed, the lowest is
    used."""

    rank: int = LAST
    """Position among the columns of a table, ascending."""

    def convert_to_printed_unit(self, value: float) -> float:
        """Return a stored value in the unit in which it is printed."""
        return 100 * value if self.scale == "percent" else value
