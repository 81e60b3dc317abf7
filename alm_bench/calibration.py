"""Agreement of metrics with people on a file of texts that people judged: labelled answers or pairs of captions."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from alm_bench.core.types import Metric
from alm_bench.data.outputs.labelled import CaptionPair, LabelledAnswer
from alm_bench.scoring.agreement import (
    Agreement,
    PairOrder,
    compare_model_orders,
    compute_agreement,
    compute_pair_agreement,
)
from alm_bench.scoring.captions import CaptionMetrics, compute_caption_scores
from alm_bench.scoring.intervals import compute_mean_interval
from alm_bench.scoring.metrics import get_metric_spec, is_computable, list_metric_specs
from alm_bench.scoring.prediction_powered import estimate_rate

OTHER = "other"
"""Key of the answers without a type or model, where other answers of the file have one."""


@dataclass(frozen=True, slots=True)
class ModelRates:
    """Mean score of one model's answers by a metric and by people."""

    metric: Metric
    """Mean score of the metric over all answers of the model."""

    people: Metric
    """Mean label of the labelled answers."""

    corrected: Metric
    """Mean label of all answers, estimated from the labels and the metric (`estimate_rate`)."""


@dataclass(frozen=True, slots=True)
class AnswerAgreement:
    """Agreement of one metric with people's labels of answers."""

    all: Agreement
    """Agreement over all labelled answers."""

    by_type: Mapping[str, Agreement] = field(default_factory=dict)
    """Agreement by type of answer; empty if the file has no types."""

    by_model: Mapping[str, ModelRates] = field(default_factory=dict)
    """Mean scores by the model that wrote the answers; empty if the file has no models."""

    orders: Sequence[PairOrder] = ()
    """Comparison of each pair of models by people and by the metric."""


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Share of pairs of captions in which one metric prefers the same caption as people."""

    all: Metric
    """Share over all pairs."""

    by_kind: Mapping[str, Metric]
    """Share by kind of pair (`CaptionPair.kind`)."""


@dataclass(frozen=True, slots=True)
class MetricCheck:
    """Agreement of metrics, or of judges, with people's labels of answers or preferences between captions."""

    agreements: Mapping[str, AnswerAgreement | PairAgreement]
    """Agreement by metric, for the metrics that could be computed."""

    missing: Mapping[str, str]
    """Reasons why the other metrics could not be computed."""

    items: int
    """Number of answers, or of pairs."""

    labelled: int
    """Number of answers with a label, or of pairs that people decide."""

    clips: int
    """Number of audio clips, which intervals resample."""

    weights: Mapping[str, str] = field(default_factory=dict)
    """Names and hashes of the weights by metric, for metrics that compute with weights."""

    titles: Mapping[str, str] = field(default_factory=dict)
    """Title in tables by name of the judge; empty for metrics, whose specifications have a title."""

    has_pairs: bool = False
    """True for pairs of captions, False for answers."""


def list_computable_metrics() -> list[str]:
    """Return the names of all metrics of sentences that this machine can compute, because everything they need is
    installed.

    They are in the order in which tables show them.
    """
    return [name for name, spec in list_metric_specs().items() if spec.compute is not None and is_computable(name)]


def check_metrics_on_answers(answers: Sequence[LabelledAnswer], metrics: Sequence[str]) -> MetricCheck:
    """Compute the metrics of all answers, and their agreement with people's labels: in total, by type of answer and by
    model."""
    scores = compute_caption_scores(
        [answer.answer for answer in answers],
        [answer.references for answer in answers],
        metrics=metrics,
        questions=[answer.question for answer in answers],
    )
    found = {
        name: compute_answer_agreement(answers, values, get_metric_spec(name).is_fraction)
        for name, values in scores.items.items()
    }
    labelled = sum(answer.label is not None for answer in answers)
    clips = len({_get_cluster(answer) for answer in answers})
    return MetricCheck(found, _get_missing_reasons(scores), len(answers), labelled, clips, scores.weights)


def compute_answer_agreement(
    answers: Sequence[LabelledAnswer], scores: Sequence[float], is_fraction: bool = True
) -> AnswerAgreement:
    """Compute the agreement of one score per answer with people's labels. The scores are those of a metric or a judge.
    `is_fraction`: True if they lie in 0..1."""
    rows = list(zip(answers, scores, strict=True))
    labelled = [row for row in rows if row[0].label is not None]
    total = _compute_label_agreement(labelled, is_fraction)
    by_type = {
        key: _compute_label_agreement(part, is_fraction)
        for key, part in _group_rows(labelled, lambda one: one.type).items()
    }
    by_model = {key: _compute_model_rates(part) for key, part in _group_rows(rows, lambda one: one.model).items()}
    return AnswerAgreement(total, by_type, by_model, _compare_model_pairs(labelled))


_Rows = list[tuple[LabelledAnswer, float]]
"""Answers, each with its score by a metric or a judge."""


