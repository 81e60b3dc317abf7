"""Weights on disk: the layouts of `v0.ckpt` and of AudioSet encoders (read), and our own folder (read and written).

A folder holds `config.json`, `model.safetensors` and `tokenizer.json`.
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers.initialization import no_init_weights

from alm_bench.core.errors import CheckpointError, StoreError, UsageError, first_line
from alm_bench.core.files import atomic_write, replace_atomically, sha256
from alm_bench.core.foreign import parse_json
from alm_bench.mellow.config import PUBLISHED, MellowConfig
from alm_bench.mellow.encoder import Encoder
from alm_bench.mellow.hub import fetch
from alm_bench.mellow.lm import read_tokenizer, smollm2_tokenizer
from alm_bench.mellow.model import Mellow

HUB = "soham97/mellow"
HUB_FILES = {"v0": "v0.ckpt", "v0_s": "v0_s.ckpt"}
MINI = Path(__file__).parent / "mini"
SHIPPED = {"mini": MINI, "mini-text-only": Path(__file__).parent / "mini_text_only"}
"""The bundled networks: trained on the demo world, and the same with every clip silenced in training."""

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"

PUBLISHED_PREFIXES = {
    "encoder.": "audio_encoder.base.htsat.",
    "mapper.c2l.": "audio_encoder.base.c2l.",
    "mapper.projection.": "audio_encoder.projection.",
    "lm.": "caption_decoder.lm.",
}
"""Our modules' names and those of the published checkpoints."""

TIED = "lm.lm_head.weight"
EMBEDDINGS = {"llama": "lm.model.embed_tokens.weight", "gpt2": "lm.transformer.wte.weight"}
"""The output layer, and the embeddings it is tied to in each kind of language model."""

ENCODER_FILES = {"htsat": ("state_dict", "sed_model."), "cnn14": ("model", "")}
"""Where AudioSet checkpoints keep an encoder's weights, and what stands before their names."""


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network with its tokenizer, in evaluation mode."""

    model: Mellow
    """The network."""

    tokenizer: Tokenizer
    """Tokenizer of its language model."""

    name: str
    """Label for tables: the checkpoint's name and the first digits of its hash."""

    sha256: str
    """Hash of the weights file."""


def load(checkpoint: str | None) -> LoadedNetwork:
    """Load a network: `v0` or `v0_s` (hub), a file in their layout, a folder of ours, a bundled network, or `mini` for
    None.

    Raises CheckpointError, in one line, if the checkpoint cannot be used.
    """
    if checkpoint is None or checkpoint in SHIPPED:
        name = checkpoint or "mini"
        model, tokenizer = load_folder(SHIPPED[name])
        digest = sha256(SHIPPED[name] / WEIGHTS)
        return LoadedNetwork(model, tokenizer, f"{name}@{digest[:8]}", digest)
    if checkpoint in HUB_FILES:
        file = HUB_FILES[checkpoint]
        advice = f"put {file} anywhere on this machine and name it: checkpoint=PATH"
        path = fetch(HUB, file, advice)
        return LoadedNetwork(load_published(path), smollm2_tokenizer(), checkpoint, sha256(path))
    path = Path(checkpoint).expanduser()
    if not path.exists():
        bundled = [name for name, folder in SHIPPED.items() if (folder / WEIGHTS).is_file()]
        raise CheckpointError(
            f"no checkpoint at {path}; expected {', '.join((*bundled, *HUB_FILES))}, a file in the layout of v0.ckpt, "
            f"or a folder with {CONFIG}, {WEIGHTS} and {TOKENIZER}"
        )
    if path.is_dir():
        digest = sha256(_existing(path / WEIGHTS))
        model, tokenizer = load_folder(path)
    else:
        digest, model, tokenizer = sha256(path), load_published(path), smollm2_tokenizer()
    return LoadedNetwork(model, tokenizer, f"{path.resolve().stem}@{digest[:8]}", digest)


# --- the published layout ---


def published_name(name: str) -> str:
    for ours, theirs in PUBLISHED_PREFIXES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def constants(model: Mellow) -> dict[str, tuple[int, ...]]:
    """Name and shape of the tensors in a published checkpoint that its architecture fixes: it may leave them out."""
    return {PUBLISHED_PREFIXES["encoder."] + name: shape for name, shape in _encoder_constants(model.encoder).items()}


