"""From a model's raw text to what it answers. Pure functions, no model, never a guess."""

from alm_bench.parsing.mcq import PARSER, parse_choice
from alm_bench.parsing.plain import parse_label, parse_number, parse_yes_no

__all__ = ["PARSER", "parse_choice", "parse_label", "parse_number", "parse_yes_no"]
