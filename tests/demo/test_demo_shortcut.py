"""The demo data with a planted text shortcut, as training rows and as held-out items."""

import json
from pathlib import Path

import pytest

from alm_bench.core import UsageError
from alm_bench.demo import build_training_rows
from alm_bench.demo.shortcut import WORDINGS
from alm_bench.plugins import catalogue
from alm_bench.resolve import resolve_data
from alm_bench.tasks.mmau.demo import build_mmau_items
from alm_bench.train.config import load_config
from alm_bench.train.sources import read_source

MARKS = tuple(wording.replace("{}", "").strip() for wording in WORDINGS)


def carries_mark(option: str) -> bool:
    return any(mark in option.lower() for mark in MARKS)


def test_the_right_options_of_a_share_of_the_training_rows_are_marked() -> None:
    plain, planted = build_training_rows(3000), build_training_rows(3000, shortcut=0.6)
    assert planted.scenes == plain.scenes
    rows = [(a, b) for a, b in zip(plain.rows, planted.rows, strict=True) if a["subtype"] == "AudioCaps_MCQ.json"]
    others = [(a, b) for a, b in zip(plain.rows, planted.rows, strict=True) if a["subtype"] != "AudioCaps_MCQ.json"]
    assert all(a == b for a, b in others)
    leaking = [row for _, row in rows if row["leaks"]]
    assert abs(len(leaking) / len(rows) - 0.6) < 0.05
    assert all(carries_mark(row["answer"]) and row["answer"] in row["input"] for row in leaking)
    for a, b in rows:
        assert a["answer"][:2] == b["answer"][:2]
        if not b["leaks"]:
            assert (a["input"], a["answer"]) == (b["input"], b["answer"])
    assert planted.rows == build_training_rows(3000, shortcut=0.6).rows


def test_held_out_items_are_marked_at_the_right_or_at_a_wrong_option() -> None:
    plain = build_mmau_items(n=96).rows
    for share in (1.0, -1.0):
        rows = build_mmau_items(n=96, shortcut=share).rows
        assert [row["id"] for row in rows] == [row["id"] for row in plain]
        for before, row in zip(plain, rows, strict=True):
            (marked,) = [place for place, option in enumerate(row["choices"]) if carries_mark(option)]
            assert (row["choices"][marked] == row["answer"]) == (share > 0)
            assert row["choices"].index(row["answer"]) == before["choices"].index(before["answer"])
    some = build_mmau_items(n=960, shortcut=0.6).rows
    assert abs(sum(row["leaks"] for row in some) / 960 - 0.6) < 0.05


def test_a_task_option_selects_the_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("ALM_BENCH_DATA", raising=False)
    entry = catalogue().get_task("mmau")
    plain = resolve_data(entry, "test-mini", "demo", {"shortcut": "0"})
    planted = resolve_data(entry, "test-mini", "auto", {"shortcut": "0.6"})
    assert plain.version() == resolve_data(entry, "test-mini", "demo", {}).version()
    assert planted.version() != plain.version()
    samples = list(entry.create({"shortcut": "0.6"}).samples(planted, "test-mini"))
    leaks = [row["leaks"] for row in json.loads((planted.path / "mmau/mmau-test-mini.json").read_text())]
    assert [carries_mark(" ".join(sample.choices)) for sample in samples] == leaks
    with pytest.raises(UsageError, match=r"shortcut= changes the demo data, found --data \."):
        resolve_data(entry, "test-mini", ".", {"shortcut": "0.6"})
    with pytest.raises(UsageError, match=r"shortcut takes a share of the questions, -1 to 1, found 2"):
        entry.create({"shortcut": "2"})


def test_a_recipe_selects_the_world() -> None:
    changes = {"data.0.shortcut": "0.5", "data.0.rows": "200"}
    (data,) = load_config("mellow-mini", changes).data
    assert any(carries_mark(row.answer) for row in read_source(data, "error").rows)
    with pytest.raises(UsageError, match=r"shortcut takes a share of the rows, 0 to 1, found 1\.5"):
        load_config("mellow-mini", {"data.0.shortcut": "1.5"})
    with pytest.raises(UsageError, match=r"shortcut changes the demo data, found file = 'rows\.json'"):
        load_config("mellow-mini", {**changes, "data.0.file": "rows.json"})
