"""Base class of adapters that wrap other adapters and forward calls to them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alm_bench.core.adapter import Adapter, Answers, BaseAdapter, Estimate, LabelledRequest
from alm_bench.core.types import AudioRef, Decoding, EventPresence, OptionScores, Output, Request, Wave


class ForwardingAdapter(BaseAdapter):
    """Base class of adapters that wrap one or two others.

    A method that a subclass does not define is forwarded: methods about clips to the listener, methods about answers to
    the answerer.
    """

    def __init__(self, listener: Adapter, answerer: Adapter | None = None) -> None:
        """Wrap `listener`, the adapter that gets the clips, and `answerer`, the adapter that answers. [default: the
        listener]"""
        self.listener: Adapter = listener
        self.answerer = listener if answerer is None else answerer
        self.parts: Sequence[Adapter] = (listener,) if self.answerer is listener else (listener, self.answerer)
        self.identity, self.outputs, self.prompts = self.answerer.identity, self.answerer.outputs, self.answerer.prompts
        self.audio = listener.audio
        listener_abilities = listener.abilities
        self.abilities = replace(
            self.answerer.abilities,
            prepare=listener_abilities.prepare,
            embed=listener_abilities.embed,
            event_presence=listener_abilities.event_presence,
            delivery=listener_abilities.delivery,
            max_clips=listener_abilities.max_clips,
            spoken_languages=listener_abilities.spoken_languages,
        )

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return self.answerer.generate(batch, decoding)

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        return self.answerer.loglikelihood(batch)

    def embed(self, batch: Sequence[Request]) -> Sequence[Any]:
        return self.listener.embed(batch)

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[Answers]:
        return self.answerer.stream(requests, decoding)

    def fit(self, rows: Iterable[LabelledRequest]) -> Adapter:
        return self.answerer.fit(rows)

    def blind_answers(self, requests: Sequence[Request]) -> Mapping[str, Sequence[int | None]]:
        return self.answerer.blind_answers(requests)

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        return self.answerer.estimate(request, seconds, decoding)

    def count_tokens(self, text: str) -> int | None:
        return self.answerer.count_tokens(text)

    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        return self.listener.order(requests)

    def prepare(self, wave: Wave) -> Any:
        return self.listener.prepare(wave)

    def prepare_file(self, ref: AudioRef) -> Any:
        return self.listener.prepare_file(ref)

    def event_presence(self, waves: Sequence[Wave]) -> Sequence[EventPresence]:
        return self.listener.event_presence(waves)

    def log_to(self, folder: Path) -> None:
        for part in self.parts:
            part.log_to(folder)

    def close(self) -> None:
        for part in self.parts:
            part.close()
