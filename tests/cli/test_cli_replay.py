"""Other programs' files, scored by one command: every shape with the right ids, and nothing scored by the wrong
questions."""

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from output_files import COMPLETE, NUMBERED, TEXTS, nested, openai_batch, texts_by_id, vlmevalkit_xlsx
from small_world import Ran, alm, mmau, only_run, outputs, questions, refusal, replay, stored

from alm_bench.data.outputs import files

COUNT = 12
WRONG = (1, 5, 8)


def asked(count: int = COUNT, prefix: str = "item-") -> list[dict[str, Any]]:
    """Questions with what a model said: the gold's text, but for three items."""
    rows = questions(count)
    for i, row in enumerate(rows):
        other = row["choices"][(row["choices"].index(row["answer"]) + 1) % len(row["choices"])]
        row["said"] = f"I hear it: the answer is {other if i in WRONG else row['answer']}."
        row["id"] = row["id"].replace("item-", prefix)
        row["audio_id"] = row["audio_id"].replace("item-", prefix)
    return rows


def build(shape: str, rows: Any) -> Path:
    """The file of a shape."""
    if shape.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    return {**COMPLETE, **NUMBERED, **TEXTS}[shape](Path(), rows)


def run(file: Path, *arguments: object) -> Ran:
    return alm("run", *replay(file), "--tasks", "mmau", "--json", *arguments)


def matrix(file: Path, *arguments: object) -> Any:
    ran = alm("rescore-matrix", file, "--json", *arguments)
    assert ran.status == 0, ran.err
    return ran.json


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("shape", [*COMPLETE, *TEXTS])
def test_every_shape_is_replayed_with_the_right_ids(shape: str) -> None:
    rows = asked()
    mmau(Path("data"), COUNT, clips=False)
    ran = run(build(shape, rows))
    assert ran.status == 0, ran.err
    assert {row["id"]: row["text"] for row in stored(only_run(Path("results/runs")))} == {
        row["id"]: row["said"] for row in rows
    }
    assert ran.run["metrics"]["accuracy"]["value"] == (COUNT - len(WRONG)) / COUNT
    name = shape.partition(", ")[0]
    assert name == "rows" or f"({name})" in ran.run["identity"]["note"]


@pytest.mark.parametrize("shape", [*COMPLETE, *NUMBERED])
def test_shapes_that_hold_their_questions_need_no_data(shape: str) -> None:
    """Ids that no question of the demo world has: nothing but the file's own questions can have scored them."""
    rows = asked()
    ran = run(build(shape, rows))
    assert ran.status == 0, ran.err
    assert ran.err.count("is scored by the questions that it holds itself") == 1
    assert (ran.run["data"], ran.run["n"], ran.run["skipped"]) == ("real", COUNT, 0)
    assert ran.run["metrics"]["accuracy"]["value"] == (COUNT - len(WRONG)) / COUNT
    assert ran.run["revision"].startswith("of its own (")
    found = stored(only_run(Path("results/runs")))
    ids = [str(i) for i in range(COUNT)] if shape in NUMBERED else [row["id"] for row in rows]
    assert [row["id"] for row in found] == ids
    assert [row["choices"] for row in found] == [row["choices"] for row in rows]
    assert [row["gold"] for row in found] == [row["answer"] for row in rows]


@pytest.mark.parametrize("shape", [*COMPLETE, *NUMBERED])
def test_every_shape_is_rescored(shape: str) -> None:
    found = matrix(build(shape, asked()))
    assert found["format"] == shape.partition(", ")[0]
    first = found["rules"][0]["accuracy"]
    assert (first["value"], first["n"]) == ((COUNT - len(WRONG)) / COUNT, COUNT)


@pytest.mark.parametrize("shape", TEXTS)
def test_texts_alone_are_rescored_by_questions_that_are_named(shape: str) -> None:
    Path("questions.json").write_text(json.dumps(questions(COUNT)))
    file = build(shape, asked())
    found = matrix(file, "--annotations", "questions.json")
    assert found["rules"][0]["accuracy"]["value"] == (COUNT - len(WRONG)) / COUNT
    assert "name the questions with --annotations" in refusal(alm("rescore-matrix", file))


