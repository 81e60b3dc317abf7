"""ClothoAQA: three ways of counting yes and no, and one word."""

from pathlib import Path
from typing import Any

import pytest
from small_world import alm, only_run, outputs, refusal, replay, stored, tone, write_csv

from alm_bench.core import DataError, Sample, Scored
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.scoring.grounding import ItemPair, compute_effects
from alm_bench.tasks.clotho_aqa.plugin import OPEN as OPEN_METRICS
from alm_bench.tasks.clotho_aqa.plugin import normalise_answer

HEADER = ["file_name", "QuestionText", "answer", "confidence"]
QUESTIONS = [
    ("a.wav", "Is there a dog?", ("yes", "yes", "yes")),
    ("a.wav", "Is it loud?", ("no", "no", "yes")),
    ("b.wav", "Is there a cat?", ("No", "no", "no")),
    ("b.wav", "What is heard?", ("Dog", "the dog.", "barking")),
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [[clip, question, answer, "yes"] for clip, question, answers in QUESTIONS for answer in answers]
    write_csv(tmp_path / "data/clotho_aqa/clotho_aqa_test.csv", rows, HEADER)
    for clip in ("a.wav", "b.wav"):
        tone(tmp_path / "data/clotho_aqa/audio_files" / clip, 300)
    return tmp_path / "data"


def asked(data: Path, *texts: Any, metrics: str | None = None) -> Any:
    names = ["a.wav#0", "a.wav#1", "b.wav#0", "b.wav#1"]
    file = outputs(Path("said.json"), dict(zip(names, texts, strict=True)))
    where = ("--data", data, "--out", "runs", *(() if metrics is None else ("--metrics", metrics)))
    ran = alm("run", *replay(file), "--tasks", "clotho_aqa", *where, "--fresh", "--json")
    assert ran.status == 0, ran.err
    return ran.run


def values(run: Any) -> list[float]:
    names = ("binary_accuracy", "majority_accuracy", "unanimous_accuracy", "open_accuracy")
    return [run["metrics"][name]["value"] for name in names]


def test_questions_have_their_annotators_answers(data: Path) -> None:
    samples = list(catalogue().get_task("clotho_aqa").create().samples(LocalRoot(data), "test"))
    assert [sample.target for sample in samples] == [
        ["yes"] * 3,
        ["no", "no", "yes"],
        ["no"] * 3,
        ["dog", "dog", "barking"],
    ]
    assert [sample.groups["kind"] for sample in samples] == [
        "yes/no, all three agree",
        "yes/no, two of three",
        "yes/no, all three agree",
        "open",
    ]
    assert [ref.path.name for sample in samples for ref in sample.audio] == ["a.wav", "a.wav", "b.wav", "b.wav"]


def test_rows_majority_and_unanimity(data: Path) -> None:
    right = asked(data, "Yes.", "No, it is quiet.", "no", "A dog!")
    assert values(right) == pytest.approx([8 / 9, 1, 1, 1])
    assert right["metrics"]["unanimous_accuracy"]["n"] == 2
    assert right["main"] == "binary_accuracy"
    wrong = asked(data, "no", "yes", "yes", "cat")
    assert values(wrong) == pytest.approx([1 / 9, 0, 0, 0])
    unread = asked(data, "I cannot tell", "", "yes or no", "")
    assert values(unread) == [0, 0, 0, 0]
    assert unread["metrics"]["answered"]["value"] == 0


def test_blind_rows_by_hand(data: Path) -> None:
    blind = asked(data, "yes", "yes", "yes", "dog")["baselines"]
    always_no = blind["always the more frequent of yes and no"]
    assert always_no["binary_accuracy"]["value"] == pytest.approx(5 / 9)
    assert always_no["majority_accuracy"]["value"] == pytest.approx(2 / 3)
    assert always_no["unanimous_accuracy"]["value"] == 0.5
    assert blind["always the most frequent word"].keys() == set(OPEN_METRICS)


def test_what_is_read_is_stored(data: Path) -> None:
    asked(data, "Yes.", "yes", "no", " The Dog. ")
    records = stored(only_run(Path("runs")))
    assert [record["parsed"]["value"] for record in records] == ["yes", "yes", "no", "dog"]
    assert alm("score", only_run(Path("runs"))).status == 0


def test_tables_and_leaderboards_have_its_figures(data: Path) -> None:
    asked(data, "Yes.", "No", "no", "dog")
    board = alm("leaderboard", "--out", "runs")
    assert board.status == 0, board.err
    assert "yes/no, majority" in board.out
    assert "by yes/no, all over always the more frequent of yes and no" in board.out


OPEN = [
    ("a.wav", "What is heard?", ("Dog", "the dog.", "barking")),
    ("b.wav", "Who speaks?", ("man", "man", "a woman")),
    ("c.wav", "What rings?", ("church bell", "bell", "Bell")),
    ("d.wav", "Is it loud?", ("yes", "yes", "no")),
]


def test_open_answers_have_caption_metrics_for_those_who_ask(data: Path) -> None:
    rows = [[clip, question, answer, "yes"] for clip, question, answers in OPEN for answer in answers]
    write_csv(data / "clotho_aqa/clotho_aqa_test.csv", rows, HEADER)
    for clip, *_ in OPEN:
        tone(data / "clotho_aqa/audio_files" / clip, 300)
    names = [f"{clip}#0" for clip, *_ in OPEN]
    said = dict(zip(names, ["A dog is barking", "the man.", "church bell", "a bell"], strict=True))
    where = ("--tasks", "clotho_aqa", "--data", data, "--json")
    plain = alm("run", *replay(outputs(Path("said.json"), said)), *where).run
    run = alm("run", *replay(Path("said.json")), *where, "--metrics", "cider,rouge_l,bleu_1").run
    told = {"open_cider", "open_rouge_l", "open_bleu_1"}
    assert run["metrics"].keys() - plain["metrics"].keys() == told
    assert "tokenizer" in run["tables"]
    assert run["main"] == "binary_accuracy"
    assert {run["metrics"][name]["n"] for name in told} == {3}, "yes and no are no sentences"
    assert run["metrics"]["open_accuracy"]["value"] == pytest.approx(2 / 3)
    assert run["metrics"]["open_contained"]["value"] == 1, "the sentence holds an annotator's word"
    assert run["metrics"]["open_token_f1"]["value"] == pytest.approx((2 / 4 + 1 + 1) / 3)
    # ROUGE-L by hand: one word of three ("dog is barking") is all of a reference, beta 1.2; the others are one.
    partly = (1 + 1.2**2) * (1 / 3) * 1 / (1 + 1.2**2 * (1 / 3))
    assert run["metrics"]["open_rouge_l"]["value"] == pytest.approx((partly + 1 + 1) / 3)
    assert run["baselines"]["always the most frequent word"].keys() == {*OPEN_METRICS, *told}
    assert run["baselines"]["always the more frequent of yes and no"].keys().isdisjoint(told)
    binary = alm("run", *replay(Path("said.json")), *where, "--metrics", "cider", "--limit", "4")
    assert "open_cider" in binary.run["metrics"]


def test_without_open_questions_there_is_nothing_to_caption(data: Path) -> None:
    write_csv(data / "clotho_aqa/clotho_aqa_test.csv", [["a.wav", "Is it?", "yes", "yes"]] * 3, HEADER)
    file = outputs(Path("said.json"), {"a.wav#0": "yes"})
    ran = alm("run", *replay(file), "--tasks", "clotho_aqa", "--data", data, "--metrics", "cider", "--json")
    assert (ran.status, ran.run["metrics"]["binary_accuracy"]["value"]) == (0, 1)
    assert "open_cider" not in ran.run["metrics"]


def test_the_lead_is_of_yes_and_no_alone(data: Path) -> None:
    run = asked(data, "yes", "no", "no", "cat")
    lead = run["margins"]["all"]["all"]
    assert (lead["baseline"], lead["metric"]) == ("always the more frequent of yes and no", "binary_accuracy")
    assert lead["margin"]["n"] == run["metrics"]["binary_accuracy"]["n"] == 3
    assert lead["baseline_value"] == pytest.approx(5 / 9)
    assert lead["margin"]["value"] == pytest.approx(8 / 9 - 5 / 9)


def answered(sample: Sample, text: str | None) -> Scored:
    """A row as a run leaves it; a failed call has no scores."""
    if text is None:
        return Scored(sample, "error", None, None, {})
    task = catalogue().get_task("clotho_aqa").create()
    parsed = task.parse(sample, text)
    return Scored(sample, "ok", text, parsed, task.grade(sample, text, parsed))


@pytest.mark.parametrize(
    ("noisy", "verdict"), [("always yes", "grounded"), ("same", "not listening"), ("mostly right", "partly")]
)
def test_noise_has_a_verdict_by_yes_and_no(noisy: str, verdict: str) -> None:
    """Forty clips, a yes/no and an open question each, half of them yes; the open ones fail in every run."""
    found = []
    for n in range(40):
        gold = "yes" if n % 2 else "no"
        groups = {"kind": "yes/no, all three agree", "clip": f"{n}.wav"}
        binary = Sample(f"{n}#0", {"question": "is it?"}, target=[gold] * 3, gold=gold, groups=groups)
        opened = Sample(
            f"{n}#1", {"question": "what?"}, target=["dog"] * 3, gold="dog", groups=groups | {"kind": "open"}
        )
        wrong = "no" if gold == "yes" else "yes"
        said = {"always yes": "yes", "same": gold, "mostly right": wrong if n % 5 == 0 else gold}[noisy]
        found.append(ItemPair(answered(binary, gold), [answered(binary, said)]))
        found.append(ItemPair(answered(opened, None), [answered(opened, None)]))
    effect = compute_effects(catalogue().get_task("clotho_aqa").create(), found)["all"]["all"]
    assert (effect.verdict, effect.score, effect.clean.n) == (verdict, "binary_accuracy", 40)


@pytest.mark.parametrize(("text", "word"), [("A Dog!", "dog"), ("the", ""), ("it's raining", "it's raining"), ("", "")])
def test_words_without_case_articles_and_punctuation(text: str, word: str) -> None:
    assert normalise_answer(text) == word


TRANSLATED = [
    ("a.wav", "Ist da ein Hund?", ("Ja", "Ja", "NEIN")),
    ("a.wav", "Ist es laut?", ("NEIN", "NEIN", "NEIN")),
    ("b.wav", "Ist es laut?", ("Ja", "Ja", "Ja")),
    ("b.wav", "Ist es laut?", ("NEIN", "NEIN", "Ja")),  # another question of the file with the same translation
]


@pytest.fixture
def translated(data: Path) -> Path:
    """mClothoAQA's layout beside ClothoAQA's own: German, and English with its one-word questions."""
    german = [[clip, question, answer] for clip, question, answers in TRANSLATED for answer in answers]
    english = [
        [clip, f"English {number // 3}?", {"Ja": "YES"}.get(answer, "NO")]
        for number, (clip, _, answer) in enumerate(german)
    ]
    words = [["b.wav", "What is heard?", word] for word in ("DOG", "THE DOG", "BARKING")]
    write_csv(data / "clotho_aqa/binary_test_german.csv", german, HEADER[:3])
    write_csv(data / "clotho_aqa/binary_test_eng.csv", english, HEADER[:3])
    write_csv(data / "clotho_aqa/single_word_test.csv", words, HEADER[:3])
    return data


def read_samples(root: Path | LocalRoot, **options: str) -> list[Sample]:
    data = LocalRoot(root) if isinstance(root, Path) else root
    return list(catalogue().get_task("clotho_aqa").create(options).samples(data, "test"))


def test_questions_of_another_language_are_told_apart_by_their_rows(translated: Path) -> None:
    german = read_samples(translated, language="de")
    assert [sample.id for sample in german] == ["a.wav#0", "a.wav#1", "b.wav#0", "b.wav#1"]
    assert [sample.target for sample in german] == [["yes", "yes", "no"], ["no"] * 3, ["yes"] * 3, ["no", "no", "yes"]]
    assert {sample.groups["language"] for sample in german} == {"de"}
    english = read_samples(translated, language="en")
    assert [sample.id for sample in english[:4]] == [sample.id for sample in german]
    assert [sample.target for sample in english[:4]] == [sample.target for sample in german]
    assert (english[4].id, english[4].target) == ("b.wav#w0", ["dog", "dog", "barking"])
    assert len(read_samples(translated)) == len(QUESTIONS), "without a language it is ClothoAQA's own file"


def test_answers_in_the_language_and_in_english_are_parsed(translated: Path) -> None:
    names = ["a.wav#0", "a.wav#1", "b.wav#0", "b.wav#1"]
    file = outputs(Path("said.json"), dict(zip(names, ["Ja.", "No.", "Ja, das ist laut.", "Nein"], strict=True)))
    asked = ("--tasks", "clotho_aqa", "--task-arg", "clotho_aqa.language=de", "--data", translated, "--out", "runs")
    run = alm("run", *replay(file), *asked, "--json").run
    assert run["metrics"]["majority_accuracy"]["value"] == 1
    assert run["metrics"]["open_accuracy"]["reason"] == "no items"
    assert run["task_options"] == {"language": "de"}


def test_several_languages_in_one_run_have_a_breakdown(translated: Path) -> None:
    both = read_samples(translated, language="de+en")
    assert len({sample.id for sample in both}) == len(both) == 9
    file = outputs(Path("said.json"), {sample.id: "yes" for sample in both})
    asked = ("--tasks", "clotho_aqa", "--task-arg", "clotho_aqa.language=de+en", "--data", translated, "--out", "runs")
    run = alm("run", *replay(file), *asked, "--json").run
    assert run["groups"]["language"]["de"]["majority_accuracy"]["n"] == 4
    assert set(run["margins"]["language"]) == {"de", "en"}


def test_a_language_that_is_not_there_is_named(translated: Path) -> None:
    asked = ("run", "--model", "echo", "--tasks", "clotho_aqa", "--data", translated, "--task-arg")
    assert "binary_test_italian.csv" in refusal(alm(*asked, "clotho_aqa.language=it"))
    assert "unknown language 'xx'" in refusal(alm(*asked, "clotho_aqa.language=xx"))
    rows = [["a.wav", "Ist da ein Hund?", "Ja"]] * 4
    write_csv(translated / "clotho_aqa/binary_test_german.csv", rows, HEADER[:3])
    with pytest.raises(DataError, match="row 4: 1 rows of 1 questions, expected 3 rows of one"):
        read_samples(translated, language="de")


def test_the_repositorys_files_agree_in_all_languages(shared: Path) -> None:
    answers, ids, root = set(), set(), LocalRoot(shared / "data/clotho_aqa")
    for language in ("nl", "en", "fr", "de", "hi", "it", "pt", "es"):
        binary = [s for s in read_samples(root, language=language) if s.groups["kind"] != "open"]
        answers.add(tuple(tuple(sample.target) for sample in binary))
        ids.add(tuple(sample.id for sample in binary))
    assert len(answers) == len(ids) == 1
    (known,) = answers
    said = [answer for each in known for answer in each]
    assert (said.count("yes"), said.count("no"), sum(len(set(each)) == 1 for each in known)) == (3219, 2457, 1109)
