"""Condition of ordinary runs, which changes nothing."""

from typing import ClassVar

from alm_bench.runner.conditions.base import Condition


class Clean(Condition):
    """Leave the items unchanged."""

    kind: ClassVar = "clean"
    title: ClassVar = "The items as they are."

    @property
    def level(self) -> float:
        return float("inf")


CONDITIONS = (Clean,)
