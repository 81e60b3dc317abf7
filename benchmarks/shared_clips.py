"""Questions a second with and without reuse of what questions about the same clips share.

    python benchmarks/shared_clips.py [--clips 2] [--batch 16] [--rounds 3] [--dtype float32]

Work of ACE's shape (15 questions about every clip: five hypotheses, three verdicts) and of CLE's (three), in the
order that the adapter advises, the published network under the paper's protocol: each question has the clip and
a spare one, the prompt that CLE words, and answers as long as a verdict (8 tokens). Clips are decoded, and their
log-mels made, beforehand: the runner does that once a clip, on threads of its own, either way.
With and without reuse (`cache_mb=0`) take turns; medians. The answers are compared.
"""

import argparse
import statistics
import time
from dataclasses import replace

import torch
from _published import TEXTS, clip, network

from alm_bench.core import CACHE_MB, Decoding
from alm_bench.core.device import pick_dtype
from alm_bench.mellow.inference import Answerer, Question
from alm_bench.mellow.prompt import PROTOCOLS

SHAPES = {"ACE": 15, "CLE": 3}
LONGEST = 8
OPTIONS = "a) it is definitely true b) it is definitely false c) it is plausible d) i cannot determine"


def questions(answerer: Answerer, clips: int, each: int) -> list[Question]:
    asked = []
    for number in range(clips):
        first, second = (answerer.encode_clip(clip(2 * number + place)) for place in range(2))
        for place in range(each):
            hypothesis = TEXTS[(number + place) % len(TEXTS)][: 60 + 5 * place]
            prompt = f'based on the audio, what can be said about the hypothesis - "{hypothesis}"? {OPTIONS}'
            asked.append(Question(f"{number}-{place}", prompt, first, second))
    return asked


def answers(answerer: Answerer, asked: list[Question], batch: int) -> tuple[float, list[str]]:
    started = time.perf_counter()
    texts = [
        answer.text
        for start in range(0, len(asked), batch)
        for answer in answerer.answer(asked[start : start + batch], Decoding(max_new_tokens=LONGEST))
    ]
    return time.perf_counter() - started, texts


def main(clips: int, batch: int, rounds: int, dtype: str) -> None:
    loaded = network()
    config = loaded.model.config
    loaded.model.config = replace(config, prompt=replace(config.prompt, stop=config.lm.vocabulary - 1))
    print("| work | questions | without reuse, questions/s | with reuse, questions/s | ratio | answers equal |")
    print("|---|---|---|---|---|---|")
    one = Answerer(loaded, PROTOCOLS["paper"], torch.device("cpu"), pick_dtype(dtype, "mellow"), cache_mb=0)
    for shape, each in SHAPES.items():
        asked = questions(one, clips * (1 if each > 5 else 5), each)
        answers(one, asked[:batch], batch)
        times: dict[bool, list[float]] = {False: [], True: []}
        texts: dict[bool, list[str]] = {}
        for _ in range(rounds):
            for reuse in (False, True):
                one.reset_cache(CACHE_MB if reuse else 0)
                taken, texts[reuse] = answers(one, asked, batch)
                times[reuse].append(taken)
        slow, fast = (len(asked) / statistics.median(times[reuse]) for reuse in (False, True))
        same = sum(a == b for a, b in zip(texts[False], texts[True], strict=True))
        print(f"| {shape} | {len(asked)} | {slow:.2f} | {fast:.2f} | {fast / slow:.2f} | {same} of {len(asked)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    asked = parser.parse_args()
    main(asked.clips, asked.batch, asked.rounds, asked.dtype)
