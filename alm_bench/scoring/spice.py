"""SPICE (Anderson et al., arXiv 1607.08822): the F-score of a candidate's and its references' scene graphs.

The program is part of pycocoevalcap; its parser, Stanford CoreNLP 3.6.0, is not. The program was written for Java 8.
Newer versions of Java deny its cache access to some packages, which flags restore. They also have no JavaScript engine,
which the program uses to indent its result; `spice_engine` replaces it.
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
from alm_bench.core.files import get_cache_folder, hash_json
from alm_bench.scoring import java
from alm_bench.scoring.spice_engine import JAR

HOME = "ALM_BENCH_SPICE_HOME"
"""Environment variable with the folder of CoreNLP's two jars."""

CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
"""Names of CoreNLP's jars."""

BATCH = 250
"""Maximum number of items per start of Java, which takes ten seconds. Batches of long texts are smaller."""

BATCH_SECONDS = 120.0
"""Expected parsing time of a batch in seconds. An interruption loses at most this time plus the time of one item."""

MEGABYTES = 2048
"""Heap size of Java in MB."""

MEGABYTES_LONG = 4096
"""Heap size of Java in MB for long texts: five texts of 128 to 179 words did not fit into 2,048 MB."""

MAX_WORDS = 260
"""Maximum number of words in a text.

The parser treats a text as one sentence, since its punctuation is removed, and its memory grows with the square of the
length.
"""

MANY_WORDS = 120
"""Number of words above which texts are parsed in a single thread, because each takes much memory."""

Progress = Callable[[int, int], None]
"""Callback that gets the number of finished items and the number of all items."""

_PROGRESS: ContextVar[Progress] = ContextVar("told", default=lambda done, of: None)

Item = tuple[str, tuple[str, ...]]
"""Candidate and references of one item."""


@contextmanager
def report_progress_to(progress: Progress) -> Iterator[None]:
    """Report the progress of SPICE evaluations within this context to `progress`, after each batch.

    A first evaluation takes seconds per item. A context is used so that callers in between need no parameter.
    """
    before = _PROGRESS.set(progress)
    try:
        yield
    finally:
        _PROGRESS.reset(before)


def find_spice_folder() -> Path:
    """Return the folder of CoreNLP's jars: by the environment variable ALM_BENCH_SPICE_HOME, else in the user's cache.

    Raises MetricError with the folder that was searched if a jar is missing.
    """
    named = os.environ.get(HOME)
    places = [Path(named)] if named else [get_cache_folder("spice")]
    for place in places:
        if all((place / jar).is_file() for jar in CORENLP):
            return place.resolve()
    looked = " and ".join(map(str, places))
    raise MetricError(
        f"needs Stanford CoreNLP 3.6.0: {' and '.join(CORENLP)} are not in {looked}; `alm-bench data get "
        f"spice` fetches them, or name their folder with {HOME}"
    )


def compute_spice(
    candidates: Sequence[str], references: Sequence[Sequence[str]], names: Sequence[str] | None = None
) -> list[float]:
    """Return the SPICE F-score of each item, 0..1, from PTB-tokenised texts.

    `names` are the names of the items in messages. Scores are cached by content in the user's cache, and so are the
    parses of all but long texts. A repeated or resumed evaluation reads both from there. Raises MetricError
    without Java or CoreNLP. If SPICE cannot score some items, raises MetricError with the name of the first one, after
    the scores of all other items are cached.
    """
    progress = _PROGRESS.get()
    items = [(candidate, tuple(each)) for candidate, each in zip(candidates, references, strict=True)]
    with _open_cache() as cache:
        found: dict[Item, float] = {}
        for item in dict.fromkeys(items):
            if (value := _read_cached_score(cache, item)) is not None:
                found[item] = value
        todo = [item for item in dict.fromkeys(items) if item not in found]
        progress(len(items) - sum(item not in found for item in items), len(items))
        failures: dict[Item, str] = {}
        if todo:
            java.find_java()
            folder = find_spice_folder()
            for batch in _split_batches(todo):
                for item, score in _score_batch(batch, folder):
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


