"""Models behind an OpenAI-compatible server that alm-bench starts for the run."""

from alm_bench.adapters.serve.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
