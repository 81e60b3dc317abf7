"""Models that run in a separate process and exchange JSON lines with alm-bench."""

from alm_bench.adapters.exec.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
