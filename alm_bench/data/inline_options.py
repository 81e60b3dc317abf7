"""Parser of answer options within a question's text (`what is heard? a) dog b) cat`), in the notations that data files
use."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from string import ascii_lowercase

_BRACKET_MARK = re.compile(r"(?<![^\s?!.,;:])([A-Za-z])\)|\(([A-Za-z])\)")  # `a)` or `(a)`
_POINT_MARK = re.compile(r"(?<!\S)([A-Za-z])[.:](?=\s)")  # `a.` or `a:`, used if no mark has brackets
_LETTERED_ANSWER = re.compile(r"\(?([A-Za-z])(?:\)|[.:]?(?=\s|$))\s*(.*)", re.DOTALL)
_LETTER_PREFIX = re.compile(r"\s*\(?([A-Za-z])[).:]\s+(?=\S)")
_MAX_CANDIDATES = 200
"""Maximum number of candidate option lists per question. Real questions have one or two."""
_MAX_MARKS = 1_000
"""Maximum number of option marks of one style per question. The running time grows with the square of this number."""

UNREADABLE = "options cannot be read"
AMBIGUOUS = "options can be read in several ways"
REFERENCE_NOT_AN_OPTION = "gold not among the options"


@dataclass(frozen=True, slots=True)
class ParsedQuestion:
    """A multiple-choice question, parsed from a text that contains its options."""

    question: str
    """The text without the options."""

    choices: tuple[str, ...]
    """Texts of the options."""

    target: int | None = None
    """Index of the correct option, None if it cannot be determined."""

    skip: str | None = None
    """Reason why the options or the correct one could not be determined; None if nothing failed."""


def split_options(full_text: str, answer: str | None) -> ParsedQuestion:
    """Split the text `full_text` into a question and its options, and find the option that is the answer.

    Marks such as `a)` may also occur within a question or an option, so that several option lists are possible. The
    longest list that contains the answer is used. Without an answer (None), the longest list is used if it is the only
    one of its length, and there is no target. An ambiguous or unreadable text gets a reason (`skip`) instead of a
    target.
    """
    found = _list_candidates(full_text)
    if answer is None:
        most = max((len(one.choices) for one in found), default=0)
        longest_ones = [one for one in found if len(one.choices) == most]
        return longest_ones[0] if len(longest_ones) == 1 else ParsedQuestion(full_text.strip(), (), skip=UNREADABLE)
    for length in sorted({len(one.choices) for one in found}, reverse=True):
        indexed = [(one, find_answer_index(answer, one.choices)) for one in found if len(one.choices) == length]
        fits = [ParsedQuestion(one.question, one.choices, place) for one, place in indexed if place is not None]
        if len(fits) > 1:
            return ParsedQuestion(full_text.strip(), (), skip=AMBIGUOUS)
        if fits:
            return fits[0]
    if not found:
        return ParsedQuestion(full_text.strip(), (), skip=UNREADABLE)
    longest = max(found, key=lambda one: len(one.choices))
    return ParsedQuestion(longest.question, longest.choices, skip=REFERENCE_NOT_AN_OPTION)


def find_answer_index(answer: str, choices: Sequence[str]) -> int | None:
    """Return the index of the option that the answer names: by letter and text (`b) dog`), by text (`dog`) or by letter
    (`b`). Returns None if no option fits, or if letter and text name different options."""
    texts = [normalise_option(choice) for choice in choices]
    if normalise_option(answer) in texts:
        return texts.index(normalise_option(answer))
    lettered = _LETTERED_ANSWER.fullmatch(answer.strip())
    if lettered is None:
        return None
    place, text = ascii_lowercase.index(lettered[1].lower()), normalise_option(lettered[2])
    return place if place < len(texts) and text in ("", texts[place]) else None


def strip_letters(choices: Sequence[str]) -> tuple[str, ...]:
    """Remove the letters from the texts of options: `(A) dog`, `(B) cat` become `dog`, `cat`. The texts are returned
    unchanged unless all of them are lettered in sequence."""
    marks = [_LETTER_PREFIX.match(choice) for choice in choices]
    letters = [mark[1].lower() for mark in marks if mark is not None]
    if not letters or letters != list(ascii_lowercase[: len(choices)]):
        return tuple(choices)
    return tuple(choice[mark.end() :].strip() for choice, mark in zip(choices, marks, strict=True) if mark is not None)


def normalise_option(text: str) -> str:
    """Normalise an option for comparison: Unicode NFKC, lower case, single spaces, no punctuation (` .,;`) at the
    end."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(" .,;")


def _list_candidates(full_text: str) -> list[ParsedQuestion]:
    """Return every possible option list of the text: marks of one style in the order a, b, c, each followed by a
    text."""
    for marks in (_BRACKET_MARK, _POINT_MARK):
        styles: dict[tuple[bool, bool], list[re.Match[str]]] = {}
        for mark in marks.finditer(full_text):
            styles.setdefault((mark[0].startswith("("), _get_letter(mark).isupper()), []).append(mark)
        read = [
            _parse_options(full_text, mark_sequence)
            for same in styles.values()
            for mark_sequence in islice(_iterate_mark_sequences(same[:_MAX_MARKS]), _MAX_CANDIDATES)
        ]
        if found := [one for one in read if one.question and all(one.choices)]:
            return found
    return []


def _get_letter(mark: re.Match[str]) -> str:
    return next(letter for letter in mark.groups() if letter)


def _iterate_mark_sequences(
    marks: list[re.Match[str]], prefix: tuple[re.Match[str], ...] = ()
) -> Iterator[tuple[re.Match[str], ...]]:
    """Yield every subsequence of two or more marks whose letters are a, b, c and so on. `prefix` is
    the beginning of the subsequence."""
    if len(prefix) > 1:
        yield prefix
    if len(prefix) == len(ascii_lowercase):
        return
    for place, mark in enumerate(marks):
        if _get_letter(mark).lower() == ascii_lowercase[len(prefix)]:
            yield from _iterate_mark_sequences(marks[place + 1 :], (*prefix, mark))


def _parse_options(full_text: str, mark_sequence: tuple[re.Match[str], ...]) -> ParsedQuestion:
    """Return the question before the first mark, and the option after each mark."""
    ends = [(one.end(), other.start()) for one, other in pairwise(mark_sequence)] + [
        (mark_sequence[-1].end(), _find_list_end(full_text, mark_sequence))
    ]
    texts = [" ".join(full_text[start:end].split()).rstrip(" ,;") for start, end in ends]
    return ParsedQuestion(" ".join(full_text[: mark_sequence[0].start()].split()), tuple(texts))


def _find_list_end(full_text: str, mark_sequence: tuple[re.Match[str], ...]) -> int:
    """Return the end of the last option: the end of its line if each option has its own line, else the end of the
    text."""
    one_line_each = all(not full_text[: mark.start()].rpartition("\n")[2].strip() for mark in mark_sequence)
    end = full_text.find("\n", mark_sequence[-1].end())
    single = all("\n" not in full_text[one.end() : other.start()].strip() for one, other in pairwise(mark_sequence))
    return end if one_line_each and single and end >= 0 else len(full_text)
