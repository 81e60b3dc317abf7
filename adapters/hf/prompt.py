"""Conversion of requests to network inputs.

A lost clip is always reported: placeholders are counted in each rendered prompt, and audio tokens in each encoded row.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alm_bench.adapters.hf.families import JOIN_SECONDS, Family
from alm_bench.adapters.hf.load import LoadedCheckpoint
from alm_bench.core import Request, Wave
from alm_bench.core.wav import encode_wav


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a batch, with its rendered prompt and its waveforms."""

    index: int
    """Index in the batch."""

    request: Request
    """The request."""

    text: str = ""
    """Rendered prompt with one placeholder per waveform, followed by the given beginning of the answer."""

    waves: tuple[Wave, ...] = ()
    """Waveforms that the network gets."""

    joined: bool = False
    """True if two clips were joined to one waveform."""

    problem: str | None = None
    """Reason why the request cannot be sent; None if it can."""


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """Network inputs of several rows."""

    rows: tuple[Row, ...]
    """The rows."""

    inputs: Any
    """Network inputs, padded on the left."""

    prompt_token_counts: tuple[int, ...]
    """Number of tokens of each row, without padding."""

    audio_token_counts: tuple[int, ...]
    """Number of audio tokens of each row."""


class Encoder:
    """Turns requests into network inputs with the processor's chat template.

    `family` may differ from `loaded.family` in the fields `content` and `text_first`, which options can override.
    """

    continues_answers = True
    """True if the beginning of an answer can follow the rendered prompt."""

    def __init__(self, loaded: LoadedCheckpoint, family: Family, system: str, suffix: str) -> None:
        self.processor, self.tokenizer, self.family = loaded.processor, loaded.tokenizer, family
        self.rate, self.max_seconds = loaded.rate, loaded.max_seconds
        self.system, self.suffix = system, suffix
        self.placeholder = str(loaded.processor.audio_token)
        self.audio_id = int(loaded.tokenizer.convert_tokens_to_ids(self.placeholder))
        self.device, self.dtype = loaded.model.device, loaded.model.dtype
        loaded.tokenizer.padding_side = "left"

    def prepare_rows(self, batch: Sequence[Request]) -> list[Row]:
        """Return one row per request, in order, with a rendered prompt or a problem."""
        return [self._prepare_row(index, request) for index, request in enumerate(batch)]

    def group_rows(self, rows: Sequence[Row]) -> list[list[Row]]:
        """Group the rows without a problem into batches.

        Rows without clips are one group. If the family requires equal lengths, rows with clips of equal lengths are one
        group each; otherwise all rows with clips are one group.
        """
        groups: dict[object, list[Row]] = {}
        for row in rows:
            if row.problem is None:
                lengths = tuple(map(len, row.waves)) if self.family.equal_lengths else None
                groups.setdefault(lengths if row.waves else "text", []).append(row)
        return list(groups.values())

    def encode(self, rows: Sequence[Row]) -> tuple[EncodedBatch | None, list[Row]]:
        """Encode the rows as one batch. Return the batch, and the rows that lost a clip, with their problem.

        The batch contains only rows that lost no clip; it is None if there are none.
        """
        encoded = self.encode_rows(rows)
        lost = [
            replace(row, problem=_format_lost_clip_error(count, len(row.waves)))
            for row, count in zip(rows, encoded.audio_token_counts, strict=True)
            if (count < len(row.waves) if row.waves else count > 0)
        ]
        if not lost:
            return encoded, []
        indices = {row.index for row in lost}
        kept = [row for row in rows if row.index not in indices]
        return (self.encode_rows(kept) if kept else None), lost

    def _prepare_row(self, index: int, request: Request) -> Row:
        """Return the row of a request, with its rendered prompt.

        Two clips are joined if the model takes only one. A clip that is too long is reported as the row's problem.
        """
        row = Row(index, request, waves=request.waves)
        if len(request.waves) != len(request.audio):
            return replace(row, problem=f"{len(request.audio)} clips but {len(request.waves)} decoded waves")
        if self.family.clips == 1 and len(row.waves) > 1:
            row = replace(row, waves=(self._join_clips(row.waves),), joined=True)
        longest = max(map(len, row.waves), default=0) / self.rate
        if self.max_seconds is not None and longest > self.max_seconds:
            return replace(row, problem=f"{longest:.1f} s of audio, this model hears {self.max_seconds:g} s at once")
        return self._render(row)

    def _join_clips(self, waves: Sequence[Wave]) -> Wave:
        """Return the waveforms as one, with silence of `JOIN_SECONDS` between them."""
        silence = np.zeros(round(JOIN_SECONDS * self.rate), dtype=np.float32)
        parts = [part for wave in waves for part in (silence, wave)][1:]
        return np.concatenate(parts)

    def build_messages(self, row: Row, clips: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the conversation of a row; `clips` are its audio parts."""
        text = append_suffix(row.request.prompt, self.suffix)
        if self.system and self.family.system == "fold":
            text = f"{self.system}\n{text}"
        # a question that is only spoken has no text part at all, as in a voice chat
        content: Any = [*clips, {"type": "text", "text": text}] if text or not clips else [*clips]
        if self.family.content == "string":
            placeholders = self.placeholder * len(clips)
            content = text + placeholders if self.family.text_first else placeholders + text
        elif self.family.text_first and text:
            content = [content[-1], *clips]
        user = {"role": "user", "content": content}
        if not self.system or self.family.system == "fold":
            return [user]
        system = self.system if self.family.content == "string" else [{"type": "text", "text": self.system}]
        return [{"role": "system", "content": system}, user]

    def _render(self, row: Row) -> Row:
        """Return the row with its prompt in the chat template.

        If the template leaves out a clip or the question, the row has a problem instead.
        """
        # Templates read only the part's type. A template that does not know parts would print an array in full.
        messages = self.build_messages(row, [{"type": "audio", "audio": "clip"} for _ in row.waves])
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        text += row.request.prefix
        if row.request.prompt.strip() not in text:
            return replace(row, problem="the chat template leaves the question out")
        found, wanted = text.count(self.placeholder), len(row.waves)
        if found != wanted:
            advice = ""
            if self.placeholder in row.request.prompt:
                advice = " (the question itself holds one)"
            elif found == 0 and self.family.content == "parts":
                advice = " (a template that knows text alone is asked with --model-arg content=string)"
            return replace(
                row,
                problem=f"the chat template wrote {found} of {wanted} placeholders {self.placeholder}{advice}",
            )
        return replace(row, text=text)

    def encode_rows(self, rows: Sequence[Row]) -> EncodedBatch:
        """Encode the rows as one batch, without a check for lost clips."""
        text_kwargs: dict[str, Any] = {"padding": True, "padding_side": "left"}
        bos = getattr(self.tokenizer, "bos_token", None)
        if bos and rows[0].text.startswith(bos):
            text_kwargs["add_special_tokens"] = False  # the template wrote it
        waves = [wave for row in rows for wave in row.waves]
        # Paddings of text and clips are separate: a flat padding=True reaches the audio extractor too.
        audio = {"audio": waves, "audio_kwargs": {"sampling_rate": self.rate}} if waves else {}
        inputs = self.processor(text=[row.text for row in rows], return_tensors="pt", text_kwargs=text_kwargs, **audio)
        return self.build_batch(rows, inputs)

    def build_batch(self, rows: Sequence[Row], inputs: Any) -> EncodedBatch:
        """Return the batch of `rows` with their network inputs, and with the numbers of tokens of each row."""
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        return EncodedBatch(
            rows=tuple(rows),
            inputs=inputs.to(self.device, dtype=self.dtype),
            prompt_token_counts=tuple(mask.sum(dim=1).tolist()),
            audio_token_counts=tuple((ids == self.audio_id).sum(dim=1).tolist()),
        )


class MistralEncoder(Encoder):
    """Turns requests into network inputs with mistral-common, which takes clips as base64 and returns tokens."""

    continues_answers = False  # the processor's template always closes the last message

    def _render(self, row: Row) -> Row:
        return row

    def encode_rows(self, rows: Sequence[Row]) -> EncodedBatch:
        conversations = [self.build_messages(row, [self._build_audio_part(wave) for wave in row.waves]) for row in rows]
        return self.build_batch(rows, self.processor.apply_chat_template(conversations))

    def _build_audio_part(self, wave: Wave) -> dict[str, str]:
        """Return a waveform as an audio part of a message: a WAV file in base64."""
        return {"type": "audio", "base64": base64.b64encode(encode_wav(wave, self.rate, "float32")).decode()}


def append_suffix(prompt: str, suffix: str) -> str:
    """Append a checkpoint's suffix to a prompt, unless the prompt already contains one of the suffix's tags.

    A tag is an XML-like word such as `<answer>`; a suffix without tags is always appended.
    """
    asked = any(tag in prompt for tag in _TAG.findall(suffix))
    return prompt if asked else prompt + suffix


_TAG = re.compile(r"<\w+>")


def _format_lost_clip_error(tokens: int, clips: int) -> str:
    """Format the error for `clips` clips of which only `tokens` audio tokens are in the encoded prompt."""
    return f"{tokens} audio tokens for {clips} clips: a clip was lost on its way to the model"


def build_encoder(loaded: LoadedCheckpoint, family: Family, system: str, suffix: str) -> Encoder:
    """Create the encoder that the family needs: with the processor of transformers, or with mistral-common."""
    kinds = {"processor": Encoder, "mistral": MistralEncoder}
    return kinds[family.encoder](loaded, family, system, suffix)
