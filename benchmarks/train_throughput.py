"""Samples a second of the training loop against bare forward, backward and step on the same batches, in one run.

    python benchmarks/train_throughput.py [--rows 1200] [--steps 20] [--rounds 4]

Prints one markdown row a stage of the bundled model's recipe: the ratio is what the loop costs (1 is nothing).
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from alm_bench.train.config import load_config
from alm_bench.train.loop import Stage, Trainer
from alm_bench.train.setup import prepare_training


def bare(stage: Stage, steps: range, trainer: Trainer) -> float:
    """Seconds of the model's own work on the batches of `steps`, made beforehand."""
    batches = [batch for step in steps for batch in trainer.build_micro_batches(stage, step)]
    started = time.perf_counter()
    for batch in batches:
        loss = stage.objective(batch) / batch.units
        trainer.accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(stage.parameters, stage.clipping.limit)
        stage.optimizer.step()
        stage.optimizer.zero_grad()
    return time.perf_counter() - started


def looped(stage: Stage, steps: range, trainer: Trainer) -> float:
    """Seconds of the loop on the same steps, collation, learning rate and log entry included."""
    started = time.perf_counter()
    for step in steps:
        trainer.folder.log(trainer.step(stage, step))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = load_config("mellow-mini", {"data.0.rows": str(asked.rows), "validation": "[]"})
        trainer = Trainer(
            replace(config, out=Path(folder)),
            prepare_training(config, Path(folder), lambda *_: None),
            lambda entry: None,
        )
        trainer.folder.open(config, fresh=False)
        print("| stage | bare, samples/s | loop, samples/s | ratio (median) |\n|---|---|---|---|")
        for number, recipe in enumerate(config.stage):
            stage = trainer.set_up_stage(number)
            looped(stage, range(3), trainer)  # warm-up
            figures = []
            for turn in range(asked.rounds):
                steps = range(turn * asked.steps, (turn + 1) * asked.steps)
                samples, ways = recipe.batch * asked.steps, (bare, looped)
                bare(stage, steps, trainer)  # the shapes of these batches are new to both then
                taken = {way: way(stage, steps, trainer) for way in (ways if turn % 2 else ways[::-1])}
                figures.append((samples / taken[bare], samples / taken[looped]))
            ratio = statistics.median(loop / alone for alone, loop in figures)
            alone, loop = (statistics.median(side) for side in zip(*figures, strict=True))
            print(f"| {recipe.name} | {alone:.0f} | {loop:.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
