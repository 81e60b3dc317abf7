"""Filters of rows that a language model wrote: each finds one kind of fault.

A filter is a subclass of `RowFilter`. The built-in filters are in the modules of this package, each of which lists them
in a tuple `FILTERS`. An installed package adds one through the entry point group `alm_bench.row_filters`, whose value
is the class. Other code does not depend on the name of a filter.
"""

from functools import cache

from alm_bench.core.registry import Registry, load_registry, make_subclass_check
from alm_bench.synthesis.filters.base import Action, AskText, FilterSettings, Finding, RowFilter

__all__ = ["Action", "AskText", "FilterSettings", "Finding", "RowFilter", "load_filter_classes"]

GROUP = "alm_bench.row_filters"
"""Entry point group of filters from installed packages."""


@cache
def load_filter_classes() -> Registry[type[RowFilter]]:
    """Return all filter classes by name. Raises UsageError if a name is defined twice."""
    return load_registry("filter", __name__, "FILTERS", GROUP, lambda cls: cls.name, make_subclass_check(RowFilter))
