"""Model `cascade`: one model describes the clips, another reads the descriptions and answers (arXiv 2503.08540, table
2).
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from alm_bench.audio.describe import DescribingAdapter
from alm_bench.core import Adapter, AdapterIdentity, Output, Request, Runtime, UsageError
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.files import cache_folder, hash_json
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
    """Cache captions on disk."""


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
        return hash_json(asdict(self))[:12]

    def render(self, request: Request, captions: Sequence[str]) -> str:
        options = self.options.format(count=len(request.choices)) if request.choices else ""
        fields = {"first": captions[0], "question": request.prompt, "options": options}
        return self.one.format(**fields) if len(captions) == 1 else self.two.format(**fields, second=captions[1])


@dataclass(frozen=True, slots=True)
class CaptionPrompt:
    """Prompt for the captioner."""

    version: int
    """Version of this prompt."""

    prompt: str
    """Text of the prompt."""

    openings: tuple[str, ...]
    """Phrases that the captioner was trained to begin captions with. They are removed from captions."""

    max_new_tokens: int
    """Token limit of a caption."""

    @property
    def hash(self) -> str:
        return hash_json(asdict(self))[:12]


class CascadeAdapter(DescribingAdapter):
    """a captioning model and a language model that reads its captions: captioner=mellow llm=text"""

    Options = CascadeOptions

    def __init__(self, options: CascadeOptions, runtime: Runtime) -> None:
        captioner = _build_part("captioner", options.captioner, runtime)
        if captioner.audio is None:
            raise UsageError(f"captioner={options.captioner.name} takes no audio: name a model that does")
        llm = _build_part("llm", options.llm, runtime)
        if llm.audio is not None:
            raise UsageError(
                f"llm={options.llm.name} listens itself: name one that reads (text; openai with llm.audio=none)"
            )
        sets = tomllib.loads(PROMPTS.read_text(encoding="utf-8"))
        self._asked = asked = _select_caption_prompt(sets["caption"], options)
        self._prompt = AnswerPrompt(**sets["answer"][options.prompt])
        cache = DiskCache(cache_folder("captions") / "captions.sqlite") if options.cache else None
        super().__init__(captioner, llm, asked.hash, asked.max_new_tokens, cache)
        self.prompts = "letters"
        parts = {"captioner": captioner, "llm": llm}
        runtime_options = (f"{name}.{key}" for name, part in parts.items() for key in part.abilities.runtime_options)
        self.abilities = replace(self.abilities, max_clips=2, runtime_options=tuple(runtime_options))
        settings = {
            "prompt": f"{options.prompt}@{self._prompt.version} {self._prompt.hash}",
            "caption_prompt": f"{asked.prompt}@{asked.version} {asked.hash}",
        }
        self.identity = _build_identity(captioner.identity, llm.identity, options.prompt, settings)

    def find_problem(self, request: Request) -> str | None:
        if 1 <= len(request.audio) <= 2:
            return None
        return f"a cascade describes the one or two clips of an item, this one has {len(request.audio) or 'none'}"

    def build_description_requests(self, request: Request) -> Sequence[Request]:
        """Build one captioning request per clip of `request`.

        A captioner that always takes two clips also gets the item's spare clip, or else the item's other clip.
        """
        spares = self.audio is not None and self.audio.spare
        clips = [*request.audio, *(() if request.spare is None else (request.spare,))]
        asked = []
        for first, ref in enumerate(request.audio):
            second: int | None = None
            if spares and request.spare is not None:
                second = len(request.audio)
            elif spares and len(request.audio) > 1:
                second = 1 - first
            taken = [first] if second is None else [first, second]
            asked.append(
                Request(
                    ref.id,
                    self._asked.prompt,
                    (ref,),
                    spare=None if second is None else clips[second],
                    waves=tuple(request.waves[index] for index in taken) if request.waves else (),
                    features=tuple(request.features[index] for index in taken) if request.features else (),
                )
            )
        return asked

    def build_answer_request(self, request: Request, texts: Sequence[str]) -> Request:
        return Request(request.id, self._prompt.render(request, texts), choices=request.choices, prefix=request.prefix)

    def clean(self, text: str) -> str:
        """Return a caption without surrounding white space and without an opening phrase of the prompt set."""
        caption = text.strip()
        for opening in self._asked.openings:
            if caption.lower().startswith(opening):
                return caption[len(opening) :].strip()
        return caption

    def build_extra(self, texts: Sequence[str]) -> Mapping[str, list[str]]:
        return {"captions": list(texts)}

    def describe_failure(self, request: Request, output: Output) -> Output:
        refused = None if output.refusal is None else f"refused: {output.refusal}"
        return Output(
            None, error=f"captioner, on {request.audio[0].id}: {output.error or refused or 'it wrote no caption'}"
        )


def _build_part(part: str, named: PluginOption, runtime: Runtime) -> Adapter:
    """Build the captioner or the language model. Raises UsageError if it is a cascade or a replay."""
    entry = catalogue().adapter(named.name)
    if issubclass(entry.cls, CascadeAdapter):
        raise UsageError(f"{part}={named.name}: a cascade is made of two other models")
    if entry.abilities.is_replay:
        raise UsageError(f"{part}={named.name} gives stored answers, expected a model")
    return entry.create(named.options, runtime)


def _select_caption_prompt(sets: Mapping[str, Mapping[str, Any]], options: CascadeOptions) -> CaptionPrompt:
    """Return the caption prompt of the captioner's prompt set; the option `caption_prompt` replaces its text."""
    table = sets.get(catalogue().adapter(options.captioner.name).prompts, sets["letters"])
    found = CaptionPrompt(**{**table, "openings": tuple(table["openings"])})
    return found if options.caption_prompt is None else replace(found, prompt=options.caption_prompt)


def _build_identity(
    captioner: AdapterIdentity, llm: AdapterIdentity, prompt: str, settings: Mapping[str, str]
) -> AdapterIdentity:
    both = (("captioner", captioner), ("llm", llm))
    weights = [part.weights for _, part in both]
    sizes = [part.parameters for _, part in both]
    notes = [f"{name}: {part.note}" for name, part in both if part.note and part is captioner]
    return AdapterIdentity(
        label=f"cascade[{captioner.label}+{llm.label},{prompt}]",
        family="cascade",
        weights=hash_json(weights) if any(weights) else None,
        dtype=_join_values(part.dtype for _, part in both),
        device=_join_values(part.device for _, part in both),
        parameters=None if None in sizes else sum(size for size in sizes if size is not None),
        trained_on=captioner.trained_on,
        settings={
            **settings,
            **{f"{name}.family": part.family for name, part in both},
            **{f"{name}.{key}": value for name, part in both for key, value in part.settings.items()},
        },
        note="; ".join(notes) or None,
    )


def _join_values(values: Any) -> str | None:
    """Return the value that both models share, or their values joined by `+`; None if neither has one."""
    found = dict.fromkeys(str(value) for value in values if value is not None)
    return "+".join(found) or None


ADAPTERS = {"cascade": CascadeAdapter}
