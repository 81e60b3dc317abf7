"""Check of judges against people, on a file of labelled answers or of pairs of captions."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from alm_bench.calibration import AnswerAgreement, MetricCheck, PairAgreement, compute_caption_pair_agreement
from alm_bench.core import Metric, UsageError
from alm_bench.core.rng import create_item_generator
from alm_bench.data.outputs.labelled import CaptionPair, LabelledAnswer
from alm_bench.judges.calibration import JudgedAnswers, build_calibration, build_labelled_item, store_calibration
from alm_bench.judges.judge import Judge, Observe, forecast_calls
from alm_bench.judges.preset import JudgeItem
from alm_bench.records.judgement import Judgement
from alm_bench.runner.budget import Budget
from alm_bench.runner.dryrun import Forecast
from alm_bench.scoring.intervals import compute_share
from alm_bench.scoring.judged import compare_judges, compute_bounds, compute_judged_mean, describe_reliability


@dataclass(frozen=True, slots=True)
class JudgeOutcome:
    """Statistics of one judge's judgements on all texts of a labelled file, besides its agreement with people."""

    judge: Judge
    """The judge."""

    n: int
    """Number of texts that were to be judged."""

    problems: Mapping[str, int]
    """Numbers of texts without a verdict, by reason."""

    errors: int
    """Number of texts without a verdict because a call failed."""

    mean: Metric
    """Mean score; the interval includes the texts without a verdict as 0 and as 1."""

    bounds: tuple[float | None, float | None]
    """Mean scores if all texts without a verdict had the score 0, and 1."""

    repeats_agree: Metric | None
    """Share of texts on which all repeats have the same score; None without repeats."""

    warning: str | None
    """Warning about low agreement with people; None for a reliable judge."""


@dataclass(frozen=True, slots=True)
class JudgeCheck:
    """Result of `judge-check`: agreement of each judge with people, its statistics, and agreement between judges."""

    agreement: MetricCheck
    """Agreement with people by judge, named by its label, or by `Judge.key` if two judges have the same label."""

    outcomes: Mapping[str, JudgeOutcome]
    """Statistics of each judge, by the same names."""

    kappa: Mapping[tuple[str, str], Metric] = field(default_factory=dict)
    """Cohen's kappa of two judges' verdicts (right or wrong), by the names of both judges."""

    @property
    def failure_note(self) -> str | None:
        """One line about failed calls; None if none failed."""
        failed = [f"{one.errors} by {one.judge.label}" for one in self.outcomes.values() if one.errors]
        return f"verdicts missing: {', '.join(failed)}; the same command asks for these alone" if failed else None


def draw_answers(answers: Sequence[LabelledAnswer], count: int | None, seed: int) -> list[LabelledAnswer]:
    """Draw clips at random until there are at least `count` answers about them, and return these answers, in order.

    The sample depends on the seed and on the names of the clips alone. If `count` is None, all answers are returned.
    """
    if count is None or count >= len(answers):
        return list(answers)
    clips = sorted({_get_cluster(number, answer) for number, answer in enumerate(answers)}, key=str)
    sizes = Counter(_get_cluster(number, answer) for number, answer in enumerate(answers))
    chosen: set[Hashable] = set()
    for index in create_item_generator("judge-check", seed).permutation(len(clips)):
        if sum(sizes[clip] for clip in chosen) >= count:
            break
        chosen.add(clips[index])
    return [answer for number, answer in enumerate(answers) if _get_cluster(number, answer) in chosen]


def _get_cluster(number: int, answer: LabelledAnswer) -> Hashable:
    """Return the cluster of an answer for confidence intervals: its clip, else its question, else its number."""
    return answer.clip or answer.question or f"answer {number}"


def check_judges(
    judges: Sequence[Judge],
    items: Sequence[LabelledAnswer] | Sequence[CaptionPair],
    source: Path,
    budget: Budget,
    observe: Observe,
) -> JudgeCheck:
    """Judge the answers, or both captions of each pair, and compare with people.

    The agreement of each judge on labelled answers is stored as its calibration, for tables of later runs.

    Raises UsageError if the preset cannot judge the texts of this file.
    """
    pairs = [item for item in items if isinstance(item, CaptionPair)]
    answers = [item for item in items if isinstance(item, LabelledAnswer)]
    texts = build_judge_items(items)
    for judge in judges:
        if texts and (reason := judge.preset.describe_unsuitable(texts[0])) is not None:
            raise UsageError(f"--judge-preset {judge.preset.name} cannot judge the texts of {source} ({reason})")
    labels = Counter(judge.label for judge in judges)
    names = [judge.label if labels[judge.label] == 1 else judge.key for judge in judges]
    judged = {name: (judge, judge.judge(texts, budget, observe)) for name, judge in zip(names, judges, strict=True)}
    agreements: dict[str, AnswerAgreement | PairAgreement] = {}
    missing: dict[str, str] = {}
    for key, (judge, judgements) in judged.items():
        if all(one.score is None for one in judgements):
            missing[key] = f"no verdict of {len(judgements):,} could be read"
        elif pairs:
            agreements[key] = _compare_pairs(pairs, judgements)
        else:
            agreements[key] = _measure_and_store_agreement(JudgedAnswers(judge, answers, judgements), source)
    labelled = sum(pair.votes != 0 for pair in pairs) or sum(answer.label is not None for answer in answers)
    clips: set[Hashable] = {pair.clip for pair in pairs} or {
        _get_cluster(number, answer) for number, answer in enumerate(answers)
    }
    titles = {key: f"{judge.label} ({judge.preset.name})" for key, (judge, _) in judged.items()}
    check = MetricCheck(agreements, missing, len(items), labelled, len(clips), titles=titles, has_pairs=bool(pairs))
    outcomes = {key: _build_outcome(judge, texts, found, agreements.get(key)) for key, (judge, found) in judged.items()}
    return JudgeCheck(check, outcomes, _compare_judge_pairs(texts, {key: found for key, (_, found) in judged.items()}))


