"""The bundled Mellow, every clip replaced by white Gaussian noise of the clip's RMS: what it scores without listening.

alm-bench run --model benchmarks/mellow_in_noise.py:MellowInNoise --tasks mmau,cle --data demo
"""

from collections.abc import Sequence
from dataclasses import replace

from alm_bench.adapters.mellow import MellowAdapter, MellowOptions
from alm_bench.audio import noise_like
from alm_bench.core import Decoding, Output, Request, Runtime


class MellowInNoise(MellowAdapter):
    """Mellow that hears noise in place of every clip"""

    def __init__(self, options: MellowOptions, runtime: Runtime) -> None:
        super().__init__(options, runtime)
        label = self.identity.label.removesuffix("]") + ",noise]"
        self.identity = replace(self.identity, label=label, settings={**self.identity.settings, "audio": "noise"})

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return super().generate([self._in_noise(request) for request in batch], decoding)

    @staticmethod
    def _in_noise(request: Request) -> Request:
        names = [ref.id for ref in request.audio]
        waves = (noise_like(wave, "noise", *names, place) for place, wave in enumerate(request.waves))
        return replace(request, waves=tuple(waves))
