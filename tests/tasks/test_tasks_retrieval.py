"""Retrieval: embeddings of clips and captions, stored with the items and ranked."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import alm, model, only_run, refusal, stored, tone

from alm_bench.core.vectors import decode_vector, encode_vector
from alm_bench.plugins import catalogue

CLIPS = 8
CAPTIONS = 3

EMBEDS = """
    def embed(self, batch):
        import numpy as np
        found = []
        for request in batch:
            if request.waves:
                seed = (len(request.waves[0]) - 800) // 100
            elif "fails" in request.prompt:
                raise ValueError("no embedding of this caption")
            else:
                seed = int(request.prompt.split()[-1])
            vector = np.random.default_rng(seed).normal(size=6)
            if not request.waves:  # the captions of a clip are less and less like it
                vector += 0.7 * int(request.prompt.split()[1])
            found.append(np.round(vector).astype(np.float32))
        return found

    def generate(self, batch, decoding):
        raise AssertionError("retrieval asks no questions")
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """AudioCaps' file with three captions per clip. A clip's number is told by its length."""
    monkeypatch.chdir(tmp_path)
    write_captions(
        tmp_path / "data", [f"caption {turn} of {clip}" for clip in range(CLIPS) for turn in range(CAPTIONS)]
    )
    for clip in range(CLIPS):
        tone(tmp_path / f"data/audiocaps/test/Yclip{clip}.wav", 300, seconds=(100 * clip + 50) / 8_000 + 0.1)
    return tmp_path / "data"


def write_captions(root: Path, captions: list[str]) -> None:
    path = root / "audiocaps/dataset/test.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["audiocap_id", "youtube_id", "start_time", "caption"])
        writer.writerows([number, f"clip{number // CAPTIONS}", 0, text] for number, text in enumerate(captions))


def run(data: Path, body: str = EMBEDS, *arguments: str) -> Any:
    name = model(Path("embedder.py"), body, audio="AudioPolicy(rate=8_000)")
    asked = ("--tasks", "audiocaps-retrieval", "--data", data, "--prompt", "bare", "--json", *arguments)
    return alm("run", "--model", name, *asked)


def compute_plainly(vectors: dict[str, np.ndarray]) -> dict[str, float]:
    """R@k and mAP@10 both ways from the embeddings, by sorting."""
    clips, captions = ([name for name in vectors if ("#" in name) == is_caption] for is_caption in (False, True))
    wide = {name: vector.astype(np.float64) for name, vector in vectors.items()}
    unit = {name: vector / np.linalg.norm(vector) for name, vector in wide.items()}
    similarities = np.array([[float(unit[c] @ unit[t]) for t in captions] for c in clips]).round(9)
    found = {}
    for direction, queries, candidates, table in (
        ("t2a", captions, clips, similarities.T),
        ("a2t", clips, captions, similarities),
    ):
        best, precision = [], []
        for query, line in zip(queries, table, strict=True):
            ordered = np.sort(line)[::-1]
            relevant = [n for n, name in enumerate(candidates) if name.split("#")[0] == query.split("#")[0]]
            ranks = sorted(float(np.flatnonzero(ordered == line[n]).mean()) for n in relevant)
            best.append(ranks[0])
            precision.append(sum((n + 1) / (r + 1) for n, r in enumerate(ranks) if r < 10) / len(relevant))
        found |= {f"{direction}_recall_{k}": float(np.mean(np.array(best) < k)) for k in (1, 5, 10)}
        found[f"{direction}_map_10"] = float(np.mean(precision))
    return found


def test_figures_are_those_of_a_plain_computation_on_the_stored_embeddings(data: Path) -> None:
    ran = run(data)
    assert ran.status == 0, ran.err
    records = stored(only_run(Path("results/runs")))
    assert len(records) == CLIPS * (1 + CAPTIONS)
    vectors = {record["id"]: decode_vector(record["embedding"]) for record in records}
    assert all(vector.shape == (6,) for vector in vectors.values())
    expected = compute_plainly(vectors)
    assert {name: metric["value"] for name, metric in ran.run["metrics"].items() if name in expected} == pytest.approx(
        expected
    )
    assert 0 < expected["t2a_recall_1"] < 1
    assert ran.run["metrics"]["t2a_recall_1"]["n"] == CLIPS * CAPTIONS
    assert ran.run["metrics"]["a2t_map_10"]["n"] == CLIPS
    assert ran.run["metrics"]["answered"]["value"] == 1
    assert ran.run["main"] == "t2a_recall_1"
    random = ran.run["baselines"]["random ranking (expected)"]
    assert random["t2a_recall_1"]["value"] == pytest.approx(1 / CLIPS)
    assert random["t2a_recall_5"]["value"] == pytest.approx(5 / CLIPS)


def test_scores_come_from_stored_embeddings_alone(data: Path) -> None:
    before = run(data).run
    again = alm("score", "latest", "--json").run
    assert again["metrics"] == before["metrics"]
    assert "audio R@1" in alm("leaderboard").out
    assert alm("score", "latest", "--details").status == 0


