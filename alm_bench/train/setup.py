"""Everything a trainer needs before its first step: network, tokenizer, rows and clips."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from alm_bench.core import CheckpointError
from alm_bench.mellow.checkpoint import CONFIG, SHIPPED, TOKENIZER, load
from alm_bench.mellow.config import PUBLISHED, MellowConfig
from alm_bench.mellow.lm import smollm2, smollm2_tokenizer
from alm_bench.mellow.model import Mellow, seeded
from alm_bench.mellow.prompt import Protocol, protocol_for
from alm_bench.train.batches import Corpus, clips_of
from alm_bench.train.config import ModelConfig, TrainConfig
from alm_bench.train.features import cached_logmels
from alm_bench.train.sources import Source, read_source

Report = Callable[[str, int, int], None]
"""Told what is being prepared, how much of it is done, and how much there is."""


@dataclass(slots=True)
class Prepared:
    """`lengths` (rows,) order rows into batches of like length."""

    model: Mellow
    tokenizer: Tokenizer
    protocol: Protocol
    corpus: Corpus
    lengths: npt.NDArray[np.int64]
    validation: Corpus | None = None


def prepare(config: TrainConfig, cache: Path, report: Report) -> Prepared:
    """Raises DataError, CheckpointError, UsageError: everything that can be wrong is found before training starts."""
    sources = [read_source(part, config.missing_audio) for part in config.data]
    held_out = [read_source(part, config.missing_audio) for part in config.validation]
    model, tokenizer = build_network(config.model, config.seed, config.trained_on)
    protocol = protocol_for(model.config.prompt.layout, None)
    corpus = _corpus(sources, model.config, protocol, cache, report)
    validation = _corpus(held_out, model.config, protocol, cache, report) if held_out else None
    lengths = [len(row.prompt) + len(row.answer) for source in sources for row in source.rows]
    return Prepared(model, tokenizer, protocol, corpus, np.array(lengths), validation)


def build_network(config: ModelConfig, seed: int, trained_on: Sequence[str]) -> tuple[Mellow, Tokenizer]:
    """A checkpoint to go on from, or a new network of the shape in `network`, its language model perhaps SmolLM2's."""
    if config.init is not None:
        loaded = load(config.init)
        return loaded.model, loaded.tokenizer
    if config.network == "published":
        shape, tokenizer = PUBLISHED, smollm2_tokenizer()
    else:
        folder = SHIPPED.get(config.network, Path(config.network))
        if not (folder / CONFIG).is_file():
            known = ", ".join(("published", *SHIPPED))
            raise CheckpointError(
                f"model.network {config.network!r}: {folder} has no {CONFIG}; known besides a folder: {known}"
            )
        shape = MellowConfig.from_json((folder / CONFIG).read_text(encoding="utf-8"), folder / CONFIG)
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    values = json.loads(shape.to_json())
    for part, changes in config.config.items():
        values[part] = {**values[part], **changes} if isinstance(changes, dict) else changes
    values["trained_on"] = list(trained_on)
    model = seeded(MellowConfig.from_json(json.dumps(values), "the training config's model.config"), seed)
    if config.lm == "smollm2":
        model.lm = smollm2()[0]
    return model, tokenizer


def _corpus(sources: Sequence[Source], config: MellowConfig, protocol: Protocol, cache: Path, report: Report) -> Corpus:
    clips = clips_of(sources)
    policy = protocol.policy(config.encoder)
    logmels = cached_logmels(clips, config.encoder, policy, cache, lambda done: report("clips", done, len(clips)))
    return Corpus(sources, clips, logmels, _cues(sources, clips, config))


def _cues(sources: Sequence[Source], clips: Sequence[object], config: MellowConfig) -> torch.Tensor | None:
    """Frame targets of demo clips, uint8 (clips, steps, classes), where every source is of the demo world."""
    if any(source.config.file != "demo" for source in sources):
        return None
    from alm_bench.demo import DemoRoot, frame_cues

    encoder = config.encoder
    steps = encoder.grid * encoder.stretch
    roots: list[DemoRoot] = [source.root for source in sources if isinstance(source.root, DemoRoot)]
    places = {
        ref.id: root for source, root in zip(sources, roots, strict=True) for row in source.rows for ref in row.clips
    }
    cues = np.stack([frame_cues(places[name].scene(name), steps) for name in places])
    return torch.from_numpy(cues.astype(np.uint8))
