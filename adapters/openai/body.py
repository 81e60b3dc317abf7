"""Construction of the body of a chat completion request."""

import base64
from typing import Any

import numpy as np

from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.core import Decoding, Request, Wave
from alm_bench.core.foreign import replace_surrogates
from alm_bench.core.wav import encode_wav


def body(request: Request, decoding: Decoding, options: OpenAIOptions) -> dict[str, Any]:
    """Build the body of a chat completion request: model, messages, token limit and sampling parameters.

    A message without clips is a plain string, which all servers accept.
    """
    parts = [] if options.audio == "none" else [_encode_clip(wave, options) for wave in _list_waves(request, options)]
    prompt = replace_surrogates(request.prompt)  # may contain arbitrary text of a data file or of another model
    text = [{"type": "text", "text": prompt}]
    content: Any = ([*parts, *text] if options.order == "clip-first" else [*text, *parts]) if parts else prompt
    system = [{"role": "system", "content": replace_surrogates(options.system)}] if options.system else []
    fields = {
        "model": options.model,
        "messages": [*system, {"role": "user", "content": content}],
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


def _list_waves(request: Request, options: OpenAIOptions) -> list[Wave]:
    waves = list(request.waves)
    if options.join is None or len(waves) < 2:
        return waves
    silence = np.zeros(round(options.join * options.rate), np.float32)
    pieces = [piece for wave in waves for piece in (wave, silence)]
    return [np.concatenate(pieces[:-1])]


def _encode_clip(wave: Wave, options: OpenAIOptions) -> dict[str, Any]:
    data = base64.b64encode(encode_wav(wave, options.rate)).decode()
    if options.audio == "audio_url":
        return {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{data}"}}
    if options.audio == "input_audio_url":
        data = f"data:audio/wav;base64,{data}"
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
