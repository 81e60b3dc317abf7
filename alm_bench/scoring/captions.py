"""Caption metrics as pycocoevalcap has them: plain functions from candidates and references to scores.

Every metric takes PTB-tokenised texts (`tokenize`), one candidate and one or more references an item, and returns the
corpus's value and one an item. Their values are those of pycocoevalcap 1.2 (github.com/salaniz/pycocoevalcap) to
the last digit: its own code is called where it needs no Java, its jars where it does.
"""

import functools
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alm_bench.core.errors import MetricError, UsageError, known_first
from alm_bench.core.types import Metric
from alm_bench.scoring import java
from alm_bench.scoring.intervals import Array, clustered_interval
from alm_bench.scoring.spice import spice_items

References = Sequence[Sequence[str]]

_LINE_ENDS = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_SECONDS = 60.0
"""What a Java program may take to start, and a quarter of a second more for each text."""


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
    said = java.run([*asked, "-encoding", "UTF-8"], lines + "\n", seconds=_SECONDS + len(texts) / 4).split("\n")
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
class CaptionScore:
    """One metric: `corpus`, the value of each item, and what the corpus's value is a function of.

    `statistic` maps sums of `counts` (items, ...) over items to the value, for resampling.
    """

    corpus: float
    items: Sequence[float]
    counts: Array
    statistic: Callable[[Array], Array]


def mean_score(items: Sequence[float]) -> CaptionScore:
    """A metric whose corpus value is the mean of its items."""
    values = np.asarray(items, dtype=np.float64)
    counts = np.stack([values, np.ones(len(values))], axis=1)
    return CaptionScore(float(values.mean()), values.tolist(), counts, lambda sums: sums[..., :1] / sums[..., 1:])


def _numbered(texts: Sequence[Sequence[str]]) -> dict[int, list[str]]:
    return {number: list(each) for number, each in enumerate(texts)}


def bleu(candidates: Sequence[str], references: References) -> list[CaptionScore]:
    """BLEU-1 to BLEU-4 (Papineni et al., ACL 2002), the closest reference's length, not smoothed."""
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=4)
    for candidate, each in zip(candidates, references, strict=True):
        scorer += (candidate, list(each))
    corpus, items = scorer.compute_score(option="closest", verbose=0)
    parts = []
    for part in scorer.ctest:
        _, closest = min((abs(length - part["testlen"]), length) for length in part["reflen"])
        parts.append([part["testlen"], closest, *part["correct"], *part["guess"]])
    counts = np.array(parts, dtype=np.float64)
    return [CaptionScore(float(corpus[n]), [float(v) for v in items[n]], counts, _bleu_of(n + 1)) for n in range(4)]


def _bleu_of(order: int) -> Callable[[Array], Array]:
    """BLEU of summed (candidate length, reference length, 4 matches, 4 n-grams), with pycocoevalcap's constants."""

    def statistic(sums: Array) -> Array:
        matched, guessed = sums[..., 2 : 2 + order], sums[..., 6 : 6 + order]
        value = np.prod((matched + 1e-15) / (guessed + 1e-9), axis=-1) ** (1 / order)
        ratio = (sums[..., 0] + 1e-15) / (sums[..., 1] + 1e-9)
        found: Array = (value * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0))[..., None]
        return found

    return statistic


def rouge_l(candidates: Sequence[str], references: References) -> CaptionScore:
    """ROUGE-L (Lin, 2004): F of the longest common subsequence, beta 1.2, the best precision and recall."""
    from pycocoevalcap.rouge.rouge import Rouge

    _, items = Rouge().compute_score(_numbered(references), _numbered([[text] for text in candidates]))
    return mean_score(items)


def cider(candidates: Sequence[str], references: References) -> CaptionScore:
    """CIDEr-D (Vedantam et al., arXiv 1411.5726), its document frequencies from these references; times 10."""
    from pycocoevalcap.cider.cider import Cider

    _, items = Cider().compute_score(_numbered(references), _numbered([[text] for text in candidates]))
    return mean_score(items)


# METEOR 1.5's parameters for English: task `rank`, weights of exact, stem, synonym and paraphrase matches.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = (1.0, 0.6, 0.8, 0.6)
_STATISTICS = 23


