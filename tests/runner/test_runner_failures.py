"""A failure is a status of its item: never a value, never another item's, never the run's end."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_world import Ran, alm, mmau, model, only_run, questions, refusal, stored, tone

GOLDS = {row["id"]: row["answer"] for row in questions(12)}


def run(tmp_path: Path, name: str, *arguments: object) -> Ran:
    data = tmp_path / "data"
    if not data.exists():
        mmau(data)
    where = ("--tasks", "mmau", "--data", data, "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", name, *where, *arguments)


def by_id(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in stored(only_run(tmp_path / "runs"))}


def oracle(tmp_path: Path, failure: str) -> str:
    """A model that answers right, except where `failure` (a statement) does something else."""
    body = (
        f"    golds = {GOLDS!r}\n"
        "    def generate(self, batch, decoding):\n"
        f"        {failure}\n"
        "        return [Output(self.golds[request.id]) for request in batch]\n"
    )
    return model(tmp_path / "oracle.py", body)


def test_without_a_failure_the_model_is_right(tmp_path: Path) -> None:
    ran = run(tmp_path, oracle(tmp_path, "pass"))
    assert ran.status == 0
    assert ran.run["metrics"]["accuracy"]["value"] == 1
    assert ran.run["status"] == {"ok": 12, "unparsed": 0, "refused": 0, "truncated": 0, "error": 0, "skipped": 0}


def test_a_model_that_always_fails_scores_nothing_of_everything(tmp_path: Path) -> None:
    ran = run(tmp_path, oracle(tmp_path, "raise RuntimeError('out of\\n memory')"))
    assert ran.status == 1
    assert (ran.run["n"], ran.run["status"]["error"], ran.run["partial"]) == (12, 12, False)
    for name in ("accuracy", "official_accuracy", "answered"):
        assert (ran.run["metrics"][name]["value"], ran.run["metrics"][name]["n"]) == (0, 12)
    assert ran.run["reasons"] == {"RuntimeError: out of memory": 12}
    assert ran.err.splitlines()[-1] == (
        "alm-bench: items failed: 12 of 12 on mmau (see `alm-bench show RUN --status error`)"
    )
    assert all(row["text"] is None and row["scores"] == {} for row in by_id(tmp_path).values())


@pytest.mark.parametrize("size", [1, 3, 8, 12])
def test_a_poisonous_item_fails_alone(tmp_path: Path, size: int) -> None:
    poison = "if any(r.id == 'item-005' for r in batch): raise ValueError('poison')"
    ran = run(tmp_path, oracle(tmp_path, poison), "--batch-size", size)
    assert ran.status == 1
    rows = by_id(tmp_path)
    assert (rows["item-005"]["status"], rows["item-005"]["reason"]) == ("error", "ValueError: poison")
    assert all(
        row["status"] == "ok" and row["scores"]["accuracy"] == 1 for id_, row in rows.items() if id_ != "item-005"
    )
    assert len(rows) == 12


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("if len(batch) == 1: return []", "returned 0 outputs for 1 requests"),
        ("return [Output('Dog')] * (len(batch) + 1)", "returned 2 outputs for 1 requests"),
        ("return None", "TypeError: 'NoneType' object is not iterable"),
        ("return ['Dog'] * len(batch)", "returned 'Dog', expected an Output"),
        ("return [Output(5)] * len(batch)", "expected an Output with text or None"),
        ("return [Output(None)] * len(batch)", "the model returned no text"),
        ("return [Output('Dog', error='rate limit')] * len(batch)", "rate limit"),
        ("import sys; sys.setrecursionlimit(10**4); f = lambda: f(); f()", "RecursionError"),
        ("assert False, 'shape'", "AssertionError: shape"),
    ],
)
def test_whatever_a_model_does_wrong_is_recorded(tmp_path: Path, failure: str, reason: str) -> None:
    ran = run(tmp_path, oracle(tmp_path, failure), "--limit", 5, "--batch-size", 2)
    rows = stored(only_run(tmp_path / "runs"))
    failed = [row for row in rows if row["status"] == "error"]
    assert ran.status == 1
    assert len(rows) == 5
    assert failed
    assert all(reason in row["reason"] and "\n" not in row["reason"] for row in failed)


def test_too_few_outputs_are_asked_for_again_in_smaller_batches(tmp_path: Path) -> None:
    short = "batch = batch if len(batch) < 3 else batch[:-1]"
    ran = run(tmp_path, oracle(tmp_path, short), "--batch-size", 8)
    assert (ran.status, ran.run["metrics"]["accuracy"]["value"]) == (0, 1)


def test_a_model_that_says_nothing_usable_has_not_failed(tmp_path: Path) -> None:
    ran = run(tmp_path, oracle(tmp_path, "return [Output('')] * len(batch)"))
    assert (ran.status, ran.run["status"]["unparsed"], ran.run["reasons"]) == (0, 12, {"empty": 12})
    assert ran.run["metrics"]["accuracy"]["value"] == 0


@pytest.mark.parametrize(
    ("tolerance", "status"),
    [("0", 1), ("2", 1), ("3", 0), ("24.9%", 1), ("25%", 0), ("100%", 0), ("0%", 1), ("12", 0)],
)
def test_failures_up_to_the_tolerance_are_no_failure(tmp_path: Path, tolerance: str, status: int) -> None:
    three = "if any(r.id in ('item-001', 'item-004', 'item-009') for r in batch): raise ValueError('no')"
    assert run(tmp_path, oracle(tmp_path, three), "--max-failures", tolerance).status == status


def test_a_percentage_is_exact() -> None:
    from alm_bench.runner.options import FailureTolerance

    for percent in range(101):
        assert not FailureTolerance.parse(f"{percent}%").is_exceeded(percent, 100)
        assert FailureTolerance.parse(f"{percent}%").is_exceeded(percent + 1, 100)


@pytest.mark.parametrize("bad", ["-1", "x", "", "%", "101%", "-1%", "1.5", "nan%", "inf%", "5 %%"])
def test_a_bad_tolerance_is_refused(tmp_path: Path, bad: str) -> None:
    line = refusal(run(tmp_path, "blind", f"--max-failures={bad}"))
    assert "--max-failures takes a number of items or a percentage like 5%" in line
    assert repr(bad) in line


def test_retries_ask_for_the_failed_items_alone(tmp_path: Path) -> None:
    """The second time the file that makes the model fail is gone."""
    log = tmp_path / "asked"
    failure = (
        f"open({str(log)!r}, 'a').write(' '.join(r.id for r in batch) + '\\n')\n"
        f"        if os.path.exists({str(tmp_path / 'broken')!r}) and batch[0].id > 'item-007': raise OSError('net')"
    )
    (tmp_path / "broken").touch()
    name = oracle(tmp_path, failure)
    first = run(tmp_path, name, "--batch-size", 4)
    assert (first.status, first.run["status"]["error"]) == (1, 4)
    folder = only_run(tmp_path / "runs")
    before = (folder / "samples.jsonl").read_bytes().split(b"\n")[:8]
    (tmp_path / "broken").unlink()
    log.unlink()
    second = run(tmp_path, name, "--batch-size", 4)
    assert (second.status, second.run["metrics"]["accuracy"]["value"]) == (0, 1)
    assert log.read_text().split() == ["item-008", "item-009", "item-010", "item-011"]
    assert (folder / "samples.jsonl").read_bytes().split(b"\n")[:8] == before


ECHO = "    def answer(self, request):\n        return 'b'\n"


@pytest.mark.parametrize(("choice", "status", "n", "code"), [("error", "error", 12, 1), ("skip", "skipped", 9, 0)])
def test_missing_and_unreadable_clips(tmp_path: Path, choice: str, status: str, n: int, code: int) -> None:
    clips = mmau(tmp_path / "data") / "mmau/test-mini-audios"
    (clips / "item-001.wav").unlink()
    (clips / "item-002.wav").write_bytes(b"")
    (clips / "item-003.wav").write_bytes(b"not a sound file at all" * 9)
    name = model(tmp_path / "echo.py", ECHO)
    ran = run(tmp_path, name, "--missing-audio", choice)
    assert (ran.status, ran.run["n"], ran.run["status"][status]) == (code, n, 3)
    assert ran.run["metrics"]["accuracy"]["n"] == n
    assert ran.run["metrics"]["official_accuracy"]["n"] == 12, "an official column keeps its denominator"
    rows = by_id(tmp_path)
    bad = {item: row["reason"] for item, row in rows.items() if row["status"] == status}
    assert list(bad) == ["item-001", "item-002", "item-003"]
    assert all(reason.startswith("audio: clip ") for reason in bad.values())
    assert "the file is missing" in bad["item-001"]
    assert "is empty (0 bytes)" in bad["item-002"]
    tone(clips / "item-001.wav", 500)  # it has come since: the same run, and its item is asked
    again = run(tmp_path, name, "--missing-audio", choice)
    assert (again.run["status"][status], again.run["status"]["ok"], again.run["items"]) == (2, 10, 12)
    assert by_id(tmp_path)["item-001"]["text"] == "b"
    assert again.run["fingerprint"] == ran.run["fingerprint"]


def test_clips_that_miss_for_one_cause_are_counted_together(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    for clip in sorted((tmp_path / "data").rglob("*.wav"))[1:]:  # without any, no run begins
        clip.unlink()
    ran = run(tmp_path, model(tmp_path / "echo.py", ECHO))
    assert ran.run["reasons"]["audio: the file is missing"] == 11
    reasons = {row["reason"] for row in by_id(tmp_path).values() if row["status"] == "error"}
    assert len(reasons) == 11, "an item's own line names its clip"


def test_a_model_that_hears_nothing_opens_no_clip(tmp_path: Path) -> None:
    mmau(tmp_path / "data", clips=False)
    name = model(
        tmp_path / "deaf.py", "    def answer(self, request):\n        return str(len(request.waves))\n", audio="None"
    )
    ran = run(tmp_path, name)
    assert (ran.status, {row["text"] for row in by_id(tmp_path).values()}) == (0, {"0"})


def test_a_model_never_sees_the_gold(tmp_path: Path) -> None:
    body = "    def answer(self, request):\n        return repr(request)\n"
    rows = questions(2)
    rows[0]["answer"] = rows[0]["sub-category"] = "GOLD-TEXT"
    mmau(tmp_path / "data", rows=rows)
    run(tmp_path, model(tmp_path / "spy.py", body))
    for row in by_id(tmp_path).values():
        assert "GOLD" not in row["text"]
        assert "target" not in row["text"]
        assert "choices=" in row["text"]


def test_no_sound_of_the_model_reaches_the_json(tmp_path: Path) -> None:
    body = "    def answer(self, request):\n        print('chatter')\n        return 'b'\n"
    ran = run(tmp_path, model(tmp_path / "chatty.py", body))
    assert ran.run["n"] == 12, "standard output is one JSON object"
    assert "chatter" in ran.err


def test_bad_json_of_questions_costs_no_model(tmp_path: Path) -> None:
    """Every task is checked before the model is loaded."""
    mmau(tmp_path / "data")
    (tmp_path / "data/mmau/mmau-test-mini.json").unlink()
    body = "    def __init__(self, *a):\n        raise SystemExit('loaded')\n"
    assert "mmau-test-mini.json" in refusal(run(tmp_path, model(tmp_path / "heavy.py", body)))


def test_order_advice_changes_no_table(tmp_path: Path) -> None:
    body = (
        "    def order(self, requests):\n        return list(reversed(range(len(requests))))\n"
        "    def answer(self, request):\n        return 'ab'[len(request.prompt) % 2]\n"
    )
    plain = body.partition("    def answer")[2]
    ordered = run(tmp_path / "1", model(mk(tmp_path / "1") / "m.py", body))
    straight = run(tmp_path / "2", model(mk(tmp_path / "2") / "m.py", "    def answer" + plain))
    rows = stored(only_run(tmp_path / "1/runs"))
    assert [row["id"] for row in rows] == [f"item-{i:03}" for i in reversed(range(12))]
    for key in ("metrics", "groups", "baselines", "status"):
        assert json.dumps(ordered.run[key]) == json.dumps(straight.run[key])


def mk(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("places", ["[0, 0]", "range(1, len(requests) + 1)", "range(len(requests) - 1)"])
def test_an_order_that_leaves_items_out_is_refused(tmp_path: Path, places: str) -> None:
    body = (
        f"    def answer(self, request):\n        return 'a'\n    def order(self, requests):\n        return {places}\n"
    )
    line = refusal_of_run(tmp_path, model(tmp_path / "m.py", body))
    assert "order() returned" in line
    assert "for 12 requests, expected each of 0..11 once" in line
    assert not (only_run(tmp_path / "runs") / "summary.json").exists()


def refusal_of_run(tmp_path: Path, name: str) -> str:
    """The last line of standard error: progress stands above it."""
    ran = run(tmp_path, name)
    assert (ran.status, ran.out) == (2, "")
    return ran.err.splitlines()[-1]
