"""A record's line holds whatever a model says, and gives it back as it was."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import cle

from alm_bench.core import AudioRef, Output, Parsed, Sample, StoreError
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.records.grading import complete_record, grade_record
from alm_bench.records.schema import Baseline, PlannedItem, Record


def record(**changes: Any) -> Record:
    sample = Sample(
        id="id-1",
        fields={"question": "Qué?\u2028“x”"},
        audio=(AudioRef("a/b c.wav", Path("data/a/b c.wav")),),
        choices=("Dog", "Cat"),
        target=1,
        gold="Cat",
        groups={"domain": "sound"},
    )
    values: dict[str, Any] = {
        "index": 3,
        "sample": sample,
        "prompt": "p\nq",
        "status": "ok",
        "text": "Cat",
        "parsed": Parsed("ok", "exact", 1, "Cat", (0, 3)),
        "scores": {"accuracy": 1.0},
        "baselines": (Baseline(name="row", option=0),),
        "preprocessing": ("cropped",),
        "seconds": 0.25,
        "extra": {"tokens": 4},
    }
    return Record(**{**values, **changes})


def test_a_line_gives_back_the_record() -> None:
    for each in (record(), record(text=None, parsed=None, status="error", reason="r"), record(seconds=None)):
        line = each.to_json_line()
        assert line.endswith("\n")
        assert line.count("\n") == 1
        assert Record.read(line, "here") == each


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    """Newlines, U+2028, zero bytes, escapes: one line, the same text."""
    line = record(text=text, prompt=text).to_json_line()
    assert line.count("\n") == 1
    found = Record.read(line.encode().decode(), "here")
    assert (found.text, found.prompt) == (text, text)


def test_a_model_that_says_half_a_surrogate_pair_is_stored(tmp_path: Path) -> None:
    task = catalogue().get_task("cle").create()
    sample = next(iter(task.samples(LocalRoot(cle(tmp_path, 1)), "evaluation")))
    said = complete_record(PlannedItem(0, sample, "p"), Output("good \ud83d Cat\u2028"), task)
    assert (said.text, said.status) == ("good ? Cat\u2028", "unparsed")
    assert Record.read(said.to_json_line().encode("utf-8").decode(), "here") == said
    failed = complete_record(
        PlannedItem(0, sample, "p"), Output(None, error="broke\n at \ud83d", extra={"why": "\ud800"}), task
    )
    assert (failed.status, failed.reason) == ("error", "broke at ?")
    assert Record.read(failed.to_json_line().encode("utf-8").decode(), "here") == failed, "also what is stored beside"


def test_extras_that_json_does_not_know_are_stored_as_text() -> None:
    line = record(extra={"logit": np.float32(0.5), "path": Path("x")}).to_json_line()
    assert json.loads(line)["extra"] == {"logit": "0.5", "path": "x"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        '{"id": 1}',
        record().to_json_line().replace('"ok"', '"fine"', 1),
        record().to_json_line()[:-20],
    ],
)
def test_a_line_of_another_shape_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(StoreError, match=r"^samples, line 7: not a record of schema 1 to 2"):
        Record.read(line, "samples, line 7")


@pytest.mark.parametrize(
    ("status", "unusable_clip", "retried"),
    [
        ("ok", False, False),
        ("unparsed", False, False),
        ("refused", False, False),
        ("truncated", False, False),
        ("error", False, True),
        ("error", True, True),
        ("skipped", True, True),
        ("skipped", False, False),
    ],
)
def test_what_a_resumed_run_tries_again(status: Any, unusable_clip: bool, retried: bool) -> None:
    """Whatever the reason says, which is for people to read."""
    for reason in ("audio: the file is missing", "gold not among the options", None):
        assert record(status=status, reason=reason, unusable_clip=unusable_clip).needs_retry is retried


@pytest.mark.parametrize("key", ["fields", "groups", "scores", "baselines", "clip_sizes", "extra"])
def test_a_line_with_something_else_in_a_table_s_place(key: str) -> None:
    line = Record(index=0, sample=Sample("a", {}), prompt="p", status="error").to_json_line()
    for wrong in (None, 3, "text"):
        with pytest.raises(StoreError, match="here: not a record of schema 1 to 2"):
            Record.read(json.dumps({**json.loads(line), key: wrong}), "here")


@pytest.mark.parametrize(
    ("text", "truncated", "status"),
    [
        ("it is plausible", False, "ok"),
        ("it is plausible", True, "ok"),  # cut after the answer
        ("hm", False, "unparsed"),
        ("hm", True, "truncated"),
        ("", False, "unparsed"),
        ("", True, "truncated"),
        (None, True, "error"),
    ],
)
def test_the_status_of_an_answer_survives_scoring_again(
    tmp_path: Path, text: str | None, truncated: bool, status: str
) -> None:
    task = catalogue().get_task("cle").create()
    sample = next(iter(task.samples(LocalRoot(cle(tmp_path, 1)), "evaluation")))
    said = complete_record(PlannedItem(0, sample, "p"), Output(text, truncated=truncated), task)
    assert said.status == status
    assert grade_record(Record.read(said.to_json_line(), "here"), task) == said
