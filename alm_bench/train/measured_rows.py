"""Training rows whose difficulty is measured: those of the recipe's last stage that uses pass rates or trains by
reinforcement learning, or all rows if there is no such stage."""

import numpy as np
import torch

from alm_bench.core import UsageError
from alm_bench.train.batches import Corpus, collect_clips
from alm_bench.train.config import StageConfig, TrainConfig
from alm_bench.train.features import LogMels
from alm_bench.train.mixture import list_rows
from alm_bench.train.pass_rates import uses_pass_rates
from alm_bench.train.setup import read_training_sources
from alm_bench.train.sources import Row


def find_measured_stage(config: TrainConfig) -> StageConfig | None:
    """Return the last stage that uses pass rates or has the objective `grpo`; None if a recipe has none."""
    stages = [stage for stage in config.stage if uses_pass_rates(stage) or stage.objective == "grpo"]
    return stages[-1] if stages else None


def read_corpus(config: TrainConfig) -> Corpus:
    """Read the training rows of a recipe, without those that are held out, as a corpus without log-mels. Raises
    UsageError if it has none."""
    sources, _, _ = read_training_sources(config)
    if not any(source.rows for source in sources):
        raise UsageError(f"{config.name}: its data has tags only, and no rows to answer")
    return Corpus(sources, collect_clips(sources), LogMels(np.zeros((0, 1, 1), np.float16), torch.zeros(1, 1)))


def read_measured_rows(config: TrainConfig, stage: StageConfig | None) -> list[Row]:
    """Return the rows of a stage's `mix`, whatever their pass rates; all rows of the recipe if `stage` is None. Raises
    UsageError and DataError."""
    corpus = read_corpus(config)
    numbers = range(sum(corpus.sizes)) if stage is None else list_rows(corpus, stage).tolist()
    located = [corpus.locate_row(number) for number in numbers]
    return [source.rows[index] for source, index in located]
