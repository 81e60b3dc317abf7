"""`alm-bench train difficulty`: measure how often a model answers the rows of a recipe right."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alm_bench.cli import common
from alm_bench.cli.completion import build_choices_completer, complete_models, complete_recipes

if TYPE_CHECKING:
    from alm_bench.train.config import TrainConfig
    from alm_bench.train.difficulty import RowMeasurement


def difficulty(
    config: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", help="Name of a shipped recipe, or a .toml file.", autocompletion=complete_recipes
        ),
    ],
    draws: Annotated[int, typer.Option(min=1, metavar="K", help="Sampled answers per row.")] = 8,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="M", help=f"{common.NAMES_OF_MODELS} [default: the recipe's model]", autocompletion=complete_models
        ),
    ] = None,
    model_arg: common.ModelArg = None,
    device: common.Device = "auto",
    dtype: common.Dtype = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="Temperature of the draws. [default: the GRPO stage's, or 1]")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(metavar="P", help="Nucleus of the draws. [default: the GRPO stage's, or 1]")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Token limit. [default: the GRPO stage's, or 64]")
    ] = None,
    prompt: Annotated[
        str,
        typer.Option(
            metavar="data|stage",
            help="Ask with the prompts of the data, or with the template of the GRPO stage.",
            autocompletion=build_choices_completer("data", "stage"),
        ),
    ] = "data",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the first draw.")] = 0,
    reward: Annotated[
        str, typer.Option(metavar="NAME", help="Reward by which a draw is right: it is, if the reward is 1.")
    ] = "parsed",
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N rows.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Rows answered together.")] = 16,
    set_: common.RecipeChanges = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Table to write. [default: results/difficulty/RECIPE-MODEL.csv]"),
    ] = None,
    json_: common.Json = False,
) -> None:
    """Measure how often a model answers each training row right.

    The pass rate of a row is the share of sampled answers that are right. Rows are those of the recipe's GRPO stage, or
    all rows if it has none.

    Writes a table, which a recipe names as `pass_rates` of its data. The same command resumes.
    """
    from alm_bench.cli.progress import CountProgress
    from alm_bench.core import Decoding, UsageError
    from alm_bench.core.files import get_cache_folder
    from alm_bench.core.options import check_choice, parse_pairs
    from alm_bench.train.config import load_config
    from alm_bench.train.difficulty import DrawnAnswerStore, build_pass_rates_path, measure_pass_rates, write_pass_rates
    from alm_bench.train.grpo_config import GrpoConfig
    from alm_bench.train.measured_rows import find_measured_stage, read_measured_rows
    from alm_bench.train.report import plot_pass_rates

    recipe = load_config(config, parse_pairs(set_, "--set"))
    if to is not None and to.suffix.lower() != ".csv":
        raise UsageError(f"--to takes a .csv file, found {to}")
    stage = find_measured_stage(recipe)
    settings = GrpoConfig() if stage is None or stage.grpo is None else stage.grpo
    template = settings.prompt if check_choice(prompt, ("data", "stage"), "--prompt") == "stage" else ""
    decoding = Decoding(
        "nucleus",
        settings.max_new_tokens if max_new_tokens is None else max_new_tokens,
        settings.top_p if top_p is None else top_p,
        settings.temperature if temperature is None else temperature,
        seed,
    )
    decoding.check()
    rows = read_measured_rows(recipe, stage)[:limit]
    name, arguments = (model, model_arg) if model is not None else _get_recipe_adapter(recipe, model_arg)
    with common.open_model(name, arguments, device, dtype) as adapter, CountProgress("rows") as progress:
        store = DrawnAnswerStore(get_cache_folder("difficulty") / "draws.sqlite", adapter, decoding)
        with common.redirect_model_output():
            measured = measure_pass_rates(
                rows, adapter, decoding, draws, store, batch_size, progress.update, reward, template
            )
        label = adapter.identity.label
    path = to or build_pass_rates_path(recipe.name, label)
    write_pass_rates(measured, path)
    plot_pass_rates([one.pass_rate for one in measured], f"{recipe.name} · {label}", path.with_suffix(".png"))
    _print_result(measured, path, label, json_)


def _get_recipe_adapter(recipe: "TrainConfig", model_arg: Sequence[str] | None) -> tuple[str, list[str]]:
    """Return the name of the adapter that loads the initial weights of a recipe, and its options (`key=value`).

    Raises UsageError for a recipe that starts from untrained weights.
    """
    from alm_bench.core import UsageError

    if recipe.model.init is None:
        raise UsageError(
            f"{recipe.name} trains a new network, which answers nothing yet: name a --model, or set model.init"
        )
    return "mellow", [f"checkpoint={recipe.model.init}", *(model_arg or ())]


def _print_result(measurements: "Sequence[RowMeasurement]", path: Path, label: str, json_: bool) -> None:
    """Print how many rows have 0, 1, 2, ... right answers among the sampled ones, and the path of the table.

    `label` names the model.
    """
    from alm_bench.train.difficulty import count_rows_by_right_draws

    counts = count_rows_by_right_draws(measurements)
    mean = sum(one.pass_rate for one in measurements) / len(measurements)
    if json_:
        common.print_json({"table": str(path), "model": label, "mean": mean, "rows_by_right_draws": counts})
        return
    draws = len(counts) - 1
    print(f"{label}: {len(measurements):,} rows, {draws} draws each, mean pass rate {mean:.3f}")
    print("rows by right draws: " + ", ".join(f"{right}/{draws}: {count:,}" for right, count in enumerate(counts)))
    print(f'table in {path}; name it in the recipe: [[data]] pass_rates = "{path}"')
