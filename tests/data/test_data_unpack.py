"""Archives: what is wanted of them, in one folder, whatever they hold besides."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from alm_bench.core import FetchError, StoreError
from alm_bench.data.unpack import check_can_unpack, unpack

FILES = {
    "evaluation/a.wav": b"A" * 5_000,
    "evaluation/deep/b.WAV": b"B" * 3_000,
    "evaluation/notes.txt": b"no clip",
    "__MACOSX/evaluation/._a.wav": b"shadow",
}
SIZES = {"a.wav": 5_000, "b.WAV": 3_000}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return path


def sevened(path: Path, files: dict[str, bytes]) -> Path:
    py7zr = pytest.importorskip("py7zr")
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, body in files.items():
            archive.writef(io.BytesIO(body), name)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return path


Packer = Callable[[Path, dict[str, bytes]], Path]
ALL = [(zipped, ".zip"), (sevened, ".7z"), (tarred, ".tar.gz")]
EVERY_KIND = pytest.mark.parametrize(("packed", "suffix"), ALL, ids=["zip", "7z", "tar"])


def silent(name: str, done: int, total: int | None) -> None:
    pass


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@EVERY_KIND
def test_wanted_members_come_into_one_folder(tmp_path: Path, packed: Packer, suffix: str) -> None:
    told: list[tuple[str, int, int | None]] = []
    archive = packed(tmp_path / f"clips{suffix}", FILES)
    assert unpack(archive, tmp_path / "to", "*.wav", lambda *args: told.append(args)) == SIZES
    assert contents(tmp_path / "to") == {"a.wav": FILES["evaluation/a.wav"], "b.WAV": FILES["evaluation/deep/b.WAV"]}
    assert told[-1] == (f"unpacking clips{suffix}", 8_000, 8_000)


@EVERY_KIND
def test_what_is_there_in_full_is_left_alone(tmp_path: Path, packed: Packer, suffix: str) -> None:
    archive = packed(tmp_path / f"clips{suffix}", FILES)
    (tmp_path / "to").mkdir()
    (tmp_path / "to/a.wav").write_bytes(b"x" * 5_000)
    (tmp_path / "to/b.WAV").write_bytes(b"too short")
    unpack(archive, tmp_path / "to", "*.wav", silent)
    assert contents(tmp_path / "to") == {"a.wav": b"x" * 5_000, "b.WAV": FILES["evaluation/deep/b.WAV"]}
    assert unpack(archive, tmp_path / "to", "*.wav", silent) == SIZES


@EVERY_KIND
def test_an_interruption_leaves_no_half_clip(tmp_path: Path, packed: Packer, suffix: str) -> None:
    files = {f"x/{n}.wav": os.urandom(400_000) for n in range(6)}
    archive = packed(tmp_path / f"clips{suffix}", files)

    def stop(name: str, done: int, total: int | None) -> None:
        if done > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "to", "*.wav", stop)
    whole = {path.name for path in (tmp_path / "to").glob("*.wav")}
    assert 0 < len(whole) < 6
    assert all((tmp_path / "to" / name).read_bytes() == files[f"x/{name}"] for name in whole)
    unpack(archive, tmp_path / "to", "*.wav", silent)
    assert contents(tmp_path / "to") == {name.removeprefix("x/"): body for name, body in files.items()}


@pytest.mark.parametrize("name", ["../../evil.wav", "/evil.wav", "..\\..\\evil.wav", "a/../../evil.wav"])
def test_nothing_comes_out_of_the_folder(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "clips.zip", {name: b"evil"})
    home = tmp_path / "some/where/to"
    assert unpack(archive, home, "*.wav", silent) == {"evil.wav": 4}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive, home / "evil.wav"]


def test_links_are_not_followed_or_made(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "clips.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.wav", b"a")
    assert unpack(tmp_path / "clips.zip", tmp_path / "to", "*.wav", silent) == {"a.wav": 1}
    assert contents(tmp_path / "to") == {"a.wav": b"a"}


@EVERY_KIND
def test_two_of_a_name_or_none_are_refused(tmp_path: Path, packed: Packer, suffix: str) -> None:
    two = packed(tmp_path / f"two{suffix}", {"x/a.wav": b"1", "y/a.wav": b"2"})
    with pytest.raises(FetchError, match=r"holds x/a\.wav and y/a\.wav, expected each name once"):
        unpack(two, tmp_path / "to", "*.wav", silent)
    none = packed(tmp_path / f"none{suffix}", {"a.flac": b"1"})
    with pytest.raises(FetchError, match=r"holds no \*\.wav among its 1 files"):
        unpack(none, tmp_path / "to", "*.wav", silent)


@EVERY_KIND
@pytest.mark.parametrize("damage", ["cut", "flipped", "nonsense"])
def test_a_damaged_archive_is_one_line(tmp_path: Path, packed: Packer, suffix: str, damage: str) -> None:
    files = {f"{n}.wav": os.urandom(50_000) for n in range(4)}
    archive = packed(tmp_path / f"clips{suffix}", files)
    body = bytearray(archive.read_bytes())
    if damage == "flipped":
        body[120_000] ^= 0xFF
    archive.write_bytes({"cut": body[:90_000], "flipped": body, "nonsense": b"<html>"}[damage])
    with pytest.raises(FetchError, match=r"cannot be unpacked .*: remove it and run the same command again") as caught:
        unpack(archive, tmp_path / "to", "*.wav", silent)
    assert "\n" not in str(caught.value)
    for path in (tmp_path / "to").glob("*.wav"):
        assert path.read_bytes() == files[path.name], "what is there is whole"


def test_archives_that_cannot_be_opened_are_met_first(monkeypatch: pytest.MonkeyPatch) -> None:
    check_can_unpack("clips.zip")
    with pytest.raises(FetchError, match=r"clips\.rar: archives are \.zip, \.7z, \.tar\.gz, \.tgz"):
        check_can_unpack("clips.rar")
    monkeypatch.setitem(__import__("sys").modules, "py7zr", None)
    with pytest.raises(FetchError, match=r"pip install 'alm-bench\[data\]'"):
        check_can_unpack("clips.7z")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "clips.zip", FILES)
    (tmp_path / "to").write_text("in the way")
    with pytest.raises(StoreError, match="a file is in the way"):
        unpack(archive, tmp_path / "to", "*.wav", silent)
