"""Specification of the metric of answers' languages, which is computed for every task whose items declare them."""

from alm_bench.scoring.answer_language import VERSION
from alm_bench.scoring.language_table import ANSWER_LANGUAGE
from alm_bench.scoring.metrics.spec import MetricSpec

METRICS = (
    MetricSpec(
        rank=60,
        name=ANSWER_LANGUAGE,
        title="in the language asked",
        description="Share of answers in the expected language, of the answers whose language is certain.",
        version=VERSION,
        own_items=True,
    ),
)
