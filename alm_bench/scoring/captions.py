"""Computation of several caption metrics at once: tokenisation, values with intervals, reasons for missing values.

The metrics themselves are in `alm_bench.scoring.metrics`. The values are equal to the values of pycocoevalcap 1.2
(github.com/salaniz/pycocoevalcap) to the last digit: its own code is called for metrics without Java, and its jars for
the others.
"""

import functools
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from alm_bench.core.errors import MetricError, UsageError, describe_error
from alm_bench.core.types import Metric
from alm_bench.scoring import java
from alm_bench.scoring.intervals import compute_clustered_interval
from alm_bench.scoring.metrics import (
    CaptionScore,
    References,
    Sentences,
    collect_weights,
    get_sentence_metric_spec,
    list_default_metrics,
    score_sentences,
)
from alm_bench.scoring.weights import find_weights, hash_weights

_LINE_ENDS = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")


def tokenize(texts: Sequence[str]) -> list[str]:
    """Return each text as lower-case Penn Treebank tokens (CoreNLP 3.4.1), separated by spaces and without punctuation.

    Raises MetricError without Java.
    """
    from pycocoevalcap.tokenizer.ptbtokenizer import STANFORD_CORENLP_3_4_1_JAR

    if not texts:
        return []
    jar = java.find_pycocoevalcap_folder("tokenizer") / STANFORD_CORENLP_3_4_1_JAR
    lines = "\n".join(_LINE_ENDS.sub(" ", text) for text in texts)
    arguments = ["-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    said = java.run(
        [*arguments, "-encoding", "UTF-8"], lines + "\n", seconds=java.compute_time_limit(len(texts))
    ).split("\n")
    if len(said) < len(texts):
        raise MetricError(f"the PTB tokenizer gave {len(said)} lines for {len(texts)} texts")
    return [_strip_punctuation(line.rstrip().split(" ")) for line in said[: len(texts)]]


@functools.lru_cache(maxsize=8)
def _tokenize_cached(texts: tuple[str, ...], program: str) -> list[str]:
    """Tokenise texts, with a cache, since each start of Java takes a second.

    Margins and ablations score the same texts again. `program` is the path of Java, as part of the cache key.
    """
    return tokenize(texts)


def _tokenize_with_fallback(texts: Sequence[str]) -> tuple[list[str], str]:
    """Return the tokens of texts and the name of the tokeniser: `CoreNLP 3.4.1`, or `NLTK` without Java."""
    try:
        return _tokenize_cached(tuple(texts), java.find_java()), "CoreNLP 3.4.1"
    except MetricError:
        return tokenize_without_java(texts), "NLTK"


_SENTENCE_END = re.compile(r"""(?<=[\w)\]'"%])([.!?]+)(?=["')\]]*(?:\s|$))""")


def tokenize_without_java(texts: Sequence[str]) -> list[str]:
    """Return each text as tokens like `tokenize`, by the Treebank rules of NLTK.

    Of 12,000 captions and hypotheses, 53 had other tokens than with CoreNLP, mostly file names.
    """
    from nltk.tokenize import TreebankWordTokenizer

    rules = TreebankWordTokenizer()
    ended = (_SENTENCE_END.sub(r" \1 ", _LINE_ENDS.sub(" ", text)) for text in texts)
    return [_strip_punctuation(w.lower() for w in rules.tokenize(text, convert_parentheses=True)) for text in ended]


