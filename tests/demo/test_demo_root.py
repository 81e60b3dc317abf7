"""Demo data on disk: the real layout and columns, lazy clips, concurrent writers, failing disks."""

import ast
import csv
import dataclasses
import hashlib
import io
import json
import pickle
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from demo_world import World

from alm_bench.core import DataError, DataFile, StoreError, UsageError
from alm_bench.demo import (
    TAGS,
    DatasetRows,
    DemoRoot,
    Scene,
    build_training_rows,
    create_demo_root,
    create_training_root,
    synthesise,
)
from alm_bench.demo.training import ENTAILMENT, MCQ, VERDICTS
from alm_bench.plugins import catalogue
from alm_bench.tasks.mmau.demo import DEMO as MMAU
from alm_bench.tasks.mmau.demo import build_mmau_items
from alm_bench.tasks.reasonaqa.demo import DEMO as REASONAQA
from alm_bench.tasks.reasonaqa.demo import create_test_rows

REASONAQA_SMALL = {"test": 7, "train": 80, "val": 60}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def listed(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


@pytest.mark.parametrize(
    ("ours", "real"),
    [
        ("entailment/clotho_entailment_evaluation.csv", None),
        ("entailment/clotho_entailment_validation.csv", None),
        ("entailment/audiocaps_entailment_test.csv", None),
        ("captions/audiocaps_test.csv", None),
        ("difference/cld_evaluation_adiff_fewwords_answer.csv", None),
        ("difference/cld_evaluation_adiff_sentence_answer.csv", None),
        ("difference/acd_test_adiff_fewwords_answer.csv", None),
        ("difference/acd_test_adiff_sentence_answer.csv", None),
        ("difference/acd_test_adiff_detail_answer.csv", "difference/acd_val_adiff_detail_answer.csv"),
        ("difference/cld_evaluation_adiff_detail_answer.csv", "difference/acd_val_adiff_detail_answer.csv"),
    ],
)
def test_tables_have_the_real_columns(world: World, shared: Path, ours: str, real: str | None) -> None:
    made, known = table(world.file(ours)), table(shared / "data" / (real or ours))
    assert list(made[0]) == list(known[0])
    for column in ("Dataset", "taskname", "start_time", "input"):
        if column in made[0]:
            values = {row[column] for row in made} - {row[column] for row in known}
            assert column == "taskname" or not values or all(value.isdigit() for value in values)


def test_mmau_has_the_real_schema(world: World, shared: Path) -> None:
    made = listed(world.file("mmau/mmau-test-mini.json"))
    known = listed(shared / "data/mmau/mmau-test-mini.2025-08-09.json")
    assert set(made[0]) == set(known[0])
    for key in ("task", "split", "category", "difficulty"):
        assert all(row[key] in [other[key] for other in known[:600]] for row in made[:96])
    assert all(row["answer"] in row["choices"] and len(set(row["choices"])) == len(row["choices"]) for row in made)
    assert all(row["audio_id"] == f"./test-mini-audios/{row['id']}.wav" for row in made)
    assert len({row["id"] for row in made}) == len(made) == 960


def test_default_sizes(world: World) -> None:
    cle = table(world.file("entailment/clotho_entailment_evaluation.csv"))
    ace = table(world.file("entailment/audiocaps_entailment_test.csv"))
    captioned = table(world.file("captions/audiocaps_test.csv"))
    answered = table(world.file("clotho_aqa/clotho_aqa_test.csv"))
    assert (len(cle), len(ace), len(captioned), len(answered)) == (200, 300, 750, 900)
    assert all(len(ast.literal_eval(row["Caption"])) == 5 for row in cle)
    assert set(Counter(row["Audio file"] for row in ace).values()) == {5}
    assert set(Counter(row["youtube_id"] for row in captioned).values()) == {5}
    assert {f"Y{row['youtube_id']}" for row in captioned} > {row["Audio file"] for row in ace}
    texts: dict[str, set[str]] = {}
    for row in captioned:
        texts.setdefault(row["youtube_id"], set()).add(row["caption"])
    assert all(len(five) == 5 for five in texts.values())


NAMED = ("captioning", "clotho_aqa", "difference", "entailment", "mmau", "reasonaqa")
"""Demo data whose files `named_clips` can read; they have clips of more splits than a task reads at once."""


def named_clips(root: DemoRoot) -> set[str]:
    """Every clip that a file of these data names."""
    names = set()
    for path in sorted(root.path.rglob("*.csv")) + sorted(root.path.rglob("*/*.json")):
        if path.parent.name == "scenes":
            continue
        for row in table(path) if path.suffix == ".csv" else listed(path):
            split = path.stem.rpartition("_")[2]
            names |= {row.get("path", ""), row.get("filepath1", ""), row.get("filepath2", "")}
            names |= {f"mmau/{row[key]}" for key in ("audio_id",) if key in row}
            names |= {f"clotho_aqa/audio_files/{row[key]}" for key in ("file_name",) if key in row}
            names |= {f"AudioCapsLarger/test/Y{row[key]}.wav" for key in ("youtube_id",) if key in row}
            if clip := row.get("Audio file"):
                names.add(f"ClothoV21/{split}/{clip}" if clip.endswith(".wav") else f"AudioCapsLarger/test/{clip}.wav")
    return names - {""}


def sampled_clips(name: str, root: DemoRoot) -> set[str]:
    """Every clip of the items of a task whose files `named_clips` does not read."""
    entry = next(entry for entry in catalogue().tasks.values() if (demo := entry.load_demo()) and demo.name == name)
    samples = entry.create().samples(root, entry.card.default_split)
    return {clip.id for sample in samples for clip in sample.audio}


def test_every_named_clip_can_be_synthesised(world: World) -> None:
    for name, root in world.roots.items():
        names = named_clips(root) if name in NAMED else sampled_clips(name, root)
        assert len(names) >= 90, name
        for name in names:
            assert root.get_scene(name).events
            assert root.audio(name).read is not None
    with pytest.raises(DataError, match=r"no clip 'mmau/other\.wav'"):
        world.mmau.get_scene("mmau/other.wav")


def test_clips_are_made_when_read_and_then_kept(world: World) -> None:
    row = listed(world.file("mmau/mmau-test-mini.json"))[0]
    clip = world.mmau.audio("mmau/nowhere.wav", "mmau/" + row["audio_id"])
    assert clip.id == f"mmau/test-mini-audios/{row['id']}.wav"
    assert clip.read is not None
    assert not clip.path.exists()
    content = clip.read()
    assert clip.path.read_bytes() == content == clip.read()
    wave, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert (rate, wave.shape) == (32_000, (320_000,))
    assert soundfile.info(clip.path).subtype == "PCM_16"
    np.testing.assert_allclose(wave, synthesise(world.mmau.get_scene(clip.id)), atol=2**-15)


def test_training_clips_are_not_stored(world: World) -> None:
    clip = world.reasonaqa.audio(listed(world.file("reasonaqa/train.json"))[0]["filepath1"])
    assert clip.read is not None
    assert len(clip.read()) > 640_000
    assert not clip.path.exists()


def test_tasks_share_the_file_of_a_clip_that_they_share(world: World) -> None:
    row = table(world.file("difference/cld_evaluation_adiff_fewwords_answer.csv"))[0]
    clips = [world.roots[name].audio(row["filepath1"]) for name in ("difference", "entailment", "captioning")]
    assert len({clip.path for clip in clips}) == 1
    assert len({clip.content for clip in clips}) == 1


def test_a_clip_is_read_where_it_cannot_be_stored(tmp_path: Path) -> None:
    root = create_demo_root(MMAU, tmp_path, items=24)
    (tmp_path / "clips").write_text("a file where the folder would be")
    read = root.audio("mmau/" + listed(root.path / "mmau/mmau-test-mini.json")[0]["audio_id"]).read
    assert read is not None
    assert len(read()) > 640_000


def test_references_travel_to_other_processes(world: World) -> None:
    row = listed(world.file("mmau/mmau-test-mini.json"))[1]
    copied = pickle.loads(pickle.dumps(world.mmau.audio("mmau/" + row["audio_id"])))
    assert len(copied.read()) > 640_000


def made_in(cache: Path) -> str:
    return str(create_demo_root(MMAU, cache, items=24).path)


def test_concurrent_processes_write_one_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3) as pool:
        paths = set(pool.map(made_in, [tmp_path] * 6))
    assert len(paths) == 1
    (root,) = map(Path, paths)
    assert not [path for path in root.rglob(".*") if path.name != ".lock"]
    stamp = (root / "complete.json").stat().st_mtime_ns
    assert str(root) == made_in(tmp_path)
    assert (root / "complete.json").stat().st_mtime_ns == stamp


