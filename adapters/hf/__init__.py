"""Models of the Hugging Face hub, or of a folder in its layout, run with transformers."""

from alm_bench.adapters.hf.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
