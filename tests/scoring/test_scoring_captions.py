"""Caption metrics against pycocoevalcap's own values on real pairs, and what is left of them when Java fails."""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alm_bench.core import disk_cache
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.errors import MetricError, UsageError
from alm_bench.scoring import captions, java, spice
from alm_bench.scoring.captions import compute_caption_scores, tokenize, tokenize_without_java
from alm_bench.scoring.intervals import compute_clustered_interval
from alm_bench.scoring.metrics import compute_mean_score, list_default_metrics
from alm_bench.scoring.metrics.bleu import compute_bleu
from alm_bench.scoring.metrics.cider import compute_cider
from alm_bench.scoring.metrics.meteor import compute_from_statistics
from alm_bench.scoring.metrics.rouge_l import compute_rouge_l
from alm_bench.scoring.spice_engine import JAR
from alm_bench.scoring.spice_engine.__main__ import build_jar

METRICS = list_default_metrics()
WITHOUT_SPICE = tuple(name for name in METRICS if name not in ("spice", "spider"))
GROUPS = ("audiocaps", "cld-1")
SPICED = 30
"""Pairs of each group for SPICE: the rest takes minutes (benchmarks/captions.py)."""

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="there is no Java: METEOR and SPICE cannot be compared"
)


@pytest.fixture(scope="module")
def expected(request: pytest.FixtureRequest) -> Any:
    shared: Path = request.getfixturevalue("shared")
    return json.loads((shared / "spice/expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def corenlp(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(spice.HOME, str(shared / "spice"))
    return shared / "spice"


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    java.get_java_version.cache_clear()
    yield
    java.get_java_version.cache_clear()


def group(expected: Any, name: str) -> list[Any]:
    return [item for item in expected["items"] if item["id"].startswith(name)]


def scores(items: list[Any], metrics: tuple[str, ...] = WITHOUT_SPICE) -> Any:
    return compute_caption_scores([i["candidate"] for i in items], [i["references"] for i in items], metrics=metrics)


@needs_java
@pytest.mark.parametrize("name", GROUPS)
def test_every_metric_but_spice_is_pycocoevalcaps(expected: Any, name: str) -> None:
    items = group(expected, name)
    found = scores(items)
    assert found.tokenizer == "CoreNLP 3.4.1"
    for metric in WITHOUT_SPICE:
        assert found.corpus[metric].value == pytest.approx(expected["corpus"][name][metric], abs=1e-6), metric
        assert found.items[metric] == pytest.approx([i["scores"][metric] for i in items], abs=1e-6), metric
        low, high = found.corpus[metric].low, found.corpus[metric].high
        assert low < found.corpus[metric].value < high
        assert found.corpus[metric].n == len(items)


@needs_java
@pytest.mark.parametrize("name", GROUPS)
def test_spice_is_pycocoevalcaps_on_todays_java(expected: Any, corenlp: Path, name: str) -> None:
    items = group(expected, name)[:SPICED]
    found = scores(items, ("cider", "spice", "spider"))
    assert found.items["spice"] == pytest.approx([i["scores"]["spice"] for i in items], abs=1e-6)
    assert found.corpus["spice"].value == pytest.approx(np.mean([i["scores"]["spice"] for i in items]), abs=1e-6)
    both = zip(found.items["cider"], found.items["spice"], strict=True)
    assert found.items["spider"] == pytest.approx([(one + other) / 2 for one, other in both])


@needs_java
def test_what_was_scored_once_starts_no_java(corenlp: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "own"))
    told: list[tuple[int, int]] = []
    pairs = (["a dog barks", "rain falls"], [["a dog is barking loudly"], ["it rains", "rain"]])
    with spice.report_progress_to(lambda done, of: told.append((done, of))):
        first = spice.compute_spice(*pairs)
    assert told == [(0, 2), (2, 2)]
    monkeypatch.setattr(java, "run", lambda *a, **k: pytest.fail("Java was started"))
    assert spice.compute_spice(*pairs) == first


def test_without_java_the_others_stand(expected: Any, no_java: None) -> None:
    items = group(expected, "audiocaps")[:50]
    found = scores(items, METRICS)
    assert found.tokenizer == "NLTK"
    for metric in ("meteor", "spice"):
        assert (found.corpus[metric].value, metric in found.items) == (None, False)
        assert "needs Java: there is no java on the PATH" in (found.corpus[metric].reason or "")
    assert "is the mean of CIDEr and SPICE; SPICE needs Java" in (found.corpus["spider"].reason or "")
    for metric in ("bleu_4", "rouge_l"):
        assert found.items[metric] == pytest.approx([i["scores"][metric] for i in items], abs=1e-6)


def test_java_starts_only_for_a_metric_that_uses_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "run", lambda *a, **k: pytest.fail("Java was started"))
    found = compute_caption_scores(["a dog barks"], [["dog"]], metrics=["exact", "contained", "token_f1"])
    assert (found.items["contained"], found.tokenizer) == ([1], None)
    monkeypatch.undo()
    calls: list[int] = []
    monkeypatch.setattr(captions, "tokenize_without_java", lambda texts: calls.append(len(texts)) or list(texts))
    monkeypatch.setattr(java, "find_java", lambda: (_ for _ in ()).throw(MetricError("no Java")))
    found = compute_caption_scores(["a dog barks"], [["dog", "cat"]], metrics=["rouge_l", "cider", "token_f1"])
    assert (calls, found.tokenizer) == ([3], "NLTK"), "once for all metrics"


