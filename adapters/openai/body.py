"""Construction of the body of a chat completion request."""

from typing import Any

import numpy as np

from alm_bench.adapters.openai.clips import EncodedClip, encode_wave
from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.core import Decoding, Request, Wave
from alm_bench.core.foreign import dump_json, replace_surrogates


def build_body(request: Request, decoding: Decoding, options: OpenAIOptions) -> bytes:
    """Build the body of a chat completion request as JSON: model, messages, token limit and sampling parameters.

    Clips that were encoded before (`request.features`) are inserted as they are. A message without clips is a plain
    string, which all servers accept.
    """
    parts = [clip.part for clip in list_clips(request, options)]
    prompt = replace_surrogates(request.prompt)  # may contain arbitrary text of a data file or of another model
    if parts:
        text = [dump_json({"type": "text", "text": prompt}).encode()]
        ordered = [*parts, *text] if options.order == "clip-first" else [*text, *parts]
        content = b"[%s]" % b",".join(ordered)
    else:
        content = dump_json(prompt).encode()
    messages = [b'{"role":"user","content":%s}' % content]
    if options.system:
        messages.insert(0, dump_json({"role": "system", "content": replace_surrogates(options.system)}).encode())
    fields = dump_json(_build_fields(decoding, options)).encode()
    return b'{"messages":[%s],%s' % (b",".join(messages), fields[1:])


def list_clips(request: Request, options: OpenAIOptions) -> list[EncodedClip]:
    """Return the clips of a request as they are sent; two clips as one if they are to be joined."""
    if options.audio == "none":
        return []
    if request.features:
        return list(request.features)
    return [encode_wave(wave, options) for wave in _join_waves(request.waves, options)]


def _build_fields(decoding: Decoding, options: OpenAIOptions) -> dict[str, Any]:
    """Return the fields of the body besides the messages. There is at least the model's name."""
    fields = {
        "model": options.model,
        # OpenAI's own newer models refuse the older name, and some other servers do not know the newer one
        "max_completion_tokens" if options.is_hosted else "max_tokens": decoding.max_new_tokens,
        **_build_sampling_fields(decoding),
        **({"stream": True, "stream_options": {"include_usage": True}} if options.stream else {}),
        **options.body,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _build_sampling_fields(decoding: Decoding) -> dict[str, Any]:
    if decoding.method == "greedy":
        return {"temperature": 0}
    return {"temperature": decoding.temperature, "top_p": decoding.top_p, "seed": decoding.seed}


def _join_waves(waves: tuple[Wave, ...], options: OpenAIOptions) -> list[Wave]:
    if options.join is None or len(waves) < 2:
        return list(waves)
    silence = np.zeros(round(options.join * options.rate), np.float32)
    pieces = [piece for wave in waves for piece in (wave, silence)]
    return [np.concatenate(pieces[:-1])]
