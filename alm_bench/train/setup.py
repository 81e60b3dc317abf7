"""Preparation of a training run: loads network, tokenizer, rows and clips."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import nn

from alm_bench.core import CheckpointError, UsageError
from alm_bench.mellow.checkpoint import CONFIG, SHIPPED, TOKENIZER, load, load_encoder
from alm_bench.mellow.config import PUBLISHED, MellowConfig
from alm_bench.mellow.encoder import EncoderOutput
from alm_bench.mellow.lm import PRETRAINED, TOKENIZERS
from alm_bench.mellow.model import Mellow, build_untrained
from alm_bench.mellow.prompt import Protocol, select_protocol
from alm_bench.train.batches import Corpus, collect_clips
from alm_bench.train.config import ModelConfig, TrainConfig
from alm_bench.train.features import load_cached_logmels
from alm_bench.train.holdout import Holdout, divide_source, is_divisible
from alm_bench.train.lora import add_lora
from alm_bench.train.objectives import check_objectives
from alm_bench.train.sources import Source, build_clip_key, read_source

Report = Callable[[str, int, int], None]
"""Called with the name of a preparation step, the amount done, and the total."""


@dataclass(slots=True)
class TrainingSetup:
    """Data and network of a training run before its first step."""

    model: Mellow
    """Network with initial weights."""

    tokenizer: Tokenizer
    """Tokenizer of the network's language model."""

    protocol: Protocol
    """Protocol by which prompts and clips are prepared."""

    corpus: Corpus
    """Training rows and clips."""

    lengths: npt.NDArray[np.int64]
    """Number of characters of prompt and answer of each row, (rows,). Rows of similar length share a batch."""

    validation: Corpus | None = None
    """Validation rows and clips, None if the recipe has none."""

    holdouts: Sequence[Holdout] = ()
    """Divisions of the user's own data into training and validation rows."""

    encoded: dict[bool, EncoderOutput] = field(default_factory=dict)
    """Cached outputs of a frozen encoder: under False for the clips of `corpus`, under True for silence in place of
    each clip. Stages fill the dict. Trainings of networks with the same encoder can share it."""


def prepare_training(config: TrainConfig, cache: Path, report: Report) -> TrainingSetup:
    """Load data and network, and check them before training starts. `cache`: folder of cached log-mels. Raises
    DataError, CheckpointError or UsageError."""
    check_objectives(config)
    sources, validation_sources, holdouts = read_training_sources(config)
    model, tokenizer = build_network(config.model, config.seed, config.trained_on)
    if config.lora is not None:
        add_lora(model, config.lora, config.seed)
    protocol = select_protocol(model.config.prompt.layout, None, model.config.lm.kind)
    corpus = _build_corpus(sources, model.config, protocol, cache, report)
    validation = (
        _build_corpus(validation_sources, model.config, protocol, cache, report) if validation_sources else None
    )
    lengths = [len(row.prompt) + len(row.answer) for source in sources for row in source.rows]
    return TrainingSetup(model, tokenizer, protocol, corpus, np.array(lengths), validation, holdouts)


def read_training_sources(config: TrainConfig) -> tuple[list[Source], list[Source], list[Holdout]]:
    """Read the sources of a recipe: those to train on, those to validate on, and the divisions by which validation rows
    were held out. Rows are held out of the user's own data if the recipe has no `[[validation]]`. Raises DataError."""
    sources = [read_source(part, config.missing_audio) for part in config.data]
    if config.validation:
        return sources, [read_source(part, config.missing_audio) for part in config.validation], []
    training: list[Source] = []
    holdouts: list[Holdout] = []
    for source in sources:
        if is_divisible(source):
            holdouts.append(divide_source(source, config.seed))
        training.append(holdouts[-1].training if is_divisible(source) else source)
    return training, [holdout.validation for holdout in holdouts], holdouts


def build_network(config: ModelConfig, seed: int, trained_on: Sequence[str]) -> tuple[Mellow, Tokenizer]:
    """Load the checkpoint `init`, or build a new network. The language model and the encoder of a new network may get
    pre-trained weights. `trained_on`: domains of the training data, for the config of a new network. Returns the
    network and its tokenizer. Raises CheckpointError and UsageError."""
    if config.init is not None:
        loaded = load(config.init)
        _reset_parameters(loaded.model, config.reset, seed)
        return loaded.model, loaded.tokenizer
    if config.reset:
        raise UsageError("model.reset gives new weights to parts of a checkpoint: name one as model.init")
    shape = build_network_config(config, trained_on)
    if config.network == "published":
        tokenizer = TOKENIZERS[shape.lm.kind]()
    else:
        tokenizer = Tokenizer.from_file(str(_find_network_folder(config.network) / TOKENIZER))
    model = build_untrained(shape, seed)
    if config.lm != "random":
        lm, origin = PRETRAINED[config.lm]()
        if _list_shapes(lm) != _list_shapes(model.lm):
            raise CheckpointError(f"model.lm {config.lm!r}: the weights of {origin} do not fit model.config's lm")
        model.lm = lm
    if config.encoder is not None:
        load_encoder(config.encoder, model.encoder, shape.encoder.kind)
    return model, tokenizer


