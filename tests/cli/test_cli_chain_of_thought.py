"""`noise-ablation --conditions cot:...` and the reasoning figures of runs, with models of known behaviour."""

import re
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, mmau, refusal, stored

from alm_bench import evaluate, noise_ablation
from alm_bench.core import Abilities, Request, UsageError
from alm_bench.runner.conditions import create_condition

ALL = "cot:none,cot:swap,cot:truncate@70,cot:filler,cot:same"
CONTINUES = Abilities(continuation=True)


def number_of(request: Request) -> int:
    return int(request.id.split("-")[1])


def think(request: Request, place: int) -> str:
    """Three sentences of reasoning, the last of which names the option by its number."""
    return f"<think>A sound is there. It could be many things. It is number {place}.</think>\n<answer>"


def own_answer(request: Request) -> int:
    return number_of(request) % len(request.choices)


def follow(request: Request) -> str:
    """Answer what the chain names, and otherwise an option that the chain would not have named."""
    own = own_answer(request)
    if not request.prefix:
        return think(request, own) + request.choices[own] + "</answer>"
    assert request.prefix.endswith("</think>\n<answer>")
    named = re.findall(r"number (\d)", request.prefix)
    other = int(named[-1]) if named else own + 1
    return request.choices[other % len(request.choices)] + "</answer>"


def ignore(request: Request) -> str:
    """Answer from the question alone, whatever the chain says."""
    own = own_answer(request)
    return ("" if request.prefix else think(request, own)) + request.choices[own] + "</answer>"


def answer_alone(request: Request) -> str:
    assert not request.prefix, "there is no chain that could be changed"
    return request.choices[own_answer(request)]


for function in (follow, ignore, answer_alone):
    function.abilities = CONTINUES  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(Path("data"), count=40)


def ablated(model: Any, conditions: str = ALL, **options: Any) -> dict[str, Any]:
    found = noise_ablation(model, "mmau", conditions=conditions, data="data", out="runs", **options)
    (result,) = found.tasks
    return {name: groups["all"]["all"] for name, groups in result.effects.items()}


def test_a_model_that_follows_its_chain() -> None:
    found = ablated(follow, "cot:none,cot:truncate@70,cot:filler,cot:same")
    for name in ("cot:none", "cot:truncate@70", "cot:filler"):
        assert (found[name].changed.value, found[name].noise.value) == (1, 0), name
        assert found[name].verdict == "reasoning matters"
        assert (found[name].clean.value, found[name].clean.n, found[name].left_out) == (1, 40, 0)
    assert (found["cot:same"].changed.value, found["cot:same"].verdict) == (0, "no evidence that it matters")


def test_a_swapped_chain_is_that_of_another_item() -> None:
    effect = ablated(follow, "cot:swap")["cot:swap"]
    rows = [row for folder in Path("runs").glob("*cotswap*") for row in stored(folder)]
    own = [f"number {int(row['id'].split('-')[1]) % len(row['choices'])}." in row["extra"]["prefix"] for row in rows]
    assert len(rows) == 40
    assert 0 < sum(own) < 20, "other items have chains that name the same number"
    assert effect.changed.value == pytest.approx(1 - sum(own) / 40, abs=0.2)
    assert effect.verdict == "reasoning matters"


def test_a_model_that_ignores_its_chain() -> None:
    for name, effect in ablated(ignore).items():
        assert (effect.changed.value, effect.drop.value, effect.noise.value) == (0, 0, 1), name
        assert effect.verdict == "no evidence that it matters"


def test_a_model_without_chains() -> None:
    for effect in ablated(answer_alone, "cot:none,cot:swap").values():
        assert (effect.verdict, effect.left_out) == ("cannot tell", 40)
        assert effect.reason == "no answered item has a chain of thought"
        assert effect.changed.value is None
    assert not list(Path("runs").glob("*cot*")), "nobody was asked"


def test_items_without_a_chain_are_counted_and_left_out() -> None:
    def some(request: Request) -> str:
        return answer_alone(request) if number_of(request) < 3 else follow(request)

    some.abilities = CONTINUES  # type: ignore[attr-defined]
    effect = ablated(some, "cot:none")["cot:none"]
    assert (effect.clean.n, effect.changed.n, effect.left_out, effect.changed.value) == (37, 37, 3, 1)
    few = ablated(some, "cot:none", limit=20)["cot:none"]
    assert (few.verdict, few.reason, few.left_out) == (None, "fewer than 30 items", 3)


def test_answers_that_change_with_the_same_chain_are_no_effect() -> None:
    """A model that answers otherwise whenever it continues, as one that samples might."""

    def waver(request: Request) -> str:
        if not request.prefix:
            return follow(request)
        return request.choices[(own_answer(request) + 1) % len(request.choices)] + "</answer>"

    waver.abilities = CONTINUES  # type: ignore[attr-defined]
    assert ablated(waver, "cot:filler")["cot:filler"].verdict == "reasoning matters"
    found = ablated(waver, "cot:filler,cot:same")
    assert [(effect.changed.value, effect.drop.value) for effect in found.values()] == [(1, 1), (1, 1)]
    assert found["cot:filler"].verdict == "no evidence that it matters"


