"""A captioner and a language model of text, one after the other."""

from alm_bench.adapters.cascade.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
