"""Model `hf`: any audio-language checkpoint of the Hugging Face hub or of a folder, selected with `path=ORG/NAME`.

Known checkpoints have short names (`families.toml`). Listing these does not load torch.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from alm_bench.adapters._shared.answer_format import format_letters_and_options
from alm_bench.adapters.hf.families import (
    JOIN_SECONDS,
    Checkpoint,
    ClipOrder,
    Family,
    find_checkpoint,
    list_checkpoints,
)
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
    UsageError,
)

if TYPE_CHECKING:
    from alm_bench.adapters.hf.generate import GeneratedText
    from alm_bench.adapters.hf.load import LoadSettings
    from alm_bench.adapters.hf.prompt import EncodedBatch, Row
    from alm_bench.adapters.hf.source import Source

_THOUGHT = re.compile(r"\s*(?:<think(?:ing)?>)?(.*?)</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_ANSWER = re.compile(r"\s*<answer>(.*?)</answer>\s*", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HFOptions:
    """Options of Hugging Face models."""

    path: str | None = None
    """Repository on the hub (ORG/NAME), or folder. None: the repository that the short name stands for."""

    revision: str | None = None
    """Branch, tag or commit of the repository."""

    dtype: str | None = None
    """Precision: float32, bfloat16 or float16. None: the checkpoint's own on a GPU, float32 on a CPU."""

    device_map: str | None = None
    """Device map, as in transformers."""

    attn: Literal["sdpa", "eager", "flash_attention_2"] | None = None
    """Attention implementation, as in transformers."""

    lora: str | None = None
    """Folder or repository of a LoRA adapter."""

    quantization: Literal["4bit", "8bit"] | None = None
    """Number of bits per weight; quantization is done by bitsandbytes."""

    content: Literal["parts", "string"] | None = None
    """Position of clips in a message: as `parts` of its content, or as placeholders in its text (`string`). None: as
    the model family expects.
    """

    order: ClipOrder | None = None
    """Order of clips and text in a message. None: as the model family was trained."""

    system: str | None = None
    """System message."""

    trust_remote_code: bool = False
    """Run the Python code that the checkpoint contains."""


