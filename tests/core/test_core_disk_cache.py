"""The cache on disk: values of all kinds, several processes, files that are damaged or in use."""

import pickle
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from alm_bench.core import StoreError, disk_cache
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.files import hash_json


@pytest.mark.parametrize("value", [b"\x00\xff", "a tone, é", 0.25])
def test_a_value_is_kept_between_objects(tmp_path: Path, value: disk_cache.Value) -> None:
    cache = DiskCache(tmp_path / "new/folder/c.sqlite")
    assert cache.get("key") is None
    cache.put("key", b"older")
    cache.put("key", value)
    for again in (cache, DiskCache(cache.path), pickle.loads(pickle.dumps(cache))):
        assert again.get("key") == value
        assert again.get("other") is None


def test_processes_share_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from alm_bench.core.disk_cache import DiskCache\n"
        "cache = DiskCache(Path(sys.argv[1]))\n"
        "for number in range(20): cache.put(f'{sys.argv[2]} {number}', float(number))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "c.sqlite", name]) for name in ("a", "b")]
    assert [process.wait() for process in started] == [0, 0]
    cache = DiskCache(tmp_path / "c.sqlite")
    assert [cache.get(f"{name} {number}") for name in ("a", "b") for number in range(20)] == [
        *map(float, range(20))
    ] * 2


@pytest.mark.parametrize("content", [b"{torn", b"SQLite format 3\x00" + b"\x07" * 4000])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "c.sqlite"
    file.write_bytes(content)
    cache = DiskCache(file)
    assert cache.get("key") is None
    cache.put("key", "value")
    assert DiskCache(file).get("key") == "value"


def test_what_cannot_be_used_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    for call in (lambda cache: cache.get("key"), lambda cache: cache.put("key", "value")):
        with pytest.raises(
            StoreError, match=r"^the cache .* cannot be used \(.*\): name another with ALM_BENCH_CACHE$"
        ):
            call(DiskCache(tmp_path / "file/c.sqlite"))


def test_a_file_in_use_is_waited_for_and_never_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path / "c.sqlite")
    cache.put("key", "value")
    monkeypatch.setattr(disk_cache, "SECONDS", 0.05)
    with closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="database is locked"):
            cache.get("key")
    assert cache.get("key") == "value"


def test_equal_values_have_equal_hashes() -> None:
    assert hash_json({"a": 1, "b": (2, Path("c"))}) == hash_json({"b": [2, "c"], "a": 1}) != hash_json({"a": 1})
