"""Scores by the languages of question and answer, paired differences to English, and languages of the answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alm_bench.core import Metric, MetricError, Metrics, Scored, Task
from alm_bench.core.languages import ItemLanguages
from alm_bench.scoring.answer_language import VERSION, LanguageVerdict, check_language
from alm_bench.scoring.intervals import compute_share
from alm_bench.scoring.main_score import compute_main_scores, has_main_score
from alm_bench.scoring.multiple_choice import compute_mean, drop_skipped_rows, list_clusters
from alm_bench.scoring.paired import compare_paired_scores

ANSWER_LANGUAGE = "answer_language"
"""Name of the metric: share of answers in the expected language, among answers whose language is certain."""

REFERENCE = "en"
"""Language that the others are compared with."""

LanguagePair = tuple[str, str]
"""Languages of question and answer."""


@dataclass(frozen=True, slots=True)
class LanguageCell:
    """Results of the items with one pair of languages."""

    question: str
    """Language of the questions."""

    answer: str
    """Expected language of the answers."""

    n: int
    """Number of items, without skipped ones."""

    score: Metric
    """Main score of the items."""

    expected: int
    """Number of answers in the expected language."""

    other: int
    """Number of answers in another language."""

    unsure: int
    """Number of answers whose language cannot be determined (names, numbers, single words)."""

    no_text: int
    """Number of items without an answer's text."""

    difference: Metric | None = None
    """Score minus the score of the reference pair on the same questions; None for the reference pair and without one.
    """

    p: float | None = None
    """Two-sided p-value of the difference."""

    reference: LanguagePair | None = None
    """Pair of languages that `difference` refers to."""


@dataclass(frozen=True, slots=True)
class LanguageTable:
    """Results of a run by languages."""

    score: str
    """Name of the main score."""

    cells: tuple[LanguageCell, ...]
    """One entry per pair of languages, in the order of the items."""

    detector: str
    """Version of the rules that determine the language of an answer."""


def compute_language_table(task: Task, rows: Sequence[Scored]) -> LanguageTable | None:
    """Return the results by languages; None if no item declares the languages of its question and its answer."""
    by_pair: dict[LanguagePair, list[Scored]] = {}
    for row in drop_skipped_rows(rows):
        if (pair := _get_language_pair(row)) is not None:
            by_pair.setdefault(pair, []).append(row)
    if not by_pair:
        return None
    name, scores = _score_rows(task, [row for part in by_pair.values() for row in part])
    cells = [_build_cell(pair, part, by_pair, scores) for pair, part in by_pair.items()]
    return LanguageTable(name, tuple(cells), VERSION)


def compute_answer_language_metric(rows: Sequence[Scored]) -> Metrics:
    """Return the metric `ANSWER_LANGUAGE`, the share of answers in the declared language, by its name.

    Answers whose language is not certain are left out. Returns {} if no item declares the language of its answer.
    """
    declared = [row for row in drop_skipped_rows(rows) if _get_declared_answer_language(row) is not None]
    if not declared:
        return {}
    verdicts = [(row, verdict) for row in declared if (verdict := check_answer_language(row)) in ("expected", "other")]
    if not verdicts:
        return {ANSWER_LANGUAGE: Metric.missing("no answer is long enough to tell its language")}
    certain = [row for row, _ in verdicts]
    values = [float(verdict == "expected") for _, verdict in verdicts]
    return {ANSWER_LANGUAGE: compute_share(values, list_clusters(certain))}


def build_language_tables(task: Task, rows: Sequence[Scored]) -> dict[str, Any]:
    """Return {"languages": table}, the results by languages as JSON; {} if no item declares its languages."""
    table = compute_language_table(task, rows)
    return {} if table is None else {"languages": asdict(table)}


def check_answer_language(row: Scored) -> LanguageVerdict | None:
    """Return the verdict on the language of an answer: `expected`, `other` or `unsure`.

    Returns None without a text or an expected language.
    """
    expected = _get_declared_answer_language(row)
    return None if expected is None or not (row.text or "").strip() else check_language(row.text or "", expected)


