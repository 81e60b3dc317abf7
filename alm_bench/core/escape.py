"""Escaping of text from outside (names, labels, ids, replies, server errors) for terminals, markdown and
spreadsheets."""

import re
import shutil
import sys
import textwrap
import unicodedata
from functools import lru_cache
from typing import Any, TextIO

from alm_bench.core.verbosity import VERBOSITY, Level

_MARKDOWN = str.maketrans({"\\": "\\\\", "`": "\\`", "*": "\\*", "~": "\\~", "<": "&lt;", ">": "&gt;"})
_ENTITY = re.compile(r"&(?=#?\w+;)")
_EMPHASIS = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""Underscores at the edge of a word. Underscores within a word (`by_text_sum`) are not markup."""
_LINK = re.compile(r"\](?=[(\[:])")
"""A closing bracket that may end the text of a link. The last bracket of `blind[first]` cannot, and is not escaped."""

_FORMULA = tuple("=+-@\t\r＝＋－＠")
"""First characters of cells that spreadsheets evaluate as formulas, including the full-width characters."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? ?%?")
"""Numbers and percentages, which are no formulas."""

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that a terminal interprets or hides: control characters (C0, DEL, C1), formatting such as
overrides of the writing direction, unpaired surrogates, line and paragraph separators."""
_JOINERS = "\u200c\u200d"
"""Formatting characters that the spelling of some scripts and composed emoji need."""


class Markdown(str):
    """Text that is markdown already, whose markup `escape_cell` does not escape."""

    __slots__ = ()


def escape_terminal(text: str, kept_characters: str = "") -> str:
    """Return the text in one line, with characters that control a terminal made visible (`\\x1b`, `\\n`, `\\u202e`).

    Characters in `keep` are not changed.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in kept_characters or not _needs_escape(c) else _escape_character(c) for c in text)


def _needs_escape(character: str) -> bool:
    """Return True if a terminal interprets or hides the character, so that it must be escaped."""
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS


def _escape_character(character: str) -> str:
    """Return the escape sequence of a character."""
    return character.encode("ascii", "backslashreplace").decode() if ord(character) > 127 else repr(character)[1:-1]


def escape_lines(text: str) -> str:
    """Return a text of several lines, escaped as by `escape_terminal`. Newlines and tabs are not changed."""
    return escape_terminal(text, kept_characters="\n\t")


def escape_markdown(text: str) -> str:
    """Return the text in one line with markup and HTML escaped: no link, image, emphasis, code or tag remains.

    Pipes are not escaped; `escape_cell` does that.
    """
    shown = _ENTITY.sub("&amp;", escape_terminal(text)).translate(_MARKDOWN)
    return _LINK.sub(r"\\]", _EMPHASIS.sub(r"\\_", shown))


def escape_cell(value: Any) -> str:
    """Return the value as a cell of a markdown table. Text is escaped, unless it is `Markdown`; pipes always are."""
    text = escape_terminal(value) if isinstance(value, Markdown) else escape_markdown(str(value))
    return text.replace("|", "\\|")


def emphasise(text: str, mark: str = "*") -> Markdown:
    """Return the escaped text in italics (`mark` is `*`) or bold (`**`)."""
    return Markdown(f"{mark}{escape_markdown(text)}{mark}")


def escape_csv(value: Any) -> Any:
    """Return the value as a CSV cell: numbers unchanged, text in one line.

    A text that a spreadsheet would evaluate as a formula is preceded by `'`.
    """
    return _escape_csv_text(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)  # a table repeats its names in each of its lines
def _escape_csv_text(text: str) -> str:
    return ("'" if _is_formula(text) else "") + escape_terminal(text, kept_characters="\t")


def _is_formula(text: str) -> bool:
    """Return True if a spreadsheet would evaluate a cell with this text."""
    return text.lstrip(" ").startswith(_FORMULA) and not _NUMBER.fullmatch(text)


def quote_formula(text: str) -> str:
    """Return the text with `'` in front if a spreadsheet would evaluate it, or if it begins with `'` itself.

    Nothing else is changed, so that `unquote_formula` restores every text.
    """
    return f"'{text}" if text.startswith("'") or _is_formula(text) else text


def unquote_formula(text: str) -> str:
    """Invert `quote_formula`: return the text without the `'` that was added in front."""
    return text.removeprefix("'")


def print_notice(text: str, file: TextIO | None = None) -> None:
    """Print a text as one escaped line to `file` (default: standard error), unless the command is quiet. The line is
    wrapped between words for a terminal."""
    _print_line("notice", text, file)


def print_progress(text: str) -> None:
    """Print one line of progress to standard error, unless the command is quiet."""
    _print_line("progress", text)


def print_detail(text: str) -> None:
    """Print one line to standard error if the command is verbose; the log file gets it in any case."""
    _print_line("detail", text)


def print_error(text: str) -> None:
    """Print one line to standard error, also if the command is quiet."""
    _print_line("error", text)


def log_line(level: Level, text: str) -> None:
    """Write one line to the log file alone, if there is one."""
    if (problem := VERBOSITY.write_log(level, escape_terminal(text))) is not None:
        _print_line("error", problem)


def _print_line(level: Level, text: str, file: TextIO | None = None) -> None:
    line = escape_terminal(text)
    log_line(level, line)
    stream = sys.stderr if file is None else file
    if stream is None or not VERBOSITY.includes(level):  # a process may have been started without standard error
        return
    if stream.isatty():  # words stay whole, so that paths and commands can be copied
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
    print(line, file=stream)
