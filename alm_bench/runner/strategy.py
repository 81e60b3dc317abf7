"""How a model is led to its answer: asked at once, or to describe first what it hears (arXiv 2503.08540, table 5)."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alm_bench.audio import content
from alm_bench.core import (
    Adapter,
    AudioPolicy,
    Decoding,
    Fits,
    Logs,
    OptionScores,
    Orders,
    Output,
    Prepares,
    Request,
    Scores,
    Strategy,
    UsageError,
    Wave,
)
from alm_bench.records.extra import COST, COUNTS, count, money

PROMPTS = Path(__file__).with_suffix(".toml")
OTHER_SET = "letters"


@dataclass(frozen=True, slots=True)
class DescribePrompt:
    """What is asked first about `one` clip or `two`, in how many tokens, and how the description stands before the
    question."""

    version: int
    one: str
    two: str
    answer: str
    max_new_tokens: int

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


def apply_strategy(adapter: Adapter, strategy: Strategy, prompts: str) -> Adapter:
    """The adapter under a strategy, in the words of the prompt set `prompts` (or of letters).

    Raises UsageError for an adapter that cannot describe what it hears.
    """
    if strategy == "plain":
        return adapter
    label = adapter.identity.label
    if getattr(adapter, "stored", False):
        raise UsageError(f"--strategy {strategy}: {label} gives stored answers, and describes nothing")
    if adapter.audio is None:
        raise UsageError(f"--strategy {strategy}: {label} hears nothing that it could describe")
    if isinstance(adapter, Fits):
        raise UsageError(f"--strategy {strategy}: {label} is fitted to options, and writes no descriptions")
    sets = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
    name = prompts if prompts in sets else OTHER_SET
    return CaptionFirst(adapter, name, DescribePrompt(**sets[name]))


class CaptionFirst:
    """An adapter whose model describes the clips, and then gets the question with its description before it.

    Descriptions are greedy. The same clips, as they were heard, are described once.
    """

    log_to: Callable[[Path], None]  # where the model's process says things
    order: Callable[[Sequence[Request]], Sequence[int]]  # where the model has an order
    prepare: Callable[[Wave], Any]  # where it makes something of a clip ahead of its turn
    loglikelihood: Callable[[Sequence[Request]], Sequence[OptionScores]]  # where it scores options

    def __init__(self, adapter: Adapter, name: str, prompt: DescribePrompt) -> None:
        self._adapter, self._prompt = adapter, prompt
        self._known: dict[str, str] = {}
        self.audio: AudioPolicy | None = adapter.audio
        self.delivery = getattr(adapter, "delivery", "by construction")
        self.listener = adapter
        self.pace = getattr(adapter, "pace", ())
        told = {"strategy": f"caption-first/{name}@{prompt.version} {prompt.hash}"}
        identity = adapter.identity
        self.identity = replace(
            identity, label=f"{identity.label} caption-first", settings={**identity.settings, **told}
        )
        if isinstance(adapter, Logs):
            self.log_to = adapter.log_to
        if isinstance(adapter, Orders):
            self.order = adapter.order
        if isinstance(adapter, Prepares):
            self.prepare = adapter.prepare
        if isinstance(adapter, Scores):
            self.loglikelihood = self._scored

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        told, took = self._described(batch)
        asked = [self._asked(request, one) for request, one in zip(batch, told, strict=True) if isinstance(one, str)]
        outputs = list(self._adapter.generate(asked, decoding)) if asked else []
        if len(outputs) != len(asked):
            raise ValueError(f"the adapter returned {len(outputs)} outputs for {len(asked)} requests")
        answers = iter(outputs)
        found = [_with(next(answers), one) if isinstance(one, str) else one for one in told]
        return [output if one is None else also(output, one) for output, one in zip(found, took, strict=True)]

    def _scored(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        assert isinstance(self._adapter, Scores), "looked at when this ability was given"
        told, _ = self._described(batch)
        asked = [self._asked(request, one) for request, one in zip(batch, told, strict=True) if isinstance(one, str)]
        scores = list(self._adapter.loglikelihood(asked)) if asked else []
        if len(scores) != len(asked):
            raise ValueError(f"the adapter returned {len(scores)} option scores for {len(asked)} requests")
        found = iter(scores)
        return [next(found) if isinstance(one, str) else OptionScores(error=one.error or one.refusal) for one in told]

    def _described(self, batch: Sequence[Request]) -> tuple[list[str | Output], list[Output | None]]:
        """The description of each request's clips, or the output of an item that has none; and beside the first request
        of its clips the call that described them."""
        keys = [_key(request) for request in batch]
        fresh = {
            key: request for key, request in zip(keys, batch, strict=True) if key is not None and key not in self._known
        }
        failed: dict[str, Output] = {}
        calls: dict[str | None, Output] = {}
        if fresh:
            asked = [self._first(request) for request in fresh.values()]
            outputs = self._adapter.generate(asked, Decoding(max_new_tokens=self._prompt.max_new_tokens))
            for key, output in zip(fresh, outputs, strict=True):
                calls[key] = output
                if output.text is not None and output.text.strip() and output.error is None:
                    self._known[key] = output.text.strip()
                else:
                    failed[key] = _failure(output)
        told = [NO_CLIP if key is None else failed[key] if key in failed else self._known[key] for key in keys]
        return told, [calls.pop(key, None) for key in keys]

    def _first(self, request: Request) -> Request:
        prompt = self._prompt.one if len(request.audio) == 1 else self._prompt.two
        name = " ".join(ref.id for ref in request.audio)
        return replace(request, id=name, prompt=prompt, choices=())

    def _asked(self, request: Request, caption: str) -> Request:
        return replace(request, prompt=self._prompt.answer.format(caption=caption, question=request.prompt))


NO_CLIP = Output(None, error="caption-first describes the clips of an item, this one has none")


def _key(request: Request) -> str | None:
    """What is heard, None where nothing is."""
    return f"{len(request.audio)} {content(request.waves)}" if request.audio else None


def _with(output: Output, caption: str) -> Output:
    return replace(output, extra={**output.extra, "caption": caption})


TAKEN = (*COUNTS, COST)


def also(output: Output, call: Output) -> Output:
    """The output with what another call took that was made for it."""
    summed = dict(output.extra)
    for name in TAKEN:
        read = money if name == COST else count
        if (added := read(call.extra.get(name))) is not None:
            summed[name] = (read(output.extra.get(name)) or 0) + added
    return replace(output, extra=summed)


def _failure(output: Output) -> Output:
    """The item's output where its clips were not described; what the call took is counted once, by `also`."""
    extra = {name: value for name, value in output.extra.items() if name not in TAKEN}
    if output.refusal is not None and output.error is None:
        return Output(None, refusal=output.refusal, extra=extra)
    return Output(None, error=f"describing the clips: {output.error or 'it wrote nothing'}", extra=extra)
