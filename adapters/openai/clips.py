"""Clips as parts of a request's body: the unchanged bytes of a file that servers accept, or samples encoded as WAV."""

from dataclasses import dataclass
from typing import Literal

import pybase64

from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.audio import MAX_SAMPLES, ClipReader, open_bytes, open_sound
from alm_bench.core import AudioPolicy, AudioRef, Wave
from alm_bench.core.wav import HEADER_BYTES, encode_wav, is_plain_wav

Format = Literal["wav", "mp3", "flac"]

FORMATS: dict[tuple[str, str], Format] = {
    ("WAV", "PCM_16"): "wav",
    ("MP3", "MPEG_LAYER_III"): "mp3",
    ("FLAC", "PCM_16"): "flac",
}
"""Formats of files that can be sent unchanged. The keys are libsndfile's names of the container and of the encoding."""

MIME_TYPES: dict[Format, str] = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac"}

MIN_SECONDS = AudioPolicy().min_seconds

NEUTRAL_TAGS = frozenset(("software", "date"))
"""Text tags of a file that say nothing about what is heard."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedClip:
    """Clip encoded for the body of a request. Requests about the same clip share one object."""

    part: tuple[bytes, bytes, bytes]
    """Content part of the message as JSON, cut into three pieces: the text before the clip, the clip in base64, and the
    text after it. They are joined only with the rest of the body, since copying a clip takes as long as a small
    request.
    """

    seconds: float
    """Length in seconds."""


def encode_wave(wave: Wave, options: OpenAIOptions) -> EncodedClip:
    """Encode samples of the rate `options.rate` as a WAV file of 16 bits."""
    return EncodedClip(_build_part(encode_wav(wave, options.rate), "wav", options), wave.size / options.rate)


def read_unchanged_file(ref: AudioRef, options: OpenAIOptions) -> EncodedClip | None:
    """Return a clip with the unchanged bytes of its file; None if it has to be decoded and encoded as WAV.

    A file can be sent unchanged if its container and encoding are in `FORMATS`, it is mono, has the rate
    `options.rate`, and is not longer than `options.max_seconds`. OpenAI's content part (`input_audio`) takes no FLAC. A
    file with text tags is not sent unchanged, since its title may reveal the answer. Raises AudioError for a file that
    is missing, damaged or cut off.
    """
    if options.recode == "always" or options.join is not None:
        return None
    with open_bytes(ref) as (file, size):
        if is_plain_wav(file.read(HEADER_BYTES), options.rate, size):  # needs no decoder, which takes longer
            frames = (size - HEADER_BYTES) // 2
            if not _has_valid_length(frames, options):
                return None
            file.seek(0)
            return EncodedClip(_build_part(file.read(), "wav", options), frames / options.rate)
    with open_sound(ref) as sound:
        found = FORMATS.get((sound.container, sound.encoding))
        if (
            found is None
            or (found == "flac" and options.audio == "input_audio")
            or not _needs_no_change(sound, options)
        ):
            return None
        sound.check_length()
        sound.check_end()
        seconds = sound.frames / sound.rate
        data = sound.read_bytes()
    if found == "wav" and not data.startswith(b"RIFF"):  # RIFX: big-endian
        return None
    return EncodedClip(_build_part(data, found, options), seconds)


def _needs_no_change(clip: ClipReader, options: OpenAIOptions) -> bool:
    """Return True if a file's header is complete and its channels, rate, length and tags need no change."""
    plain = clip.channels == 1 and clip.rate == options.rate and clip.declares_size
    return plain and _has_valid_length(clip.frames, options) and clip.tags <= NEUTRAL_TAGS


def _has_valid_length(frames: int, options: OpenAIOptions) -> bool:
    """Return True if a clip of `frames` samples is neither too short nor too long to be sent as a whole."""
    longest = MAX_SAMPLES if options.max_seconds is None else min(MAX_SAMPLES, options.max_seconds * options.rate)
    return MIN_SECONDS * options.rate <= frames <= longest


def _build_part(data: bytes, format: Format, options: OpenAIOptions) -> tuple[bytes, bytes, bytes]:
    """Return the content part of a message for an audio file, as three pieces of JSON.

    The second piece is the file in base64. It needs no escaping, so no JSON encoder has to read it.
    """
    encoded = pybase64.b64encode(data)
    address = b"data:%s;base64," % MIME_TYPES[format].encode()
    if options.audio == "audio_url":
        return b'{"type":"audio_url","audio_url":{"url":"%s' % address, encoded, b'"}}'
    prefix = address if options.audio == "input_audio_url" else b""
    start = b'{"type":"input_audio","input_audio":{"data":"%s' % prefix
    return start, encoded, b'","format":"%s"}}' % format.encode()
