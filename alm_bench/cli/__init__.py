"""Command line: each command parses its arguments, calls the library and prints the result, without further logic."""

from alm_bench.cli.app import main

__all__ = ["main"]
