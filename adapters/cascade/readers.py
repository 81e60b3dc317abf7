"""Ways in which a cascade turns clips into text for its language model: captions, or transcripts of what is said."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from alm_bench.core import AudioPolicy, Output, Request, UsageError
from alm_bench.core.files import hash_json

NO_SPEECH = "[no speech]"
"""Transcript of a clip in which no speech is recognised."""


@dataclass(frozen=True, slots=True)
class DescriptionPrompt:
    """Prompt for the model that describes clips."""

    version: int
    """Version of this prompt."""

    prompt: str
    """Text of the prompt."""

    openings: tuple[str, ...]
    """Phrases that the model was trained to begin descriptions with. They are removed."""

    max_new_tokens: int
    """Token limit of a description."""

    @staticmethod
    def from_table(table: Mapping[str, Any]) -> "DescriptionPrompt":
        return DescriptionPrompt(**{**table, "openings": tuple(table["openings"])})

    @property
    def hash(self) -> str:
        return hash_json(asdict(self))[:12]


@dataclass(frozen=True, slots=True)
class AnswerPrompt:
    """Templates of the prompt that the language model gets: descriptions of the clips, question and options."""

    version: int
    """Version of these texts."""

    one: str
    """Template for items with one caption. In a transcript cascade: for items with a written question."""

    two: str
    """Template for items with two captions. In a transcript cascade: for items with a spoken question."""

    options: str
    """Sentence added to questions with options."""

    @property
    def hash(self) -> str:
        return hash_json(asdict(self))[:12]

    def format_options(self, request: Request) -> str:
        return self.options.format(count=len(request.choices)) if request.choices else ""


class ClipDescriber(ABC):
    """Base class of the ways to turn the clips of an item into text, by a model that describes or transcribes them."""

    role: ClassVar[str]
    """Option of the cascade that names the model which describes the clips: `captioner` or `listen`."""

    extra: ClassVar[str]
    """Key of `Output.extra` under which the texts are stored with the answer."""

    max_clips: ClassVar[int | None] = None
    """Largest number of clips per item; None for any number."""

    section: ClassVar[str]
    """Table of `prompts.toml` with the language model's prompts: `answer` for captions, `transcript_answer` for
    transcripts."""

    def __init__(
        self, description_prompt: DescriptionPrompt, answer_prompt: AnswerPrompt, policy: AudioPolicy | None
    ) -> None:
        self.description_prompt, self.answer_prompt, self._policy = description_prompt, answer_prompt, policy

    @abstractmethod
    def find_problem(self, request: Request) -> str | None:
        """Return the reason why the clips cannot become text; None if they can."""

    @abstractmethod
    def build_requests(self, request: Request) -> Sequence[Request]:
        """Return one request to the describing model per clip."""

    @abstractmethod
    def render_prompt(self, request: Request, texts: Sequence[str]) -> str:
        """Return the language model's prompt, which contains `texts`."""

    @abstractmethod
    def extract_description(self, text: str) -> str:
        """Extract the description from the describing model's answer."""

    def build_failed_output(self, request: Request, output: Output) -> Output:
        """Return the item's output, with an error, if the describing model's `output` contains no description."""
        refused = None if output.refusal is None else f"refused: {output.refusal}"
        reason = output.error or refused or "it wrote no caption"
        return Output(None, error=f"{self.role}, on {request.audio[0].id}: {reason}")


class CaptionDescriber(ClipDescriber):
    """Captions of one or two clips."""

    role: ClassVar = "captioner"
    extra: ClassVar = "captions"
    max_clips: ClassVar = 2
    section: ClassVar = "answer"

    def find_problem(self, request: Request) -> str | None:
        if any(ref.is_question for ref in request.audio):
            return "captions hold no spoken question: name a model that transcribes it (listen=whisper)"
        if 1 <= len(request.audio) <= 2:
            return None
        return f"a cascade describes the one or two clips of an item, this one has {len(request.audio) or 'none'}"

    def build_requests(self, request: Request) -> Sequence[Request]:
        """Build one captioning request per clip of `request`.

        A captioner that always takes two clips gets a second one with each request: `request.spare`, a random clip of
        the task, or, if there is none, the item's other clip.
        """
        spares = self._policy is not None and self._policy.spare
        clips = [*request.audio, *(() if request.spare is None else (request.spare,))]
        requests = []
        for first in range(len(request.audio)):
            second: int | None = None
            if spares and request.spare is not None:
                second = len(request.audio)
            elif spares and len(request.audio) > 1:
                second = 1 - first
            requests.append(_build_clip_request(request, self.description_prompt.prompt, first, second, clips))
        return requests

    def render_prompt(self, request: Request, texts: Sequence[str]) -> str:
        fields = {"first": texts[0], "question": request.prompt, "options": self.answer_prompt.format_options(request)}
        return (
            self.answer_prompt.one.format(**fields)
            if len(texts) == 1
            else self.answer_prompt.two.format(**fields, second=texts[1])
        )

    def extract_description(self, text: str) -> str:
        caption = text.strip()
        for opening in self.description_prompt.openings:
            if caption.lower().startswith(opening):
                return caption[len(opening) :].strip()
        return caption


class TranscriptDescriber(ClipDescriber):
    """Transcripts of the item's spoken question or, if the question is written, of the speech in the item's clips.

    If the question is spoken, only its clip is transcribed: transcripts of the other clips would contain words only,
    not the sounds that the question is about.
    """

    role: ClassVar = "listen"
    extra: ClassVar = "transcripts"
    section: ClassVar = "transcript_answer"

    def find_problem(self, request: Request) -> str | None:
        return None if request.audio else "a cascade transcribes the clips of an item, this one has none"

    def build_requests(self, request: Request) -> Sequence[Request]:
        spoken = [index for index, ref in enumerate(request.audio) if ref.is_question]
        indices = spoken or range(len(request.audio))
        return [
            _build_clip_request(request, self.description_prompt.prompt, index, None, request.audio)
            for index in indices
        ]

    def render_prompt(self, request: Request, texts: Sequence[str]) -> str:
        spoken = any(ref.is_question for ref in request.audio)
        template = self.answer_prompt.two if spoken else self.answer_prompt.one
        options = self.answer_prompt.format_options(request)
        return template.format(transcript="\n".join(texts), question=request.prompt, options=options).strip()

    def extract_description(self, text: str) -> str:
        return text.strip() or NO_SPEECH


def _build_clip_request(request: Request, prompt: str, first: int, second: int | None, clips: Sequence[Any]) -> Request:
    """Return a request with `prompt` about one clip of `request`, and a second clip for models that always take two.

    `first` and `second` are indices in `clips`, the clips of `request` and possibly its spare clip.
    """
    taken = [first] if second is None else [first, second]
    ref = request.audio[first]
    return Request(
        ref.id,
        prompt,
        (ref,),
        spare=None if second is None else clips[second],
        waves=tuple(request.waves[index] for index in taken) if request.waves else (),
        features=tuple(request.features[index] for index in taken) if request.features else (),
    )


def check_single_describer(listen: str, captioner: str, default_captioner: str) -> None:
    """Raise UsageError if the user names both a transcribing model and a captioner.

    `listen` and `captioner` are the models of these options (`none`: no transcribing model).
    """
    if listen != "none" and captioner != default_captioner:
        raise UsageError(
            f"listen={listen} and captioner={captioner}: a cascade gives its clips to one of them, expected one"
        )
