"""Entry point of the command line: registers the commands, and turns errors into one line and an exit status."""

import io
import re
import sys
import traceback
from typing import Any, NoReturn

import typer

from alm_bench import __version__
from alm_bench.cli import (
    ask,
    caption_metrics,
    check,
    compare,
    data,
    export,
    judge_check,
    leaderboard,
    ls,
    metric_check,
    new,
    noise_ablation,
    parse,
    plot,
    push,
    report,
    rescore_matrix,
    review,
    run,
    score,
    show,
    submit,
    train,
)
from alm_bench.cli.global_options import add_global_options
from alm_bench.cli.output import OutputError, guard_output
from alm_bench.cli.plain_help import PlainCommand
from alm_bench.core.errors import AlmBenchError, format_similar_names
from alm_bench.core.escape import print_detail, print_error
from alm_bench.core.secrets import hide_secrets_in_text
from alm_bench.core.verbosity import VERBOSITY, restore_verbosity

INTERRUPTED = 130

app = typer.Typer(
    name="alm-bench",
    help="Evaluate audio-language models, with careful answer parsing and traceable results.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich, with its markdown, would double the time to print it
)

app.command()(run.run)
app.command("noise-ablation")(noise_ablation.noise_ablation)
app.command()(check.check)
app.command()(ask.ask)
app.command()(show.show)
app.command()(score.score)
app.command()(review.review)
app.command()(parse.parse)
app.command()(leaderboard.leaderboard)
app.command()(compare.compare)
app.command()(report.report)
app.command()(plot.plot)
app.command()(submit.submit)
app.command()(export.export)
app.command()(push.push)
app.command("rescore-matrix")(rescore_matrix.rescore_matrix)
app.command("caption-metrics")(caption_metrics.caption_metrics)
app.command("metric-check")(metric_check.metric_check)
app.command("judge-check")(judge_check.judge_check)
app.command()(ls.ls)
app.add_typer(train.app, name="train")
app.add_typer(data.app, name="data")
app.add_typer(new.app, name="new")


def _print_version(value: bool) -> None:
    if value:
        print(f"alm-bench {__version__}")
        raise typer.Exit


@app.callback()
def _handle_global_options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print version."),
) -> None:
    pass


def _add_options_and_help(group: typer.Typer) -> None:
    """Add the global options to every command of a group, and show arguments in its help text by their metavar only."""
    for one in (*group.registered_commands, group.registered_callback):
        if one is not None and one.callback is not None:
            one.callback = add_global_options(one.callback)
    for command in group.registered_commands:
        command.cls = PlainCommand


for _group in (app, train.app, data.app, new.app):
    _add_options_and_help(_group)


# Typer exports the errors that a command may raise, but not their base, which the parser itself raises.
_UsageError: Any = typer.BadParameter.__mro__[1]


def _format_usage_error(error: Any) -> str:
    """Return one line that describes a usage error and lists the known names, the most similar first."""
    message: str = re.split(r"Did you mean|\(Possible options", error.format_message())[0].strip().rstrip(".")
    command = error.ctx.command if error.ctx is not None else None
    if (option := getattr(error, "option_name", None)) and command is not None:
        flags = [flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")]
        return f"{message}; known: {format_similar_names(option, [*flags, '--help'], limit=40)}"
    if commands := getattr(command, "commands", None):
        return f"{message}; known: {format_similar_names(_find_unknown_name(message), commands)}"
    return message


def _find_unknown_name(message: str) -> str:
    """Return the unknown name, which the parser's message contains in quotes; "" without quotes."""
    return message.split("'")[1] if message.count("'") >= 2 else ""


def main() -> None:
    """Run the `alm-bench` command.

    Exit status: 0 success, 1 failure, 2 usage error, 130 interrupted, 141 standard output was closed by its reader.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # characters that the terminal's encoding lacks are printed as `?`
    with restore_verbosity():
        _run()


def _run() -> NoReturn:
    try:
        with guard_output():
            status = app(prog_name="alm-bench", standalone_mode=False)
    except _UsageError as error:
        if not error.format_message():  # called without a command: the help was printed
            sys.exit(2)
        _fail(_format_usage_error(error), 2)
    except OutputError as error:
        if error.closed:
            sys.exit(error.exit_code)
        _fail(str(error), error.exit_code)
    except AlmBenchError as error:
        _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    if status == INTERRUPTED:  # newer versions of typer turn Ctrl-C into this status and print nothing
        _fail("interrupted", INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> NoReturn:
    """Print an error message in one line, and exit with this status."""
    if (VERBOSITY.verbose or VERBOSITY.log is not None) and sys.exc_info()[0] is not None:
        for line in hide_secrets_in_text(traceback.format_exc()).splitlines():
            print_detail(line)
    print_error("alm-bench: " + hide_secrets_in_text(" ".join(message.split())))
    sys.exit(status)
