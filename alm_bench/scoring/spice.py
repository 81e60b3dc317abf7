"""SPICE (Anderson et al., arXiv 1607.08822) on today's Java: the scene graphs of candidate and references, their F.

SPICE's own program is in pycocoevalcap. It parses with Stanford CoreNLP 3.6.0, which is not, and was written for
Java 8: newer ones need packages opened to its cache, and have no JavaScript engine, which it indents its result with
(`spice_engine` stands for that).
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.errors import MetricError, StoreError
from alm_bench.core.files import cache_folder, hash_json
from alm_bench.scoring import java
from alm_bench.scoring.spice_engine import JAR

HOME = "ALM_BENCH_SPICE_HOME"
"""The environment variable that names the folder of CoreNLP's two jars."""

CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
BATCH = 250
"""Items for one start of Java (ten seconds), fewer where texts are long."""

BATCH_SECONDS = 120.0
"""What a batch's texts should take to parse: with one item more, what an interruption loses at most."""

MEGABYTES = 2048
MEGABYTES_LONG = 4096
"""Of Java's heap, and of it where texts are long: five texts of 128 to 179 words did not fit into 2,048."""
LONGEST = 260
"""Words of a text, one sentence to the parser since its punctuation is gone: what it needs grows with their square."""
LONG = 120
"""From here on texts are parsed one at a time, for the memory that each takes."""

Progress = Callable[[int, int], None]
"""Told how many items are done, and of how many."""

_TOLD: ContextVar[Progress] = ContextVar("told", default=lambda done, of: None)

Item = tuple[str, tuple[str, ...]]


@contextmanager
def report_progress_to(progress: Progress) -> Iterator[None]:
    """Tell of every batch that is scored inside: a first evaluation takes seconds an item, wherever it is called."""
    before = _TOLD.set(progress)
    try:
        yield
    finally:
        _TOLD.reset(before)


def spice_folder() -> Path:
    """The folder of CoreNLP's jars: of the environment variable, else the user's cache.

    Raises MetricError naming the places looked at.
    """
    named = os.environ.get(HOME)
    places = [Path(named)] if named else [cache_folder("spice")]
    for place in places:
        if all((place / jar).is_file() for jar in CORENLP):
            return place.resolve()
    looked = " and ".join(map(str, places))
    raise MetricError(
        f"needs Stanford CoreNLP 3.6.0: {' and '.join(CORENLP)} are not in {looked}; `alm-bench data get "
        f"spice` fetches them, or name their folder with {HOME}"
    )


def spice_items(
    candidates: Sequence[str], references: Sequence[Sequence[str]], names: Sequence[str] | None = None
) -> list[float]:
    """SPICE's F of each item, 0 to 1, of PTB-tokenised texts. `names` are what messages call the items.

    Scores are kept by content in the user's cache, and so are the parses of all but long texts: what was scored once is
    not scored again, and an interrupted evaluation goes on. Raises MetricError without Java or CoreNLP, and naming the
    first item that SPICE cannot score; all others are kept all the same.
    """
    progress = _TOLD.get()
    items = [(candidate, tuple(each)) for candidate, each in zip(candidates, references, strict=True)]
    with _cache() as cache:
        found: dict[Item, float] = {}
        for item in dict.fromkeys(items):
            if (value := _known(cache, item)) is not None:
                found[item] = value
        todo = [item for item in dict.fromkeys(items) if item not in found]
        progress(len(items) - sum(item not in found for item in items), len(items))
        failures: dict[Item, str] = {}
        if todo:
            java.find_java()
            folder = spice_folder()
            for batch in _batches(todo):
                for item, score in _scored(batch, folder):
                    if isinstance(score, str):
                        failures[item] = score
                    else:
                        found[item] = score
                        cache.put(hash_json(item), score)
                progress(sum(item in found for item in items), len(items))
    if failures:
        place = next(number for number, item in enumerate(items) if item in failures)
        others = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        name = place + 1 if names is None else names[place]
        raise MetricError(f"item {name}{others}: {failures[items[place]]}")
    return [found[item] for item in items]


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """In order; a text that two items of a batch share is parsed once."""
    batch: list[Item] = []
    texts: set[str] = set()
    for item in items:
        batch.append(item)
        texts |= {item[0], *item[1]}
        if len(batch) == BATCH or sum(map(_seconds, texts)) > BATCH_SECONDS:
            yield batch
            batch, texts = [], set()
    if batch:
        yield batch


