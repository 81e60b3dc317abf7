"""Who answers a run, as far as no cluster is needed: a worker in this process, and what is refused before it begins."""

import importlib.util
import pickle
import socket
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, mmau, model, refusal

from alm_bench.core import AudioRef, DataRoot, Decoding, Request, Runtime
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.resolve import get_demo_root
from alm_bench.runner.conditions import create_condition
from alm_bench.runner.executors.batch import InferenceSettings
from alm_bench.runner.executors.worker import LoadedModel, Recipe, Worker

HEARS = """
    def answer(self, request):
        heard = b"".join(wave.tobytes() for wave in request.waves)
        return f"{zlib.crc32(heard)} {os.getcwd()}"
"""
ASKED = InferenceSettings("run", Decoding(), "generate", create_condition("clean"), threads=2)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def requests(root: DataRoot) -> list[tuple[int, Request]]:
    samples = list(catalogue().get_task("mmau").create().samples(root, "test-mini"))[:3]
    return [(place, Request(sample.id, "?", sample.audio)) for place, sample in enumerate(samples)]


def worker(named: str, folder: Path, **options: str) -> Worker:
    return Worker(Recipe(named, options, Runtime(), "plain", "letters"), folder)


def test_a_worker_answers_what_was_pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = model(tmp_path / "hears.py", HEARS)
    batch = requests(LocalRoot(mmau(tmp_path / "data", 3)))
    batch.append((7, Request("gone", "?", (AudioRef("gone.wav", tmp_path / "gone.wav"),))))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    one = worker("hears.py:Model", tmp_path)
    loaded = one.start()
    assert (
        loaded.describe_difference(LoadedModel.from_adapter(catalogue().get_adapter(named).create({}, Runtime())))
        is None
    )
    answers = one.answer(pickle.loads(pickle.dumps(ASKED)), pickle.loads(pickle.dumps(batch))).answers
    texts = [answer.output.text for answer in answers if answer.output is not None]
    assert len(set(texts)) == 3, "every clip is heard, each another one"
    assert all(str(text).endswith(f" {tmp_path}") for text in texts), "relative paths mean what they meant"
    assert [answer.index for answer in answers] == [0, 1, 2, 7]
    assert answers[-1].output is None
    assert "gone.wav" in str(answers[-1].audio_error)


def test_clips_of_the_demo_world_travel_as_references(tmp_path: Path) -> None:
    batch = requests(get_demo_root(catalogue().get_task("mmau")))
    sent = pickle.dumps(batch)
    assert len(sent) < 20_000, "descriptions, no samples"
    one = worker(model(tmp_path / "hears.py", HEARS), tmp_path)
    one.start()
    assert [answer.output for answer in one.answer(ASKED, batch).answers] == [
        answer.output for answer in one.answer(ASKED, pickle.loads(sent)).answers
    ]
    assert all(answer.audio_error is None for answer in one.answer(ASKED, batch).answers)


def test_what_makes_two_models_unlike_is_named(tmp_path: Path) -> None:
    one, other = (worker("blind", tmp_path, strategy=name).start() for name in ("first", "random"))
    assert one.describe_difference(one) is None
    assert "first" in str(one.describe_difference(other))


def asks(*more: object) -> tuple[object, ...]:
    return ("run", "--model", "blind", "--tasks", "mmau", "--executor", "ray", *more)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "ray" else found(name, *more))
    line = refusal(alm(*asks()))
    assert line == "alm-bench: --executor ray needs the package ray: pip install 'alm-bench[ray]'"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, whether or not it is installed: what follows is refused before it is imported."""
    found: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: name == "ray" or found(name, *more))


@pytest.mark.usefixtures("there")
def test_an_address_that_nothing_answers_at_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there meanwhile
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refusal(alm(*asks("--address", place)))
        assert f"--address {place}: nothing answers at {place}" in line
        assert "ray start --head" in line
        monkeypatch.setenv("RAY_ADDRESS", place)
        assert f"nothing answers at {place}" in refusal(alm(*asks("--address", "auto")))


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--address", "ray://head:10001"), "--address takes auto or HOST:PORT"),
        (("--address", "head"), "--address takes auto or HOST:PORT"),
        (("--gpus-per-worker", "1.5"), "--gpus-per-worker takes a share of one GPU or a whole number, found 1.5"),
        (("--executor", "rai"), "--executor 'rai' is unknown; known: ray, local"),
        (("--executor", "local", "--replicas", "2"), "--replicas 2 goes with --executor ray"),
        (("--executor", "local", "--address", "auto"), "--address auto goes with --executor ray"),
    ],
)
def test_misuse_is_one_line(more: tuple[str, ...], says: str) -> None:
    assert says in refusal(alm(*asks(*more)))