def test_two_models_are_compared_query_by_query(data: Path) -> None:
    first = run(data).run
    second = run(data, EMBEDS.replace("0.7", "0.2")).run
    ran = alm("compare", first["run"], second["run"], "--json")
    assert ran.status == 0, ran.err
    cells = {cell["score"]: cell["difference"] for cell in ran.json["cells"]}
    for name in ("t2a_recall_1", "t2a_map_10", "a2t_recall_5", "a2t_map_10"):
        expected = second["metrics"][name]["value"] - first["metrics"][name]["value"]
        assert cells[name]["difference"]["value"] == pytest.approx(expected)
        assert cells[name]["first"] == pytest.approx(first["metrics"][name]["value"])
    assert cells["t2a_map_10"]["difference"]["low"] < cells["t2a_map_10"]["difference"]["high"]


def test_failed_embeddings_are_found_by_nobody(data: Path) -> None:
    captions = [f"caption {turn} of {clip}" for clip in range(CLIPS) for turn in range(CAPTIONS)]
    whole = run(data).run["metrics"]
    write_captions(data, ["this one fails 0", *captions[1:]])
    ran = run(data)
    assert ran.status == 1
    assert ran.run["status"]["error"] == 1
    assert ran.run["metrics"]["t2a_recall_10"]["n"] == CLIPS * CAPTIONS, "a failed query counts as not found"
    assert ran.run["metrics"]["t2a_recall_10"]["value"] <= whole["t2a_recall_10"]["value"]


def test_skipped_clips_take_their_captions_along(data: Path) -> None:
    (data / "audiocaps/test/Yclip3.wav").unlink()
    ran = run(data, EMBEDS, "--missing-audio", "skip").run
    assert ran["metrics"]["a2t_recall_1"]["n"] == CLIPS - 1
    assert ran["metrics"]["t2a_recall_1"]["n"] == (CLIPS - 1) * CAPTIONS


@pytest.mark.parametrize("limit", [9, 10])
def test_a_part_of_the_items_is_ranked_among_itself(data: Path, limit: int) -> None:
    """The third clip has none of its captions in the part (9 items) or one of three (10)."""
    found = run(data, EMBEDS, "--limit", str(limit)).run
    vectors = {row["id"]: decode_vector(row["embedding"]) for row in stored(only_run(Path("results/runs")))}
    queries = 2 if limit == 9 else 3
    assert found["metrics"]["a2t_map_10"]["n"] == queries
    assert found["metrics"]["t2a_map_10"]["n"] == limit - 3
    if limit == 9:
        del vectors["clip2"]  # no query; in the other direction it is a candidate, which the plain computation lacks
    expected = compute_plainly(vectors)
    names = [name for name in expected if limit == 10 or name.startswith("a2t")]
    assert {name: found["metrics"][name]["value"] for name in names} == pytest.approx({n: expected[n] for n in names})
    chance = found["baselines"]["random ranking (expected)"]["a2t_recall_1"]["value"]
    assert chance == pytest.approx(0.5 if limit == 9 else (3 + 3 + 1) / 7 / 3)


def test_a_model_without_embeddings_is_refused_in_one_line(data: Path) -> None:
    line = refusal(alm("run", "--model", "echo", "--tasks", "audiocaps-retrieval", "--data", data))
    assert "compares embeddings of clips and captions, which echo does not compute" in line
    line = refusal(alm("run", "--model", "blind", "--tasks", "mmau", "--data", "demo", "--answer-by", "embedding"))
    assert "embeddings are compared in retrieval tasks" in line


@pytest.mark.parametrize("vector", ["np.zeros((2, 3))", "[1.0, float('nan')]", "[]"])
def test_what_is_no_embedding_becomes_the_error_of_its_item(data: Path, vector: str) -> None:
    body = f"    def embed(self, batch):\n        import numpy as np\n        return [{vector} for _ in batch]\n"
    ran = run(data, body, "--limit", "2")
    assert ran.run["status"]["error"] == 2
    assert "expected an embedding of one row of finite numbers" in next(iter(ran.run["reasons"]))


def test_vectors_survive_their_text() -> None:
    vector = np.random.default_rng(0).normal(size=512).astype(np.float32)
    assert (decode_vector(encode_vector(vector)) == vector).all()
    with pytest.raises(ValueError, match="expected an embedding as base64"):
        decode_vector("not base64!")


def test_both_sources_have_five_captions_per_clip(shared: Path) -> None:
    from alm_bench.data import LocalRoot

    found = list(catalogue().get_task("audiocaps-retrieval").create().samples(LocalRoot(shared / "data"), "test"))
    assert len(found) == 975 * 6
    assert {len(sample.target) for sample in found if sample.groups["kind"] == "clip"} == {5}
    assert json.dumps(found[1].target) == json.dumps([found[0].id])
