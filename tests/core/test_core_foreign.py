"""Numbers, texts and JSON of others: what is none is refused, and what is written is valid."""

import json

import pytest

from alm_bench.core.foreign import dump_json, parse_json, parse_whole_number


@pytest.mark.parametrize("text", ["²", "٣", "-1", "+1", "1_0", "1.0", "", " ", "9" * 5000, "x", "１"])
def test_what_is_no_whole_number(text: str) -> None:
    assert parse_whole_number(text) is None


def test_whole_numbers() -> None:
    assert [parse_whole_number(text) for text in ("0", " 12 ", "007")] == [0, 12, 7]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000, "{", ""], ids=range(5))
def test_json_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**5000, {(1, 2): 3}], ids=["nan", "inf", "digits", "key"]
)
def test_values_that_json_does_not_have(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        dump_json({"a": [value]})


def test_nesting_without_end_is_a_value_error() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match=r"."):
        dump_json(deep)


def test_what_is_written_is_utf8() -> None:
    assert json.loads(dump_json({"é": "a\ud800b"}).encode()) == {"é": "a\ud800b"}