@needs_java
def test_the_two_tokenizers_agree_on_captions(expected: Any) -> None:
    texts = [text for item in expected["items"] for text in (item["candidate"], *item["references"])]
    differ = sum(a != b for a, b in zip(tokenize_without_java(texts), tokenize(texts), strict=True))
    assert differ <= 0.005 * len(texts)


@needs_java
def test_texts_of_any_kind_keep_their_places() -> None:
    texts = [
        "A Dog, barking!",
        "",
        "one\nline\u2028and\x85more",
        "a \U0001f436 barks",
        "caf\u00e9",
        "   ",
        "(loud)",
        "|||",
    ]
    found = tokenize(texts)
    assert len(found) == len(texts)
    assert found[0] == "a dog barking"
    assert found[1] == found[5] == ""
    assert found[2] == "one line and more"
    assert found[4] == "caf\u00e9"
    assert found[6] == "-lrb- loud -rrb-", "as pycocoevalcap has it, whose list of punctuation is in capitals"


@needs_java
def test_odd_candidates_have_scores(corenlp: Path) -> None:
    candidates = ["", "a \U0001f436 dog barks", "||| a ||| dog |||", "x" * 3000, "..."]
    found = compute_caption_scores(candidates, [["a dog barks"]] * len(candidates))
    assert {name: metric.reason for name, metric in found.corpus.items()} == dict.fromkeys(METRICS)
    assert found.items["meteor"][0] == found.items["spice"][0] == found.items["cider"][0] == 0
    assert all(np.isfinite(values).all() for values in found.items.values())


@needs_java
def test_a_caption_that_is_too_long_is_named_and_the_rest_is_kept(
    corenlp: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "own"))
    candidates = ["a dog barks", "dog " * 25_000, "rain falls"]
    found = compute_caption_scores(candidates, [["a dog is barking"]] * 3)
    assert found.corpus["spice"].reason == "item 2: a candidate of 25000 words, SPICE's parser takes 260"
    named = compute_caption_scores(
        candidates[1:], [["a dog is barking"]] * 2, metrics=("spice",), names=["clip-b", "clip-c"]
    )
    assert (named.corpus["spice"].reason or "").startswith("item clip-b: a candidate of 25000 words")
    assert all(found.corpus[name].value is not None for name in METRICS if name not in ("spice", "spider"))
    assert (
        compute_caption_scores(candidates[::2], [["a dog is barking"]] * 2, metrics=("spice",)).items["spice"][1] == 0
    )