def test_half_written_data_are_written_again(tmp_path: Path) -> None:
    root = create_demo_root(MMAU, tmp_path, items=24)
    whole = (root.path / "mmau/mmau-test-mini.json").read_bytes()
    (root.path / "complete.json").unlink()
    (root.path / "mmau/mmau-test-mini.json").write_text("[")
    assert (create_demo_root(MMAU, tmp_path, items=24).path / "mmau/mmau-test-mini.json").read_bytes() == whole


def test_another_version_of_one_demo_makes_new_data_for_its_tasks_alone(tmp_path: Path) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    old, other = create_demo_root(MMAU, tmp_path, items=24), create_demo_root(REASONAQA, tmp_path, **REASONAQA_SMALL)
    before = state()
    new = create_demo_root(dataclasses.replace(MMAU, version="2"), tmp_path, items=24)
    assert new.version() != old.version()
    assert new.path != old.path
    assert create_demo_root(REASONAQA, tmp_path, **REASONAQA_SMALL).version() == other.version()
    assert {path: stamp for path, stamp in state().items() if not path.is_relative_to(new.path)} == before


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write the demo data .*set ALM_BENCH_CACHE") as caught:
        create_demo_root(MMAU, tmp_path / "file" / "cache", items=24)
    assert "\n" not in str(caught.value)


