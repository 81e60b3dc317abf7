"""Construction of the body of a chat completion request."""

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from alm_bench.adapters.openai.clips import EncodedClip, encode_wave
from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.core import Decoding, Request, Wave
from alm_bench.core.foreign import dump_json, replace_surrogates

SMALL_BYTES = 16_384
"""Size in bytes from which on a piece is sent by itself."""


def build_body(request: Request, decoding: Decoding, options: OpenAIOptions) -> list[bytes]:
    """Build the body of a chat completion request: model, messages, token limit and sampling parameters.

    Returns the JSON as byte strings that together form the body. Clips that are already encoded (`request.features`)
    are elements of the list and not copied. The content of a message without clips is a plain string, which all
    servers accept. A given beginning of the answer follows as the assistant's message, which the server is to continue.
    """
    prompt = replace_surrogates(request.prompt)  # may contain arbitrary text of a data file or of another model
    clips = [clip.part for clip in list_clips(request, options)]
    system = b""
    if options.system:
        system = dump_json({"role": "system", "content": replace_surrogates(options.system)}).encode() + b","
    start = b'{"messages":[%s{"role":"user","content":' % system
    given = b""
    if request.prefix:
        given = b"," + dump_json({"role": "assistant", "content": replace_surrogates(request.prefix)}).encode()
    end = b"}%s],%s" % (given, _encode_fields(decoding, options, bool(request.prefix))[1:])
    if not clips:
        return [b"%s%s%s" % (start, dump_json(prompt).encode(), end)]
    if not prompt:  # a question that is only spoken has no text part at all
        start, end = start + b"[", b"]" + end
        return join_small_pieces([start, *_join_parts(clips), end])
    text = dump_json({"type": "text", "text": prompt}).encode()
    if options.clip_order == "clip-first":
        start, end = start + b"[", b",%s]%s" % (text, end)
    else:
        start, end = b"%s[%s," % (start, text), b"]" + end
    return join_small_pieces([start, *_join_parts(clips), end])


def _join_parts(clips: Sequence[tuple[bytes, bytes, bytes]]) -> Iterator[bytes]:
    """Yield the encoded clips with commas between them."""
    return itertools.chain(clips[0], *((b"," + head, data, tail) for head, data, tail in clips[1:]))


def list_clips(request: Request, options: OpenAIOptions) -> list[EncodedClip]:
    """Return the encoded clips of a request. Two clips are joined to one if the option `join` is set."""
    if options.audio == "none":
        return []
    if request.features:
        return list(request.features)
    return [encode_wave(wave, options) for wave in _join_waves(request.waves, options)]


def join_small_pieces(pieces: Sequence[bytes]) -> list[bytes]:
    """Join neighbouring small pieces of a body, so that the body is sent in fewer pieces."""
    joined = [b""]
    for piece in pieces:
        if max(len(piece), len(joined[-1])) < SMALL_BYTES:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


@lru_cache(maxsize=8)
def _encode_fields(decoding: Decoding, options: OpenAIOptions, continues: bool) -> bytes:
    """Return a JSON object with all fields of the body but the messages. It is never empty: it names the model.

    `continues` is True if the last message is the beginning of the answer.
    """
    fields = {
        "model": options.model,
        # OpenAI's own newer models refuse the older name, and some other servers do not know the newer one
        "max_completion_tokens" if options.is_openai_server else "max_tokens": decoding.max_new_tokens,
        **_build_sampling_fields(decoding),
        **({"stream": True, "stream_options": {"include_usage": True}} if options.stream else {}),
        **({"continue_final_message": True, "add_generation_prompt": False} if continues else {}),
        **options.extra_body_fields,
    }
    return dump_json({name: value for name, value in fields.items() if value is not None}).encode()


def _build_sampling_fields(decoding: Decoding) -> dict[str, Any]:
    if decoding.method == "greedy":
        return {"temperature": 0}
    return {"temperature": decoding.temperature, "top_p": decoding.top_p, "seed": decoding.seed}


def _join_waves(waves: tuple[Wave, ...], options: OpenAIOptions) -> list[Wave]:
    """Return the waveforms, joined to one with silence between them if the option `join` is set."""
    if options.join is None or len(waves) < 2:
        return list(waves)
    silence = np.zeros(round(options.join * options.rate), np.float32)
    pieces = [piece for wave in waves for piece in (wave, silence)]
    return [np.concatenate(pieces[:-1])]