def _seconds(text: str) -> float:
    """What a text takes to parse, measured on one core: 0.1 s for a caption, 47 s for 230 words."""
    return 0.1 + len(text.split()) ** 2 / 1125


def _scored(items: Sequence[Item], folder: Path) -> Iterator[tuple[Item, float | str]]:
    """Values, or reasons why there are none. A batch that ends Java is halved until the guilty items stand alone."""
    long = {item: reason for item in items if (reason := _too_long(item)) is not None}
    yield from long.items()
    rest = [item for item in items if item not in long]
    if not rest:
        return
    try:
        values = _run(rest, folder)
    except MetricError as error:
        _run([PROBE], folder)  # what does not run at all is no item's fault
        if len(rest) == 1:
            yield rest[0], str(error)
            return
        half = len(rest) // 2
        yield from _scored(rest[:half], folder)
        yield from _scored(rest[half:], folder)
        return
    yield from zip(rest, values, strict=True)


PROBE: Item = ("a dog barks", ("a dog is barking",))


def _too_long(item: Item) -> str | None:
    candidate, references = item
    for what, text in (("a candidate", candidate), *(("a reference", reference) for reference in references)):
        if (words := len(text.split())) > LONGEST:
            return f"{what} of {words} words, SPICE's parser takes {LONGEST}"
    return None


def _run(items: Sequence[Item], folder: Path) -> list[float | str]:
    """One start of SPICE. Raises MetricError when it ends too early, or is not done in time."""
    pack = java.package_folder("spice")
    jars = [pack / "spice-1.0.jar", pack / "lib" / "*", *(folder / jar for jar in CORENLP), JAR]
    parses = cache_folder("spice") / "parses"
    texts = {text for item in items for text in (item[0], *item[1])}
    try:
        parses.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MetricError(f"the cache {parses} cannot be used ({error}): name another with ALM_BENCH_CACHE") from error
    with tempfile.TemporaryDirectory(prefix="alm-bench-spice-") as scratch:
        asked, answer = Path(scratch) / "in.json", Path(scratch) / "out.json"
        told = [{"image_id": str(n), "test": item[0], "refs": list(item[1])} for n, item in enumerate(items)]
        asked.write_text(json.dumps(told), encoding="utf-8")
        command = [
            *java.open_package_flags(java.find_java()),
            "-cp",
            os.pathsep.join(map(str, jars)),
            "edu.anu.spice.SpiceScorer",
        ]
        command += [str(asked), "-cache", str(parses), "-out", str(answer), "-subset", "-silent"]
        long = max(len(text.split()) for text in texts) > LONG
        command += ["-threads", "1"] if long else []
        megabytes = MEGABYTES_LONG if long else MEGABYTES
        java.run(command, megabytes=megabytes, seconds=180 + sum(5 + 5 * _seconds(text) for text in texts))
        if not answer.is_file():
            raise MetricError("SPICE ended without a result")
        scores = {entry["image_id"]: entry["scores"]["All"]["f"] for entry in json.loads(answer.read_text())}
    values = [scores.get(str(n)) for n in range(len(items))]
    return ["neither candidate nor references hold anything to compare" if v is None else float(v) for v in values]


def _known(cache: DiskCache, item: Item) -> float | None:
    value = cache.get(hash_json(item))
    return value if isinstance(value, float) else None


@contextmanager
def _cache() -> Iterator[DiskCache]:
    """The scores of former evaluations. Raises MetricError where they cannot be read or stored."""
    try:
        yield DiskCache(cache_folder("spice") / "scores.sqlite", "scores")
    except StoreError as error:
        raise MetricError(str(error)) from error
