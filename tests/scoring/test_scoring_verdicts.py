"""Verdicts on what a model loses with changed clips: when there is one, which, and why not."""

from collections.abc import Sequence

import pytest

from alm_bench.core import Sample, Scored
from alm_bench.plugins import catalogue
from alm_bench.scoring.grounding import Effect, ItemPair, compute_effects

OPTIONS = ("a", "b", "c", "d")


def row(number: int, picked: int) -> Scored:
    """A question about a clip of its own, whose right option is at each position as often."""
    groups = {"skill": "many" if number >= 20 else "few"}
    sample = Sample(f"q{number}", {}, choices=OPTIONS, target=number % 4, gold=OPTIONS[number % 4], groups=groups)
    parsed = catalogue().get_task("mmau").create().parse(sample, OPTIONS[picked])
    return Scored(sample, "ok", OPTIONS[picked], parsed, {"accuracy": float(picked == number % 4)})


def judged(clean: Sequence[int], noisy: Sequence[int], keeps_evidence: bool = False) -> dict[str, dict[str, Effect]]:
    """Effects of a model that is off by `clean` and `noisy` positions (0: right) on each item."""
    pairs = [
        ItemPair(row(n, (n + a) % 4), [row(n, (n + b) % 4)]) for n, (a, b) in enumerate(zip(clean, noisy, strict=True))
    ]
    return compute_effects(catalogue().get_task("mmau").create(), pairs, keeps_evidence)


def overall(clean: Sequence[int], noisy: Sequence[int], keeps_evidence: bool = False) -> Effect:
    return judged(clean, noisy, keeps_evidence)["all"]["all"]


def right(share: float, count: int, otherwise: int = 1) -> list[int]:
    """Answers of which a share is right, the first ones."""
    return [0 if n < round(share * count) else otherwise for n in range(count)]


def test_a_failing_model_is_never_grounded() -> None:
    """It scores below chance, and still drops significantly: what it answers has to do with the clips, but is wrong."""
    effect = overall(right(0.21, 240), right(0.06, 240, otherwise=2))
    assert (effect.drop.low or 0) > 0
    assert effect.verdict == "cannot tell"
    assert "the clean score does not beat the best text-only baseline (" in str(effect.reason)


def test_a_model_that_loses_its_lead_is_grounded() -> None:
    effect = overall(right(0.8, 200), right(0.25, 200))
    assert (effect.verdict, effect.reason) == ("grounded", None)
    assert effect.chance == pytest.approx(0.25)
    assert effect.baseline is not None
    assert effect.baseline[1] == pytest.approx(0.25)


def test_what_still_beats_the_baseline_is_partly() -> None:
    assert overall(right(0.9, 200), right(0.6, 200)).verdict == "partly"


def test_five_discordant_items_are_no_drop() -> None:
    """Every resample of five lost and none won is a loss or nothing; McNemar's exact p-value is 0.0625."""
    effect = overall(right(1, 40), right(35 / 40, 40))
    assert effect.drop.low is not None
    assert effect.drop.low <= 0 < effect.drop.high  # type: ignore[operator]
    assert effect.verdict == "cannot tell"
    assert overall(right(1, 40), right(31 / 40, 40)).verdict == "partly"


@pytest.mark.parametrize("share", [0.25, 0.8])
def test_the_same_answers_whatever_is_heard_are_not_listening(share: float) -> None:
    assert overall(right(share, 60), right(share, 60)).verdict == "not listening"


def test_no_significant_drop_is_no_proof_of_deafness() -> None:
    """Of 40 items three are lost and two won: the drop may be a quarter of the items, or none."""
    clean = [*right(0.9, 40)]
    noisy = [1, 1, 1, *clean[3:36], 1, 0, 0, *clean[39:]]
    effect = overall(clean, noisy)
    assert (effect.verdict, effect.reason) == ("cannot tell", "the drop may be 0 or large: more items are needed")


def test_other_answers_as_good_as_before_are_not_listening() -> None:
    """The lead does not come from the clips: as many are won as lost, and a large drop is excluded."""
    clean, noisy = right(0.9, 800), right(0.9, 800)
    for n in range(30):
        noisy[n], noisy[799 - n] = 1, 0
    effect = overall(clean, noisy)
    assert (effect.changed.value or 0) > 0.05
    assert effect.verdict == "not listening"


def test_a_model_that_keeps_its_score_in_a_little_noise_is_robust() -> None:
    """39 of 40 are kept: significant with so many items, and no fault."""
    effect = overall(right(0.8, 1000), right(0.78, 1000), keeps_evidence=True)
    assert (effect.drop.low or 0) > 0
    assert effect.retention.value == pytest.approx(0.975)
    assert effect.verdict == "robust"


def test_a_drop_where_evidence_is_left_is_sensitive() -> None:
    assert overall(right(0.8, 200), right(0.5, 200), keeps_evidence=True).verdict == "sensitive"
    assert overall(right(0.8, 200), right(0.25, 200), keeps_evidence=True).verdict == "sensitive"


def test_little_evidence_of_robustness_is_no_effect() -> None:
    clean, noisy = right(0.8, 40), right(0.8, 40)
    noisy[0] = noisy[1] = 1
    assert overall(clean, noisy, keeps_evidence=True).verdict == "no effect"


def test_a_failing_model_is_not_robust_either() -> None:
    assert overall(right(0.25, 200), right(0.25, 200), keeps_evidence=True).verdict == "cannot tell"


def test_small_groups_have_no_verdict() -> None:
    found = judged(right(0.8, 200), right(0.25, 200))["skill"]
    assert (found["few"].verdict, found["few"].reason) == (None, "fewer than 30 items")
    assert found["few"].clean.n == 20
    assert found["many"].verdict == "grounded"
