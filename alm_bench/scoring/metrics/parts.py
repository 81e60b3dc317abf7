"""Specifications of the metrics of answers in several parts, which are computed for runs with an output format."""

from alm_bench.scoring.metrics.spec import MetricSpec, Scale


def _build_spec(
    rank: int, name: str, title: str, description: str, scale: Scale = "percent", higher_is_better: bool = True
) -> MetricSpec:
    return MetricSpec(
        rank=rank,
        name=name,
        title=title,
        description=description,
        scale=scale,
        higher_is_better=higher_is_better,
        own_items=True,
    )


METRICS = (
    _build_spec(61, "parts_complete", "all parts", "Share of outputs that have all parts, in order."),
    _build_spec(62, "transcript_wer", "transcript WER", "Word error rate of the transcript (jiwer).", "percent", False),
    _build_spec(
        63, "transcript_cer", "transcript CER", "Character error rate of the transcript (jiwer).", "percent", False
    ),
    _build_spec(64, "translation_chrf", "translation chrF", "chrF of the translation, 0..100 (sacrebleu).", "number"),
    _build_spec(65, "translation_bleu", "translation BLEU", "BLEU of the translation, 0..100 (sacrebleu).", "number"),
    _build_spec(66, "response_contained", "response", "Share of responses that assert the reference."),
    _build_spec(
        67,
        "tokens_before_answer",
        "tokens before the answer",
        "Mean number of tokens before the first token of the answer.",
        "number",
        False,
    ),
    MetricSpec(
        rank=68,
        name="seconds_before_answer",
        title="seconds before the answer",
        description="Mean time before the first token of the answer: the output's time, by the share of its tokens.",
        scale="number",
        decimals=3,
        higher_is_better=False,
        own_items=True,
    ),
)