def test_own_questions_have_one_revision_in_every_file() -> None:
    """Two models' files with the same questions stand in one table."""
    rows = [{**row, "id": str(i)} for i, row in enumerate(asked())]
    shapes = ("rows, nested", "MMAR submission, meta", "AudioBench outputs, details")
    assert len({run(build(shape, rows), "--out", shape[:4]).run["revision"] for shape in shapes}) == 1


def test_breakdowns_come_from_the_files_own_rows() -> None:
    file = build("lm-eval or lmms-eval samples, lmms-eval", asked())
    groups = run(file).run["groups"]
    assert sorted(groups["domain"]) == ["music", "sound", "speech"]
    assert sorted(groups["skill"]) == [f"Skill {i}" for i in range(4)]


def test_dotted_paths_name_text_and_id() -> None:
    rows = asked()
    mmau(Path("data"), COUNT, clips=False)
    found = [{"meta": {"key": row["id"]}, "replies": [{"raw": "no"}, {"raw": row["said"]}]} for row in rows]
    Path("odd.json").write_text(json.dumps({"runs": {"outputs": found}}))
    where = ("--model-arg", "column=replies.1.raw", "--model-arg", "id=meta.key")
    ran = run(Path("odd.json"), *where)
    assert ran.run["metrics"]["accuracy"]["value"] == (COUNT - len(WRONG)) / COUNT
    file = openai_batch(Path(), rows)
    Path("q.json").write_text(json.dumps(questions(COUNT)))
    named = ("--column", "response.body.choices.0.message.content", "--id", "custom_id", "--annotations", "q.json")
    assert matrix(file, *named)["rules"][0]["accuracy"]["value"] == (COUNT - len(WRONG)) / COUNT
    said = refusal(alm("rescore-matrix", file, "--column", "response.body.choice.0"))
    assert "no column response.body.choice.0 with the model's text; found" in said
    assert "has no 'custom' to be its id; it has id, custom_id" in refusal(
        alm("rescore-matrix", file, "--id", "custom")
    )


def repeated() -> Path:
    """The first question is answered three times: wrong, wrong, right."""
    rows = asked(2)
    texts = [{"said": "Wind"}, {"said": "Wind"}, {"said": "Rain"}]
    return nested(Path(), [*({**rows[0], **text} for text in texts), {**rows[1], "said": rows[1]["answer"]}])


def test_repeated_ids_are_an_error_that_offers_what_to_do() -> None:
    line = refusal(alm("rescore-matrix", repeated()))
    assert "item 2 repeats the id 'item-000' (it occurs 3 times; 1 ids repeat)" in line
    assert "--duplicates first|last|each" in line
    assert "--duplicates 'none' is unknown" in refusal(alm("rescore-matrix", repeated(), "--duplicates", "none"))
    line = refusal(run(repeated(), "--model-arg", "duplicates=all"))
    assert "option duplicates takes one of error, first, last, each, found 'all'" in line


@pytest.mark.parametrize(("which", "n", "accuracy"), [("first", 2, 0.5), ("last", 2, 1), ("each", 4, 0.5)])
def test_which_output_counts_of_an_id_that_repeats(which: str, n: int, accuracy: float) -> None:
    found = matrix(repeated(), "--duplicates", which)["rules"][0]["accuracy"]
    assert (found["n"], found["value"]) == (n, accuracy)
    own = run(repeated(), "--model-arg", f"duplicates={which}").run
    mmau(Path("data"), 2, clips=False)
    ours = run(repeated(), "--model-arg", f"duplicates={which}", "--fresh").run
    for one in (own, ours):
        assert (one["n"], one["metrics"]["accuracy"]["value"], one["status"]["error"]) == (n, accuracy, 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1, 2]", "found a list with other things in it"),
        ('{\n"a": {"b": 1}}', "no list of rows with a model's text in it"),
        ('[{"id": "a", "heard": "x"}]', "no column model_output or model_prediction"),
        ("words\nand more words", "no column model_output or model_prediction"),
        ("", "holds no outputs"),
        ("PK\x03\x04 and no more", "the archive cannot be read"),
        ('{"id": "a", "model_output": "\\ud800"', "is the file complete?"),
    ],
)
def test_a_file_of_no_known_shape_is_one_line(content: str, says: str) -> None:
    mmau(Path("data"), COUNT, clips=False)
    Path("odd.txt").write_text(content)
    assert says in refusal(run(Path("odd.txt")))
    assert says in refusal(alm("rescore-matrix", "odd.txt"))
    assert not Path("results").exists()


