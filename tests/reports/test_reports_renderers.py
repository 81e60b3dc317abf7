"""Tables of any content at any width: no line is longer; a figure is shown whole, in a shorter form, or not at all."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from alm_bench.reports import Cell, Column, Fields, Heading, Table, Text, render
from alm_bench.reports.blocks import Legend, Picture, keep_together
from alm_bench.reports.renderers.csv import render_csv

FIGURE = Cell(("64.5 [61.5, 67.4] of 1000", "64.5 [61.5, 67.4]", "64.5"))
TEXTS = st.text(max_size=60)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    titles = draw(st.lists(st.sampled_from(["n", "accuracy", "margin over text-only", "yes/no, all"]), max_size=9))
    columns = [Column("model", overflow="middle"), *(Column(title, draw(st.integers(1, 4))) for title in titles)]
    names = draw(st.lists(TEXTS, min_size=1, max_size=4))
    missing = Cell(("n/a: it needs Java", "n/a"), note="it needs Java")
    figures = st.sampled_from([FIGURE, missing, Cell(("-",)), 7])
    rows = [[name, *(draw(figures) for _ in titles)] for name in names]
    return Table(columns, rows, ["A note of several words."], is_wide=draw(st.booleans()))


@given(tables(), st.integers(40, 140), st.booleans())
def test_a_table_fits_whatever_it_holds(table: Table, width: int, ascii_only: bool) -> None:
    text = render([table], "terminal", width, ascii_only=ascii_only)
    assert all(cell_len(line) <= width for line in text.split("\n"))
    assert not ascii_only or text.isascii()
    names = {str(row[0]) for row in table.rows}
    for line in text.split("\n"):
        if "64.5" in line and not any("64.5" in name for name in names):
            words = line.replace("64.5 [61.5, 67.4] of 1000", "").replace("64.5 [61.5, 67.4]", "").replace("64.5", "")
            assert "[61" not in words
            assert "67" not in words


def test_the_least_important_columns_go_first_and_are_named() -> None:
    columns = [Column("model", overflow="middle"), Column("accuracy"), Column("n", 2), Column("prompt", 5)]
    table = Table(columns, [["a model", FIGURE, 1000, "mmau/letters@1 of a long name"]])
    wide = render([table], "terminal", 100)
    assert "Not shown" not in wide
    narrow = render([table], "terminal", 45)
    assert "64.5 [61.5, 67.4] of 1000" in narrow
    assert "1000\n" in narrow
    assert "Not shown at this width: prompt." in narrow
    narrower = render([table], "terminal", 38)
    assert "Not shown at this width: n; prompt." in narrower
    assert "64.5 [61.5, 67.4] of 1000" in narrower
    assert "\n…" not in narrower


def test_a_table_of_equal_columns_goes_on_below_itself() -> None:
    columns = [Column("model", overflow="middle"), *(Column(f"task-{number}", 1) for number in range(12))]
    table = Table(columns, [["a", *(f"{number}.5" for number in range(12))]], is_wide=True)
    text = render([table], "terminal", 60)
    assert text.count("model ") == 2
    for number in range(12):
        assert f"task-{number}" in text
        assert f"{number}.5" in text
    assert "Not shown" not in text


def test_why_a_figure_is_missing_stands_below_once() -> None:
    missing = Cell(("n/a: it needs Java", "n/a"), note="it needs Java")
    table = Table([Column("metric"), Column("value")], [["METEOR", missing], ["SPICE", missing], ["CIDEr", FIGURE]])
    text = render([table], "terminal", 80)
    assert text.count("n/a [1]") == 2
    assert text.count("it needs Java") == 1
    assert "| METEOR   | n/a: it needs Java " in render([table], "markdown")


def test_texts_break_between_words_and_never_within_a_figure() -> None:
    text = "No option selected: 9 of 1,000 (0.9 %, CI 0.5-1.7), accuracy 64.5 [61.5, 67.4], p = 0.03."
    for width in range(20, 90):
        lines = render([Text(text)], "terminal", width).split("\n")
        assert " ".join(lines) == text
        assert all(len(line) <= width for line in lines)
        for whole in ("0.9 %,", "CI 0.5-1.7),", "64.5 [61.5, 67.4],", "p = 0.03."):
            assert any(whole in line for line in lines), (width, whole)


def test_labelled_lines_go_on_below_their_value() -> None:
    fields = Fields([("also", f"{keep_together('easy 70.1')} → {keep_together('hard 50.3')}"), ("run", "x" * 30)])
    lines = render([fields], "terminal", 24).split("\n")
    assert lines == ["also  easy 70.1 →", "      hard 50.3", "run   " + "x" * 18, "      " + "x" * 12]
    assert render([fields], "markdown").split("\n") == ["- also: easy 70.1 → hard 50.3", "- run: " + "x" * 30]


def test_a_name_in_a_heading_gives_way() -> None:
    heading = Heading("mmau (demo) · " + "name" * 20 + " · PARTIAL: 3 of 12 items", name="name" * 20)
    (line,) = render([heading], "terminal", 60).split("\n")
    assert cell_len(line) == 60
    assert line.startswith("mmau (demo) · name")
    assert line.endswith("name · PARTIAL: 3 of 12 items")


@pytest.mark.parametrize(("styled", "marked"), [(True, "\x1b[2;3m  first option"), (False, "  first option")])
def test_baselines_are_marked_with_and_without_styles(styled: bool, marked: str) -> None:
    rows = [["a model"], [Cell(("first option",), style="baseline")]]
    blocks = [Table([Column("model")], rows), Legend("baseline", "are text-only baselines")]
    text = render(blocks, "terminal", 80, styled=styled)
    assert f"\n{marked}" in text
    assert text.endswith("Indented rows are text-only baselines.")
    markdown = render(blocks, "markdown")
    assert "| *first option* |" in markdown
    assert markdown.endswith("Rows in italics are text-only baselines.")


def test_a_picture_is_a_link_or_a_path() -> None:
    assert render([Picture("losses", "loss.png")], "markdown") == "![losses](loss.png)"
    assert render([Picture("losses", "loss.png")], "terminal", 80) == "losses: loss.png"


def test_csv_keeps_numbers_and_disarms_formulas() -> None:
    text = render_csv(["model", "value"], [["=cmd", 0.5], ["a,b", None]])
    assert list(csv.reader(io.StringIO(text))) == [["model", "value"], ["'=cmd", "0.5"], ["a,b", ""]]
