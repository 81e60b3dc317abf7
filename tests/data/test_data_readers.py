"""Annotation files: what is read, and the one line for each kind of damage."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from alm_bench.core import DataError
from alm_bench.data import check_unique_ids, read_csv, read_json, read_jsonl


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(DataError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@dataclass(frozen=True)
class Item:
    id: str


def test_json_with_and_without_byte_order_mark(tmp_path: Path) -> None:
    assert read_json(put(tmp_path / "a.json", b'\xef\xbb\xbf[{"q": "caf\xc3\xa9"}]')) == [{"q": "café"}]
    assert read_json(put(tmp_path / "b.json", '{"a": [1, null]}')) == {"a": [1, None]}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('[\n {"id": "1"},\n {"id": }\n]', ("line 3, column 9",)),
        ('[{"id": "1"},', ("line 1, column 14", "complete?")),
        ("", ("line 1, column 1",)),
        ("[" * 100_000, ("recursion",)),
        ("[" + "1" * 5_000 + "]", ("4300 digits",)),
        (b'["caf\xe9"]', ("not UTF-8", "byte 5")),
    ],
)
def test_damaged_json(tmp_path: Path, content: str | bytes, parts: tuple[str, ...]) -> None:
    path = put(tmp_path / "a.json", content)
    message = refused(read_json, path)
    assert message.startswith(str(path))
    for part in parts:
        assert part in message


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "No such file" in refused(read_json, tmp_path / "gone.json")
    assert "directory" in refused(read_jsonl, tmp_path)
    assert "No such file" in refused(read_csv, tmp_path / "gone.csv", ["a"])


def test_jsonl(tmp_path: Path) -> None:
    assert read_jsonl(put(tmp_path / "a.jsonl", '{"a": 1}\n\n{"a": 2}')) == [{"a": 1}, {"a": 2}]
    assert "line 3 is not a JSON object" in refused(read_jsonl, put(tmp_path / "b.jsonl", '{"a": 1}\n\n{"a": \n'))
    assert "line 2 is not a JSON object" in refused(read_jsonl, put(tmp_path / "c.jsonl", '{"a": 1}\n[2]\n'))


def test_jsonl_is_parsed_alike_whatever_other_parsers_are_installed(tmp_path: Path) -> None:
    """orjson, which packages of the development tools bring along, refuses both values."""
    (row,) = read_jsonl(put(tmp_path / "a.jsonl", '{"a": NaN, "b": "\\ud800"}'))
    assert str(row["a"]) == "nan"
    assert row["b"] == "\ud800"


def test_csv(tmp_path: Path) -> None:
    huge = "x" * 300_000
    text = f'\ufeffname,caption,extra\r\na.wav,"two, ""or""\r\nthree",1\r\n\r\nb.wav,{huge},\r\n'
    assert read_csv(put(tmp_path / "a.csv", text), ["caption", "name"]) == [
        {"name": "a.wav", "caption": 'two, "or"\r\nthree', "extra": "1"},
        {"name": "b.wav", "caption": huge, "extra": ""},
    ]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("Captions,name\n1,2\n", ("no column 'caption'", "found Captions, name", "expected name, caption")),
        ("name;caption\n1;2\n", ("no column 'name'", "found name;caption")),
        ("", ("no header",)),
        ("name,caption,name\n1,2,3\n", ("'name' 2 times",)),
        ("name,caption\n1,2\n3\n", ("line 3 has 1 fields, expected 2",)),
        ('name,caption\n"1\n1",2\n1,2,3\n', ("line 4 has 3 fields, expected 2",)),
        ('name,caption\n1,"2\n', ("is not CSV", "end of data")),
        (b"name,caption\n1,caf\xe9\n", ("not UTF-8",)),
    ],
)
def test_damaged_csv(tmp_path: Path, content: str | bytes, parts: tuple[str, ...]) -> None:
    message = refused(read_csv, put(tmp_path / "a.csv", content), ["name", "caption"])
    for part in parts:
        assert part in message


def test_the_closest_column_comes_first(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "Dataset,Audio_file,Caption,Zeta\n")
    assert "found Audio_file, " in refused(read_csv, path, ["Audio file"])


def test_unique() -> None:
    items = [Item("a"), Item("b")]
    assert check_unique_ids(iter(items), Path("x.json")) == items
    message = refused(check_unique_ids, [Item(i) for i in "abcbabb"], Path("x.json"))
    assert message.startswith("x.json: the id 'a' occurs 2 times (2 ids repeat)")


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("entailment/clotho_entailment_evaluation.csv", ["Audio file", "Caption", "Entailment"], 1_045),
        ("entailment/audiocaps_entailment_test.csv", ["Audio file", "Neutral", "Contradiction"], 4_875),
        ("difference/cld_evaluation_adiff_sentence_answer.csv", ["filepath1", "filepath2", "answer"], 5_225),
        ("captions/audiocaps_test.csv", ["youtube_id", "start_time", "caption"], 4_875),
    ],
)
def test_real_tables(shared: Path, name: str, columns: list[str], rows: int) -> None:
    found = read_csv(shared / "data" / name, columns)
    assert len(found) == rows
    assert all(row[column] for row in found for column in columns)