def test_the_cache_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path))
    root = create_demo_root(MMAU, items=24)
    assert root.path.parent == tmp_path / "demo/mmau"
    assert root.kind == "demo"
    assert root.version() in (root.path / "complete.json").read_text()


def test_another_size_is_another_revision(tmp_path: Path) -> None:
    a, b = create_demo_root(MMAU, tmp_path, items=24), create_demo_root(MMAU, tmp_path, items=48)
    assert a.version() != b.version()
    assert a.path != b.path


def test_locate_finds_what_cards_declare(world: World) -> None:
    wanted = DataFile("annotations", ("nothing.json", "mmau/mmau-test-mini*.json"), "somewhere")
    assert world.mmau.locate(wanted) == world.file("mmau/mmau-test-mini.json")
    with pytest.raises(DataError, match="absent"):
        world.mmau.locate(DataFile("rows", ("absent.csv",), "somewhere"))


@pytest.mark.parametrize(("name", "split", "count"), [("mmau", "test-mini", 960), ("cle", "evaluation", 600)])
def test_ordinary_tasks_read_the_demo_world(world: World, name: str, split: str, count: int) -> None:
    entry = catalogue().get_task(name)
    samples = list(entry.create().samples(world.roots[entry.load_demo().name], split))
    assert len(samples) == count
    assert all(sample.target is not None and sample.skip is None for sample in samples)
    assert all(clip.read is not None for sample in samples for clip in sample.audio)


def test_training_prompts_have_the_form_of_evaluation(world: World) -> None:
    asked = {row["input"] for row in listed(world.file("reasonaqa/train.json"))}
    shape = ("template", "option", "join", "lowercase")
    for name, ours in (("mmau", MCQ), ("cle", ENTAILMENT)):
        native = catalogue().get_task(name).load_prompts()["native"]
        assert [getattr(native, key) for key in shape] == [getattr(ours, key) for key in shape]
    assert ENTAILMENT.render({"hypothesis": "A dog is barking."}, VERDICTS) in asked


def test_training_rows_have_reasonaqas_format(world: World) -> None:
    rows = listed(world.file("reasonaqa/train.json"))
    assert len(rows) == 20_000
    keys = {"taskname", "filepath1", "filepath2", "caption1", "caption2", "input", "answer", "subtype"}
    assert all(row.keys() == keys | {"difficulty"} for row in rows)
    kinds = Counter(row["subtype"].split("-")[0].removesuffix(".json") for row in rows)
    asked = {"AudioCaps_MCQ", "AudioCaps_Open", "AudioCaps_Binary", "CLE", "Clotho_AQA"}
    noted = {f"AudioCaps_{about}" for about in ("Pitch", "Tempo", "Time", "Number", "Guess")}
    assert kinds.keys() == asked | noted | {"ACD", "AudioCaps", "AudioCaps_Detail"}
    assert len({kinds[part] for part in noted}) == 1
    for row in rows:
        assert bool(row["filepath2"]) == row["subtype"].startswith("ACD") == bool(row["caption2"])
        if row["subtype"] in ("AudioCaps_MCQ.json", "CLE.json"):
            assert row["input"] == row["input"].lower()
            assert row["answer"] in row["input"]


