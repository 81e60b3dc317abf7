"""`--answer-by`: options scored beside, or instead of, text that is read."""

from pathlib import Path

import pytest
from small_world import alm, cle, mmau, model, only_run, questions, refusal, stored

# Writes the first option, finds the last one likeliest by text, and by letter none more than another.
BODY = """
    def answer(self, request):
        return request.choices[0]

    def loglikelihood(self, batch):
        from alm_bench.core import OptionScores
        return [OptionScores({"text": [(-float(9 - i), 2) for i in range(len(r.choices))],
                              "letter": [(-1.0, 1)] * len(r.choices)}) for r in batch]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(Path("data"), 20, clips=False)


def asked(body: str, *arguments: object, tasks: str = "mmau") -> tuple[object, ...]:
    return ("run", "--model", model(Path("m.py"), body, audio="None"), "--tasks", tasks, *arguments)


FIRST = sum(row["answer"] == row["choices"][0] for row in questions(20)) / 20
LAST = sum(row["answer"] == row["choices"][-1] for row in questions(20)) / 20


def test_both_stand_side_by_side() -> None:
    run = alm(*asked(BODY, "--answer-by", "both", "--json")).run
    metrics = {name: metric["value"] for name, metric in run["metrics"].items()}
    assert (metrics["accuracy"], metrics["text_ll"], metrics["text_ll_per_token"]) == (FIRST, LAST, LAST)
    assert metrics["letter_ll"] == 0, "where all are alike none is chosen"
    assert metrics["official_accuracy"] == FIRST
    assert run["answer_by"] == "both"
    printed = alm("score", only_run(Path("results/runs"))).out
    assert "text LL/token" in printed
    assert "options scored by likelihood, too" in printed


def test_likelihood_alone_stands_for_the_answer() -> None:
    run = alm(*asked(BODY, "--answer-by", "likelihood", "--json")).run
    assert run["metrics"]["accuracy"]["value"] == LAST
    assert run["status"]["ok"] == 20
    assert "official_accuracy" not in run["metrics"], "there is no text to match"
    assert "no_option" not in run["tables"]
    (folder,) = Path("results/runs").glob("*/run.json")
    record = stored(folder.parent)[0]
    assert (record["text"], record["parsed"]["rule"]) == (None, "text_ll_per_token")
    assert record["likelihood"]["text"][0] == [-9.0, 2]
    again = alm("score", folder.parent, "--json").run
    assert again["metrics"] == run["metrics"]


def test_entailment_has_its_figures_by_likelihood() -> None:
    cle(Path("data"))
    body = BODY.replace("(-float(9 - i), 2) for i in range(len(r.choices))", "(-1.0 - len(c), 1) for c in r.choices")
    run = alm(*asked(body, "--answer-by", "likelihood", "--json", tasks="cle")).run
    found = {name: run["metrics"][name]["value"] for name in ("eacc", "nacc", "cacc")}
    assert found == {"eacc": 0, "nacc": 1, "cacc": 0}, "the shortest option says that it is plausible"


def test_scores_may_be_arrays_of_numpy() -> None:
    body = BODY.replace("(-float(9 - i), 2)", "(__import__('numpy').float32(-9 + i), __import__('numpy').int64(2))")
    run = alm(*asked(body, "--answer-by", "both", "--json")).run
    folder = only_run(Path("results/runs"))
    assert stored(folder)[1]["likelihood"]["text"][0] == [-9.0, 2]
    assert alm("score", folder, "--json").run["metrics"] == run["metrics"]


def test_a_text_is_kept_where_its_options_could_not_be_scored() -> None:
    body = BODY.split("return [Option")[0] + "return [OptionScores(error='too long') for r in batch]\n"
    run = alm(*asked(body, "--answer-by", "both", "--max-failures", "100%", "--json")).run
    folder = only_run(Path("results/runs"))
    assert {record["text"] for record in stored(folder)} == {row["choices"][0] for row in questions(20)}
    assert alm("score", folder, "--json").run["status"] == run["status"], "it is an error still"


def test_what_one_run_was_not_asked_for_is_no_difference() -> None:
    alm(*asked(BODY, "--out", "written"))
    alm(*asked(BODY, "--answer-by", "both", "--out", "both"))
    alm(*asked(BODY, "--answer-by", "likelihood", "--out", "scored"))
    written, both, scored = (only_run(Path(name)) for name in ("written", "both", "scored"))
    cells = alm("compare", written, both, "--json").json["cells"]
    assert {cell["score"] for cell in cells} == {"accuracy", "official_accuracy"}
    said = refusal(alm("compare", written, scored))
    assert "used different answer modes (text, likelihood)" in said
    cells = alm("compare", written, scored, "--different", "--json").json["cells"]
    assert {cell["score"] for cell in cells} == {"accuracy"}
    assert "(by likelihood)" in alm("compare", written, scored, "--different", "--examples", "1").out
    assert "by text" in alm("show", scored, "--limit", "1").out


def test_a_model_that_cannot_score_says_so_before_it_works() -> None:
    said = refusal(alm("run", "--model", "blind", "--tasks", "mmau", "--answer-by", "both"))
    assert "blind[first] does not score options (it has no loglikelihood()), expected --answer-by generate" in said
    assert "'letters' is unknown" in refusal(alm(*asked(BODY, "--answer-by", "letters")))


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ('OptionScores(error="too long")', "too long"),
        ('OptionScores({"text": [(-1.0, 1)]})', "expected 4 pairs of a finite sum and a number of tokens"),
        ('OptionScores({"text": [(float("nan"), 1)] * len(r.choices)})', "pairs of a finite sum"),
        ('OptionScores({"letter": [(-1.0, 1)] * len(r.choices)})', "expected text among them"),
        ("None", "expected OptionScores"),
    ],
)
def test_scores_that_failed_are_errors_with_the_reason(scores: str, reason: str) -> None:
    body = BODY.split("return [Option")[0] + f"return [{scores} for r in batch]\n"
    run = alm(*asked(body, "--answer-by", "both", "--max-failures", "100%", "--json")).run
    assert run["status"]["error"] == 20
    assert any(reason in cause for cause in run["reasons"])
