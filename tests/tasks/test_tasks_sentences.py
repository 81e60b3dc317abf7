"""Tasks that are answered in sentences: captioning, and the differences between two clips."""

import json
import shutil
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, model, only_run, outputs, refusal, replay, stored, tone, write_csv

from alm_bench.core.prompt import render
from alm_bench.data import LocalRoot
from alm_bench.plugins import catalogue
from alm_bench.scoring.captions import tokenize_without_java

CAPTIONS = ["audiocap_id", "youtube_id", "start_time", "caption"]
PAIRS = ["taskname", "filepath1", "filepath2", "caption1", "caption2", "input", "answer"]
CHEAP = "cider+rouge_l"
INPUTS = {
    "1": "explain the difference in few words",
    "2": "explain the difference in a sentence",
    "3": "explain the difference in detail",
}
TIER_NAMES = {"1": "fewwords", "2": "sentence", "3": "detail"}
SOUNDS = ("a dog barks", "rain falls on a roof", "a man speaks", "a bell rings twice", "wind blows", "a car passes by")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def audiocaps(root: Path) -> Path:
    rows = [
        [str(10 * n + k), f"clip{n}", str(n), f"{sound}{', ' * (k > 0)}{'again ' * k}".strip()]
        for n, sound in enumerate(SOUNDS)
        for k in range(5)
    ]
    write_csv(root / "captions/audiocaps_test.csv", rows, CAPTIONS)
    for n in range(len(SOUNDS)):
        tone(root / f"AudioCapsLarger/test/Yclip{n}.wav", 200 + 10 * n)
    return root


def pairs(tier: str) -> list[list[str]]:
    clips = [f"ClothoV21/evaluation/{n}.wav" for n in range(len(SOUNDS))]
    said = [f"Audio 1: {one}, audio 2: {other}." for one, other in pairwise(SOUNDS)]
    return [["clothov21", *two, "", "", INPUTS[tier], text] for two, text in zip(pairwise(clips), said, strict=True)]


def cld(root: Path, tier: str = "1") -> Path:
    write_csv(root / f"difference/cld_evaluation_adiff_{TIER_NAMES[tier]}_answer.csv", pairs(tier), PAIRS)
    for n in range(len(SOUNDS)):
        tone(root / f"ClothoV21/evaluation/{n}.wav", 200 + 10 * n)
    return root


def asked(task: str, data: Path, texts: dict[str, Any], *arguments: object) -> Any:
    file = outputs(Path("said.json"), texts)
    where = ("--data", data, "--out", "runs", "--max-failures", "100%", "--json")
    ran = alm("run", *replay(file), "--tasks", task, "--task-arg", f"{task}.metrics={CHEAP}", *where, *arguments)
    assert ran.status == 0, ran.err
    return ran.run


def test_captions_are_scored_against_five_references() -> None:
    run = asked("audiocaps", audiocaps(Path("data")), {f"clip{n}": sound for n, sound in enumerate(SOUNDS)})
    assert (run["n"], run["main"]) == (6, "cider")
    assert run["metrics"]["rouge_l"]["value"] == pytest.approx(1)
    assert run["metrics"]["cider"]["value"] > run["baselines"]["another item's reference"]["cider"]["value"]
    assert run["metrics"]["cider"]["low"] is not None


def test_mellows_opening_is_no_part_of_a_caption() -> None:
    said = {f"clip{n}": f"The audio 1 is {sound}. " for n, sound in enumerate(SOUNDS)}
    asked("audiocaps", audiocaps(Path("data")), said)
    record = stored(only_run(Path("runs")))[0]
    assert record["parsed"]["value"] == "a dog barks."
    start, end = record["parsed"]["span"]
    assert record["text"][start:end] == "a dog barks."


def test_an_item_without_an_answer_is_an_empty_caption() -> None:
    data = audiocaps(Path("data"))
    whole = asked("audiocaps", data, {f"clip{n}": sound for n, sound in enumerate(SOUNDS)})
    half: dict[str, Any] = {f"clip{n}": sound for n, sound in enumerate(SOUNDS[:3])}
    run = asked("audiocaps", data, {**half, "clip3": "", "clip4": "  "}, "--fresh")
    assert run["metrics"]["rouge_l"]["value"] == pytest.approx(whole["metrics"]["rouge_l"]["value"] / 2)
    assert (run["metrics"]["answered"]["value"], run["status"]["error"], run["status"]["unparsed"]) == (0.5, 1, 2)


