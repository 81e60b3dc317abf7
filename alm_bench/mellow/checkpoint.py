"""Reading and writing of weights. Three layouts are read: published Mellow checkpoints (`v0.ckpt`), AudioSet encoder
checkpoints, and Mellow folders. Mellow folders are also written.

A Mellow folder contains `config.json`, `model.safetensors` and `tokenizer.json`.
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

from alm_bench.core.errors import CheckpointError, StoreError, UsageError, get_first_line
from alm_bench.core.files import compute_sha256, replace_atomically, write_atomically
from alm_bench.core.foreign import parse_json
from alm_bench.mellow.config import PUBLISHED, MellowConfig
from alm_bench.mellow.encoder import Encoder
from alm_bench.mellow.hub import fetch_hub_file
from alm_bench.mellow.lm import load_smollm2_tokenizer, read_tokenizer
from alm_bench.mellow.model import Mellow

HUB = "soham97/mellow"
"""Hugging Face repository of the published checkpoints."""
HUB_FILES = {"v0": "v0.ckpt", "v0_s": "v0_s.ckpt"}
"""File of each published checkpoint in the repository `HUB`."""
MINI = Path(__file__).parent / "mini"
"""Folder of the bundled network that is used by default."""
SHIPPED = {"mini": MINI, "mini-text-only": Path(__file__).parent / "mini_text_only"}
"""Folders of the bundled networks. `mini` is trained on the synthetic demo data, `mini-text-only` on the same data with
all clips replaced by silence."""

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
EVENTS = "events.json"
"""Optional file of a Mellow folder: a list of the encoder's classes, with the name of each sound event, and null for a
class that is not a sound event."""

PUBLISHED_PREFIXES = {
    "encoder.": "audio_encoder.base.htsat.",
    "mapper.c2l.": "audio_encoder.base.c2l.",
    "mapper.projection.": "audio_encoder.projection.",
    "lm.": "caption_decoder.lm.",
}
"""Prefix of the parameter names in this package: corresponding prefix in published checkpoints."""

OUTPUT_WEIGHT = "lm.lm_head.weight"
"""Name of the output layer's weight, which is tied to the embeddings."""
EMBEDDINGS = {"llama": "lm.model.embed_tokens.weight", "gpt2": "lm.transformer.wte.weight"}
"""Name of the embeddings that the output layer is tied to, by kind of language model."""

ENCODER_FILES = {"htsat": ("state_dict", "sed_model."), "cnn14": ("model", "")}
"""Layout of AudioSet checkpoints by kind of encoder: the key of the state dict in the file, and the prefix of its
parameter names."""


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network in evaluation mode, with its tokenizer."""

    model: Mellow
    """The network."""

    tokenizer: Tokenizer
    """Tokenizer of the network's language model."""

    name: str
    """Label for tables: the name of the checkpoint, and for all but published ones the first digits of its hash."""

    sha256: str
    """SHA-256 of the weights file."""

    events: tuple[str | None, ...] | None = None
    """Names of the encoder's classes, from `events.json`; None for a class that is not a sound event. None without
    this file."""


def load(checkpoint: str | None) -> LoadedNetwork:
    """Load a network with its tokenizer.

    `checkpoint` is `v0` or `v0_s` (published, from the hub), the name of a bundled network, the path of a file in the
    layout of `v0.ckpt`, or the path of a Mellow folder. None loads `mini`. Raises CheckpointError, with a message of
    one line, if the checkpoint cannot be used.
    """
    if checkpoint is None or checkpoint in SHIPPED:
        name = checkpoint or "mini"
        model, tokenizer = load_folder(SHIPPED[name])
        digest = compute_sha256(SHIPPED[name] / WEIGHTS)
        return LoadedNetwork(model, tokenizer, f"{name}@{digest[:8]}", digest, read_events(SHIPPED[name], model))
    if checkpoint in HUB_FILES:
        file = HUB_FILES[checkpoint]
        advice = f"put {file} anywhere on this machine and name it: checkpoint=PATH"
        path = fetch_hub_file(HUB, file, advice)
        return LoadedNetwork(load_published(path), load_smollm2_tokenizer(), checkpoint, compute_sha256(path))
    path = Path(checkpoint).expanduser()
    if not path.exists():
        bundled = [name for name, folder in SHIPPED.items() if (folder / WEIGHTS).is_file()]
        raise CheckpointError(
            f"no checkpoint at {path}; expected {', '.join((*bundled, *HUB_FILES))}, a file in the layout of v0.ckpt, "
            f"or a folder with {CONFIG}, {WEIGHTS} and {TOKENIZER}"
        )
    events = None
    if path.is_dir():
        digest = compute_sha256(_check_exists(path / WEIGHTS))
        model, tokenizer = load_folder(path)
        events = read_events(path, model)
    else:
        digest, model, tokenizer = compute_sha256(path), load_published(path), load_smollm2_tokenizer()
    return LoadedNetwork(model, tokenizer, f"{path.resolve().stem}@{digest[:8]}", digest, events)


