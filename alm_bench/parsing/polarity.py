"""Answers to yes/no questions by sentences that affirm or deny the question's content, in English only.

Example: "There is a dog" answers "Is there a dog?" with yes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from alm_bench.parsing.document import Document, split_sentences
from alm_bench.parsing.likeness import list_stems
from alm_bench.parsing.text import Span, fold

_AUXILIARY = r"(?:is|are|was|were|am|do|does|did|can|could|has|have|had|will|would|should|might|may)(?:n't)?\b"
_ASKS = re.compile(rf"(?:^|[,:;]\s*(?:and\s+|or\s+)?)\s*({_AUXILIARY}[^?]*)")
_MODAL = re.compile(r"\b(?:could|might|may|would|possib\w*|probab\w*|likely|perhaps)\b")
_OR = re.compile(r"\bor\b")
_DENIES = re.compile(
    r"\b(?:not|no|never|neither|nor|without|cannot|none|nobody|nothing|lacks?|lacking|absen(?:t|ce)|rather\s+than"
    r"|instead\s+of|free\s+of)\b|n't\b"
)
_NO_SUCH = re.compile(
    r"\b(?:there\s+(?:is|are|was|were|'s)(?:n't|\s+not?)|there(?:'s|\s+(?:is|are))\s+(?:also\s+)?no|no\b|absence\s+of|lacks?|without"
    r"|(?:do|did)(?:n't|\s+not)\s+hear|can(?:'t|not|\s+not)\s+hear)"
)
_WEAK = re.compile(
    r"\s*(?:no\s+)?(?:\w+\s+){0,2}(?:evidence|indications?|mention|signs?|suggestion|clue)\s+(?:of|that|for)\b"
)
_HEDGES = re.compile(r"\b(?:may|might|could|possib\w+|perhaps|maybe|unclear|uncertain|difficult\s+to|hard\s+to)\b")
_APOLOGY = re.compile(r"^\W*(?:i'm|i\s+am)\s+(?:sorry|afraid)\b,?\s*(?:but\b|that\b)?|^\W*unfortunately\b,?")
_BREAK = re.compile(
    r"\b(?:but|however|although|though|whereas|while|yet|because|since)\b|;|,\s*(?:suggesting|indicating|implying|which|so)\b"
)
_PRONOUN = re.compile(r"\W*(?:(?:and|so|therefore|thus|yes|no)\W+)?(?:it|they|this|that|these|those|he|she)\b")
_PRESENT = re.compile(
    r"\b(?:heard|hear|audible|present|mentioned|detect\w*|evident|apparent|notice\w*|discern\w*|there|included|featured)\b"
)

_PREPOSITION = re.compile(
    r"\b(?:in|on|at|over|under|behind|besides|except|with|during|apart|other|before|after|near|from)\b"
)

_EMPTY = frozenset(
    stem
    for stem in list_stems(
        "a an the is are was were am be been being do does did can could has have had will would should might may "
        "of to in on at by for from with and as it its this that these those there any some you your i we he she "
        "they his her their them likely possibly probably really actually also just very sound sounds noise "
        "noises audio recording recordings clip clips background hear hears heard hearing listen audible present "
        "make makes making made track scene file sample"
    )
)
"""Stems that are ignored when a sentence is compared with a question."""

_SAME = {
    stem: group[0]
    for words in (
        "person people human someone anyone somebody anybody voice voices speech",
        "talk talking speak speaking converse conversation chat chatting",
        "several multiple many",
        "car vehicle automobile",
        "happy cheerful",
        "quiet silent",
        "loud noisy",
    )
    for group in [list_stems(words)]
    for stem in group
}
"""Representative stem of each stem with a synonym, in questions about sounds."""

MAX_WORDS_TO_ABSENT_THING = 3
"""Number of content words after "there is no" that are searched for the absent thing."""

MAX_QUESTION_WORDS = 12
"""Maximum number of content words of a question; longer questions are not used."""


@dataclass(frozen=True, slots=True)
class Question:
    """Content of a yes/no question."""

    content: tuple[str, ...]
    """Stems of the content words, in order, without repetitions."""

    modal: bool
    """True if the question asks for a possibility ("Could this be ...?")."""


@lru_cache(maxsize=4096)
def read_question(text: str) -> Question | None:
    """Return the content of a yes/no question.

    Returns None for any other kind of question, and for one that offers alternatives, is negated, or has more than
    `MAX_QUESTION_WORDS` content words.
    """
    folded_question = fold(text).strip()
    found = _ASKS.search(folded_question.rpartition("?")[0] or folded_question)
    if found is None or _OR.search(found[1]) or _DENIES.search(found[1]):
        return None
    content = tuple(dict.fromkeys(_list_content_stems(found[1])))
    return Question(content, bool(_MODAL.search(found[1]))) if 0 < len(content) <= MAX_QUESTION_WORDS else None


@dataclass(frozen=True, slots=True)
class Claim:
    """A clause that affirms or denies the content of a question."""

    affirms: bool
    """True if the clause affirms, False if it denies."""

    span: Span
    """Start and end of the clause in the text."""


def find_last_claim(doc: Document, span: Span, question: Question) -> Claim | None:
    """Return the last clause within `span` that affirms or denies the question.

    Returns None if there is no such clause, or if clauses contradict each other.
    """
    claims = list(_find_claims(doc, span, question))
    return claims[-1] if len({claim.affirms for claim in claims}) == 1 else None


def _find_claims(doc: Document, span: Span, question: Question) -> Iterator[Claim]:
    """Yield the clauses that affirm or deny the question, in order."""
    plain = doc.plain
    for start, end in split_sentences(plain, *span):
        if apology := _APOLOGY.match(plain[start:end]):
            start += apology.end()
        clauses = list(_split_clauses(plain, (start, end)))
        for number, clause in enumerate(clauses):
            claim = _read_claim(doc, clause, question)
            if claim is None:
                continue
            # "No direct evidence of it, but it could be there" neither affirms nor denies.
            later = [plain[slice(*other)] for other in clauses[number + 1 :]]
            if _WEAK.search(plain, *clause) and any(_HEDGES.search(one) and _PRESENT.search(one) for one in later):
                continue
            yield claim


def _split_clauses(plain: str, span: Span) -> Iterator[Span]:
    """Yield the span of each clause of a sentence."""
    start = span[0]
    for mark in _BREAK.finditer(plain, *span):
        yield start, mark.start()
        start = mark.end()
    yield start, span[1]


def _read_claim(doc: Document, clause: Span, question: Question) -> Claim | None:
    """Return the claim of one clause about the question, or None."""
    said = doc.plain[slice(*clause)]
    if doc.cues.compile_pattern(r"\W*@conditions").match(said) or (_HEDGES.search(said) and not question.modal):
        return None
    matched = set(question.content) & set(_list_content_stems(said))
    if not matched:
        return None
    covered = len(matched) == len(question.content) or (
        len(matched) == len(question.content) - 1 and question.content[0] not in matched and _PRONOUN.match(said)
    )
    denials = list(_DENIES.finditer(said))
    if not denials:
        return Claim(True, clause) if covered else None
    if len(denials) > 1 or (doc.search_phrase("refusals", *clause) and not _NO_SUCH.search(said)):
        return None
    after = said[denials[0].end() :]
    if absent := _NO_SUCH.search(said):
        # If any thing that the question names is absent, the answer is no.
        weak = _WEAK.match(said, absent.end())
        missing = _PREPOSITION.split(said[weak.end() if weak else absent.end() :])[0]
        return Claim(False, clause) if matched & set(_list_content_stems(missing)[:MAX_WORDS_TO_ABSENT_THING]) else None
    if covered and (
        set(_list_content_stems(after)) & matched or _PRESENT.search(after) or denials[0][0].startswith("absen")
    ):
        return Claim(False, clause)
    return None


def _list_content_stems(text: str) -> list[str]:
    """Return the stems of the content words of a text; synonyms have the same stem."""
    return [_SAME.get(stem, stem) for stem in list_stems(text) if stem not in _EMPTY]
