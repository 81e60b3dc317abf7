"""Decoding for the model: bounded, each clip once, with what the adapter makes of it."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import alm, cle, mmau, model, only_run, stored, tone

from alm_bench.core import (
    AdapterIdentity,
    AudioError,
    AudioPolicy,
    AudioRef,
    BaseAdapter,
    Decoding,
    Request,
    Runtime,
    UnreachableError,
)
from alm_bench.runner import loader
from alm_bench.runner.conditions import Condition
from alm_bench.runner.executors.batch import InferenceSettings, run_batch
from alm_bench.runner.executors.worker import Recipe, Worker
from alm_bench.runner.loader import AudioPipeline, LoadedRequest, load_batch, load_batches

POLICY = AudioPolicy(rate=8_000)


class AtOnce:
    """A pool that works when it is told to: what it was given is what it has done."""

    def __init__(self, **settings: Any) -> None:
        pass

    def __enter__(self) -> "AtOnce":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> None:
        work(*arguments)

    def shutdown(self, **settings: Any) -> None:
        pass


class Starved(AtOnce):
    """A pool whose threads get no core."""

    def __init__(self, **settings: Any) -> None:
        self.queue: list[tuple[Any, ...]] = []
        self.cancelled = False
        pools.append(self)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> None:
        self.queue.append((work, *arguments))

    def shutdown(self, cancel_futures: bool = False) -> None:
        self.cancelled = cancel_futures


pools: list[Starved] = []


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the clips that are decoded, in order."""
    given: list[str] = []
    real = loader.load

    def load(ref: AudioRef, *arguments: Any) -> Any:
        given.append(ref.id)
        return real(ref, *arguments)

    monkeypatch.setattr(loader, "load", load)
    return given


def refs(folder: Path, count: int) -> list[AudioRef]:
    for number in range(count):
        tone(folder / f"{number}.wav", 200 + number, 0.05)
    return [AudioRef(f"{number}.wav", folder / f"{number}.wav") for number in range(count)]


def taken(requests: Sequence[Request], hearing: AudioPipeline, size: int = 4, workers: int = 2) -> list[LoadedRequest]:
    found = load_batches(requests, range(len(requests)), hearing, lambda: size, workers)
    return [ready for batch in found for ready in batch]