def _encoder_constants(encoder: Encoder) -> dict[str, tuple[int, ...]]:
    bins, mels = encoder.logmel.mel.shape
    kernel = (bins, 1, encoder.logmel.n_fft)
    fixed: dict[str, tuple[int, ...]] = {
        "spectrogram_extractor.stft.conv_real.weight": kernel,
        "spectrogram_extractor.stft.conv_imag.weight": kernel,
        "logmel_extractor.melW": (bins, mels),
    }
    for name, buffer in encoder.named_buffers():
        if name.startswith("layers.") or name.endswith("num_batches_tracked"):
            fixed[name] = tuple(buffer.shape)
    return fixed


def load_published(path: Path, config: MellowConfig = PUBLISHED) -> Mellow:
    """Read a file in the layout of v0.ckpt, keys with or without `module.` before them. Runs no code of the file."""
    found = _flat(path, read_torch_file(path), "as v0.ckpt is")
    state = {key.removeprefix("module."): value for key, value in found.items()}
    model = _blank(config)
    ours = {published_name(name): name for name in model.state_dict()}
    fixed = constants(model)
    expected = fixed | {theirs: tuple(model.state_dict()[name].shape) for theirs, name in ours.items()}
    _compare(path, _shapes(state), expected, optional=fixed)
    weights = {ours[key]: value for key, value in state.items() if key in ours}
    if not torch.equal(weights[TIED], weights[EMBEDDINGS[config.lm.kind]]):
        raise CheckpointError(
            f"{path}: its output layer differs from its embeddings, but a Mellow ties them: is it another model?"
        )
    # Only a constant may be absent by now, and it has its value already.
    model.load_state_dict(weights, strict=False)
    return model


def load_encoder(path: Path, encoder: Encoder, kind: str) -> None:
    """AudioSet weights into an encoder: HTSAT_AudioSet_Saved_1.ckpt's layout, or Cnn14_mAP=0.431.pth's."""
    key, prefix = ENCODER_FILES[kind]
    file = path.expanduser()
    if not file.is_file():
        raise CheckpointError(f"no encoder weights at {file}: name the {kind} checkpoint, --set model.encoder=PATH")
    content = read_torch_file(file)
    if not isinstance(content, Mapping) or key not in content:
        found = f"keys {_short(map(str, content))}" if isinstance(content, Mapping) else type(content).__name__
        raise CheckpointError(f"{file} is no {kind} checkpoint: its weights are below the key {key!r}; found {found}")
    below = f"below {key!r}, as {kind} checkpoints have"
    state = {name.removeprefix(prefix): value for name, value in _flat(file, content[key], below).items()}
    fixed = _encoder_constants(encoder)
    own = encoder.state_dict()
    _compare(file, _shapes(state), fixed | _shapes(own), optional=fixed)
    encoder.load_state_dict({name: value for name, value in state.items() if name in own}, strict=False)


def read_torch_file(path: Path) -> Any:
    """Read tensors and plain values that torch.save wrote; no code of the file is run. Raises CheckpointError."""
    try:
        with warnings.catch_warnings():
            # What torch warns of here (an unusual pickle protocol) ends in the one line below.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} is refused: it is no plain file of tensors (unreadable, or it would run code when opened), and "
            "nothing of it was executed; expected tensors by name, as torch.save writes a state dict"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as a torch checkpoint: {first_line(error)}") from error


def _flat(path: Path, state: Any, where: str) -> dict[str, Tensor]:
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        found = f"keys {_short(map(str, state))}" if isinstance(state, Mapping) else type(state).__name__
        raise CheckpointError(f"{path} is no flat state dict of tensors {where}; found {found}")
    return {str(key): value for key, value in state.items()}


# --- our own folder ---


def load_folder(folder: Path) -> tuple[Mellow, Tokenizer]:
    """Load a network after comparing config.json with the weights' shapes. Raises CheckpointError."""
    config, path = _read_config(folder), _existing(folder / WEIGHTS)
    expected = _shapes(_drop_tied_output(_outline(config)))
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        _compare(path, shapes, expected)
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    model = _blank(config)
    if TIED in model.state_dict():
        state[TIED] = state[EMBEDDINGS[config.lm.kind]]
    model.load_state_dict(state)
    return model, read_folder_tokenizer(folder, config)


def blank_network(folder: Path, numbers: int) -> Mellow:
    """The network that a folder describes, for weights of so many `numbers` that are about to be loaded.

    Raises CheckpointError where it has more of them: a description alone is given no memory.
    """
    config = _read_config(folder)
    described = sum(value.numel() for value in _drop_tied_output(_outline(config)).values())
    if described > numbers:
        raise CheckpointError(f"{folder / CONFIG} describes a network of {described:,} numbers, saved are {numbers:,}")
    return _blank(config)


def _read_config(folder: Path) -> MellowConfig:
    return MellowConfig.from_json(_read_text(_existing(folder / CONFIG)), folder / CONFIG)


