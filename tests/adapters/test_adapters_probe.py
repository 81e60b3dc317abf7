"""Probes: what can be learned is learned, what cannot is chance, and the twin without ears stands beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import alm, cle, refusal, stored, tone

from alm_bench.adapters._shared.embeddings import EmbeddingCache
from alm_bench.adapters._shared.probe import TEXT_ONLY_PROBE, Probe
from alm_bench.adapters.mellow_probe import fit_features
from alm_bench.core import Decoding, Runtime, UsageError
from alm_bench.demo import create_demo_root
from alm_bench.plugins import catalogue
from alm_bench.runner import RunSpec, prepare_run

ANSWERS = ("no", "perhaps", "yes")


def points(seed: int, count: int = 240) -> tuple[np.ndarray, list[str], list[str]]:
    """Three clouds in eight dimensions, four rows a clip."""
    rng = np.random.default_rng(seed)
    said = rng.integers(3, size=count)
    features = rng.standard_normal((count, 8)) + 4 * np.eye(8)[said]
    return features, [ANSWERS[i] for i in said], [f"clip {i // 4}" for i in range(count)]


def hits(probe: Probe, features: np.ndarray, answers: list[str]) -> float:
    picks = [probe.pick(row[None], ANSWERS) for row in features]
    return float(np.mean([ANSWERS[pick or 0] == answer for pick, answer in zip(picks, answers, strict=True)]))


def test_a_probe_learns_what_can_be_learned() -> None:
    probe, (features, answers, _) = Probe.fit(*points(0)), points(1)
    assert hits(probe, features, answers) > 0.9
    assert probe.validation_accuracy > 0.9
    assert probe.digest == Probe.fit(*points(0)).digest
    assert probe.digest != Probe.fit(*points(2)).digest


def test_shuffled_labels_give_chance() -> None:
    features, answers, clips = points(0, 600)
    shuffled = np.random.default_rng(4).permutation(answers).tolist()
    probe = Probe.fit(features, shuffled, clips)
    assert probe.validation_accuracy == pytest.approx(1 / 3, abs=0.1), "not above chance on clips it was not fitted on"
    fresh, _, _ = points(1, 600)
    other = np.random.default_rng(5).choice(ANSWERS, 600).tolist()
    assert hits(probe, fresh, other) == pytest.approx(1 / 3, abs=0.07)


def test_folds_never_part_a_clip() -> None:
    """Answers that are drawn by clip cannot be validated, however well a clip is known by its features."""
    rng = np.random.default_rng(0)
    centres, said = 10 * rng.standard_normal((30, 8)), rng.integers(3, size=30)
    rows = np.repeat(centres, 6, axis=0) + 0.01 * rng.standard_normal((180, 8))
    probe = Probe.fit(rows, [ANSWERS[i] for i in np.repeat(said, 6)], [f"{i // 6}" for i in range(180)])
    assert probe.validation_accuracy < 0.65


def test_only_options_that_are_there_are_picked() -> None:
    probe, (features, _, _) = Probe.fit(*points(0)), points(1)
    assert {probe.pick(row[None], ("maybe", "no")) for row in features} == {1}
    assert probe.pick(features[:1], ("maybe",)) is None
    with pytest.raises(UsageError, match="two answers and two clips at least, the development rows have 1 and 1"):
        Probe.fit(features, ["no"] * 240, ["a"] * 240)


def test_clip_and_text_are_related_and_a_text_alone_is_not() -> None:
    """A word is true of one kind of clip and false of the other: neither by itself says anything."""
    rng = np.random.default_rng(0)
    kinds, words = rng.integers(2, size=200), rng.integers(2, size=200)
    clips = [(rng.standard_normal(6) + 3 * kind).astype(np.float32) for kind in kinds]
    texts = [("a dog is heard", "a bell is heard")[word] for word in words]
    answers = [("no", "yes")[int(kind == word)] for kind, word in zip(kinds, words, strict=True)]
    features = fit_features(clips[:120], texts[:120])
    groups = [str(i) for i in range(120)]
    heard = Probe.fit(features.from_both(clips[:120], texts[:120]), answers[:120], groups)
    read = Probe.fit(features.from_text(texts[:120]), answers[:120], groups)
    assert np.mean(heard.pipeline.predict(features.from_both(clips[120:], texts[120:])) == answers[120:]) > 0.9
    assert np.mean(read.pipeline.predict(features.from_text(texts[120:])) == answers[120:]) < 0.7


def test_vectors_are_made_once_and_a_broken_cache_costs_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path))
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.arange(3, dtype=np.float32)

    vectors = EmbeddingCache("net one")
    for kept in (vectors, vectors, EmbeddingCache("net one")):
        assert kept.get_or_compute("text", b"a", make).tolist() == [0, 1, 2]
    assert len(made) == 1
    for other in (
        lambda: vectors.get_or_compute("clip", b"a", make),
        lambda: EmbeddingCache("net two").get_or_compute("text", b"a", make),
    ):
        other()
    assert len(made) == 3
    vectors.cache.path.write_bytes(b"no database")
    assert EmbeddingCache("net one").get_or_compute("text", b"a", make).tolist() == [0, 1, 2]
    assert len(made) == 4


def test_the_bundled_encoder_hears_more_than_its_twin_reads(tmp_path: Path) -> None:
    """On the demo world's own entailment, where a text alone says nothing. No row of the test split is fitted on."""
    entry = catalogue().get_task("cle")
    world = create_demo_root(entry.load_demo(), tmp_path, cle=60, ace=3)
    adapter = catalogue().get_adapter("mellow-probe").create({}, Runtime("cpu"))
    seen: list[str] = []
    fit = adapter.fit

    def watched(rows: Any) -> Any:
        return fit(seen.append(row.request.audio[0].id) or row for row in rows)

    adapter.fit = watched  # type: ignore[attr-defined, method-assign]
    spec = RunSpec("cle", "mellow-probe", "evaluation", "demo", Decoding(), limit=60)
    plan = prepare_run(spec, entry.create(), entry.load_prompts()["bare"], world, adapter)
    assert len(seen) == 180
    assert not set(seen) & {ref.id for request in plan.requests for ref in request.audio}
    assert plan.header.fit.rows == 180
    outputs = plan.adapter.generate([_heard(plan, i) for i in range(len(plan.requests))], Decoding())
    right = [output.text == record.sample.gold for output, record in zip(outputs, plan.items, strict=True)]
    twin = [
        {one.name: one.option for one in item.baselines}[TEXT_ONLY_PROBE] == item.sample.target for item in plan.items
    ]
    assert np.mean(right) > 0.45
    assert np.mean(twin) == pytest.approx(1 / 3, abs=0.1)


