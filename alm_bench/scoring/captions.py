"""Several metrics of sentences at once: tokenisation, values with intervals, reasons where there is none.

The metrics themselves are in `alm_bench.scoring.metrics`. The values of caption metrics are those of pycocoevalcap 1.2
(github.com/salaniz/pycocoevalcap) to the last digit: its own code is called where it needs no Java, its jars where it
does.
"""

import functools
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alm_bench.core.errors import MetricError, UsageError, describe_error
from alm_bench.core.types import Metric
from alm_bench.scoring import java
from alm_bench.scoring.intervals import clustered_interval
from alm_bench.scoring.metrics import (
    CaptionScore,
    References,
    Sentences,
    computable_spec,
    default_metrics,
    score_sentences,
)

_LINE_ENDS = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")


def tokenize(texts: Sequence[str]) -> list[str]:
    """Lower-cased tokens of the Penn Treebank between blanks, punctuation left out (CoreNLP 3.4.1).

    Raises MetricError without Java.
    """
    from pycocoevalcap.tokenizer.ptbtokenizer import STANFORD_CORENLP_3_4_1_JAR

    if not texts:
        return []
    jar = java.package_folder("tokenizer") / STANFORD_CORENLP_3_4_1_JAR
    lines = "\n".join(_LINE_ENDS.sub(" ", text) for text in texts)
    asked = ["-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    said = java.run([*asked, "-encoding", "UTF-8"], lines + "\n", seconds=java.allowed_seconds(len(texts))).split("\n")
    if len(said) < len(texts):
        raise MetricError(f"the PTB tokenizer gave {len(said)} lines for {len(texts)} texts")
    return [_without_punctuation(line.rstrip().split(" ")) for line in said[: len(texts)]]


@functools.lru_cache(maxsize=8)
def _tokenized(texts: tuple[str, ...], program: str) -> list[str]:
    """What leads and ablations score again is not split again: every start of Java costs a second."""
    return tokenize(texts)


_SENTENCE_END = re.compile(r"""(?<=[\w)\]'"%])([.!?]+)(?=["')\]]*(?:\s|$))""")


def tokenize_without_java(texts: Sequence[str]) -> list[str]:
    """The same by NLTK's Treebank rules; of 12,000 captions and hypotheses 53 came out otherwise, mostly file names."""
    from nltk.tokenize import TreebankWordTokenizer

    rules = TreebankWordTokenizer()
    ended = (_SENTENCE_END.sub(r" \1 ", _LINE_ENDS.sub(" ", text)) for text in texts)
    return [_without_punctuation(w.lower() for w in rules.tokenize(text, convert_parentheses=True)) for text in ended]


def _without_punctuation(words: Iterable[str]) -> str:
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

    dropped = set(PUNCTUATIONS)
    return " ".join(word for word in words if word not in dropped)


@dataclass(frozen=True, slots=True)
class Captions:
    """By metric, the corpus's value with its interval, or the reason why there is none, and the value of each item.

    `tokenizer` names what split the texts: `CoreNLP 3.4.1`, or `NLTK` where there is no Java.
    """

    corpus: dict[str, Metric]
    items: dict[str, Sequence[float]]
    tokenizer: str


def caption_scores(
    candidates: Sequence[str],
    references: References,
    clusters: Sequence[Hashable] | None = None,
    metrics: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Captions:
    """Compute metrics of raw texts; default: those that are computed by default.

    `clusters` are resampled whole (clips), items where none are given; `names` are what messages call the items, which
    otherwise are counted from 1. A metric that cannot be computed has a reason; the others stand. Raises UsageError for
    no items, an item without references, or an unknown metric.
    """
    metrics = default_metrics() if metrics is None else metrics
    _check(candidates, references, metrics)
    flat = [*candidates, *(text for each in references for text in each)]
    try:
        tokens, tokenizer = _tokenized(tuple(flat), java.find_java()), "CoreNLP 3.4.1"
    except MetricError:
        tokens, tokenizer = tokenize_without_java(flat), "NLTK"
    said, rest = tokens[: len(candidates)], iter(tokens[len(candidates) :])
    known = [[next(rest) for _ in each] for each in references]
    found, missing = _computed(Sentences(said, known, candidates, references, names), metrics)
    where = list(range(len(candidates))) if clusters is None else list(clusters)
    corpus = {name: _metric(found[name], where) if name in found else Metric.missing(missing[name]) for name in metrics}
    return Captions(corpus, {name: found[name].items for name in metrics if name in found}, tokenizer)


def _check(candidates: Sequence[str], references: References, metrics: Sequence[str]) -> None:
    if not candidates:
        raise UsageError("caption metrics need items, found none")
    for number, each in enumerate(references, start=1):
        if not each:
            raise UsageError(f"item {number} has no references, expected one or more")
    for name in metrics:
        computable_spec(name)


def _computed(sentences: Sentences, metrics: Sequence[str]) -> tuple[dict[str, CaptionScore], dict[str, str]]:
    """Scores by metric, and for those that cannot be computed the reason."""
    found: dict[str, CaptionScore] = {}
    missing: dict[str, str] = {}
    for name in metrics:
        try:
            found[name] = score_sentences(name, sentences)
        except MetricError as error:
            missing[name] = str(error)
        except Exception as error:  # noqa: BLE001  a plug-in's code may raise anything: the others stand beside its reason
            missing[name] = f"raised {describe_error(error)}"
    return found, missing


def _metric(score: CaptionScore, clusters: Sequence[Hashable]) -> Metric:
    value = Metric(score.corpus, n=len(score.items))
    alike = not np.ptp(np.asarray(score.items)).any()
    if len(set(clusters)) == 1 or alike:  # one clip says nothing of others, nor do values that are all alike
        return value
    _, low, high = clustered_interval(clusters, score.counts, score.statistic)
    return replace(value, low=float(low[0]), high=float(high[0]))
