"""Models behind OpenAI-compatible servers."""

from alm_bench.adapters.openai.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