@pytest.mark.parametrize(("size", "expected"), [(3, [6, 6, 6, 5, 2, 0]), (5, [7, 7, 2, 0]), (9, [8, 0]), (20, [0])])
def test_so_much_is_held_beyond_the_current_batch(
    size: int, expected: list[int], tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(loader, "MAX_AHEAD", 7)
    requests = [Request(ref.id, "?", (ref,)) for ref in refs(tmp_path, 17)]
    ahead, seen = [], []
    for batch in load_batches(requests, range(17), AudioPipeline(POLICY), lambda: size, workers=2):
        seen += [ready.index for ready in batch]
        ahead.append(len(opened) - len(seen))
    assert seen == list(range(17))
    assert ahead == expected


def test_batches_are_as_large_as_is_said_when_they_are_taken() -> None:
    sizes = itertools.chain([2, 4, 1], itertools.repeat(8))
    requests = [Request(f"item-{i}", "?") for i in range(17)]
    found = load_batches(requests, range(17), AudioPipeline(None), lambda: next(sizes), workers=1)
    assert [len(batch) for batch in found] == [2, 4, 1, 8, 2]


def test_a_clip_is_decoded_once_while_its_neighbours_need_it(tmp_path: Path, opened: list[str]) -> None:
    clips = refs(tmp_path, 3)
    requests = [Request(f"{ref.id}-{turn}", "?", (ref, clips[0])) for ref in clips for turn in range(15)]
    ready = taken(requests, AudioPipeline(POLICY))
    assert sorted(opened) == ["0.wav", "1.wav", "2.wav"]
    assert all(one.request.waves[0] is ready[0].request.waves[0] for one in ready[:15])
    assert ready[20].request.waves[0] is not ready[0].request.waves[0]
    assert all(one.request.waves[1] is ready[0].request.waves[0] for one in ready)


def test_what_no_thread_has_begun_is_decoded_by_who_needs_it(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "ThreadPoolExecutor", Starved)
    monkeypatch.setattr(loader, "CACHED_CLIPS", 2)
    requests = [Request(ref.id, "?", (ref,)) for ref in refs(tmp_path, 9)]
    for batch in load_batches(requests, range(9), AudioPipeline(POLICY), lambda: 2, workers=2):
        assert all(ready.request.waves for ready in batch)
    assert len(opened) == len(pools.pop().queue) == 9


def test_the_models_thread_begins_what_others_have_not_and_waits_for_what_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread is held up in the first clip until all others of the batch are decoded."""
    made: dict[str, str] = {}
    begun, others = threading.Event(), threading.Event()
    real = loader.load

    def load(ref: AudioRef, *arguments: Any) -> Any:
        made[ref.id] = threading.current_thread().name
        if ref.id == "0.wav":
            begun.set()
            assert others.wait(60)
        if ref.id == "3.wav":
            others.set()
        return real(ref, *arguments)

    class Begins(ThreadPoolExecutor):
        def submit(self, work: Callable[..., Any], *arguments: Any) -> Any:
            future = super().submit(work, *arguments)
            assert begun.wait(60)
            return future

    monkeypatch.setattr(loader, "load", load)
    monkeypatch.setattr(loader, "ThreadPoolExecutor", Begins)
    (batch,) = load_batches(
        [Request(ref.id, "?", (ref,)) for ref in refs(tmp_path, 4)],
        range(4),
        AudioPipeline(POLICY),
        lambda: 4,
        workers=1,
    )
    assert [len(ready.request.waves) for ready in batch] == [1] * 4
    assert made.pop("0.wav").startswith("decode")
    assert set(made.values()) == {"MainThread"}


def test_nothing_is_decoded_beside_a_model_on_the_processor(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "ThreadPoolExecutor", AtOnce)
    requests = [Request(ref.id, "?", (ref,)) for ref in refs(tmp_path, 6)]
    ahead = {}
    for device in ("cpu", "cuda", None):
        adapter = BaseAdapter(None, Runtime())
        adapter.audio, adapter.identity = POLICY, AdapterIdentity("m", "m", device=device)
        opened.clear()
        found = load_batches(requests, range(6), AudioPipeline.from_adapter(adapter), lambda: 2, workers=2)
        ahead[device] = [len(opened) - 2 * number for number, _ in enumerate(found, 1)]
    assert ahead == {"cpu": [0, 0, 0], "cuda": [4, 2, 0], None: [4, 2, 0]}


def test_a_queue_that_nobody_works_off_holds_no_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "ThreadPoolExecutor", Starved)
    monkeypatch.setattr(loader, "CACHED_CLIPS", 2)
    requests = [Request(ref.id, "?", (ref,)) for ref in refs(tmp_path, 9)]
    taken(requests, AudioPipeline(POLICY))
    assert [wanted() for _, wanted in pools.pop().queue] == [None] * 9


def test_what_is_kept_is_bounded(tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "CACHED_CLIPS", 2)
    a, b, c = refs(tmp_path, 3)
    taken([Request(str(i), "?", (ref,)) for i, ref in enumerate((a, b, a, c, a, b))], AudioPipeline(POLICY))
    assert Counter(opened) == {"0.wav": 1, "1.wav": 2, "2.wav": 1}, "the one that was needed longest ago goes"


def test_a_clip_that_memory_does_not_suffice_for_is_its_items_failure(tmp_path: Path) -> None:
    def read() -> bytes:
        raise MemoryError

    large = AudioRef("large", tmp_path / "large.wav", read=read)
    ready = taken([Request(ref.id, "?", (ref,)) for ref in (large, *refs(tmp_path, 2))], AudioPipeline(POLICY))
    assert [one.error for one in ready] == ["MemoryError", None, None]
    assert [len(one.request.waves) for one in ready] == [0, 1, 1]
    (spared,) = taken([Request("spared", "?", tuple(refs(tmp_path, 1)), spare=large)], AudioPipeline(POLICY))
    assert (spared.error, spared.touched) == ("MemoryError", ()), "tried again, not answered without"


def test_shared_waves_are_read_only(tmp_path: Path) -> None:
    (ready,) = taken([Request("a", "?", tuple(refs(tmp_path, 1)))], AudioPipeline(POLICY))
    with pytest.raises(ValueError, match="read-only"):
        ready.request.waves[0][0] = 1


def test_a_clip_that_cannot_be_used_is_every_items_own_failure(tmp_path: Path, opened: list[str]) -> None:
    good, lost = refs(tmp_path, 1)[0], AudioRef("lost.wav", tmp_path / "lost.wav")
    spared = Request("spared", "?", (good,), spare=lost)
    ready = taken(
        [Request("a", "?", (good, lost)), Request("b", "?", (lost,)), spared], AudioPipeline(POLICY, None, len)
    )
    assert ready[0].audio_error == ready[1].audio_error
    assert "lost.wav" in (ready[0].audio_error or "")
    assert (ready[0].request.waves, ready[0].request.features) == ((), ())
    assert (ready[2].audio_error, ready[2].request.spare) == (None, None)
    assert "without_spare" in ready[2].touched
    assert [len(ready[2].request.waves), len(ready[2].request.features)] == [1, 1]
    assert opened.count("lost.wav") == 1


def test_features_are_made_once_a_clip(tmp_path: Path) -> None:
    made: list[float] = []

    def prepare(wave: Any) -> float:
        made.append(float(np.abs(wave).sum()))
        return made[-1]

    one, two, spare = refs(tmp_path, 3)
    requests = [Request(str(turn), "?", (one, two), spare=spare) for turn in range(6)]
    for ready in taken(requests, AudioPipeline(POLICY, None, prepare)):
        assert ready.request.features == tuple(float(np.abs(wave).sum()) for wave in ready.request.waves)
        assert len(ready.request.features) == 3
    assert len(made) == 3
    assert all(ready.request.features == () for ready in taken(requests, AudioPipeline(POLICY)))


def test_what_lets_no_call_succeed_ends_the_run_whoever_meets_it(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(wave: Any) -> None:
        raise UnreachableError("nobody there")

    requests = [Request(ref.id, "?", (ref,)) for ref in refs(tmp_path, 9)]
    with pytest.raises(UnreachableError, match="nobody there"):
        taken(requests, AudioPipeline(POLICY, None, prepare))
    monkeypatch.setattr(loader, "ThreadPoolExecutor", Starved)
    opened.clear()
    with pytest.raises(UnreachableError, match="nobody there"):
        load_batch(list(enumerate(requests)), AudioPipeline(POLICY, None, prepare), 2)
    assert opened == ["0.wav"]
    assert pools.pop().cancelled, "what is in the queue is not decoded"


PREPARES = """
    audio = AudioPolicy(rate=8_000)

    def prepare(self, wave):
        with open("prepared.txt", "a") as file:
            file.write(f"{wave.size}\\n")
        if wave.size == 4_000:
            raise ValueError("half a second\\nis too long")
        return round(float(abs(wave).max()), 2)

    def generate(self, batch, decoding):
        return [Output(f"{r.choices[0]} {r.features}") for r in batch]
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_gets_its_features_and_what_prepare_raises_is_the_items(elsewhere: Path) -> None:
    mmau(Path("data"), 6)
    tone(Path("data/mmau/test-mini-audios/item-003.wav"), 400, 0.5)
    ran = alm("run", "--model", model(Path("m.py"), PREPARES), "--tasks", "mmau", "--data", "data")
    assert ran.status == 1
    rows = {row["id"]: row for row in stored(only_run(Path("results/runs")))}
    broken = rows.pop("item-003")
    assert (broken["status"], broken["reason"]) == ("error", "ValueError: half a second is too long")
    assert all(row["text"] == f"{row['choices'][0]} (0.3,)" for row in rows.values())
    assert len(rows) == 5


def test_questions_about_one_clip_share_what_is_made_of_it(elsewhere: Path) -> None:
    cle(Path("data"), 3)
    body = PREPARES.replace("r.choices[0]", "r.id")
    alm("run", "--model", model(Path("m.py"), body), "--tasks", "cle", "--data", "data")
    assert len(stored(only_run(Path("results/runs")))) == 9
    assert Path("prepared.txt").read_text() == "2400\n" * 3


def test_a_model_that_describes_first_passes_its_features_on(elsewhere: Path) -> None:
    mmau(Path("data"), 4)
    body = PREPARES.replace("r.choices[0]", "r.id")
    where = ("--tasks", "mmau", "--data", "data", "--strategy", "caption-first")
    assert alm("run", "--model", model(Path("m.py"), body), *where).status == 0
    for row in stored(only_run(Path("results/runs"))):
        assert row["text"] == f"{row['id']} (0.3,)"
        assert row["extra"]["caption"].endswith("(0.3,)")
    assert Path("prepared.txt").read_text() == "2400\n" * 4


def test_a_worker_makes_features_where_it_is(elsewhere: Path) -> None:
    requests = [Request(f"{i}", "?", (ref,), ("yes",)) for i, ref in enumerate(refs(elsewhere, 2) * 2)]
    name = model(Path("m.py"), PREPARES)

    worker = Worker(Recipe(name, {}, Runtime(), "plain", "letters"), elsewhere)
    worker.start()
    done = worker.answer(
        InferenceSettings("run", Decoding(), "generate", Condition("clean"), threads=2), list(enumerate(requests))
    )
    assert [answer.output and answer.output.text for answer in done.answers] == ["yes (0.3,)"] * 4
    assert Path("prepared.txt").read_text() == "400\n" * 2


def test_a_whole_batch_that_could_not_be_prepared_asks_nothing(tmp_path: Path) -> None:
    def prepare(wave: Any) -> None:
        raise AudioError("no ears")

    found = load_batch(
        list(enumerate([Request("a", "?", tuple(refs(tmp_path, 1)))])), AudioPipeline(POLICY, None, prepare), 1
    )

    asked = InferenceSettings("run", Decoding(), "generate", Condition("clean"), threads=1)
    (answer,) = run_batch(BaseAdapter(None, Runtime()), asked, found).answers
    assert answer.output is not None
    assert answer.output.error == "no ears"


def test_features_that_memory_does_not_suffice_for_are_left_to_the_batch(tmp_path: Path) -> None:
    def prepare(wave: Any) -> None:
        raise MemoryError

    (ready,) = taken([Request("a", "?", tuple(refs(tmp_path, 2)))], AudioPipeline(POLICY, None, prepare))
    assert (ready.error, ready.request.features) == (None, ())
    assert len(ready.request.waves) == 2
