"""Model `echo`: decodes the clips and answers with the first words of its prompt.

It runs no network. It serves to test an installation, audio decoding included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alm_bench.core import Abilities, AdapterIdentity, AudioPolicy, BaseAdapter, Decoding, Output, Request, Runtime


@dataclass(frozen=True, slots=True)
class EchoOptions:
    """Options of the model echo."""

    rate: int = 16_000
    """Sample rate to decode to, in Hz."""

    seconds: float | None = 10.0
    """Length of audio to decode; None for whole clips."""


class EchoAdapter(BaseAdapter):
    """decodes every clip and answers with the start of its prompt (no model: tests a set-up)"""

    Options = EchoOptions
    abilities = Abilities(continuation=True)

    def __init__(self, options: EchoOptions, runtime: Runtime) -> None:
        self.audio: AudioPolicy | None = AudioPolicy(rate=options.rate, seconds=options.seconds, short="zeros")
        self.identity = AdapterIdentity(label="echo", family="echo", parameters=0)

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        answers = [" ".join(request.prompt.split()[: decoding.max_new_tokens]) for request in batch]
        return [Output(answer.removeprefix(request.prefix)) for answer, request in zip(answers, batch, strict=True)]


ADAPTERS = {"echo": EchoAdapter}
