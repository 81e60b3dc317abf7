"""`--strategy caption-first`: the model's own description of the clips stands before the question."""

from pathlib import Path
from typing import Any

import pytest
from small_world import alm, cle, mmau, model, only_run, outputs, refusal, replay, stored

# Describes a clip by its peak's place, and answers with its prompt; `asked.txt` gets a line a request.
BODY = """
    def generate(self, batch, decoding):
        outputs = []
        for r in batch:
            with open("asked.txt", "a") as file:
                file.write(f"{'first' if not r.choices else 'then'} {len(batch)} {decoding.max_new_tokens}\\n")
            if r.choices:
                outputs.append(Output(r.choices[0], extra={"prompt": r.prompt, "waves": len(r.waves)}))
            else:
                outputs.append(self.described(r))
        return outputs

    def described(self, r):
        return Output(f" {r.prompt} -> {len(r.audio)} {[len(w) for w in r.waves]}\\n")
"""
SCORES = """
    def loglikelihood(self, batch):
        from alm_bench.core import OptionScores
        assert all("->" in r.prompt for r in batch)
        return [OptionScores({"text": [(-1.0 - i, 1) for i in range(len(r.choices))]}) for r in batch]
"""
FIRST = ("--strategy", "caption-first")
DESCRIBE = (
    "Describe the audio clip: what is heard, in which order, and what else could help to answer questions about it."
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(body: str, *arguments: object, tasks: str = "mmau", **settings: str) -> Any:
    settings = {"audio": "AudioPolicy(rate=8_000)", **settings}
    return alm("run", "--model", model(Path("m.py"), body, **settings), "--tasks", tasks, "--data", "data", *arguments)


def lines() -> list[list[str]]:
    return [line.split() for line in Path("asked.txt").read_text().splitlines()]


def test_the_description_stands_before_the_question_and_in_the_record() -> None:
    mmau(Path("data"), 5)
    ran = run(BODY, *FIRST, "--batch-size", 4, "--json")
    assert ran.status == 0, ran.err
    assert ran.run["identity"]["label"] == "Model caption-first"
    for record in stored(only_run(Path("results/runs"))):
        caption = f"{DESCRIBE} -> 1 [2400]"
        assert record["extra"]["caption"] == caption
        assert record["extra"]["prompt"] == f"Your description of the audio: {caption}\n\n{record['prompt']}"
        assert record["text"] == record["choices"][0]
    assert lines() == [["first", "4", "128"]] * 4 + [["then", "4", "64"]] * 4 + [
        ["first", "1", "128"],
        ["then", "1", "64"],
    ]


def test_a_clip_is_described_once() -> None:
    cle(Path("data"), 5)
    assert run(BODY, *FIRST, "--batch-size", 2, tasks="cle").status == 0
    told = [line[0] for line in lines()]
    assert (told.count("first"), told.count("then")) == (3, 15), "three clips, three questions a row"


def test_what_descriptions_take_is_counted_where_they_were_made() -> None:
    cle(Path("data"), 5)  # three clips, three questions a row
    costing = BODY.replace(
        "Output(r.choices[0], extra={", 'Output(r.choices[0], extra={"prompt_tokens": 5, "cost": 0.25, '
    )
    costing = costing.replace(
        '{[len(w) for w in r.waves]}\\n")', '{[len(w) for w in r.waves]}", extra={"prompt_tokens": 100, "cost": 1.0})'
    )
    ran = run(costing, *FIRST, "--batch-size", 2, "--json", tasks="cle")
    assert ran.status == 0, ran.err
    assert ran.run["usage"]["prompt_tokens"] == 3 * 100 + 15 * 5
    assert ran.run["usage"]["cost"] == pytest.approx(3 * 1.0 + 15 * 0.25)


def test_a_description_that_failed_is_paid_for_once() -> None:
    cle(Path("data"), 1)  # one clip, three questions
    start = BODY.index("        return Output(f")
    failing = BODY[:start] + '        return Output(None, error="busy", extra={"prompt_tokens": 100, "cost": 1.0})\n'
    ran = run(failing, *FIRST, "--batch-size", 8, "--json", tasks="cle")
    assert ran.run["status"]["error"] == 3
    assert ran.run["usage"]["cost"] == pytest.approx(1.0)


def test_a_description_is_paid_for_where_the_batch_that_needed_it_failed() -> None:
    """A batch that fails is asked again in halves, with descriptions that are known by then."""
    cle(Path("data"), 2)  # two clips, three questions each
    costing = BODY.replace(
        "                outputs.append(Output(r.choices[0], extra={",
        '                if len(batch) > 2:\n                    raise RuntimeError("too many")\n'
        '                outputs.append(Output(r.choices[0], extra={"prompt_tokens": 5, "cost": 0.25, ',
    ).replace(
        '{[len(w) for w in r.waves]}\\n")', '{[len(w) for w in r.waves]}", extra={"prompt_tokens": 100, "cost": 1.0})'
    )
    ran = run(costing, *FIRST, "--batch-size", 6, "--json", tasks="cle")
    assert ran.status == 0, ran.err
    assert ran.run["usage"]["cost"] == pytest.approx(2 * 1.0 + 6 * 0.25)


def test_both_calls_of_an_item_are_estimated() -> None:
    mmau(Path("data"), 3)
    priced = (
        BODY
        + """
    def estimate(self, request, seconds, decoding):
        from alm_bench.core import Estimate
        cost = 1.0 if request.choices else 0.5
        return Estimate(10, decoding.max_new_tokens, cost=cost)
"""
    )
    ran = run(priced, *FIRST, "--dry-run", "--json")
    assert ran.status == 0, ran.err
    (one,) = ran.json["runs"]
    assert one["cost"] == pytest.approx(3 * 1.5)
    assert (one["completion_tokens"], one["prompt_tokens"]) == (3 * (128 + 64), 3 * 20)
    assert run(priced, *FIRST, "--max-cost", 9).status == 0


def test_the_native_set_has_words_of_its_own() -> None:
    mmau(Path("data"), 1)
    assert run(BODY, *FIRST, prompts="'native'").status == 0
    (record,) = stored(only_run(Path("results/runs")))
    assert record["extra"]["prompt"] == f"caption the audio -> 1 [2400] {record['prompt']}"


def test_another_strategy_is_another_run() -> None:
    mmau(Path("data"), 2)
    plain, first, again = (run(BODY, *extra, "--json").run for extra in ((), FIRST, FIRST))
    assert plain["fingerprint"] != first["fingerprint"] == again["fingerprint"]
    assert run(BODY, "--strategy", "plain", "--json").run["fingerprint"] == plain["fingerprint"]
    assert "caption" not in stored(Path("results/runs") / plain["run"])[0]["extra"]
    assert len([line for line in lines() if line[0] == "first"]) == 2, "the finished run is not made again"


@pytest.mark.parametrize(
    ("told", "status", "reason"),
    [
        ('Output(None, error="no ears")', "error", "describing the clips: no ears"),
        ('Output("  ")', "error", "describing the clips: it wrote nothing"),
        ('Output(None, refusal="a filter")', "refused", "a filter"),
        ("1 / 0", "error", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_fails_first_fails_the_item(told: str, status: str, reason: str) -> None:
    mmau(Path("data"), 4)
    body = BODY.replace("return Output(f", "return self.odd() if '001' in r.id else Output(f")
    run(body + f"\n    def odd(self):\n        return {told}\n", *FIRST)
    records = stored(only_run(Path("results/runs")))
    assert {record["status"] for record in records if record["id"] != "item-001"} == {"ok"}
    (odd,) = [record for record in records if record["id"] == "item-001"]
    assert (odd["status"], odd["text"]) == (status, None)
    assert reason in odd["reason"]


def test_options_are_scored_after_the_description() -> None:
    mmau(Path("data"), 3)
    assert run(BODY + SCORES, *FIRST, "--answer-by", "both").status == 0
    assert all(r["likelihood"]["text"][0] == [-1.0, 1] for r in stored(only_run(Path("results/runs"))))
    assert [line[0] for line in lines()].count("first") == 3
    line = refusal(run(BODY, *FIRST, "--answer-by", "likelihood"))
    assert "Model caption-first does not score options" in line


def test_a_models_order_is_kept() -> None:
    mmau(Path("data"), 3)
    body = BODY + "\n    def order(self, requests):\n        return [2, 0, 1]\n"
    assert run(body, *FIRST, "--batch-size", 1).status == 0
    written = (only_run(Path("results/runs")) / "samples.jsonl").read_text().splitlines()
    assert ["item-002" in line for line in written] == [True, False, False]


def test_the_sound_counts_and_not_its_name() -> None:
    mmau(Path("data"), 2)
    ran = alm(
        "noise-ablation", "--model", model(Path("m.py"), BODY, audio="AudioPolicy(rate=8_000)"), "--tasks", "mmau",
        "--data", "data", *FIRST, "--conditions", "gaussian,none", "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert [line[0] for line in lines()].count("first") == 4, "two clips, clean and as noise"
    folders = sorted(Path("results/runs").glob("*-none-*"))
    assert "this one has none" in stored(folders[0])[0]["reason"]


@pytest.mark.parametrize("name", ["replay", "blind", "fitted"])
def test_who_cannot_describe_is_refused(name: str, tmp_path: Path) -> None:
    mmau(Path("data"), 2)
    fitted = model(tmp_path / "f.py", BODY + "\n    def fit(self, rows):\n        pass\n")
    file = outputs(tmp_path / "said.json", {"item-000": "Dog"})
    named = {"replay": replay(file), "blind": ("--model", "blind"), "fitted": ("--model", fitted)}[name]
    line = refusal(alm("run", *named, "--tasks", "mmau", "--data", "data", *FIRST))
    says = {"replay": "gives stored answers", "blind": "hears nothing", "fitted": "is fitted to options"}[name]
    assert line.startswith("alm-bench: --strategy caption-first: ")
    assert says in line


def test_an_unknown_strategy() -> None:
    mmau(Path("data"), 1)
    assert "known: caption-first" in refusal(run(BODY, "--strategy", "caption"))


def test_the_bundled_model_describes_in_its_own_words(tmp_path: Path) -> None:
    ran = alm(
        "run", "--model", "mellow", "--tasks", "mmau,cld-1", "--data", "demo", "--limit", 3, *FIRST, "--out", tmp_path,
        "--metrics", "bleu_1", "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    for one in ran.json["runs"]:
        records = stored(tmp_path / one["run"])
        assert len(records) == 3
        assert all(record["status"] == "ok" and record["extra"]["caption"] for record in records)
