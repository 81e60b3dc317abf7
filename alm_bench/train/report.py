"""Reports of a training run: plot of the losses, model card, TensorBoard files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from alm_bench.core.files import write_atomically
from alm_bench.mellow.model import Mellow
from alm_bench.reports import Block, Heading, Picture, Row, Table, Text, render
from alm_bench.reports.blocks import build_text_columns
from alm_bench.reports.plots.charts import Chart, LineChart
from alm_bench.reports.plots.files import encode_picture
from alm_bench.reports.plots.svg import draw_panels
from alm_bench.train.batches import Corpus
from alm_bench.train.config import LoraConfig, TrainConfig
from alm_bench.train.mixture import list_rows
from alm_bench.train.pass_rates import (
    build_histogram,
    build_order_chart,
    get_pass_rates,
    select_by_pass_rate,
    uses_pass_rates,
)
from alm_bench.train.sources import Source

Entry = Mapping[str, Any]
"""One entry of the training log."""


def build_loss_charts(log: Sequence[Entry]) -> list[LineChart]:
    """Return one chart per stage of the training and validation loss over the steps. Losses of different objectives are
    not comparable, so that stages have axes of their own."""
    charts = []
    for stage in sorted({entry["stage"] for entry in log}):
        entries = [entry for entry in log if entry["stage"] == stage and entry["loss"] is not None]
        if not entries:
            continue
        lines = {"training": "loss", "validation": "validation_loss"}
        series = [
            (name, [(float(entry["step"]), float(entry[key])) for entry in entries if entry.get(key) is not None])
            for name, key in lines.items()
        ]
        shown = [(name, points) for name, points in series if points]
        logarithmic = all(value > 0 for _, points in shown for _, value in points)
        charts.append(LineChart(f"loss-{stage}", entries[0]["name"], "step", "loss (nats)", shown, logarithmic))
    return charts


def plot_losses(log: Sequence[Entry], path: Path) -> None:
    """Plot the losses of all stages, in two columns, and save the picture as `path`. Raises StoreError."""
    if charts := build_loss_charts(log):
        write_atomically(path, encode_picture(draw_panels(f"Losses of {path.parent.name}", charts, columns=2), "png"))


def build_model_card(config: TrainConfig, model: Mellow, sources: Sequence[Source], log: Sequence[Entry]) -> str:
    """Return the model card (README.md) of the weights: network, training data, recipe and losses."""
    data: list[Row] = [
        [source.config.name, source.config.split, len(source.rows), str(source.config.weight), len(source.missing)]
        for source in sources
    ]
    recipe: list[Row] = [
        [
            stage.name,
            stage.objective,
            ", ".join(stage.train) + (" (silent)" if stage.silent else ""),
            sum(1 for entry in log if entry["stage"] == number) and _find_last_entry(log, number)["step"] + 1,
            stage.batch,
            f"{stage.optimizer}, {stage.lr:g}, {stage.schedule}",
            f"{_find_last_entry(log, number)['loss']:.4f}",
            _format_validation_loss(log, number),
        ]
        for number, stage in enumerate(config.stage)
    ]
    divisions = [line for entry in log for line in _describe_rows(entry)]
    answered = [entry["answered"] for entry in log if "answered" in entry]
    scores: list[Row] = [[part, f"{100 * share:.1f}"] for part, share in (answered[-1] if answered else {}).items()]
    columns = ["stage", "objective", "trained", "steps", "batch", "optimiser", "loss", "validation loss"]
    blocks: list[Block] = [
        Heading(config.name, level=1),
        Text(
            f"A Mellow network (arXiv 2503.08540) of {model.count_parameters():,} parameters, trained by alm-bench "
            f"with the recipe {config.name}, seed {config.seed}, precision {config.precision}."
        ),
        Text(_describe_network(config, model)),
        Heading("Data"),
        Table(build_text_columns("file", "split", "rows", "weight", "clips missing"), data),
        *map(Text, divisions),
        Heading("Recipe"),
        Table(build_text_columns(*columns), recipe),
        Picture("losses", "loss.png"),
    ]
    if scores:
        blocks += [Heading("Validation rows answered word for word"), Table(build_text_columns("part", "%"), scores)]
    else:
        blocks.append(Text("No validation rows were answered; answer_every in the recipe asks for it."))
    blocks += [Heading("Licence"), Text(LICENCE)]
    return render(blocks, "markdown") + "\n"


LICENCE = (
    "MIT, as alm-bench, for weights trained on the demo world alone. Weights trained on other data, or started from "
    "other weights, carry their terms."
)
"""Licence section of the model card."""


def _describe_rows(entry: Entry) -> list[str]:
    """Return sentences about the rows of a stage, from its first log entry: each division into training and validation
    rows, and the selection by pass rate."""
    selection = [f"{entry['name']}: {entry['selection']}."] if "selection" in entry else []
    return [*map(_format_holdout, entry.get("holdout", ())), *selection]


def _format_holdout(holdout: Mapping[str, Any]) -> str:
    """Return the division of a source into training and validation rows, from the log, in one sentence."""
    held_out = holdout["clips_held_out"]
    return (
        f"{holdout['source']}: {holdout['rows']:,} rows on {holdout['clips']:,} clips were trained on, "
        f"{holdout['rows_held_out']:,} on {len(held_out):,} other clips held out (fold {holdout['fold']} of "
        f"{holdout['folds']}, seed {holdout['seed']})."
    )


def _describe_network(config: TrainConfig, model: Mellow) -> str:
    """Return one paragraph about the network: its sizes, its low-rank adapters, and the domains that it is trained
    on."""
    shape = asdict(model.config)
    return (
        f"Encoder {shape['encoder']['kind']}, width {model.config.encoder.width}; language model "
        f"{shape['lm']['kind']}, {shape['lm']['layers']} layers of width {shape['lm']['width']}; "
        f"{shape['prompt']['layout']} prompt layout; domains: {', '.join(config.trained_on) or 'not stated'}."
        + (f" Low-rank adapters, merged: {_describe_lora(config.lora)}." if config.lora is not None else "")
    )


def _describe_lora(lora: LoraConfig) -> str:
    """Return a short description of the low-rank adapters: rank, alpha and layers."""
    return f"rank {lora.r}, alpha {lora.alpha}, on {', '.join(lora.targets)}"


def _find_last_entry(log: Sequence[Entry], stage: int) -> Entry:
    """Return the last log entry of a stage."""
    return [entry for entry in log if entry["stage"] == stage][-1]


def _format_validation_loss(log: Sequence[Entry], stage: int) -> str:
    """Return the last validation loss of a stage as text, `-` if there is none."""
    losses = [entry["validation_loss"] for entry in log if entry["stage"] == stage and "validation_loss" in entry]
    return f"{losses[-1]:.4f}" if losses else "-"


def plot_selections(config: TrainConfig, corpus: Corpus, log: Sequence[Entry], path: Path) -> bool:
    """Plot the pass rates of the rows of each stage that selects or orders rows by pass rate: a histogram, and the mean
    pass rate of each step. Save the picture as `path` and return True, or return False if there is no such stage.
    Raises StoreError."""
    charts: list[Chart] = []
    for number, stage in enumerate(config.stage):
        if uses_pass_rates(stage):
            rates = get_pass_rates(corpus)[list_rows(corpus, stage)]
            held = select_by_pass_rate(rates, stage)
            charts.append(build_histogram(f"{stage.name}: rows by pass rate", rates.tolist(), held.tolist()))
            if (chart := build_order_chart(log, number)) is not None:
                charts.append(chart)
    if charts:
        title = f"Rows of {path.parent.name} by pass rate"
        write_atomically(path, encode_picture(draw_panels(title, charts, columns=2), "png"))
    return bool(charts)


def plot_pass_rates(rates: Sequence[float], title: str, path: Path) -> None:
    """Plot a histogram of pass rates and save the picture as `path`. Raises StoreError."""
    chart = build_histogram("Rows by pass rate", rates)
    write_atomically(path, encode_picture(draw_panels(title, [chart]), "png"), "--to")


def write_report(folder: Path, config: TrainConfig, model: Mellow, corpus: Corpus, log: Sequence[Entry]) -> None:
    """Write the pictures of losses and rows and the model card into a run's folder."""
    plot_losses(log, folder / "loss.png")
    plot_selections(config, corpus, log, folder / "rows.png")
    write_atomically(folder / "README.md", build_model_card(config, model, corpus.sources, log))


class TensorBoardWriter:
    """Writer of TensorBoard files, with one tag per stage and metric. Use it as a context manager. The files are opened
    at the first entry. They must be closed because the writer runs a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tensorboard"
        self._writer: Any = None

    def __enter__(self) -> "TensorBoardWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def add(self, entry: Entry) -> None:
        """Write the metrics of a log entry."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder))
        for name, value in entry.items():
            if isinstance(value, int | float) and name not in ("stage", "step"):
                self._writer.add_scalar(f"{entry['name']}/{name}", value, entry["step"])
        for part, share in entry.get("answered", {}).items():
            self._writer.add_scalar(f"{entry['name']}/answered/{part}", share, entry["step"])
