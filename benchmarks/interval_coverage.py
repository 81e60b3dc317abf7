"""How often a 95 % interval holds the true value, by simulation.

    python benchmarks/interval_coverage.py [--draws 5000]

Prints markdown rows: Wilson's interval for independent items, and, for 975 clips of 15 questions whose luck is shared
within a clip (the shape of ACE), the bootstrap over clips beside Wilson's interval over questions taken as independent.
"""

import argparse

import numpy as np

from alm_bench.core import Metric
from alm_bench.scoring.intervals import compute_share, compute_wilson_interval

CLIPS, QUESTIONS = 975, 15
SHARED = 4.0
"""Of the clips' own rates: beta distributed with this many pseudo-questions, a correlation of 0.2 within a clip."""


def holds(metric: Metric, truth: float) -> bool:
    return metric.low is not None and metric.high is not None and metric.low <= truth <= metric.high


def wilson(n: int, truth: float, draws: int, generator: np.random.Generator) -> float:
    hits = generator.binomial(n, truth, draws).tolist()
    found = {k: compute_wilson_interval(k, n) for k in set(hits)}
    return float(np.mean([holds(found[k], truth) for k in hits]))


def clustered(truth: float, draws: int, generator: np.random.Generator, clips: int = CLIPS) -> tuple[float, float]:
    """Coverage of the bootstrap over clips, and of Wilson's interval over questions."""
    names = np.repeat(np.arange(clips), QUESTIONS).tolist()
    right = [0, 0]
    for _ in range(draws):
        rates = generator.beta(SHARED * truth, SHARED * (1 - truth), clips)
        hits = (generator.random((clips, QUESTIONS)) < rates[:, None]).ravel()
        right[0] += holds(compute_share(hits.astype(float).tolist(), names), truth)
        right[1] += holds(compute_wilson_interval(int(hits.sum()), hits.size), truth)
    return right[0] / draws, right[1] / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5000)
    asked = parser.parse_args()
    generator = np.random.default_rng(0)
    print("| interval | items | true value | held, % |\n|---|---|---|---|")
    for n in (333, 1000):
        for truth in (0.1, 0.3, 0.5, 0.7, 0.9):
            print(f"| Wilson | {n} | {truth} | {100 * wilson(n, truth, asked.draws, generator):.1f} |", flush=True)
    for truth in (0.5, 0.9):
        over_clips, over_questions = clustered(truth, asked.draws, generator)
        shape = f"{CLIPS} clips x {QUESTIONS}"
        print(f"| bootstrap over clips | {shape} | {truth} | {100 * over_clips:.1f} |", flush=True)
        print(f"| Wilson, as if independent | {shape} | {truth} | {100 * over_questions:.1f} |", flush=True)


if __name__ == "__main__":
    main()
