"""Judges that fail: one status per item, nothing is lost, and the next command asks only what is missing."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from scripted_judge import read_prompts, verdict, write_judge
from scripted_server import Server, serving
from small_world import Ran, alm, model, only_run, stored

COUNT = 12


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run with twelve open questions."""
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    questions = tmp_path / "own.csv"
    rows = "".join(f"q{n},What is heard in clip {n}?,x\n" for n in range(COUNT))
    questions.write_text("id,question,answer\n" + rows)
    named = model(tmp_path / "m.py", "    def answer(self, request):\n        return request.id\n", audio="None")
    ran = alm("run", "--model", named, "--tasks", questions, "--kind", "open", "--out", tmp_path / "runs")
    assert ran.status == 0, ran.err
    return only_run(tmp_path / "runs")


def score(run: Path, judge: str, *more: object) -> Ran:
    return alm("score", run, "--judge", judge, *more, "--json")


def list_judgements(run: Path) -> list[Any]:
    return [row["judgements"][-1] for row in stored(run)]


RIGHT = verdict("right")

FAULTS: dict[str, tuple[Any, str, str]] = {
    "broken": ({"raise": "CUDA error"}, "error", "RuntimeError: CUDA error"),
    "failing call": ({"text": None, "error": "500 from the server"}, "error", "500 from the server"),
    "rude": ({"text": None, "refusal": "I will not grade that"}, "unjudged", "refused by the judge"),
    "prose": ("The answer seems fine to me.", "unjudged", "prose without a verdict"),
    "broken JSON": ('{"reason": "it is', "unjudged", "broken JSON"),
    "cut off": ({"text": '{"reason": "it is', "truncated": True}, "unjudged", "cut off by the token limit"),
    "other scale": ('{"verdict": "8/10"}', "unjudged", "a verdict outside the scale"),
    "empty": ("", "unjudged", "an empty reply"),
    "no text": ({"text": None}, "error", "the judge returned no text"),
}


def test_a_fault_is_one_status_of_its_item(run: Path, tmp_path: Path) -> None:
    """One item with each fault among sound ones. What failed is asked again, what was said is not."""
    script = {f"clip {number}?": reply for number, (reply, _, _) in enumerate(FAULTS.values(), 1)}
    judge, path = write_judge(tmp_path, json.dumps({**script, "default": RIGHT}))
    ran = score(run, judge)
    assert ran.status == 1, "some calls failed"
    found = list_judgements(run)
    for one, (_, status, problem) in zip(found[1:], FAULTS.values(), strict=False):
        assert (one["status"], one["score"], one["problem"]) == (status, None, problem)
    sound = COUNT - len(FAULTS)
    assert sum(one["status"] == "judged" for one in found) == sound
    (table,) = ran.run["tables"]["judges"]
    assert (table["items"], table["judged"], table["problems"].keys()) == (
        COUNT, sound, {problem for _, _, problem in FAULTS.values()})  # fmt: skip
    assert (table["low"], table["high"], table["metrics"]["judged"]["value"]) == (sound / COUNT, 1.0, 1.0)
    asked = len(read_prompts(path))
    path.write_text(json.dumps({"default": RIGHT}))
    again = score(run, judge)
    assert again.status == 0
    failed = [number for number, (_, status, _) in enumerate(FAULTS.values(), 1) if status == "error"]
    new = sorted(read_prompts(path)[asked:])
    assert len(new) == len(failed)
    assert all(f"clip {number}?" in prompt for number, prompt in zip(failed, new, strict=True))
    assert again.run["tables"]["judges"][0]["judged"] == sound + len(failed)


