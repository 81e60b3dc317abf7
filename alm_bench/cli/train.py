"""`alm-bench train`: a network from a recipe."""

from pathlib import Path
from typing import Annotated, Any

import typer

from alm_bench.cli import common


def train(
    config: Annotated[str, typer.Option(metavar="NAME|FILE", help="A shipped config's name, or a .toml file.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="K=V", help="Change a key: stage.0.steps=10 (repeatable).")
    ] = None,
    init: Annotated[str | None, typer.Option(help="Start from these weights (v0, a file, a folder).")] = None,
    missing_audio: Annotated[str | None, typer.Option(metavar="error|skip")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder for the run's folder.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of going on.")] = False,
    json_: common.Json = False,
) -> None:
    """Train a Mellow. The same command goes on where it stopped; several processes by `accelerate launch`."""
    from alm_bench.train.config import load_config

    changes = common.pairs(set_, "--set")
    changes |= {"model.init": init} if init else {}
    changes |= {"missing_audio": missing_audio} if missing_audio else {}
    changes |= {"out": str(out)} if out else {}
    recipe = load_config(config, changes)

    from alm_bench.cli.progress import Training
    from alm_bench.core.files import cache_folder
    from alm_bench.train.loop import Trainer
    from alm_bench.train.setup import prepare

    with Training(recipe.name) as progress:
        prepared = prepare(recipe, cache_folder("features"), progress.preparing)
        for source in prepared.corpus.sources:
            if source.missing:
                progress.say(
                    f"{len(source.missing)} clips of {source.config.file} are missing, their rows are left out"
                )
        last: dict[str, Any] = {}

        def observe(entry: dict[str, Any]) -> None:
            last.update(entry)
            progress.step(entry)

        folder = Trainer(recipe, prepared, observe, fresh).run()
    if json_:
        common.print_json({"folder": str(folder), **last})
    else:
        print(
            f"trained weights in {folder}; try them:\n"
            f"alm-bench run --model mellow --model-arg checkpoint={folder} --tasks mmau,cle"
        )
