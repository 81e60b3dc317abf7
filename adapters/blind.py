"""Model `blind`: chooses an option by a fixed strategy, without audio.

Its scores are those of a system that does not use the audio.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from alm_bench.core import AdapterIdentity, AudioPolicy, BaseAdapter, Decoding, Output, Request, Runtime
from alm_bench.core.rng import DRAWS, create_item_generator


@dataclass(frozen=True, slots=True)
class BlindOptions:
    """Options of the model blind."""

    strategy: Literal["first", "longest", "random"] = "first"
    """Strategy: choose the first option, the longest, or a random one (seeded by the item's id)."""


class BlindAdapter(BaseAdapter):
    """picks an option without listening: strategy=first|longest|random"""

    Options = BlindOptions
    audio: AudioPolicy | None = None  # opens no clip

    def __init__(self, options: BlindOptions, runtime: Runtime) -> None:
        picks: dict[str, Callable[[Request], int]] = {
            "first": lambda request: 0,
            # longest in characters; the first of several
            "longest": lambda request: max(range(len(request.choices)), key=lambda i: len(request.choices[i])),
            "random": lambda request: _draw_option(request, runtime.seed),
        }
        self._pick = picks[options.strategy]
        seeded = {"seed": str(runtime.seed), "draws": str(DRAWS)} if options.strategy == "random" else {}
        self.identity = AdapterIdentity(
            label=f"blind[{options.strategy}]",
            family="blind",
            parameters=0,
            settings={"strategy": options.strategy, **seeded},
        )

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [
            Output(request.choices[self._pick(request)])
            if request.choices
            else Output(None, error="a blind strategy needs options to pick from, this item has none")
            for request in batch
        ]


def _draw_option(request: Request, seed: int) -> int:
    """Return the index of a random option. It depends on the seed and the item's id alone, not on batches or order."""
    return int(create_item_generator("blind", seed, request.id).integers(len(request.choices)))


ADAPTERS = {"blind": BlindAdapter}