def test_long_texts_make_small_batches_and_shared_ones_count_once() -> None:
    """What an interruption loses is bounded in time, not only in number."""
    long = [" ".join(f"w{n}x{k}" for k in range(200)) for n in range(8)]  # some 36 s each
    apart = [len(batch) for batch in spice._split_batches([(text, ("a dog",)) for text in long])]
    assert apart == [4, 4]
    alike = [len(batch) for batch in spice._split_batches([(f"a dog {n}", (long[0],)) for n in range(8)])]
    assert alike == [8]
    assert [len(batch) for batch in spice._split_batches([(f"a dog {n}", ("a dog",)) for n in range(600)])] == [
        250,
        250,
        100,
    ]


@needs_java
def test_a_caption_that_ends_java_is_found_by_halving(
    corenlp: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "own"))
    sizes: list[int] = []

    def fragile(items: Any, folder: Path) -> list[float]:
        sizes.append(len(items))
        if any("poison" in item[0] for item in items):
            raise MetricError("Java ended too early (was killed by signal 9)")
        return [0.5] * len(items)

    monkeypatch.setattr(spice, "_run_spice", fragile)
    candidates = [f"sound {n}" for n in range(16)]
    candidates[11] = "poison"
    with pytest.raises(MetricError, match=r"item 12: Java ended too early \(was killed by signal 9\)"):
        spice.compute_spice(candidates, [["a sound"]] * 16)
    assert len(sizes) < 16
    del candidates[11]
    monkeypatch.setattr(spice, "_run_spice", lambda *a: pytest.fail("they are kept"))
    assert spice.compute_spice(candidates, [["a sound"]] * 15) == [0.5] * 15


@needs_java
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("no jars", "needs Stanford CoreNLP 3.6.0: stanford-corenlp-3.6.0.jar"),
        ("broken jar", "Java ended too early"),
        ("flags", "Java ended too early"),
    ],
)
def test_spice_that_cannot_run_says_why_and_the_others_stand(
    corenlp: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, reason: str
) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "own"))
    if fault == "flags":
        monkeypatch.setattr(java, "list_package_flags", lambda program: ["--no-such-flag"])
    else:
        monkeypatch.setenv(spice.HOME, str(tmp_path))
        for jar in spice.CORENLP if fault == "broken jar" else ():
            (tmp_path / jar).write_text("no jar")
    found = compute_caption_scores(["a dog barks", "rain"], [["a dog"], ["it rains"]])
    told = found.corpus["spice"].reason or ""
    assert reason in told
    assert "item" not in told, "it is no item's fault"
    assert "\n" not in told
    assert found.corpus["meteor"].value is not None


@needs_java
def test_a_java_that_is_killed_or_does_not_end_is_one_line() -> None:
    program = ["-XX:OnOutOfMemoryError=x", "-version"]
    assert java.run(program) == ""
    with pytest.raises(MetricError, match="Java did not end within 0 s"):
        java.run(["-version"], seconds=0.001)
    with pytest.raises(
        MetricError, match=r"Java ended too early \(status 1\): Error: Could not find or load main class"
    ):
        java.run(["no.such.Class"])


def test_of_all_that_java_says_the_want_of_memory_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = ["Error: Could not cache item to parses with key:", "java.lang.NullPointerException: sg is null"]
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    for lines, told in (
        ([*said, "Threads ( ) java.lang.OutOfMemoryError: Java heap space"], "OutOfMemoryError: Java heap space"),
        (said, "java.lang.NullPointerException: sg is null"),
        (["no luck"], "no luck"),
    ):
        script = "\n".join(["#!/bin/sh", *(f"echo '{line}' >&2" for line in lines), "exit 1"])
        (tmp_path / "bin/java").write_text(script)
        (tmp_path / "bin/java").chmod(0o755)
        with pytest.raises(MetricError, match=rf"\(status 1\): .*{told}$"):
            java.run([])