# --- the published layout ---


def get_published_name(name: str) -> str:
    """Return the name of a parameter in published checkpoints. Raises KeyError for an unknown prefix."""
    for ours, theirs in PUBLISHED_PREFIXES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def list_constant_shapes(model: Mellow) -> dict[str, tuple[int, ...]]:
    """Return the shapes, by name, of the tensors of a published checkpoint that are constants, not learned weights.

    They follow from the architecture, so that a published checkpoint may lack them.
    """
    return {
        PUBLISHED_PREFIXES["encoder."] + name: shape
        for name, shape in _list_encoder_constant_shapes(model.encoder).items()
    }


def _list_encoder_constant_shapes(encoder: Encoder) -> dict[str, tuple[int, ...]]:
    """Return the shapes, by name in published checkpoints, of an encoder's constant tensors: Fourier kernels, mel
    matrix, and buffers such as attention masks."""
    bins, mels = encoder.logmel.mel.shape
    kernel = (bins, 1, encoder.logmel.n_fft)
    constant: dict[str, tuple[int, ...]] = {
        "spectrogram_extractor.stft.conv_real.weight": kernel,
        "spectrogram_extractor.stft.conv_imag.weight": kernel,
        "logmel_extractor.melW": (bins, mels),
    }
    for name, buffer in encoder.named_buffers():
        if name.startswith("layers.") or name.endswith("num_batches_tracked"):
            constant[name] = tuple(buffer.shape)
    return constant


def load_published(path: Path, config: MellowConfig = PUBLISHED) -> Mellow:
    """Load a network from a file in the layout of `v0.ckpt`. Keys may have the prefix `module.`. Executes no code of
    the file. Raises CheckpointError."""
    found = _check_flat_state(path, read_torch_file(path), "as v0.ckpt is")
    state = {key.removeprefix("module."): value for key, value in found.items()}
    model = _build_uninitialised(config)
    ours = {get_published_name(name): name for name in model.state_dict()}
    constant = list_constant_shapes(model)
    expected = constant | {theirs: tuple(model.state_dict()[name].shape) for theirs, name in ours.items()}
    _check_tensors(path, _list_shapes(state), expected, optional=constant)
    weights = {ours[key]: value for key, value in state.items() if key in ours}
    if not torch.equal(weights[OUTPUT_WEIGHT], weights[EMBEDDINGS[config.lm.kind]]):
        raise CheckpointError(
            f"{path}: its output layer differs from its embeddings, but a Mellow ties them: is it another model?"
        )
    # Only constants can be missing here, and they have their values already.
    model.load_state_dict(weights, strict=False)
    return model


def load_encoder(path: Path, encoder: Encoder, kind: str) -> None:
    """Load AudioSet weights into `encoder`. `kind` is `htsat` (layout of HTSAT_AudioSet_Saved_1.ckpt) or `cnn14`
    (layout of Cnn14_mAP=0.431.pth). Raises CheckpointError."""
    key, prefix = ENCODER_FILES[kind]
    file = path.expanduser()
    if not file.is_file():
        raise CheckpointError(f"no encoder weights at {file}: name the {kind} checkpoint, --set model.encoder=PATH")
    content = read_torch_file(file)
    if not isinstance(content, Mapping) or key not in content:
        found = (
            f"keys {_join_first_names(map(str, content))}" if isinstance(content, Mapping) else type(content).__name__
        )
        raise CheckpointError(f"{file} is no {kind} checkpoint: its weights are below the key {key!r}; found {found}")
    below = f"below {key!r}, as {kind} checkpoints have"
    state = {name.removeprefix(prefix): value for name, value in _check_flat_state(file, content[key], below).items()}
    constant = _list_encoder_constant_shapes(encoder)
    own = encoder.state_dict()
    _check_tensors(file, _list_shapes(state), constant | _list_shapes(own), optional=constant)
    encoder.load_state_dict({name: value for name, value in state.items() if name in own}, strict=False)


