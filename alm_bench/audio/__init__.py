"""Loading of clips in the form that an adapter's audio policy requires, and signals for noise ablations."""

from alm_bench.audio.decode import MOST_SAMPLES, decode
from alm_bench.audio.loading import LoadedAudio, Touch, load, seconds_heard
from alm_bench.audio.ops import content, mix_at_snr, noise_like, rms, silence_like

__all__ = [
    "MOST_SAMPLES",
    "LoadedAudio",
    "Touch",
    "content",
    "decode",
    "load",
    "mix_at_snr",
    "noise_like",
    "rms",
    "seconds_heard",
    "silence_like",
]
