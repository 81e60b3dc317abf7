"""Filter of repetitive questions: nearly the same question under many clips, or twice under one."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from alm_bench.core.rng import derive_integer
from alm_bench.parsing.likeness import FUNCTION_WORDS
from alm_bench.synthesis.filters.base import FilterSettings, Finding, RowFilter
from alm_bench.synthesis.rows import QuestionRow

SIMILARITY = 90.0
"""Similarity of two questions, 0 to 100, from which they are near-duplicates: rapidfuzz' `token_sort_ratio`."""

_PERMUTATIONS = 64
_JACCARD = 0.6
"""Jaccard similarity of the 4-grams of two questions from which MinHash proposes them as near-duplicates. It is lower
than what near-duplicates have, so that few of them are missed."""

_GRAM = 4
_FILLERS = frozenset(("audio", "clip", "file", "recording", "track", "sample", "sound", "sounds", "can", "you", "do"))
_SHARE, _LEAST_REPEATS = 0.005, 3
_WORDS = re.compile(r"[^\W_]+(?:'\w+)?")


class Repetitive(RowFilter):
    """Finds near-duplicate questions in excess of the number that is kept (`FilterSettings.repeats`).

    A random order, which depends on the seed, decides which ones are kept. Among the questions about one clip, only one
    of several near-duplicates is kept. Options, function words and words such as `audio` and `clip` are not compared.

    Candidate pairs are found by MinHash (datasketch), so that the time grows with the number of rows and not with its
    square. Their similarity is computed by rapidfuzz.
    """

    name = "repetitive"
    summary = "near-duplicate questions under many clips, or twice under one"
    order = 40

    def check(self, rows: Sequence[QuestionRow], settings: FilterSettings) -> Iterator[Finding]:
        clusters = cluster_texts([build_question_key(row.question) for row in rows])
        limit = max(_LEAST_REPEATS, round(_SHARE * len(rows))) if settings.repeats is None else settings.repeats
        sizes = Counter(clusters)
        ranks = sorted(range(len(rows)), key=lambda index: derive_integer("repetitive", settings.seed, rows[index].id))
        kept: Counter[int] = Counter()
        clips: set[tuple[int, tuple[str, ...]]] = set()
        found = {}
        for index in ranks:
            row, cluster = rows[index], clusters[index]
            if (cluster, row.clips) in clips:
                found[index] = "asked twice about one clip"
            elif kept[cluster] >= limit:
                found[index] = "near-duplicate under other clips"
            else:
                kept[cluster] += 1
                clips.add((cluster, row.clips))
        for index, reason in sorted(found.items()):
            yield Finding(rows[index].id, reason, f"{sizes[clusters[index]]} like {rows[index].question[:60]!r}")


@lru_cache(maxsize=65536)
def build_question_key(text: str) -> str:
    """Return the text by which a question is compared with others: its words in lower case, without function words and
    words such as `audio` and `clip`. If no word would remain, all words are returned."""
    words = _WORDS.findall(text.casefold())
    return " ".join([word for word in words if word not in FUNCTION_WORDS and word not in _FILLERS] or words)


def cluster_texts(texts: Sequence[str]) -> list[int]:
    """Assign texts to clusters of near-duplicates. Return a cluster number for each text.

    Two texts have the same number if they are near-duplicates, or if a chain of near-duplicates links them. Numbers
    need not be consecutive.
    """
    from rapidfuzz.fuzz import token_sort_ratio

    unique = list(dict.fromkeys(texts))
    parents = list(range(len(unique)))

    def find_root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for first, second in _propose_pairs(unique):
        a, b = find_root(first), find_root(second)
        if a != b and token_sort_ratio(unique[first], unique[second], score_cutoff=SIMILARITY):
            parents[max(a, b)] = min(a, b)
    roots = {text: find_root(index) for index, text in enumerate(unique)}
    return [roots[text] for text in texts]


def _propose_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the indices of pairs of texts that may be near-duplicates."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=_JACCARD, num_perm=_PERMUTATIONS)
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=_PERMUTATIONS, seed=1)
        sketch.update_batch([gram.encode() for gram in _list_grams(text)])
        for other in sorted(index.query(sketch)):
            yield other, number
        index.insert(number, sketch)


def _list_grams(text: str) -> list[str]:
    """Return the different 4-grams of characters of a text, in sorted order."""
    return sorted({text[start : start + _GRAM] for start in range(max(1, len(text) - _GRAM + 1))})


FILTERS = (Repetitive,)
