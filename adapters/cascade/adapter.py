"""A cascade: one model describes the clips, another reads the descriptions and answers (arXiv 2503.08540, table 2)."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from alm_bench.adapters.cascade.captions import CaptionPrompt, Captions
from alm_bench.core import (
    Adapter,
    AdapterIdentity,
    AudioPolicy,
    Decoding,
    Logs,
    OptionScores,
    Output,
    Prepares,
    Request,
    Runtime,
    Scores,
    UsageError,
    Wave,
)
from alm_bench.core.files import cache_folder
from alm_bench.core.options import PluginOption
from alm_bench.plugins import catalogue

PROMPTS = Path(__file__).with_name("prompts.toml")


@dataclass(frozen=True, slots=True)
class CascadeOptions:
    """Options of the model cascade."""

    captioner: PluginOption = field(default_factory=lambda: PluginOption("mellow"))
    """Model that describes the clips; its options are `captioner.KEY=VALUE`."""

    llm: PluginOption = field(default_factory=lambda: PluginOption("text"))
    """Language model that answers from the captions; its options are `llm.KEY=VALUE`."""

    prompt: Literal["weak", "strong"] = "strong"
    """`strong` tells the language model how to use captions and to answer with an option, `weak` does not."""

    caption_prompt: str | None = None
    """Prompt for the captioner in place of the default one."""

    cache: bool = True
    """Keep captions on disk."""


@dataclass(frozen=True, slots=True)
class AnswerPrompt:
    """Texts of the language model's prompt."""

    version: int
    """Version of these texts."""

    one: str
    """Template for one caption."""

    two: str
    """Template for two captions."""

    options: str
    """Sentence added to questions with options."""

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def render(self, request: Request, captions: Sequence[str]) -> str:
        options = self.options.format(count=len(request.choices)) if request.choices else ""
        fields = {"first": captions[0], "question": request.prompt, "options": options}
        return self.one.format(**fields) if len(captions) == 1 else self.two.format(**fields, second=captions[1])


class CascadeAdapter:
    """a captioning model and a language model that reads its captions: captioner=mellow llm=text"""

    Options = CascadeOptions
    prompts = "letters"
    loglikelihood: Callable[[Sequence[Request]], Sequence[OptionScores]]  # where the language model scores options
    prepare: Callable[[Wave], Any]  # where the captioner makes something of a clip ahead of its turn

    def __init__(self, options: CascadeOptions, runtime: Runtime) -> None:
        captioner = _build_part("captioner", options.captioner, runtime)
        if captioner.audio is None:
            raise UsageError(f"captioner={options.captioner.name} takes no audio: name a model that does")
        self._llm = _build_part("llm", options.llm, runtime)
        if self._llm.audio is not None:
            raise UsageError(
                f"llm={options.llm.name} listens itself: name one that reads (text; openai with llm.audio=none)"
            )
        sets = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
        wanted = _caption_prompt(sets["caption"], options)
        self._prompt = AnswerPrompt(**sets["answer"][options.prompt])
        self._captions = Captions(captioner, wanted, cache_folder("captions") if options.cache else None)
        self.audio: AudioPolicy | None = captioner.audio
        self.delivery = getattr(captioner, "delivery", "by construction")
        self.listener = captioner
        parts = {"captioner": captioner, "llm": self._llm}
        if isinstance(captioner, Prepares):
            self.prepare = captioner.prepare
        self._logs = [part for part in parts.values() if isinstance(part, Logs)]
        self.pace = tuple(f"{name}.{key}" for name, part in parts.items() for key in getattr(part, "pace", ()))
        if isinstance(self._llm, Scores):
            self.loglikelihood = self._score_options
        told = {
            "prompt": f"{options.prompt}@{self._prompt.version} {self._prompt.hash}",
            "caption_prompt": f"{wanted.prompt}@{wanted.version} {wanted.hash}",
        }
        self.identity = _identity(captioner.identity, self._llm.identity, options.prompt, told)

    def log_to(self, folder: Path) -> None:
        for part in self._logs:
            part.log_to(folder)

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        captions = self._captions.of(batch)
        asked = [
            self._build_request(request, told)
            for request, told in zip(batch, captions, strict=True)
            if _has_captions(told)
        ]
        answers = iter(self._llm.generate(asked, decoding) if asked else ())
        return [
            _with(next(answers), told) if not isinstance(told, str) else Output(None, error=told) for told in captions
        ]

    def _score_options(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        assert isinstance(self._llm, Scores), "looked at when this ability was given"
        captions = self._captions.of(batch)
        asked = [
            self._build_request(request, told)
            for request, told in zip(batch, captions, strict=True)
            if _has_captions(told)
        ]
        found = iter(self._llm.loglikelihood(asked) if asked else ())
        return [next(found) if not isinstance(told, str) else OptionScores(error=told) for told in captions]

    def _build_request(self, request: Request, captions: Sequence[str]) -> Request:
        """Build the language model's request, without clips."""
        return Request(request.id, self._prompt.render(request, captions), choices=request.choices)


def _has_captions(captions: tuple[str, ...] | str) -> bool:
    return not isinstance(captions, str)


def _with(output: Output, captions: Sequence[str]) -> Output:
    return replace(output, extra={**output.extra, "captions": list(captions)})


def _build_part(part: str, named: PluginOption, runtime: Runtime) -> Adapter:
    """Build one of the two models. Raises UsageError if it is a cascade itself."""
    entry = catalogue().adapter(named.name)
    if issubclass(entry.cls, CascadeAdapter):
        raise UsageError(f"{part}={named.name}: a cascade is made of two other models")
    if getattr(entry.cls, "stored", False):
        raise UsageError(f"{part}={named.name} gives stored answers, expected a model")
    return entry.create(named.options, runtime)


def _caption_prompt(sets: Mapping[str, Mapping[str, Any]], options: CascadeOptions) -> CaptionPrompt:
    """Return the prompt of the captioner's prompt set."""
    table = sets.get(catalogue().adapter(options.captioner.name).prompts, sets["letters"])
    found = CaptionPrompt(**{**table, "openings": tuple(table["openings"])})
    return found if options.caption_prompt is None else replace(found, prompt=options.caption_prompt)


def _identity(
    captioner: AdapterIdentity, llm: AdapterIdentity, prompt: str, told: Mapping[str, str]
) -> AdapterIdentity:
    both = (("captioner", captioner), ("llm", llm))
    weights = [part.weights for _, part in both]
    sizes = [part.parameters for _, part in both]
    notes = [f"{name}: {part.note}" for name, part in both if part.note and part is captioner]
    return AdapterIdentity(
        label=f"cascade[{captioner.label}+{llm.label},{prompt}]",
        family="cascade",
        weights=hashlib.sha256(json.dumps(weights).encode()).hexdigest() if any(weights) else None,
        dtype=_join_values(part.dtype for _, part in both),
        device=_join_values(part.device for _, part in both),
        parameters=None if None in sizes else sum(size for size in sizes if size is not None),
        trained_on=captioner.trained_on,
        settings={
            **told,
            **{f"{name}.family": part.family for name, part in both},
            **{f"{name}.{key}": value for name, part in both for key, value in part.settings.items()},
        },
        note="; ".join(notes) or None,
    )


def _join_values(values: Any) -> str | None:
    """Return the value that both models share, or their values joined by `+`."""
    found = dict.fromkeys(str(value) for value in values if value is not None)
    return "+".join(found) or None


ADAPTERS = {"cascade": CascadeAdapter}
