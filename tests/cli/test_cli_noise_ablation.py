"""`noise-ablation`: paired runs, verdicts, and what is refused."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from small_world import alm, mmau, model, outputs, questions, refusal, replay

from alm_bench.core import Parsed, Sample, Scored, Task
from alm_bench.plugins import catalogue
from alm_bench.scoring.grounding import ItemPair, compute_effects

# Hears which of the tones it is, and knows what was asked of it: right on clean clips, lost in noise.
LISTENS = """
    def answer(self, request):
        import numpy as np
        if not request.waves:
            raise ValueError("it needs a clip")
        spectrum = np.abs(np.fft.rfft(request.waves[0]))
        peak = np.argmax(spectrum) * 8000 / len(request.waves[0])
        place = round((peak - 200) / 10)
        clear = spectrum.max() > 20 * np.median(spectrum) and 0 <= place < 40
        return request.choices[place % len(request.choices)] if clear else request.choices[0]
"""
POLICY = "AudioPolicy(rate=8000)"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(Path("data"), count=40)


def ablated(*arguments: object, body: str = LISTENS, audio: str = POLICY) -> Any:
    listener = model(Path("m.py"), body, audio=audio)
    ran = alm("noise-ablation", "--model", listener, "--tasks", "mmau", *arguments, "--json")
    assert ran.status == 0, ran.err
    return {run["condition"]: run for run in ran.json["runs"]}


def test_a_model_that_listens_is_grounded() -> None:
    found = ablated("--conditions", "gaussian,silence,swap,none", "--repeats", "2")
    assert list(found) == ["gaussian", "silence", "swap", "none"]
    noise = found["gaussian"]
    assert noise["clean"]["value"] == 1
    assert noise["verdict"] == found["silence"]["verdict"] == "grounded"
    assert noise["drop"]["value"] == pytest.approx(1 - noise["noise"]["value"])
    assert noise["drop"]["low"] > 0
    assert noise["retention"]["value"] == pytest.approx(noise["noise"]["value"])
    assert noise["changed"]["value"] >= noise["drop"]["value"]
    assert set(noise["groups"]) == {"domain", "difficulty", "skill"}
    assert found["swap"]["noise"]["value"] < 0.6
    assert found["none"]["verdict"] is None
    assert found["none"]["reason"] == "needs audio"
    assert found["none"]["drop"]["value"] is None


def test_a_condition_that_fails_says_nothing_of_the_next() -> None:
    body = """
    def answer(self, request):
        if not request.waves or not request.waves[0].any():
            raise ValueError("it needs a clip that is heard")
        return request.choices[0]
"""
    listener = model(Path("m.py"), body, audio=POLICY)
    asked = ("--tasks", "mmau", "--conditions", "silence,none", "--json")
    ran = alm("noise-ablation", "--model", listener, *asked)
    assert ran.status == 1
    reasons = {run["condition"]: run["reason"] for run in ran.json["runs"]}
    assert "items failed" in reasons["silence"]
    assert reasons["none"] == "needs audio"


def test_after_a_failed_clean_run_nothing_else_is_asked() -> None:
    body = """
    def answer(self, request):
        open("calls", "a").write("x")
        raise ValueError("broken")
"""
    broken = model(Path("m.py"), body, audio=POLICY)
    ran = alm("noise-ablation", "--model", broken, "--tasks", "mmau", "--batch-size", 1, "--json")
    assert ran.status == 1
    assert len(Path("calls").read_text()) == 40
    assert ran.err.splitlines()[-1] == "alm-bench: mmau, clean: 40 of 40 items failed, as: ValueError: broken"
    assert {run["reason"] for run in ran.json["runs"]} == {"clean: 40 of 40 items failed, as: ValueError: broken"}


def test_a_model_that_does_not_listen_is_told_so() -> None:
    deaf = "    def answer(self, request):\n        return request.choices[0]\n"
    found = ablated("--conditions", "gaussian,swap,none", body=deaf)
    assert {run["verdict"] for run in found.values()} == {"not listening"}
    assert {run["drop"]["value"] for run in found.values()} == {0}
    assert {run["changed"]["value"] for run in found.values()} == {0}


def test_what_noise_leaves_above_the_blind_rows_is_partly() -> None:
    """It hears a little, and knows most answers from the question."""
    body = """
    def answer(self, request):
        import numpy as np
        number = int(request.id.split("-")[1])
        clear = np.abs(np.fft.rfft(request.waves[0])).max() > 20 * np.median(np.abs(np.fft.rfft(request.waves[0])))
        return request.choices[number % len(request.choices)] if clear or number % 4 else "nothing"
