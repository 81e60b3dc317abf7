"""Retrieval scores against a plain numpy computation, with ties and several captions per clip."""

import itertools

import numpy as np
import pytest

from alm_bench.scoring.retrieval import CUTOFFS, compute_similarities, score_query, score_random_ranking


def rank_plainly(similarities: np.ndarray, relevant: list[int]) -> list[float]:
    """Positions in the sorted list, averaged over the positions that equal values take."""
    ordered = np.sort(similarities)[::-1]
    return sorted(float(np.flatnonzero(ordered == similarities[index]).mean()) for index in relevant)


@pytest.mark.parametrize("seed", range(5))
def test_recall_and_average_precision_are_those_of_a_plain_computation(seed: int) -> None:
    generator = np.random.default_rng(seed)
    clips, per_clip = 12, 1 + seed
    captions = np.repeat(np.arange(clips), per_clip)
    similarities = generator.integers(0, 6, (clips, len(captions))) / 5  # few different values: many ties
    for clip in range(clips):
        relevant = np.flatnonzero(captions == clip).tolist()
        ranks = rank_plainly(similarities[clip], relevant)
        found = score_query(similarities[clip], relevant)
        assert found.recall == {k: float(ranks[0] < k) for k in CUTOFFS}
        hits = [(number + 1) / (rank + 1) for number, rank in enumerate(ranks) if rank < 10]
        assert found.average_precision == pytest.approx(sum(hits) / per_clip)
    for caption, clip in enumerate(captions):
        ranks = rank_plainly(similarities[:, caption], [clip])
        found = score_query(similarities[:, caption], [clip])
        assert found.recall[1] == float(ranks[0] < 1)
        assert found.average_precision == pytest.approx(1 / (ranks[0] + 1) if ranks[0] < 10 else 0.0)


def test_a_constant_model_gains_nothing_by_ties() -> None:
    """All candidates tie: the relevant one has the mean rank, not the first."""
    found = score_query(np.zeros(21), [0])
    assert found.recall == {1: 0.0, 5: 0.0, 10: 0.0}
    assert found.average_precision == 0.0
    assert score_query(np.array([0.5, 0.5, 0.1]), [0]).recall == {1: 1.0, 5: 1.0, 10: 1.0}


def test_equal_embeddings_tie_and_lengths_do_not_matter() -> None:
    texts = np.random.default_rng(0).normal(size=(50, 512)).astype(np.float32)
    texts[49] = 2 * texts[7]
    similarities = compute_similarities(texts[:5], texts)
    assert (similarities[:, 49] == similarities[:, 7]).all()
    assert similarities[2, 2] == 1.0


def test_missing_candidates_count_as_not_found() -> None:
    assert score_query(np.array([0.9, 0.1]), [], 5).average_precision == 0.0
    assert score_query(np.array([0.9, 0.1]), [0], 5).average_precision == pytest.approx(1 / 5)


@pytest.mark.parametrize(("candidates", "relevant"), [(5, 1), (6, 2), (7, 3)])
def test_the_expectation_of_a_random_ranking_is_the_mean_over_all_rankings(candidates: int, relevant: int) -> None:
    orders = [np.array(order, dtype=float) for order in itertools.permutations(range(candidates))]
    scores = [score_query(order, list(range(relevant))) for order in orders]
    expected = score_random_ranking(candidates, relevant)
    for k in CUTOFFS:
        assert expected.recall[k] == pytest.approx(np.mean([score.recall[k] for score in scores]))
    assert expected.average_precision == pytest.approx(np.mean([score.average_precision for score in scores]))
