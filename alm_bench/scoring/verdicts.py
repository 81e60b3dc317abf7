"""What a changed clip's effect on the score shows: a verdict in words, or why there is none.

Two kinds of conditions are judged differently. Where nothing of a clip is left (noise or silence in its place, another
clip), a model that listens loses what it had over the text-only baselines. Where evidence is left (noise mixed in, a
third of the clip), a model that listens may well keep its score, which says nothing against it.
"""

from dataclasses import dataclass
from typing import Literal

from alm_bench.core.types import Metric
from alm_bench.scoring.blind import Margin

Verdict = Literal["grounded", "partly", "not listening", "robust", "sensitive", "no effect", "cannot tell"]

LEAST_ITEMS = 30
"""Items below which no verdict is given."""

SAME_ANSWERS = 0.05
"""Share of items answered otherwise up to which a model is said to answer the same whatever it hears."""

KEPT = 0.9
"""Share of the clean score above which it counts as kept, by the lower end of the share's interval."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one part of the items. Scores are oriented so that more is better."""

    drop: Metric
    """Clean score minus the score on changed clips, with the paired interval of an exact test."""

    kept: float | None
    """Lower end of the interval of the share of the clean score that is kept; None without one."""

    changed: float
    """Share of items that are answered otherwise, 0 to 1."""

    clean: Margin
    """Margin of the clean score over the best text-only baseline."""

    noise: Margin
    """Margin of the score on changed clips over the best text-only baseline."""

    @property
    def significant(self) -> bool:
        """Whether the score drops."""
        return (self.drop.low or 0.0) > 0

    @property
    def keeps_score(self) -> bool:
        return self.kept is not None and self.kept >= KEPT


def judge(evidence: Evidence, keeps_evidence: bool) -> tuple[Verdict, str | None]:
    """Return the verdict on a condition, and for "cannot tell" the reason.

    `keeps_evidence`: whether the condition may leave in a clip what the answer needs.
    """
    return _judge_partial(evidence) if keeps_evidence else _judge_removed(evidence)


def _judge_partial(evidence: Evidence) -> tuple[Verdict, str | None]:
    """robust: keeps its lead and at least 90 % of its score; sensitive: drops; no effect: neither was shown."""
    if not evidence.clean.beaten:
        return "cannot tell", _no_lead(evidence.clean)
    if evidence.keeps_score and evidence.noise.beaten:
        return "robust", None
    return ("sensitive" if evidence.significant else "no effect"), None


def _judge_removed(evidence: Evidence) -> tuple[Verdict, str | None]:
    """grounded: a lead over the baselines that is lost without the audio; partly: lost in part; not listening: the
    answers stay the same, or at least 90 % of the score and half of the lead stay for certain."""
    if evidence.significant:
        if not evidence.clean.beaten:
            return "cannot tell", _no_lead(evidence.clean)
        return ("partly" if evidence.noise.beaten else "grounded"), None
    if evidence.changed <= SAME_ANSWERS:
        return "not listening", None
    if not evidence.clean.beaten:
        return "cannot tell", _no_lead(evidence.clean)
    # No significant drop is no proof that there is none: the intervals must exclude a drop that would matter.
    small = evidence.drop.high is not None and evidence.drop.high < abs(evidence.clean.lead.value or 0.0) / 2
    if small and evidence.keeps_score:
        return "not listening", None
    return "cannot tell", "the drop may be 0 or large: more items are needed"


def _no_lead(clean: Margin) -> str:
    return f"the clean score does not beat the best text-only baseline ({clean.row})"
