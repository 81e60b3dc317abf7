"""Mellow's speed on a GPU: answers per second of our engine against the public loop and transformers, and training.

    benchmarks/gpu.sh [--device cuda] [--dtype bfloat16] [--batch 64] [--tokens 64] [--train-batch 32] [--rounds 3]

A network of the published shape with random weights (speed does not depend on them), two clips per question, and no
answer that stops early. Rows:

- our engine, from waveforms; with the log-mels made ahead, as the threads of a run do; with torch.compile; with
  deterministic algorithms alone (`--model-arg deterministic=true`), and whether two runs then give the same tokens;
- the public loop, which computes all positions again for every token, and transformers' `generate` with its cache, both
  from waveforms and in the same precision;
- training steps (forward, backward, AdamW) with a frozen encoder, as the network was trained, under autocast.

Answers per second are medians of the rounds after one warm-up; the public loop is run once. Rows that the time does not
suffice for are marked, and so are rows that fail, with the reason.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from _published import clip, prompt
from mellow_generate import naive, transformers_cached
from tokenizers import Tokenizer

from alm_bench.core import AlmBenchError, Decoding
from alm_bench.core.device import DTYPES, pick_device, pick_dtype
from alm_bench.core.errors import get_first_line
from alm_bench.mellow.checkpoint import MINI, TOKENIZER, LoadedNetwork
from alm_bench.mellow.config import PUBLISHED, EncoderConfig, LanguageModelConfig, MellowConfig
from alm_bench.mellow.inference import Answerer, Question, use_deterministic_algorithms
from alm_bench.mellow.model import Mellow, build_untrained
from alm_bench.mellow.prompt import PROTOCOLS

LIMIT = 420
"""Seconds after which no further row is begun. `gpu.sh` ends the program after 480."""

TINY = MellowConfig(
    encoder=EncoderConfig(embed=8, depths=(1, 1, 1, 1), heads=(1, 2, 2, 4), classes=12),
    lm=LanguageModelConfig(vocabulary=1536, width=48, layers=2, heads=4, kv_heads=2, mlp=64, positions=1024),
)
"""A network for trying the program out in seconds on a CPU."""


@dataclass
class Table:
    """Collects rows, each within the time limit, and prints them."""

    device: torch.device
    rounds: int
    started: float = field(default_factory=time.perf_counter)
    rows: list[tuple[str, float | None, str, str]] = field(default_factory=list)

    def add(self, name: str, unit: str, count: int, work: Callable[[], Any], rounds: int | None = None) -> Any:
        """Measure `work`, which does `count` units, and add a row. Return the result of `work`; None if it failed."""
        if time.perf_counter() - self.started > LIMIT:
            self.rows.append((name, None, unit, "not measured: out of time"))
            return None
        try:
            result = work()  # warm-up
            taken = []
            for _ in range(rounds or self.rounds):
                self._synchronise()
                begun = time.perf_counter()
                result = work()
                self._synchronise()
                taken.append(time.perf_counter() - begun)
        except (AlmBenchError, RuntimeError) as error:
            self.rows.append((name, None, unit, f"failed: {get_first_line(error)[:150]}"))
            return None
        self.rows.append((name, count / statistics.median(taken), unit, ""))
        return result

    def note(self, text: str) -> None:
        """Add a remark to the last row, unless it has a reason why there is no figure."""
        name, value, unit, remark = self.rows[-1]
        self.rows[-1] = (name, value, unit, remark or text)

    def print(self, loop: str) -> None:
        """Print the table; ratios are to the row named `loop`."""
        figures = {name: value for name, value, *_ in self.rows}
        print("| what | figure | unit | ratio to the public loop | remark |\n|---|---|---|---|---|")
        for name, value, unit, remark in self.rows:
            base = figures.get(loop)
            ratio = f"{value / base:.1f}" if value and base and unit == "answers/s" else "-"
            print(f"| {name} | {'-' if value is None else f'{value:.1f}'} | {unit} | {ratio} | {remark or '-'} |")

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def network(tiny: bool) -> LoadedNetwork:
    """Return a network whose answers do not stop before the token limit: the stop token's logit is always 0."""
    model = build_untrained(TINY if tiny else PUBLISHED)
    stop = model.config.lm.vocabulary - 1
    model.config = replace(model.config, prompt=replace(model.config.prompt, stop=stop))
    with torch.no_grad():
        model.lm.get_input_embeddings().weight[stop] = 0  # type: ignore[operator,index]
    return LoadedNetwork(model, Tokenizer.from_file(str(MINI / TOKENIZER)), "random", "")


def share_equal(rows: Sequence[Sequence[int]] | None, others: Sequence[Sequence[int]] | None) -> str:
    """Say how many tokens two engines have in common: in half precision, near-ties are decided by rounding."""
    if rows is None or others is None:
        return "-"
    pairs = [x == y for row, other in zip(rows, others, strict=True) for x, y in zip(row, other, strict=True)]
    return f"{sum(pairs) / len(pairs):.1%} of the tokens as ours"


