"""Export of weights from the saved state of a training run, which may be unfinished."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from alm_bench.core import UsageError
from alm_bench.core.errors import format_similar_names
from alm_bench.mellow.checkpoint import CONFIG as NETWORK
from alm_bench.mellow.checkpoint import WEIGHTS, build_uninitialised_network, read_folder_tokenizer, save_folder
from alm_bench.mellow.model import Mellow
from alm_bench.train.checkpoint import (
    BEST,
    CONFIG,
    EXPORTED,
    LAST,
    STATE,
    Position,
    TrainingFolder,
    read_config_table,
    translate_state_errors,
)
from alm_bench.train.config import OUT, TrainConfig, build_config
from alm_bench.train.lora import add_lora, merge_lora
from alm_bench.train.setup import build_network


def export_weights(run: Path, to: Path | None = None, dtype: torch.dtype | None = None) -> tuple[Path, Position]:
    """Write the weights in a run's saved state as the Mellow folder `to`, by default `exported` in the run's folder.

    If the recipe has a moving average, its weights are exported. Low-rank adapters are merged. The result equals the
    folder `last` of a run that ends at this state. Returns the folder and the position of the state. Raises UsageError
    if the folder has no state, StoreError, or CheckpointError.
    """
    table = read_config_table(run)
    if table is None:
        raise UsageError(f"{run} is no folder of a training run (it has no {CONFIG} of one)")
    config = build_config(table, str(run / CONFIG))
    saved = TrainingFolder(run).load_state()
    if saved is None:
        raise UsageError(f"{run} has no saved state to export{_suggest_remedy(run)}")
    position, values = saved
    model, tokenizer = _build_saved_network(run, config, sum(value.numel() for value in values["model"].values()))
    if config.lora is not None:
        add_lora(model, config.lora, config.seed)
    with translate_state_errors(run):
        model.load_state_dict(_select_weights(values))
    folder = to or run / EXPORTED
    save_folder(folder, merge_lora(model), tokenizer, dtype)
    return folder, position


def find_training_run(name: str, out: Path = OUT) -> Path:
    """Return the folder of a training run, given its path or its name below `out`. Raises UsageError if there is
    none."""
    for path in (Path(name), out / name):
        if (path / CONFIG).is_file():
            return path
    known = [file.parent.name for file in out.glob(f"*/{CONFIG}")]
    listed = format_similar_names(name, known, limit=6) if known else "none"
    raise UsageError(f"no training run {name!r} (no {CONFIG} there); runs in {out}: {listed}")


def _build_saved_network(run: Path, config: TrainConfig, element_count: int) -> tuple[Mellow, Tokenizer]:
    """Build the network of a saved state, and its tokenizer. `element_count`: total number of elements of the state's
    weights. States of the first version of this program contain no network config; the network is then built from the
    recipe."""
    state = run / STATE
    if not (state / NETWORK).is_file():
        return build_network(config.model, config.seed, config.trained_on)
    model = build_uninitialised_network(state, element_count)
    return model, read_folder_tokenizer(state, model.config)


def _select_weights(values: dict[str, Any]) -> dict[str, Any]:
    """Return the moving average of the weights if the state has one, else the weights."""
    if "average" not in values:
        return dict(values["model"])
    averaged: dict[str, Any] = values["average"]
    return {name.removeprefix("module."): value for name, value in averaged.items() if name.startswith("module.")}


def _suggest_remedy(run: Path) -> str:
    """Return the end of the error message for a run without a saved state."""
    if finished := [name for name in (LAST, BEST) if (run / name / WEIGHTS).is_file()]:
        return f"; finished weights are in {run / finished[0]}"
    return ": a run saves one every `save_every` steps and at the end of each stage; train on, or set save_every lower"
