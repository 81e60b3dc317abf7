"""`data synthesize` and `data filter` from captions to files: resuming, costs, formats of captions and of answers."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_writer import ScriptedSolver, ScriptedWriter
from typer.testing import CliRunner

from alm_bench.cli.app import app
from alm_bench.core import Decoding, Estimate, Output, Request, UsageError
from alm_bench.core.adapter import AnsweredRequest
from alm_bench.core.errors import DataError
from alm_bench.synthesis.calls import CallStore
from alm_bench.synthesis.captions import read_captions
from alm_bench.synthesis.drafts import Draft, parse_drafts
from alm_bench.synthesis.generate import WritingSettings
from alm_bench.synthesis.pipeline import parse_steps
from alm_bench.synthesis.rows import QuestionRow, format_answer, format_input, read_rows, set_options
from alm_bench.synthesis.service import CaptionSource, Models, SynthesisOptions, filter_files, forecast, synthesize
from alm_bench.train.config import DataConfig, load_config
from alm_bench.train.sources import read_source

SOURCE = CaptionSource(("demo:12",), WritingSettings(type=2), Decoding(max_new_tokens=400))


def make_options(folder: Path) -> SynthesisOptions:
    return SynthesisOptions(folder, parse_steps("all,unsupported=drop"), seed=5, batch=2)


def read_files(folder: Path) -> dict[str, bytes]:
    names = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return {path.name: path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[str]]:
    """Files of an uninterrupted command, and the ids of its calls."""
    folder, writer, solver = tmp_path_factory.mktemp("whole"), ScriptedWriter(), ScriptedSolver()
    synthesize(SOURCE, Models(writer, solver), make_options(folder))
    return read_files(folder), [*writer.calls, *solver.calls]


@pytest.mark.parametrize(("written", "solved"), [(7, None), (None, 30)], ids=["while writing", "while filtering"])
def test_a_killed_command_resumes_without_a_repeated_call(
    finished: tuple[dict[str, bytes], list[str]], tmp_path: Path, written: int | None, solved: int | None
) -> None:
    files, calls = finished
    writer, solver = ScriptedWriter(written), ScriptedSolver(solved)
    with pytest.raises(KeyboardInterrupt):
        synthesize(SOURCE, Models(writer, solver), make_options(tmp_path))
    assert not (tmp_path / "train.json").exists()
    with (tmp_path / "calls.jsonl").open("ab") as file:
        file.write(b'{"key": "torn')
    again = ScriptedWriter(), ScriptedSolver()
    result = synthesize(SOURCE, Models(*again), make_options(tmp_path))
    made = [*writer.calls, *solver.calls, *again[0].calls, *again[1].calls]
    assert Counter(made) == Counter(calls)
    assert max(Counter(made).values()) == 1
    assert result.spending.calls == len(again[0].calls) + len(again[1].calls)
    assert read_files(tmp_path) == files
    idle = ScriptedWriter(), ScriptedSolver()
    synthesize(SOURCE, Models(*idle), make_options(tmp_path))
    assert (idle[0].calls, idle[1].calls) == ([], [])
    assert read_files(tmp_path) == files


def test_another_seed_prompt_or_model_makes_new_calls(tmp_path: Path) -> None:
    options = replace(make_options(tmp_path), steps=())
    synthesize(SOURCE, Models(ScriptedWriter()), options)
    other = ScriptedWriter()
    other.identity = replace(other.identity, weights="2")
    synthesize(SOURCE, Models(other), options)
    general, sampled = ScriptedWriter(), ScriptedWriter()
    synthesize(replace(SOURCE, writing=WritingSettings(type=1)), Models(general), options)
    synthesize(replace(SOURCE, decoding=Decoding("nucleus", 400, seed=1)), Models(sampled), options)
    assert [len(one.calls) for one in (other, general, sampled)] == [24, 24, 24]


def test_rows_are_taken_by_the_trainer(finished: tuple[dict[str, bytes], list[str]], tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(finished[0]["train.json"])
    rows = json.loads(finished[0]["train.json"])
    assert {row["subtype"] for row in rows} == {"AudioCaps_MCQ.json", "AudioCaps_Detail.json"}
    assert {(row["type"], row["writer"]) for row in rows} == {(2, "scripted writer")}
    for row in rows:
        clip = tmp_path / "audio" / row["filepath1"]
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.touch()
    source = read_source(DataConfig(str(path), root=tmp_path / "audio"), "error")
    assert [(row.prompt, row.answer) for row in source.rows] == [(row["input"], row["answer"]) for row in rows]
    read = read_rows(path)
    assert [(format_input(row), format_answer(row)) for row in read] == [(row["input"], row["answer"]) for row in rows]
    assert all(row.target is not None for row in read if row.choices)


def test_the_card_has_figures_before_and_after(finished: tuple[dict[str, bytes], list[str]]) -> None:
    files, _ = finished
    card = json.loads(files["card.json"])
    removed, rows = json.loads(files["removed.json"]), json.loads(files["train.json"])
    assert card["before"]["rows"] == 120 == len(removed) + len(rows)
    assert card["after"]["rows"] == len(rows) == sum(card["after"]["splits"].values())
    assert Counter(row["filter"] for row in removed) == {
        step["name"]: step["dropped"] for step in card["filters"] if step["dropped"]
    }
    words = [len(row["question"].split()) for row in rows if "choices" in row]
    assert card["after"]["forms"]["choice"]["question_words"] == pytest.approx(sum(words) / len(words), abs=0.3)
    assert len(card["examples"]) == 50
    assert {one["input"] for one in card["examples"]} <= {row["input"] for row in rows}
    solver = [card[when]["baselines"]["text-only model (one draw)"]["value"] for when in ("before", "after")]
    assert solver[1] <= solver[0]
    page = files["card.html"].decode()
    assert "<h2>50 rows to read</h2>" in page
    assert ">text_solvable</td>" in page
    assert files["card.md"].decode().startswith("# Questions from captions, type 2\n")


class Unsound(ScriptedWriter):
    """Fails or is refused for some calls, at the first attempt or always."""

    def __init__(self, failing: bool = True) -> None:
        super().__init__()
        self._failing = failing

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> list[Output]:
        return [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> Output:
        self.calls.append(request.id)
        number = int(request.id.partition("Y")[2][:4], 16)
        if number % 3 == 0 and self._failing:
            return Output(None, error="the server is gone")
        if number % 3 == 1:
            return Output("I'm sorry, but I cannot hear the recording.")
        return Output(self._write(request))


def test_failed_calls_are_repeated_and_refused_ones_counted(tmp_path: Path) -> None:
    options = make_options(tmp_path)
    result = synthesize(SOURCE, Models(Unsound()), options)
    assert result.written is not None
    failed, refused = result.written.missing, result.written.refused
    assert failed == len(result.spending.failures) == result.card["failed_calls"] > 0 < refused
    assert f"{failed} calls failed" in (tmp_path / "card.md").read_text(encoding="utf-8")
    again = Unsound(failing=False)
    result = synthesize(SOURCE, Models(again), options)
    assert len(again.calls) == failed
    assert result.written is not None
    assert (result.written.missing, result.written.refused) == (0, refused)


class Priced(ScriptedWriter):
    """Costs a cent per call, and answers as a stream."""

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        return Estimate(100, decoding.max_new_tokens, cost=0.01)

    def stream(self, requests: Iterator[Request], decoding: Decoding) -> Iterator[AnsweredRequest]:
        for request in requests:
            self.calls.append(request.id)
            yield request, Output(self._write(request), extra={"cost": 0.01, "prompt_tokens": 100})


def test_a_dry_run_and_a_cost_limit(tmp_path: Path) -> None:
    options = replace(make_options(tmp_path), max_cost=0.095)
    writer = Priced()
    before = forecast(SOURCE, writer, options)
    assert (before.items, before.calls, before.cost) == (24, 24, 0.24)
    assert before.completion_tokens == 24 * 400
    assert not list(tmp_path.iterdir())
    result = synthesize(SOURCE, Models(writer), options)
    assert len(writer.calls) == 10
    assert result.spending.is_limit_reached
    assert result.card["cost_limit_reached"]
    assert forecast(SOURCE, writer, options).calls == 14
    synthesize(SOURCE, Models(writer), replace(options, max_cost=1.0))
    assert len(writer.calls) == len(set(writer.calls)) == 24
    with pytest.raises(UsageError, match="--max-cost: what a call of scripted writer costs is not known"):
        synthesize(SOURCE, Models(ScriptedWriter()), options)


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"key": 1}\n', encoding="utf-8")
    with pytest.raises(Exception, match="line 1: expected an answer of a model with its key"):
        CallStore(path)


def test_rows_of_a_file_are_filtered(finished: tuple[dict[str, bytes], list[str]], tmp_path: Path) -> None:
    path, out = tmp_path / "rows.json", tmp_path / "out"
    rows = json.loads(finished[0]["train.json"])
    rows += [
        {**rows[0], "input": "What is it? a) rain b) c) wind", "answer": "a) rain", "choices": ["rain", "", "wind"]}
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    result = filter_files([path, path], "train", Models(), SynthesisOptions(out, parse_steps("malformed")))
    assert result.card["filters"][0]["reasons"] == {"empty option": 2}
    assert len(json.loads((out / "train.json").read_text(encoding="utf-8"))) == 2 * len(rows) - 2
    path.write_text('[{"filepath1": "a.wav", "input": "What?"}]', encoding="utf-8")
    with pytest.raises(DataError, match="row 0: field 'answer' is None, expected text"):
        read_rows(path)


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captions.csv").write_text("file,text\nrain.wav,Rain falls on a tin roof.\n", encoding="utf-8")
    (tmp_path / "writer.py").write_text(
        "from alm_bench.core import BaseAdapter\n"
        "class Writer(BaseAdapter):\n"
        "    audio = None\n"
        "    def answer(self, request):\n"
        "        if request.id.endswith('detail'):\n"
        "            raise ValueError('out of ink')\n"
        "        return 'Question: What falls on it?\\na) rain\\nb) hail\\nc) sand\\nd) snow\\nAnswer: a) rain'\n",
        encoding="utf-8",
    )
    command = ["data", "synthesize", "--captions", "captions.csv", "--model", "./writer.py:Writer", "--out", "made"]
    forecasted = CliRunner().invoke(app, [*command, "--dry-run", "--json"])
    assert json.loads(forecasted.stdout)["total"]["calls"] == 2
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 1
    assert "1 calls failed, the first: ValueError: out of ink" in done.stderr
    assert json.loads(done.stdout)["after"]["rows"] == 1
    done = CliRunner().invoke(app, [*command, "--form", "choice", "--type", "3"])
    assert done.exit_code == 0
    (row,) = json.loads((tmp_path / "made/train.json").read_text(encoding="utf-8"))
    assert (row["filepath1"], row["input"]) == (
        "rain.wav",
        "What falls on it? a) rain b) hail c) sand d) snow",
    )
    assert (row["answer"], row["subtype"], row["type"]) == ("a) rain", "captions_MCQ.json", 3)
    filtered = CliRunner().invoke(app, ["data", "filter", "made/train.json", "--filters", "malformed", "--json"])
    assert json.loads(filtered.stdout)["after"]["rows"] == 1
    wrong = CliRunner().invoke(app, [*command, "--type", "4"])
    assert "--type 4 is a mix of the files of types 1 and 2 or 3" in str(wrong.exception)


CHOICE = Draft("What barks?", "b) dog", ("cat", "dog"))


@pytest.mark.parametrize(
    ("text", "drafts", "unreadable"),
    [
        ("Question: What barks?\na) cat\nb) dog\nAnswer: b) dog", [CHOICE], 0),
        ("Sure!\n\n**Question 1:** What barks?\n\n- a) cat\n- b) dog\n\n**Answer:** b) dog", [CHOICE], 0),
        ("1. What barks?\n(a) cat\n(b) dog\nCorrect answer: b) dog\nQuestionable.", [CHOICE], 0),
        ("Q1: What barks? a) cat b) dog\nAnswer: b) dog", [CHOICE], 0),
        ("Question: What barks?\na) cat\nb) dog\n\nQuestion: What meows?\na) cat", [], 2),
        ("Question: What barks?\nAnswer: the dog", [], 1),
        ("Question: What barks?\na) cat\nb)\nc) dog\nAnswer: c", [Draft("What barks?", "c", ("cat", "", "dog"))], 0),
        ('[{"question": "What barks?", "options": ["a) cat", "b) dog"], "answer": "b) dog"}]', [CHOICE], 0),
        (
            '{"list": [{"question": "What barks?", "options": {"a": "cat", "b": "dog"}, "answer": "b) dog"}, 3]}',
            [CHOICE],
            1,
        ),
        ("Nothing of the kind.", [], 0),
        ("", [], 0),
    ],
)
def test_questions_are_read_as_written(text: str, drafts: list[Draft], unreadable: int) -> None:
    parsed = parse_drafts(text, "choice")
    assert list(parsed.drafts) == drafts
    assert parsed.unreadable == unreadable


def test_detailed_answers_are_read_and_a_cut_off_one_is_not() -> None:
    text = "Question: What barks?\nAnswer: A dog barks.\nIt is near.\n\nQuestion: And then?\nA: It sto"
    whole = parse_drafts(text, "detail")
    assert whole.drafts == (Draft("What barks?", "A dog barks. It is near."), Draft("And then?", "It sto"))
    cut = parse_drafts(text, "detail", truncated=True)
    assert (cut.drafts, cut.unreadable) == (whole.drafts[:1], 1)


def test_captions_of_every_form(tmp_path: Path) -> None:
    audiocaps, clotho, own = tmp_path / "train.csv", tmp_path / "dev.csv", tmp_path / "own.csv"
    audiocaps.write_text("audiocap_id,youtube_id,start_time,caption\n1,-Ab,0,A dog barks\n2,-Ab,0,Barking\n", "utf-8")
    clotho.write_text(
        "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\nRain 1.wav,One,Two,Three,Four,Five\n", "utf-8"
    )
    own.write_text('clip,words,part\na.wav,"A  siren\nwails",val\n', "utf-8")
    first, second = read_captions(str(audiocaps), "train")
    assert (first.clip, first.text, first.dataset) == ("AudioCapsLarger/train/Y-Ab.wav", "A dog barks", "AudioCaps")
    assert (second.number, first.id == second.id) == (1, False)
    found = read_captions(str(clotho), "train")
    assert [one.text for one in found] == ["One", "Two", "Three", "Four", "Five"]
    assert {one.clip for one in found} == {"ClothoV21/development/Rain 1.wav"}
    with pytest.raises(UsageError, match="no column of captions among clip, words, part: name it with --map caption="):
        read_captions(str(own), "train")
    (row,) = read_captions(str(own), "train", {"caption": "words", "split": "part"})
    assert (row.clip, row.split, row.dataset) == ("a.wav", "val", "own")
    assert len(read_captions("demo:3", "train")) == 3
    with pytest.raises(DataError, match=r"--captions none\.csv: no such file"):
        read_captions("none.csv", "train")


@pytest.mark.parametrize(("answer", "target"), [("b", 1), ("b) dog", 1), ("Dog.", 1), ("cow", None), ("a) dog", None)])
def test_a_right_option_is_named_in_any_form(answer: str, target: int | None) -> None:
    row = set_options(QuestionRow("a", ("a.wav",), "What barks?", ""), ("cat", "dog"), answer)
    assert (row.target, row.answer) == (target, answer if target is None else "dog")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_recipes_of_the_types_take_synthetic_rows_in_place_of_the_published_ones(number: int) -> None:
    published, synthetic = load_config(f"ablation-data-type-{number}").data
    assert (published.file, published.without) == ("train.json", ("*mcq*", "*detail*"))
    assert (synthetic.file, synthetic.without) == (f"type-{number}.json", ())
