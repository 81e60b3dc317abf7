"""Metrics by a judge model (docs/judges.md). They are computed from stored verdicts, not from sentences."""

from alm_bench.scoring.judged import JUDGED
from alm_bench.scoring.metrics.spec import MetricSpec

METRICS = (
    MetricSpec(
        rank=80,
        name=JUDGED,
        title="judged",
        description="Mean score by a judge model; the interval includes unreadable verdicts as 0 and as 1.",
        own_items=True,
    ),
    MetricSpec(
        rank=81,
        name="judged_accuracy",
        title="judged accuracy",
        description="Share of what a caption says that the references confirm, by a judge model.",
        own_items=True,
    ),
    MetricSpec(
        rank=82,
        name="judged_completeness",
        title="judged completeness",
        description="Share of what the references say that a caption mentions, by a judge model.",
        own_items=True,
    ),
    MetricSpec(
        rank=83,
        name="judged_hallucination",
        title="judged hallucination",
        description="Extent to which a caption mentions what the references exclude, by a judge model.",
        higher_is_better=False,
        own_items=True,
    ),
)
