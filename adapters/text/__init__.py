"""Causal language models, which get no audio and serve as text-only baselines."""

from alm_bench.adapters.text.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