def _strip_punctuation(words: Iterable[str]) -> str:
    """Join tokens with spaces; tokens that pycocoevalcap treats as punctuation are left out."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

    dropped = set(PUNCTUATIONS)
    return " ".join(word for word in words if word not in dropped)


@dataclass(frozen=True, slots=True)
class CaptionMetrics:
    """Values of several caption metrics, by the metric's name: of the corpus and of each item. `weights` are hashes of
    the model weights that metrics computed with."""

    corpus: dict[str, Metric]
    """Corpus value of each metric with its interval, or the reason why it could not be computed."""

    items: dict[str, Sequence[float]]
    """Values of the items by metric, for the metrics that could be computed."""

    tokenizer: str | None
    """Tokeniser that was used: `CoreNLP 3.4.1`, or `NLTK` without Java; None if no metric uses tokens."""

    weights: dict[str, str] = field(default_factory=dict)
    """Name and hash of the weights by metric (`sbert 1a2b3c4d5e6f`), for metrics that compute with weights."""


def compute_caption_scores(
    candidates: Sequence[str],
    references: References,
    clusters: Sequence[Hashable] | None = None,
    metrics: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    questions: Sequence[str | None] | None = None,
) -> CaptionMetrics:
    """Compute caption metrics from texts as they were written; by default the metrics of `list_default_metrics`.

    `clusters` are the units that intervals resample as a whole (clips), one per item; by default each item is one
    cluster. `names` are the names of the items in messages; by default their numbers from 1. `questions` are the
    questions that the candidates answer, one per item, for metrics of short answers. If a metric cannot be computed,
    the result has a reason in its place, and the other metrics are still computed. Raises UsageError if there are no
    items, if an item has no references, or for an unknown metric.
    """
    metrics = list_default_metrics() if metrics is None else metrics
    _check_input(candidates, references, metrics)
    folders, metrics = collect_weights(metrics), [get_sentence_metric_spec(name).name for name in metrics]
    sentences = Sentences(candidates, references, _tokenize_with_fallback, names, questions, folders)
    found, missing = _compute_metrics(sentences, metrics)
    where = list(range(len(candidates))) if clusters is None else list(clusters)
    corpus = {
        name: _build_metric(found[name], where) if name in found else Metric.missing(missing[name]) for name in metrics
    }
    weights = {name: described for name in found if (described := _describe_weights(name, sentences))}
    items = {name: found[name].items for name in metrics if name in found}
    return CaptionMetrics(corpus, items, sentences.tokenizer, weights)


def _describe_weights(metric: str, sentences: Sentences) -> str:
    """Return the names and hashes of the weights that a metric was computed with; "" for a metric without weights."""
    parts = get_sentence_metric_spec(metric).weights
    folders = [(part, find_weights(metric, part, sentences.weights.get(part))) for part in parts]
    return ", ".join(f"{part} {hash_weights(folder)}" for part, folder in folders)


def _check_input(candidates: Sequence[str], references: References, metrics: Sequence[str]) -> None:
    """Raise UsageError if there are no items, if an item has no references, or for an unknown metric."""
    if not candidates:
        raise UsageError("caption metrics need items, found none")
    for number, each in enumerate(references, start=1):
        if not each:
            raise UsageError(f"item {number} has no references, expected one or more")
    for name in metrics:
        get_sentence_metric_spec(name)


def _compute_metrics(sentences: Sentences, metrics: Sequence[str]) -> tuple[dict[str, CaptionScore], dict[str, str]]:
    """Return the scores of the metrics that can be computed, and the reasons why the others cannot, by metric name."""
    found: dict[str, CaptionScore] = {}
    missing: dict[str, str] = {}
    for name in metrics:
        try:
            found[name] = score_sentences(name, sentences)
        except MetricError as error:
            missing[name] = str(error)
        except Exception as error:  # noqa: BLE001  a plug-in may raise anything; other metrics are still computed
            missing[name] = f"raised {describe_error(error)}"
    return found, missing


def _build_metric(score: CaptionScore, clusters: Sequence[Hashable]) -> Metric:
    """Return the corpus value, with an interval if there are several clusters and the items' values differ."""
    value = Metric(score.corpus, n=len(score.items))
    alike = not np.ptp(np.asarray(score.items)).any()
    if len(set(clusters)) == 1 or alike:  # no variance can be estimated
        return value
    _, low, high = compute_clustered_interval(clusters, score.counts, score.statistic)
    return replace(value, low=float(low[0]), high=float(high[0]))