def test_long_texts_get_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path))
    given: list[int] = []

    def run(command: Sequence[str], megabytes: int, seconds: float) -> str:
        given.append(megabytes)
        Path(command[command.index("-out") + 1]).write_text('[{"image_id": "0", "scores": {"All": {"f": 0.5}}}]')
        return ""

    monkeypatch.setattr(java, "run", run)
    monkeypatch.setattr(java, "find_java", lambda: "java")
    monkeypatch.setattr(java, "list_package_flags", lambda program: [])
    for words in (20, 150):
        assert spice._run_spice([("dog " * words, ("a dog",))], tmp_path) == [0.5]
    assert given == [2048, 4096]


@needs_java
def test_a_java_that_is_killed_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "bin/java").chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MetricError, match=r"Java ended too early \(was killed by signal 9\)"):
        java.run(["-version"])


@needs_java
def test_half_a_surrogate_pair_is_a_text_too() -> None:
    assert tokenize(["a \ud83d dog"]) == ["a dog"]


def test_a_cache_that_cannot_be_used_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(MetricError, match=r"the cache .* cannot be used \(.*\): name another with ALM_BENCH_CACHE"):
        spice.compute_spice(["a"], [["a"]], lambda done, of: None)


def test_a_cache_that_another_process_writes_is_waited_for_and_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(disk_cache, "SECONDS", 0.05)
    DiskCache(tmp_path / "spice/scores.sqlite", "scores").put("another", 0.5)
    with closing(sqlite3.connect(tmp_path / "spice/scores.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MetricError, match="database is locked"):
            spice.compute_spice(["a"], [["a"]], lambda done, of: None)


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no javac: the engine cannot be rebuilt")
def test_the_committed_engine_is_what_its_source_gives(tmp_path: Path) -> None:
    build_jar(tmp_path / "rebuilt.jar")
    assert (tmp_path / "rebuilt.jar").read_bytes() == JAR.read_bytes()


def test_corpus_values_are_functions_of_the_counts() -> None:
    draw = np.random.default_rng(0)
    words = ["a", "dog", "cat", "barks", "rain", "falls", "loudly", "and", "wind", "blows"]
    candidates = [" ".join(draw.choice(words, draw.integers(1, 9))) for _ in range(40)]
    references = [[" ".join(draw.choice(words, draw.integers(1, 9))) for _ in range(3)] for _ in range(40)]
    for score in (
        *compute_bleu(candidates, references),
        compute_rouge_l(candidates, references),
        compute_cider(candidates, references),
    ):
        assert score.statistic(score.counts.sum(axis=0))[0] == pytest.approx(score.corpus, abs=1e-12)
    part = compute_bleu(candidates[:7], references[:7])
    whole = compute_bleu(candidates, references)
    for one, other in zip(part, whole, strict=True):
        assert other.statistic(other.counts[:7].sum(axis=0))[0] == pytest.approx(one.corpus, abs=1e-12)


def test_meteor_of_nothing_in_common_is_zero() -> None:
    assert compute_from_statistics(np.zeros(23))[0] == 0


def test_intervals_resample_clips() -> None:
    values = compute_mean_score([0.0] * 50 + [1.0] * 50)
    _, low, high = compute_clustered_interval(["a"] * 50 + ["b"] * 50, values.counts, values.statistic)
    assert (low[0], high[0]) == (0, 1)


@pytest.mark.parametrize(
    ("candidates", "references", "metrics", "reason"),
    [
        ([], [], METRICS, "caption metrics need items, found none"),
        (["a"], [[]], METRICS, "item 1 has no references"),
        (["a"], [["a"]], ("spicy",), "unknown metric 'spicy'; known: spice"),
    ],
)
def test_what_cannot_be_scored_is_refused(candidates: Any, references: Any, metrics: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        compute_caption_scores(candidates, references, metrics=metrics)


def test_java_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MetricError, match=r"JAVA_HOME \(.*\) holds no bin/java"):
        java.find_java()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/java").write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    (tmp_path / "bin/java").chmod(0o755)
    java.get_java_version.cache_clear()
    assert java.get_java_version(java.find_java()) == 8
    assert java.list_package_flags(java.find_java()) == [], "Java 8 knows no such flag"
    java.get_java_version.cache_clear()
