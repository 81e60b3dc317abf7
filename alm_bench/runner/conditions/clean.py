"""Items as they are."""

from typing import ClassVar

from alm_bench.runner.conditions.base import Condition


class Clean(Condition):
    """Change nothing."""

    kind: ClassVar = "clean"
    title: ClassVar = "The items as they are."

    @property
    def level(self) -> float:
        return float("inf")


CONDITIONS = (Clean,)
