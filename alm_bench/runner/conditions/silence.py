"""Conditions without sound: silent clips, or no clips."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from alm_bench.audio import make_silence_like
from alm_bench.core import Request
from alm_bench.runner.conditions.base import Change, Condition


class Silence(Condition):
    """Replace each clip by silence of the same length."""

    kind: ClassVar = "silence"
    title: ClassVar = "Silence in each clip's place."
    silent: ClassVar = True
    keeps_evidence: ClassVar = False

    def change(self, clip: str) -> Change:
        return make_silence_like


class NoClip(Condition):
    """Ask the questions without any clip."""

    kind: ClassVar = "none"
    title: ClassVar = "No clip at all."
    silent: ClassVar = True
    keeps_evidence: ClassVar = False
    without_clips: ClassVar = True

    def requests(self, requests: Sequence[Request]) -> list[Request]:
        return [replace(request, audio=(), spare=None) for request in requests]


CONDITIONS = (Silence, NoClip)
