"""Options that every command accepts, before or after its name: `--quiet`, `--verbose`, `--log-file`."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from alm_bench.core import UsageError
from alm_bench.core.verbosity import VERBOSITY


def _set_quiet(context: typer.Context, value: bool) -> None:
    if value and not context.resilient_parsing:  # not while completion parses an incomplete line
        VERBOSITY.quiet = True
        _check_verbosity()


def _set_verbose(context: typer.Context, value: bool) -> None:
    if value and not context.resilient_parsing:
        VERBOSITY.verbose = True
        _check_verbosity()


def _check_verbosity() -> None:
    """Raise UsageError if both `--quiet` and `--verbose` are set."""
    if VERBOSITY.quiet and VERBOSITY.verbose:
        VERBOSITY.quiet = VERBOSITY.verbose = False
        raise UsageError("--quiet and --verbose do not go together: expected one of them")


def _open_log(context: typer.Context, value: Path | None) -> None:
    if value is not None and not context.resilient_parsing:
        VERBOSITY.open_log(value)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "quiet": (
        Annotated[
            bool,
            typer.Option(
                "--quiet",
                callback=_set_quiet,
                is_eager=True,
                help="Print results and errors only: no progress, no notices.",
            ),
        ],
        False,
    ),
    "verbose": (
        Annotated[
            bool,
            typer.Option(
                "--verbose",
                callback=_set_verbose,
                is_eager=True,
                help="Also print data folders, prompt sets, run folders and times; after an error, the traceback.",
            ),
        ],
        False,
    ),
    "log_file": (
        Annotated[
            Path | None,
            typer.Option(
                "--log-file",
                metavar="FILE",
                callback=_open_log,
                is_eager=True,
                help="Append progress, notices, details and errors to this file, with times.",
            ),
        ],
        None,
    ),
}


def add_global_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function like `command` that also accepts the global options, which it does not pass on."""

    @functools.wraps(command)
    def run_command(*arguments: Any, **values: Any) -> Any:
        return command(*arguments, **{name: value for name, value in values.items() if name not in _OPTIONS})

    signature = inspect.signature(command)
    ours = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    run_command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *ours])  # type: ignore[attr-defined]
    hints = {name: annotation for name, (annotation, _) in _OPTIONS.items()}
    run_command.__annotations__ = command.__annotations__ | hints
    return run_command
