"""How many items are asked at once: halved where memory does not suffice, doubled under `auto` while it does."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from small_world import Ran, alm, mmau, model, only_run, refusal, stored

from alm_bench.core import AdapterError, Output, Request
from alm_bench.core.errors import is_out_of_memory
from alm_bench.runner.batch_size import FIRST_SIZE, MAX_SIZE, MAX_SIZE_UNKNOWN_MEMORY, BatchSizer, get_first_size
from alm_bench.runner.executors import on_ray
from alm_bench.runner.inference import MemoryShortage, predict_with_bisection
from alm_bench.runner.memory import Memory, read_memory

GB = 1 << 30


class Room:
    """A machine whose memory the test writes: batches cost `item` bytes each on top of what was held before."""

    def __init__(self, item: int = 0, available: int = 100 * GB) -> None:
        self.item, self.available, self.peak = item, available, GB

    def __call__(self) -> Memory:
        return Memory(self.available, GB, self.peak)

    def asked(self, items: int) -> None:
        self.peak = max(self.peak, GB + items * self.item)


def sizes(sizer: BatchSizer, room: Room, count: int, seconds: float = 0.001) -> list[int]:
    """Of so many batches that go well."""
    found = []
    for _ in range(count):
        found.append(sizer.get_size())
        room.asked(sizer.get_size())
        sizer.record_batch(sizer.get_size(), seconds * sizer.get_size())
    return found


def told() -> tuple[list[str], Any]:
    lines: list[str] = []
    return lines, lines.append


def test_a_number_is_kept_to_and_falls_for_good() -> None:
    room, (lines, tell) = Room(), told()
    sizer = BatchSizer(12, tell, room)
    assert sizes(sizer, room, 3) == [12, 12, 12]
    sizer.record_shortage(None)
    assert lines == []
    sizer.record_shortage(12)
    assert sizes(sizer, room, 3) == [6, 6, 6]
    sizer.record_shortage(12)  # another worker was still at it
    sizer.record_shortage(3)
    sizer.record_shortage(1)
    assert sizes(sizer, room, 2) == [1, 1]
    assert lines == [
        "out of memory with 12 items at once, going on with 6",
        "out of memory with 3 items at once, going on with 1",
    ]
    assert sizer.as_json() == {"asked": 12, "largest": 12, "last": 1}


def test_auto_doubles_up_to_its_ceiling() -> None:
    room = Room()
    sizer = BatchSizer("auto", print, room)
    assert sizes(sizer, room, 8) == [8, 16, 32, 64, 128, 256, 256, 256]
    assert sizer.as_json() == {"asked": "auto", "largest": MAX_SIZE, "last": MAX_SIZE}
    assert get_first_size("auto") == FIRST_SIZE == 8


def test_auto_never_comes_back_to_what_was_too_much() -> None:
    room, (lines, tell) = Room(), told()
    sizer = BatchSizer("auto", tell, room)
    assert sizes(sizer, room, 3) == [8, 16, 32]
    sizer.record_shortage(64)
    assert sizes(sizer, room, 5) == [32] * 5
    assert lines == ["out of memory with 64 items at once, going on with 32"]


def test_auto_makes_no_batch_of_more_than_five_seconds() -> None:
    room = Room()
    assert sizes(BatchSizer("auto", print, room), room, 6, seconds=0.1) == [8, 16, 32, 32, 32, 32]


def test_a_batch_that_was_not_whole_says_nothing_of_the_double() -> None:
    sizer = BatchSizer("auto", print, Room())
    sizer.record_batch(7, 0.1)
    assert sizer.get_size() == 8


def test_auto_stops_where_the_double_would_not_fit() -> None:
    room = Room(item=GB // 10, available=7 * GB)
    # 32 items hold 3.2 GB, 64 would hold 6.4 of the 7 there are: no more than four fifths are taken
    assert sizes(BatchSizer("auto", print, room), room, 6) == [8, 16, 32, 32, 32, 32]
    room = Room(item=GB // 10, available=9 * GB)
    assert sizes(BatchSizer("auto", print, room), room, 6) == [8, 16, 32, 64, 64, 64]


def test_auto_goes_on_once_there_is_room() -> None:
    room = Room(item=GB // 10, available=GB)
    sizer = BatchSizer("auto", print, room)
    assert sizes(sizer, room, 3) == [8, 8, 8]
    room.available = 100 * GB
    assert sizes(sizer, room, 2) == [8, 16]


def test_auto_has_another_ceiling_where_memory_is_unknown() -> None:
    room, sizer = Room(), BatchSizer("auto", print, lambda: None)
    assert max(sizes(sizer, room, 8)) == MAX_SIZE_UNKNOWN_MEMORY == 32


def proc(folder: Path, groups: str) -> Path:
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text("MemTotal:  16000 kB\nMemAvailable:   9000 kB\nHugePages_Total:  0\n")
    (folder / "self/status").write_text("Name:\tpython\nVmHWM:\t  700 kB\nVmRSS:\t  500 kB\nThreads:\t4\n")
    (folder / "self/cgroup").write_text(groups)
    return folder


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_memory_is_the_least_of_machine_and_groups(tmp_path: Path) -> None:
    free = proc(tmp_path / "free", "")
    assert read_memory(free, tmp_path / "none") == Memory(9000 * 1024, 500 * 1024, 700 * 1024)
    two = proc(tmp_path / "two", "0::/job/step\n")
    group(tmp_path / "v2/job/step", memory__max="max", memory__current=1)
    group(tmp_path / "v2/job", memory__max=5_000_000, memory__current=3_000_000, memory__stat="inactive_file 500000")
    assert getattr(read_memory(two, tmp_path / "v2"), "available", None) == 2_500_000
    one = proc(tmp_path / "one", "4:cpu,memory:/box\n3:cpuset:/\n")
    group(tmp_path / "v1/memory/box", memory__limit_in_bytes=4_000_000, memory__usage_in_bytes=3_000_000)
    assert getattr(read_memory(one, tmp_path / "v1"), "available", None) == 1_000_000


def test_memory_is_unknown_where_nobody_tells(tmp_path: Path) -> None:
    assert read_memory(tmp_path, tmp_path) is None


class OutOfMemoryError(RuntimeError):
    """As torch's is called."""


