"""Finding a task's files and clips in the layouts that people have."""

import hashlib
import pickle
import threading
import unicodedata
from pathlib import Path

import pytest

from alm_bench.core import AudioRef, DataError, DataFile, DataRoot
from alm_bench.data import LocalRoot
from alm_bench.data.index import AudioIndex


def put(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def declared(*names: str, **revisions: str) -> DataFile:
    return DataFile(
        "annotations", names, "the GitHub repository", revisions={digest(k): v for k, v in revisions.items()}
    )


FILE = declared("mmau/test-mini.json", "mmau/test-mini*.json", old="2024-10-23", new="2025-08-09")


@pytest.mark.parametrize("folder", ["mmau/", ""])
def test_the_root_may_be_the_common_folder_or_the_tasks_own(tmp_path: Path, folder: str) -> None:
    path = put(tmp_path / f"{folder}test-mini.json")
    assert LocalRoot(tmp_path).locate(FILE) == path
    assert LocalRoot(tmp_path).has(FILE)


def test_the_first_pattern_that_matches_wins(tmp_path: Path) -> None:
    put(tmp_path / "mmau" / "test-mini.2025.json", "new")
    plain = put(tmp_path / "mmau" / "test-mini.json", "other")
    put(tmp_path / "test-mini.json", "new")
    assert LocalRoot(tmp_path).locate(FILE) == plain


@pytest.mark.parametrize(
    ("contents", "winner"),
    [
        ({"a": "new", "b": "old", "c": "unheard of"}, "a"),
        ({"a": "old", "b": "new"}, "b"),
        ({"a": "unheard of", "b": "old", "c": "?"}, "b"),
        ({"a": "!", "b": "?"}, "b"),
    ],
)
def test_of_several_files_the_newest_known_revision_wins(tmp_path: Path, contents: dict[str, str], winner: str) -> None:
    for name, content in contents.items():
        put(tmp_path / "mmau" / f"test-mini.{name}.json", content)
    put(tmp_path / "mmau" / "._test-mini.z.json", "new")
    assert LocalRoot(tmp_path).locate(FILE).name == f"test-mini.{winner}.json"


def test_all_shards_are_found_sorted(tmp_path: Path) -> None:
    shards = tuple(put(tmp_path / "data" / f"test-{n}.parquet") for n in (0, 1, 2))
    assert LocalRoot(tmp_path).locate_all(declared("mmau/data/*.parquet")) == shards


@pytest.mark.parametrize(("made", "state"), [(None, "which is missing"), ("file", "which is a file"), ("folder", "")])
def test_a_missing_file_is_named_with_its_place_and_source(tmp_path: Path, made: str | None, state: str) -> None:
    root = tmp_path / "root"
    if made == "file":
        put(root)
    elif made == "folder":
        (root / "mmau" / "test-mini.json").mkdir(parents=True)  # a folder of that name is no such file
    with pytest.raises(DataError) as caught:
        LocalRoot(root).locate(FILE)
    message = str(caught.value)
    for part in ("mmau/test-mini.json or mmau/test-mini*.json", str(root), "the GitHub repository", state):
        assert part in message
    assert not LocalRoot(root).has(FILE)


@pytest.mark.parametrize(
    "layout",
    [
        "test-mini-audios/clip 1.wav",
        "mmau/test-mini-audios/clip 1.wav",
        "clip 1.wav",
        "somewhere/deep/below/clip 1.wav",
        "converted/clip 1.flac",
        "converted/clip 1.MP3",
    ],
)
def test_a_clip_is_found_in_any_sensible_layout(tmp_path: Path, layout: str) -> None:
    path = put(tmp_path / layout)
    put(tmp_path / "clip 1.txt")
    found = LocalRoot(tmp_path).audio("./test-mini-audios/clip 1.wav", "mmau/clip 1.wav")
    assert found == AudioRef("test-mini-audios/clip 1.wav", path)


def test_the_id_is_the_first_name_whichever_name_was_found(tmp_path: Path) -> None:
    path = put(tmp_path / "audiocaps" / "abc_30.wav")
    put(tmp_path / "audiocaps" / "abcd_30.wav", "another")
    names = ("AudioCapsLarger/test/Yabc.wav", "audiocaps/Yabc.wav", "audiocaps/abc.wav", "audiocaps/abc_*.wav")
    assert LocalRoot(tmp_path).audio(*names) == AudioRef(names[0], path)
    assert LocalRoot(tmp_path / "audiocaps").audio(*names) == AudioRef(names[0], path)  # by the index


def test_only_a_star_is_special_in_a_name(tmp_path: Path) -> None:
    put(tmp_path / "evaluation" / "a.wav")
    assert not LocalRoot(tmp_path).audio("evaluation/[abc].wav").path.exists()
    assert not LocalRoot(tmp_path).audio("evaluation/?.wav").path.exists()
    path = put(tmp_path / "below" / "[abc] (1)?.wav")
    assert LocalRoot(tmp_path).audio("evaluation/[abc] (1)?.wav").path == path
    assert LocalRoot(tmp_path).audio("evaluation/[abc]*.wav").path == path


def test_a_star_that_fits_two_different_clips_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "abc_30.wav", "one")
    put(tmp_path / "abc_40.wav", "two")
    with pytest.raises(DataError, match=r"abc_30\.wav and .*abc_40\.wav fit its name equally and differ"):
        LocalRoot(tmp_path).audio("Yabc.wav", "abc_*.wav")


