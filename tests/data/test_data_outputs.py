"""Other programs' output files: what counts as text, as missing and as not such a file."""

import json
from pathlib import Path

import pytest

from alm_bench.core import DataError
from alm_bench.data import read_output_texts

ROWS = [
    {"id": "1", "model_prediction": "Man"},
    {"id": 2, "model_prediction": ""},
    {"id": "3", "model_prediction": None},
    {"audio_id": "./test-mini-audios/4.wav", "model_prediction": 5},
    {"id": None, "audio_id": "5.wav"},
]
EXPECTED = {"1": "Man", "2": "", "3": None, "4": "5", "5": None}


def put(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


@pytest.mark.parametrize("suffix", ["json", "jsonl", "txt"])
@pytest.mark.parametrize("lines", [False, True])
def test_json_and_jsonl_by_content(tmp_path: Path, suffix: str, lines: bool) -> None:
    text = "\n".join(map(json.dumps, ROWS)) if lines else json.dumps(ROWS, indent=1)
    assert read_output_texts(put(tmp_path / f"a.{suffix}", text)) == EXPECTED


def test_csv(tmp_path: Path) -> None:
    text = "audio_id,prediction\nx/a.wav,two\nx/b.wav,\n"
    assert read_output_texts(put(tmp_path / "a.csv", text)) == {"a": "two", "b": ""}


def test_a_data_frames_missing_cell_is_missing(tmp_path: Path) -> None:
    assert read_output_texts(put(tmp_path / "a.json", '[{"id": "1", "prediction": NaN}]')) == {"1": None}


def test_the_column_can_be_named_and_the_first_known_one_wins(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", '[{"id": "1", "prediction": "p", "model_output": "o", "said": "s"}]')
    assert read_output_texts(path) == {"1": "o"}
    assert read_output_texts(path, "said") == {"1": "s"}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('[{"id": "1", "answer": "Man"}]', "no column model_output or model_prediction or prediction"),
        ('[{"id": "1", "answer": "Man"}]', "found id, answer; name the right one"),
        ('[{"id": "1", "prediction": ["a", "b"]}]', "prediction of '1' is a list of 2, expected text"),
        ('[{"id": "1", "prediction": {"a": "b"}}]', "prediction of '1' is a dict, expected text"),
        ('[{"id": "1", "prediction": "a"}, {"id": 1, "prediction": "b"}]', "item 2 repeats the id '1'"),
        ('[{"prediction": "a"}]', "item 1 has neither id nor audio_id"),
        ("[]", "holds no outputs"),
        ("", "holds no outputs"),
        ('{\n "1": {"a": 2}\n}', "found an object with 1, and no list of rows with a model's text in it"),
        ('{"a": [{"prediction": "x"}], "b": [{"prediction": "x"}]}', "holds several lists of rows (a, b)"),
        ("[" * 100_000, "not JSON that can be read"),
        ('{"id": "1"}\n' + '{"a":' * 100_000, "not JSON that can be read"),
        ('["a"]', "a list with other things"),
        ('[{"id": "1", "predi', "line 1, column 14"),
        ('{"id": "1", "prediction": "a"}\n{"id": "2", "predi', "line 2 is not a JSON object"),
        ("just some text\nand more", "found just some text"),
        ("id,prediction,prediction\n1,a,b", "'prediction' 2 times"),
    ],
)
def test_refusals(tmp_path: Path, content: str, part: str) -> None:
    with pytest.raises(DataError) as caught:
        read_output_texts(put(tmp_path / "a.txt", content))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_column_that_is_not_there(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", '[{"id": "1", "model_output": "o"}]')
    with pytest.raises(DataError, match="no column said with the model's text; found id, model_output"):
        read_output_texts(path, "said")


@pytest.mark.parametrize(("system", "empty"), [("r1-aqa", 0), ("qwen2", 1), ("qwen2-caption-gpt4o", 0)])
def test_real_outputs(shared: Path, system: str, empty: int) -> None:
    outputs = read_output_texts(shared / "data" / "mmau_outputs" / f"{system}.json")
    assert len(outputs) == 1_000
    assert list(outputs.values()).count("") == empty
    assert None not in outputs.values()


def test_a_file_of_questions_is_not_taken_for_outputs(shared: Path) -> None:
    with pytest.raises(DataError, match="no column model_output"):
        read_output_texts(shared / "data" / "mmau" / "mmau-test-mini.2025-03-25.json")