"""
    assert ablated("--conditions", "gaussian", body=body)["gaussian"]["verdict"] == "partly"


def test_a_second_call_answers_nothing_again() -> None:
    first_line = "        import numpy as np\n"
    counting = LISTENS.replace(first_line, first_line + "        open('calls', 'a').write('x')\n", 1)
    first = ablated("--conditions", "gaussian", body=counting)
    assert Path("calls").stat().st_size == 80
    assert ablated("--conditions", "gaussian", body=counting) == first
    assert Path("calls").stat().st_size == 80
    assert alm("run", "--model", "./m.py:Model", "--tasks", "mmau").status == 0
    ablated("--conditions", "gaussian,silence", body=counting)
    assert Path("calls").stat().st_size == 120, "the clean run is there"


def test_options_without_a_right_one_count_what_is_picked() -> None:
    found = ablated("--conditions", "no-gold,other-options")
    assert found["no-gold"]["selected"]["value"] == 1
    assert found["no-gold"]["verdict"] is None
    assert found["other-options"]["reason"].startswith("condition other-options: mmau has no items")


def test_tables_and_plot() -> None:
    listener = model(Path("m.py"), LISTENS, audio=POLICY)
    asked = ("noise-ablation", "--model", listener, "--tasks", "mmau", "--conditions", "gaussian,snr:0,no-gold")
    ran = alm(*asked, "--plot", "figure.png")
    assert ran.status == 0, ran.err
    assert "| condition (accuracy) " in ran.out
    assert "| gaussian " in ran.out
    assert "| grounded" in ran.out
    assert "| gaussian: skill" in ran.out
    assert "no-gold: an option is picked all the same in 100.0" in ran.out
    assert Path("figure.png").read_bytes().startswith(b"\x89PNG")


def test_noisy_runs_share_no_table_with_clean_ones() -> None:
    ablated("--conditions", "gaussian")
    board = alm("leaderboard").out
    assert board.count("\n## mmau") == 2
    assert "condition gaussian" in board
    clean, noisy = sorted(Path("results/runs").glob("*/run.json"), key=lambda path: "gaussian" in path.parent.name)
    said = refusal(alm("compare", clean.parent, noisy.parent))
    assert "used different conditions (clean, gaussian)" in said


FAILS = """
    def answer(self, request):
        import numpy as np
        if np.abs(np.fft.rfft(request.waves[0])).max() < 20 * np.median(np.abs(np.fft.rfft(request.waves[0]))):
            raise RuntimeError("out of memory")
        return request.choices[0]