def test_accents_are_the_same_in_both_unicode_forms(tmp_path: Path) -> None:
    name = "Café de la Paix.wav"
    path = put(tmp_path / "x" / unicodedata.normalize("NFD", name))
    assert LocalRoot(tmp_path).audio(unicodedata.normalize("NFC", name)).path == path


def test_the_longest_shared_path_suffix_wins(tmp_path: Path) -> None:
    for split in ("development", "evaluation", "validation"):
        put(tmp_path / "clotho" / "v2" / split / "rain.wav", split)
    found = LocalRoot(tmp_path).audio("ClothoV21/evaluation/rain.wav")
    assert found.path.read_text() == "evaluation"


def test_equally_good_clips_must_be_the_same(tmp_path: Path) -> None:
    put(tmp_path / "a" / "rain.wav", "same")
    put(tmp_path / "b" / "rain.wav", "same")
    assert LocalRoot(tmp_path).audio("rain.wav").path == tmp_path / "a" / "rain.wav"
    put(tmp_path / "c" / "rain.wav", "other")
    with pytest.raises(DataError, match="fit its name equally and differ") as caught:
        LocalRoot(tmp_path).audio("test/rain.wav")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "test" / "rain.wav") in str(caught.value)


def test_two_encodings_side_by_side_are_one_clip(tmp_path: Path) -> None:
    put(tmp_path / "a" / "rain.flac", "flac")
    put(tmp_path / "a" / "rain.ogg", "ogg")
    assert LocalRoot(tmp_path).audio("rain.wav").path == tmp_path / "a" / "rain.flac"


def test_a_clip_that_is_nowhere_gets_the_path_expected(tmp_path: Path) -> None:
    put(tmp_path / "rain (1).wav")
    found = LocalRoot(tmp_path).audio("./x//rain.wav", "y/rain.wav")
    assert found == AudioRef("x/rain.wav", tmp_path / "x" / "rain.wav")
    for odd in ("a" * 300 + ".wav", "a\0b.wav"):
        assert LocalRoot(tmp_path).audio(odd).id == odd


def test_names_of_other_systems_and_outside_the_root(tmp_path: Path) -> None:
    path = put(tmp_path / "root" / "clips" / "a.wav")
    put(tmp_path / "a.wav", "outside")
    assert LocalRoot(tmp_path / "root").audio(".\\clips\\a.wav") == AudioRef("clips/a.wav", path)
    assert LocalRoot(tmp_path / "root").audio("/home/someone/data/clips/a.wav").path == path
    assert LocalRoot(tmp_path / "root").audio("/home/someone/data/clips/a.wav").id == "home/someone/data/clips/a.wav"


def test_the_index_passes_over_shadows_and_loops(tmp_path: Path) -> None:
    put(tmp_path / "real" / "a.wav")
    put(tmp_path / "real" / "._a.wav")
    put(tmp_path / ".cache" / "a.wav")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    linked = put(elsewhere / "b.wav")
    (tmp_path / "link").symlink_to(elsewhere)
    index = AudioIndex.scan(tmp_path)
    assert [str(path) for _, path in index.names] == ["real/a.wav", "link/b.wav"]
    assert LocalRoot(tmp_path).audio("b.wav").path.resolve() == linked.resolve()


def test_the_index_is_built_once_by_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(50):
        put(tmp_path / "deep" / f"{i}.wav", str(i))
    built: list[Path] = []
    original = AudioIndex.scan

    def counted(folder: Path) -> AudioIndex:
        built.append(folder)
        return original(folder)

    monkeypatch.setattr(AudioIndex, "scan", staticmethod(counted))
    root = LocalRoot(tmp_path)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda i=i: found.append(root.audio(f"{i}.wav").path.read_text())) for i in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, found)) == list(range(50))
    assert len(built) == 1


def test_a_root_can_be_pickled(tmp_path: Path) -> None:
    put(tmp_path / "deep" / "a.wav")
    root = LocalRoot(tmp_path)
    root.audio("a.wav")
    again = pickle.loads(pickle.dumps(root))
    assert again == root
    assert again.audio("a.wav") == root.audio("a.wav")
    as_tasks_see_it: DataRoot = root
    assert as_tasks_see_it.kind == "real"
    assert as_tasks_see_it.version() is None
