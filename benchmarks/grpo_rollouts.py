"""Draws per second of groups that share their clips and prompt, against independent generations of the same answers;
and the peak memory of a training step.

    python benchmarks/grpo_rollouts.py [--network published|mini] [--group 8] [--tokens 16 64 256] [--threads 1]

Weights are random, and no answer stops early, so that every draw has the same length. Times are seconds of processor
time, which other programs on the machine hardly change; the ratios are those of one run.
"""

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from alm_bench.core import Decoding
from alm_bench.mellow.checkpoint import load
from alm_bench.mellow.config import PUBLISHED
from alm_bench.mellow.generate import Context, Engine
from alm_bench.mellow.model import Mellow, build_untrained
from alm_bench.train.log_probabilities import compute_log_probs
from alm_bench.train.rollouts import draw_groups


def build_network(name: str) -> Mellow:
    """Build a network of the published or the bundled shape with random weights, whose stop token is never drawn."""
    config = PUBLISHED if name == "published" else load("mini").model.config
    model = build_untrained(replace(config, prompt=replace(config.prompt, stop=config.lm.vocabulary - 1)))
    # A row of the tied embedding table is the stop token's row of the output layer, too.
    with torch.no_grad():
        model.lm.get_input_embeddings().weight[config.lm.vocabulary - 1] = 0
    return model


def build_contexts(model: Mellow, count: int) -> list[torch.Tensor]:
    """Return random embeddings with the lengths of questions: (prefix tokens, D) each."""
    config = model.config
    both = config.prompt.layout == "fixed"
    length = config.prefix_tokens if both else config.audio_tokens + 1 + 45
    generator = torch.Generator().manual_seed(0)
    return [0.02 * torch.randn(length, config.lm.width, generator=generator) for _ in range(count)]


def measure(action: Callable[[], object]) -> float:
    """Return the processor time of `action` in seconds."""
    started = time.process_time()
    action()
    return time.process_time() - started


def encode(model: Mellow) -> None:
    """Encode the clips of one question: two in the fixed layout, one in the compact one."""
    count = 2 if model.config.prompt.layout == "fixed" else 1
    with torch.inference_mode():
        model.encode_audio(torch.zeros(count, model.config.encoder.samples))


def print_speed(model: Mellow, group: int, tokens: list[int]) -> None:
    """Print draws per second by number of tokens: of the shared group, and of independent generations one by one
    (with and without the encoder) and as one batch."""
    encoder = measure(lambda: encode(model))
    columns = [
        "new tokens",
        "shared group",
        "one by one",
        "one by one, each with the encoder",
        f"as a batch of {group}",
    ]
    print("| " + " | ".join([*columns, "shared / one by one", "shared / batch"]) + " |\n" + "|---" * 7 + "|")
    for count in tokens:
        shared, single, batch = measure_seconds(model, group, count)
        rates = " | ".join(f"{group / seconds:.2f}" for seconds in (shared, single, single + group * encoder, batch))
        print(f"| {count} | {rates} | {single / shared:.1f} | {batch / shared:.1f} |", flush=True)


def measure_seconds(model: Mellow, group: int, tokens: int) -> tuple[float, float, float]:
    """Return the seconds of a group of draws: shared, one by one (from two of them), and as a batch."""
    (context,) = build_contexts(model, 1)
    items, engine = [str(draw) for draw in range(group)], Engine(model)
    decoding = Decoding("nucleus", tokens, 1.0, 1.0)
    alone = Context(None, context)
    shared = measure(lambda: draw_groups(model, [context], [items], decoding))
    two = measure(lambda: [engine.generate([alone], [item], decoding) for item in items[:2]])
    batch = measure(lambda: engine.generate([alone] * group, items, decoding))
    return shared, two * group / 2, batch


def train_step(
    network: str, rows: int, group: int, tokens: int, recompute: bool, queue: "multiprocessing.Queue[int]"
) -> None:
    """Compute the gradient of one micro-batch, and report the additional peak memory in MB."""
    torch.set_num_threads(1)
    model = build_network(network)
    contexts = build_contexts(model, rows)
    if recompute:
        model.lm.gradient_checkpointing_enable()
        model.lm.train()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers = [[[draw + 1] * tokens for draw in range(group)] for _ in range(rows)]
    compute_log_probs(model, contexts, answers, 1.0).values.sum().backward()
    queue.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)


def print_memory(network: str, group: int, tokens: int, most: int) -> None:
    """Print the additional peak memory of the gradient of 1, 2, ... rows."""
    context = multiprocessing.get_context("spawn")
    print("| rows per micro-batch | peak memory, MB | with gradient_checkpointing, MB |\n|---|---|---|")
    rows = 1
    while rows <= most:
        peaks = []
        for recompute in (False, True):
            queue = context.Queue()
            process = context.Process(target=train_step, args=(network, rows, group, tokens, recompute, queue))
            process.start()
            peaks.append(queue.get())
            process.join()
        print(f"| {rows} | {peaks[0]:,} | {peaks[1]:,} |", flush=True)
        rows *= 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=["published", "mini"], default="published")
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory-rows", type=int, default=2, help="largest micro-batch whose memory is measured")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = build_network(asked.network)
    print_speed(model, asked.group, asked.tokens)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    weights = sum(each.numel() for each in model.parameters()) * 4 // 2**20
    print(f"\npeak memory {peak:,} MB, of which the weights, as trained and as packed: {2 * weights:,} MB\n")
    print_memory(asked.network, asked.group, asked.tokens[0], asked.memory_rows)


if __name__ == "__main__":
    main()