def meteor(candidates: Sequence[str], references: References) -> CaptionScore:
    """METEOR 1.5 (Denkowski and Lavie, WMT 2014), English, the best of several references; the corpus's from sums.

    Raises MetricError without Java.
    """
    lines = []
    for candidate, each in zip(candidates, references, strict=True):
        told = candidate.replace("|||", "").replace("  ", " ")
        lines.append(" ||| ".join(("SCORE", *each, told)))
    jar = java.package_folder("meteor") / "meteor-1.5.jar"
    asked = ["-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    said = java.run(asked, "\n".join(lines) + "\n", seconds=_SECONDS + len(lines) / 4).splitlines()
    rows = [line.split() for line in said]
    if len(rows) != len(lines) or any(len(row) != _STATISTICS for row in rows):
        raise MetricError(f"METEOR gave {len(rows)} lines for {len(lines)} items, expected {_STATISTICS} numbers each")
    counts = np.array(rows, dtype=np.float64)
    # A candidate that matches all of a reference in one piece is not fragmented; METEOR adds none of its chunks up.
    stages = counts[:, 4:20].reshape(-1, 4, 2, 2).sum(axis=(1, 2))
    counts[(stages == counts[:, :2]).all(axis=1) & (counts[:, 20] == 1), 20] = 0
    items = meteor_of(counts)[..., 0]
    return CaptionScore(float(meteor_of(counts.sum(axis=0))[0]), items.tolist(), counts, meteor_of)


def meteor_of(sums: Array) -> Array:
    """METEOR of its statistics, (..., 23) to (..., 1).

    They are: length of candidate and reference, their function words, then for each kind of match (exact, stem,
    synonym, paraphrase) the candidate's and the reference's content words matched, and both's function words, then
    chunks and the words matched in both.
    """
    stages = sums[..., 4:20].reshape(*sums.shape[:-1], 4, 4)
    chunks, words = sums[..., 20], (sums[..., 21] + sums[..., 22]) / 2
    weights = np.array(WEIGHTS)
    rates = []
    for side in (0, 1):
        matched = (DELTA * stages[..., side] + (1 - DELTA) * stages[..., side + 2]) @ weights
        function = sums[..., side + 2]
        length = DELTA * (sums[..., side] - function) + (1 - DELTA) * function
        rates.append(_ratio(matched, length))
    precision, recall = rates
    mean = _ratio(precision * recall, (1 - ALPHA) * recall + ALPHA * precision)
    found: Array = (mean * (1 - GAMMA * _ratio(chunks, words) ** BETA))[..., None]
    return found


def _ratio(part: Array, whole: Array) -> Array:
    """0 where there is nothing to divide by: what matches nothing scores nothing."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def spice(candidates: Sequence[str], references: References, names: Sequence[str] | None = None) -> CaptionScore:
    """SPICE (Anderson et al., arXiv 1607.08822): the mean of `spice_items`, which says what it raises."""
    return mean_score(spice_items(candidates, references, names))


METRICS = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider", "spice", "spider")


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
    metrics: Sequence[str] = METRICS,
    names: Sequence[str] | None = None,
) -> Captions:
    """The metrics of raw texts. `clusters` are resampled whole (clips), items where none are given; `names` are what
    messages call the items, which otherwise are counted from 1.

    SPIDEr is the mean of CIDEr and SPICE (Liu et al., arXiv 1612.00370). A metric that cannot be had has a reason; the
    others stand. Raises UsageError for no items, an item without references, or an unknown metric.
    """
    _check(candidates, references, metrics)
    flat = [*candidates, *(text for each in references for text in each)]
    try:
        tokens, tokenizer = _tokenized(tuple(flat), java.find_java()), "CoreNLP 3.4.1"
    except MetricError:
        tokens, tokenizer = tokenize_without_java(flat), "NLTK"
    said, rest = tokens[: len(candidates)], iter(tokens[len(candidates) :])
    known = [[next(rest) for _ in each] for each in references]
    found, missing = _computed(said, known, metrics, names)
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
        if name not in METRICS:
            raise UsageError(f"unknown metric {name!r}; known: {known_first(name, METRICS)}")


def _computed(
    said: Sequence[str], known: References, metrics: Sequence[str], names: Sequence[str] | None
) -> tuple[dict[str, CaptionScore], dict[str, str]]:
    """Scores by metric, and for those that cannot be had the reason."""
    found: dict[str, CaptionScore] = {}
    missing: dict[str, str] = {}
    if any(name.startswith("bleu_") for name in metrics):
        found |= {f"bleu_{order}": score for order, score in enumerate(bleu(said, known), start=1)}
    wanted = {*metrics, *(("cider", "spice") if "spider" in metrics else ())}
    metric_of: dict[str, Callable[[], CaptionScore]] = {
        "meteor": lambda: meteor(said, known),
        "rouge_l": lambda: rouge_l(said, known),
        "cider": lambda: cider(said, known),
        "spice": lambda: spice(said, known, names),
    }
    for name, compute in metric_of.items():
        if name in wanted:
            try:
                found[name] = compute()
            except MetricError as error:
                missing[name] = str(error)
    if "spider" in metrics and {"cider", "spice"} <= found.keys():
        both = zip(found["cider"].items, found["spice"].items, strict=True)
        found["spider"] = mean_score([(one + other) / 2 for one, other in both])
    elif "spider" in metrics:
        missing["spider"] = f"is the mean of CIDEr and SPICE; SPICE {missing['spice']}"
    return found, missing


def _metric(score: CaptionScore, clusters: Sequence[Hashable]) -> Metric:
    value = Metric(score.corpus, n=len(score.items))
    alike = not np.ptp(np.asarray(score.items)).any()
    if len(set(clusters)) == 1 or alike:  # one clip says nothing of others, nor do values that are all alike
        return value
    _, low, high = clustered_interval(clusters, score.counts, score.statistic)
    return replace(value, low=float(low[0]), high=float(high[0]))