def test_clips_that_are_gone_are_counted() -> None:
    data = audiocaps(Path("data"))
    (data / "AudioCapsLarger/test/Yclip2.wav").unlink()
    where = ("--data", data, "--missing-audio", "skip", "--task-arg", f"audiocaps.metrics={CHEAP}", "--json")
    run = alm("run", "--model", "echo", "--tasks", "audiocaps", *where).run
    assert (run["n"], run["skipped"]) == (5, 1)
    assert run["metrics"]["cider"]["n"] == 5


def test_clothos_captions_from_either_file(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    header = ["file_name", *(f"caption_{n}" for n in range(1, 6))]
    texts = [f"{SOUNDS[0]} {n} times" for n in range(5)]
    write_csv(own / "captions/clotho_captions_evaluation.csv", [["a.wav", *texts]], header)
    write_csv(other / "entailment/clotho_entailment_evaluation.csv", [["ClothoV2", "a.wav", str(texts), "x", "y", "z"]])
    task = catalogue().get_task("clotho").create()
    found = [list(task.samples(LocalRoot(root), "evaluation")) for root in (own, other)]
    assert found[0][0].target == found[1][0].target == texts
    write_csv(other / "entailment/clotho_entailment_evaluation.csv", [["ClothoV2", "a.wav", "no list", "x", "y", "z"]])
    where = ("--data", other, "--model", "blind", "--tasks", "clotho")
    assert "the captions of a.wav are no list of texts: no list" in refusal(alm("run", *where))


@pytest.mark.parametrize("tier", INPUTS)
def test_each_tier_is_asked_in_its_words(tier: str) -> None:
    entry = catalogue().get_task(f"cld-{tier}")
    samples = list(entry.create().samples(LocalRoot(cld(Path("data"), tier)), "evaluation"))
    assert [sample.id for sample in samples] == [f"{n}+{n + 1}#0" for n in range(5)]
    assert [ref.path.name for ref in samples[0].audio] == ["0.wav", "1.wav"]
    told = {"1": "in few words.", "2": "in one extended sentence.", "3": "in detail."}[tier]
    prompt = render(samples[0], entry.load_prompts()["native"]).prompt
    assert prompt == f"explain the difference between the two audios {told}"
    assert "audio 1 and audio 2" in render(samples[0], entry.load_prompts()["letters"]).prompt


def test_reasonaqas_rows_are_taken_by_tier_and_collection() -> None:
    rows = [dict(zip(PAIRS, row, strict=True)) for tier in INPUTS for row in pairs(tier)]
    for row in rows:
        row["subtype"] = f"CLD-{next(tier for tier, asked in INPUTS.items() if asked == row['input'])}.json"
    others = [{**rows[0], "subtype": "ACD-1.json"}, {**rows[0], "input": "caption the audio", "subtype": "Clotho.json"}]
    file = Path("data/reasonaqa/test.json")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(rows + others))
    for tier in INPUTS:
        samples = list(catalogue().get_task(f"cld-{tier}").create().samples(LocalRoot(Path("data")), "evaluation"))
        assert len(samples) == 5
    (only,) = catalogue().get_task("acd-1").create().samples(LocalRoot(Path("data")), "test")
    assert only.target == [rows[0]["answer"]]
    file.write_text(json.dumps([{"input": "x"}]))
    said = refusal(alm("run", "--model", "blind", "--tasks", "cld-1", "--data", "data"))
    assert "expected a JSON list of objects with filepath1, filepath2, input, answer" in said


def test_an_input_that_asks_for_no_tier_is_refused() -> None:
    data = cld(Path("data"))
    row = pairs("1")[0]
    row[5] = "compare them"
    write_csv(data / "difference/cld_evaluation_adiff_fewwords_answer.csv", [row], PAIRS)
    said = refusal(alm("run", "--model", "blind", "--tasks", "cld-1", "--data", data))
    assert "the input 'compare them' asks for no tier; expected one of explain the difference in few words" in said


def test_an_input_that_is_spelled_out_is_read_too() -> None:
    row = dict(zip(PAIRS, pairs("1")[0], strict=True))
    row |= {"subtype": "CLD-1.json", "input": "Explain the difference between the two audios in few words."}
    file = Path("data/reasonaqa/test.json")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps([row]))
    assert len(list(catalogue().get_task("cld-1").create().samples(LocalRoot(Path("data")), "evaluation"))) == 1
    file.write_text(json.dumps([{**row, "input": "how do they differ?"}]))
    said = refusal(alm("run", "--model", "blind", "--tasks", "cld-1", "--data", "data"))
    assert "'how do they differ?' asks for no tier" in said