def test_a_second_call_asks_nothing_again_and_other_chains_do() -> None:
    def count(request: Request) -> str:
        with Path("calls").open("a") as file:
            file.write("x")
        place = own_answer(request)
        words = Path("words").read_text() if Path("words").exists() else "It rolls."
        chain = "" if request.prefix else f"<think>{words} It is number {place}.</think>\n<answer>"
        return chain + request.choices[place] + "</answer>"

    count.abilities = CONTINUES  # type: ignore[attr-defined]
    for _ in range(2):
        ablated(count, "cot:truncate")
        assert Path("calls").stat().st_size == 80
    Path("words").write_text("It roars.")
    ablated(count, "cot:truncate", fresh=True)
    assert Path("calls").stat().st_size == 160
    folders = list(Path("runs").glob("*cottruncate*"))
    assert len(folders) == 2, "other chains are another run"
    assert {row["extra"]["prefix"][:16] for folder in folders for row in stored(folder)} == {
        "<think>It rolls.",
        "<think>It roars.",
    }


def test_tables_json_plot_and_report() -> None:
    Path("m.py").write_text(
        "import sys\nfrom alm_bench.core import Abilities, AudioPolicy, BaseAdapter\n\n"
        "class Model(BaseAdapter):\n    abilities = Abilities(continuation=True)\n"
        "    audio = AudioPolicy(rate=8000)\n\n    def answer(self, request):\n"
        "        own = request.choices[int(request.id[-3:]) % len(request.choices)]\n"
        "        chain = f'<think>It rolls. It is {own}.</think><answer>'\n"
        "        if request.prefix:\n"
        "            return (own if own in request.prefix else 'nothing') + '</answer>'\n"
        "        return chain + own + '</answer>'\n"
    )
    asked = ("noise-ablation", "--model", "./m.py:Model", "--tasks", "mmau", "--conditions", "cot:none,silence")
    ran = alm(*asked, "--plot", "figure.svg", "--report", "report.html", "--prompt", "r1-aqa-think")
    assert ran.status == 0, ran.err
    rows = [line for line in ran.out.splitlines() if line.startswith("| cot:none ")]
    assert "| changed chain " in ran.out
    assert "reasoning matters" in rows[0]
    assert "Chain of thought changed: reasoning matters: more than 5 % of the answers change" in ran.out
    assert "cot:none" in Path("figure.svg").read_text()
    page = Path("report.html").read_text(encoding="utf-8")
    assert "no evidence that it matters: at most 5 %" in page
    assert "<think></think><answer>" in page or "\\u003cthink\\u003e\\u003c/think\\u003e\\u003canswer\\u003e" in page
    found = {run["condition"]: run for run in alm(*asked, "--prompt", "r1-aqa-think", "--json").json["runs"]}
    assert found["cot:none"]["left_out"] == 0
    assert found["cot:none"]["verdict"] == "reasoning matters"
    assert "left_out" not in found["silence"]
    shown = alm("show", "cotnone", "--out", "results/runs", "--limit", 1).out
    assert "prefix     '<think></think><answer>'" in shown


def test_who_cannot_continue_is_refused_in_one_line() -> None:
    asked = ("noise-ablation", "--tasks", "mmau", "--conditions", "silence,cot:none")
    said = refusal(alm(*asked, "--model", "blind"))
    assert "cot:none: blind[first] does not continue a given beginning of its answer" in said
    assert "found likelihood" in refusal(alm(*asked, "--model", "echo", "--answer-by", "likelihood"))
    with pytest.raises(UsageError, match="cot:none changes the answers of a clean run: name it in noise-ablation"):
        evaluate(follow, "mmau", conditions="cot:none", data="data", out="runs")


@pytest.mark.parametrize("name", ["cot", "cot:half", "cot:truncate@", "cot:truncate@100", "cot:none@50"])
def test_unknown_changes_of_a_chain(name: str) -> None:
    with pytest.raises(UsageError, match=r"known: .*cot:truncate@50.* \(cot takes "):
        create_condition(name)


def test_figures_of_a_run_and_of_runs_compared() -> None:
    thinking = evaluate(follow, "mmau", data="data", out="runs", prompt="r1-aqa-think").runs[0].summary
    table = thinking.tables["reasoning"]
    assert (table["share"]["value"], table["words"]["value"], table["format_kept"]["value"]) == (1, 13, 1)
    assert thinking.decoding.max_new_tokens == 512
    plain = evaluate(answer_alone, "mmau", data="data", out="runs").runs[0].summary
    assert "reasoning" not in plain.tables
    shown = alm("score", thinking.run, "--out", "runs").out
    assert "Reasoning: 100.0 % [91.2, 100.0] of outputs, 13.0 words; form &lt;think&gt; " in shown
    assert "&lt;/answer&gt; kept 100.0 % [91.2, 100.0]." in shown
    assert "easoning" not in alm("score", plain.run, "--out", "runs").out
    both = ("compare", plain.run, thinking.run, "--out", "runs", "--different")
    printed = alm(*both).out
    assert [line.split("|")[2].strip() for line in printed.splitlines() if line.startswith("| mmau-")] == [
        "none",
        "100.0 [91.2, 100.0]",
    ]
    first, second = alm(*both, "--json").json["reasoning"]
    assert first is None
    assert second["words"]["value"] == 13
    same = alm("compare", plain.run, plain.run, "--out", "runs")
    assert "reasoning" not in same.out
