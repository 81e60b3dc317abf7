"""Conditions that replace clips by noise or add noise to them."""

from typing import ClassVar

from alm_bench.audio import make_noise_like, mix_at_snr
from alm_bench.core import Wave
from alm_bench.runner.conditions.base import Change, Condition


class GaussianNoise(Condition):
    """Replace each clip by Gaussian noise of the same length and RMS."""

    kind: ClassVar = "gaussian"
    title: ClassVar = "Gaussian noise of each clip's RMS in its place."
    random: ClassVar = True
    keeps_evidence: ClassVar = False

    @property
    def level(self) -> float:
        return float("-inf")

    def change(self, clip: str) -> Change:
        def replace_by_noise(wave: Wave) -> Wave:
            return make_noise_like(wave, self.name, self.seed, self.repeat, clip)

        return replace_by_noise


class AddedNoise(Condition):
    """Add Gaussian noise to each clip at a signal-to-noise ratio in decibels, from -200 to 200, for example
    `snr:20`."""

    kind: ClassVar = "snr"
    title: ClassVar = "Each clip with Gaussian noise at a signal-to-noise ratio in decibels."
    examples: ClassVar = ("snr:20",)
    random: ClassVar = True

    def problem(self) -> str | None:
        try:
            fits = -200 <= float(self.parameter) <= 200
        except ValueError:
            fits = False
        return None if fits else "takes decibels, -200 to 200"

    @property
    def level(self) -> float:
        return float(self.parameter)

    def change(self, clip: str) -> Change:
        def mix_with_noise(wave: Wave) -> Wave:
            return mix_at_snr(wave, self.level, self.name, self.seed, self.repeat, clip)

        return mix_with_noise


CONDITIONS = (GaussianNoise, AddedNoise)
