"""A run whose files are removed, moved or replaced under it stops before the next batch, and what it had is kept."""

import os
import shutil
from pathlib import Path

import pytest
from small_world import Ran, alm, mmau, model, only_run, run_header, stored

from alm_bench.core import AlmBenchError, StoreLostError
from alm_bench.records.store import RunStore

COUNT = 24
BATCHED = """
    def generate(self, batch, decoding):
        outputs = []
        for request in batch:
            with open({calls!r}, "a+") as file:
                file.write(request.id + chr(10))
                file.seek(0)
                asked = len(file.readlines())
            if asked == {at}:
                {harm}
            outputs.append(Output("Rain"))
        return outputs
"""
STREAMED = (
    BATCHED
    + """
    def stream(self, requests, decoding):
        for request in requests:
            (output,) = self.generate([request], decoding)
            yield request, output
"""
)
FOLDER = "import pathlib, shutil; (folder,) = pathlib.Path({runs!r}).iterdir(); "
HARMS = {
    # In one step: while a folder is emptied, a file in it is missed before the folder is.
    "the folder was removed": "shutil.rmtree(folder.rename(folder.parents[1] / 'gone'))",
    "samples.jsonl was removed": "(folder / 'samples.jsonl').unlink()",
    "run.json was removed": "(folder / 'run.json').unlink()",
}


def run(root: Path, harm: str, at: int = 8, body: str = BATCHED, *more: object) -> Ran:
    mmau(root / "data", COUNT, clips=False)
    harmed = FOLDER.format(runs=str(root / "runs")) + harm
    name = model(root / "m.py", body.format(calls=str(root / "calls"), at=at, harm=harmed), audio="None")
    where = ("--tasks", "mmau", "--data", root / "data", "--out", root / "runs")
    return alm("run", "--model", name, *where, "--batch-size", 4, *more)


def asked(root: Path) -> int:
    return len((root / "calls").read_text().split())


def complaint(ran: Ran) -> str:
    """The one line about it, after the progress."""
    assert (ran.status, ran.out) == (1, "")
    (line,) = [line for line in ran.err.splitlines() if line.startswith("alm-bench: ")]
    assert ran.err.endswith(line + "\n")
    return line


@pytest.mark.parametrize("says", HARMS)
@pytest.mark.parametrize("body", [BATCHED, STREAMED], ids=["batches", "stream"])
def test_nothing_more_is_asked_and_what_is_in_memory_is_written_again(tmp_path: Path, says: str, body: str) -> None:
    assert says in complaint(run(tmp_path, HARMS[says], 8, body))
    assert asked(tmp_path) == 8, "the batch in the model's hands is the last one"
    assert len(stored(only_run(tmp_path / "runs"))) == 8
    assert not (only_run(tmp_path / "runs") / "summary.json").exists()
    again = run(tmp_path, "pass", -1, body)  # another file of code is another model
    assert again.status == 0, again.err


@pytest.mark.parametrize("says", HARMS)
def test_it_is_noticed_after_the_last_batch_too(tmp_path: Path, says: str) -> None:
    assert says in complaint(run(tmp_path, HARMS[says], COUNT))
    assert len(stored(only_run(tmp_path / "runs"))) == COUNT


def test_the_same_command_resumes_what_was_written_again(tmp_path: Path) -> None:
    assert run(tmp_path, HARMS["the folder was removed"]).status == 1
    again = run(tmp_path, HARMS["the folder was removed"])
    assert again.status == 0, again.err
    assert asked(tmp_path) == COUNT, "no item was asked twice"


def test_a_folder_that_was_moved_is_not_made_again(tmp_path: Path) -> None:
    line = complaint(run(tmp_path, f"folder.rename({str(tmp_path / 'elsewhere')!r})"))
    assert "the folder was removed or moved" in line
    assert not list((tmp_path / "runs").iterdir())
    assert asked(tmp_path) == len(stored(tmp_path / "elsewhere")) == 8


def test_a_file_that_another_process_put_there_stays(tmp_path: Path) -> None:
    harm = "other = folder / 'other'; other.write_text(chr(10)); other.replace(folder / 'samples.jsonl')"
    assert "samples.jsonl was replaced" in complaint(run(tmp_path, harm))
    assert (only_run(tmp_path / "runs") / "samples.jsonl").read_text() == "\n"
    assert asked(tmp_path) == 8


def test_workers_of_a_cluster_are_asked_nothing_more(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs the extra alm-bench[ray]")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        ran = run(tmp_path, HARMS["the folder was removed"], 8, BATCHED, "--executor", "ray", "--replicas", 1)
    finally:
        ray.shutdown()
    assert "the folder was removed" in complaint(ran)
    assert asked(tmp_path) == 8
    assert len(stored(only_run(tmp_path / "runs"))) == 8


def test_a_store_that_lost_its_files_stays_lost(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with RunStore(folder, run_header()) as store:
        store.check()
        shutil.rmtree(folder)
        for _ in range(2):
            with pytest.raises(StoreLostError, match="its 0 records were written there again"):
                store.check()
        with pytest.raises(AlmBenchError):
            store.finish({"runs": []})
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "samples.jsonl"]


def test_where_inode_numbers_are_made_up_only_presence_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "samestat", lambda a, b: False)
    with RunStore(tmp_path / "run", run_header()) as store:
        store.check()
        (tmp_path / "run/samples.jsonl").unlink()
        with pytest.raises(StoreLostError, match=r"samples\.jsonl was removed"):
            store.check()