def test_no_common_id_is_one_line() -> None:
    file = texts_by_id(Path(), asked(prefix="x-"))
    line = refusal(run(file))
    assert "texts.json does not answer the questions of mmau (the built-in demo data)" in line
    assert "none of its 12 ids (as 'x-000') is among these questions" in line
    assert "--data FOLDER or --task-arg mmau.annotations=FILE" in line
    mmau(Path("data"), COUNT, clips=False)
    assert "mmau (revision unknown (" in refusal(run(file))
    Path("q.json").write_text(json.dumps(questions(COUNT)))
    assert "none of its 12 ids" in refusal(alm("rescore-matrix", file, "--annotations", "q.json"))
    assert not Path("results").exists()


def revisions() -> tuple[Path, Path]:
    """Two files of questions in one folder: the newer has other options and another id."""
    folder = Path("data/mmau")
    folder.mkdir(parents=True)
    newer = questions(COUNT)
    newer[3]["choices"] = [*newer[3]["choices"][:-1], "Owl"]
    newer[4]["answer"] = newer[4]["choices"][1]
    older = folder / "mmau-test-mini.2001-01-01.json"
    older.write_text(json.dumps(questions(COUNT)))
    (folder / "mmau-test-mini.2002-02-02.json").write_text(json.dumps(newer))
    return older, folder / "mmau-test-mini.2002-02-02.json"


def test_questions_of_another_revision_stop_the_run_and_the_nearest_is_named() -> None:
    older, newer = revisions()
    file = nested(Path(), asked())
    for named in (("--data", "data"), ("--task-arg", f"mmau.annotations={newer}")):
        line = refusal(run(file, *named))
        assert "2 of 12 items have other options or another answer there, as 'item-003'" in line
        assert f"has the most in common (12 items): name it with --task-arg mmau.annotations={older}" in line
    assert run(file, "--task-arg", f"mmau.annotations={older}").run["metrics"]["accuracy"]["value"] == 0.75
    older.unlink()
    assert "without --data and annotations= it is scored by the questions that it holds" in refusal(
        run(file, "--data", "data")
    )
    line = refusal(alm("rescore-matrix", file, "--annotations", newer))
    assert "2 of 12 items have other options or another answer there" in line
    assert run(file).run["metrics"]["accuracy"]["value"] == 0.75, "by its own questions, where no others were named"


def test_options_in_another_order_are_other_options() -> None:
    """A letter would be read as another option."""
    rows = asked()
    mmau(Path("data"), COUNT, clips=False)
    rows[2]["choices"] = rows[2]["choices"][::-1]
    line = refusal(run(nested(Path(), rows), "--data", "data"))
    assert "1 of 12 items have other options or another answer there, as 'item-002'" in line


def test_ids_tell_a_revision_where_the_file_has_nothing_else() -> None:
    rows = questions(COUNT)
    folder = Path("data/mmau")
    folder.mkdir(parents=True)
    (folder / "mmau-test-mini.2001-01-01.json").write_text(json.dumps(rows))
    others = [*rows[:10], *({**row, "id": f"new-{row['id']}"} for row in rows[10:])]
    (folder / "mmau-test-mini.2002-02-02.json").write_text(json.dumps(others))
    file = texts_by_id(Path(), asked())
    line = refusal(run(file))
    assert "2 of its 12 ids (as 'item-010') are not among these questions" in line
    assert "mmau.annotations=data/mmau/mmau-test-mini.2001-01-01.json" in line


