"""Adapters whose calls end one by one: every answer is stored when it is there, in whatever order they come."""

from pathlib import Path

import pytest
from small_world import alm, mmau, model, only_run, questions, stored

GOLDS = {row["id"]: row["answer"] for row in questions(12)}

BODY = f"""
    golds = {GOLDS!r}

    def stream(self, requests, decoding):
        held = []
        for request in requests:
            held.append(request)
            if len(held) == 3:
                yield from self.out(held)
        yield from self.out(held)

    def out(self, held):
        while held:
            request = held.pop()
            yield request, self.answered(request)
"""


def streaming(tmp_path: Path, answered: str) -> str:
    return model(tmp_path / "streaming.py", f"{BODY}\n    def answered(self, request):\n        {answered}\n")


def run(tmp_path: Path, name: str, *arguments: object):  # type: ignore[no-untyped-def]
    if not (tmp_path / "data").exists():
        mmau(tmp_path / "data")
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", name, *where, *arguments)


def test_answers_out_of_order_reach_their_items(tmp_path: Path) -> None:
    ran = run(tmp_path, streaming(tmp_path, "return Output(self.golds[request.id])"))
    assert ran.status == 0, ran.err
    assert ran.run["metrics"]["accuracy"]["value"] == 1
    assert len(stored(only_run(tmp_path / "runs"))) == 12


def test_an_answer_is_on_disk_before_the_next_is_asked_for(tmp_path: Path) -> None:
    """What ends in the middle has lost what was open, nothing else; what is there is not asked again."""
    calls = tmp_path / "calls"
    counted = f"open({str(calls)!r}, 'a').write(request.id + chr(10)); lines = len(open({str(calls)!r}).readlines())\n"
    name = streaming(tmp_path, counted + "        if lines == 8: raise KeyboardInterrupt\n        return Output('x')")
    assert run(tmp_path, name).status == 130
    assert len(stored(only_run(tmp_path / "runs"))) == 7
    died = calls.read_text().split()[-1]
    ran = run(tmp_path, name)
    assert ran.status == 0, ran.err
    assert sorted(calls.read_text().split()) == sorted([*GOLDS, died])


def test_a_refusal_is_a_status_and_is_not_asked_again(tmp_path: Path) -> None:
    refusing = "return Output(None, refusal='content filter: violence')"
    ran = run(tmp_path, streaming(tmp_path, refusing), "--limit", 4)
    assert ran.status == 0, ran.err
    assert ran.run["status"]["refused"] == 4
    assert ran.run["reasons"] == {"content filter: violence": 4}
    again = run(tmp_path, streaming(tmp_path, refusing), "--limit", 4)
    assert again.run == ran.run


def test_a_missing_clip_is_its_items_alone(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    clip = sorted((tmp_path / "data").rglob("*.wav"))[5]
    clip.unlink()
    ran = run(tmp_path, streaming(tmp_path, "return Output(self.golds[request.id])"))
    assert ran.status == 1
    assert (ran.run["status"]["ok"], ran.run["status"]["error"]) == (11, 1)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("yield first, Output('x')", "ended without an output for 1 requests"),
        ("yield Request('else', 'p'), Output('x')", "'else', which was not open"),
        ("yield first, 'x'", "expected an Output"),
        ("yield 1 / 0", "stream() broke: ZeroDivisionError"),
    ],
)
def test_a_stream_that_loses_requests_is_not_taken_for_finished(tmp_path: Path, body: str, told: str) -> None:
    name = model(
        tmp_path / "loses.py",
        "    def stream(self, requests, decoding):\n"
        "        from alm_bench.core import Request\n"
        "        first = next(requests); second = next(requests)\n"
        f"        {body}\n",
    )
    ran = run(tmp_path, name)
    assert ran.status == 1
    assert told in ran.err
