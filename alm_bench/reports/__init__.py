"""Reports of runs. Builders turn records and summaries into blocks; renderers turn blocks into text.

Builders (`*_report.py`, `leaderboard.py`, ...) return headings, paragraphs and tables. Renderers (`renderers/`) print
them for a terminal or as markdown, CSV or JSON. `run_report.build_results` and `render` together produce what is
printed for the summaries of runs. Builders are imported from their own modules: those for runs load numpy, which lists
do not need.
"""

from alm_bench.reports.blocks import Block, Cell, Column, Fields, Heading, Picture, Row, Table, Text
from alm_bench.reports.renderers import Form, render
from alm_bench.reports.screen import Screen, detect_screen

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
    "detect_screen",
    "render",
]
