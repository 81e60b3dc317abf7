"""Rules that parse the answer out of a model's raw text.

All functions are pure: they call no model, and they return a status instead of a guess.
"""

from alm_bench.parsing.mcq import PARSER, parse_choice
from alm_bench.parsing.plain import parse_label, parse_number, parse_yes_no
from alm_bench.parsing.several import parse_choices

__all__ = ["PARSER", "parse_choice", "parse_choices", "parse_label", "parse_number", "parse_yes_no"]