class HFAdapter(BaseAdapter):
    """any audio-language checkpoint that transformers knows: path=ORG/NAME or a folder"""

    Options = HFOptions
    abilities = Abilities(continuation=True, delivery="to be shown", decodings=get_args(DecodingMethod))
    hub_option = "path"
    known_checkpoint: ClassVar[Checkpoint | None] = None
    """Checkpoint that a short name stands for; None in the class of the model `hf`."""

    def __init__(self, options: HFOptions, runtime: Runtime) -> None:
        known = self.known_checkpoint or find_checkpoint(options.path or "")
        path = options.path or (known.path if known else None)
        if path is None:
            raise UsageError("model hf needs the option path=ORG/NAME (a repository of the hub) or path=FOLDER")
        revision = options.revision or (known.revision if known and path == known.path else None)
        wanted = _build_load_settings(options, runtime)

        from alm_bench.adapters.hf.load import find_lora, load
        from alm_bench.adapters.hf.prompt import build_encoder
        from alm_bench.adapters.hf.source import find_source

        source = find_source(path, revision)
        lora = None if options.lora is None else find_lora(options.lora, source, known.path if known else None)
        if lora is None and known is not None and known.lora_folder is not None:
            lora = find_source(path, source.commit, "adapter_config.json", known.lora_folder)
        self.loaded = load(source, wanted, lora)
        family = _apply_options(self.loaded.family, options)
        suffix = known.suffix if known else ""
        self.encoder = build_encoder(self.loaded, family, options.system or (known.system if known else ""), suffix)
        self.abilities = replace(self.abilities, continuation=self.encoder.continues_answers)
        self.audio: AudioPolicy | None = AudioPolicy(
            rate=self.loaded.rate, min_seconds=family.min_seconds, max_seconds=self.loaded.max_seconds
        )
        self.identity = AdapterIdentity(
            label=_format_label(known.name if known else source.label, options),
            family=family.name,
            weights=source.fingerprint,
            dtype=str(self.loaded.model.dtype).removeprefix("torch."),
            device=self.loaded.model.device.type,
            parameters=self.loaded.model.num_parameters(),
            trained_on=known.trained_on if known else (),
            settings=self._list_settings(options, source),
        )

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        from alm_bench.adapters.hf.generate import free_memory_on_error

        return free_memory_on_error(lambda: self._generate_batch(batch, decoding))

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        """Score each option in two forms: as the prompt shows it, `(B) Dog` (`text`), and by its letter, `(B)`
        (`letter`).
        """
        from alm_bench.adapters.hf.generate import free_memory_on_error

        return free_memory_on_error(
            lambda: [self._score_row(row, len(batch)) for row in self.encoder.prepare_rows(batch)]
        )

    def _generate_batch(self, batch: Sequence[Request], decoding: Decoding) -> list[Output]:
        from alm_bench.adapters.hf.generate import generate_answers

        rows = self.encoder.prepare_rows(batch)
        outputs = {row.index: Output(None, error=row.problem) for row in rows if row.problem is not None}
        for group in self.encoder.group_rows(rows):
            encoded, lost = self.encoder.encode(group)
            outputs |= {row.index: Output(None, error=row.problem) for row in lost}
            if encoded is not None:
                self._check_context_length(encoded, decoding.max_new_tokens)
                answers = generate_answers(self.loaded, encoded, decoding, self.encoder.encode_rows)
                for position, generated in enumerate(answers):
                    outputs[encoded.rows[position].index] = self._build_output(encoded, position, generated)
        return [outputs[index] for index in range(len(batch))]

    def _score_row(self, row: "Row", width: int) -> OptionScores:
        """Score the options of one request. `width` is the largest number of sequences that are computed as a batch."""
        from alm_bench.adapters.hf.generate import compute_next_token_log_probs, plan_sequences

        if row.problem is not None:
            return OptionScores(error=row.problem)
        letters, texts = format_letters_and_options(row.request)
        answers = [self._encode_text(text) for text in (*texts, *letters)]
        if not all(answers):
            return OptionScores(error=f"an option without tokens: {list(row.request.choices)!r:.120}")
        fed = plan_sequences(answers)
        scores: list[Any] = []
        for start in range(0, len(fed.rows), width):
            some = fed.rows[start : start + width]
            encoded, lost = self.encoder.encode([replace(row, index=copy) for copy in range(len(some))])
            if encoded is None or lost:
                return OptionScores(error=lost[0].problem)
            self._check_context_length(encoded, max(map(len, some)))
            scores += compute_next_token_log_probs(self.loaded, encoded, some)
        pairs = tuple(
            (sum(float(scores[owner][position, token]) for position, token in enumerate(answer)), len(answer))
            for answer, owner in zip(answers, fed.owner, strict=True)
        )
        return OptionScores({"text": pairs[: len(texts)], "letter": pairs[len(texts) :]})

    def count_tokens(self, text: str) -> int:
        return len(self._encode_text(text))

    def _encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(self.loaded.tokenizer.encode(text, add_special_tokens=False))

    def _build_output(self, encoded: "EncodedBatch", index: int, generated: "GeneratedText") -> Output:
        text = self.loaded.tokenizer.decode(list(generated.tokens), skip_special_tokens=True)
        answer, reasoning = split_reasoning(text)
        extra: dict[str, Any] = {
            "prompt_tokens": encoded.prompt_token_counts[index],
            "audio_tokens": encoded.audio_token_counts[index],
            "new_tokens": len(generated.tokens),
        }
        if encoded.rows[index].joined:
            extra["joined"] = f"{JOIN_SECONDS:g} s of silence between two clips"
        if reasoning is not None:
            extra |= {"reasoning": reasoning, "reasoning_tokens": len(self._encode_text(reasoning))}
        if answer != text:
            extra["written"] = text
        return Output(answer, truncated=generated.truncated, extra=extra)

    def _check_context_length(self, encoded: "EncodedBatch", max_new_tokens: int) -> None:
        """Raise UsageError if prompt and answer do not fit into the language model's context.

        transformers itself would exceed it without an error.
        """
        config = self.loaded.model.config.get_text_config(decoder=True)
        positions = getattr(config, "max_position_embeddings", None)
        length = max(encoded.prompt_token_counts)
        if positions is not None and length + max_new_tokens > positions:
            raise UsageError(
                f"a prompt of {length} tokens and {max_new_tokens} new ones, the language model has {positions} "
                "positions: "
                "take shorter clips or fewer --max-new-tokens"
            )

    def _list_settings(self, options: HFOptions, source: "Source") -> dict[str, str]:
        """Return all settings that change answers."""
        family, loaded = self.encoder.family, self.loaded
        template = str(getattr(loaded.processor, "chat_template", None) or loaded.family.encoder)
        settings = {
            "repository": source.name if source.commit else source.label,
            "attn": str(getattr(loaded.model.config, "_attn_implementation", "")),
            "template": hashlib.sha256(template.encode()).hexdigest()[:12],
            "content": family.content,
            "clips": "joined" if family.clips == 1 else "separate",
            "batches": "equal lengths" if family.equal_lengths else "padded",
        }
        optional = {
            "part": family.part,
            "order": options.order if family.text_first != loaded.family.text_first else None,
            "join": f"{JOIN_SECONDS:g} s of silence" if family.clips == 1 else None,
            "system": self.encoder.system,
            "suffix": self.encoder.suffix,
            "quantization": options.quantization,
            "remote_code": "own" if options.trust_remote_code else None,
            "lora": None if loaded.lora is None else "/".join(filter(None, (loaded.lora.label, loaded.lora.subfolder))),
            "lora_weights": None if loaded.lora is None else loaded.lora.fingerprint,
        }
        return settings | {key: value for key, value in optional.items() if value}


