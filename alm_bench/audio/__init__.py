"""Loading of clips in the form that an adapter's audio policy requires, and signals for noise ablations."""

from alm_bench.audio.decode import MAX_SAMPLES, Sound, decode, open_bytes, open_sound
from alm_bench.audio.loading import LoadedAudio, PreprocessingStep, load, loaded_duration
from alm_bench.audio.ops import content, mix_at_snr, noise_like, rms, silence_like

__all__ = [
    "MAX_SAMPLES",
    "LoadedAudio",
    "PreprocessingStep",
    "Sound",
    "content",
    "decode",
    "load",
    "loaded_duration",
    "mix_at_snr",
    "noise_like",
    "open_bytes",
    "open_sound",
    "rms",
    "silence_like",
]
