"""Position bias: shares by hand, and tests that find a bias where there is one, and only there."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2_contingency, kstest
from scored_rows import row

from alm_bench.core import OptionArrangement, Scored
from alm_bench.scoring.position import ChiSquare, PositionBias, analyse_positions

Draw = np.random.Generator


def asked(n: int, gold: int, said: int | None, options: int = 4) -> Scored:
    return row(tuple(f"{letter}{n}" for letter in "abcd"[:options]), gold, said)


def found(rows: list[Scored]) -> PositionBias:
    table = analyse_positions(rows)
    assert table is not None
    return table


def test_shares_and_accuracy_by_place() -> None:
    rows = [asked(n, n % 4, n % 4 if n < 40 else 0) for n in range(80)]
    rows.append(row(("x", "y"), 0, 0))  # another number of options
    table = found(rows)
    assert (table.options, table.n) == (4, 80)
    assert [place.letter for place in table.positions] == list("abcd")
    assert [place.references for place in table.positions] == [20] * 4
    assert [place.chosen for place in table.positions] == [50, 10, 10, 10]
    assert [place.accuracy.value for place in table.positions] == [1, 0.5, 0.5, 0.5]
    assert (table.accuracy_test.dof, table.wrong_test.dof) == (3, 3)
    assert (table.accuracy_test.p or 1) < 0.01
    assert (table.wrong_test.p or 1) < 1e-4


def test_of_independent_items_accuracys_is_nearly_pearsons() -> None:
    draw = np.random.default_rng(4)
    rows, counts = [], np.zeros((2, 4))
    for n in range(2000):
        gold = int(draw.integers(4))
        right = draw.random() < (0.5, 0.55, 0.6, 0.55)[gold]
        rows.append(asked(n, gold, gold if right else (gold + 1) % 4))
        counts[int(right), gold] += 1
    expected = chi2_contingency(counts, correction=False)
    assert found(rows).accuracy_test.dof == expected.dof
    assert found(rows).accuracy_test.chi2 == pytest.approx(expected.statistic, rel=0.05)


def guesses(draw: Draw) -> list[Scored]:
    """Questions asked once, answered by a coin with four sides."""
    return [asked(n, int(draw.integers(4)), int(draw.integers(4))) for n in range(200)]


def rotations(draw: Draw) -> list[Scored]:
    """60 questions in every rotation; each has a favourite option, taken six times of ten, else any."""
    rows = []
    for n in range(60):
        favourite = int(draw.integers(4))
        for turn in range(4):
            order = tuple((place + turn) % 4 for place in range(4))
            content = favourite if draw.random() < 0.6 else int(draw.integers(4))
            one = asked(n, order.index(0), order.index(content))
            where = OptionArrangement(f"q{n}", turn, 4, order)
            rows.append(replace(one, sample=replace(one.sample, arranged=where)))
    return rows


TESTS: dict[str, Callable[[PositionBias], ChiSquare]] = {
    "accuracy": lambda table: table.accuracy_test,
    "wrong": lambda table: table.wrong_test,
}


@pytest.mark.parametrize("answers", [guesses, rotations])
@pytest.mark.parametrize("which", TESTS)
def test_without_bias_p_values_are_uniform(answers: Callable[[Draw], list[Scored]], which: str) -> None:
    draw = np.random.default_rng(0)
    p_values = [TESTS[which](found(answers(draw))).p for _ in range(300)]
    assert kstest(p_values, "uniform").pvalue > 0.001


def test_a_slight_bias_is_found_in_rotations() -> None:
    """A tenth of the answers go to the first place whatever stands there."""
    draw = np.random.default_rng(1)
    below = 0
    for _ in range(20):
        rows = [
            one
            if draw.random() > 0.25 or one.parsed is None
            else replace(asked(0, one.sample.target, 0), sample=one.sample)
            for one in rotations(draw)
        ]
        scored = [
            replace(one, scores={"accuracy": float(one.parsed.index == one.sample.target)})
            for one in rows
            if one.parsed
        ]
        below += (found(scored).accuracy_test.p or 1) < 0.05
    assert below >= 16


def test_what_cannot_be_had_has_a_reason() -> None:
    perfect = found([asked(n, n % 4, n % 4) for n in range(40)])
    assert (perfect.accuracy_test.p, perfect.accuracy_test.reason) == (None, "all are right")
    assert (perfect.wrong_test.p, perfect.wrong_test.reason) == (None, "there are none")
    silent = found([asked(n, n % 4, None) for n in range(40)])
    assert silent.accuracy_test.reason == "none is right"
    two = found([asked(n, n % 2, 0, options=2) for n in range(40)])
    assert two.wrong_test.reason == "a wrong answer has one place only"
    assert (two.accuracy_test.p or 1) < 1e-6
    assert analyse_positions([asked(n, n % 3, 0) for n in range(40)]) is None, "the gold is never the last"
    assert analyse_positions([]) is None
