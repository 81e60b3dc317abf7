"""Adapters, one module a model family. Found by `alm_bench.plugins`, never imported by name elsewhere."""
