"""Condition that replaces each clip by another clip of the task."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from alm_bench.core import Request, UsageError
from alm_bench.runner.conditions.base import Condition


class SwappedClips(Condition):
    """Exchange the clips of the task by a random derangement.

    All questions about one clip get the same other clip.
    """

    kind: ClassVar = "swap"
    title: ClassVar = "Another clip of the task in each clip's place."
    random: ClassVar = True
    keeps_evidence: ClassVar = False

    def requests(self, requests: Sequence[Request]) -> list[Request]:
        clips = {ref.id: ref for request in requests for ref in request.audio}
        names = sorted(clips)
        if len(names) < 2:
            raise UsageError("swap takes another clip of the task, and it has one only")
        other = {names[one]: clips[names[partner]] for one, partner in self.derange(len(names)).items()}
        return [replace(request, audio=tuple(other[ref.id] for ref in request.audio)) for request in requests]


CONDITIONS = (SwappedClips,)
