"""A model behind an OpenAI-compatible server that is started for the run."""

from alm_bench.adapters.serve.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