def test_runs_with_other_metrics_are_ranked_by_one_that_both_have() -> None:
    data = audiocaps(Path("data"))
    said = {f"clip{n}": sound for n, sound in enumerate(SOUNDS)}
    for name, texts, metrics in (("good", said, "rouge_l"), ("poor", dict.fromkeys(said, "a"), "cider+rouge_l")):
        file = outputs(Path(f"{name}.json"), texts)
        where = ("--data", data, "--task-arg", f"audiocaps.metrics={metrics}")
        assert alm("run", *replay(file), "--tasks", "audiocaps", *where).status == 0
    board = alm("leaderboard").out
    assert "ranked by ROUGE-L" in board
    assert board.index("replay[good]") < board.index("replay[poor]")
    assert "words split by" in alm("score", next(Path("results/runs").glob("*good*"))).out
    shown = alm("show", next(Path("results/runs").glob("*good*")), "--limit", "1").out
    assert shown.count("reference  ") == 5


def test_a_collection_stands_for_its_tasks() -> None:
    assert catalogue().expand_names(["acd", "mmau", "acd-1"]) == ["acd-1", "acd-2", "acd-3", "mmau"]
    for tier in INPUTS:
        cld(Path("data"), tier)
    options = [part for tier in INPUTS for part in ("--task-arg", f"cld-{tier}.metrics=cider")]
    ran = alm("run", "--model", "echo", "--tasks", "cld", "--data", "data", *options)
    assert ran.status == 0, ran.err
    assert [f"| cld-{tier} " in ran.out for tier in INPUTS] == [True] * 3
    assert "| main metric" in ran.out


def test_the_blind_row_shares_no_clip_with_its_item() -> None:
    texts = {f"{n}+{n + 1}#0": f"Audio 1: {SOUNDS[n]}, audio 2: {SOUNDS[n + 1]}." for n in range(5)}
    run = asked("cld-1", cld(Path("data")), texts)
    assert run["metrics"]["rouge_l"]["value"] == pytest.approx(1)
    # "audio 1 ... audio 2" alone is in every answer
    assert run["baselines"]["another item's reference"]["rouge_l"]["value"] < 0.7


# As many sounds as a verdict takes.
MANY = tuple(
    f"{sound} {where}" for sound in SOUNDS for where in ("nearby", "at night", "on a farm", "by the sea", "twice")
)
MANY += ("a cat meows", "thunder rolls")

# Names the tones that it hears on clean clips; what it says in noise is the same of every clip.
LISTENS = f"""
    def answer(self, request):
        import numpy as np
        sounds, heard = {MANY}, []
        for wave in request.waves:
            spectrum = np.abs(np.fft.rfft(wave))
            place = round((np.argmax(spectrum) * 8000 / len(wave) - 200) / 10)
            if spectrum.max() < 20 * np.median(spectrum) or not 0 <= place < len(sounds):
                return "a sound is heard"
            heard.append(sounds[place])
        return heard[0] if len(heard) == 1 else f"Audio 1: {{heard[0]}}, audio 2: {{heard[1]}}."
"""


