"""Loading of a processor and a network onto a device, with one-line errors."""

import contextlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto import configuration_auto, modeling_auto, processing_auto

from alm_bench.adapters._shared.loading import silence_transformers, translate_load_errors
from alm_bench.adapters.hf.families import (
    Family,
    get_family_settings,
    has_own_model_types,
    is_transcriber,
    resolve_model_types,
)
from alm_bench.adapters.hf.source import Source, find_source
from alm_bench.core import CheckpointError, UsageError
from alm_bench.core.device import pick_device, pick_dtype

library: Any = transformers  # many of its names have no types
CONFIGURATIONS: Any = configuration_auto.CONFIG_MAPPING_NAMES  # type: ignore[attr-defined]
"""Model types that the installed transformers supports."""

IMPORT_NAMES = {"pillow": "PIL", "mistral-common": "mistral_common"}
_TORCH_BUILD_PACKAGES = {"torchaudio", "torchvision"}
"""Packages that must be of the same build as torch. Otherwise they cannot be imported, and their presence breaks other
processors.
"""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Settings for loading a network."""

    device: str = "auto"
    """Device: auto, cpu or cuda."""

    dtype: str | None = None
    """Name of a torch dtype. None: the checkpoint's own on a GPU, float32 on a CPU."""

    device_map: str | None = None
    """Device map, as in transformers."""

    attn: str | None = None
    """Attention implementation, as in transformers."""

    quantization: str | None = None
    """Quantization: `4bit` or `8bit`."""

    remote_code: bool = False
    """Run the Python code that the checkpoint contains."""


@dataclass(frozen=True, slots=True)
class LoadedCheckpoint:
    """Checkpoint on a device, ready to use."""

    family: Family
    """Settings of the model type."""

    processor: Any
    """Processor of transformers."""

    model: Any
    """Network."""

    stops: tuple[int, ...]
    """Ids of the tokens that end an answer."""

    lora: Source | None = None
    """Source of the LoRA adapter; None without one."""

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def rate(self) -> int:
        """Sample rate of the clips that the processor takes, in Hz."""
        return int(_get_audio_part(self.processor).sampling_rate)

    @property
    def max_seconds(self) -> float | None:
        """Longest clip in seconds: the processor's limit if the family names its attribute, else the family's. None: no
        limit.
        """
        if self.family.limit is None:
            return self.family.max_seconds
        found: Any = self.processor
        for name in self.family.limit.split("."):
            found = getattr(found, name, None)
        return float(found) if found is not None else self.family.max_seconds


def find_family(source: Source, remote_code: bool) -> Family:
    """Return the family of a checkpoint.

    Raises CheckpointError if the configuration names no model type, and UsageError if the model takes no audio, is not
    supported by the installed transformers, or needs missing packages.
    """
    config = resolve_model_types(source.config)
    name = str(config.get("model_type", ""))
    if not name:
        raise CheckpointError(f"{source.name}: its config.json names no model_type")
    if is_transcriber(name):
        raise UsageError(f"{source.name} is of the type {name}, which transcribes speech and answers no questions")
    if name not in CONFIGURATIONS and not remote_code:
        more = " (its own code is run with --model-arg trust_remote_code=true)" if "auto_map" in source.config else ""
        raise UsageError(
            f"{source.name} is of the type {name!r}, which transformers {transformers.__version__} does not know: "
            f"install a newer one{more}"
        )
    found = get_family_settings(name)
    part = config.get(found.part, config) if found.part else config
    if not remote_code and _find_auto_class(str(part.get("model_type", name))) is None:
        raise UsageError(f"{source.name} is of the type {name}, which generates no text from audio")
    if "audio_config" in part and part["audio_config"] is None:
        raise UsageError(f"{source.name} ({name}) has no audio encoder: its config.json has audio_config null")
    missing = [need for need in found.needs if importlib.util.find_spec(IMPORT_NAMES.get(need, need)) is None]
    if missing:
        matching = (
            " (torchvision and torchaudio of your torch's own build)" if _TORCH_BUILD_PACKAGES & set(missing) else ""
        )
        raise UsageError(f"{name} checkpoints need {', '.join(missing)}: pip install {' '.join(missing)}{matching}")
    return found


def load_config(source: Source, settings: LoadSettings, model_family: Family) -> Any:
    """Load the configuration of the network. If the family names a part of the configuration, return that part.

    Raises CheckpointError.
    """
    with _silence_and_translate_errors(source.name):
        if has_own_model_types(source.config) and not settings.remote_code:
            kind = library.CONFIG_MAPPING[model_family.name]
            values, _ = kind.get_config_dict(source.name, revision=source.commit)
            config = kind.from_dict(resolve_model_types(values))
        else:
            config = library.AutoConfig.from_pretrained(
                source.name, revision=source.commit, trust_remote_code=settings.remote_code
            )
    return getattr(config, model_family.part) if model_family.part else config


