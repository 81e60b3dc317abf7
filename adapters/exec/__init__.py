"""Models in a process of their own, spoken to in JSON lines."""

from alm_bench.adapters.exec.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
