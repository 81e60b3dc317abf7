"""Workers on a cluster of this machine: the tables of one process, whatever dies meanwhile."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from small_world import Ran, alm, cle, mmau, model, only_run, stored, tone

from alm_bench.runner.executors import on_ray

ray = pytest.importorskip("ray", reason="needs the extra alm-bench[ray]")

HEARS = """
    def answer(self, request):
        draw = zlib.crc32(b"".join(wave.tobytes() for wave in request.waves) + request.prompt.encode())
        return "abcd"[draw % 4] * (draw % 7 > 0)
"""


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """One for all tests: the command uses the connection that its process has."""
    with mock.patch("ray._private.worker.print_to_stdstream", create=True):  # it tells of the dead in a later test
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()


def run(root: Path, out: str, *more: object, body: str = HEARS, ray: int | None = None, tasks: str = "mmau") -> Ran:
    """With so many replicas, or in this process. Clips are heard."""
    named = model(root / "mine.py", body, audio="AudioPolicy(rate=8000)")
    where = ("--data", root / "data", "--out", root / out, "--tasks", tasks)
    executor = () if ray is None else ("--executor", "ray", "--replicas", ray)
    return alm("run", "--model", named, *where, *executor, *more)


def answers(folder: Path) -> list[dict[str, Any]]:
    """The stored items in the task's order, without the time that they took."""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in stored(folder)]
    return sorted(rows, key=lambda row: row["index"])


def failed(folder: Path) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in stored(folder) if row["status"] == "error"}