def _get_declared_answer_language(row: Scored) -> str | None:
    """Return the language that the item declares for its answer; None if it declares none."""
    return None if row.sample.languages is None else row.sample.languages.answer


def _get_language_pair(row: Scored) -> LanguagePair | None:
    """Return the declared languages of question and answer, or None if one of them is not declared.

    If the question has no written language, the language of the speech is taken as its language.
    """
    languages = row.sample.languages or ItemLanguages()
    question = languages.question or languages.audio
    return None if question is None or languages.answer is None else (question, languages.answer)


def _score_rows(task: Task, rows: Sequence[Scored]) -> tuple[str, Mapping[int, float]]:
    """Return the name of the main score, and the score of each row that has one, by `id(row)`."""
    known = [row for row in rows if row.sample.has_reference and has_main_score(task, row.sample)]
    try:
        name, values = compute_main_scores(task, known)
    except MetricError:  # the score of a corpus metric is not available; the answers' languages are
        return task.card.metrics[0], {}
    return name, {id(row): value for row, value in zip(known, values, strict=True)}


def _build_cell(
    pair: LanguagePair,
    rows: Sequence[Scored],
    rows_by_pair: Mapping[LanguagePair, Sequence[Scored]],
    score_by_row_id: Mapping[int, float],
) -> LanguageCell:
    """Return the results of `rows`, the items whose languages are `pair`.

    `rows_by_pair` holds the items of all pairs of languages, for the difference to the reference pair.
    `score_by_row_id` holds the score of each row that has one, by `id(row)`.
    """
    known = [row for row in rows if id(row) in score_by_row_id]
    verdicts = Counter(check_answer_language(row) for row in rows)
    score = (
        compute_mean(known, [score_by_row_id[id(row)] for row in known])
        if known
        else Metric.missing("the items have no score")
    )
    reference = _find_reference_pair(pair, rows_by_pair)
    difference = None if reference is None else _compare_with_reference(rows_by_pair[reference], known, score_by_row_id)
    return LanguageCell(
        *pair,
        n=len(rows),
        score=score,
        expected=verdicts["expected"],
        other=verdicts["other"],
        unsure=verdicts["unsure"],
        no_text=verdicts[None],
        difference=None if difference is None else difference[0],
        p=None if difference is None else difference[1],
        reference=None if difference is None else reference,
    )


def _find_reference_pair(pair: LanguagePair, by_pair: Mapping[LanguagePair, Sequence[Scored]]) -> LanguagePair | None:
    """Return the pair of languages that `pair` is compared with, or None.

    It is (English, English). If the run has no such items, it is English questions with answers in the same language.
    The result is None if the run has neither, or if `pair` is this pair itself.
    """
    candidates = ((REFERENCE, REFERENCE), (REFERENCE, pair[1]))
    found = next((one for one in candidates if one in by_pair), None)
    return None if found == pair else found


def _compare_with_reference(
    reference: Sequence[Scored], rows: Sequence[Scored], scores: Mapping[int, float]
) -> tuple[Metric, float] | None:
    """Return the mean difference of scores, `rows` minus `reference`, on their common questions, and its p-value.

    `scores` holds the score of each row by `id(row)`. Returns None if there are no common questions.
    """
    own = {_get_shared_question_id(row): row for row in rows}
    common = [row for row in reference if id(row) in scores and _get_shared_question_id(row) in own]
    if not common:
        return None
    # The clip of the reference is the cluster: the questions about one clip are not independent in any language.
    found = compare_paired_scores(
        [scores[id(row)] for row in common],
        [scores[id(own[_get_shared_question_id(row)])] for row in common],
        list_clusters(common),
    )
    return found.difference, found.p


def _get_shared_question_id(row: Scored) -> str:
    """Return the question id of an item, which translations of one question share."""
    languages = row.sample.languages
    return row.sample.id if languages is None or languages.question_id is None else languages.question_id
