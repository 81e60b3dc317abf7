"""Questions and answers in several languages: language of the answers, tables, paired differences, prompts."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from small_world import alm, only_run, outputs, refusal, replay, stored, tone

from alm_bench.core.languages import ItemLanguages, normalise_language
from alm_bench.core.prompt import load_prompts, render
from alm_bench.core.types import Sample
from alm_bench.reports.blocks import Table, convert_to_cell
from alm_bench.reports.languages import build_language_report
from alm_bench.scoring.answer_language import check_language, detect_language
from alm_bench.scoring.language_table import LanguageTable
from alm_bench.tasks.ccfqa.plugin import LANGUAGES

ROWS = 6

SENTENCES = {
    "eng": "The old harbour was built in the year {year}, as far as the chronicles tell.",
    "cmn": "根据编年史的记载，这座古老的港口建于{year}年。",
    "fra": "Le vieux port a été construit en l'an {year}, d'après les chroniques.",
    "jpn": "年代記によると、この古い港は{year}年に建てられました。",
    "kor": "연대기에 따르면 이 오래된 항구는 {year}년에 지어졌습니다.",
    "rus": "Старая гавань была построена в {year} году, как рассказывают летописи.",
    "spa": "El viejo puerto fue construido en el año {year}, según cuentan las crónicas.",
    "yue": "根據編年史嘅記載，呢個古老嘅港口喺{year}年起好。",
}


def year(number: int) -> int:
    return 1700 + 7 * number


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten questions in eight languages whose answers are years."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/ccfqa"
    rows = []
    for number in range(ROWS):
        parts: dict[str, Any] = {
            code: {"audio": f"{code}/{number}.wav", "question": f"{code} {number}?", "answer": str(year(number))}
            for code in LANGUAGES
        }
        rows.append({"index": number, **parts, "label": "Harbours"})
        for code in LANGUAGES:
            tone(folder / code / f"{number}.wav", 200 + 20 * number, seconds=0.05)
    (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path / "data"


PLACES = {code: place for place, code in enumerate(LANGUAGES)}


def count_right(question: str, answer: str) -> int:
    """The number of questions that the scripted model answers rightly: the first ones."""
    return ROWS if question == answer == "eng" else (PLACES[question] + 2 * PLACES[answer]) % ROWS


def write_answer(number: int, question: str, answer: str) -> str:
    """The scripted model: one of three items is answered with the year alone, one in English, one in the language
    asked."""
    said = year(number) if number < count_right(question, answer) else 1500
    return (str(said), SENTENCES["eng"].format(year=said), SENTENCES[answer].format(year=said))[number % 3]


def test_the_table_of_eight_by_eight_languages_shows_a_scripted_model_to_the_last_digit(data: Path) -> None:
    answers = {f"{n}@{q}-{a}": write_answer(n, q, a) for n in range(ROWS) for q in LANGUAGES for a in LANGUAGES}
    options = ("--task-arg", "ccfqa.question_language=all", "--task-arg", "ccfqa.answer_language=all")
    ran = alm(
        "run", *replay(outputs(Path("said.json"), answers)), "--tasks", "ccfqa", *options, "--data", data, "--json"
    )
    table = ran.run["tables"]["languages"]
    cells = {(cell["question"], cell["answer"]): cell for cell in table["cells"]}
    assert len(cells) == 64
    for q in LANGUAGES:
        for a in LANGUAGES:
            cell, right = cells[normalise_language(q), normalise_language(a)], count_right(q, a)
            assert (cell["n"], cell["score"]["value"]) == (ROWS, pytest.approx(right / ROWS))
            counts = (cell["expected"], cell["other"], cell["unsure"])
            assert counts == ((4, 0, 2) if a == "eng" else (2, 2, 2)), (q, a)
            if (q, a) == ("eng", "eng"):
                assert cell["difference"] is None
            else:
                assert cell["reference"] == ["en", "en"]
                assert cell["difference"]["value"] == pytest.approx(right / ROWS - 1)
    certain = 64 * 4
    metric = ran.run["metrics"]["answer_language"]
    assert (metric["value"], metric["n"]) == (pytest.approx((56 * 2 + 8 * 4) / certain), certain)
    matrix, listed = build_language_report(msgspec.convert(table, LanguageTable))
    assert isinstance(matrix, Table)
    assert isinstance(listed, Table)
    assert [column.title for column in matrix.columns[1:]] == [normalise_language(code) for code in LANGUAGES]
    for q, row in zip(LANGUAGES, matrix.rows, strict=True):
        for a, cell in zip(LANGUAGES, row[1:], strict=True):
            assert convert_to_cell(cell).forms[-1] == f"{100 * count_right(q, a) / ROWS:.1f}"
    japanese = next(row for row in listed.rows if row[:2] == ["Japanese (ja)", "French (fr)"])
    lost = 100 * (count_right("jpn", "fra") / ROWS - 1)
    assert convert_to_cell(japanese[4]).forms[-1] == f"{lost:+.1f}"
    assert japanese[6:] == [2, 2, 2]


def test_models_without_answers_or_with_english_ones(data: Path) -> None:
    options = ("--task-arg", "ccfqa.question_language=all", "--data", data, "--json")
    said = alm("run", "--model", "echo", "--prompt", "letters", "--tasks", "ccfqa", *options).run
    for cell in said["tables"]["languages"]["cells"]:  # it repeats its English prompt
        verdicts = (ROWS, 0) if cell["answer"] == "en" else (0, ROWS)
        assert (cell["expected"], cell["other"], cell["unsure"]) == (*verdicts, 0), cell
        assert cell["score"]["value"] == 0
    assert said["metrics"]["answer_language"]["value"] == pytest.approx(1 / 8)
    blind = alm("run", "--model", "blind", "--tasks", "ccfqa", *options).run
    assert {cell["no_text"] for cell in blind["tables"]["languages"]["cells"]} == {ROWS}
    assert blind["metrics"]["answer_language"]["value"] is None


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "hi", "it", "nl", "pt", "all"])
def test_clotho_aqa_is_asked_in_eight_languages(language: str, shared: Path, tmp_path: Path) -> None:
    """The real questions; the answers of the model are the prompts."""
    words = {
        "de": "Ja oder Nein",
        "es": "sí o no",
        "fr": "oui ou par non",
        "hi": "हाँ",
        "it": "sì o no",
        "nl": "ja of nee",
    }
    data, out = shared / "data", tmp_path / "runs"
    options = ("--task-arg", f"clotho_aqa.language={language}", "--sample", "16", "--prompt", "localized")
    program = tmp_path / "model.py"
    program.write_text(
        "from alm_bench.core import BaseAdapter\n\n\nclass Reader(BaseAdapter):\n    audio = None\n\n"
        "    def answer(self, request):\n        return request.prompt\n",
        encoding="utf-8",
    )
    ran = alm(
        "run", "--model", f"{program}:Reader", "--tasks", "clotho_aqa", *options, "--data", data, "--out", out, "--json"
    )
    cells = ran.run["tables"]["languages"]["cells"]
    assert sum(cell["n"] for cell in cells) == 16
    assert {cell["question"] for cell in cells} == (
        {cell["answer"] for cell in cells} if language == "all" else {language}
    )
    assert all(cell["other"] == 0 for cell in cells)
    for record in stored(only_run(out)):
        assert words.get(record["languages"]["question"], "") in record["prompt"]


def test_differences_to_english_are_over_the_same_questions(tmp_path: Path, shared: Path) -> None:
    lines = (shared / "data/ccfqa/test.first1600.jsonl").read_text(encoding="utf-8").splitlines()[:6]
    (tmp_path / "ccfqa").mkdir()
    (tmp_path / "ccfqa/test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    rows = [json.loads(line) for line in lines]
    answers = {f"{row['index']}@{code}-{code}": row[code]["answer"] for row in rows[:4] for code in ("eng", "jpn")}
    answers |= {f"{row['index']}@{code}-{code}": "?" for row in rows[4:] for code in ("eng",)}
    said = outputs(tmp_path / "said.json", answers)
    run = alm(
        "run", *replay(said), "--tasks", "ccfqa", "--task-arg", "ccfqa.question_language=eng+jpn", "--data", tmp_path,
        "--out", tmp_path / "runs", "--json", "--max-failures", "9",
    ).run  # fmt: skip
    english, japanese = run["tables"]["languages"]["cells"]
    assert english["score"]["value"] == pytest.approx(4 / 6)
    assert japanese["difference"]["n"] == japanese["n"], "the questions that both languages have"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The dog barks at the passing cars.", "en"),
        ("Der Hund bellt die vorbeifahrenden Autos an.", "de"),
        ("Le chien aboie après les voitures.", "fr"),
        ("ニコライ", "ja"),
        ("犬が吠えています", "ja"),
        ("实验室", "zh"),
        ("這隻狗正對著經過的汽車不停地吠叫", "zh"),
        ("東京", None),
        ("고양이", "ko"),
        ("Nein.", "de"),
        ("हाँ", "hi"),
        ("no", None),
        ("Napoleon Bonaparte", None),
        ("1788", None),
        ("", None),
        ("the dog 犬が吠えています", None),
    ],
)
def test_the_language_of_a_text_or_no_guess(text: str, language: str | None) -> None:
    assert detect_language(text).language == language


@pytest.mark.parametrize(
    ("text", "expected", "verdict"),
    [
        ("Der Hund bellt die vorbeifahrenden Autos an.", "deu", "expected"),
        ("The dog barks at the passing cars.", "de", "other"),
        ("no", "de", "other"),  # a word of English, Spanish and Italian
        ("no", "en", "unsure"),
        ("東京", "de", "other"),
        ("東京", "ja", "unsure"),
        ("Napoleon Bonaparte", "ja", "unsure"),  # names are written in Latin letters in many languages
        ("根據編年史嘅記載，呢個古老嘅港口喺海邊。", "yue", "expected"),
    ],
)
def test_an_answer_is_in_the_expected_language_in_another_or_unsure(text: str, expected: str, verdict: str) -> None:
    assert check_language(text, expected) == verdict


def test_a_prompt_set_without_the_language_of_an_item_is_refused(tmp_path: Path, shared: Path) -> None:
    file = tmp_path / "prompts.toml"
    file.write_text('[p]\nversion = 1\ntemplate = "{question}"\n[p.translations]\nde = "Frage: {question}"\n')
    template = load_prompts(file, "birds")["p"]
    german = Sample("1", {"question": "Wer?"}, languages=ItemLanguages(question="deu"))
    assert render(german, template).prompt == "Frage: Wer?"
    assert render(Sample("1", {"question": "Who?"}), template).prompt == "Who?"
    options = ("--task-arg", "clotho_aqa.language=nl", "--prompt", "localised")
    line = refusal(alm("run", "--model", "blind", "--tasks", "clotho_aqa", *options, "--data", shared / "data"))
    assert "localized" in line


def test_one_language_has_no_text_in_a_prompt_set() -> None:
    from alm_bench.core import UsageError
    from alm_bench.core.prompt import PromptTemplate

    template = PromptTemplate("birds/p", 1, "{question}", translations={"de": "{question}"})
    with pytest.raises(UsageError, match="no text in Japanese"):
        render(Sample("1", {"question": "?"}, languages=ItemLanguages(question="ja")), template)