def _heard(plan: Any, index: int) -> Any:
    from alm_bench.runner.loader import load_clips

    return load_clips(index, plan.requests[index], plan.adapter.audio).request


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLE's layout with clips of both splits."""
    root = cle(tmp_path_factory.mktemp("tones"), count=4, development=6)
    for i in range(3):
        tone(root / f"ClothoV21/validation/clip {i}.wav", 500 + 40 * i)
    return root


def test_a_probe_and_its_text_only_run_stand_in_one_table(tones: Path, tmp_path: Path) -> None:
    command = ("run", "--tasks", "cle", "--data", tones, "--out", tmp_path, "--json", "--model", "mellow-probe")
    probe = alm(*command)
    assert probe.status == 0, probe.err
    assert probe.run["fit"]["rows"] == 18
    assert TEXT_ONLY_PROBE in probe.run["baselines"]
    assert probe.run["solver"] == "hypothesis only", "the text solver is the same for every model"
    alone = alm(*command, "--model-arg", "hears=text")
    assert alone.status == 0, alone.err
    assert alone.run["identity"]["label"].endswith(",text only]")
    assert TEXT_ONLY_PROBE not in alone.run["baselines"]
    assert alone.run["metrics"]["accuracy"]["value"] == probe.run["baselines"][TEXT_ONLY_PROBE]["accuracy"]["value"]
    board = alm("leaderboard", "--out", tmp_path, "--to", tmp_path)
    assert board.status == 0, board.err
    table = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    for row in (f"| {probe.run['model']} ", f"| {alone.run['model']} ", f"| *{TEXT_ONLY_PROBE}* "):
        assert row in table
    folder = next(path.parent for path in tmp_path.glob("*text-only*/run.json"))
    assert all(row["clip_sizes"] == {} for row in stored(folder)), "no clip is opened"


def test_a_text_only_probe_needs_no_clips(tmp_path: Path) -> None:
    root = cle(tmp_path / "data", count=2, development=4)
    for clip in root.rglob("*.wav"):
        clip.unlink()
    command = ("run", "--tasks", "cle", "--data", root, "--out", tmp_path / "runs", "--model", "mellow-probe")
    assert alm(*command, "--model-arg", "hears=text").status == 0
    ran = alm(*command)
    assert (ran.status, ran.out) == (2, "")
    line = ran.err.splitlines()[-1]
    assert "development row clip 0.wav#0-entailment: clip ClothoV21/validation/clip 0.wav: the file is missing" in line


def test_a_probe_needs_a_development_split() -> None:
    line = refusal(alm("run", "--model", "mellow-probe", "--tasks", "mmau", "--data", "demo", "--limit", "2"))
    assert "mmau: mellow-probe" in line
    assert "is fitted on a task's development split, and this task has none" in line
    line = refusal(alm("run", "--model", "mellow-probe", "--tasks", "audiocaps", "--data", "demo", "--limit", "2"))
    assert "mellow-probe picks among options, which the items of audiocaps do not have" in line
