"""A network of the published shape, but tiny, and inputs for it."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from alm_bench.core.types import Wave
from alm_bench.mellow.checkpoint import MINI, TOKENIZER
from alm_bench.mellow.config import EncoderConfig, LanguageModelConfig, MellowConfig, PromptConfig
from alm_bench.mellow.model import Mellow, build_untrained

TINY = MellowConfig(
    encoder=EncoderConfig(embed=8, depths=(2, 1, 1, 1), heads=(1, 2, 2, 4), classes=12),
    lm=LanguageModelConfig(
        vocabulary=1536, width=48, layers=2, heads=4, kv_heads=2, mlp=64, positions=512, rope_theta=1e4
    ),
    prompt=PromptConfig(tokens=24, pad=1, separator=0, stop=0),
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MINI / TOKENIZER))


@pytest.fixture(scope="session")
def tiny() -> Mellow:
    """Its language model's matrices are doubled: small ones repeat one token for ever."""
    model = build_untrained(TINY, seed=3)
    with torch.no_grad():
        for name, parameter in model.lm.named_parameters():
            if ".layers." in name and parameter.ndim > 1:
                parameter.mul_(2)
    return model


@pytest.fixture(scope="session")
def waves() -> list[Wave]:
    """Four clips of 10 s at 32 kHz that sound different: noise, two tones, a rising tone."""
    time = np.arange(320_000, dtype=np.float32) / 32_000
    noise = np.random.default_rng(0).standard_normal(320_000, dtype=np.float32)
    tones = [np.sin(2 * np.pi * frequency * time) for frequency in (300.0, 5000.0, 100 * time)]
    return [0.1 * noise, *(0.3 * tone + 0.001 * noise for tone in tones)]


@pytest.fixture(scope="session")
def prefix() -> torch.Tensor:
    """Four prefixes for the tiny network, (4, P, D), with answers that differ."""
    noise = np.random.default_rng(7).standard_normal((4, TINY.prefix_tokens, TINY.lm.width), dtype=np.float32)
    return torch.from_numpy(0.5 * noise)