@pytest.mark.parametrize(("task", "write"), [("audiocaps", audiocaps), ("cld-1", cld)])
def test_noise_has_a_verdict_for_sentences_too(
    task: str, write: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SOUNDS", MANY)
    write(Path("data"))
    asked = (
        "--tasks",
        task,
        "--data",
        "data",
        "--metrics",
        CHEAP.replace("+", ","),
        "--conditions",
        "gaussian,silence",
    )
    for body, verdict in (
        (LISTENS, "grounded"),
        ("    def answer(self, request):\n        return 'a dog barks'\n", "not listening"),
    ):
        listener = model(Path("m.py"), body, audio="AudioPolicy(rate=8000)")
        ran = alm("noise-ablation", "--model", listener, *asked, "--json")
        assert ran.status == 0, ran.err
        assert {(run["verdict"], run["score"]) for run in ran.json["runs"]} == {(verdict, "cider")}


def test_leads_are_by_the_metric_that_items_are_compared_by() -> None:
    data = audiocaps(Path("data"))
    said = {f"clip{n}": sound for n, sound in enumerate(SOUNDS)}
    run = asked("audiocaps", data, said)
    lead, blind = run["margins"]["all"]["all"], run["baselines"]["another item's reference"]["cider"]
    assert (lead["baseline"], lead["metric"], lead["significant"]) == ("another item's reference", "cider", True)
    assert lead["baseline_value"] == pytest.approx(blind["value"])
    assert lead["margin"]["value"] == pytest.approx(run["metrics"]["cider"]["value"] - blind["value"])
    deaf = asked("audiocaps", data, dict.fromkeys(said, "nothing"), "--fresh")
    assert not deaf["margins"]["all"]["all"]["significant"]
    (board,) = (alm("leaderboard", "--out", "runs").out,)
    assert "by CIDEr over another item's reference" in board
    alone = asked("audiocaps", data, {"clip0": SOUNDS[0]}, "--limit", "1")
    assert alone["margins"] == {}, "no other item to take a sentence from"


def test_a_lead_needs_a_metric_that_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    said = {f"clip{n}": sound for n, sound in enumerate(SOUNDS)}
    where = ("--task-arg", "audiocaps.metrics=spice")
    run = asked("audiocaps", audiocaps(Path("data")), said, *where)
    assert run["metrics"]["spice"]["value"] is None
    assert run["margins"] == {}


def test_metrics_are_chosen_for_all_tasks_at_once() -> None:
    cld(audiocaps(Path("data")))
    asked = ("run", "--model", "echo", "--tasks", "audiocaps,cld-1", "--data", "data")
    own = ("--task-arg", "cld-1.metrics=bleu_1")
    runs = alm(*asked, "--metrics", "rouge_l,cider", *own, "--json").json["runs"]
    assert [set(run["metrics"]) - {"answered"} for run in runs] == [{"rouge_l", "cider"}, {"bleu_1"}]
    said = refusal(alm("run", "--model", "echo", "--tasks", "mmau", "--data", "demo", "--metrics", "cider"))
    assert "--metrics: none of mmau is a captioning or open-ended task" in said


COUNTS = """
    def answer(self, request):
        with open("calls", "a") as file:
            file.write(request.id)
        return "a dog barks"
"""


def test_other_metrics_need_no_other_answers() -> None:
    """The model is asked once; `score` computes others of what is stored, too, and remembers which."""
    counts = model(Path("m.py"), COUNTS)
    asked = ("run", "--model", counts, "--tasks", "audiocaps", "--data", audiocaps(Path("data")), "--json")

    def metrics(*command: Any) -> set[str]:
        (run,) = alm(*command).json["runs"]
        return set(run["metrics"]) - {"answered"}

    assert metrics(*asked, "--metrics", "rouge_l") == {"rouge_l"}
    calls = Path("calls").read_text()
    assert metrics(*asked, "--metrics", "bleu_1,cider") == {"bleu_1", "cider"}
    run = only_run(Path("results/runs"))
    assert metrics("score", run, "--json") == {"bleu_1", "cider"}
    assert metrics("score", run, "--metrics", "rouge_l,bleu_4", "--json") == {"rouge_l", "bleu_4"}
    assert metrics("score", run, "--json") == {"rouge_l", "bleu_4"}
    assert Path("calls").read_text() == calls
    assert "unknown metric 'blue'" in refusal(alm("score", run, "--metrics", "blue"))
    refusal(alm("score", run, "--metrics", "cider", "--solvable-by", "nowhere"))
    assert metrics("score", run, "--json") == {"rouge_l", "bleu_4"}, "what was refused is not remembered"
    alm("run", "--model", "echo", "--tasks", "mmau", "--data", "demo", "--limit", 2, "--out", "other")
    said = refusal(alm("score", only_run(Path("other")), "--metrics", "cider"))
    assert "--metrics: none of mmau is a captioning or open-ended task" in said


def test_unknown_metrics_are_refused_before_the_model_works() -> None:
    data = audiocaps(Path("data"))
    where = ("--model", "blind", "--tasks", "audiocaps", "--data", data, "--task-arg", "audiocaps.metrics=spicy")
    assert "metrics=spicy: unknown metric 'spicy'; known: spice" in refusal(alm("run", *where))
    none = (*where[:-1], "audiocaps.metrics=+")
    assert "metrics=+ names no metric; known: cider" in refusal(alm("run", *none))


@pytest.mark.parametrize(
    ("task", "split", "source", "folder", "items"),
    [
        ("audiocaps", "test", "captions", "captions", 975),
        ("clotho", "evaluation", "entailment", "entailment", 1045),
        ("cld-1", "evaluation", "difference", "difference", 5225),
        ("cld-2", "evaluation", "difference", "difference", 5225),
        ("acd-1", "test", "difference", "difference", 4680),
        ("acd-2", "test", "difference", "difference", 4680),
        ("acd-3", "val", "difference", "difference", 2456),
    ],
)
def test_real_annotations_at_full_size(
    shared: Path, tmp_path: Path, task: str, split: str, source: str, folder: str, items: int
) -> None:
    shutil.copytree(shared / "data" / source, tmp_path / folder)
    entry = catalogue().get_task(task)
    samples = list(entry.create().samples(LocalRoot(tmp_path), split))
    assert len({sample.id for sample in samples}) == len(samples) == items
    assert {len(sample.target) for sample in samples} == ({5} if entry.card.kind == "captioning" else {1})
    assert {len(sample.audio) for sample in samples} == {entry.card.clips}


def test_real_differences_are_scored_at_full_size(shared: Path, tmp_path: Path) -> None:
    shutil.copytree(shared / "data/difference", tmp_path / "difference")
    samples = list(catalogue().get_task("cld-1").create().samples(LocalRoot(tmp_path), "evaluation"))
    texts = {one.id: other.target[0] for one, other in zip(samples, [*samples[1:], samples[0]], strict=True)}
    run = asked("cld-1", tmp_path, texts)
    assert (run["n"], run["status"]["ok"]) == (5225, 5225)
    assert 0 < run["metrics"]["rouge_l"]["value"] < 0.6
    assert tokenize_without_java([samples[0].target[0]])[0].startswith("audio 1 has")


def of_differences(name: str, right: int) -> str:
    """The folder of a run that says the true difference of the first `right` pairs, and one word of the others."""
    said = [row[6] if n < right else "thunder" for n, row in enumerate(pairs("1"))]
    ids = [f"{n}+{n + 1}#0" for n in range(len(said))]
    file = outputs(Path(f"{name}.json"), dict(zip(ids, said, strict=True)))
    where = ("--data", cld(Path("data")), "--out", name)
    ran = alm("run", *replay(file), "--tasks", "cld-1", "--metrics", "cider,rouge_l,bleu_1", *where)
    assert ran.status == 0, ran.err
    return str(only_run(Path(name)))


def test_two_runs_of_sentences_are_compared_by_the_scores_that_items_have() -> None:
    weak, strong = of_differences("weak", 1), of_differences("strong", 5)
    cells = {cell["score"]: cell["difference"] for cell in alm("compare", weak, strong, "--json").json["cells"]}
    assert cells.keys() == {"cider", "rouge_l"}  # BLEU is no mean of items
    assert cells["rouge_l"]["second"] == pytest.approx(1)
    assert (cells["rouge_l"]["won"], cells["rouge_l"]["lost"]) == (4, 0)
    assert cells["cider"]["difference"]["value"] > 0
    assert cells["cider"]["p"] == 0.125, "four clips that differ can all lie on one side by luck"
    assert cells["cider"]["difference"]["low"] is None
    ran = alm("compare", strong, weak, "--examples", "9")
    assert (ran.out.count("won by "), ran.out.count("lost by ")) == (0, 4)


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java to split words with")
def test_runs_whose_words_were_split_otherwise_are_not_comparable(monkeypatch: pytest.MonkeyPatch) -> None:
    by_java = of_differences("java", 3)
    monkeypatch.setattr("alm_bench.scoring.java.shutil.which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    by_nltk = of_differences("nltk", 4)
    assert "used different tokenizers (CoreNLP 3.4.1, NLTK)" in refusal(alm("compare", by_java, by_nltk))
    shutil.copytree(by_nltk, Path("java") / Path(by_nltk).name)
    ran = alm("leaderboard", "--out", "java", "--to", "board")
    assert ran.status == 0, ran.err
    titles = [line for line in Path("board/leaderboard.md").read_text().splitlines() if line.startswith("## ")]
    assert [title.rpartition(" · ")[2] for title in titles] == ["words split by CoreNLP 3.4.1", "words split by NLTK"]
