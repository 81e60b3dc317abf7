"""Calibration of judges: agreement with people's labels, stored for later tables of the same judge and prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alm_bench.calibration import AnswerAgreement, compute_answer_agreement
from alm_bench.core.files import compute_sha256, get_cache_folder, hash_json, write_atomically
from alm_bench.data.outputs.labelled import LabelledAnswer
from alm_bench.judges.judge import Judge, Observe
from alm_bench.judges.preset import JudgeItem
from alm_bench.records.judgement import Calibration, Judgement
from alm_bench.records.models import from_json, to_json
from alm_bench.runner.budget import Budget


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """Labelled answers with the judgements of one judge."""

    judge: Judge
    """The judge."""

    answers: Sequence[LabelledAnswer]
    """Answers, with and without labels."""

    judgements: Sequence[Judgement]
    """One judgement per answer."""

    @property
    def scored_answers(self) -> list[tuple[LabelledAnswer, float]]:
        """Answers with a verdict, each with its score."""
        pairs = zip(self.answers, self.judgements, strict=True)
        return [(answer, one.score) for answer, one in pairs if one.score is not None]

    def compute_agreement(self) -> AnswerAgreement:
        """Return the agreement with people on the answers that have a verdict."""
        scored = self.scored_answers
        return compute_answer_agreement([answer for answer, _ in scored], [score for _, score in scored])


def build_labelled_item(number: int, answer: LabelledAnswer) -> JudgeItem:
    """Build the item that a judge gets for a labelled answer. `number` is its id if the answer has none."""
    return JudgeItem(
        id=answer.id or str(number),
        question=answer.question,
        answer=answer.answer,
        references=answer.references,
        full_answer=answer.answer,
        cluster=answer.clip or answer.question or str(number),
    )


def judge_labelled_answers(
    judge: Judge,
    answers: Sequence[LabelledAnswer],
    budget: Budget | None = None,
    observe: Observe = lambda done, total: None,
) -> JudgedAnswers:
    """Let a judge grade labelled answers; return the answers with its judgements."""
    items = [build_labelled_item(number, answer) for number, answer in enumerate(answers)]
    return JudgedAnswers(judge, answers, judge.judge(items, budget, observe))


def build_calibration(judged: JudgedAnswers, source: Path) -> Calibration | None:
    """Return the agreement of a judge with people; None if no labelled answer has a verdict."""
    labelled = [answer for answer, _ in judged.scored_answers if answer.label is not None]
    if not labelled:
        return None
    agreement = judged.compute_agreement()
    total = sum(answer.label is not None for answer in judged.answers)
    return Calibration(
        source=source.name,
        source_hash=compute_sha256(source)[:12],
        n=len(labelled),
        unjudged=total - len(labelled),
        accuracy=agreement.all.accuracy,
        kappa=agreement.all.kappa,
        balanced_accuracy=agreement.all.balanced_accuracy,
        spearman=agreement.all.spearman,
        by_type={key: one.kappa for key, one in agreement.by_type.items()},
    )


def _get_calibration_path(key: str) -> Path:
    return get_cache_folder("judges") / f"calibration-{hash_json(key)[:16]}.json"


def store_calibration(key: str, calibration: Calibration) -> None:
    """Store the agreement of a judge, by `Judge.key`, for tables of later runs. Raises StoreError."""
    entry = {"judge": key, "calibration": to_json(calibration)}
    write_atomically(_get_calibration_path(key), msgspec.json.encode(entry), "ALM_BENCH_CACHE")


def find_calibration(key: str) -> Calibration | None:
    """Return the last stored agreement of a judge with the same prompt; None if there is none."""
    try:
        entry = msgspec.json.decode(_get_calibration_path(key).read_bytes())
        return from_json(entry["calibration"], Calibration)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError):
        return None


def match_labels(answers: Sequence[LabelledAnswer], items: Sequence[JudgeItem]) -> dict[str, float]:
    """Return the labels that belong to items of a run, by item id.

    A labelled answer belongs to an item if their ids and answers are equal, or, without an id, if question and answer
    are.
    """
    by_id = {
        (answer.id, answer.answer.strip()): answer.label for answer in answers if answer.id and answer.label is not None
    }
    by_text = {
        (answer.question.strip(), answer.answer.strip()): answer.label
        for answer in answers
        if answer.question and not answer.id and answer.label is not None
    }
    found = {}
    for item in items:
        label = None
        for said in (item.answer.strip(), item.full_answer.strip()):
            label = by_id.get((item.id, said)) if label is None else label
            label = by_text.get(((item.question or "").strip(), said)) if label is None else label
        if label is not None:
            found[item.id] = label
    return found
