"""Scores of answers in several parts: equal to jiwer's and sacrebleu's; runs with the prompt set and the condition."""

import json
from pathlib import Path

import jiwer
import pytest
from sacrebleu.metrics import BLEU, CHRF
from small_world import alm, model, only_run, refusal, stored, tone

from alm_bench.core import Sample
from alm_bench.core.languages import ItemLanguages
from alm_bench.parsing.parts import get_format
from alm_bench.scoring.part_scores import PartsItem, normalise_transcript, score_parts

REFERENCES = [
    ("Wer hat den alten Hafen gebaut?", "Who built the old harbour?", "The guild", "Die Zunft"),
    ("Wann brannte die Mühle ab?", "When did the mill burn down?", "1788", "1788"),
    ("Wie heißt der Fluss?", "What is the river called?", "Ember", "Ember"),
]
WRITTEN = [
    ("wer hat den alten hafen gebaut", "Who built the old port?", "It was the guild.", "Die Zunft."),
    ("Wann brannte Mühle ab", "When did the mill burn?", "In 1790.", "1788"),
    ("Wie...", "What is...", "Ember...", "Ember"),
]
PARTS = ("transcript", "translation", "response", "answer")


def item(number: int, language: str = "de", **changes: object) -> PartsItem:
    references = dict(zip(PARTS[:3], REFERENCES[number], strict=False))
    sample = Sample(
        str(number), {}, languages=ItemLanguages(question=language, answer=language), metadata={"parts": references}
    )
    text = get_format("xs-cot").write_parts(dict(zip(PARTS, WRITTEN[number], strict=True)))
    values = {"sample": sample, "text": text, "output_format": "xs-cot", **changes}
    return PartsItem(**values)  # type: ignore[arg-type]


def test_each_part_has_the_value_of_the_reference_implementation() -> None:
    metrics, tables = score_parts([item(number) for number in range(3)])
    said = [normalise_transcript(row[0]) for row in WRITTEN[:2]]
    heard = [normalise_transcript(row[0]) for row in REFERENCES[:2]]
    assert metrics["transcript_wer"].value == jiwer.wer(heard, said) == 1 / 11
    assert metrics["transcript_cer"].value == jiwer.cer(heard, said)
    texts, references = [row[1] for row in WRITTEN[:2]], [[row[1] for row in REFERENCES[:2]]]
    assert metrics["translation_chrf"].value == CHRF().corpus_score(texts, references).score
    assert metrics["translation_bleu"].value == BLEU().corpus_score(texts, references).score
    assert {metrics[f"{name}"].n for name in ("transcript_wer", "transcript_cer", "translation_chrf")} == {2}
    assert (metrics["response_contained"].value, metrics["response_contained"].n) == (0.5, 2)
    assert metrics["parts_complete"].value == 1
    assert tables["parts"]["form"] == {"full": 2, "semi": 1}
    assert tables["parts"]["shortened"] == dict.fromkeys(PARTS[:3], 1)


def test_translations_into_languages_that_bleu_splits_differently_have_no_bleu() -> None:
    items = [item(0), item(1)]
    items[1].sample.metadata["core language"] = "zh"  # type: ignore[index]
    metrics, _ = score_parts(items)
    assert metrics["translation_chrf"].value is not None
    assert metrics["translation_bleu"].value is None
    assert "splits differently: 13a, zh" in (metrics["translation_bleu"].reason or "")


def test_languages_without_spaces_have_no_word_error_rate() -> None:
    metrics, _ = score_parts([item(0, "ja")])
    assert metrics["transcript_wer"].value is None
    assert metrics["transcript_cer"].value == 0


def test_what_precedes_the_answer_is_measured() -> None:
    whole = item(0, tokens=40, tokens_before=30, seconds=2.0)
    metrics, tables = score_parts([whole])
    assert (metrics["tokens_before_answer"].value, metrics["seconds_before_answer"].value) == (30, 1.5)
    assert tables["parts"]["counted"] == 1
    estimated, _ = score_parts([item(0, tokens=40, seconds=2.0)])
    share = whole.text.index("Die Zunft.") / len(whole.text)
    assert estimated["tokens_before_answer"].value == pytest.approx(40 * share)
    assert estimated["seconds_before_answer"].value == pytest.approx(2 * share)
    direct, _ = score_parts([item(0, text="Die Zunft.", tokens=4, seconds=1.0)])
    assert direct["tokens_before_answer"].value == direct["seconds_before_answer"].value == 0
    unknown, _ = score_parts([item(0)])
    assert unknown["tokens_before_answer"].reason == "the model reports no tokens"


