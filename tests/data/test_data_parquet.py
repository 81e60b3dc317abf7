"""The hub's copy of MMAU: clips inside a parquet, in a plain folder and in the hub's cache."""

import functools
import io
import json
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from alm_bench.audio import decode
from alm_bench.core import AudioError, DataError
from alm_bench.data import fetch_hub_root, list_parquet_files, open_local_root, parquet, read_parquet

DATASET = "gamma-lab-umd/MMAU-test-mini"
COLUMNS = ("context", "instruction", "choices", "answer", "other_attributes")


@functools.cache  # the header of a float file holds the time of writing
def clip(number: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full(800, number / 100, np.float32), 8_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def shard(path: Path, numbers: range, row_group: int = 3) -> Path:
    rows = [
        {
            "context": {"bytes": clip(n), "path": f"{n}.wav"},
            "instruction": f"question {n}?",
            "choices": ["(A) Man", "(B) Woman"],
            "answer": "(A) Man",
            "other_attributes": json.dumps({"id": f"item-{n}", "task": "sound"}),
        }
        for n in numbers
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=row_group)
    return path


def test_rows_and_their_clips(tmp_path: Path) -> None:
    shards = [shard(tmp_path / "0.parquet", range(7)), shard(tmp_path / "1.parquet", range(7, 10))]
    rows = list(read_parquet(shards, COLUMNS))
    assert [row.values["instruction"] for row in rows] == [f"question {n}?" for n in range(10)]
    assert rows[8].values["choices"] == ["(A) Man", "(B) Woman"]
    assert json.loads(rows[8].values["other_attributes"])["id"] == "item-8"
    assert [row.name for row in rows] == [f"{n}.wav" for n in range(10)]
    assert all("context" not in row.values for row in rows)
    for n in (0, 9, 3, 4, 6, 1):  # out of order, across row groups and shards
        samples, rate = decode(rows[n].get_audio_ref(f"mmau/{n}"))
        assert rate == 8_000
        assert samples[0, 0] == pytest.approx(n / 100)


def test_clips_in_file_order_are_fetched_once_and_two_row_groups_held(tmp_path: Path) -> None:
    parquet._read_clips.cache_clear()
    rows = list(read_parquet([shard(tmp_path / "0.parquet", range(12))], COLUMNS))
    assert parquet._read_clips.cache_info().currsize == 0  # the rows alone fetch no clip
    for n, row in enumerate(rows):
        assert row.clip_reader() == clip(n)
    info = parquet._read_clips.cache_info()
    assert (info.misses, info.currsize) == (4, 2)


def test_clips_are_fetched_from_threads_and_after_pickling(tmp_path: Path) -> None:
    rows = list(read_parquet([shard(tmp_path / "0.parquet", range(30))], COLUMNS))
    cells = pickle.loads(pickle.dumps([row.get_audio_ref(str(n)) for n, row in enumerate(rows)]))
    found: dict[int, bytes] = {}

    def fetch(start: int) -> None:
        for n in range(start, 30, 4):
            found[n] = cells[n].read()

    threads = [threading.Thread(target=fetch, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: clip(n) for n in range(30)}


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = shard(tmp_path / "0.parquet", range(3))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:500])
    for bad, columns, column, part in (
        (cut, COLUMNS, "context", "is the file complete?"),
        (tmp_path / "gone.parquet", COLUMNS, "context", "cannot be read as parquet"),
        (path, ("instructions",), "context", "no column 'instructions'; found instruction"),
        (path, (), "audio", "no column 'audio'"),
        (path, (), "answer", "expected a struct with the clip's bytes"),
    ):
        with pytest.raises(DataError) as caught:
            list(read_parquet([bad], columns, column))
        assert part in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_clip_that_cannot_be_fetched_is_the_clips_error(tmp_path: Path) -> None:
    path = tmp_path / "0.parquet"
    pq.write_table(pa.table({"context": [{"bytes": None, "path": "a.wav"}, {"bytes": b"1", "path": None}]}), path)
    rows = list(read_parquet([path], ["context"]))
    assert [row.name for row in rows] == ["a.wav", None]
    with pytest.raises(AudioError, match="holds no bytes"):
        rows[0].clip_reader()
    path.unlink()
    with pytest.raises(AudioError, match="No such file"):
        decode(rows[1].get_audio_ref("b"))


def cache(folder: Path, *revisions: str, main: str | None = None) -> Path:
    repository = folder / "datasets--gamma-lab-umd--MMAU-test-mini"
    for age, revision in enumerate(revisions):
        snapshot = repository / "snapshots" / revision
        shard(snapshot / "data" / "test-00000-of-00001.parquet", range(age + 1))
        os.utime(snapshot, (1_000 + age, 1_000 + age))
    if main is not None:
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(main)
    return repository


def count(root: Path) -> int:
    return len(list(read_parquet(list_parquet_files(root), COLUMNS)))


def test_local_copies(tmp_path: Path) -> None:
    shard(tmp_path / "plain" / "data" / "test-00000-of-00001.parquet", range(5))
    shard(tmp_path / "flat" / "a.parquet", range(4))
    repository = cache(tmp_path / "home" / "hub", "aaa", "bbb", "ccc", main="bbb")
    assert count(open_local_root(tmp_path / "plain", DATASET).path) == 5
    assert count(open_local_root(tmp_path / "flat", DATASET).path) == 4
    for folder in (tmp_path / "home", tmp_path / "home" / "hub", repository):
        assert open_local_root(folder, DATASET).path == repository / "snapshots" / "bbb"
        assert count(open_local_root(folder, DATASET).path) == 2
    assert open_local_root(tmp_path / "home", "other/set").path == tmp_path / "home"
    assert open_local_root(tmp_path / "home").path == tmp_path / "home"
    assert list_parquet_files(tmp_path) == ()


def test_without_a_named_revision_the_last_one_fetched(tmp_path: Path) -> None:
    repository = cache(tmp_path, "bbb", "aaa")
    assert open_local_root(tmp_path, DATASET).path == repository / "snapshots" / "aaa"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
def test_the_hubs_cache_serves_without_a_connection(tmp_path: Path) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = cache(tmp_path, revision, main=revision)
    root = fetch_hub_root(DATASET, cache=tmp_path)
    assert root.path == repository / "snapshots" / revision
    assert root.kind == "real"
    assert count(root.path) == 1


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("dataset", [DATASET, "not a/valid name"])
def test_a_data_set_that_cannot_be_had_is_one_line(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(DataError) as caught:
        fetch_hub_root(dataset, "main", cache=tmp_path)
    message = str(caught.value)
    assert message.startswith(f"hub data set {dataset} at main cannot be had (")
    assert "--data FOLDER" in message
    assert "\n" not in message
