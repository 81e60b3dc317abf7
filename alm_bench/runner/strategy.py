"""Answering strategies: ask directly, or ask after the model has described the clips (arXiv 2503.08540, table 5)."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from alm_bench.audio.describe import DescribingAdapter, drop_usage
from alm_bench.core import Adapter, Output, Request, Strategy, UsageError
from alm_bench.core.files import hash_json

PROMPTS = Path(__file__).with_suffix(".toml")
"""File with the prompts of the strategy caption-first."""

FALLBACK_SET = "letters"
"""Prompt set that is used for adapters whose own set has no such prompts."""


@dataclass(frozen=True, slots=True)
class CaptionFirstPrompt:
    """Prompts by which the strategy caption-first asks the model, first for a description, then for the answer. There
    is one such object per prompt set, such as `letters`."""

    version: int
    """Version of the texts."""

    one: str
    """Prompt that asks for a description, for items with one clip."""

    two: str
    """Prompt that asks for a description, for items with two clips."""

    answer: str
    """Template of the prompt that asks for the answer, with the placeholders {caption} and {question}."""

    max_new_tokens: int
    """Token limit of a description."""

    @property
    def hash(self) -> str:
        """Hash of all fields, 12 hex digits."""
        return hash_json(asdict(self))[:12]


def apply_strategy(adapter: Adapter, strategy: Strategy, prompts: str) -> Adapter:
    """Return the adapter with a strategy applied.

    The request for a description is worded as in the prompt set `prompts`, or as in `letters` if that set has no
    wording for it.

    Raises UsageError if the adapter cannot describe clips: it replays stored answers, takes no audio or is fitted to
    options.
    """
    if strategy == "plain":
        return adapter
    label = adapter.identity.label
    if adapter.abilities.is_replay:
        raise UsageError(f"--strategy {strategy}: {label} gives stored answers, and describes nothing")
    if adapter.audio is None:
        raise UsageError(f"--strategy {strategy}: {label} hears nothing that it could describe")
    if adapter.abilities.fit:
        raise UsageError(f"--strategy {strategy}: {label} is fitted to options, and writes no descriptions")
    sets = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
    name = prompts if prompts in sets else FALLBACK_SET
    return CaptionFirstAdapter(adapter, name, CaptionFirstPrompt(**sets[name]))


class CaptionFirstAdapter(DescribingAdapter):
    """Adapter whose model first describes all clips of an item in one text. The model is then asked the question, in a
    prompt that contains the description, with the clips."""

    def __init__(self, adapter: Adapter, name: str, prompt: CaptionFirstPrompt) -> None:
        super().__init__(adapter, adapter, prompt.hash, prompt.max_new_tokens)
        self._prompt = prompt
        identity = adapter.identity
        settings = {**identity.settings, "strategy": f"caption-first/{name}@{prompt.version} {prompt.hash}"}
        self.identity = replace(identity, label=f"{identity.label} caption-first", settings=settings)

    def find_problem(self, request: Request) -> str | None:
        if 1 <= len(request.audio) <= 2:
            return None
        return f"caption-first describes the one or two clips of an item, this one has {len(request.audio) or 'none'}"

    def build_description_requests(self, request: Request) -> Sequence[Request]:
        prompt = self._prompt.one if len(request.audio) == 1 else self._prompt.two
        name = " ".join(ref.id for ref in request.audio)
        return [replace(request, id=name, prompt=prompt, choices=(), prefix="")]

    def build_answer_request(self, request: Request, texts: Sequence[str]) -> Request:
        return replace(request, prompt=self._prompt.answer.format(caption=texts[0], question=request.prompt))

    def build_extra_fields(self, texts: Sequence[str]) -> Mapping[str, str]:
        return {"caption": texts[0]}

    def build_failed_output(self, request: Request, output: Output) -> Output:
        extra = drop_usage(output.extra)
        if output.refusal is not None and output.error is None:
            return Output(None, refusal=output.refusal, extra=extra)
        return Output(None, error=f"describing the clips: {output.error or 'it wrote nothing'}", extra=extra)
