"""From a model's raw text to what it answers. Pure functions, no model, never a guess."""

from alm_bench.parsing.mcq import PARSER, parse_choice

__all__ = ["PARSER", "parse_choice"]
