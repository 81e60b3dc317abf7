"""Audio-text retrieval on Clotho and AudioCaps, for models that embed clips and texts in one space (CLAP).

Every clip and every caption is an item, which the model embeds alone. The embeddings are stored with the items; the
rankings of all captions by clip and of all clips by caption are computed from them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alm_bench.core import Corpus, DataRoot, Metric, Metrics, NoOptions, Parsed, Sample, Scored, TaskCard, TaskScore
from alm_bench.core.vectors import decode_vector
from alm_bench.data.readers import check_unique_ids
from alm_bench.scoring.intervals import compute_share
from alm_bench.scoring.multiple_choice import compute_answered_share, drop_skipped_rows, list_clusters
from alm_bench.scoring.retrieval import (
    CUTOFFS,
    QueryScore,
    compute_similarities,
    score_query,
    score_random_ranking,
)
from alm_bench.tasks._shared.captions import find_captioned_clip, locate_captions, read_captions

CLIP, CAPTION = "clip", "caption"
BASELINE = "random ranking (expected)"


class Retrieval:
    parser = "embeddings@1"

    def __init__(self, card: TaskCard, options: NoOptions) -> None:
        self.card, self._source = card, card.name.removesuffix("-retrieval")

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        return locate_captions(self.card, data)

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        ((role, path),) = self.files(data, split).items()
        captions = read_captions(self._source, role, path)
        found = (sample for name, texts in captions.items() for sample in self._create_samples(data, name, texts))
        return iter(check_unique_ids(found, path))

    def _create_samples(self, data: DataRoot, name: str, captions: Sequence[str]) -> Iterator[Sample]:
        """Yield the item of a clip, then the items of its captions."""
        ids = [f"{name}#{number}" for number in range(len(captions))]
        clip = find_captioned_clip(data, self._source, name)
        yield Sample(name, {"caption": ""}, (clip,), target=ids, groups={"kind": CLIP, "clip": name})
        for id, text in zip(ids, captions, strict=True):
            yield Sample(id, {"caption": text}, target=[name], groups={"kind": CAPTION, "clip": name})

    def parse(self, sample: Sample, text: str) -> Parsed:
        return Parsed("unparsed", "no embedding")

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return {}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        kept = _drop_captions_without_clip(drop_skipped_rows(rows))
        metrics: Metrics = {}
        expected: Metrics = {}
        for direction, queries, candidates in _split_by_direction(kept):
            metrics |= _compute_direction_metrics(direction, queries, score_queries(queries, candidates))
            expected |= _compute_expected_metrics(direction, queries, candidates)
        return TaskScore(
            {**metrics, "answered": compute_answered_share(kept)}, blind={BASELINE: expected} if kept else {}
        )

    def corpus(self, rows: Sequence[Scored]) -> Corpus:
        """Return the score and the weight of each row by metric, as an array of shape (rows, metrics, 2).

        The weight is 1 if the row is a query in the metric's direction. Otherwise score and weight are 0. Differences
        between two models are therefore paired by query.
        """
        kept = _drop_captions_without_clip(rows)
        places = {row.sample.id: number for number, row in enumerate(rows)}
        columns: dict[str, dict[int, float]] = {}
        for direction, queries, candidates in _split_by_direction(kept):
            for name, values in _list_query_scores(direction, score_queries(queries, candidates)).items():
                queried = (places[row.sample.id] for row in queries)
                columns[name] = dict(zip(queried, values, strict=True))
        counts = np.zeros((len(rows), len(columns), 2))
        for column, scores in enumerate(columns.values()):
            counts[list(scores), column] = [(score, 1.0) for score in scores.values()]
        return Corpus(list(columns), counts, _compute_weighted_means)


def _split_by_direction(rows: Sequence[Scored]) -> Iterator[tuple[str, list[Scored], list[Scored]]]:
    """Yield each direction of retrieval with its queries and its candidates.

    `t2a` searches clips by captions, `a2t` captions by clips. In a run on a part of the items, a clip whose captions
    are all missing is a candidate but no query, since its search could not succeed.
    """
    clip_rows, caption_rows = ([row for row in rows if row.sample.groups["kind"] == kind] for kind in (CLIP, CAPTION))
    yield "t2a", caption_rows, clip_rows
    yield "a2t", [row for row, ids in _pair_with_relevant_ids(clip_rows, caption_rows) if ids], caption_rows


def _pair_with_relevant_ids(
    queries: Sequence[Scored], candidates: Sequence[Scored]
) -> Iterator[tuple[Scored, list[str]]]:
    """Yield each query with the ids of its relevant candidates."""
    known = {row.sample.id for row in candidates}
    for row in queries:
        yield row, [id for id in row.sample.target if id in known]


def _compute_weighted_means(sums: "npt.NDArray[np.float64]") -> "npt.NDArray[np.float64]":
    """Divide sums of scores by sums of weights. `sums` has shape (..., metrics, 2), the result shape (..., metrics).

    A mean is 0 if the sum of its weights is 0.
    """
    means: npt.NDArray[np.float64] = np.divide(
        sums[..., 0], sums[..., 1], out=np.zeros_like(sums[..., 0]), where=sums[..., 1] > 0
    )
    return means


def _drop_captions_without_clip(rows: Sequence[Scored]) -> list[Scored]:
    """Remove the captions whose clip is not among the rows, since a search for their clip could not succeed."""
    present = {row.sample.id for row in rows}
    return [row for row in rows if row.sample.groups["kind"] == CLIP or row.sample.groups["clip"] in present]


def score_queries(queries: Sequence[Scored], candidates: Sequence[Scored]) -> list[QueryScore]:
    """Rank the candidates by similarity to each query, and return the score of each query's ranking, in order.

    A query without an embedding (a failed call) has the score 0. A candidate without one is in no ranking.
    """
    embedded = [row for row in candidates if row.embedding is not None]
    places = {row.sample.id: number for number, row in enumerate(embedded)}
    asked = [(row, ids) for row, ids in _pair_with_relevant_ids(queries, candidates) if row.embedding is not None]
    nothing = QueryScore(dict.fromkeys(CUTOFFS, 0.0), 0.0)
    if not embedded or not asked:
        return [nothing] * len(queries)
    similarities = compute_similarities(_stack_embeddings([row for row, _ in asked]), _stack_embeddings(embedded))
    found = {}
    for (row, ids), line in zip(asked, similarities, strict=True):
        found[row.sample.id] = score_query(line, [places[id] for id in ids if id in places], len(ids))
    return [found.get(row.sample.id, nothing) for row in queries]


def _stack_embeddings(rows: Sequence[Scored]) -> "npt.NDArray[np.float64]":
    """Return the embeddings of rows, shape (rows, width). Rows without one are left out."""
    vectors = [decode_vector(row.embedding) for row in rows if row.embedding is not None]
    return np.stack(vectors).astype(np.float64)


def _compute_direction_metrics(direction: str, queries: Sequence[Scored], scores: Sequence[QueryScore]) -> Metrics:
    """Return the metrics of one direction: means of the scores over the queries, with intervals over clips."""
    values = _list_query_scores(direction, scores)
    if not queries:
        return {name: Metric.missing("no items") for name in values}
    return {name: compute_share(each, list_clusters(queries)) for name, each in values.items()}


def _compute_expected_metrics(direction: str, queries: Sequence[Scored], candidates: Sequence[Scored]) -> Metrics:
    """Return the expected metrics of a random ranking; {} without queries."""
    if not queries:
        return {}
    relevant = [len(ids) for _, ids in _pair_with_relevant_ids(queries, candidates)]
    scores = [score_random_ranking(len(candidates), count) for count in relevant]
    values = _list_query_scores(direction, scores)
    return {name: Metric(float(np.mean(each)), n=len(queries)) for name, each in values.items()}


def _list_query_scores(direction: str, scores: Sequence[QueryScore]) -> dict[str, list[float]]:
    """Return the score of each query by metric name: recalls and mean average precision at 10."""
    recalls = {f"{direction}_recall_{k}": [score.recall[k] for score in scores] for k in CUTOFFS}
    return {**recalls, f"{direction}_map_10": [score.average_precision for score in scores]}


def create(card: TaskCard, options: NoOptions) -> Retrieval:
    return Retrieval(card, options)
