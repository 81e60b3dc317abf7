"""Rules that grade a short answer in free text against references: exact match, containment, and token F1.

`contains_reference` is the rule that agrees best with people (docs/open_answers.md). An answer is right if it asserts a
reference:

1. A reference that is a number, or yes or no, is compared with the number, or the yes or no, that the answer gives by
   the parsers of these answers.
2. Otherwise, one sentence of the answer must contain every word of the reference, in any order. Articles and other
   function words are ignored. A word is contained if the sentence has it in any inflected form, in a compound
   (`thunder` in `thunderclap`), or as a synonym in WordNet.
3. A word that the answer denies ("not a dog", "no sign of a dog", "cannot tell whether it is a dog") is not contained.
   A hedge ("it could be a dog") and an alternative ("a dog or a fox") are accepted, because people accept them.
4. Reasoning and markup are not part of the answer. If the answer stands in a tag or a box, only that counts.
5. Of several references, one suffices.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from alm_bench.parsing.document import Document
from alm_bench.parsing.likeness import FUNCTION_WORDS, build_stem_key
from alm_bench.parsing.numbers import parse_single_number
from alm_bench.parsing.plain import parse_number, parse_yes_no
from alm_bench.parsing.text import SINGLES, Span, Token, fold, iterate_tokens, normalise_text
from alm_bench.parsing.yes_no import read_yes_or_no
from alm_bench.scoring.wordnet import are_synonyms, is_part_of_compound

RULE = "short@1"
"""Name and version of the rules. The version is raised with every change that can change a grade."""

ARTICLES = ("a", "an", "the")
"""Words that exact match and token F1 ignore, as SQuAD's scorer does (arXiv 1606.05250)."""


_UNSPACED = re.compile(f"[{SINGLES}]")


def equals_reference(answer: str, references: Sequence[str]) -> bool:
    """Return True if an answer equals a reference, apart from case, punctuation and articles."""
    words = _split_words(answer)
    return bool(words) and any(words == _split_words(reference) for reference in references)


def compute_token_f1(answer: str, references: Sequence[str]) -> float:
    """Return the best F1 of the words of an answer over its references, as SQuAD's scorer computes it (0..1)."""
    return max((_compute_f1(_split_words(answer), _split_words(reference)) for reference in references), default=0.0)


def contains_reference(answer: str, references: Sequence[str], question: str | None = None) -> bool:
    """Return True if an answer asserts one of the references, by the rule at the top of this module.

    `question` helps to choose among several numbers and to understand sentences that imply yes or no.
    """
    return any(_asserts_reference(answer, reference, question) for reference in references)


def _split_words(text: str) -> list[str]:
    """Return the words of a text without case, punctuation and articles."""
    plain = normalise_text(text)
    return [token.text for token in iterate_tokens(plain, 0, len(plain)) if token.text not in ARTICLES]


def _compute_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """Return the F1 of two lists of words, in which each word counts as often as it occurs."""
    shared = sum((Counter(answer) & Counter(reference)).values())
    return 2 * shared / (len(answer) + len(reference)) if shared else 0.0


def _asserts_reference(answer: str, reference: str, question: str | None) -> bool:
    """Return True if an answer asserts one reference."""
    number = parse_single_number(fold(reference))
    if number is not None and (parsed := parse_number(answer, question)).status in ("ok", "ambiguous"):
        return parsed.value == number
    if (expected := read_yes_or_no(fold(reference))) is not None:
        return parse_yes_no(answer, question).value == expected
    document, sentences = _parse_document(answer), list(_list_sentences(_parse_document(answer)))
    if _UNSPACED.search(reference):
        return any(_asserts_characters(document, span, normalise_text(reference)) for span in sentences)
    wanted = _list_content_words(reference)
    deniable = _parse_document(reference).search_phrase("denials_before") is None  # "not moving" is a reference, too
    return bool(wanted) and any(_asserts_words(document, span, wanted, deniable) for span in sentences)


@lru_cache(maxsize=256)
def _parse_document(answer: str) -> Document:
    """Return the structure of an answer. It is cached, since an answer is compared with several references."""
    return Document(answer)


def _list_sentences(document: Document) -> Iterator[Span]:
    """Yield the spans of an answer's sentences. If it has answer tags or boxes, use only the text in the last one."""
    framed = [statement.span for statement in document.statements if statement.is_markup]
    for start, end in document.sentences:
        if not framed:
            yield start, end
        elif start < framed[-1][1] and framed[-1][0] < end:
            yield max(start, framed[-1][0]), min(end, framed[-1][1])


def _asserts_words(document: Document, span: Span, reference_words: Sequence[str], excludes_denied_words: bool) -> bool:
    """Return True if the sentence at `span` contains every word of `reference_words`, in any form that
    `_is_equivalent_word` accepts.

    If `excludes_denied_words` is True, a word that the sentence denies ("not a dog") does not count as contained. It is
    False if the reference itself is a denial ("not moving").
    """
    said = list(iterate_tokens(document.plain.replace("-", " "), *span))
    return all(
        any(
            _is_equivalent_word(token.text, word) and not (excludes_denied_words and _is_denied(document, span, token))
            for token in said
        )
        for word in reference_words
    )


def _is_denied(document: Document, span: Span, token: Token) -> bool:
    """Return True if a sentence denies a word, or leaves open whether it applies ("cannot tell whether it is ...")."""
    if document.is_denied(token.start, token.end):
        return True
    refusal = document.search_phrase("refusals", span[0], token.start)
    between = "" if refusal is None else document.plain[refusal.end() : token.start]
    condition, contrast = (
        document.cues.compile_pattern(f"@{key}").search(between) for key in ("conditions", "contrasts")
    )
    return condition is not None and contrast is None


def _asserts_characters(document: Document, span: Span, reference_text: str) -> bool:
    """Return True if a sentence in a script without spaces contains the characters `reference_text`, and does not deny
    them."""
    start = document.plain.find(reference_text, *span)
    return start >= 0 and not document.is_denied(start, start + len(reference_text))


def _list_content_words(reference: str) -> tuple[str, ...]:
    """Return the words of a reference without function words; all of its words if it has no others."""
    plain = normalise_text(reference).replace("-", " ")
    words = tuple(token.text for token in iterate_tokens(plain, 0, len(plain)))
    return tuple(word for word in words if word not in FUNCTION_WORDS) or words


@lru_cache(maxsize=65536)
def _is_equivalent_word(word: str, reference_word: str) -> bool:
    """Return True if `word` of an answer means `reference_word` of the reference.

    That is the case for the same word, an inflected form, a compound with it, or a synonym.
    """
    if build_stem_key(word) == build_stem_key(reference_word):
        return True
    return word not in FUNCTION_WORDS and (
        are_synonyms(word, reference_word) or is_part_of_compound(word, reference_word)
    )