def test_many_ids_that_no_question_has_are_other_questions() -> None:
    mmau(Path("data"), COUNT, clips=False)
    file = texts_by_id(Path(), [*asked()[:7], *asked(5, "x-")])
    line = refusal(run(file, "--max-failures", "100%"))
    assert "5 of its 12 ids (as 'x-000') are not among these questions" in line
    more = texts_by_id(Path(), [*asked(), *asked(5, "x-")])
    ran = run(more)
    assert ran.status == 0, "all questions are answered: the others may be another task's"
    assert "5 ids of texts.json are not among the questions, as 'x-000'" in ran.err


def test_no_prompt_decoding_or_clip_is_claimed() -> None:
    mmau(Path("data"), COUNT, clips=False)
    ran = alm("run", *replay(texts_by_id(Path(), asked())), "--tasks", "mmau", "--label", "Acme 7B")
    head = ran.out.splitlines()[2]
    assert "prompt not known; " in head
    assert "decoding not known; " in head
    assert "letters" not in ran.out
    assert "greedy" not in ran.out
    assert "## mmau · Acme 7B" in ran.out
    folder = only_run(Path("results/runs"))
    header = json.loads((folder / "run.json").read_text())
    assert header["prompt"]["id"] == header["spec"]["decoding"]["method"] == header["audio"] == "not known"
    assert {row["prompt"] for row in stored(folder)} == {"not known"}
    for command in (("score", folder), ("leaderboard", "--to", "board"), ("show", folder), ("ls", "runs")):
        again = alm(*command)
        assert again.status == 0, again.err
        assert "greedy" not in again.out
        assert "mmau/letters" not in again.out
    board = "".join(path.read_text() for path in Path().glob("**/leaderboard*"))
    assert "Acme 7B" in board
    assert "letters" not in board


def test_a_label_names_the_model_of_stored_outputs_only() -> None:
    file = nested(Path(), asked())
    assert matrix(file, "--label", "Acme 7B")["model"] == "Acme 7B"
    assert (
        "Acme 7B: 12 outputs of nested.json, scored by the questions that it holds."
        in alm("rescore-matrix", file, "--label", "Acme 7B").out
    )
    line = refusal(alm("run", "--model", "blind", "--tasks", "mmau", "--label", "x"))
    assert "--label x names the model of a replay, found --model blind" in line


def test_a_workbook_without_openpyxl_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile("m.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert ".xlsx needs openpyxl: pip install 'alm-bench[xlsx]', or save it as CSV" in refusal(
        alm("rescore-matrix", "m.xlsx")
    )


def test_a_broken_workbook_is_one_line() -> None:
    pytest.importorskip("openpyxl")
    with zipfile.ZipFile("m.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook")
    assert "m.xlsx: not an .xlsx that can be read" in refusal(alm("rescore-matrix", "m.xlsx"))


def test_ids_of_a_workbook_are_whole_numbers() -> None:
    pytest.importorskip("openpyxl")
    rows = [{**row, "id": i} for i, row in enumerate(asked())]
    run(vlmevalkit_xlsx(Path(), rows))
    assert [row["id"] for row in stored(only_run(Path("results/runs")))] == [str(i) for i in range(COUNT)]


