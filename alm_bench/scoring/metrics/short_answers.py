"""Metrics of short answers: exact match, containment of a reference, token F1."""

from collections.abc import Callable, Sequence

from alm_bench.scoring.metrics.sentences import CaptionScore, Sentences, compute_mean_score
from alm_bench.scoring.metrics.spec import Compute, MetricSpec
from alm_bench.scoring.short_answers import RULE, compute_token_f1, contains_reference, equals_reference


def _build_compute(grade: Callable[[str, Sequence[str], str | None], float]) -> Compute:
    """Return the function `MetricSpec.compute` of a metric that is the mean of grades.

    `grade(answer, references, question)` returns the grade of one item.
    """

    def compute(sentences: Sentences) -> CaptionScore:
        questions = sentences.questions or [None] * len(sentences.raw_candidates)
        rows = zip(sentences.raw_candidates, sentences.raw_references, questions, strict=True)
        return compute_mean_score([float(grade(*row)) for row in rows])

    return compute


METRICS = (
    MetricSpec(
        rank=14,
        name="exact",
        title="exact",
        description="Share of answers that equal a reference, apart from case, punctuation and articles.",
        version=RULE,
        compute=_build_compute(lambda answer, references, _: equals_reference(answer, references)),
    ),
    MetricSpec(
        rank=15,
        name="contained",
        title="contained",
        description="Share of answers that assert a reference: its words in any form, and not denied.",
        version=RULE,
        compute=_build_compute(contains_reference),
    ),
    MetricSpec(
        rank=16,
        name="token_f1",
        title="token F1",
        description="F1 of the words of answer and best reference (SQuAD, arXiv 1606.05250).",
        version=RULE,
        compute=_build_compute(lambda answer, references, _: compute_token_f1(answer, references)),
    ),
)
