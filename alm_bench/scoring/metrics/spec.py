"""What a metric is: the one thing that a new metric has to say of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from alm_bench.scoring.metrics.sentences import CaptionScore, Sentences

Scale = Literal["percent", "number"]
"""How a stored value is printed: a fraction times 100, or the number itself."""

Compute = Callable[["Sentences"], "CaptionScore"]
"""From candidates and references to the corpus value and one value an item. Raises MetricError, whose text is shown."""

LAST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec:
    """One metric of a run, a table column and a candidate for ranking."""

    name: str
    """Key in `summary.json` and in `--metrics`: lower case, digits and underscores."""

    title: str
    """Column heading."""

    description: str = ""
    """One sentence, with the source (paper, equation)."""

    version: str | int | None = None
    """Raised with every change of what the metric computes: values of different versions are not compared. Default,
    for metrics of installed packages: a hash of the module that the entry point names."""

    scale: Scale = "percent"
    """Whether a stored value is a fraction that is printed as a percentage, or a number printed as it is."""

    decimals: int = 1
    """Decimals of a printed value."""

    higher_is_better: bool = True
    """False for error rates and distances: rankings and margins turn round."""

    per_item: bool = True
    """Whether the corpus value is the mean of item values."""

    shows_interval: bool = True
    """Whether tables print the 95 % interval beside the value."""

    own_items: bool = False
    """Whether the metric covers other items than its row, so that its number of items is printed with it."""

    imputes: bool = False
    """Whether the metric gives items without an answer a value, so that it tells nothing once all are answered."""

    in_overview: bool = False
    """Whether the table of one row a run, in which a command ends, has a column of the metric beside the main one."""

    compute: Compute | None = None
    """Computes the metric from sentences (`mean_score` is for means of items); None for metrics that a task computes
    itself."""

    require: Callable[[], object] | None = None
    """Raises MetricError if what the metric needs (Java, a model) is not installed, before any text is looked at."""

    by_default: bool = False
    """Whether the metric is computed if none are chosen; others are chosen by name."""

    preference: int = LAST
    """Of the chosen metrics that can be computed, items are compared by the one of lowest preference."""

    rank: int = LAST
    """Position among the columns of a table, ascending."""

    def printed(self, value: float) -> float:
        """Return a stored value in the unit in which it is printed."""
        return 100 * value if self.scale == "percent" else value
