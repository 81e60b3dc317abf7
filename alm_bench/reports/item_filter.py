"""Selection of items of a run by outcome, parsing rule and group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alm_bench.core import Status, UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.records.schema import Record
from alm_bench.reports.items import is_wrong


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Conditions that an item must meet. The default accepts all items."""

    wrong: bool = False
    """True to select only items that were answered incorrectly (see `items.is_wrong`)."""

    status: Status | None = None
    """Status of the items; None for any."""

    rule: str | None = None
    """Name of the parsing rule that determined the answer; None for any."""

    groups: Mapping[str, str] = field(default_factory=dict)
    """Required key by grouping. Case does not matter."""

    id: str | None = None
    """Id of a single item to select; None for any."""

    def accepts(self, record: Record) -> bool:
        groups = record.sample.groups
        return (
            (self.id is None or record.sample.id == self.id)
            and (self.status is None or record.status == self.status)
            and (not self.wrong or is_wrong(record))
            and (self.rule is None or (record.parsed is not None and record.parsed.rule == self.rule))
            and all(str(groups.get(name, "")).casefold() == key.casefold() for name, key in self.groups.items())
        )


def select_items(records: Sequence[Record], item_filter: ItemFilter, run: str) -> list[Record]:
    """Return the records that the filter accepts, in the given order.

    `run` is the run's name, for messages. Raises UsageError if no item of the run has the required id, rule, grouping
    or key; the message lists the known values.
    """
    _check_known("item", item_filter.id, [record.sample.id for record in records], run)
    rules = [record.parsed.rule for record in records if record.parsed is not None]
    _check_known("--rule", item_filter.rule, rules, run)
    for name, key in item_filter.groups.items():
        keys = [str(record.sample.groups[name]) for record in records if name in record.sample.groups]
        if not keys:
            known = sorted({group for record in records for group in record.sample.groups})
            listed = format_similar_names(name, known) if known else "none"
            raise UsageError(f"{run} has no grouping {name!r}; its groupings: {listed}")
        if key.casefold() not in {known.casefold() for known in keys}:
            raise UsageError(
                f"{run} has no item with {name}={key!r}; known: {format_similar_names(key, sorted(set(keys)))}"
            )
    return [record for record in records if item_filter.accepts(record)]


def _check_known(kind: str, value: str | None, known_values: Sequence[str], run: str) -> None:
    """Raise UsageError if `value` is not among the known values; None is accepted."""
    if value is None or value in known_values:
        return
    listed = format_similar_names(value, sorted(set(known_values)), limit=6) if known_values else "none"
    raise UsageError(f"{run} has no {kind} {value!r}; it has: {listed}")
