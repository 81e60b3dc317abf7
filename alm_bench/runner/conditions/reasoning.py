"""Conditions that change the model's own chain of thought, to test if its answer depends on it (arXiv 2509.22363)."""

from collections.abc import Mapping
from typing import ClassVar

from alm_bench.core import UsageError
from alm_bench.runner.conditions.base import Condition
from alm_bench.scoring.chains import Beginning, Chain, build_filler

CHANGES = ("none", "swap", "truncate", "filler", "same")
"""Changes of a chain: removed, another item's, cut, replaced by filler, and unchanged, as a control."""

DEFAULT_PERCENT = 50.0


class ChainOfThought(Condition):
    """Change the chain of thought of each answer of the clean run. The model continues from the changed chain.

    - `cot:none`: the chain is removed, but its tags are kept.
    - `cot:swap`: the chain is replaced by that of another item.
    - `cot:truncate@50`: only the first 50 % of its sentences are kept, rounded down. `cot:truncate` is the same.
    - `cot:filler`: the chain is replaced by `...`, repeated to the same number of characters.
    - `cot:same`: the chain is unchanged, as a control. If an answer changes nevertheless, this is chance (sampling,
      another tokenisation).
    """

    kind: ClassVar = "cot"
    title: ClassVar = "The model's own chain of thought, removed, exchanged, cut, or replaced by filler."
    examples: ClassVar = ("cot:none", "cot:swap", "cot:truncate@50", "cot:filler", "cot:same")
    changes_reasoning: ClassVar = True

    def problem(self) -> str | None:
        change, at, percent = self.parameter.partition("@")
        if change not in CHANGES:
            return f"takes one of {', '.join(CHANGES)}"
        if not at:
            return None
        if change != "truncate":
            return f"takes no percentage for {change}"
        return None if _parse_percent(percent) is not None else "takes a percentage above 0 and below 100 after the @"

    @property
    def is_control(self) -> bool:
        return self.parameter == "same"

    def count_draws(self, repeats: int) -> int:
        return repeats if self.parameter == "swap" else 1

    def begin_answers(self, chains: Mapping[str, Chain]) -> dict[str, Beginning]:
        change, _, percent = self.parameter.partition("@")
        if change == "swap":
            return self._swap_chains(chains)
        return {item: self._change_chain(chain, change, percent) for item, chain in chains.items()}

    def _change_chain(self, chain: Chain, change: str, percent: str) -> Beginning:
        """Return the beginning of an answer with the changed chain. `change` is `none`, `truncate`, `filler` or `same`;
        `percent` is the number after `truncate@`, or "" for the default."""
        if change == "truncate":
            return chain.truncate((_parse_percent(percent) or DEFAULT_PERCENT) / 100)
        if change == "filler":
            return chain.replace_passages(build_filler)
        return chain.replace_passages(lambda passage: "" if change == "none" else passage)

    def _swap_chains(self, chains: Mapping[str, Chain]) -> dict[str, Beginning]:
        """Return beginnings of answers by item id, each with the chain of another item, at random. Raises UsageError if
        there is only one chain."""
        items = sorted(chains)
        if len(items) < 2:
            raise UsageError("cot:swap takes the chain of another item, and one output only has a chain of thought")
        return {
            items[one]: chains[items[other]].rebuild(chains[items[other]].passages)
            for one, other in self.derange(len(items)).items()
        }


def _parse_percent(text: str) -> float | None:
    """Return a percentage above 0 and below 100; None if the text is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 100 else None


CONDITIONS = (ChainOfThought,)