def sample_archive(path: Path, content: bytes, name: str = "samples/a_epoch_1.json") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (
            b" " * 5_000,
            "samples/a_epoch_1.json",
            "unpacks to 5,000 bytes, 5,000 of them in one member",
        ),
        (b"{", "samples/a_epoch_1.json", "a_epoch_1.json is not JSON that can be read"),
        (b"[" * 900, "samples/a_epoch_1.json", "a_epoch_1.json is not JSON that can be read"),
        (b"\xff\xfe{", "samples/a_epoch_1.json", "a_epoch_1.json is not JSON that can be read"),
        (b"[]", "samples/a_epoch_1.json", "samples/a_epoch_1.json is a list, expected an object"),
        (b"{}", "other.json", "found an archive of other things, expected an .xlsx or inspect_ai's .eval"),
    ],
)
def test_hostile_archives_are_one_line(content: bytes, name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_MEMBER_BYTES", 1_000)
    assert says in refusal(alm("rescore-matrix", sample_archive(Path("x.eval"), content, name)))


def test_many_small_members_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 10_000)
    with zipfile.ZipFile("x.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(20):
            archive.writestr(f"samples/{i}_epoch_1.json", b" " * 1_000)
    assert "unpacks to 20,000 bytes" in refusal(alm("rescore-matrix", "x.eval"))


def test_a_damaged_archive_is_one_line() -> None:
    path = sample_archive(Path("x.eval"), json.dumps({"id": "a", "text": "b" * 500}).encode())
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    assert "x.eval: the archive cannot be read" in refusal(alm("rescore-matrix", path))


def test_golds_that_are_no_options_are_not_scored_by() -> None:
    rows = [{"id": "a", "choices": ["x", "y"], "answer": 1, "prediction": "y"}]
    Path("o.json").write_text(json.dumps(rows))
    assert "no answer is among its options (as '1' of x, y)" in refusal(alm("rescore-matrix", "o.json"))
    assert "none of its 1 ids" in refusal(run(Path("o.json")))


def test_a_gold_without_options_tells_other_questions_too() -> None:
    rows = asked()
    mmau(Path("data"), COUNT, clips=False)
    found = [{"id": row["id"], "answer": row["answer"], "prediction": row["said"]} for row in rows]
    Path("o.json").write_text(json.dumps(found))
    assert run(Path("o.json")).status == 0
    found[6]["answer"] = next(text for text in rows[6]["choices"] if text != rows[6]["answer"])
    Path("o.json").write_text(json.dumps(found))
    assert "1 of 12 items have other options or another answer there, as 'item-006'" in refusal(run(Path("o.json")))


def test_log_likelihoods_are_no_texts() -> None:
    rows = [{"doc_id": 0, "doc": {"id": "a"}, "target": 0, "resps": [[[-1.5, False]], [[-2.0, False]]]}]
    Path("samples_x.jsonl").write_text(json.dumps(rows[0]))
    line = refusal(alm("rescore-matrix", "samples_x.jsonl"))
    assert "the text of 'a' is a list of 2, expected text" in line


def test_a_call_that_failed_has_no_text() -> None:
    mmau(Path("data"), 2, clips=False)
    rows = [
        {"custom_id": "item-000", "response": None, "error": {"code": "batch_expired"}},
        {"custom_id": "item-001", "response": {"body": {"choices": [{"message": {"content": "Cat"}}]}}, "error": None},
    ]
    Path("batch.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ran = run(Path("batch.jsonl"))
    assert (ran.status, ran.run["status"]["error"], ran.run["status"]["ok"]) == (1, 1, 1)
    assert ran.run["reasons"] == {"batch.jsonl has a null for this id": 1}


def test_captions_are_replayed_by_ids_alone() -> None:
    found = alm("run", *replay(outputs(Path("c.json"), {"x": "a dog"})), "--tasks", "audiocaps", "--metrics", "rouge_l")
    line = refusal(found)
    assert "none of its 1 ids (as 'x') is among these questions" in line


@pytest.mark.parametrize("system", ["qwen2", "r1-aqa", "qwen2-caption-gpt4o"])
def test_real_outputs_are_scored_by_the_revision_that_they_answered(shared: Path, system: str) -> None:
    official = json.loads((shared / "data/mmau_outputs/official_scores.json").read_text())[system]["overall"]
    file = shared / f"data/mmau_outputs/{system}.json"
    own = run(file)
    assert round(100 * own.run["metrics"]["official_accuracy"]["value"], 2) == official
    assert own.run["revision"] == "2025-03-25", "known by its questions, without the file"
    folder = Path("data/mmau")
    folder.mkdir(parents=True)
    for name in ("2025-03-25", "2025-08-09"):
        shutil.copy(shared / f"data/mmau/mmau-test-mini.{name}.json", folder)
    line = refusal(run(file, "--data", "data"))
    assert "revision 2025-08-09" in line
    assert "2025-03-25 has the most in common (1,000 items)" in line
    named = run(file, "--task-arg", f"mmau.annotations={folder / 'mmau-test-mini.2025-03-25.json'}")
    assert round(100 * named.run["metrics"]["official_accuracy"]["value"], 2) == official
    assert (named.run["revision"], named.run["n"]) == ("2025-03-25", 1000)