def read_torch_file(path: Path) -> Any:
    """Read tensors and plain values that torch.save wrote. Executes no code of the file. Raises CheckpointError."""
    try:
        with warnings.catch_warnings():
            # The unusual pickle protocol that torch warns of is reported by the error below.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} is refused: it is no plain file of tensors (unreadable, or it would run code when opened), and "
            "nothing of it was executed; expected tensors by name, as torch.save writes a state dict"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as a torch checkpoint: {get_first_line(error)}") from error


def _check_flat_state(path: Path, state: Any, source: str) -> dict[str, Tensor]:
    """Return `state`, the content of the file `path`, as a dict of tensors by name.

    Raises CheckpointError if it has another structure. `source` is the part of the message that says what was expected.
    """
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        found = f"keys {_join_first_names(map(str, state))}" if isinstance(state, Mapping) else type(state).__name__
        raise CheckpointError(f"{path} is no flat state dict of tensors {source}; found {found}")
    return {str(key): value for key, value in state.items()}


# --- our own folder ---


def load_folder(folder: Path) -> tuple[Mellow, Tokenizer]:
    """Load the network and tokenizer of a Mellow folder. The tensors' names and shapes are checked against config.json
    before the weights are read. Raises CheckpointError."""
    config, path = _read_config(folder), _check_exists(folder / WEIGHTS)
    expected = _list_shapes(_drop_tied_output(_build_on_meta_device(config)))
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        _check_tensors(path, shapes, expected)
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    model = _build_uninitialised(config)
    if OUTPUT_WEIGHT in model.state_dict():
        state[OUTPUT_WEIGHT] = state[EMBEDDINGS[config.lm.kind]]
    model.load_state_dict(state)
    return model, read_folder_tokenizer(folder, config)


def build_uninitialised_network(folder: Path, element_count: int) -> Mellow:
    """Build the network that a folder's config.json describes. Its weights have arbitrary values until the caller loads
    them.

    `element_count` is the number of elements of the weights that will be loaded. Raises CheckpointError if the network
    has more, before memory is allocated: a wrong description alone cannot exhaust the memory.
    """
    config = _read_config(folder)
    described = sum(value.numel() for value in _drop_tied_output(_build_on_meta_device(config)).values())
    if described > element_count:
        raise CheckpointError(
            f"{folder / CONFIG} describes a network of {described:,} numbers, saved are {element_count:,}"
        )
    return _build_uninitialised(config)


def read_events(folder: Path, model: Mellow) -> tuple[str | None, ...] | None:
    """Read the names of the encoder's classes from a folder's events.json; None without this file. Raises
    CheckpointError if it does not have one entry per class."""
    path = folder / EVENTS
    if not path.is_file():
        return None
    try:
        names = parse_json(_read_text(path))
    except ValueError as error:
        raise CheckpointError(f"{path} is no JSON: {error}") from error
    classes = model.config.encoder.classes
    if not isinstance(names, list) or not all(name is None or isinstance(name, str) for name in names):
        raise CheckpointError(f"{path}: expected a list of names and nulls, found {names!r:.60}")
    if len(names) != classes:
        raise CheckpointError(f"{path} names {len(names)} classes, but the encoder has {classes}")
    return tuple(names)


def _read_config(folder: Path) -> MellowConfig:
    """Read the config.json of a folder. Raises CheckpointError."""
    return MellowConfig.from_json(_read_text(_check_exists(folder / CONFIG)), folder / CONFIG)