def test_training_labels_are_balanced(world: World) -> None:
    rows = listed(world.file("reasonaqa/train.json"))
    verdicts = Counter(row["answer"] for row in rows if row["subtype"] == "CLE.json")
    assert len(verdicts) == 3
    assert len(set(verdicts.values())) == 1
    for subtype in ("AudioCaps_Binary.json", "Clotho_AQA.json"):
        said = Counter(row["answer"] for row in rows if row["subtype"] == subtype)
        assert said["yes"] == said["no"] > 0


@pytest.mark.parametrize("n", [60, 61, 99, 1000])
def test_any_number_of_training_rows(n: int) -> None:
    made = build_training_rows(n, seed=n)
    assert len(made.rows) == n
    assert {row["filepath1"] for row in made.rows} <= made.scenes.keys()


def test_too_few_training_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 60 training rows, 7"):
        build_training_rows(7)


def test_rows_made_on_the_fly_can_be_heard(tmp_path: Path) -> None:
    made = build_training_rows(100, seed=5)
    name = made.rows[0]["filepath1"]
    assert create_demo_root(MMAU, tmp_path, items=24).audio(name).read is None
    read = create_training_root(made).audio(name).read
    assert read is not None
    assert len(read()) > 640_000


def test_tags_name_what_the_scenes_hold(world: World) -> None:
    rows = table(world.file("reasonaqa/tags_train.csv"))
    assert {tag for row in rows for tag in row["tags"].split(";")} == set(TAGS)
    assert all(set(row["tags"].split(";")) == world.reasonaqa.get_scene(row["path"]).types for row in rows[:200])


def test_scenes_survive_their_file(world: World) -> None:
    made: DatasetRows = build_mmau_items("test", 24)
    for path, scene in made.scenes.items():
        assert Scene.unpack(json.loads(json.dumps(scene.pack()))) == scene == world.mmau.get_scene(path)


def test_the_worlds_content_is_what_its_version_says() -> None:
    """A failure says that scenes or sounds have changed: raise `WORLD` in scene.py, then put the new values here."""
    made = build_mmau_items("test", 48)
    text = json.dumps([made.rows, [scene.pack() for scene in made.scenes.values()]])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "b44e281ac3c2ff96"
    levels = [round(float(20 * np.log10(np.std(synthesise(scene)))), 1) for scene in list(made.scenes.values())[:6]]
    assert levels == pytest.approx([-31.5, -29.8, -28.9, -32.2, -33.2, -30.9], abs=0.2)


def test_what_is_asked_in_training_is_what_its_version_says() -> None:
    """A failure says that rows have changed: raise `ROWS` in training.py, then put the new value here."""
    text = json.dumps(build_training_rows(100).rows)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "d6534f719a569aec"


def test_reasonaqas_test_rows_are_what_their_number_says() -> None:
    """A failure says that rows have changed: see `test_every_demo_is_what_its_version_says`."""
    made = create_test_rows(24)
    text = json.dumps([made.rows, [scene.pack() for scene in made.scenes.values()]])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "8c8be67f68e96014"


DIGESTS = {
    "af_reasoning": "259380ec6cb67cca",
    "air_bench_foundation": "47d7019a9d99be17",
    "captioning": "4d2ea8441d7b34ef",
    "clotho_aqa": "4f8ded006e8f95df",
    "difference": "008240ada23e46e0",
    "entailment": "56c9406bd1336480",
    "mmar": "4defdb867b70ea01",
    "mmau": "6266988de8efaa6c",
    "mmau_pro": "589aa1f2f1c969fd",
    "mmsu": "6a54e0ae50083a8c",
    "reasonaqa": "56d24d3417212f63",
    "speechr": "72836cf22baea187",
    "trea": "882739fdf390983d",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_every_demo_is_what_its_version_says(world: World, name: str) -> None:
    """A failure says that files or scenes have changed: change the version of this `tasks/*/demo.py`, then put the new
    value here. The first version's values are those of the files that were made when all tasks had one version."""
    digest = hashlib.sha256()
    for path in sorted(world.roots[name].path.rglob("*")):
        if path.is_file() and path.name not in (".lock", "complete.json"):
            digest.update(path.relative_to(world.roots[name].path).as_posix().encode() + path.read_bytes())
    assert digest.hexdigest()[:16] == DIGESTS[name]
