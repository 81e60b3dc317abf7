"""Loading of clips as an adapter's policy asks for, and the sounds of noise ablations."""

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
