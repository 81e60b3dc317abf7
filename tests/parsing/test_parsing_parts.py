"""Answers in several parts: ten shapes are read or refused with a status; chains are shortened sentence by sentence."""

from pathlib import Path

import pytest

from alm_bench.core import UsageError
from alm_bench.parsing.parts import READ, get_format, read_formats, shorten_sentence, split_sentences

FULL = (
    "<transcript>Wer hat den Hafen gebaut?</transcript>\n<translation>Who built the harbour?</translation>\n"
    "<response>The guild built it.</response>\n<answer>Die Zunft hat ihn gebaut.</answer>"
)
SEMI = (
    "<transcript>Wer hat...</transcript><translation>Who built...</translation><response>The guild...</response>"
    "<answer>Die Zunft hat ihn gebaut.</answer>"
)
LABELS = "Transcript: Wer?\n**Translation:** Who?\n- Response: The guild.\nAnswer: Die Zunft."
OWN = '[own]\nversion = 1\nparts = ["heard", "said"]\nopen = ["[[H]]", "[[S]]"]\nclose = ["[[/H]]", "[[/S]]"]\n'


@pytest.mark.parametrize(
    ("name", "text", "status", "form", "answer"),
    [
        ("xs-cot", FULL, "ok", "full", "Die Zunft hat ihn gebaut."),
        ("xs-cot", SEMI, "ok", "semi", "Die Zunft hat ihn gebaut."),
        ("xs-cot", "<response>The guild.</response><answer>Die Zunft.</answer>", "missing", "partial", "Die Zunft."),
        ("xs-cot", "<answer>Die Zunft.</answer>" + FULL.partition("<answer>")[0], "reordered", "full", "Die Zunft."),
        ("xs-cot", FULL.removesuffix("gebaut.</answer>"), "unclosed", "full", None),
        ("xs-cot", FULL.replace("</response>", ""), "ok", "full", "Die Zunft hat ihn gebaut."),
        ("xs-cot", FULL + "<answer>Der Rat.</answer>", "repeated", "full", None),
        ("xs-cot", FULL.partition("<answer>")[0], "no_answer", "partial", None),
        ("xs-cot", "Die Zunft hat ihn gebaut.", "direct", "direct", "Die Zunft hat ihn gebaut."),
        ("xs-cot-labels", LABELS, "ok", "full", "Die Zunft."),
        ("own", "[[H]]Wer?[[/H]] [[S]]Die Zunft.[[/S]]", "ok", "full", "Die Zunft."),
        ("xs-cot", "", "direct", "direct", ""),
    ],
)
def test_shapes_of_answers_are_read_or_refused_with_a_status(
    name: str, text: str, status: str, form: str, answer: str | None, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    found = get_format(f"{tmp_path / 'own.toml'}:own" if name == "own" else name).split_into_parts(text)
    assert (found.status, found.form, found.answer) == (status, form, answer)
    assert (found.answer is not None) == (found.status in READ)
    if found.answer:
        assert text[found.answer_start :].lstrip().startswith(found.answer)


def test_every_part_of_a_text_is_read() -> None:
    found = get_format("xs-cot").split_into_parts("Certainly!\n" + FULL)
    assert found.texts == {
        "transcript": "Wer hat den Hafen gebaut?",
        "translation": "Who built the harbour?",
        "response": "The guild built it.",
        "answer": "Die Zunft hat ihn gebaut.",
    }
    assert get_format("xs-cot").split_into_parts(SEMI).shortened == ("transcript", "translation", "response")


@pytest.mark.parametrize("name", ["xs-cot", "xs-cot-labels"])
def test_what_is_written_is_read(name: str) -> None:
    form = get_format(name)
    texts = {"transcript": "Wer?", "translation": "Who?", "response": "The guild.", "answer": "Die Zunft."}
    assert form.split_into_parts(form.write_parts(texts)).texts == texts
    assert form.split_into_parts(form.write_parts({"answer": "Die Zunft."})).status == "missing"


def test_a_chain_is_shortened_sentence_by_sentence() -> None:
    form = get_format("xs-cot")
    texts = {
        "transcript": "Who built it? And when was that?",
        "translation": "Who built it?",
        "answer": "The guild did.",
    }
    assert form.count_sentences(texts) == 3
    assert form.shorten_chain(texts, 0, 2) == texts
    assert form.shorten_chain(texts, 1, 2)["transcript"] == "Who built... And when was that?"
    whole = form.shorten_chain(texts, 3, 2)
    assert whole == {
        "transcript": "Who built... And when...",
        "translation": "Who built...",
        "answer": "The guild did.",
    }
    assert form.split_into_parts(form.write_parts({**whole, "response": "No."})).form == "semi"


def test_sentences_and_word_groups() -> None:
    assert split_sentences("It rains. Is it 3.5 mm? 雨が降る。晴れる！") == [
        "It rains.",
        "Is it 3.5 mm?",
        "雨が降る。",
        "晴れる！",
    ]
    assert shorten_sentence("Who built it?", 3, "...") == "Who built it?"
    assert shorten_sentence("この古い港は誰が建てましたか。", 2, "...") == "この古い..."


def test_formats_that_are_not_there_or_not_whole(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known: xs-cot"):
        get_format("xs-cott")
    with pytest.raises(UsageError, match="no such file"):
        get_format(f"{tmp_path}/none.toml:a")
    (tmp_path / "bad.toml").write_text('[a]\nversion = 1\nparts = ["x", "y"]\nopen = ["<x>"]\n', encoding="utf-8")
    with pytest.raises(UsageError, match="one delimiter per part"):
        read_formats(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_text("[a]\nversion = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="expected version, parts"):
        read_formats(tmp_path / "bad.toml")
