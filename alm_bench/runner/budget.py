"""How much money the runs of a command may cost."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from alm_bench.core import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.records.schema import Record
from alm_bench.records.usage import estimated_calls, record_cost
from alm_bench.runner.plan import Plan

Asked = TypeVar("Asked")


@dataclass(slots=True)
class Budget:
    """`limit` and `spent` in US dollars; what stored answers cost is spent. Shared by all runs of a command."""

    limit: float = math.inf
    spent: float = 0.0
    estimated: float = 0.0
    """The part of `spent` that is an estimate, since a server did not tell how many tokens it counted."""

    def add(self, records: Sequence[Record]) -> None:
        """Count what answers cost. Says once, on standard error, that costs are estimates."""
        costs = [(record_cost(record) or 0.0, estimated_calls(record) > 0) for record in records]
        self.spent += sum(amount for amount, _ in costs)
        if not self.estimated and any(guess for _, guess in costs):
            print_notice(
                "the server does not report the tokens of its answers (usage): their cost is estimated, as by --dry-run"
            )
        self.estimated += sum(amount for amount, guess in costs if guess)

    @property
    def reached(self) -> bool:
        return self.spent >= self.limit

    def check(self, plans: Sequence[Plan]) -> None:
        """Raises UsageError where a limit is set and the model does not tell what its calls cost."""
        if math.isinf(self.limit):
            return
        for plan in plans:
            adapter, first = plan.adapter, plan.requests[0]
            if adapter.estimate(first, 0.0, plan.spec.decoding).cost is None:
                raise UsageError(
                    f"--max-cost: what a call of {adapter.identity.label} costs is not known; expected a model with "
                    "prices (--model openai takes --model-arg price_in=USD and price_out=USD, per million tokens)"
                )

    def told(self, plan: Plan, answered: int) -> str:
        """One line on a run that it ended."""
        guess = f" ({self.estimated:.4f} of it estimated)" if self.estimated else ""
        return (
            f"{plan.spec.task}: --max-cost {self.limit:g} is reached with {self.spent:.4f} USD spent{guess}, "
            f"{len(plan.items) - answered} of {len(plan.items)} items are not answered; all answers are kept, and "
            "the same command with a higher --max-cost resumes the run"
        )


def within(budget: Budget, things: Iterable[Asked]) -> Iterator[Asked]:
    """`things` until the budget is reached; looked at again before each."""
    return itertools.takewhile(lambda _: not budget.reached, things)
