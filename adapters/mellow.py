"""Model `mellow` (arXiv 2503.08540): bundled weights, the published ones, or a folder that this project trained."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING, Literal, get_args

from alm_bench.core import (
    Abilities,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    Decoding,
    DecodingMethod,
    EventPresence,
    OptionScores,
    Output,
    Request,
    Runtime,
    Wave,
)
from alm_bench.core.device import pick_device, pick_dtype

if TYPE_CHECKING:
    from alm_bench.mellow.generate import Likelihood
    from alm_bench.mellow.inference import LogMelClip, Question


@dataclass(frozen=True, slots=True)
class MellowOptions:
    """Options of the model mellow."""

    checkpoint: str | None = None
    """`mini` (bundled, the default), `mini-text-only` (bundled, trained on silence), `v0` or `v0_s` (hub), a file in
    the layout of the published weights, or a folder.
    """

    protocol: Literal["paper", "wrapper", "compact"] | None = None
    """Preparation of questions and clips: as in the paper's code (default), or as in its public wrapper. Networks with
    the compact layout, such as the bundled ones, support `compact` only.
    """

    crop: Literal["first", "centre", "random"] | None = None
    """Part of a clip that is used if the clip is longer than 10 s. None: as the protocol defines (random, seeded by the
    clip).
    """

    compile: bool = False
    """Use torch.compile for generation. It pays off in long runs on a GPU."""

    deterministic: bool = False
    """Use only deterministic algorithms, which give the same bits in every run. On CPUs all algorithms are
    deterministic.
    """


class MellowAdapter(BaseAdapter):
    """the bundled small audio-language model, under the paper's protocol or its public wrapper's"""

    Options = MellowOptions
    prompts = "native"
    abilities = Abilities(continuation=True, max_clips=2, decodings=get_args(DecodingMethod))

    def __init__(self, options: MellowOptions, runtime: Runtime) -> None:
        from alm_bench.mellow.checkpoint import load
        from alm_bench.mellow.inference import Answerer, use_deterministic_algorithms
        from alm_bench.mellow.prompt import select_protocol

        device, dtype = pick_device(runtime.device), pick_dtype(runtime.dtype, "mellow")
        loaded = load(options.checkpoint)
        config = loaded.model.config
        protocol = select_protocol(config.prompt.layout, options.protocol, config.lm.kind)
        self.samples, self.layout = config.encoder.samples, config.prompt.layout
        if options.deterministic:
            use_deterministic_algorithms()
        self.answerer = Answerer(loaded, protocol, device, dtype, runtime.cache_mb, options.compile)
        self.audio: AudioPolicy | None = protocol.build_policy(config.encoder, options.crop)
        precision = str(dtype).removeprefix("torch.")
        # The compact layout has only one protocol, so the label leaves it out.
        choices = [loaded.name, *([protocol.name] if self.layout == "fixed" else [])]
        choices += [f"crop={options.crop}"] if options.crop else []
        self.identity = AdapterIdentity(
            label=f"mellow[{','.join(choices)}]",
            family="mellow",
            weights=loaded.sha256,
            dtype=precision,
            device=device.type,
            parameters=loaded.model.count_parameters(),
            trained_on=config.trained_on,
            settings={
                "protocol": protocol.name,
                "crop": options.crop or protocol.audio.crop,
                "config": hashlib.sha256(config.to_json().encode()).hexdigest()[:12],
                # In other precisions the output layer still computes in float32, which changes answers.
                **({} if precision == "float32" else {"head": "float32"}),
            },
        )

    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        """Return the indices of `requests` in the order in which they are processed.

        Requests with the same clips are adjacent, so that they share the encoded clips. Requests of similar length are
        adjacent, because a batch takes as long as its longest request. The longest come first, so that a lack of memory
        shows at the start.
        """
        sizes = [_measure_text_lengths(request) for request in requests]
        clips = [_list_clip_ids(request) for request in requests]
        longest: dict[tuple[str, ...], tuple[float, int]] = {}
        for pair, size in zip(clips, sizes, strict=True):
            longest[pair] = max(longest.get(pair, size), size)
        return sorted(range(len(requests)), key=lambda i: (longest[clips[i]], clips[i], sizes[i]), reverse=True)

    def prepare(self, wave: Wave) -> "LogMelClip":
        return self.answerer.encode_clip(wave)

    def event_presence(self, waves: Sequence[Wave]) -> Sequence[EventPresence]:
        return self.answerer.compute_event_presences(waves)

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        problems = [self._find_problem(request) for request in batch]
        answers = iter(self.answerer.answer(self._build_questions(batch, problems), decoding))
        outputs = []
        for problem in problems:
            if problem is not None:
                outputs.append(Output(text=None, error=problem))
                continue
            answer = next(answers)
            outputs.append(Output(answer.text, truncated=answer.truncated, extra={"tokens": answer.tokens}))
        return outputs

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        """Score each option in two forms: as the model writes it, `b) dog` (`text`), and by its letter, `b)`
        (`letter`).
        """
        problems = [self._find_problem(request) for request in batch]
        answerable = [request for request, problem in zip(batch, problems, strict=True) if problem is None]
        texts = [[*_format_answers(request.choices), *_format_letters(request.choices)] for request in answerable]
        found = iter(self.answerer.compute_likelihoods(self._build_questions(batch, problems), texts))
        return [
            _build_option_scores(next(found)) if problem is None else OptionScores(error=problem)
            for problem in problems
        ]

    def _build_questions(self, batch: Sequence[Request], problems: Sequence[str | None]) -> list["Question"]:
        """Return the questions for the requests without a problem, in order."""
        from alm_bench.mellow.inference import Question
        from alm_bench.mellow.prompt import select_clip_pair

        return [
            Question(
                request.id,
                request.prompt,
                *select_clip_pair(request.features or request.waves, self.layout),
                prefix=request.prefix,
            )
            for request, problem in zip(batch, problems, strict=True)
            if problem is None
        ]

    def _find_problem(self, request: Request) -> str | None:
        """Return the reason why a request cannot be answered, or None."""
        if not request.audio:
            return "mellow answers questions about one or two clips, this item has none"
        if len(request.audio) > 2:
            return f"mellow hears one or two clips, this item has {len(request.audio)}"
        if len(request.waves) < len(request.audio):
            return f"{len(request.audio)} clips but {len(request.waves)} decoded waves"
        for wave in request.waves:
            if wave.shape != (self.samples,):
                return f"a decoded clip has shape {wave.shape}, expected ({self.samples},)"
        return None


def _measure_text_lengths(request: Request) -> tuple[float, int]:
    """Return the length of the longest option (infinity without options) and of the prompt, in characters."""
    return max(map(len, request.choices), default=math.inf), len(request.prompt)


def _list_clip_ids(request: Request) -> tuple[str, ...]:
    """Return the ids of the clips that the network gets: those of the request, and its spare clip if it has one."""
    return tuple(ref.id for ref in (*request.audio, request.spare) if ref is not None)


def _format_answers(choices: Sequence[str]) -> list[str]:
    """Format options as Mellow writes its answers: in lower case, after the letter."""
    return [f"{letter} {text.lower()}" for letter, text in zip(_format_letters(choices), choices, strict=True)]


def _format_letters(choices: Sequence[str]) -> list[str]:
    return [f"{letter})" for letter in ascii_lowercase[: len(choices)]]


def _build_option_scores(options: Sequence["Likelihood"]) -> OptionScores:
    """Return option scores from likelihoods: the first half of the list belongs to the options' texts, the second half
    to their letters.
    """
    pairs = tuple((option.total, option.tokens) for option in options)
    return OptionScores({"text": pairs[: len(pairs) // 2], "letter": pairs[len(pairs) // 2 :]})


ADAPTERS = {"mellow": MellowAdapter}
