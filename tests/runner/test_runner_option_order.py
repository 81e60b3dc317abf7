"""Options in other orders, from the items to the tables."""

from pathlib import Path

import pytest
from small_world import alm, cle, mmau, model, only_run, outputs, questions, refusal, replay, stored

from alm_bench.core import OptionArrangement, Sample
from alm_bench.runner.option_order import order_options, reorder_predictions

SAMPLE = Sample("q", {}, choices=("a", "b", "c"), target=1, gold="b")
NONE = Sample("open", {})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_circular_is_every_rotation_with_its_gold() -> None:
    moved = order_options([SAMPLE, NONE], "circular", 1, 0)
    assert [sample.id for sample in moved] == ["q~0", "q~1", "q~2", "open"]
    assert [sample.choices for sample in moved[:3]] == [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")]
    assert [sample.choices[sample.target] for sample in moved[:3]] == ["b"] * 3
    assert {sample.question for sample in moved[:3]} == {"q"}
    assert moved[1].arranged == OptionArrangement("q", 1, 3, (1, 2, 0))


def test_shuffles_are_seeded_by_item_and_seed() -> None:
    samples = [Sample(f"q{n}", {}, choices=tuple("abcdef"), target=n % 6) for n in range(50)]
    once = order_options(samples, "shuffled", 1, 0)
    assert [sample.id for sample in once] == [sample.id for sample in samples], "a single order keeps the file's ids"
    assert order_options(samples[7:], "shuffled", 1, 0) == once[7:]
    assert order_options(samples, "shuffled", 1, 1) != once
    assert {tuple(sorted(sample.choices)) for sample in once} == {tuple("abcdef")}
    assert [s.choices[s.target] for s in once] == [s.choices[s.target] for s in samples]
    places = [sample.target for sample in once]
    assert len(set(places)) == 6
    twice = order_options(samples, "shuffled", 2, 0)
    assert [sample.choices for sample in twice[::2]] == [sample.choices for sample in once]
    assert order_options(samples, "given", 3, 0) == samples
    every = order_options([SAMPLE], "shuffled", 10, 0)
    assert len({sample.choices for sample in every}) == len(every) == 6, "no order twice, and all of them are fewer"


def test_predictions_of_the_files_options_are_moved_with_them() -> None:
    found = [
        reorder_predictions(sample, {"words": {"q": 2}, "none": {"q": None}})
        for sample in order_options([SAMPLE], "circular", 1, 0)
    ]
    assert found == [{"words": place, "none": None} for place in (2, 1, 0)]
    assert reorder_predictions(SAMPLE, {"words": {"q": 2}}) == {"words": 2}


def test_a_model_that_takes_the_first_option_is_found_out() -> None:
    mmau(Path("data"), 20, clips=False)
    run = alm("run", "--model", "blind", "--tasks", "mmau", "--options", "circular", "--json").run
    assert run["n"] == sum(len(row["choices"]) for row in questions(20))
    chance = sum(1 / len(row["choices"]) for row in questions(20)) / 20
    assert run["metrics"]["accuracy"]["value"] == pytest.approx(chance), "questions weigh alike"
    assert run["metrics"]["circular_accuracy"]["value"] == 0
    assert run["metrics"]["consistency"]["value"] == 0
    places = run["tables"]["positions"]["positions"]
    assert [place["accuracy"]["value"] for place in places] == [1, 0, 0, 0]
    assert len({place["references"] for place in places}) == 1
    assert run["tables"]["positions"]["accuracy_test"]["p"] < 1e-3
    assert "circular" in alm("score", only_run(Path("results/runs"))).out


def test_a_model_that_knows_is_right_in_every_order() -> None:
    body = "    def answer(self, request):\n        return max(request.choices)\n"
    mmau(Path("data"), 20, clips=False)
    run = alm(
        *("run", "--model", model(Path("m.py"), body, audio="None"), "--tasks", "mmau", "--json"),
        *("--options", "shuffled", "--shuffles", "3"),
    ).run
    right = [max(row["choices"]) == row["answer"] for row in questions(20)]
    assert run["n"] == sum(3 if len(row["choices"]) > 2 else 2 for row in questions(20))
    assert run["metrics"]["circular_accuracy"]["value"] == run["metrics"]["accuracy"]["value"] == sum(right) / 20
    assert run["metrics"]["consistency"]["value"] == 1
    assert run["questions"] == 20


def test_entailment_is_graded_by_what_the_option_says() -> None:
    cle(Path("data"))
    body = "    def answer(self, request):\n        return next(c for c in request.choices if 'plausible' in c)\n"
    asked = ("run", "--model", model(Path("m.py"), body, audio="None"), "--tasks", "cle", "--json")
    run = alm(*asked, "--options", "circular").run
    assert run["metrics"]["nacc"]["value"] == 1
    assert run["metrics"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert run["baselines"]["hypothesis only"]["accuracy"]["n"] == run["n"] == 5 * 3 * 4
    given = alm(*asked).run
    for row in ("most frequent label", "hypothesis only"):
        assert run["baselines"][row]["accuracy"]["value"] == pytest.approx(given["baselines"][row]["accuracy"]["value"])


def test_every_record_tells_how_its_options_were_moved() -> None:
    mmau(Path("data"), 3, clips=False)
    assert alm("run", "--model", "blind", "--tasks", "mmau", "--options", "circular").status == 0
    for record in stored(only_run(Path("results/runs"))):
        asked = next(row for row in questions(3) if row["id"] == record["option_order"]["question"])
        assert record["choices"] == [asked["choices"][place] for place in record["option_order"]["order"]]
        assert record["choices"][record["target"]] == asked["answer"]
        assert all(choice.lower() in record["prompt"].lower() for choice in record["choices"])


def test_a_run_in_another_order_is_another_run_and_never_compared_unasked() -> None:
    mmau(Path("data"), 12, clips=False)
    for order in ("given", "shuffled"):
        assert alm("run", "--model", "blind", "--tasks", "mmau", "--options", order, "--out", order).status == 0
    first, second = only_run(Path("given")), only_run(Path("shuffled"))
    said = refusal(alm("compare", first, second))
    assert "used different option orders (given, shuffled with seed 0); pass --different" in said
    assert alm("compare", first, second, "--different").status == 0
    assert "is a run with --options shuffled, expected one with --options given" in refusal(
        alm("submit", "mmau", second)
    )


def test_runs_of_other_orders_share_no_table_and_no_item() -> None:
    mmau(Path("data"), 12, clips=False)
    orders = {
        "none": (),
        "one": ("--options", "shuffled"),
        "other": ("--options", "shuffled", "--seed", "1"),
        "all": ("--options", "circular"),
    }
    for name, how in orders.items():
        assert alm("run", "--model", "blind", "--tasks", "mmau", *how, "--out", f"runs/{name}").status == 0
    folders = {name: only_run(Path("runs") / name) for name in orders}
    board = alm("leaderboard", *folders.values()).out
    assert board.count("\n## mmau") == 4
    assert "options shuffled with seed 1" in board
    said = refusal(alm("compare", folders["one"], folders["other"]))
    assert "(shuffled with seed 0, shuffled with seed 1)" in said
    said = refusal(alm("compare", folders["none"], folders["all"]))
    assert "used different option orders" in said
    assert "--different" not in said, "they have no item in common"
    assert "have no item in common" in refusal(alm("compare", folders["none"], folders["all"], "--different"))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (("--seed", "-1", "--options", "shuffled"), "--seed"),
        (("--shuffles", "3"), "--shuffles 3 goes with --options shuffled, found --options given"),
        (("--shuffles", "3", "--options", "circular"), "found --options circular"),
    ],
)
def test_what_does_not_go_together_is_refused(how: tuple[str, ...], reason: str) -> None:
    mmau(Path("data"), 3, clips=False)
    assert reason in refusal(alm("run", "--model", "blind", "--tasks", "mmau", *how))


def test_stored_answers_are_to_the_given_order() -> None:
    mmau(Path("data"), 3, clips=False)
    file = outputs(Path("o.json"), {row["id"]: row["answer"] for row in questions(3)})
    said = refusal(alm("run", *replay(file), "--tasks", "mmau", "--options", "shuffled"))
    assert "answered the given order" in said


def test_an_unknown_order_names_the_known_ones() -> None:
    said = refusal(alm("run", "--model", "blind", "--tasks", "mmau", "--options", "circle"))
    assert "'circle' is unknown; known: circular, shuffled, given" in said
