"""The second clip that a two-clip model gets with a question on one."""

from pathlib import Path

import pytest
from small_world import alm, cle, mmau, model, only_run, stored

from alm_bench.core import AudioRef, Sample
from alm_bench.runner.plan import SecondClips


def samples(folder: Path, count: int, present: bool = True) -> list[Sample]:
    found = []
    for i in range(count):
        path = folder / f"{i}.wav"
        if present:
            path.touch()
        found.append(Sample(f"q{i}", {}, audio=(AudioRef(f"{i}.wav", path),)))
    return found


def test_never_the_clip_itself_and_the_same_every_time(tmp_path: Path) -> None:
    items = samples(tmp_path, 40)
    given = {item.id: SecondClips(items).get_other_clip(item.audio[0].id) for item in items}
    assert all(ref is not None and ref.id != item.audio[0].id for item in items for ref in [given[item.id]])
    assert len({ref.id for ref in given.values() if ref}) > 15, "drawn, not always the same"
    again = SecondClips(list(reversed(items)))
    assert {item.id: again.get_other_clip(item.audio[0].id) for item in items} == given


@pytest.mark.parametrize("count", [2, 3])
def test_few_clips_still_give_another(tmp_path: Path, count: int) -> None:
    items = samples(tmp_path, count)
    for item in items:
        ref = SecondClips(items).get_other_clip(item.audio[0].id)
        assert ref is not None
        assert ref.id != item.audio[0].id


def test_one_clip_has_no_other(tmp_path: Path) -> None:
    items = samples(tmp_path, 1)
    assert SecondClips(items).get_other_clip("0.wav") is None
    assert SecondClips([]).get_other_clip("0.wav") is None
    shared = [Sample("a", {}, audio=items[0].audio), Sample("b", {}, audio=items[0].audio)]
    assert SecondClips(shared).get_other_clip("0.wav") is None


def test_clips_that_are_not_there_are_not_given_out(tmp_path: Path) -> None:
    items = samples(tmp_path, 5)
    (tmp_path / "3.wav").unlink()
    assert all(
        ref.id != "3.wav" for i in range(5) if (ref := SecondClips(items).get_other_clip(f"{i}.wav")) is not None
    )
    assert SecondClips(samples(tmp_path / "none", 5, present=False)).get_other_clip("0.wav") is None


SPY = (
    "    def answer(self, request):\n"
    "        return f'{request.spare.id if request.spare else None} {len(request.waves)}'\n"
)


def said(tmp_path: Path, task: str, data: Path, name: str, out: str, *arguments: object) -> dict[str, str]:
    run = alm("run", "--model", name, "--tasks", task, "--data", data, "--out", tmp_path / out, *arguments)
    assert run.status == 0, run.err
    return {row["id"]: row["text"] for row in stored(only_run(tmp_path / out))}


def test_a_limit_changes_no_spare_and_one_clip_has_one_spare(tmp_path: Path) -> None:
    name = model(tmp_path / "spy.py", SPY, audio="AudioPolicy(rate=8000, spare=True)")
    data = mmau(tmp_path / "data")
    full = said(tmp_path, "mmau", data, name, "full")
    few = said(tmp_path, "mmau", data, name, "few", "--limit", 4)
    assert few == {f"item-{i:03}": full[f"item-{i:03}"] for i in range(4)}
    assert all(text.endswith(".wav 2") and item not in text for item, text in full.items())
    assert len(set(full.values())) > 3
    entailed = said(tmp_path, "cle", cle(tmp_path / "data"), name, "cle")
    for clip in ("clip 0.wav", "clip 1.wav"):
        assert len({text for item, text in entailed.items() if item.startswith(clip)}) == 1


def test_no_spare_unless_the_policy_asks(tmp_path: Path) -> None:
    name = model(tmp_path / "spy.py", SPY, audio="AudioPolicy(rate=8000)")
    assert set(said(tmp_path, "mmau", mmau(tmp_path / "data"), name, "runs").values()) == {"None 1"}
