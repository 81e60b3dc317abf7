"""Summary of a run's judgements: means with bounds, corrected rates, agreement of judges, as tables of a summary."""

from collections import Counter
from collections.abc import Mapping, Sequence

from alm_bench.core.types import Metric, Metrics
from alm_bench.records.judgement import JudgedTable, Judgement, JudgeNotes
from alm_bench.records.schema import Record
from alm_bench.scoring.intervals import compute_share
from alm_bench.scoring.judged import JUDGED, compare_judges, compute_bounds, compute_judged_mean
from alm_bench.scoring.prediction_powered import estimate_rate

_Rows = list[tuple[Record, Judgement]]


def summarise_judgements(
    records: Sequence[Record], notes: Mapping[str, JudgeNotes], groupings: Sequence[str]
) -> list[JudgedTable]:
    """Return one table per judge of the records, in the order in which the judges were asked."""
    rows: dict[str, _Rows] = {key: [] for key in notes}
    for record in records:
        for one in record.judgements:
            rows.setdefault(one.key, []).append((record, one))
    return [
        _summarise_judge(
            part, notes.get(key, JudgeNotes()), groupings, {name: other for name, other in rows.items() if name != key}
        )
        for key, part in rows.items()
        if part
    ]


def list_judged_metrics(tables: Sequence[JudgedTable]) -> Metrics:
    """Return the metrics of the first judge, which reports show in the same table as the other metrics of the run."""
    return dict(tables[0].metrics) if tables else {}


def _get_cluster(record: Record) -> str:
    """Return the key of the items that intervals resample together: the clip's, or else the question's."""
    return record.sample.groups.get("clip", record.sample.question)


def _summarise_judge(
    rows: _Rows, notes: JudgeNotes, groupings: Sequence[str], others: Mapping[str, _Rows]
) -> JudgedTable:
    """Return the results of one judge. `rows` are its judgements, `others` those of each other judge, by judge key."""
    first = rows[0][1]
    scores, clusters = [one.score for _, one in rows], [_get_cluster(record) for record, _ in rows]
    extra = dict.fromkeys(name for _, one in rows for name in one.scores)
    metrics = {JUDGED: compute_judged_mean(scores, clusters)}
    for name in extra:
        metrics[f"{JUDGED}_{name}"] = compute_judged_mean([_get_further_score(one, name) for _, one in rows], clusters)
    low, high = compute_bounds(scores)
    return JudgedTable(
        judge=first.judge,
        key=first.key,
        preset=first.preset,
        version=first.version,
        prompt_hash=first.prompt_hash,
        items=len(rows),
        judged=sum(score is not None for score in scores),
        no_answer=sum(one.status == "no answer" for _, one in rows),
        problems=dict(Counter(one.problem or "" for _, one in rows if one.score is None).most_common()),
        metrics=metrics,
        low=low,
        high=high,
        corrected=_estimate_mean_label(rows, notes.labels),
        calibration=notes.calibration,
        repeats_agree=_compute_agreement_share(rows, [_has_equal_repeats(one) for _, one in rows]),
        orders_agree=_compute_agreement_share(rows, [one.orders_agree for _, one in rows]),
        kappa={key: _compute_kappa(rows, part) for key, part in others.items() if part},
        groups=_summarise_groups(rows, groupings),
        usage=dict(notes.usage),
    )


def _get_further_score(one: Judgement, name: str) -> float | None:
    """Return the score `name` that a judgement has beside its main score; None if it has none.

    For an item without an answer it is 0, like the main score.
    """
    return 0.0 if one.status == "no answer" else one.scores.get(name)


def _has_equal_repeats(one: Judgement) -> bool | None:
    """Return True if all repeats of a judgement have the same score, False if not, None if it was not repeated."""
    return len(set(one.repeats)) == 1 if one.repeats else None


def _compute_agreement_share(rows: _Rows, agreements: Sequence[bool | None]) -> Metric | None:
    """Return the share of rows for which the sequence, with one entry per row, has True.

    Rows with None are left out. Returns None if no row remains.
    """
    known = [
        (float(value), _get_cluster(record))
        for (record, _), value in zip(rows, agreements, strict=True)
        if value is not None
    ]
    return compute_share([value for value, _ in known], [clip for _, clip in known]) if known else None


def _estimate_mean_label(rows: _Rows, labels: Mapping[str, float]) -> Metric | None:
    """Estimate the mean label of all items from the labels of some and the judge's scores of all; None without labels.

    For an item without a readable verdict, the mean score is used, which carries no information on its label.
    """
    known = [one.score for _, one in rows if one.score is not None]
    labelled = [(record, one) for record, one in rows if record.sample.id in labels]
    if not labelled:
        return None
    if not known:
        return Metric.missing("no verdict could be read")
    mean = sum(known) / len(known)

    def fill_missing_scores(part: _Rows) -> list[float]:
        """Return the judge's score of each row, with the mean score in place of missing ones."""
        return [mean if one.score is None else one.score for _, one in part]

    rest = [(record, one) for record, one in rows if record.sample.id not in labels]
    return estimate_rate(
        [labels[record.sample.id] for record, _ in labelled],
        fill_missing_scores(labelled),
        fill_missing_scores(rest),
        [_get_cluster(record) for record, _ in labelled],
        [_get_cluster(record) for record, _ in rest],
    )


def _compute_kappa(rows: _Rows, others: _Rows) -> Metric:
    """Return the kappa of two judges on the items that both have judged."""
    theirs = {record.sample.id: one.score for record, one in others}
    both = [
        (one.score, theirs[record.sample.id], _get_cluster(record))
        for record, one in rows
        if one.score is not None and theirs.get(record.sample.id) is not None
    ]
    if not both:
        return Metric.missing("no item has a verdict of both judges")
    return compare_judges([a for a, _, _ in both], [b or 0.0 for _, b, _ in both], [clip for _, _, clip in both])


def _summarise_groups(rows: _Rows, groupings: Sequence[str]) -> dict[str, dict[str, Metric]]:
    """Return the mean of the main score by grouping and key, for groupings with several keys."""
    found: dict[str, dict[str, Metric]] = {}
    for grouping in groupings:
        parts: dict[str, _Rows] = {}
        for record, one in rows:
            if (key := record.sample.groups.get(grouping)) is not None:
                parts.setdefault(key, []).append((record, one))
        if len(parts) > 1:
            found[grouping] = {
                key: compute_judged_mean([one.score for _, one in part], [_get_cluster(record) for record, _ in part])
                for key, part in parts.items()
            }
    return found