def test_repeats_that_differ_are_no_verdict(run: Path, tmp_path: Path) -> None:
    script = {"clip 2?": [RIGHT, verdict("wrong")], "clip 4?": [RIGHT, verdict("wrong"), RIGHT], "default": RIGHT}
    judge, path = write_judge(tmp_path, json.dumps(script))
    (table,) = score(run, judge, "--judge-repeats", 2).run["tables"]["judges"]
    assert table["problems"] == {"repeats disagree": 2}
    assert table["repeats_agree"]["value"] == pytest.approx(10 / 12)
    assert list_judgements(run)[2]["repeats"] == [1.0, 0.0]
    (table,) = score(run, judge, "--judge-repeats", 3).run["tables"]["judges"]
    assert len(read_prompts(path)) == 3 * COUNT, "the first two repeats are known"
    assert list_judgements(run)[4]["score"] == 1.0, "two of three say so"
    assert "all repeats agree on 83.3" in alm("score", run, "--details").out


def named(server_url: str, **options: object) -> str:
    more = "".join(f",{key}={value}" for key, value in options.items())
    return f"openai:base_url={server_url},model=grader{more}"


def test_a_judge_that_is_down_loses_nothing(run: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    before = stored(run)
    ran = score(run, named(url, retries=0))
    assert ran.status == 1
    assert f"{COUNT} by grader[text-only]" in ran.err
    assert {one["status"] for one in list_judgements(run)} == {"error"}
    assert ran.run["metrics"]["judged"]["value"] is None
    assert ran.run["metrics"]["accuracy"]["value"] is not None
    assert [{**row, "judgements": None} for row in stored(run)] == [{**row, "judgements": None} for row in before]


def set_reply(server: Server, text: str) -> None:
    server.reply = {"model": "grader", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}


def test_a_slow_judge_and_one_that_fails_for_a_while(run: Path) -> None:
    """Of twelve questions one is never answered and one is answered with 500; the next command asks for these two."""
    scripts = {1: "stall", 4: "500"}
    with serving(lambda item, before: scripts.get(item, "ok")) as server:
        set_reply(server, RIGHT)
        judge = named(server.url, timeout=0.3, retries=0, price_in=1, price_out=1)
        ran = score(run, judge)
        assert ran.status == 1
        assert [one["status"] for one in list_judgements(run)].count("error") == 2
        assert {body["temperature"] for body in server.seen.bodies} == {0.0}
        scripts.clear()
        asked = len(server.seen.bodies)
        assert score(run, judge).run["tables"]["judges"][0]["judged"] == COUNT
        assert len(server.seen.bodies) == asked + 2
        assert score(run, judge).run["tables"]["judges"][0]["usage"] == {}
        assert len(server.seen.bodies) == asked + 2


def test_an_interrupted_judge_resumes_at_the_next_call(run: Path, tmp_path: Path) -> None:
    """Ctrl-C in the second batch: the first one is not asked again."""
    judge, script = write_judge(tmp_path, json.dumps({"default": RIGHT}))
    stopping = tmp_path / "stopping.py"
    text = Path(judge.partition(":")[0]).read_text()
    stopping.write_text(text.replace('said.get("raise")', 'said.get("stop")').replace("RuntimeError(said[\"raise\"])",
                                                                                   "KeyboardInterrupt"))  # fmt: skip
    named = judge.replace("judge.py", "stopping.py")
    script.write_text(json.dumps({"clip 3?": {"stop": True}, "default": RIGHT}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alm_bench.judges.calls.BATCH", 2)
        assert score(run, named).status == 130
    asked = len(read_prompts(script))
    script.write_text(json.dumps({"default": RIGHT}))
    ran = score(run, named)
    assert ran.run["tables"]["judges"][0]["judged"] == COUNT
    assert len(read_prompts(script)) < asked + COUNT


def test_a_damaged_cache_is_replaced(run: Path, tmp_path: Path) -> None:
    judge, script = write_judge(tmp_path, json.dumps({"default": RIGHT}))
    score(run, judge)
    (tmp_path / "cache" / "judges" / "replies.sqlite").write_bytes(b"no database" * 100)
    assert score(run, judge).run["tables"]["judges"][0]["judged"] == COUNT
    assert len(read_prompts(script)) == 2 * COUNT
