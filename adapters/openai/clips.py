"""Clips as parts of a request's body: the bytes of a file that fits already, or samples that are encoded as WAV."""

import binascii
from dataclasses import dataclass
from typing import Literal

from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.audio import MAX_SAMPLES, Sound, open_sound
from alm_bench.core import AudioPolicy, AudioRef, Wave
from alm_bench.core.wav import encode_wav

Format = Literal["wav", "mp3", "flac"]

FORMATS: dict[tuple[str, str], Format] = {
    ("WAV", "PCM_16"): "wav",
    ("MP3", "MPEG_LAYER_III"): "mp3",
    ("FLAC", "PCM_16"): "flac",
}
"""Formats of files that are sent as they are, by libsndfile's names of the container and of the encoding."""

MIME_TYPES: dict[Format, str] = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac"}

NEUTRAL_TAGS = frozenset(("software", "date"))
"""Text tags of a file that say nothing about what is heard."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedClip:
    """Clip as it stands in the body of a request. Requests about the same clip share it."""

    part: bytes
    """Content part of the message, as JSON."""

    seconds: float
    """Length in seconds."""


def encode_wave(wave: Wave, options: OpenAIOptions) -> EncodedClip:
    """Encode samples of the rate `options.rate` as a WAV file of 16 bits."""
    return EncodedClip(_build_part(encode_wav(wave, options.rate), "wav", options), wave.size / options.rate)


def read_fitting_file(ref: AudioRef, options: OpenAIOptions) -> EncodedClip | None:
    """Return a clip with the bytes of its file; None if it has to be decoded and encoded anew.

    A file fits if its container and encoding are in `FORMATS`, it is mono, has the rate `options.rate`, and is not
    longer than `options.max_seconds`. OpenAI's content part (`input_audio`) takes no FLAC. A file with text tags does
    not fit, since a title may name what is heard. Raises AudioError for a file that is missing, damaged or cut off.
    """
    if options.recode == "always" or options.join is not None:
        return None
    with open_sound(ref) as sound:
        found = FORMATS.get((sound.container, sound.encoding))
        if found is None or (found == "flac" and options.audio == "input_audio"):
            return None
        if not _fits(sound, options):
            return None
        sound.check_length()
        sound.check_end()
        seconds = sound.frames / sound.rate
        data = sound.read_bytes()
    if found == "wav" and not data.startswith(b"RIFF"):  # RIFX: big-endian
        return None
    return EncodedClip(_build_part(data, found, options), seconds)


def _fits(sound: Sound, options: OpenAIOptions) -> bool:
    """Return True if a file needs no change of channels, rate, length or tags, and if its header is complete."""
    longest = MAX_SAMPLES if options.max_seconds is None else min(MAX_SAMPLES, options.max_seconds * sound.rate)
    whole = AudioPolicy().min_seconds * sound.rate <= sound.frames <= longest
    plain = sound.channels == 1 and sound.rate == options.rate and sound.declares_size
    return plain and whole and sound.tags <= NEUTRAL_TAGS


def _build_part(data: bytes, format: Format, options: OpenAIOptions) -> bytes:
    """Return the content part of a file as JSON. Base64 needs no escaping, so it is not passed through an encoder."""
    encoded = binascii.b2a_base64(data, newline=False)
    address = b"data:%s;base64," % MIME_TYPES[format].encode()
    if options.audio == "audio_url":
        return b'{"type":"audio_url","audio_url":{"url":"%s%s"}}' % (address, encoded)
    prefix = address if options.audio == "input_audio_url" else b""
    name = format.encode()
    return b'{"type":"input_audio","input_audio":{"data":"%s%s","format":"%s"}}' % (prefix, encoded, name)