def save_folder(folder: Path, model: Mellow, tokenizer: Tokenizer, dtype: torch.dtype | None = None) -> None:
    """Write a Mellow folder, or replace the three files of one; whatever else lies in it stays.

    Weights are replaced in one step, after all else. Where the network's shape or its tokenizer changes, the older
    weights are removed first: a folder that a crash left has its old weights, its new ones, or none, but never those of
    another network. `dtype` is that of the file's floating-point tensors; default: the model's own. Raises StoreError,
    and UsageError where files of another program would be overwritten.
    """
    _check_replaceable(folder)
    weights = {name: _convert_tensor(value, dtype) for name, value in _drop_tied_output(model).items()}
    described = {CONFIG: model.config.to_json(), TOKENIZER: tokenizer.to_str()}
    with replace_atomically(folder / WEIGHTS) as temporary:
        write_tensors(temporary, weights)
        changed = {name: text for name, text in described.items() if _content(folder / name) != text.encode()}
        if changed:
            (folder / WEIGHTS).unlink(missing_ok=True)
        for name, text in changed.items():
            atomic_write(folder / name, text)


def _check_replaceable(folder: Path) -> None:
    """Check that files of these names are those of a Mellow network. Raises UsageError otherwise."""
    there = [name for name in (CONFIG, WEIGHTS, TOKENIZER) if (folder / name).exists()]
    try:
        if there:
            _read_config(folder)
    except (CheckpointError, OSError, ValueError) as error:
        raise UsageError(
            f"{folder} holds {', '.join(there)} of something that is no Mellow network, and it is not overwritten: "
            "name another folder, or move the files away"
        ) from error


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """A safetensors file. Raises StoreError."""
    try:
        save_file(dict(tensors), path, dict(metadata) if metadata else None)
    except SafetensorError as error:  # the library's own, also for what the operating system refuses
        raise StoreError(f"cannot write {path}: {error}; free some space and run the same command again") from error


def _convert_tensor(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    return (value.to(dtype) if dtype is not None and value.is_floating_point() else value).contiguous()


def read_folder_tokenizer(folder: Path, config: MellowConfig) -> Tokenizer:
    """A folder's tokenizer. Raises CheckpointError where it does not go with the network's `config`."""
    path = _existing(folder / TOKENIZER)
    try:
        written = parse_json(_read_text(path))
    except ValueError as error:
        raise CheckpointError(f"{path} is no JSON: {error}") from error
    if not isinstance(written, dict) or "model" not in written:
        raise CheckpointError(f"{path} is no tokenizer file of the tokenizers library: it has no 'model'")
    tokenizer = read_tokenizer(path)
    if tokenizer.get_vocab_size() > config.lm.vocabulary:
        found = tokenizer.get_vocab_size()
        raise CheckpointError(f"{path} has {found} tokens, but the language model only {config.lm.vocabulary}")
    return tokenizer


# --- shared by both ---


def _blank(config: MellowConfig) -> Mellow:
    """A network whose weights are about to be loaded: they are not initialised first."""
    with no_init_weights():
        return Mellow(config).eval()


def _outline(config: MellowConfig) -> Mellow:
    """The network's names and shapes, without memory for its weights."""
    with torch.device("meta"):
        return _blank(config)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _drop_tied_output(model: Mellow) -> dict[str, Tensor]:
    """Return the state dict without the output layer, which repeats the embeddings."""
    return {name: value for name, value in model.state_dict().items() if name != TIED}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as UTF-8 text: {error}") from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise CheckpointError(
            f"{path.parent} has no {path.name}; a Mellow folder holds {CONFIG}, {WEIGHTS}, {TOKENIZER}"
        )
    return path


def _compare(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    optional: Iterable[str] = (),
) -> None:
    """Compare the tensors of a file with those of a network, by name and shape. Raises CheckpointError."""
    missing = sorted(set(expected) - set(shapes) - set(optional))
    extra = sorted(set(shapes) - set(expected))
    misshapen = [
        f"{name} {list(shapes[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in shapes and shapes[name] != shape
    ]
    found = [
        f"{len(names)} {what} ({_short(names)})"
        for what, names in (("missing", missing), ("unknown", extra), ("of another shape", misshapen))
        if names
    ]
    if found:
        raise CheckpointError(f"{path} does not fit the network: of {len(expected)} tensors, {'; '.join(found)}")


def _short(names: Iterable[Any], limit: int = 3) -> str:
    listed = list(names)
    return ", ".join(map(str, listed[:limit])) + (", ..." if len(listed) > limit else "")