def load_processor(source: Source, settings: LoadSettings, model_family: Family, config: Any) -> Any:
    """Load a processor. Raises CheckpointError, and UsageError if the processor does not support audio.

    `config`: configuration of the network.
    """
    with _silence_and_translate_errors(source.name):
        if model_family.processor_parts and has_own_model_types(source.config) and not settings.remote_code:
            processor = _build_processor(source, model_family.processor_parts, config)
        else:
            processor = library.AutoProcessor.from_pretrained(
                source.name, revision=source.commit, trust_remote_code=settings.remote_code
            )
    if getattr(_get_audio_part(processor), "sampling_rate", None) is None:
        raise UsageError(
            f"{source.name} ({model_family.name}) has a processor without audio: it cannot be asked about clips"
        )
    if getattr(processor, "audio_token", None) is None:
        raise UsageError(
            f"{source.name} ({model_family.name}): its processor names no audio token, so lost clips would not be seen"
        )
    if model_family.template == "tokenizer" and getattr(processor, "chat_template", None) is None:
        processor.chat_template = processor.tokenizer.chat_template
    if model_family.encoder == "processor" and getattr(processor, "chat_template", None) is None:
        raise CheckpointError(f"{source.name} has no chat template: expected chat_template.jinja beside its tokenizer")
    return processor


def _build_processor(source: Source, parts: Mapping[str, str], config: Any) -> Any:
    """Build transformers' processor for a checkpoint whose processor files only the checkpoint's own code can read.

    `parts` maps each part of the processor to the name of its class in transformers. Features of clips have as many mel
    bands as the audio encoder takes; other settings are the classes' defaults. Tokenizer and chat template are the
    checkpoint's.
    """
    tokenizer = library.PreTrainedTokenizerFast.from_pretrained(source.name, revision=source.commit)
    settings = {"feature_extractor": {"feature_size": config.audio_config.num_mel_bins}}
    built = {part: getattr(library, name)(**settings.get(part, {})) for part, name in parts.items()}
    processor_class: Any = processing_auto.PROCESSOR_MAPPING[type(config)]
    return processor_class(tokenizer=tokenizer, chat_template=tokenizer.chat_template, **built)


def _get_audio_part(processor: Any) -> Any:
    """Return the processor's audio part (its name differs between processors), or None."""
    parts = (getattr(processor, name, None) for name in ("audio_processor", "feature_extractor"))
    return next((part for part in parts if part is not None), None)


def load(source: Source, settings: LoadSettings, lora: Source | None) -> LoadedCheckpoint:
    """Load processor and network. Raises CheckpointError or UsageError with a one-line message."""
    found = find_family(source, settings.remote_code)
    device_map = _pick_device_map(settings)
    config = load_config(source, settings, found)
    processor = load_processor(source, settings, found, config)
    arguments: dict[str, Any] = {
        "revision": source.commit,
        "trust_remote_code": settings.remote_code,
        "dtype": _pick_dtype(settings, device_map),
        "device_map": device_map,
        "attn_implementation": settings.attn,
        "quantization_config": _build_quantization(settings.quantization),
        "output_loading_info": True,
    }
    with _silence_and_translate_errors(source.name):
        auto = getattr(library, _find_auto_class(config.model_type) or _find_own_auto_class(source))
        model, info = auto.from_pretrained(source.name, config=config, **arguments)
    _check_weights(source, info)
    if lora is not None:
        _attach_lora(model, source, lora)
    model.eval()
    stops = _find_stop_tokens(model, processor.tokenizer)
    # The checkpoint's sampling defaults (penalty, temperature) would apply wherever a call does not set a value.
    model.generation_config = library.GenerationConfig(
        eos_token_id=list(stops), pad_token_id=_find_pad_token(processor.tokenizer, stops), do_sample=False
    )
    return LoadedCheckpoint(found, processor, model, stops, lora)


@contextlib.contextmanager
def _silence_and_translate_errors(name: str) -> Iterator[None]:
    """Turn exceptions within the block into CheckpointError with a one-line message; silence the libraries' own
    messages.
    """
    with (
        silence_transformers(),
        translate_load_errors(
            f"{name} cannot be loaded",
            memory_options="--dtype bfloat16, --model-arg quantization=4bit or, if it is a GPU's memory, --device cpu",
        ),
    ):
        yield


def _find_auto_class(model_type: str) -> str | None:
    """Return the name of the auto class of transformers that loads a model type; None if there is none."""
    if model_type in modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES:
        return "AutoModelForMultimodalLM"
    if model_type in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "AutoModelForSeq2SeqLM"
    return None


