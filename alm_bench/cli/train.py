"""`alm-bench train`: train a network from a recipe, and export the weights of an interrupted training run."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import complete_recipes
from alm_bench.cli.train_difficulty import difficulty
from alm_bench.core import UsageError
from alm_bench.core.options import parse_pairs

if TYPE_CHECKING:
    from alm_bench.tracking.base import LogFunction

app = typer.Typer()
app.command()(difficulty)


@app.callback(invoke_without_command=True)
def train(
    context: typer.Context,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Name of a shipped recipe, or a .toml file.", autocompletion=complete_recipes
        ),
    ] = None,
    set_: common.RecipeChanges = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="v0|PATH",
            help="Initial weights: v0 (the published Mellow), a file or a folder. [default: the recipe's]",
        ),
    ] = None,
    missing_audio: Annotated[
        str | None,
        typer.Option(metavar="error|skip", help="How to treat rows whose clip is missing. [default: the recipe's]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder that contains the run folders. [default: results/training]"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")] = False,
    track: common.Track = None,
    json_: common.Json = False,
) -> None:
    """Train a Mellow network.

    The same command resumes. For several processes use `accelerate launch`.

    `train export RUN` writes the weights of an interrupted run, `train difficulty` measures how hard rows are.
    """
    if context.invoked_subcommand is not None:
        if config is not None:
            raise UsageError(f"train takes --config to train, or {context.invoked_subcommand} to do that: not both")
        return
    if config is None:
        raise UsageError("train takes --config NAME|FILE (alm-bench train --help), or `export RUN`")
    from alm_bench.train.config import load_config

    changes = parse_pairs(set_, "--set")
    changes |= {"model.init": init} if init else {}
    changes |= {"missing_audio": missing_audio} if missing_audio else {}
    changes |= {"out": str(out)} if out else {}
    recipe = load_config(config, changes)

    from dataclasses import asdict

    from alm_bench.cli.progress import TrainingProgress
    from alm_bench.core.files import get_cache_folder
    from alm_bench.tracking import find_tracker
    from alm_bench.tracking.base import TRAINING_PROJECT
    from alm_bench.train.loop import Trainer
    from alm_bench.train.setup import prepare_training

    tracker = None if track is None else find_tracker(track)
    with TrainingProgress(recipe.name) as progress, ExitStack() as resources:
        prepared = prepare_training(recipe, get_cache_folder("features"), progress.show_preparation)
        for source in prepared.corpus.sources:
            if source.missing:
                progress.show_message(
                    f"{len(source.missing)} clips of {source.config.name} are missing, their rows are left out"
                )
        for holdout in prepared.holdouts:
            progress.show_message(holdout.describe())
        last: dict[str, Any] = {}
        log: LogFunction | None = None

        def log_entry(entry: dict[str, Any]) -> None:
            """Show a log entry of the trainer, and send its numbers to the tracker."""
            last.update(entry)
            progress.show_step(entry)
            if log is not None:
                log(_list_values(entry), entry["step"])

        trainer = Trainer(recipe, prepared, log_entry, fresh)
        if tracker is not None and trainer.accelerator.is_main_process:
            resources.enter_context(common.redirect_model_output())
            log = resources.enter_context(tracker.open(TRAINING_PROJECT, recipe.name, asdict(recipe)))
        folder = trainer.run()
    if json_:
        common.print_json({"folder": str(folder), **last})
    else:
        print(
            f"trained weights in {folder}; try them:\n"
            f"alm-bench run --model mellow --model-arg checkpoint={folder} --tasks mmau,cle"
        )


def _list_values(entry: dict[str, Any]) -> dict[str, float]:
    """Return the measured numbers of a log entry of the trainer, named by stage and measure (`answers/loss`)."""
    numbers = {name: value for name, value in entry.items() if isinstance(value, int | float)}
    counts = ("stage", "step", "total")
    return {f"{entry['name']}/{name}": value for name, value in numbers.items() if name not in counts}


@app.command()
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder or name of a training run.")],
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to write. [default: `exported` in the run's folder]")
    ] = None,
    json_: common.Json = False,
) -> None:
    """Write weights from a run's last saved state, finished or not."""
    from alm_bench.train.export import export_weights, find_training_run

    folder, position = export_weights(find_training_run(run), to)
    if json_:
        common.print_json({"folder": str(folder), "stage": position.stage, "step": position.step})
    else:
        print(
            f"weights at step {position.step} of stage {position.stage} (counted from 0) in {folder}; try them:\n"
            f"alm-bench run --model mellow --model-arg checkpoint={folder} --tasks mmau,cle"
        )