def save_folder(folder: Path, model: Mellow, tokenizer: Tokenizer, dtype: torch.dtype | None = None) -> None:
    """Write a Mellow folder. If it exists, its three files are replaced and other files are left alone.

    The weights are replaced atomically, as the last step. If the network's shape or the tokenizer changes, the older
    weights are removed first. After a crash, the folder has its old weights, its new weights or none, but never the
    weights of another network. `dtype`: type of the floating-point tensors in the file; default: the model's. Raises
    StoreError, and UsageError if files of another program would be overwritten.
    """
    _check_replaceable(folder)
    weights = {name: _convert_tensor(value, dtype) for name, value in _drop_tied_output(model).items()}
    described = {CONFIG: model.config.to_json(), TOKENIZER: tokenizer.to_str()}
    with replace_atomically(folder / WEIGHTS) as temporary:
        write_tensors(temporary, weights)
        changed_texts = {name: text for name, text in described.items() if _read_bytes(folder / name) != text.encode()}
        if changed_texts:
            (folder / WEIGHTS).unlink(missing_ok=True)
        for name, text in changed_texts.items():
            write_atomically(folder / name, text)


def _check_replaceable(folder: Path) -> None:
    """Raise UsageError if the folder has files with the names of a Mellow folder, but is not one."""
    there = [name for name in (CONFIG, WEIGHTS, TOKENIZER) if (folder / name).exists()]
    try:
        if there:
            _read_config(folder)
    except (CheckpointError, OSError, ValueError) as error:
        raise UsageError(
            f"{folder} holds {', '.join(there)} of something that is no Mellow network, and it is not overwritten: "
            "name another folder, or move the files away"
        ) from error


def _read_bytes(path: Path) -> bytes | None:
    """Return the content of a file, or None if there is none."""
    return path.read_bytes() if path.is_file() else None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file. Raises StoreError."""
    try:
        save_file(dict(tensors), path, dict(metadata) if metadata else None)
    except SafetensorError as error:  # the library raises it for errors of the operating system as well
        raise StoreError(f"cannot write {path}: {error}; free some space and run the same command again") from error


def _convert_tensor(value: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Return a contiguous tensor, converted to `dtype` if it is a floating-point tensor and `dtype` is given."""
    return (value.to(dtype) if dtype is not None and value.is_floating_point() else value).contiguous()


def read_folder_tokenizer(folder: Path, config: MellowConfig) -> Tokenizer:
    """Read the tokenizer of a Mellow folder. Raises CheckpointError if it is unreadable or has more tokens than the
    network's vocabulary."""
    path = _check_exists(folder / TOKENIZER)
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


def _build_uninitialised(config: MellowConfig) -> Mellow:
    """Build a network whose weights have arbitrary values until the caller loads them."""
    with no_init_weights():
        return Mellow(config).eval()


def _build_on_meta_device(config: MellowConfig) -> Mellow:
    """Build a network on the meta device: parameters have names and shapes, but no memory."""
    with torch.device("meta"):
        return _build_uninitialised(config)


def _list_shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of tensors by name."""
    return {name: tuple(value.shape) for name, value in state.items()}


def _drop_tied_output(model: Mellow) -> dict[str, Tensor]:
    """Return the state dict without the output layer, which is the same tensor as the embeddings."""
    return {name: value for name, value in model.state_dict().items() if name != OUTPUT_WEIGHT}


def _read_text(path: Path) -> str:
    """Read a file as UTF-8. Raises CheckpointError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as UTF-8 text: {error}") from error


def _check_exists(path: Path) -> Path:
    """Return `path`. Raises CheckpointError if there is no file."""
    if not path.is_file():
        raise CheckpointError(
            f"{path.parent} has no {path.name}; a Mellow folder holds {CONFIG}, {WEIGHTS}, {TOKENIZER}"
        )
    return path


def _check_tensors(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    optional: Iterable[str] = (),
) -> None:
    """Compare the tensors in a file with the tensors of a network, by name and shape. Raises CheckpointError if they
    differ. `optional`: names that may be missing in the file."""
    missing = sorted(set(expected) - set(shapes) - set(optional))
    extra = sorted(set(shapes) - set(expected))
    misshapen = [
        f"{name} {list(shapes[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in shapes and shapes[name] != shape
    ]
    found = [
        f"{len(names)} {what} ({_join_first_names(names)})"
        for what, names in (("missing", missing), ("unknown", extra), ("of another shape", misshapen))
        if names
    ]
    if found:
        raise CheckpointError(f"{path} does not fit the network: of {len(expected)} tensors, {'; '.join(found)}")


def _join_first_names(names: Iterable[Any], limit: int = 3) -> str:
    """Return at most `limit` names, joined with commas, for a message."""
    listed = list(names)
    return ", ".join(map(str, listed[:limit])) + (", ..." if len(listed) > limit else "")
