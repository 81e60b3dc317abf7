"""Manifest hashes and the reports on what of a task's data is there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from alm_bench.core import AudioRef, DataError, DataFile, TaskCard
from alm_bench.core.files import compute_sha256
from alm_bench.data import LocalRoot, compute_cached_sha256, get_clip_size, hash_manifest, inspect_task_data

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_hashes_are_kept_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return compute_sha256(path)

    monkeypatch.setattr("alm_bench.data.manifest.compute_sha256", counted)
    path = put(tmp_path / "a", "abc")
    assert compute_cached_sha256(path) == compute_cached_sha256(path) == ABC
    assert len(read) == 1
    put(path, "abd")
    os.utime(path, ns=(1, 1))
    assert compute_cached_sha256(path) != ABC
    assert len(read) == 2
    with pytest.raises(DataError, match="No such file"):
        compute_cached_sha256(tmp_path / "gone")


def world(folder: Path) -> str:
    files = {"annotations": put(folder / "q.json", "[]"), "development": put(folder / "d.csv", "a")}
    return hash_manifest(files, None)


def test_the_manifest_does_not_depend_on_the_place(tmp_path: Path) -> None:
    first = world(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert world(tmp_path / "two") == first
    assert len(first) == 64


def test_the_manifest_depends_on_everything_else(tmp_path: Path) -> None:
    file, other = put(tmp_path / "f", "1"), put(tmp_path / "g", "2")
    cases = [
        hash_manifest({"annotations": file}, None),
        hash_manifest({"annotations": other}, None),
        hash_manifest({"development": file}, None),
        hash_manifest({"annotations": file, "development": other}, None),
        hash_manifest({"annotations": file}, "demo-1"),
    ]
    assert len(set(cases)) == len(cases)


def test_the_size_of_a_clip_tells_whether_it_is_there_and_the_same(tmp_path: Path) -> None:
    clip = AudioRef("c", put(tmp_path / "c", "12"))
    assert get_clip_size(clip) == 2
    put(clip.path, "123")
    assert get_clip_size(clip) == 3
    assert get_clip_size(AudioRef("c", tmp_path / "gone")) is None


def test_a_clip_in_a_cell_is_not_read_for_its_size(tmp_path: Path) -> None:
    def never() -> bytes:
        raise AssertionError("the clip was fetched")

    assert get_clip_size(AudioRef("a", put(tmp_path / "x", "1"), never)) is None


def card(folder: Path) -> TaskCard:
    files = (
        DataFile("annotations", ("t/q*.json",), "the repository", "test", {ABC: "2025-08-09"}),
        DataFile("annotations", ("t/v.json",), "the repository", "validation"),
        DataFile("development", ("t/d.csv",), "elsewhere", None, optional=True),
    )
    return TaskCard(
        name="t", family="t", version=1, kind="multiple_choice", title="T", summary="", paper="", source="", licence="",
        splits=("test", "validation"), metrics=(), groups=(), files=files, audio=(), folder=folder,
    )  # fmt: skip


def clips(folder: Path) -> list[AudioRef]:
    for name in ("good.wav", "bad.wav"):
        soundfile.write(folder / name, np.zeros(800, np.float32), 8_000)
    put(folder / "bad.wav", "<html>")
    soundfile.write(folder / "none.wav", np.zeros(0, np.float32), 8_000)
    data = (folder / "good.wav").read_bytes()
    return [
        *(AudioRef(name, folder / name) for name in ("good.wav", "bad.wav", "none.wav", "gone.wav", "good.wav")),
        AudioRef("cell", folder / "x", lambda: data),
        AudioRef("rotten cell", folder / "x", lambda: data[:7]),
    ]


def test_a_report_of_files_and_clips(tmp_path: Path) -> None:
    annotations = put(tmp_path / "t" / "q.json", "abc")
    report = inspect_task_data(card(tmp_path), LocalRoot(tmp_path), clips(tmp_path), split="test")
    assert (report.task, report.root) == ("t", tmp_path)
    found, development = report.files
    assert (found.path, found.size, found.sha256, found.revision) == (annotations, 3, ABC, "2025-08-09")
    assert (development.file.source, development.path, development.sha256) == ("elsewhere", None, None)
    assert (report.clips.total, report.clips.present_count, report.clips.missing) == (6, 5, ("gone.wav",))
    assert report.clips.unreadable == {}
    assert not report.complete


def test_headers_are_decoded_when_asked_for(tmp_path: Path) -> None:
    report = inspect_task_data(card(tmp_path), LocalRoot(tmp_path), clips(tmp_path), headers=True).clips
    assert report.unreadable == {
        "bad.wav": "Format not recognised",
        "none.wav": "holds no samples",
        "rotten cell": "Format not recognised",
    }
    assert report.missing == ("gone.wav",)


def test_completeness_and_unknown_revisions(tmp_path: Path) -> None:
    put(tmp_path / "t" / "q.json", "another content")
    good = clips(tmp_path)[:1]
    report = inspect_task_data(card(tmp_path), LocalRoot(tmp_path), good, "test", headers=True)
    assert report.files[0].revision == "unknown"
    assert report.complete  # what is optional may be missing
    assert len(inspect_task_data(card(tmp_path), LocalRoot(tmp_path), good).files) == 3
    assert not inspect_task_data(card(tmp_path), LocalRoot(tmp_path), good).complete  # the validation file is not there
    put(tmp_path / "t" / "d.csv", "a")
    assert inspect_task_data(card(tmp_path), LocalRoot(tmp_path), good, "test").files[1].revision is None


def test_importing_the_part_loads_nothing_heavy() -> None:
    heavy = ("torch", "datasets", "pyarrow", "huggingface_hub", "soundfile", "pandas", "numpy")
    code = f"import sys, alm_bench.data; print([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