def _split_batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Yield the items in batches, in order, with limits on the number of items and on the expected parsing time.

    A text that several items of a batch share is parsed only once, and its time is counted once.
    """
    batch: list[Item] = []
    texts: set[str] = set()
    for item in items:
        batch.append(item)
        texts |= {item[0], *item[1]}
        if len(batch) == BATCH or sum(map(_estimate_seconds, texts)) > BATCH_SECONDS:
            yield batch
            batch, texts = [], set()
    if batch:
        yield batch


def _estimate_seconds(text: str) -> float:
    """Return the expected time in seconds to parse a text on one core: 0.1 for a caption, 47 for 230 words."""
    return 0.1 + len(text.split()) ** 2 / 1125


def _score_batch(items: Sequence[Item], folder: Path) -> Iterator[tuple[Item, float | str]]:
    """Yield each item with its score, or with the reason why it has none.

    A batch that makes Java fail is split in halves until the failing items are alone.
    """
    long = {item: reason for item in items if (reason := _explain_too_long(item)) is not None}
    yield from long.items()
    rest = [item for item in items if item not in long]
    if not rest:
        return
    try:
        values = _run_spice(rest, folder)
    except MetricError as error:
        _run_spice([PROBE], folder)  # raises if SPICE does not run at all
        if len(rest) == 1:
            yield rest[0], str(error)
            return
        half = len(rest) // 2
        yield from _score_batch(rest[:half], folder)
        yield from _score_batch(rest[half:], folder)
        return
    yield from zip(rest, values, strict=True)


PROBE: Item = ("a dog barks", ("a dog is barking",))
"""Item that SPICE can score, for a test if SPICE runs at all."""


def _explain_too_long(item: Item) -> str | None:
    """Return the reason why an item is too long for SPICE's parser, or None."""
    candidate, references = item
    for what, text in (("a candidate", candidate), *(("a reference", reference) for reference in references)):
        if (words := len(text.split())) > MAX_WORDS:
            return f"{what} of {words} words, SPICE's parser takes {MAX_WORDS}"
    return None


def _run_spice(items: Sequence[Item], folder: Path) -> list[float | str]:
    """Return the score of each item, or the reason (str) why it has none, from one start of SPICE.

    Raises MetricError if SPICE fails or does not end in time.
    """
    pack = java.find_pycocoevalcap_folder("spice")
    jars = [pack / "spice-1.0.jar", pack / "lib" / "*", *(folder / jar for jar in CORENLP), JAR]
    parses = get_cache_folder("spice") / "parses"
    texts = {text for item in items for text in (item[0], *item[1])}
    try:
        parses.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MetricError(f"the cache {parses} cannot be used ({error}): name another with ALM_BENCH_CACHE") from error
    with tempfile.TemporaryDirectory(prefix="alm-bench-spice-") as scratch:
        input_path, answer = Path(scratch) / "in.json", Path(scratch) / "out.json"
        told = [{"image_id": str(n), "test": item[0], "refs": list(item[1])} for n, item in enumerate(items)]
        input_path.write_text(json.dumps(told), encoding="utf-8")
        command = [
            *java.list_package_flags(java.find_java()),
            "-cp",
            os.pathsep.join(map(str, jars)),
            "edu.anu.spice.SpiceScorer",
        ]
        command += [str(input_path), "-cache", str(parses), "-out", str(answer), "-subset", "-silent"]
        long = max(len(text.split()) for text in texts) > MANY_WORDS
        command += ["-threads", "1"] if long else []
        megabytes = MEGABYTES_LONG if long else MEGABYTES
        java.run(command, megabytes=megabytes, seconds=180 + sum(5 + 5 * _estimate_seconds(text) for text in texts))
        if not answer.is_file():
            raise MetricError("SPICE ended without a result")
        scores = {entry["image_id"]: entry["scores"]["All"]["f"] for entry in json.loads(answer.read_text())}
    values = [scores.get(str(n)) for n in range(len(items))]
    return ["neither candidate nor references hold anything to compare" if v is None else float(v) for v in values]


def _read_cached_score(cache: DiskCache, item: Item) -> float | None:
    """Return the cached score of an item, or None."""
    value = cache.get(hash_json(item))
    return value if isinstance(value, float) else None


@contextmanager
def _open_cache() -> Iterator[DiskCache]:
    """Open the cache of scores. Raises MetricError if it cannot be used."""
    try:
        yield DiskCache(get_cache_folder("spice") / "scores.sqlite", "scores")
    except StoreError as error:
        raise MetricError(str(error)) from error
