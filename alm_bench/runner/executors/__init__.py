"""Who answers the items of a run: this process, or workers that hold the model each. Records are written by neither."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from alm_bench.records.schema import Record
from alm_bench.runner.batch_size import BatchSizer
from alm_bench.runner.budget import Budget
from alm_bench.runner.plan import Plan


class Executor(Protocol):
    def answered(self, plan: Plan, todo: Sequence[int], budget: Budget, sizer: BatchSizer) -> Iterator[list[Record]]:
        """The finished records of the items `todo`, in any order, as they come; each once. `sizer` says how many are
        asked at once, and is told how that went.

        Nothing more is asked once the budget is reached, which the caller keeps up to date with what it is given.
        Raises AdapterError where the run cannot go on.
        """
