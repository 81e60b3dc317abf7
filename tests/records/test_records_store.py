"""The run folder after crashes of every kind: what was stored is kept, what is torn is dropped, nobody writes twice."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_world
from msgspec.structs import replace
from small_world import run_header

from alm_bench.core import STATUSES, Sample, StoreError
from alm_bench.records.models import RunSummary
from alm_bench.records.schema import PlannedItem, Record
from alm_bench.records.store import RunStore, read_header, read_records, read_summary

HEADER = run_header()
SUMMARY = RunSummary(
    **dict.fromkeys(("task", "model", "data", "revision", "split", "main", "run", "fingerprint"), "x"),
    **dict.fromkeys(("parser", "condition", "options", "answer_by"), "x"),
    **dict.fromkeys(("n", "skipped", "items"), 0),
    **{name: {} for name in ("metrics", "groups", "baselines", "margins")},
    status=dict.fromkeys(STATUSES, 0),
    partial=False,
    prompt=HEADER.prompt,
    decoding=HEADER.spec.decoding,
    identity=HEADER.identity,
)


def record(
    name: str, status: Any = "ok", text: str | None = "t", reason: str | None = None, unusable_clip: bool = False
) -> Record:
    return PlannedItem(int(name), Sample(id=name, fields={}), "p").create_record(
        status, text=text, reason=reason, unusable_clip=unusable_clip
    )


def fill(folder: Path, *records: Record) -> Path:
    with RunStore(folder, HEADER) as store:
        store.append(records)
    return folder / "samples.jsonl"


def ids(records: list[Record]) -> list[str]:
    return [record.sample.id for record in records]


def test_what_was_appended_is_kept(tmp_path: Path) -> None:
    fill(tmp_path / "run", record("0"), record("1"))
    with RunStore(tmp_path / "run", HEADER) as store:
        assert store.kept == [record("0"), record("1")]
        store.append([record("2")])
    assert ids(read_records(tmp_path / "run")[0]) == ["0", "1", "2"]
    assert read_header(tmp_path / "run") == HEADER


def test_keys_that_are_not_known_are_read_over_and_kept(tmp_path: Path) -> None:
    """A program of the same schema version may store more than this one reads."""
    fill(tmp_path / "run", record("0"))
    path = tmp_path / "run/run.json"
    more = {**json.loads(path.read_text()), "colour": "blue"}
    more["identity"]["mood"] = 3
    path.write_text(json.dumps(more))
    assert read_header(tmp_path / "run") == HEADER
    with RunStore(tmp_path / "run", HEADER) as store:
        store.finish(SUMMARY)
        store.update_header(parser="mcq@9")
    after = json.loads(path.read_text())
    assert (after["colour"], after["identity"]["mood"], after["parser"]) == ("blue", 3, "mcq@9")
    path = tmp_path / "run/summary.json"
    summary = json.loads(path.read_text())
    summary["runs"][0]["colour"] = "blue"
    path.write_text(json.dumps({**summary, "colour": "blue"}))
    assert read_summary(tmp_path / "run")[0] == SUMMARY
    lines = (tmp_path / "run/samples.jsonl").read_text()
    (tmp_path / "run/samples.jsonl").write_text(lines.replace('{"id"', '{"colour": "blue", "id"'))
    assert read_records(tmp_path / "run")[0] == [record("0")]


def test_half_a_surrogate_pair_in_a_name_is_read_again(tmp_path: Path) -> None:
    """Paths that are no UTF-8 have such, and msgspec does not read them."""
    header = replace(HEADER, identity=replace(HEADER.identity, label="model \udcff"))
    with RunStore(tmp_path / "run", header) as store:
        store.append([record("0")])
        store.finish(replace(SUMMARY, model="model \udcff"))
    assert read_header(tmp_path / "run") == header
    assert read_summary(tmp_path / "run")[0].model == "model \udcff"


@pytest.mark.parametrize("left", [1, 20, -1])
def test_a_torn_last_line_is_dropped(tmp_path: Path, left: int) -> None:
    path = fill(tmp_path / "run", record("0"), record("1"))
    whole = path.read_bytes()
    path.write_bytes(whole + record("2").to_json_line().encode()[:left])
    records, torn = read_records(tmp_path / "run")
    assert (ids(records), torn) == (["0", "1"], True)
    with RunStore(tmp_path / "run", HEADER) as store:
        assert ids(store.kept) == ["0", "1"]
        assert path.read_bytes() == whole
        store.append([record("2")])
    assert read_records(tmp_path / "run") == ([record("0"), record("1"), record("2")], False)


def test_a_line_torn_inside_a_character_is_dropped(tmp_path: Path) -> None:
    path = fill(tmp_path / "run", record("0"))
    path.write_bytes(path.read_bytes() + record("1", text="é").to_json_line().encode().partition(b"\xc3")[0] + b"\xc3")
    assert read_records(tmp_path / "run") == ([record("0")], True)


def test_a_corrupt_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = fill(tmp_path / "run", record("0"), record("1"), record("2"))
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1][:30] + b"\x00" + lines[1][31:]
    path.write_bytes(b"\n".join(lines))
    before = path.read_bytes()
    stores = [RunStore(tmp_path / "run", HEADER) for _ in range(2)]
    for store in stores:  # the first one, still alive, does not leave the folder locked
        with pytest.raises(StoreError, match=r"samples\.jsonl, line 2: not a record of schema 1 to 2"):
            store.__enter__()
    assert path.read_bytes() == before


def test_of_two_lines_with_one_id_the_later_holds(tmp_path: Path) -> None:
    fill(tmp_path / "run", record("0"), record("1", text="old"), record("1", text="new"))
    assert read_records(tmp_path / "run")[0] == [record("0"), record("1", text="new")]


def test_failures_are_tried_again_and_answers_are_not(tmp_path: Path) -> None:
    rows = [
        record("0"),
        record("1", "error", None, "x"),
        record("2", "unparsed"),
        record("3", "skipped", None, "audio: missing", unusable_clip=True),
        record("4", "skipped", "t", "gold not among the options"),
        record("5", "truncated"),
    ]
    path = fill(tmp_path / "run", *rows)
    with RunStore(tmp_path / "run", HEADER, keep_failures=True) as store:
        assert store.kept == rows
    with RunStore(tmp_path / "run", HEADER) as store:
        assert ids(store.kept) == ["0", "2", "4", "5"]
    assert ids(read_records(tmp_path / "run")[0]) == ["0", "2", "4", "5"]
    assert path.read_text().count("\n") == 4


def test_a_run_is_finished_until_its_items_change(tmp_path: Path) -> None:
    summary = tmp_path / "run/summary.json"

    def finished(change: Callable[[RunStore], object], **settings: bool) -> bool:
        """After a finished run of two items was opened again and changed."""
        fill(tmp_path / "run", record("0"), record("1"))
        with RunStore(tmp_path / "run", HEADER) as store:
            store.finish(SUMMARY)
        assert read_summary(tmp_path / "run")[0] == SUMMARY
        with RunStore(tmp_path / "run", HEADER, **settings) as store:
            change(store)
        return summary.exists()

    assert finished(lambda store: None)
    assert not finished(lambda store: store.rewrite(store.kept))
    assert not finished(lambda store: store.append([record("2")]))
    assert not finished(lambda store: None, fresh=True)


def test_fresh_starts_over(tmp_path: Path) -> None:
    fill(tmp_path / "run", record("0"))
    with RunStore(tmp_path / "run", HEADER, fresh=True) as store:
        assert store.kept == []
    assert read_records(tmp_path / "run") == ([], False)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('{"schema_version": 3, "fingerprint": "abc"}', "schema version 3, this alm-bench reads 1 to 2"),
        ('{"fingerprint": "abc"}', "schema version None"),
        ("[]", "schema version None"),
        ('{"schema_version": 1,', "malformed JSON, line 1 column 22"),
        ('{"schema_version": 1, "fingerprint": "other"}', "holds another run"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_a_folder_of_another_run_or_version_is_refused(tmp_path: Path, header: str, expected: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_bytes(header.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=expected):
        RunStore(tmp_path / "run", HEADER).__enter__()


HOLDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from small_world import run_header
from alm_bench.records.store import RunStore
with RunStore(Path(sys.argv[1]), run_header()):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_first_ones_id(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run"), str(Path(small_world.__file__).parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match=f"is being written by process {holder.pid}: wait for it, or end it"):
            RunStore(tmp_path / "run", HEADER).__enter__()
    finally:
        holder.kill()  # a killed process holds no lock
        holder.wait()
    with RunStore(tmp_path / "run", HEADER) as store:
        assert store.kept == []


def failing(number: int, after: int) -> Callable[..., Any]:
    """`os.write` on a disk that takes `after` more bytes."""
    room = [after]
    real = os.write

    def write(handle: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(number, os.strerror(number))
        taken = real(handle, data[: room[0]])
        room[0] -= taken
        return taken

    return write


def test_a_folder_that_is_refused_is_not_held(tmp_path: Path) -> None:
    """Opening fails behind the lock: the next to open must not be told that somebody writes there."""
    fill(tmp_path, record("0"))
    with pytest.raises(StoreError, match="holds another run"), RunStore(tmp_path, run_header("another")):
        pass
    fill(tmp_path, record("1"))
    assert ids(read_records(tmp_path)[0]) == ["0", "1"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "No space left on device; the disk is full: free some space"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "Read-only file system; the file system is read-only: name another folder with --out"),
        (errno.EISDIR, "Is a directory; a folder is in the way: name another folder with --out"),
        (errno.EIO, "what is already stored is kept"),
    ],
)
@pytest.mark.parametrize("room", [0, 40, 400])
def test_a_full_disk_leaves_earlier_lines_and_no_torn_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str, room: int
) -> None:
    path = fill(tmp_path / "run", record("0"))
    before = path.read_bytes()
    with RunStore(tmp_path / "run", HEADER) as store, monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(number, room))
        with pytest.raises(StoreError) as caught:
            store.append([record("1"), record("2")])
    assert "\n" not in str(caught.value)
    assert advice in str(caught.value)
    assert path.read_bytes() == before
    with RunStore(tmp_path / "run", HEADER) as store:
        store.append([record("1"), record("2")])
    assert ids(read_records(tmp_path / "run")[0]) == ["0", "1", "2"]


def test_a_disk_that_fails_to_sync_keeps_nothing_of_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path / "run", record("0"))
    before = path.read_bytes()

    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunStore(tmp_path / "run", HEADER) as store, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(StoreError, match="disk is full"):
            store.append([record("1")])
        with pytest.raises(StoreError, match="disk is full"):
            store.finish(SUMMARY)
    assert path.read_bytes() == before
    assert not (tmp_path / "run/summary.json").exists()
    assert not list((tmp_path / "run").glob(".*.*")), "no temporary file is left"


def test_lines_are_on_disk_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_size)
        real(handle)

    with RunStore(tmp_path / "run", HEADER) as store, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        store.append([record("0"), record("1")])
    assert synced == [(tmp_path / "run/samples.jsonl").stat().st_size]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"a file is in the way: name another folder with --out"):
        RunStore(tmp_path / "file/run", HEADER).__enter__()

    def mkdir(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(StoreError, match="the file system is read-only"):
        RunStore(tmp_path / "run", HEADER).__enter__()
