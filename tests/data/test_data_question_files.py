"""Question files in the many forms in which people write them: read rightly, or refused in one line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from question_forms import AUDIO, DOG_CAT, OPTIONS, QUESTION, REFUSED, RIGHTLY, TWO

from alm_bench.core import DataError, Sample, UsageError
from alm_bench.plugins import catalogue
from alm_bench.resolve import pick_split


def read(path: Path, **options: str) -> list[Sample]:
    """The questions of a file, as a run asks them."""
    entry = catalogue().get_task(str(path))
    task: Any = entry.create(options)
    split = entry.card.default_split
    return list(task.samples(task.open_root(split), split))


def summarise(sample: Sample) -> tuple[str, tuple[str, ...], Any]:
    return sample.fields["question"], sample.choices, sample.target if sample.targets is None else sample.targets


@pytest.mark.parametrize("shape", RIGHTLY)
def test_a_form_is_read_rightly(shape: str, tmp_path: Path) -> None:
    name, content, options, expected = RIGHTLY[shape]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    samples = read(tmp_path / name, **options)
    assert [summarise(sample) for sample in samples] == expected
    assert all(len(sample.audio) == 1 and sample.skip is None for sample in samples)
    assert len({sample.id for sample in samples}) == len(samples)


@pytest.mark.parametrize("shape", REFUSED)
def test_a_form_is_refused_in_one_line_that_says_what_to_do(shape: str, tmp_path: Path) -> None:
    name, content, options, message = REFUSED[shape]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((DataError, UsageError), match=message) as refused:
        read(tmp_path / name, **options)
    assert "\n" not in str(refused.value)


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_wrong_options_beside_the_answer_are_put_in_an_order_that_the_id_draws(tmp_path: Path) -> None:
    rows = [
        {"id": f"q{n}", "audio": "a.wav", "question": "Which?", "correct_answer": "dog", "distractors": ["cat", "cow"]}
        for n in range(30)
    ]
    first = read(write(tmp_path / "x.json", rows))
    assert all(sample.choices[sample.target] == "dog" and len(sample.choices) == 3 for sample in first)
    assert {sample.target for sample in first} == {0, 1, 2}
    again = {sample.id: sample.choices for sample in read(write(tmp_path / "y.json", rows[::-1]))}
    assert again == {sample.id: sample.choices for sample in first}, "the order of rows changes none"


def test_every_other_column_is_a_group_unless_it_tells_items_apart(tmp_path: Path) -> None:
    rows = [
        {
            **{"id": n, "audio": f"{n}.wav", "question": "Which?", "choices": ["a x", "b x"], "answer": "a x"},
            **{"site": ["wood", "town"][n % 2], "year": 2020 + n % 3, "note": f"note {n}", "tags": ["x"]},
        }
        for n in range(30)
    ]
    samples = read(write(tmp_path / "x.json", rows))
    assert samples[1].groups == {"site": "town", "year": "2021", "clip": "1.wav"}
    named = read(tmp_path / "x.json", group_by="note")
    assert named[1].groups == {"note": "note 1", "clip": "1.wav"}


def test_ids_are_made_of_the_content(tmp_path: Path) -> None:
    row = {"audio": "a.wav", "question": "Which?", "choices": ["x", "y"], "answer": "x"}
    one, two, three = read(write(tmp_path / "x.json", [row, {**row, "audio": "b.wav"}, row]))
    (alone,) = read(write(tmp_path / "y.json", [row]))
    assert one.id == alone.id != two.id
    assert three.id == f"{one.id}-2"


def test_an_item_has_any_number_of_clips(tmp_path: Path) -> None:
    rows = [
        {"audio": ["a.wav", "b.wav", "c.wav"], "question": "Which differs?", "answer": "x"},
        {"audio": "['d.wav', 'e.wav']", "question": "Which differs?", "answer": "x"},
    ]
    assert [[ref.id for ref in sample.audio] for sample in read(write(tmp_path / "x.json", rows))] == [
        ["a.wav", "b.wav", "c.wav"],
        ["d.wav", "e.wav"],
    ]
    columns = [{"audio_1": "a.wav", "audio_2": "b.wav", "audio_3": "", "question": "Louder?", "answer": "x"}]
    assert [ref.id for ref in read(write(tmp_path / "y.json", columns))[0].audio] == ["a.wav", "b.wav"]
    texts = [{"audio": "a.wav; b.wav", "question": "Louder?", "answer": "x"}]
    assert [ref.id for ref in read(write(tmp_path / "w.json", texts))[0].audio] == ["a.wav", "b.wav"]
    pairs = [{"filepath1": "a.wav", "filepath2": "b.wav", "input": "Louder?", "answer": "x"}]
    assert [ref.id for ref in read(write(tmp_path / "z.json", pairs))[0].audio] == ["a.wav", "b.wav"]


def test_clips_are_found_beside_the_file_below_another_root_and_by_the_id(tmp_path: Path) -> None:
    row = {"id": "17", "question": "Which?", "choices": ["x", "y"], "answer": "x"}
    (tmp_path / "far/deep").mkdir(parents=True)
    for name in ("near.wav", "far/deep/there.wav", "17.mp3"):
        (tmp_path / name).write_bytes(b"sound")
    near, there = read(
        write(tmp_path / "x.json", [{**row, "audio": "near.wav"}, {**row, "id": "2", "audio": "there.wav"}])
    )
    assert [near.audio[0].path, there.audio[0].path] == [tmp_path / "near.wav", tmp_path / "far/deep/there.wav"]
    (moved,) = read(write(tmp_path / "y.json", [{**row, "audio": "there.wav"}]), audio_root=str(tmp_path / "far"))
    assert moved.audio[0].path == tmp_path / "far/deep/there.wav"
    (by_id,) = read(write(tmp_path / "z.json", [row]))
    assert by_id.audio[0].path == tmp_path / "17.mp3"
    (absolute,) = read(write(tmp_path / "w.json", [{**row, "audio": str(tmp_path / "near.wav")}]))
    assert absolute.audio[0].path == tmp_path / "near.wav"


def test_a_parquet_file_and_a_data_set_on_disk_hold_their_clips(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "audio": [{"bytes": b"one", "path": "a.wav"}, {"bytes": b"two", "path": "b.wav"}],
        "question": QUESTION,
        "choices": OPTIONS,
        "answer": ["cat", "wren"],
    }
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "birds.parquet")
    pq.write_table(pa.table({**columns, "audio": pa.array([b"one", b"two"])}), tmp_path / "plain.parquet")
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "state.json").write_text("{}")
    with (
        pa.OSFile(str(saved / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as out,
    ):
        out.write_table(table)
    for path in (tmp_path / "birds.parquet", tmp_path / "plain.parquet", saved):
        samples = read(path)
        assert [summarise(sample) for sample in samples] == TWO
        assert [ref.read() for sample in samples for ref in sample.audio if ref.read is not None] == [b"one", b"two"]


def test_embedded_clips_of_one_name_and_other_content_have_ids_of_their_own(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    clips = [{"bytes": content, "path": "001.wav"} for content in (b"one", b"two", b"one")]
    columns = {"audio": clips, "question": [f"Which of {n}?" for n in range(3)], "choices": [list(DOG_CAT)] * 3}
    pq.write_table(pa.table({**columns, "answer": ["dog", "cat", "dog"]}), tmp_path / "x.parquet")
    first, second, third = (sample.audio[0].id for sample in read(tmp_path / "x.parquet"))
    assert first == third == "001.wav"
    assert second.startswith("001-")
    assert second.endswith(".wav")


def test_placeholders_of_clips_are_removed_around_a_question_and_kept_within(tmp_path: Path) -> None:
    turns = ["<audio>\nIs <audio> louder than silence?", "yes"]
    talk = [{"from": role, "value": turn} for role, turn in zip(("human", "gpt"), turns, strict=True)]
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"audio": "a.wav", "conversations": talk}]), encoding="utf-8")
    (sample,) = read(path)
    assert sample.fields["question"] == "Is <audio> louder than silence?"


def test_a_folder_has_splits_or_one_file(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path / "birds/data"
    folder.mkdir(parents=True)
    rows = {"audio": AUDIO, "question": QUESTION, "choices": OPTIONS, "answer": ["cat", "wren"]}
    for name in ("dev-00000-of-00001", "test-00000-of-00002", "test-00001-of-00002"):
        pq.write_table(pa.table(rows), folder / f"{name}.parquet")
    entry = catalogue().get_task(str(tmp_path / "birds"))
    assert entry.card.name == "file:birds"
    assert entry.card.splits == ("dev", "test")
    task: Any = entry.create({})
    assert len(list(task.samples(task.open_root("test"), "test"))) == 4
    with pytest.raises(UsageError, match="has the splits dev, test: name one with --split"):
        pick_split(entry, None)
    other = tmp_path / "one"
    other.mkdir()
    write(other / "metadata.json", [{"audio": "a.wav", "question": "Q?", "answer": "x"}])
    assert len(read(other)) == 1
    assert catalogue().get_task(str(other / "metadata.json")).card.name == "file:one-metadata", (
        "a name that many files have"
    )
    tables = tmp_path / "tables"
    tables.mkdir()
    for name in ("train", "test"):
        (tables / f"{name}.csv").write_text("audio,question,answer\na.wav,Q?,x\n")
    assert catalogue().get_task(str(tables)).card.splits == ("test", "train")
    write(other / "more.json", [])
    with pytest.raises(DataError, match=r"several files .*metadata.json.*: name one"):
        read(other)


def test_faulty_rows_can_be_left_out(tmp_path: Path) -> None:
    rows = [
        {"audio": f"{n}.wav", "question": "Which?", "choices": ["x", "y"], "answer": "z" if n == 1 else "x"}
        for n in range(3)
    ]
    samples = read(write(tmp_path / "x.json", rows), map="bad_rows=skip")
    assert [sample.skip is None for sample in samples] == [True, False, True]
    assert samples[1].skip == "row 2, column answer: 'z' is none of the options (x; y)"


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (
            "mmar/MMAR-meta.first700.jsonl",
            {},
            {
                "uniform guess (expected)": 29.3,
                "first option": 27.6,
                "longest option": 30.0,
                "most frequent letter": 28.9,
            },
        ),
        ("rul/RUL-MuchoMusic.json", {}, {"uniform guess (expected)": 20.0}),
        (
            "af_reasoning/AQA_MCQ.json",
            {},
            {"uniform guess (expected)": 25.0, "first option": 32.9, "longest option": 25.0},
        ),
        (
            "af_reasoning/AQA_Yes_No.json",
            {},
            {"uniform guess (expected)": 50.0, "first option": 47.3, "longest option": 47.3},
        ),
        (
            "af_reasoning/Classification_mini.json",
            {},
            {"uniform guess (expected)": 25.0, "first option": 26.0, "longest option": 34.7},
        ),
        ("speechr/speechr_multi-choice.first500.jsonl", {}, {"first option": 44.2}),
        (
            "sakura/Animal/metadata.csv",
            {"map": "question=single_instruction"},
            {
                "uniform guess (expected)": 25.0,
                "first option": 25.0,
                "longest option": 22.0,
                "most frequent letter": 25.0,
            },
        ),
        ("sakura/Emotion/metadata.json", {"map": "question=single_instruction"}, {"most frequent letter": 25.0}),
        ("ccfqa/test.first1600.jsonl", {"map": "question=fra.question"}, {"most frequent answer": 2.0}),
        ("clotho_aqa/binary_test_hindi.csv", {}, {"always yes": 56.7, "always no": 43.3}),
    ],
)
def test_benchmarks_are_read_by_the_general_rules(
    shared: Path, name: str, options: dict[str, str], expected: dict[str, float]
) -> None:
    from alm_bench.core import Scored

    entry = catalogue().get_task(str(shared / "data" / name))
    task: Any = entry.create(options)
    rows = [Scored(sample, "error", None, None, {}) for sample in task.samples(task.open_root("all"), "all")]
    found = {key: 100 * sum(values) / len(values) for key, values in task.blind_scores(rows).items()}
    assert {key: round(found[key], 1) for key in expected} == expected