def _find_own_auto_class(source: Source) -> str:
    """Return the auto class of transformers that a checkpoint with its own code names in its configuration."""
    named = [name for name in source.config.get("auto_map", {}) if name.startswith("AutoModelFor")]
    return named[0] if named else "AutoModel"


def _pick_device_map(settings: LoadSettings) -> str:
    device = pick_device(settings.device)
    spread = settings.device == "auto" and device.type == "cuda"
    return settings.device_map or ("auto" if spread else str(device))


def _pick_dtype(settings: LoadSettings, device_map: str) -> torch.dtype | str:
    """Return the precision to load the weights in, `auto` for the checkpoint's own."""
    if settings.dtype is None:
        return torch.float32 if device_map == "cpu" or pick_device("auto").type == "cpu" else "auto"
    return pick_dtype(settings.dtype, "hf")


def _build_quantization(bits: str | None) -> Any:
    """Return the configuration with which transformers quantises weights to `4bit` or `8bit`; None for None."""
    if bits is None:
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UsageError(f"quantization={bits} needs bitsandbytes: pip install 'alm-bench[quantization]'")
    if bits == "8bit":
        return library.BitsAndBytesConfig(load_in_8bit=True)
    return library.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )


def _check_weights(source: Source, info: dict[str, Any]) -> None:
    """Check that the checkpoint contains all weights, which transformers would otherwise initialise at random.

    Raises CheckpointError for missing weights and for weights of another shape.
    """
    missing, misfits = sorted(info.get("missing_keys", ())), list(info.get("mismatched_keys", ()))
    if missing:
        raise CheckpointError(
            f"{source.name} lacks {len(missing)} of the network's weights ({missing[0]}, ...): "
            "it is incomplete, or of another layout than its config.json says"
        )
    if misfits:
        raise CheckpointError(f"{source.name} has weights of another shape than its config.json says: {misfits[0]}")


def find_lora(path: str, base: Source, original: str | None) -> Source:
    """Return the source of the LoRA adapter at `path`, for the checkpoint `base`.

    `original` names the repository that `base` is a copy of. Raises CheckpointError, and UsageError if the LoRA adapter
    was trained on another checkpoint.
    """
    lora = find_source(path, None, "adapter_config.json")
    trained_on = str(lora.config.get("base_model_name_or_path") or "")
    if trained_on and not _is_base_of_lora(trained_on, base, original):
        raise UsageError(
            f"lora={path} was trained on {trained_on}, but the model is {base.name}: name a LoRA of this model, or the "
            "model that it was trained on"
        )
    return lora


def _is_base_of_lora(trained_on: str, base: Source, original: str | None) -> bool:
    """Return True if `base` is the checkpoint that a LoRA adapter's configuration names as its base (`trained_on`).

    `original` names the repository that `base` is a copy of. If `trained_on` is not a folder on this machine, only the
    last components of paths are compared, since folders on other machines and copies of repositories differ in the
    others.
    """
    if trained_on in (base.name, original):
        return True
    here, there = Path(base.name).resolve(), Path(trained_on)
    return here == there.resolve() if there.is_dir() else here.name == there.name


def _attach_lora(model: Any, source: Source, lora: Source) -> None:
    if importlib.util.find_spec("peft") is None:
        raise UsageError("a LoRA needs peft: pip install peft")
    with _silence_and_translate_errors(lora.name):
        place = {"revision": lora.commit, "subfolder": lora.subfolder}
        info = model.load_adapter(
            lora.name, adapter_name="lora", adapter_kwargs={key: value for key, value in place.items() if value}
        )
    unknown, missing = list(info.unexpected_keys), list(info.missing_keys)
    if unknown or missing:
        raise UsageError(
            f"lora={lora.name} does not fit {source.name}: {len(unknown)} of its weights have no place there, "
            f"{len(missing)} are missing ({(unknown + missing)[0]})"
        )


def _find_stop_tokens(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Return the ids of all tokens that end an answer: those of the checkpoint's generation settings and the
    tokenizer's.

    Raises CheckpointError if neither names one.
    """
    own = getattr(model.generation_config, "eos_token_id", None)
    found = [*(own if isinstance(own, list | tuple) else [own]), getattr(tokenizer, "eos_token_id", None)]
    stops = tuple(sorted({int(token) for token in found if token is not None}))
    if not stops:
        raise CheckpointError("neither the checkpoint nor its tokenizer names an end token: no answer would end")
    return stops


def _find_pad_token(tokenizer: Any, stops: tuple[int, ...]) -> int:
    """Return the tokenizer's padding token, or the first end token if it has none."""
    pad = getattr(tokenizer, "pad_token_id", None)
    return stops[0] if pad is None else int(pad)
