"""Tables of a run whose questions or answers are in several languages."""

from collections.abc import Sequence

from alm_bench.core.languages import format_language_name
from alm_bench.reports.blocks import Block, Cell, Column, Row, Table
from alm_bench.reports.figures import build_difference_cell, build_metric_cell, get_title
from alm_bench.scoring.language_table import LanguageCell, LanguageTable


def build_language_report(table: LanguageTable) -> list[Block]:
    """Return a table with one row per pair of question language and answer language.

    If questions and answers both have several languages, a matrix of scores comes first.
    """
    several = all(len({getattr(cell, key) for cell in table.cells}) > 1 for key in ("question", "answer"))
    return [*([_build_score_matrix(table)] if several else []), _build_language_pair_table(table)]


def _build_score_matrix(table: LanguageTable) -> Table:
    """Return the scores by language of the question (rows) and of the answer (columns)."""
    cells = {(cell.question, cell.answer): cell for cell in table.cells}
    questions, answers = (list(dict.fromkeys(pair[place] for pair in cells)) for place in (0, 1))
    rows: list[Row] = []
    for question in questions:
        found = [cells.get((question, answer)) for answer in answers]
        rows.append([question, *(build_metric_cell(None if c is None else c.score, table.score) for c in found)])
    columns = [Column("question \\ answer"), *(Column(answer) for answer in answers)]
    title = f"{get_title(table.score)} by language of the question (rows) and of the answer (columns)"
    return Table(columns, rows, title=title, is_wide=True)


def _build_language_pair_table(table: LanguageTable) -> Table:
    """Return one row per pair of languages: score, difference to English, languages of the answers."""
    rows = [_build_row(cell, table.score) for cell in table.cells]
    columns = [
        Column("question"),
        Column("answer"),
        Column("n", 1),
        Column(get_title(table.score)),
        Column("difference to English", 1),
        Column("p", 3),
        Column("in the language asked", 1),
        Column("in another", 2),
        Column("unsure", 2),
    ]
    return Table(columns, rows, notes=_list_notes(table.cells, table.detector))


def _build_row(cell: LanguageCell, metric_name: str) -> Row:
    difference = Cell(("-",)) if cell.difference is None else build_difference_cell(cell.difference, metric_name)
    return [
        format_language_name(cell.question),
        format_language_name(cell.answer),
        cell.n,
        build_metric_cell(cell.score, metric_name),
        difference,
        "-" if cell.p is None else f"{cell.p:.2g}",
        cell.expected,
        cell.other,
        cell.unsure,
    ]


def _list_notes(cells: Sequence[LanguageCell], detector: str) -> list[str]:
    references = list(dict.fromkeys(cell.reference for cell in cells if cell.reference is not None))
    notes = []
    if references:
        pairs = "English questions with English answers"
        if references != [("en", "en")]:
            pairs = "English questions with answers in the same language"
        notes.append(f"Difference to English: to {pairs}, on the same questions, paired, with its 95 % interval.")
    without = sum(cell.no_text for cell in cells)
    missing = f" {without} items have no answer." if without else ""
    notes.append(
        f"The last columns count answers by their language ({detector}). Unsure: names, numbers and other texts that "
        f"are too short to tell.{missing}"
    )
    return notes
