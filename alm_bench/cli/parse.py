"""`alm-bench parse`: show the answer that is parsed from a text, and the rule that decided."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import build_choices_completer
from alm_bench.cli.output import print_text
from alm_bench.core import Parsed, UsageError
from alm_bench.core.options import check_choice

if TYPE_CHECKING:
    from alm_bench.reports import Fields

FORMS = ("choice", "yes_no", "entailment", "number")


def parse(
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT|FILE]", help="Text, or a file with it. [default: standard input]")
    ] = None,
    form: Annotated[
        str,
        typer.Option(metavar="|".join(FORMS), help="Kind of answer.", autocompletion=build_choices_completer(*FORMS)),
    ] = "choice",
    choices: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION|FILE",
            help="Option of the question (repeatable), or a file with one per line; for form choice.",
        ),
    ] = None,
    several: Annotated[
        bool, typer.Option("--several", help="Parse all selected options, for questions with several correct ones.")
    ] = False,
    question: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="The question; sentences that affirm, deny or count are then parsed as answers to it."
        ),
    ] = None,
    answer_tag: common.AnswerTag = None,
    json_: common.Json = False,
) -> None:
    """Parse a text and show the rule that decided.

    Shows the answer, its status, the rule, and the characters that decided.

    Please quote the printed line when you report a parsing error.
    """
    from alm_bench import api

    kind: Any = check_choice(form, FORMS, "--form")
    options = _read_choices(form, choices)
    if several and form != "choice":
        raise UsageError(f"--several goes with --form choice, found --form {form}")
    content = _read_text(text)
    parsed = api.parse(content, options, form=kind, several=several, question=question, answer_tag=answer_tag or ())
    if json_:
        entry: dict[str, Any] = {"form": form, "text": content, **asdict(parsed)}
        common.print_json({**entry, "choices": options, "question": question})
    else:
        print_text([_build_report(parsed, content, options)])


def _read_choices(form: str, values: Sequence[str] | None) -> list[str]:
    """Return the options in the values of `--choices`, each of which is an option or a file with one per line.

    `form` is the value of `--form`: for forms other than `choice`, the result is empty. Raises UsageError if there are
    options and the form takes none, or the reverse.
    """
    if form != "choice":
        if values:
            raise UsageError(f"--choices goes with --form choice, found --form {form}")
        return []
    options = []
    for one in values or ():
        options += [line for line in _read_file(Path(one)).splitlines() if line.strip()] if _is_file(one) else [one]
    if not options:
        raise UsageError("--form choice needs --choices, once per option or a file with one option per line")
    return options


def _read_text(argument: str | None) -> str:
    """Return the text to parse: `argument`, the content of the file that it names, or standard input for None and
    `-`."""
    if argument is None or argument == "-":
        return sys.stdin.read()
    return _read_file(Path(argument)) if _is_file(argument) else argument


def _is_file(value: str) -> bool:
    """Return True if a value names a file; False also if it is too long or otherwise invalid as a file name."""
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _build_report(parsed: Parsed, text: str, options: Sequence[str]) -> "Fields":
    """Return the printed report: answer, status, rule, and the span of the text that decided."""
    from alm_bench.reports import Fields

    lines = [("answer", _format_answer(parsed, options)), ("status", parsed.status), ("rule", parsed.rule)]
    if parsed.span is not None:
        start, end = parsed.span
        marked = f"{text[max(0, start - 40) : start]}»{text[start:end]}«{text[end : end + 40]}"
        lines.append(("span", f"{' '.join(marked.split())} (characters {start}-{end})"))
    return Fields(lines)


def _format_answer(parsed: Parsed, options: Sequence[str]) -> str:
    indices = parsed.indices or (() if parsed.index is None or not options else (parsed.index,))
    if indices:
        return " + ".join(f"({chr(ord('a') + index)}) {options[index]}" for index in indices)
    return "none" if parsed.value is None else parsed.value
