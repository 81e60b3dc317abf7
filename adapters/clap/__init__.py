"""CLAP models: zero-shot similarity of clips and options, and probes on their embeddings."""

from alm_bench.adapters.clap.adapter import ADAPTERS

__all__ = ["ADAPTERS"]
