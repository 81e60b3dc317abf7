"""Checkpoints in the Hugging Face layout, run by transformers."""

from alm_bench.adapters.hf.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
