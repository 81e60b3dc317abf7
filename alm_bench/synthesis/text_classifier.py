"""Text-only classifier that predicts the right option of a question from the wording of the options. It is trained on
other rows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from alm_bench.core.rng import derive_integer
from alm_bench.synthesis.rows import QuestionRow

FOLDS = 5
"""Number of parts of the data. Rows of a part are classified by what was learned from the other parts."""

LEAST_ROWS = 100
"""Smallest number of multiple-choice rows with which the classifier is trained."""


def compute_option_probabilities(rows: Sequence[QuestionRow], seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    """Compute the probability that each option is the right one. Return arrays of shape (options,) by the row's id.

    A logistic regression predicts it from the options' words and the features of `_describe_options`. The model that
    predicts a row was trained on rows about other clips (cross-fitting), never on this row. Rows without a right option
    are not in the result. The result is empty if fewer than LEAST_ROWS rows have one.
    """
    known = [row for row in rows if row.target is not None and len(row.choices) > 1]
    if len(known) < LEAST_ROWS:
        return {}
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    starts = np.cumsum([0, *(len(row.choices) for row in known)])
    texts = [choice for row in known for choice in row.choices]
    words = HashingVectorizer(ngram_range=(1, 2), n_features=2**16, norm=None, alternate_sign=False, binary=True)
    shapes = csr_matrix(np.concatenate([_describe_options(row) for row in known]))
    features = hstack([words.transform(texts), shapes]).tocsr()
    right = np.concatenate([np.arange(len(row.choices)) == row.target for row in known])
    folds = np.repeat(
        [derive_integer("fold", seed, row.clips[0]) % FOLDS for row in known], [len(row.choices) for row in known]
    )
    scores = np.zeros(len(texts))
    for fold in range(FOLDS):
        inside = folds == fold
        if not inside.any() or inside.all():
            continue
        model = LogisticRegression(C=1.0, max_iter=300, solver="liblinear")
        model.fit(features[~inside], right[~inside])
        scores[inside] = model.decision_function(features[inside])
    return {
        row.id: _apply_softmax(scores[start:end])
        for row, start, end in zip(known, starts[:-1], starts[1:], strict=True)
    }


def _describe_options(row: QuestionRow) -> npt.NDArray[np.float64]:
    """Return six features of each option other than its words, as an array of shape (options, 6).

    They are its length relative to the other options, and flags for the longest, the first and the last option, for a
    text that the question contains, and for a capital first letter.
    """
    lengths = np.array([len(choice) for choice in row.choices], float)
    others = np.array([np.delete(lengths, index).mean() for index in range(len(lengths))])
    question = row.question.casefold()
    columns = [
        np.log((1 + lengths) / (1 + others)),
        lengths == lengths.max(),
        np.arange(len(lengths)) == 0,
        np.arange(len(lengths)) == len(lengths) - 1,
        [choice.casefold().strip(" .") in question for choice in row.choices],
        [choice[:1].isupper() for choice in row.choices],
    ]
    return np.stack([np.asarray(column, float) for column in columns], axis=1)


def _apply_softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probability of each option of a row to be the right one, from the log-odds `scores` of the options.
    The probabilities sum to 1."""
    shifted = np.exp(scores - scores.max())
    probabilities: npt.NDArray[np.float64] = shifted / shifted.sum()
    return probabilities