def test_what_is_out_of_memory() -> None:
    allocator = "[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried to"
    wrapped = AdapterError("the GPU is full")
    wrapped.__cause__ = OutOfMemoryError("2 GiB")
    for error in (MemoryError(), OutOfMemoryError("2 GiB"), RuntimeError(allocator), wrapped):
        assert is_out_of_memory(error), error
    for other in (ValueError("can't allocate memory"), RuntimeError("shape"), AdapterError("no"), None):
        assert not is_out_of_memory(other), other


def test_an_item_too_large_by_itself_says_nothing_of_others() -> None:
    requests = [Request(str(i), "?") for i in range(16)]

    def full(batch: Any, most: int, poison: str | None) -> list[Output]:
        if len(batch) > most or any(request.id == poison for request in batch):
            raise MemoryError
        return [Output(request.id) for request in batch]

    for most, poison, together in ((16, None, None), (16, "5", None), (4, None, 8), (4, "5", 8), (1, None, 2)):
        shortage = MemoryShortage()
        outputs = predict_with_bisection(lambda batch: full(batch, most, poison), requests, shortage)  # noqa: B023
        assert [output.text for output in outputs] == [r.id if r.id != poison else None for r in requests]
        assert shortage.smallest_batch == together, (most, poison)


# Holds `most` items at once, and `item-005` never where POISON is set; `asked.txt` gets a line a call.
HOLDS = """
    def generate(self, batch, decoding):
        with open("asked.txt", "a") as file:
            file.write(f"{len(batch)}\\n")
        if len(batch) > 3 or (POISON and any(r.id == "item-005" for r in batch)):
            raise ERROR
        return [Output(r.choices[0]) for r in batch]
"""
ERRORS = {
    "torch": "type('OutOfMemoryError', (RuntimeError,), {})('CUDA out of memory')",
    "machine": "MemoryError()",
    "allocator": 'RuntimeError("DefaultCPUAllocator: can\'t allocate memory: you tried to allocate 9 bytes")',
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(body: str, *arguments: object, items: int = 24) -> Ran:
    if not Path("data").exists():
        mmau(Path("data"), items, clips=False)
    name = model(Path("m.py"), body, audio="None")
    return alm("run", "--model", name, "--tasks", "mmau", "--data", "data", "--json", *arguments)


def asked() -> list[int]:
    return [int(line) for line in Path("asked.txt").read_text().splitlines()]


def noted() -> Any:
    return json.loads((only_run(Path("results/runs")) / "run.json").read_text())["batch_size"]


def holds(error: str = ERRORS["torch"], poison: bool = False, most: int = 3) -> str:
    return HOLDS.replace("ERROR", error).replace("POISON", str(poison)).replace("> 3", f"> {most}")


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("size", ["8", "auto"])
def test_a_batch_too_large_is_halved_and_so_are_all_after_it(error: str, size: str) -> None:
    ran = run(holds(error), "--batch-size", size)
    assert (ran.status, ran.run["status"]["ok"]) == (0, 24), ran.err
    assert asked() == [8, 4, 2, 2, 4, 2, 2, *[2] * 8]
    assert noted() == {"asked": "auto" if size == "auto" else 8, "largest": 2, "last": 2}
    assert [line for line in ran.err.splitlines() if "memory" in line] == [
        "mmau: out of memory with 4 items at once, going on with 2"
    ]


def test_an_item_that_never_fits_fails_alone_and_the_rest_goes_on() -> None:
    ran = run(holds(poison=True, most=8), "--batch-size", 8)
    assert ran.status == 1
    assert ran.run["status"] | {"ok": 23, "error": 1} == ran.run["status"]
    rows = {row["id"]: row for row in stored(only_run(Path("results/runs")))}
    assert (rows["item-005"]["status"], rows["item-005"]["reason"]) == ("error", "OutOfMemoryError: CUDA out of memory")
    assert asked()[-2:] == [8, 8], "the others fit as before"
    assert noted()["last"] == 8
    assert "at once" not in ran.err


def test_both_answers_of_an_item_share_what_memory_allows() -> None:
    scores = """
    def loglikelihood(self, batch):
        from alm_bench.core import OptionScores
        with open("asked.txt", "a") as file:
            file.write(f"{len(batch)}\\n")
        if len(batch) > 4:
            raise MemoryError
        return [OptionScores({"text": [(-1.0 - i, 1) for i in range(len(r.choices))]}) for r in batch]
"""
    ran = run(holds(most=9) + scores, "--batch-size", 8, "--answer-by", "both")
    assert (ran.status, ran.run["status"]["ok"]) == (0, 24)
    assert asked() == [8, 8, 4, 4, *[4] * 8]


def test_auto_grows_while_the_model_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run(holds(most=1000), "--batch-size", "auto", items=60)
    assert (ran.status, asked()) == (0, [8, 16, 32, 4])
    assert noted() == {"asked": "auto", "largest": 32, "last": 64}


def test_auto_does_not_grow_on_items_that_the_model_never_saw() -> None:
    mmau(Path("data"), 60)
    for clip in sorted(Path("data").rglob("*.wav"))[:24]:
        clip.unlink()
    name = model(Path("m.py"), holds(most=1000), audio="AudioPolicy(rate=8_000)")
    where = ("--model", name, "--tasks", "mmau", "--data", "data", "--missing-audio", "skip", "--json")
    ran = alm("run", *where, "--batch-size", "auto")
    assert ran.run["status"] | {"ok": 36, "skipped": 24} == ran.run["status"], ran.err
    assert asked()[0] == 8


def test_a_run_goes_on_under_another_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    stops = "        if os.environ.get('STOP') in [r.id for r in batch]: raise KeyboardInterrupt\n"
    body = holds(most=1000).replace("        with", stops + "        with")
    monkeypatch.setenv("STOP", "item-010")
    assert run(body, "--batch-size", "3").status == 130
    assert [row["index"] for row in stored(only_run(Path("results/runs")))] == list(range(9))
    assert noted() == {"asked": 3, "largest": 3, "last": 3}
    Path("asked.txt").unlink()
    monkeypatch.delenv("STOP")
    ran = run(body, "--batch-size", "auto")
    assert (ran.status, ran.run["n"], asked()) == (0, 24, [8, 7])
    assert noted() == {"asked": "auto", "largest": 8, "last": 16}


@pytest.mark.parametrize("size", ["0", "-1", "many", "1.5", "", "Auto"])
def test_what_is_no_size_is_refused(size: str) -> None:
    mmau(Path("data"), 2, clips=False)
    where = ("--model", "echo", "--tasks", "mmau", "--data", "data")
    expected = f"--batch-size takes a number of items above 0, or auto, found {size!r}"
    assert refusal(alm("run", *where, "--batch-size", size)) == f"alm-bench: {expected}"
    assert expected in refusal(alm("noise-ablation", *where, "--batch-size", size))


def test_batches_that_wait_for_a_worker_are_cut_to_what_fits() -> None:
    queue = on_ray.deque([on_ray.Batch(range(8), deaths=1), on_ray.Batch(range(8, 10))])
    found = [on_ray._take_next_batch(queue, size) for size in itertools.chain([8 - 2], itertools.repeat(4, 2))]
    assert [(list(batch.item_indices), batch.deaths) for batch in found] == [
        ([0, 1, 2, 3, 4, 5], 1),
        ([6, 7], 1),
        ([8, 9], 0),
    ]
    assert not queue
