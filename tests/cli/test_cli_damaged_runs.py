"""A run that cannot be read blocks no other: it is left out of lists and leaderboards, and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_world import Ran, alm, mmau, only_run, outputs, questions, replay

RUNS = Path("results/runs")


@pytest.fixture(autouse=True)
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One to be damaged (`blind`), one that stays (`replay[said]`), and a third to compare that with."""
    monkeypatch.chdir(tmp_path)
    mmau(Path("data"))
    for name, every in (("said", 1), ("less", 2)):
        texts = {row["id"]: row["answer"] for i, row in enumerate(questions(12)) if i % every == 0}
        assert alm("run", *replay(outputs(Path(f"{name}.json"), texts)), "--tasks", "mmau", "--max-failures", 12)
    assert alm("run", "--model", "blind", "--tasks", "mmau").status == 0


def damaged() -> Path:
    (folder,) = RUNS.glob("mmau-blind*")
    return folder


def changed(name: str, change: Callable[[Any], Any]) -> Callable[[Path], object]:
    """A JSON file of the run with something else in it."""

    def harm(folder: Path) -> object:
        return (folder / name).write_text(json.dumps(change(json.loads((folder / name).read_text()))))

    return harm


def without(*path: str) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        at = value["runs"][0] if "runs" in value else value
        for part in path[:-1]:
            at = at[part]
        del at[path[-1]]
        return value

    return change


def truncate(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:100])


def break_a_line(folder: Path) -> None:
    lines = (folder / "samples.jsonl").read_text().splitlines()
    lines[3] = "not JSON"
    (folder / "samples.jsonl").write_text("".join(line + "\n" for line in lines))