def _get_cluster(answer: LabelledAnswer) -> Hashable:
    """Return the cluster of an answer: its clip, else its question, else the answer itself."""
    return answer.clip or answer.question or id(answer)


def _compute_label_agreement(rows: _Rows, is_fraction: bool) -> Agreement:
    """Compute the agreement of scores and labels over labelled answers, with intervals over clips. `is_fraction`: True
    if the scores lie in 0..1."""
    labels = [answer.label or 0.0 for answer, _ in rows]
    return compute_agreement(
        [score for _, score in rows], labels, [_get_cluster(answer) for answer, _ in rows], is_fraction
    )


def _group_rows(rows: _Rows, key: Callable[[LabelledAnswer], str | None]) -> dict[str, _Rows]:
    """Group the rows by the key of their answer, sorted by key; empty if no answer has a key."""
    parts: dict[str, _Rows] = {}
    for row in rows:
        parts.setdefault(key(row[0]) or OTHER, []).append(row)
    return {} if set(parts) <= {OTHER} else dict(sorted(parts.items()))


def _compute_model_rates(rows: _Rows) -> ModelRates:
    """Return the mean score of one model by the metric and by people. `rows`: all answers of the model, with and
    without labels, each with its score by the metric."""
    labelled = [row for row in rows if row[0].label is not None]
    others = [row for row in rows if row[0].label is None]
    metric = compute_mean_interval([score for _, score in rows], [_get_cluster(answer) for answer, _ in rows])
    if not labelled:
        none = Metric.missing("no answer of this model has a label")
        return ModelRates(metric, none, none)
    labels, clips = [answer.label or 0.0 for answer, _ in labelled], [_get_cluster(answer) for answer, _ in labelled]
    corrected = estimate_rate(
        labels,
        [score for _, score in labelled],
        [score for _, score in others],
        clips,
        [_get_cluster(answer) for answer, _ in others],
    )
    return ModelRates(metric, compute_mean_interval(labels, clips), corrected)


def _compare_model_pairs(rows: _Rows) -> list[PairOrder]:
    """Compare each pair of models by the means of people's labels and of the metric, on the questions that both
    answered.
    """
    if len({answer.model for answer, _ in rows}) < 2 or any(answer.model is None for answer, _ in rows):
        return []
    scores: dict[str, dict[Hashable, float]] = {}
    labels: dict[str, dict[Hashable, float]] = {}
    clips: dict[Hashable, Hashable] = {}
    for answer, score in rows:
        key = (answer.clip, answer.question, answer.references)
        scores.setdefault(str(answer.model), {})[key] = score
        labels.setdefault(str(answer.model), {})[key] = answer.label or 0.0
        clips[key] = _get_cluster(answer)
    return compare_model_orders(scores, labels, clips)


def check_metrics_on_pairs(pairs: Sequence[CaptionPair], metrics: Sequence[str]) -> MetricCheck:
    """Compute the metrics of all captions, and the share of pairs in which each metric prefers the same caption as
    people."""
    sides = [(pair.captions[side], pair.references[side]) for side in (0, 1) for pair in pairs]
    scores = compute_caption_scores([caption for caption, _ in sides], [known for _, known in sides], metrics=metrics)
    found = {}
    for name, values in scores.items.items():
        sign = 1 if get_metric_spec(name).higher_is_better else -1
        signed = [sign * value for value in values]
        found[name] = compute_caption_pair_agreement(pairs, signed[: len(pairs)], signed[len(pairs) :])
    decided = sum(pair.votes != 0 for pair in pairs)
    clips = len({pair.clip for pair in pairs})
    return MetricCheck(found, _get_missing_reasons(scores), len(pairs), decided, clips, scores.weights, has_pairs=True)


def compute_caption_pair_agreement(
    pairs: Sequence[CaptionPair], first: Sequence[float], second: Sequence[float]
) -> PairAgreement:
    """Compute the share of pairs in which people prefer the caption with the higher score, in total and by kind.

    `first` and `second` are the scores of the two captions of each pair, by a metric or a judge; higher is better.
    """
    rows = [(one - two, pair) for one, two, pair in zip(first, second, pairs, strict=True)]
    kinds = dict.fromkeys(pair.kind for pair in pairs)
    by_kind = {kind: _compute_preference_agreement([row for row in rows if row[1].kind == kind]) for kind in kinds}
    return PairAgreement(_compute_preference_agreement(rows), by_kind)


def _compute_preference_agreement(rows: Sequence[tuple[float, CaptionPair]]) -> Metric:
    """Compute the share of pairs in which the metric and people prefer the same caption.

    A row holds the score of the first caption minus the score of the second, and the pair."""
    return compute_pair_agreement(
        [gain for gain, _ in rows], [pair.votes for _, pair in rows], [pair.clip for _, pair in rows]
    )


def _get_missing_reasons(scores: CaptionMetrics) -> dict[str, str]:
    """Return the reason for each metric that has no scores of single items, by the metric's name."""
    return {name: metric.reason or "" for name, metric in scores.corpus.items() if name not in scores.items}