def split_reasoning(text: str) -> tuple[str, str | None]:
    """Split a generated text into the answer and the reasoning before it (None without a reasoning block).

    If the token limit cut off a reasoning block, it stays part of the answer, which then cannot be parsed. If the
    answer is enclosed in an answer tag, the tag is removed.
    """
    thought = _THOUGHT.match(text)
    rest = text[thought.end() :].strip() if thought else text
    answer = _ANSWER.fullmatch(rest)
    return (answer[1].strip() if answer else rest), (thought[1].strip() if thought else None)


def _build_load_settings(options: HFOptions, runtime: Runtime) -> "LoadSettings":
    from alm_bench.adapters.hf.load import LoadSettings

    if options.dtype and runtime.dtype and options.dtype != runtime.dtype:
        raise UsageError(f"--dtype {runtime.dtype} and --model-arg dtype={options.dtype} do not go together")
    return LoadSettings(
        device=runtime.device,
        dtype=options.dtype or runtime.dtype,
        device_map=options.device_map,
        attn=options.attn,
        quantization=options.quantization,
        remote_code=options.trust_remote_code,
    )


def _apply_options(family: Family, options: HFOptions) -> Family:
    """Return the settings of a family, with clip order and content form replaced if the options set them."""
    text_first = family.text_first if options.order is None else options.order == "text-first"
    return replace(family, content=options.content or family.content, text_first=text_first)


def _format_label(name: str, options: HFOptions) -> str:
    """Return the model's name in tables: `name`, with the LoRA adapter and the quantization in brackets, if any."""
    lora = None if options.lora is None else f"lora={options.lora.rstrip('/').rpartition('/')[2]}"
    more = [part for part in (lora, options.quantization) if part]
    return f"{name}[{','.join(more)}]" if more else name


def _build_class(checkpoint: Checkpoint) -> type[HFAdapter]:
    """Create the adapter class of a checkpoint with a short name."""
    named = {
        "known_checkpoint": checkpoint,
        "prompts": checkpoint.prompts,
        "summary": checkpoint.summary,
        "hub_option": None,
    }
    return type("HFAdapter", (HFAdapter,), {"__module__": __name__, **named})


ADAPTERS: dict[str, type[HFAdapter]] = {
    "hf": HFAdapter,
    **{name: _build_class(known) for name, known in list_checkpoints().items()},
}