def measure_answers(table: Table, found: LoadedNetwork, dtype: torch.dtype, batch: int, tokens: int) -> None:
    """Add the rows of generation. `found` stays on the CPU in float32; every engine gets a copy."""
    questions = [Question(str(i), prompt(i), clip(2 * i), clip(2 * i + 1)) for i in range(batch)]
    decoding = Decoding(max_new_tokens=tokens)

    def engine(compiled: bool = False) -> Answerer:
        copy = replace(found, model=deepcopy(found.model))
        return Answerer(copy, PROTOCOLS["paper"], table.device, dtype, cache_mb=0, compiled=compiled)

    def answer(answerer: Answerer, asked: Sequence[Question]) -> list[list[int]]:
        return [list(row.tokens) for row in answerer.generate_tokens(asked, decoding)]

    ours = engine()
    written = table.add("ours, from waveforms", "answers/s", batch, lambda: answer(ours, questions))
    ready = [replace(q, first=ours.encode_clip(q.first), second=ours.encode_clip(q.second)) for q in questions]  # type: ignore[arg-type]
    table.add("ours, log-mels made ahead", "answers/s", batch, lambda: answer(ours, ready))
    measure_baselines(table, found, dtype, questions, tokens, written)
    compiled = table.add("ours, torch.compile", "answers/s", batch, compiled_work(engine, answer, ready))
    table.note(share_equal(compiled, written))


def measure_baselines(
    table: Table,
    found: LoadedNetwork,
    dtype: torch.dtype,
    questions: Sequence[Question],
    tokens: int,
    written: Sequence[Sequence[int]] | None,
) -> None:
    """Add the rows of the public loop and of transformers. `written`: the tokens of our engine."""
    model = deepcopy(found.model)
    model.cast(dtype)
    model.to(table.device)

    def loop() -> Any:
        return naive(model, found.tokenizer, questions, tokens)

    def cached() -> Any:
        return transformers_cached(model, found.tokenizer, questions, tokens)[1]

    for name, work, rounds in (("public loop", loop, 1), ("transformers, cached", cached, None)):
        rows = table.add(name, "answers/s", len(questions), work, rounds)
        table.note(share_equal(rows, written))


def compiled_work(engine: Callable[[bool], Answerer], answer: Callable[..., Any], asked: Any) -> Callable[[], Any]:
    """Return the work of a compiled engine, which is built at the first call: a CPU refuses it."""
    made: list[Answerer] = []

    def work() -> Any:
        if not made:
            made.append(engine(True))
        return answer(made[0], asked)

    return work


def measure_training(table: Table, found: LoadedNetwork, dtype: torch.dtype, batch: int) -> None:
    """Add the row of training steps."""
    model: Mellow = deepcopy(found.model).to(table.device).train()
    model.encoder.requires_grad_(False).eval()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    waves = torch.stack([torch.from_numpy(clip(i)) for i in range(2 * batch)]).to(table.device)
    layout = model.config.prompt
    prompts = [PROTOCOLS["paper"].encode_prompt(prompt(i), found.tokenizer, layout) for i in range(batch)]
    answers = [[3 + (i + k) % 1000 for k in range(40)] for i in range(batch)]

    def step() -> float:
        with torch.autocast(table.device.type, dtype, enabled=dtype != torch.float32):
            heard = model.encode_audio(waves)
            loss, units = model.compute_answer_loss(
                model.build_sequences(heard[:batch], list(heard[batch:]), prompts), answers
            )
        (loss / units).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    table.add(f"training step, batch {batch}", "samples/s", batch, step)


def measure_deterministic(table: Table, found: LoadedNetwork, dtype: torch.dtype, batch: int, tokens: int) -> None:
    """Add the row of deterministic algorithms. They stay switched on in this process."""
    use_deterministic_algorithms()
    answerer = Answerer(
        replace(found, model=deepcopy(found.model)), PROTOCOLS["paper"], table.device, dtype, cache_mb=0
    )
    questions = [Question(str(i), prompt(i), clip(2 * i), clip(2 * i + 1)) for i in range(batch)]
    seen: list[list[tuple[int, ...]]] = []

    def work() -> None:
        seen.append([row.tokens for row in answerer.generate_tokens(questions, Decoding(max_new_tokens=tokens))])

    table.add("ours, deterministic, from waveforms", "answers/s", batch, work)
    table.note("all runs equal" if all(one == seen[0] for one in seen) else "runs DIFFER")


def main(arguments: Sequence[str] | None = None) -> None:
    # cuBLAS reads this once, before its first product; the deterministic row, the last one, needs it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16", choices=DTYPES)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--train-batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a tiny network, to try the program out")
    asked = parser.parse_args(arguments)
    try:
        device, dtype = pick_device(asked.device), pick_dtype(asked.dtype, "mellow")
    except AlmBenchError as error:
        parser.error(str(error))
    table, found = Table(device, asked.rounds), network(asked.tiny)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {asked.dtype}, batch {asked.batch}, {asked.tokens} tokens per answer\n")
    measure_answers(table, found, dtype, asked.batch, asked.tokens)
    measure_training(table, found, dtype, asked.train_batch)
    measure_deterministic(table, found, dtype, asked.batch, asked.tokens)
    table.print("public loop")
    print(f"\n{time.perf_counter() - table.started:.0f} s in all")


if __name__ == "__main__":
    main()
