"""Executors, which answer the items of a run: in this process, or in workers that each hold the model.

Executors do not write records to disk; their caller does.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from alm_bench.records.schema import Record
from alm_bench.runner.batch_size import BatchSizer
from alm_bench.runner.budget import Budget
from alm_bench.runner.plan import Plan


class Executor(Protocol):
    """Interface of the objects that answer the items of runs: they send requests to the model, in this process or on
    other machines, and yield the records."""

    def answer_items(
        self, plan: Plan, todo: Sequence[int], budget: Budget, sizer: BatchSizer
    ) -> Iterator[list[Record]]:
        """Answer the items with the indices `todo`, and yield batches of finished records in any order, each record
        once.

        `sizer` determines the batch size and is informed of the outcome of each batch. No further request is made once
        the budget is reached; the caller adds the cost of the yielded records to the budget. Raises AdapterError if the
        run cannot continue.
        """