def test_two_workers_give_the_tables_of_one_process(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    (tmp_path / "data/mmau/test-mini-audios/item-005.wav").unlink()
    asked = ("--options", "circular", "--batch-size", 4, "--max-failures", 4)
    here, there = run(tmp_path, "here", *asked), run(tmp_path, "there", *asked, ray=2)
    assert (here.status, there.status) == (0, 0), there.err
    assert there.out == here.out
    assert answers(only_run(tmp_path / "there")) == answers(only_run(tmp_path / "here"))
    assert len(failed(only_run(tmp_path / "there"))) > 0, "the missing clip is one"
    assert only_run(tmp_path / "there").name == only_run(tmp_path / "here").name, "one fingerprint"
    again = run(tmp_path, "there", *asked, "--json")
    assert again.json == run(tmp_path, "here", *asked, "--json").json, "and this process goes on from there"


def test_clips_of_the_demo_world_are_heard_by_workers(tmp_path: Path) -> None:
    asked = ("--data", "demo", "--limit", 6, "--batch-size", 2, "--json")
    here, there = run(tmp_path, "here", *asked), run(tmp_path, "there", *asked, ray=2)
    assert there.out == here.out
    assert there.status == 0, there.err


# Kills its own process as the out-of-memory killer does, the first time that it meets the item.
DIES_ONCE = """
    def generate(self, batch, decoding):
        if any(request.id == "item-005" for request in batch) and not os.path.exists({flag!r}):
            open({flag!r}, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().generate(batch, decoding)
"""


def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    flag = tmp_path / "died"
    body = HEARS + DIES_ONCE.format(flag=str(flag))
    there = run(tmp_path, "there", "--batch-size", 3, body=body, ray=2)
    assert there.status == 0, there.err
    assert flag.exists()
    here = run(tmp_path, "here", "--batch-size", 3, body=body)
    assert there.out == here.out
    assert answers(only_run(tmp_path / "there")) == answers(only_run(tmp_path / "here"))


POISONED = """
    def generate(self, batch, decoding):
        for request in batch:
            if request.id == "item-002":
                raise ValueError("poison")
            if request.id == "item-007":
                os._exit(3)
        return super().generate(batch, decoding)
"""


def test_a_poison_item_and_a_killer_fail_alone(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    ran = run(tmp_path, "there", "--batch-size", 2, "--max-failures", 2, body=HEARS + POISONED, ray=2)
    assert ran.status == 0, ran.err
    reasons = failed(only_run(tmp_path / "there"))
    assert set(reasons) == {"item-002", "item-007"}
    assert reasons["item-002"] == "ValueError: poison"
    assert re.match(r"its worker died each of the 3 times it was asked: \S+", reasons["item-007"])
    assert len(stored(only_run(tmp_path / "there"))) == 12


MORTAL = """
    def generate(self, batch, decoding):
        if os.path.exists({flag!r}) and any(request.id >= "item-004" for request in batch):
            os._exit(3)
        return super().generate(batch, decoding)
"""


def test_workers_that_only_die_end_the_run_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mmau(tmp_path / "data")
    flag = tmp_path / "mortal"
    flag.touch()
    monkeypatch.setattr(on_ray, "DEATHS_PER_WORKER", 1)
    body = HEARS + MORTAL.format(flag=str(flag))
    ran = run(tmp_path, "there", "--batch-size", 1, "--json", body=body, ray=1)
    assert (ran.status, ran.out) == (1, "")
    (line,) = [line for line in ran.err.splitlines() if line.startswith("alm-bench: ")]
    assert "3 workers in a row died before they answered anything" in line
    assert line.endswith("finished items are kept, and the same command resumes the run")
    kept = stored(only_run(tmp_path / "there"))
    assert [row["id"] for row in kept] == ["item-000", "item-001", "item-002", "item-003"]
    flag.unlink()
    assert run(tmp_path, "there", "--batch-size", 1, "--json", body=body).status == 0
    assert stored(only_run(tmp_path / "there"))[:4] == kept, "nothing is asked twice"


FITS = """
    said = None

    def fit(self, rows):
        import copy, threading
        fitted = copy.copy(self)
        fitted.said = sorted(row.request.choices[row.target] for row in rows)[0]
        fitted.lock = threading.Lock() if {locked} else None
        return fitted

    def answer(self, request):
        return self.said
"""


def test_a_fitted_model_is_sent_or_refused(tmp_path: Path) -> None:
    cle(tmp_path / "data", count=3, development=6)
    for i in range(3):
        tone(tmp_path / f"data/ClothoV21/validation/clip {i}.wav", 500 + 40 * i)
    here = run(tmp_path, "here", tasks="cle", body=FITS.format(locked=False))
    there = run(tmp_path, "there", tasks="cle", body=FITS.format(locked=False), ray=2)
    assert there.status == 0, there.err
    assert there.out == here.out
    refused = run(tmp_path, "refused", tasks="cle", body=FITS.format(locked=True), ray=2)
    assert refused.status == 2
    assert "Model is fitted here and cannot be sent to workers (cannot pickle" in refused.err.splitlines()[-1]


def test_a_model_that_is_another_one_in_a_worker_is_refused(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 3)
    body = """
    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        self.identity = AdapterIdentity("mine", "mine", weights=str(os.getpid()))
"""
    ran = run(tmp_path, "there", body=HEARS + body, ray=1)
    assert ran.status == 2
    assert re.search(r"the model on \S+ differs from the one here \(weights: \d+, \d+\)", ran.err.splitlines()[-1])
    assert stored(only_run(tmp_path / "there")) == []


def test_a_worker_that_cannot_load_its_model_says_why(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 3)
    body = f"""
    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        if os.getpid() != int(open({str(tmp_path / "pid")!r}).read()):
            from alm_bench.core import CheckpointError
            raise CheckpointError("weights.bin is not here")
"""
    (tmp_path / "pid").write_text(str(os.getpid()))
    ran = run(tmp_path, "there", body=HEARS + body, ray=1)
    assert (ran.status, ran.err.splitlines()[-1]) == (2, "alm-bench: weights.bin is not here")


PAID = """
    def estimate(self, request, seconds, decoding):
        from alm_bench.core import Estimate
        return Estimate(1, 1, 0, 1.0)

    def generate(self, batch, decoding):
        return [Output(self.answer(request), extra={"cost": 1.0}) for request in batch]
"""


def test_a_budget_ends_the_run(tmp_path: Path) -> None:
    mmau(tmp_path / "data")
    ran = run(tmp_path, "there", "--max-cost", 3, "--batch-size", 1, "--json", body=HEARS + PAID, ray=1)
    assert ran.status == 1
    assert (ran.run["partial"], ran.run["n"], ran.run["usage"]["cost"]) == (True, 3, 3.0)


def test_more_workers_than_there_is_room_for(tmp_path: Path) -> None:
    mmau(tmp_path / "data", 3)
    assert "--replicas 3: 3 CPUs are needed, the cluster has 2" in run(tmp_path, "there", ray=3).err
    assert "1 GPUs are needed, the cluster has 0" in run(tmp_path, "there", "--gpus-per-worker", 1, ray=1).err


FULL = """
    def generate(self, batch, decoding):
        with open("asked.txt", "a") as file:
            file.write(f"{len(batch)}\\n")
        if len(batch) > 3:
            raise MemoryError
        return super().generate(batch, decoding)
"""


def test_what_does_not_fit_into_a_worker_halves_all_later_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(tmp_path / "data", 20, clips=False)
    named = model(tmp_path / "mine.py", FULL + "\n    def answer(self, request):\n        return 'a'\n", audio="None")
    where = ("--tasks", "mmau", "--data", "data", "--out", "runs", "--executor", "ray", "--batch-size", "auto")
    ran = alm("run", "--model", named, *where)
    assert ran.status == 0, ran.err
    asked = [int(line) for line in (tmp_path / "asked.txt").read_text().splitlines()]
    assert asked == [8, 4, 2, 2, 4, 2, 2, *[2] * 6]
    header = json.loads((only_run(tmp_path / "runs") / "run.json").read_text())
    assert header["batch_size"] == {"asked": "auto", "largest": 2, "last": 2}
    assert "mmau: out of memory with 4 items at once, going on with 2" in ran.err
