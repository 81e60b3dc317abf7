"""Verdicts on grounding: interpretation of the effect that changed clips, or a changed chain of thought, have.

Two kinds of conditions are judged differently. If the condition removes the audio (noise, silence or another clip
instead of it), a model that uses the audio loses its margin over the text-only baselines. If the condition leaves a
part of the audio (noise is mixed in, or a third of the clip remains), a model that uses the audio may keep its score:
an unchanged score is then no evidence that the audio is ignored.

If the clips stay as they are and the model's own chain of thought is changed, answers that change show that the model
uses its chain (`judge_reasoning`).
"""

from dataclasses import dataclass
from typing import Literal

from alm_bench.core.types import Metric
from alm_bench.scoring.blind import Margin

GroundingVerdict = Literal[
    "grounded",
    "partly",
    "not listening",
    "robust",
    "sensitive",
    "no effect",
    "reasoning matters",
    "no evidence that it matters",
    "cannot tell",
]
"""Verdicts: the first three for conditions that remove the audio, the next three for those that leave a part of it, the
next two for a changed chain of thought, the last for all."""

LEAST_ITEMS = 30
"""Minimum number of items for a verdict."""

SAME_ANSWERS = 0.05
"""Maximum share of changed answers for which a model is judged to give the same answers with any audio, or with any
chain of thought."""

KEPT = 0.9
"""Minimum share of the clean score, by the lower bound of its interval, for which the score is judged as maintained."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Measurements on one group of items. Scores are oriented so that higher is better."""

    drop: Metric
    """Clean score minus the score on changed clips, with the paired interval of an exact test."""

    lower_retention: float | None
    """Lower bound of the changed score divided by the clean score; None without an interval."""

    changed: float
    """Share of items whose answer differs between clean and changed clips, 0..1."""

    clean: Margin
    """Margin of the clean score over the best text-only baseline."""

    noise: Margin
    """Margin of the score on changed clips over the best text-only baseline."""

    @property
    def has_significant_drop(self) -> bool:
        """True if the score drops significantly."""
        return (self.drop.low or 0.0) > 0

    @property
    def retains_score(self) -> bool:
        """True if at least 90 % of the clean score remains on changed clips, by the lower bound of the interval."""
        return self.lower_retention is not None and self.lower_retention >= KEPT


def judge_grounding(evidence: Evidence, keeps_evidence: bool) -> tuple[GroundingVerdict, str | None]:
    """Return the verdict on a model under a condition, and a reason if the verdict is "cannot tell", else None.

    `keeps_evidence` is True if changed clips may still contain the information that the answer needs.
    """
    return _judge_partial(evidence) if keeps_evidence else _judge_removed(evidence)


def _judge_partial(evidence: Evidence) -> tuple[GroundingVerdict, str | None]:
    """Return the verdict on a condition that leaves a part of the audio.

    - robust: at least 90 % of the score and a margin over the baselines remain.
    - sensitive: the score drops significantly.
    - no effect: neither is shown.
    - cannot tell: the clean score has no margin over the baselines.
    """
    if not evidence.clean.is_significant:
        return "cannot tell", _explain_missing_margin(evidence.clean)
    if evidence.retains_score and evidence.noise.is_significant:
        return "robust", None
    return ("sensitive" if evidence.has_significant_drop else "no effect"), None


def _judge_removed(evidence: Evidence) -> tuple[GroundingVerdict, str | None]:
    """Return the verdict on a condition that removes the audio.

    - grounded: the margin over the baselines is lost.
    - partly: the score drops, but a margin over the baselines remains.
    - not listening: the answers stay the same, or the intervals show that at least 90 % of the score and half of the
      margin remain.
    - cannot tell: the clean score has no margin over the baselines, or there are too few items.
    """
    if evidence.has_significant_drop:
        if not evidence.clean.is_significant:
            return "cannot tell", _explain_missing_margin(evidence.clean)
        return ("partly" if evidence.noise.is_significant else "grounded"), None
    if evidence.changed <= SAME_ANSWERS:
        return "not listening", None
    if not evidence.clean.is_significant:
        return "cannot tell", _explain_missing_margin(evidence.clean)
    # A drop that is not significant may still exist: the intervals must exclude a relevant one.
    small = evidence.drop.high is not None and evidence.drop.high < abs(evidence.clean.lead.value or 0.0) / 2
    if small and evidence.retains_score:
        return "not listening", None
    return "cannot tell", "the drop may be 0 or large: more items are needed"


def _explain_missing_margin(clean: Margin) -> str:
    """Return the reason why no verdict can be given if the clean score has no margin over the baselines."""
    return f"the clean score does not beat the best text-only baseline ({clean.row})"


def judge_reasoning(changed_share: Metric, drop: Metric) -> tuple[GroundingVerdict, str | None]:
    """Return the verdict on a condition that changes the chain of thought, and the reason if it is "cannot tell".

    `changed_share` is the share of answers that change, `drop` the score before minus the score after the change. With
    a control run, which continues unchanged chains, both are the excess over the control run.

    - reasoning matters: more than 5 % of the answers change, by the lower bound of the interval, or the score changes
      significantly.
    - no evidence that it matters: at most 5 % of the answers change, and the score does not change significantly.
    - cannot tell: more than 5 % change, but the interval contains 5 %.
    """
    moves = (drop.low or 0.0) > 0 or (drop.high is not None and drop.high < 0)
    if moves or (changed_share.low is not None and changed_share.low > SAME_ANSWERS):
        return "reasoning matters", None
    if changed_share.value is not None and changed_share.value <= SAME_ANSWERS:
        return "no evidence that it matters", None
    return "cannot tell", "few answers change: more items are needed"