def build_judge_items(items: Sequence[LabelledAnswer] | Sequence[CaptionPair]) -> list[JudgeItem]:
    """Build the items that a judge gets for a labelled file: one per answer, or two per pair of captions."""
    pairs = [item for item in items if isinstance(item, CaptionPair)]
    answers = [item for item in items if isinstance(item, LabelledAnswer)]
    return _build_pair_items(pairs) if pairs else [build_labelled_item(*one) for one in enumerate(answers)]


def forecast_check(
    judges: Sequence[Judge], items: Sequence[LabelledAnswer] | Sequence[CaptionPair], source: Path
) -> Forecast:
    """Return the forecast of the calls of a check. No request is sent."""
    texts = build_judge_items(items)
    return forecast_calls(source.name, [(judge, texts) for judge in judges], len(items))


def _build_pair_items(pairs: Sequence[CaptionPair]) -> list[JudgeItem]:
    """Return the first captions of all pairs, then the second ones, as items."""
    return [
        JudgeItem(
            id=f"{number}-{side}",
            question=None,
            answer=pair.captions[side],
            references=pair.references[side],
            full_answer=pair.captions[side],
            cluster=pair.clip,
        )
        for side in (0, 1)
        for number, pair in enumerate(pairs)
    ]


def _compare_pairs(pairs: Sequence[CaptionPair], judgements: Sequence[Judgement]) -> PairAgreement:
    """Return the agreement on the pairs of which both captions have a verdict."""
    rows = [
        (pair, one.score, two.score)
        for pair, one, two in zip(pairs, judgements[: len(pairs)], judgements[len(pairs) :], strict=True)
        if one.score is not None and two.score is not None
    ]
    return compute_caption_pair_agreement(
        [pair for pair, _, _ in rows], [a for _, a, _ in rows], [b for _, _, b in rows]
    )


def _measure_and_store_agreement(judged: JudgedAnswers, source: Path) -> AnswerAgreement:
    """Return a judge's agreement with people, and store it, so that tables of later runs can show it.

    `source` is the labelled file. Nothing is stored if no answer has a verdict.
    """
    if (calibration := build_calibration(judged, source)) is not None:
        store_calibration(judged.judge.key, calibration)
    return judged.compute_agreement()


def _build_outcome(
    judge: Judge,
    items: Sequence[JudgeItem],
    judgements: Sequence[Judgement],
    agreement: AnswerAgreement | PairAgreement | None,
) -> JudgeOutcome:
    """Summarise a judge's judgements of `items`, in the same order; `agreement` is its agreement with people."""
    scores, clusters = [one.score for one in judgements], [text.cluster for text in items]
    repeated = [(len(set(one.repeats)) == 1, text.cluster) for one, text in zip(judgements, items, strict=True)
                if one.repeats]  # fmt: skip
    return JudgeOutcome(
        judge=judge,
        n=len(judgements),
        problems=dict(Counter(one.problem or "" for one in judgements if one.score is None).most_common()),
        errors=sum(one.status == "error" for one in judgements),
        mean=compute_judged_mean(scores, clusters),
        bounds=compute_bounds(scores),
        repeats_agree=compute_share([float(one) for one, _ in repeated], [clip for _, clip in repeated])
        if repeated
        else None,
        warning=_describe_warning(scores, agreement),
    )


def _describe_warning(scores: Sequence[float | None], agreement: AnswerAgreement | PairAgreement | None) -> str | None:
    """Return a warning about a judge whose replies cannot be read, or whose agreement with people is low."""
    if scores and all(score is None for score in scores):
        return "no reply could be read as a verdict: the judge says nothing about the answers"
    return describe_reliability(agreement.all.kappa) if isinstance(agreement, AnswerAgreement) else None


def _compare_judge_pairs(
    items: Sequence[JudgeItem], judged: Mapping[str, Sequence[Judgement]]
) -> dict[tuple[str, str], Metric]:
    """Return the kappa of each pair of judges, by their names, on the texts for which both have a verdict.

    `judged` maps a judge's name to its judgements, one per text.
    """
    found = {}
    for first, second in combinations(judged, 2):
        both = [
            (one.score, two.score, text.cluster)
            for one, two, text in zip(judged[first], judged[second], items, strict=True)
            if one.score is not None and two.score is not None
        ]
        found[first, second] = (
            compare_judges([a for a, _, _ in both], [b for _, b, _ in both], [clip for _, _, clip in both])
            if both
            else Metric.missing("no text has a verdict of both judges")
        )
    return found