def loop(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").symlink_to("run.json")


HEADERS: dict[str, Callable[[Path], object]] = {
    "malformed JSON, line": truncate("run.json"),
    "required field `fingerprint`": lambda folder: (folder / "run.json").write_text('{"schema_version": 2}'),
    "schema version 99": changed("run.json", lambda value: {**value, "schema_version": 99}),
    "Expected `object`, got `str` - at `$.identity`": changed("run.json", lambda value: {**value, "identity": "x"}),
    "brackets are nested too deeply": lambda folder: (folder / "run.json").write_text("[" * 100_000),
    "not UTF-8": lambda folder: (folder / "run.json").write_bytes(b"\xff{}"),
    "Too many levels of symbolic links": loop,
}
SUMMARIES: dict[str, Callable[[Path], object]] = {
    "schema version None": changed("summary.json", lambda value: [value]),
    "malformed JSON": truncate("summary.json"),
    "holds no run": changed("summary.json", lambda value: {**value, "runs": []}),
    "Expected `object`, got `int` - at `$.runs[0]`": changed("summary.json", lambda value: {**value, "runs": [1]}),
    "Expected `object`, got `int` - at `$.runs[0].metrics`": changed(
        "summary.json", lambda v: {**v, "runs": [{**v["runs"][0], "metrics": 5}]}
    ),
    "required field `metrics`": changed("summary.json", without("metrics")),
    "required field `parameters` - at `$.runs[0].identity`": changed("summary.json", without("identity", "parameters")),
    "status: ok missing": changed("summary.json", without("status", "ok")),
    "required field `value` - at `$.runs[0].metrics[...]`": changed(
        "summary.json", without("metrics", "accuracy", "value")
    ),
    "Exceeds the limit": lambda f: (f / "summary.json").write_text('{"schema_version": ' + "9" * 5000 + "}"),
}


def left_out(ran: Ran, name: str, says: str) -> None:
    assert ran.status == 0, ran.err
    (line,) = [line for line in ran.err.splitlines() if "left out" in line]
    assert line.startswith(f"{name}: left out: ")
    assert says in line


@pytest.mark.parametrize("says", [*HEADERS, *SUMMARIES])
def test_it_is_left_out_and_named(says: str) -> None:
    folder = damaged()
    {**HEADERS, **SUMMARIES}[says](folder)
    listed, board = alm("ls", "runs", "--json"), alm("leaderboard", "--json")
    for ran in (listed, board):
        left_out(ran, folder.name, says)
        (entry,) = ran.json["left_out"]
        assert entry["run"] == folder.name
        assert says in entry["reason"]
    assert [row["model"] for row in listed.json["runs"]] == ["replay[said]", "replay[less]"]
    assert [run["model"] for run in board.json["runs"]] == ["replay[said]", "replay[less]"]
    left_out(alm("leaderboard"), folder.name, says)
    assert "replay[said]" in Path("results/leaderboard.md").read_text()


@pytest.mark.parametrize("says", HEADERS)
def test_others_are_compared_and_found_beside_it(says: str) -> None:
    HEADERS[says](damaged())
    said, less = (next(RUNS.glob(f"mmau-replay-{name}*")).name for name in ("said", "less"))
    assert alm("compare", said, less).status == 0
    assert alm("show", said[-8:], "--limit", 1).status == 0
    assert alm("score", less).status == 0


def test_a_run_that_is_named_must_be_whole() -> None:
    SUMMARIES["required field `metrics`"](damaged())
    ran = alm("leaderboard", damaged().name)
    assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert "required field `metrics`" in ran.err


def test_items_that_cannot_be_read_are_noticed_without_reading_all_items() -> None:
    """The summary stands by itself, but items of another size than were scored are looked at."""
    folder = damaged()
    break_a_line(folder)
    left_out(alm("leaderboard"), folder.name, "samples.jsonl, line 4: not a record of schema 1 to 2")


def test_a_folder_that_the_system_does_not_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = damaged()
    real = Path.stat

    def stat(path: Path, **more: Any) -> Any:
        if path.parent.name == closed.name:
            raise PermissionError(13, "Permission denied")
        return real(path, **more)

    monkeypatch.setattr(Path, "stat", stat)
    for command in (("ls", "runs"), ("leaderboard",)):
        left_out(alm(*command), closed.name, "Permission denied")


def test_a_folder_that_is_a_loop_of_links() -> None:
    (RUNS / "loop").symlink_to("loop")
    for command in (("ls", "runs"), ("leaderboard",)):
        left_out(alm(*command), "loop", "Too many levels of symbolic links")


def board() -> tuple[str, bytes, bytes]:
    ran = alm("leaderboard")
    assert ran.status == 0, ran.err
    return ran.out, *(Path(f"results/leaderboard.{kind}").read_bytes() for kind in ("md", "csv"))


def test_stored_item_scores_give_the_same_leaderboard_as_the_items() -> None:
    """Also for orders of options, where questions weigh alike, and where a run skipped items."""
    alm("run", "--model", "blind", "--tasks", "mmau", "--options", "circular")
    alm("run", "--model", "blind", "--tasks", "mmau", "--options", "circular", "--model-arg", "strategy=longest")
    assert len(list(RUNS.glob("*/item_scores.json"))) == 5
    stored = board()
    for path in RUNS.glob("*/item_scores.json"):
        path.unlink()  # as in runs of earlier versions
    assert board() == stored


def test_items_are_not_read_where_their_scores_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    from alm_bench.records import run as stored_run

    def refuse(folder: Path) -> Any:
        raise AssertionError(f"the items of {folder} were read")

    expected = board()
    monkeypatch.setattr(stored_run, "read_records", refuse)
    assert board() == expected
    (damaged() / "item_scores.json").unlink()
    assert isinstance(alm_error(), AssertionError), "without them they are"


def alm_error() -> BaseException | None:
    try:
        alm("leaderboard")
    except AssertionError as error:
        return error
    return None


@pytest.mark.parametrize("content", ["[]", "{}", "not JSON", '{"schema_version": 1, "ids": 5}', "[" * 100_000])
def test_item_scores_that_are_none_are_computed_from_the_items(content: str) -> None:
    expected = board()
    (damaged() / "item_scores.json").write_text(content)
    assert board() == expected


def test_item_scores_of_other_items_are_not_used() -> None:
    said = next(RUNS.glob("mmau-replay-said*"))
    expected = board()
    shutil.copy(said / "item_scores.json", damaged() / "item_scores.json")
    assert board() == expected


def test_runs_without_an_answer_are_not_ranked(tmp_path: Path) -> None:
    shutil.rmtree(RUNS)
    alm("run", *replay(outputs(Path("none.json"), {"item-000": None})), "--tasks", "mmau")
    failed = only_run(RUNS)
    alm("run", "--model", "blind", "--tasks", "mmau")
    ran = alm("leaderboard")
    rows = [line.split("|")[1].strip() for line in ran.out.splitlines() if line.startswith("| ")]
    assert "replay[none]" not in rows
    (note,) = [line for line in ran.out.splitlines() if line.startswith("Not ranked")]
    assert "replay[none]" in note
    assert "12 error" in note
    assert alm("leaderboard", "--json").json["not_ranked"] == [failed.name]
    alone = alm("leaderboard", failed.name)
    assert alone.status == 0
    assert "| replay[none]" not in alone.out
