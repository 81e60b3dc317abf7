"""Cascade of a captioner and a text-only language model."""

from alm_bench.adapters.cascade.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
