"""Loading of clips in the form that an adapter's audio policy requires, and signals for noise ablations."""

from alm_bench.audio.decode import MAX_SAMPLES, ClipReader, decode, open_bytes, open_sound
from alm_bench.audio.loading import LoadedAudio, PreprocessingStep, compute_loaded_duration, load
from alm_bench.audio.ops import compute_rms, hash_waves, make_noise_like, make_silence_like, mix_at_snr

__all__ = [
    "MAX_SAMPLES",
    "ClipReader",
    "LoadedAudio",
    "PreprocessingStep",
    "compute_loaded_duration",
    "compute_rms",
    "decode",
    "hash_waves",
    "load",
    "make_noise_like",
    "make_silence_like",
    "mix_at_snr",
    "open_bytes",
    "open_sound",
]
