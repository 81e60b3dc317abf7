"""`alm-bench train export-rl`: write a stage of reinforcement learning for other trainers."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import build_choices_completer, complete_recipes

TRAINERS = ("trl",)
"""Trainers for which files can be written."""


def export_rl(
    config: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", help="Name of a shipped recipe, or a .toml file.", autocompletion=complete_recipes
        ),
    ],
    to: Annotated[
        str,
        typer.Option(metavar="trl", help="Trainer to write for.", autocompletion=build_choices_completer(*TRAINERS)),
    ] = "trl",
    set_: common.RecipeChanges = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to write. [default: results/export-rl/RECIPE]")
    ] = None,
    json_: common.Json = False,
) -> None:
    """Write a recipe's GRPO stage for another trainer, TRL.

    Writes rows, reward functions and settings. The reward functions need alm-bench and no torch, so that other trainers
    can call them, too.
    """
    from alm_bench.core.options import check_choice, parse_pairs
    from alm_bench.train.config import load_config
    from alm_bench.train.export_rl import README, export_stage

    check_choice(to, TRAINERS, "--to")
    recipe = load_config(config, parse_pairs(set_, "--set"))
    exported = export_stage(recipe, out or Path("results/export-rl") / recipe.name)
    if json_:
        common.print_json({"folder": str(exported.folder), "rows": exported.rows, "left_out": exported.left_out_rows})
        return
    left_out = f", {exported.left_out_rows:,} left out" if exported.left_out_rows else ""
    print(f"{exported.rows:,} rows{left_out}, reward functions and settings in {exported.folder} (see its {README})")
