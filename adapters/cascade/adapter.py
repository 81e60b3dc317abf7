"""Model `cascade`: one model describes or transcribes the clips, another reads the text and answers (arXiv 2503.08540,
table 2).
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from alm_bench.adapters.cascade.readers import (
    AnswerPrompt,
    CaptionDescriber,
    ClipDescriber,
    DescriptionPrompt,
    TranscriptDescriber,
    check_single_describer,
)
from alm_bench.audio.describe import DescribingAdapter
from alm_bench.core import Adapter, AdapterIdentity, Output, Request, Runtime, UsageError
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.files import get_cache_folder, hash_json
from alm_bench.core.options import PluginOption
from alm_bench.plugins import catalogue

PROMPTS = Path(__file__).with_name("prompts.toml")

CAPTIONER = "mellow"
"""Default captioner."""

NONE = "none"
"""Value of `listen` for a cascade of captions."""


@dataclass(frozen=True, slots=True)
class CascadeOptions:
    """Options of the model cascade."""

    captioner: PluginOption = field(default_factory=lambda: PluginOption(CAPTIONER))
    """Model that describes the clips; its options are `captioner.KEY=VALUE`."""

    listen: PluginOption = field(default_factory=lambda: PluginOption(NONE))
    """Model that transcribes speech in place of a captioner (`whisper`); its options are `listen.KEY=VALUE`."""

    llm: PluginOption = field(default_factory=lambda: PluginOption("text"))
    """Language model that answers from the captions; its options are `llm.KEY=VALUE`."""

    prompt: Literal["weak", "strong"] = "strong"
    """`strong` tells the language model how to use captions and to answer with an option, `weak` does not."""

    caption_prompt: str | None = None
    """Prompt for the captioner in place of the default one."""

    cache: bool = True
    """Cache captions on disk."""


class CascadeAdapter(DescribingAdapter):
    """a captioner (captioner=mellow) or a speech recogniser (listen=whisper), and a reader of its text (llm=text)"""

    Options = CascadeOptions

    def __init__(self, options: CascadeOptions, runtime: Runtime) -> None:
        kind: type[ClipDescriber] = CaptionDescriber if options.listen.name == NONE else TranscriptDescriber
        check_single_describer(options.listen.name, options.captioner.name, CAPTIONER)
        named = options.captioner if kind is CaptionDescriber else options.listen
        listener = _build_part(kind.role, named, runtime)
        if listener.audio is None:
            raise UsageError(f"{kind.role}={named.name} takes no audio: name a model that does")
        llm = _build_part("llm", options.llm, runtime)
        if llm.audio is not None:
            raise UsageError(
                f"llm={options.llm.name} listens itself: name one that reads (text; openai with llm.audio=none)"
            )
        sets = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
        asked = _select_description_prompt(sets, kind, named, options)
        answer = AnswerPrompt(**sets[kind.section][options.prompt])
        self._describer = kind(asked, answer, listener.audio)
        cache = DiskCache(get_cache_folder("captions") / "captions.sqlite") if options.cache else None
        super().__init__(listener, llm, asked.hash, asked.max_new_tokens, cache)
        self.prompts = "letters"
        parts = {kind.role: listener, "llm": llm}
        runtime_options = (f"{name}.{key}" for name, part in parts.items() for key in part.abilities.runtime_options)
        self.abilities = replace(self.abilities, max_clips=kind.max_clips, runtime_options=tuple(runtime_options))
        settings = {
            "prompt": f"{options.prompt}@{answer.version} {answer.hash}",
            "caption_prompt": f"{asked.prompt}@{asked.version} {asked.hash}",
        }
        self.identity = _build_identity(parts, options.prompt, settings)

    def find_problem(self, request: Request) -> str | None:
        return self._describer.find_problem(request)

    def build_description_requests(self, request: Request) -> Sequence[Request]:
        return self._describer.build_requests(request)

    def build_answer_request(self, request: Request, texts: Sequence[str]) -> Request:
        return Request(
            request.id, self._describer.render_prompt(request, texts), choices=request.choices, prefix=request.prefix
        )

    def extract_description(self, text: str) -> str:
        return self._describer.extract_description(text)

    def build_extra_fields(self, texts: Sequence[str]) -> Mapping[str, list[str]]:
        return {self._describer.extra: list(texts)}

    def build_failed_output(self, request: Request, output: Output) -> Output:
        """Return the item's output after its description failed with `output`."""
        return self._describer.build_failed_output(request, output)


def _build_part(part: str, plugin: PluginOption, runtime: Runtime) -> Adapter:
    """Build the captioner or the language model. Raises UsageError if it is a cascade or a replay."""
    entry = catalogue().get_adapter(plugin.name)
    if issubclass(entry.cls, CascadeAdapter):
        raise UsageError(f"{part}={plugin.name}: a cascade is made of two other models")
    if entry.abilities.is_replay:
        raise UsageError(f"{part}={plugin.name} gives stored answers, expected a model")
    return entry.create(plugin.options, runtime)


def _select_description_prompt(
    sets: Mapping[str, Any], kind: type[ClipDescriber], listener: PluginOption, options: CascadeOptions
) -> DescriptionPrompt:
    """Return the prompt for `listener`, the model that captions or transcribes the clips.

    `sets` is the content of `prompts.toml`. A captioner gets the prompt of its own prompt set, or of `letters` if its
    prompt set has none. The option `caption_prompt` replaces the prompt's text.
    """
    if kind is TranscriptDescriber:
        table = sets["transcript"]
    else:
        captions = sets["caption"]
        table = captions.get(catalogue().get_adapter(listener.name).prompts, captions["letters"])
    found = DescriptionPrompt.from_table(table)
    return found if options.caption_prompt is None else replace(found, prompt=options.caption_prompt)


def _build_identity(parts: Mapping[str, Adapter], prompt: str, settings: Mapping[str, str]) -> AdapterIdentity:
    """Return the identity of a cascade from its two models: first the one that gets the clips, then the reader.

    `prompt` is the value of the option `prompt`.
    """
    both = {name: part.identity for name, part in parts.items()}
    listener, llm = both.values()
    weights, sizes = [part.weights for part in both.values()], [part.parameters for part in both.values()]
    return AdapterIdentity(
        label=f"cascade[{listener.label}+{llm.label},{prompt}]",
        family="cascade",
        weights=hash_json(weights) if any(weights) else None,
        dtype=_join_values(part.dtype for part in both.values()),
        device=_join_values(part.device for part in both.values()),
        parameters=None if None in sizes else sum(size for size in sizes if size is not None),
        trained_on=listener.trained_on,
        settings={
            **settings,
            **{f"{name}.family": part.family for name, part in both.items()},
            **{f"{name}.{key}": value for name, part in both.items() for key, value in part.settings.items()},
        },
        note=f"{next(iter(both))}: {listener.note}" if listener.note else None,
    )


def _join_values(values: Any) -> str | None:
    """Return the value that both models share, or their values joined by `+`; None if neither has one."""
    found = dict.fromkeys(str(value) for value in values if value is not None)
    return "+".join(found) or None


ADAPTERS = {"cascade": CascadeAdapter}
