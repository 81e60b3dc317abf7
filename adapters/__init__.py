"""Adapters: one module or package per model family.

`alm_bench.plugins` discovers them. No other module imports one by its name.
"""
