"""Condition that keeps a third of each clip."""

from typing import ClassVar

from alm_bench.core import Wave
from alm_bench.runner.conditions.base import Change, Condition

THIRDS = ("first", "middle", "last")


class ClipThird(Condition):
    """Keep only the first, middle or last third of each clip, for example `third:first`."""

    kind: ClassVar = "third"
    title: ClassVar = "The first, middle or last third of each clip."
    examples: ClassVar = tuple(f"third:{third}" for third in THIRDS)
    share: ClassVar = 1 / 3

    def problem(self) -> str | None:
        return None if self.parameter in THIRDS else f"takes one of {', '.join(THIRDS)}"

    def change(self, clip: str) -> Change:
        index = THIRDS.index(self.parameter)

        def cut_third(wave: Wave) -> Wave:
            return wave[index * wave.size // 3 : (index + 1) * wave.size // 3].copy()

        return cut_third


CONDITIONS = (ClipThird,)
