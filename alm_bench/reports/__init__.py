"""What people read of runs. Builders (`*_report.py`, `leaderboard.py`, ...) make blocks out of records and results;
renderers (`renderers/`) turn blocks into text for a terminal, a markdown file, CSV or JSON.

`run_report.build_results` and `render` are the way from the summaries of runs to what is printed of them. Builders are
imported from their modules: those of runs load numpy, which lists do without.
"""

from alm_bench.reports.blocks import Block, Cell, Column, Fields, Heading, Picture, Row, Table, Text
from alm_bench.reports.renderers import Form, render
from alm_bench.reports.screen import Screen, find_screen

__all__ = [
    "Block",
    "Cell",
    "Column",
    "Fields",
    "Form",
    "Heading",
    "Picture",
    "Row",
    "Screen",
    "Table",
    "Text",
    "find_screen",
    "render",
]
