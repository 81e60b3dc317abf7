"""Mellow (arXiv 2503.08540): a network that generates an answer from one or two clips and a prompt."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from alm_bench.mellow.cnn14 import CNN14
from alm_bench.mellow.config import MellowConfig
from alm_bench.mellow.encoder import Encoder
from alm_bench.mellow.htsat import HTSAT
from alm_bench.mellow.lm import build_lm
from alm_bench.mellow.mapper import Mapper

ENCODERS: dict[str, Callable[[Any], Encoder]] = {"htsat": HTSAT, "cnn14": CNN14}
"""Encoder class by kind."""


class Mellow(nn.Module):
    """The network: audio encoder, mapper and language model.

    Shapes in the methods: B clips or prompts, A = config.audio_tokens, D = config.lm.width.
    """

    def __init__(self, config: MellowConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ENCODERS[config.encoder.kind](config.encoder)
        self.mapper = Mapper(config)
        self.lm = build_lm(config.lm)

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

    def cast(self, dtype: torch.dtype) -> None:
        """Convert the network to `dtype`. The encoder's first steps stay in float32."""
        self.encoder.cast(dtype)
        self.mapper.to(dtype)
        self.lm.to(dtype)  # type: ignore[arg-type]

    def encode_audio(self, waves: Tensor) -> Tensor:
        """Encode waves (B, config.encoder.samples), float32, as audio tokens (B, A, D)."""
        tokens: Tensor = self.mapper(self.encoder(waves))
        return tokens

    def embed(self, ids: Tensor) -> Tensor:
        """Return the embeddings (B, n, D) of token ids (B, n)."""
        embedded: Tensor = self.lm.get_input_embeddings()(ids)
        return embedded

    def build_sequences(
        self, first: Tensor, second: Sequence[Tensor | None], prompts: Sequence[Sequence[int]]
    ) -> list[Tensor]:
        """Build the sequence that precedes each answer, one tensor (n, D) per row.

        `first` and `second`: encoded clips (A, D) per row; None in `second` for rows without a second clip. `prompts`:
        token ids.
        """
        separator = self.config.prompt.separator
        prompt_embeddings = [self.embed(torch.tensor([separator, *ids], device=first.device)) for ids in prompts]
        return [
            torch.cat([self.join_clips(*clips), ids])
            for *clips, ids in zip(first, second, prompt_embeddings, strict=True)
        ]

    def join_clips(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        """Return the part of a sequence before the prompt, without the separator that precedes the prompt: the encoded
        clips (A, D) with a separator token between them, (2 A + 1, D), or `first` alone if `second` is None."""
        if second is None:
            return first
        separator = self.embed(torch.tensor([self.config.prompt.separator], device=first.device))
        return torch.cat([first, separator, second])

    def compute_answer_loss(self, sequences: Sequence[Tensor], answers: Sequence[Sequence[int]]) -> tuple[Tensor, int]:
        """Return the cross-entropy in nats, summed over the tokens of all answers, and the number of these tokens.
        `sequences` (n, D): the embeddings that precede each answer. `answers`: token ids.

        Rows are padded to equal length after the answer, where causal attention does not read the padding.
        """
        device = sequences[0].device
        targets = [torch.tensor(answer, device=device) for answer in answers]
        rows = [torch.cat([x, self.embed(t[:-1])]) for x, t in zip(sequences, targets, strict=True)]
        hidden = self.lm.base_model(inputs_embeds=pad_sequence(rows, batch_first=True), use_cache=False)[0]
        places = [range(len(x) - 1, len(x) - 1 + len(t)) for x, t in zip(sequences, targets, strict=True)]
        flat = torch.tensor([i * hidden.shape[1] + k for i, place in enumerate(places) for k in place], device=device)
        logits: Tensor = self.lm.lm_head(hidden.flatten(0, 1)[flat])
        return functional.cross_entropy(logits.float(), torch.cat(targets), reduction="sum"), len(flat)

    def count_parameters(self) -> int:
        """Return the number of parameters. Tied embeddings are counted once."""
        return sum(parameter.numel() for parameter in self.parameters())


@torch.no_grad()
def build_untrained(config: MellowConfig, seed: int = 0) -> Mellow:
    """Build a network with random weights that are the same on every machine and with every version of torch.

    Matrices are normally distributed with variance 1 / inputs. Exceptions are embeddings (standard deviation 0.02) and
    the position vectors of audio tokens (standard deviation 0.5), which are added to values around 1. Norms are 1,
    biases 0.
    """
    model = Mellow(config)
    generator = np.random.default_rng(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            continue
        fixed = name.endswith("relative_position_bias_table") or any(
            part in name for part in ("embed_tokens", "wte", "wpe")
        )
        scale = 0.02 if fixed else float(np.prod(parameter.shape[1:])) ** -0.5
        if name == "mapper.positions":
            scale = 0.5
        values = generator.standard_normal(tuple(parameter.shape), dtype=np.float32)
        parameter.copy_(torch.from_numpy(scale * values))
    return model.eval()
