"""Causal language models of text, which get no audio: a text-only baseline."""

from alm_bench.adapters.text.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
