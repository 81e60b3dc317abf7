"""Options that stand inline in a question: `what is heard? a) dog b) cat`, in the forms in which files write them."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from string import ascii_lowercase

_BRACKETED = re.compile(r"(?<![^\s?!.,;:])([A-Za-z])\)|\(([A-Za-z])\)")  # `a)` or `(a)`
_POINTED = re.compile(r"(?<!\S)([A-Za-z])[.:](?=\s)")  # `a.` or `a:`, looked for where nothing is in brackets
_LETTERED = re.compile(r"\(?([A-Za-z])(?:\)|[.:]?(?=\s|$))\s*(.*)", re.DOTALL)
_WRITTEN = re.compile(r"\s*\(?([A-Za-z])[).:]\s+(?=\S)")
_MOST_CHAINS = 200
"""Ways of reading one question that are looked at: real ones have one or two."""
_MOST_MARKS = 1_000
"""Marks of one style that are looked at: the time grows with their square."""

UNREADABLE = "options cannot be read"
SEVERAL = "options can be read in several ways"
NO_GOLD = "gold not among the options"


@dataclass(frozen=True, slots=True)
class Choice:
    """A multiple-choice question parsed from a text that holds its options."""

    question: str
    """The text without the options."""

    choices: tuple[str, ...]
    """Texts of the options."""

    target: int | None = None
    """Index of the correct option, None if it cannot be determined."""

    skip: str | None = None
    """Why it cannot, None otherwise."""


def split_choice(asked: str, answer: str | None) -> Choice:
    """The question, its options, and which of them the answer is. Without an answer there is no target: the reading
    with the most options counts, if there is only one.

    Where marks stand within a question or an option, that reading counts, of those with the most options, in which the
    answer is an option. A row of which nothing is sure is not guessed: it has a reason instead of a target.
    """
    found = _readings(asked)
    if answer is None:
        most = max((len(one.choices) for one in found), default=0)
        longest_ones = [one for one in found if len(one.choices) == most]
        return longest_ones[0] if len(longest_ones) == 1 else Choice(asked.strip(), (), skip=UNREADABLE)
    for length in sorted({len(one.choices) for one in found}, reverse=True):
        placed = [(one, find_answer_index(answer, one.choices)) for one in found if len(one.choices) == length]
        fits = [Choice(one.question, one.choices, place) for one, place in placed if place is not None]
        if len(fits) > 1:
            return Choice(asked.strip(), (), skip=SEVERAL)
        if fits:
            return fits[0]
    if not found:
        return Choice(asked.strip(), (), skip=UNREADABLE)
    longest = max(found, key=lambda one: len(one.choices))
    return Choice(longest.question, longest.choices, skip=NO_GOLD)


def find_answer_index(answer: str, choices: Sequence[str]) -> int | None:
    """Return the index of the answer `b) dog`, `dog` or `b`. A letter with the text of another option has none."""
    texts = [fold_option(choice) for choice in choices]
    if fold_option(answer) in texts:
        return texts.index(fold_option(answer))
    lettered = _LETTERED.fullmatch(answer.strip())
    if lettered is None:
        return None
    place, text = ascii_lowercase.index(lettered[1].lower()), fold_option(lettered[2])
    return place if place < len(texts) and text in ("", texts[place]) else None


def strip_letters(choices: Sequence[str]) -> tuple[str, ...]:
    """The options without the letters written into them: `(A) dog`, `(B) cat` -> `dog`, `cat`. Options that are not
    all lettered in sequence stay as they are."""
    marks = [_WRITTEN.match(choice) for choice in choices]
    letters = [mark[1].lower() for mark in marks if mark is not None]
    if not letters or letters != list(ascii_lowercase[: len(choices)]):
        return tuple(choices)
    return tuple(choice[mark.end() :].strip() for choice, mark in zip(choices, marks, strict=True) if mark is not None)


def fold_option(text: str) -> str:
    """Without case, runs of blanks, and marks at the end."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(" .,;")


def _readings(asked: str) -> list[Choice]:
    """Every way in which marks of one style follow each other as a, b, c ... with a text between."""
    for marks in (_BRACKETED, _POINTED):
        styles: dict[tuple[bool, bool], list[re.Match[str]]] = {}
        for mark in marks.finditer(asked):
            styles.setdefault((mark[0].startswith("("), _letter(mark).isupper()), []).append(mark)
        read = [
            _parse_options(asked, chain)
            for same in styles.values()
            for chain in islice(_chains(same[:_MOST_MARKS]), _MOST_CHAINS)
        ]
        if found := [one for one in read if one.question and all(one.choices)]:
            return found
    return []


def _letter(mark: re.Match[str]) -> str:
    return next(letter for letter in mark.groups() if letter)


def _chains(marks: list[re.Match[str]], begun: tuple[re.Match[str], ...] = ()) -> Iterator[tuple[re.Match[str], ...]]:
    """Runs a, b, c ... of two marks or more, in their order."""
    if len(begun) > 1:
        yield begun
    if len(begun) == len(ascii_lowercase):
        return
    for place, mark in enumerate(marks):
        if _letter(mark).lower() == ascii_lowercase[len(begun)]:
            yield from _chains(marks[place + 1 :], (*begun, mark))


def _parse_options(asked: str, chain: tuple[re.Match[str], ...]) -> Choice:
    ends = [(one.end(), other.start()) for one, other in pairwise(chain)] + [
        (chain[-1].end(), _end_of_list(asked, chain))
    ]
    texts = [" ".join(asked[start:end].split()).rstrip(" ,;") for start, end in ends]
    return Choice(" ".join(asked[: chain[0].start()].split()), tuple(texts))


def _end_of_list(asked: str, chain: tuple[re.Match[str], ...]) -> int:
    """Return the end of the last option: of its line in a list with one option per line, else of the text."""
    a_line_each = all(not asked[: mark.start()].rpartition("\n")[2].strip() for mark in chain)
    end = asked.find("\n", chain[-1].end())
    single = all("\n" not in asked[one.end() : other.start()].strip() for one, other in pairwise(chain))
    return end if a_line_each and single and end >= 0 else len(asked)
