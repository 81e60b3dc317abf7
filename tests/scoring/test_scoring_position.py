"""Position bias: shares by hand, tests against scipy's on the whole table."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from scored_rows import row

from alm_bench.core import Scored
from alm_bench.scoring.position import positions


def asked(n: int, gold: int, said: int | None) -> Scored:
    return row(tuple(f"{letter}{n}" for letter in "abcd"), gold, said)


def test_shares_and_accuracy_by_place() -> None:
    rows = [asked(n, n % 4, n % 4 if n < 40 else 0) for n in range(80)]
    rows.append(row(("x", "y"), 0, 0))  # another number of options
    found = positions(rows)
    assert found is not None
    assert (found.options, found.n) == (4, 80)
    assert [place.letter for place in found.positions] == list("abcd")
    assert [place.golds for place in found.positions] == [20] * 4
    assert [place.chosen for place in found.positions] == [50, 10, 10, 10]
    assert [place.accuracy.value for place in found.positions] == [1, 0.5, 0.5, 0.5]
    expected = chi2_contingency(np.array([[0, 10, 10, 10], [20, 10, 10, 10]]), correction=False)
    assert found.accuracy_test.chi2 == pytest.approx(expected.statistic)
    assert found.accuracy_test.p == pytest.approx(expected.pvalue)
    # 30 wrong answers, all a: each is expected at a, and at two of b, c, d, a third of the time
    assert found.wrong_test.chi2 == pytest.approx((30 - 10) ** 2 / 10 + 3 * (20 / 3))
    assert (found.wrong_test.p or 1) < 1e-6


def test_a_model_without_bias_is_not_called_biased() -> None:
    generator = np.random.default_rng(0)
    p_values = []
    for _ in range(200):
        rows = [asked(n, int(generator.integers(4)), int(generator.integers(4))) for n in range(200)]
        found = positions(rows)
        assert found is not None
        p_values.append((found.accuracy_test.p or 0, found.wrong_test.p or 0))
    below = (np.array(p_values) < 0.05).mean(axis=0)
    assert (below < 0.12).all(), "5 % of p-values are expected below 0.05"


def test_what_cannot_be_had_has_a_reason() -> None:
    perfect = positions([asked(n, n % 4, n % 4) for n in range(40)])
    assert perfect is not None
    assert (perfect.accuracy_test.p, perfect.accuracy_test.reason) == (None, "all are right")
    assert (perfect.wrong_test.p, perfect.wrong_test.reason) == (None, "too few wrong answers")
    silent = positions([asked(n, n % 4, None) for n in range(40)])
    assert silent is not None
    assert silent.accuracy_test.reason == "none is right"
    assert positions([asked(n, n % 3, 0) for n in range(40)]) is None, "the gold is never the last"
    assert positions([]) is None
