"""Limit on the cost of all runs of a command."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.records.schema import Record
from alm_bench.records.usage import count_estimated_calls, get_cost
from alm_bench.runner.plan import Plan

Element = TypeVar("Element")


@dataclass(slots=True)
class Budget:
    """Cost limit and costs, shared by all runs of a command."""

    limit: float = math.inf
    """Limit in US dollars."""

    spent: float = 0.0
    """Cost so far in US dollars, including the cost of stored answers."""

    estimated: float = 0.0
    """Part of `spent` that is an estimate, because a server did not report token counts."""

    def add(self, records: Sequence[Record]) -> None:
        """Add the costs of the answers in `records`. At the first estimated cost, print a notice to standard error."""
        for record in records:
            self.add_cost(get_cost(record), count_estimated_calls(record) > 0)

    def add_cost(self, amount: float | None, is_estimate: bool) -> None:
        """Add the cost of one item in US dollars; None if it is not known. `is_estimate` is True if the cost is an
        estimate; the first such cost is reported to the user."""
        self.spent += amount or 0.0
        if not is_estimate:
            return
        if not self.estimated:
            print_notice(
                "the server does not report the tokens of its answers (usage): their cost is estimated, as by --dry-run"
            )
        self.estimated += amount or 0.0

    @property
    def is_exhausted(self) -> bool:
        """True if the cost limit is reached, so that no further call is made."""
        return self.spent >= self.limit

    def check_prices(self, plans: Sequence[Plan]) -> None:
        """Raise UsageError if a limit is set and the cost of the model's calls is not known."""
        if math.isinf(self.limit):
            return
        for plan in plans:
            adapter, first = plan.adapter, plan.requests[0]
            if adapter.estimate(first, 0.0, plan.spec.decoding).cost is None:
                raise UsageError(
                    f"--max-cost: what a call of {adapter.identity.label} costs is not known; expected a model with "
                    "prices (--model openai takes --model-arg price_in=USD and price_out=USD, per million tokens)"
                )

    def describe_exhaustion(self, plan: Plan, answered: int) -> str:
        """Return a message for the user, in one line: the run of `plan` was ended by the cost limit, with `answered` of
        its items answered."""
        guess = f" ({self.estimated:.4f} of it estimated)" if self.estimated else ""
        return (
            f"{plan.spec.task}: --max-cost {self.limit:g} is reached with {self.spent:.4f} USD spent{guess}, "
            f"{len(plan.items) - answered} of {len(plan.items)} items are not answered; all answers are kept, and "
            "the same command with a higher --max-cost resumes the run"
        )


def iterate_within_budget(budget: Budget, elements: Iterable[Element]) -> Iterator[Element]:
    """Yield `elements` until the cost limit is reached. The limit is checked before each element."""
    return itertools.takewhile(lambda _: not budget.is_exhausted, elements)
