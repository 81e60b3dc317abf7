"""Foreign text is harmless on a terminal, in markdown and in a spreadsheet."""

import csv
import io
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_bench.core.escape import (
    Markdown,
    emphasise,
    escape_cell,
    escape_csv,
    escape_lines,
    escape_markdown,
    escape_terminal,
    print_notice,
)
from alm_bench.reports.renderers.markdown import render_pipe_table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\x00\x7f\u202eevil\u2028", r"\x00\x7f\u202eevil\u2028"),
        ("half \ud800", r"half \ud800"),
        ("é 中 👩\u200d🚒 \u00a0", "é 中 👩\u200d🚒 \u00a0"),
    ],
)
def test_what_controls_a_terminal_is_visible(text: str, shown: str) -> None:
    assert escape_terminal(text) == shown


@given(st.text())
def test_any_text_is_one_harmless_line(text: str) -> None:
    for shown in (escape_terminal(text), escape_markdown(text), escape_cell(text)):
        hidden = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
        assert hidden <= {"\u200c", "\u200d"}
        shown.encode()


def test_newlines_of_a_text_of_several_lines_stay() -> None:
    assert escape_lines("a\n\tb\r\x1b") == "a\n\tb\\r\\x1b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
        ("&lt;b&gt; R&B", "&amp;lt;b&amp;gt; R&B"),
        ("[click](http://e)", r"[click\](http://e)"),
        ("![i](u) [a]: u [a][b]", r"![i\](u) [a\]: u [a\][b]"),
        ("`code` *i* **b** ~s~", r"\`code\` \*i\* \*\*b\*\* \~s\~"),
        ("_i_ by_text_sum", r"\_i\_ by_text_sum"),
        ("C:\\x", r"C:\\x"),
        ("blind[first] 64.5 [61.5, 67.4]", "blind[first] 64.5 [61.5, 67.4]"),
    ],
)
def test_nothing_is_markup(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


def test_a_cell_ends_where_it_ends() -> None:
    table = render_pipe_table(["a|b\n"], [["x|y\\"], ["\\|"], [emphasise("*a*|")], [Markdown("**ours**\n")], [-1.5]])
    assert [line[2:-2].strip() for line in table.splitlines() if ":--" not in line] == [
        r"a\|b\\n",
        r"x\|y\\",
        r"\\\|",
        r"*\*a\*\|*",
        r"**ours**\n",
        "-1.5",
    ]


@pytest.mark.parametrize("number", ["-1.5", "+5", "-3", "1e-5", "-.5", "-2 %", -1.5, 3, None])
def test_a_number_stays_a_number_in_csv(number: Any) -> None:
    assert escape_csv(number) == number


@pytest.mark.parametrize("text", ["=1+1", "+cmd|'x'!A1", "-2+3", "@SUM(A1)", "\t=1", " =1", "＝1", "-1-1", "--1"])
def test_a_formula_is_text_in_csv(text: str) -> None:
    assert escape_csv(text) == "'" + text


def test_a_carriage_return_neither_ends_a_row_nor_begins_a_formula() -> None:
    out = io.StringIO()
    csv.writer(out).writerow([escape_csv(text) for text in ("\r=1", "a\nb", "\x1b[2J")])
    assert list(csv.reader(io.StringIO(out.getvalue()))) == [["'\\r=1", "a\\nb", "\\x1b[2J"]]


def test_a_notice_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_notice("a\nb\x1b[31m")
    assert capsys.readouterr().err == "a\\nb\\x1b[31m\n"
