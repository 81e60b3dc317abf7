"""The demo data of all tasks at their default sizes, written once for all tests of this folder, and an ear."""

from collections.abc import Callable

import numpy as np
import pytest
from demo_world import World
from numpy.lib.stride_tricks import sliding_window_view

RATE = 32_000


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("demo"))


def mel_filters(count: int = 40, size: int = 1024) -> np.ndarray:
    edges = 700 * (10 ** (np.linspace(33.6, 3391, count + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / RATE)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)


MEL = mel_filters().T.astype(np.float32)
WINDOW = np.hanning(1024).astype(np.float32)


def _log_mel(wave: np.ndarray) -> np.ndarray:
    frames = sliding_window_view(wave, 1024)[::640] * WINDOW
    return np.log10((np.abs(np.fft.rfft(frames, axis=1)) ** 2).astype(np.float32) @ MEL + 1e-4)


@pytest.fixture(scope="session")
def log_mel() -> Callable[[np.ndarray], np.ndarray]:
    """From samples to log power, shape (frames of 20 ms, 40 mel bands)."""
    return _log_mel