"""


def test_calls_that_fail_in_noise_are_no_lost_hearing() -> None:
    listener = model(Path("m.py"), FAILS, audio=POLICY)
    asked = ("noise-ablation", "--model", listener, "--tasks", "mmau", "--conditions", "gaussian,silence", "--json")
    ran = alm(*asked)
    assert ran.status == 1
    assert "mmau, gaussian: 40 of 40 items failed, as: RuntimeError: out of memory" in ran.err
    noise = ran.json["runs"][0]
    assert (noise["verdict"], noise["drop"]["value"]) == (None, None)
    assert "40 of 40 items failed" in noise["reason"]


def test_orders_of_a_question_weigh_as_one() -> None:
    found = ablated("--conditions", "gaussian", "--options", "circular")["gaussian"]
    clean = next(path.parent for path in Path("results/runs").glob("*/run.json") if "gaussian" not in path.parent.name)
    run = alm("score", clean, "--json").run
    assert found["clean"]["value"] == pytest.approx(run["metrics"]["accuracy"]["value"])


class Unblind:
    """A task without text-only baselines."""

    def __init__(self) -> None:
        self.card = catalogue().get_task("mmau").card

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> dict[str, float]:
        return {"accuracy": 0.0}


def test_one_clip_and_tasks_without_blind_rows_have_no_verdict() -> None:
    mmau(Path("one"), count=1)
    listener = model(Path("m.py"), LISTENS, audio=POLICY)
    asked = ("noise-ablation", "--model", listener, "--json", "--conditions", "gaussian,swap")
    noise, swap = alm(*asked, "--tasks", "mmau", "--data", "one").json["runs"]
    assert (noise["verdict"], noise["reason"]) == (None, "all items are about one clip")
    assert "swap takes another clip" in swap["reason"]
    demo = ("--tasks", "clotho_aqa", "--data", "demo", "--limit", "80")
    ran = alm("noise-ablation", "--model", "echo", *demo, "--conditions", "gaussian", "--json")
    (aqa,) = ran.json["runs"]
    assert aqa["verdict"] == "not listening"
    assert aqa["score"] == "binary_accuracy"
    assert 30 <= aqa["clean"]["n"] < 80, "open questions are not yes or no"
    rows = [Scored(Sample(f"q{n}", {}, target=0), "ok", "", None, {"accuracy": n % 2}) for n in range(40)]
    effect = compute_effects(cast(Task, Unblind()), [ItemPair(row, [row]) for row in rows])["all"]["all"]
    assert (effect.verdict, effect.reason) == (None, "no text-only baseline is known item by item")


def test_the_card_names_what_is_measured_where_nothing_is_named() -> None:
    card = catalogue().ablations["noise_grounding"]
    assert (card.bases, card.conditions[0]) == (("mmau", "cle"), "gaussian")
    ran = alm("noise-ablation", "--model", "blind", "--data", "demo", "--limit", "6", "--json")
    assert ran.status == 0, ran.err
    assert [run["condition"] for run in ran.json["runs"]] == [*card.conditions] * 2
    assert {run["task"] for run in ran.json["runs"]} == set(card.bases)
    assert "is an ablation of other tasks: alm-bench noise-ablation runs it" in refusal(
        alm("run", "--model", "blind", "--tasks", "noise_grounding")
    )
    assert "noise_grounding" in {row["task"] for row in alm("ls", "tasks", "--json").json["tasks"]}


def test_stored_answers_hear_nothing() -> None:
    file = outputs(Path("o.json"), {row["id"]: row["answer"] for row in questions(40)})
    said = refusal(alm("noise-ablation", *replay(file), "--tasks", "mmau"))
    assert "answered the clean clips, and hears no others: name a model" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--conditions", "noise"), "unknown condition 'noise'; known: "),
        (("--conditions", ","), "--conditions names no condition"),
        (("--plot", "figure.foo"), "--plot figure.foo: expected a name that ends in .png, .pdf, .svg"),
        (("--solvable-by", "x"), "--solvable-by belongs to run and score"),
        (
            ("--tasks", "mmau,audiocaps", "--data", "demo", "--options", "circular"),
            "items of audiocaps have no options",
        ),
        (("--decoding", "beam"), "--decoding beam: "),
        (("--repeats", "0"), "--repeats"),
        (("--task", "x"), "No such option: --task"),
    ],
)
def test_misuse_is_one_line(arguments: tuple[str, ...], reason: str) -> None:
    said = refusal(alm("noise-ablation", "--model", "blind", "--tasks", "mmau", *arguments))
    assert reason.lower() in said.lower()


def test_figures_by_hand() -> None:
    """Of ten items eight are right on clean clips, three of them in noise; twenty times over."""
    task = catalogue().get_task("mmau").create()
    found = []
    for n in range(200):
        sample = Sample(f"q{n}", {}, choices=("a", "b"), target=n % 2, gold="ab"[n % 2])
        rows = [Scored(sample, "ok", "", None, {"accuracy": float(right)}) for right in (n % 10 < 8, n % 10 < 3)]
        found.append(ItemPair(rows[0], [rows[1]]))
    effect = compute_effects(task, found)["all"]["all"]
    assert (effect.clean.value, effect.noise.value, effect.drop.value) == pytest.approx((0.8, 0.3, 0.5))
    assert effect.retention.value == pytest.approx(3 / 8)
    draws = np.random.default_rng(1).integers(0, 10, (5_000, 200))
    ratios = (draws < 3).sum(axis=1) / (draws < 8).sum(axis=1)
    assert (effect.retention.low, effect.retention.high) == pytest.approx(
        np.quantile(ratios, [0.025, 0.975]), abs=0.015
    )
    nothing = [ItemPair(pair.noisy[0], pair.noisy) for n, pair in enumerate(found) if n % 10 >= 3]
    assert compute_effects(task, nothing)["all"]["all"].retention.reason == "the clean score is 0"