BODY = """
    audio = AudioPolicy()

    def generate(self, batch, decoding):
        return [Output(self.write(request), extra={"completion_tokens": 20}) for request in batch]

    def count_tokens(self, text):
        return len(text.split(">")) - 1

    def write(self, request):
        n = int(request.id)
        chain = f"<transcript>q {n}</transcript><translation>Question {n}?</translation><response>{n}</response>"
        if "<transcript>" not in request.prompt:
            return "Die Nummer ist die Acht."
        return ("", chain, "<answer>1</answer>")[0 if n == 3 else 1] + (f"<answer>{n}</answer>" if n != 5 else "")
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    codes = ["eng", "cmn", "fra", "jpn", "kor", "rus", "spa", "yue"]
    rows = []
    for number in range(6):
        parts = {
            code: {
                "audio": f"{code}/{number}.wav",
                "question": f"Question {number}?" if code == "eng" else f"q {number}",
                "answer": str(number),
            }
            for code in codes
        }
        rows.append({"index": number, **parts, "label": "Numbers"})
        tone(tmp_path / f"data/ccfqa/fra/{number}.wav", 300 + number)
    (tmp_path / "data/ccfqa/test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path / "data"


def test_a_run_scores_the_answer_and_every_part(data: Path) -> None:
    adapter = model(Path("speaker.py"), BODY)
    options = ("--tasks", "ccfqa", "--task-arg", "ccfqa.question_language=fra", "--data", data)
    run = alm("run", "--model", adapter, *options, "--prompt", "xs-cot", "--json").run
    assert run["metrics"]["accuracy"]["value"] == pytest.approx(5 / 6)
    assert run["metrics"]["transcript_wer"]["value"] == 0
    assert run["metrics"]["translation_chrf"] | {"value": 0} == run["metrics"]["translation_bleu"] | {"value": 0}
    assert run["metrics"]["translation_chrf"]["value"] == pytest.approx(100)
    assert (run["metrics"]["response_contained"]["value"], run["metrics"]["response_contained"]["n"]) == (1, 5)
    assert run["tables"]["parts"]["status"] == {"ok": 4, "missing": 1, "no_answer": 1}
    assert run["status"]["unparsed"] == 1
    assert run["reasons"] == {"parts no_answer": 1}
    tokens = run["metrics"][
        "tokens_before_answer"
    ]  # four items have seven tags before the answer, one has a single tag
    assert (tokens["value"], tokens["n"]) == (pytest.approx((4 * 7 + 1) / 5), 5)
    assert run["tables"]["parts"]["counted"] == 5
    printed = alm("score", "latest", "--details").out
    assert "parts of the outputs" in printed
    assert "by the model's tokenizer for 5 of 6 outputs" in " ".join(printed.split())
    again = stored(only_run(Path("results/runs")))
    assert [record["scores"]["accuracy"] for record in again] == [1, 1, 1, 1, 1, 0], "scored again from the whole text"


def test_conditions_ask_for_the_answer_alone_or_in_parts(data: Path) -> None:
    adapter = model(Path("speaker.py"), BODY)
    options = ("--tasks", "ccfqa", "--task-arg", "ccfqa.question_language=fra", "--data", data)
    ran = alm("noise-ablation", "--model", adapter, *options, "--conditions", "parts:direct,parts:full", "--json")
    direct, full = ran.json["runs"]
    assert (direct["condition"], full["condition"]) == ("parts:direct", "parts:full")
    assert (direct["noise"]["value"], full["noise"]["value"]) == (0, pytest.approx(5 / 6))
    line = refusal(alm("noise-ablation", "--model", adapter, *options, "--conditions", "parts:none"))
    assert "takes one of direct, full, semi" in line