@torch.no_grad()
def _reset_parameters(model: Mellow, prefixes: Sequence[str], seed: int) -> None:
    """Give the parameters with these prefixes the weights of a new network. Raises UsageError for a prefix that no
    parameter has."""
    if not prefixes:
        return
    new = dict(build_untrained(model.config, seed).named_parameters())
    for prefix in prefixes:
        names = [name for name in new if f"{name}.".startswith(f"{prefix}.")]
        if not names:
            parts = ", ".join(sorted({name.partition(".")[0] for name in new}))
            raise UsageError(f"model.reset names {prefix!r}, which the network has not; its parts: {parts}")
        for name, parameter in model.named_parameters():
            if name in names:
                parameter.copy_(new[name])


def build_network_config(config: ModelConfig, trained_on: Sequence[str] = ()) -> MellowConfig:
    """Return the config of a new network: the config of `network`, with the changes in `config`."""
    shape = PUBLISHED
    if config.network != "published":
        file = _find_network_folder(config.network) / CONFIG
        shape = MellowConfig.from_json(file.read_text(encoding="utf-8"), file)
    values = json.loads(shape.to_json())
    for part, changes in config.config.items():
        old = values.get(part)
        if isinstance(old, dict) and isinstance(changes, dict):
            other_kind = part == "encoder" and changes.get("kind", old["kind"]) != old["kind"]
            values[part] = changes if other_kind else {**old, **changes}
        else:
            values[part] = changes
    values["trained_on"] = list(trained_on)
    return MellowConfig.from_json(json.dumps(values), "the training config's model.config")


def _find_network_folder(network: str) -> Path:
    """Return the folder of a bundled network or of the path `network`. Raises CheckpointError if it has no config."""
    folder = SHIPPED.get(network, Path(network))
    if not (folder / CONFIG).is_file():
        known = ", ".join(("published", *SHIPPED))
        raise CheckpointError(f"model.network {network!r}: {folder} has no {CONFIG}; known besides a folder: {known}")
    return folder


def _list_shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Return the shapes of the parameters by name."""
    return {name: parameter.shape for name, parameter in module.named_parameters()}


def _build_corpus(
    sources: Sequence[Source], config: MellowConfig, protocol: Protocol, cache: Path, report: Report
) -> Corpus:
    """Create the corpus of `sources` and compute or load the log-mels of its clips."""
    clips = collect_clips(sources)
    policy = protocol.build_policy(config.encoder)
    logmels = load_cached_logmels(clips, config.encoder, policy, cache, lambda done: report("clips", done, len(clips)))
    return Corpus(sources, clips, logmels, _build_class_targets(sources, config))


def _build_class_targets(sources: Sequence[Source], config: MellowConfig) -> torch.Tensor | None:
    """Return the targets of the encoder's classes, uint8, or None if the data has none.

    The shape is (clips, time steps, classes) for demo data; for a file of labels see `TagFile.build_targets`. Raises
    UsageError if a file of labels does not fit the encoder, or is combined with other sources.
    """
    encoder = config.encoder
    if tagged := [source.tagged for source in sources if source.tagged is not None]:
        if len(sources) > 1:
            raise UsageError("a tag file is trained on alone: its classes are the encoder's outputs")
        if len(tagged[0].classes) != encoder.classes:
            raise UsageError(
                f"{sources[0].config.name} has {len(tagged[0].classes)} classes, the encoder {encoder.classes}: name "
                "the classes file that goes with it, or set model.config.encoder.classes"
            )
        return tagged[0].build_targets(encoder.steps, encoder.seconds)
    if any(source.config.file != "demo" for source in sources):
        return None
    from alm_bench.demo import DemoRoot, compute_frame_targets

    roots: list[DemoRoot] = [source.root for source in sources if isinstance(source.root, DemoRoot)]
    scenes = {
        build_clip_key(ref): root.get_scene(ref.id)
        for source, root in zip(sources, roots, strict=True)
        for row in source.rows
        for ref in row.clips
    }
    cues = np.stack([compute_frame_targets(scene, encoder.steps) for scene in scenes.values()])
    return torch.from_numpy(cues.astype(np.uint8))
