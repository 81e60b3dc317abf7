"""The command line: every command parses its arguments, calls the library and prints. No logic lives here."""

from alm_bench.cli.app import main

__all__ = ["main"]
