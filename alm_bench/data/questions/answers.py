"""Interpretation of the answers of multiple-choice questions: as the option's text, its letter, or its number.

All answers of a file are interpreted in one form. The user declares it; otherwise it is the form in which every answer
names an option. (An answer 0 shows that options are numbered from 0; an answer as high as the number of options, that
they are numbered from 1.) If there are several such forms, and they name different options, an error is raised.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, Literal, get_args

from alm_bench.core import UsageError
from alm_bench.data.inline_options import find_answer_index, normalise_option
from alm_bench.data.questions.cells import to_text

AnswerForm = Literal["text", "letter", "index0", "index1"]
"""Form of an answer: the option's text, its letter, or its number counted from 0 or from 1."""

FORMS: tuple[AnswerForm, ...] = get_args(AnswerForm)
"""All values of `AnswerForm`, in order of preference."""

FORM_NAMES: Mapping[str, str] = {
    "text": "the options' texts",
    "letter": "letters",
    "index0": "numbers counted from 0",
    "index1": "numbers counted from 1",
    "mixed": "the options' texts or letters",
}
"""Description of each form, for messages."""

_NAME = r"(?:(?:option|choice|answer)[\s_:.]*)?"
_LETTER = re.compile(rf"{_NAME}[(\[]?([a-z])[)\].:]?", re.IGNORECASE)
_LETTERS = re.compile(r"[(\[]?[a-z][)\].]?(?:\s*(?:[,;/&+|]|\band\b)\s*[(\[]?[a-z][)\].]?)+", re.IGNORECASE)
_NUMBER = re.compile(rf"{_NAME}(\d{{1,3}})(?:\.0+)?", re.IGNORECASE)
_TRUTH = {True: ("true", "yes"), False: ("false", "no")}


@dataclass(frozen=True, slots=True)
class AnswerInterpretation:
    """Interpretation of all answers of a file."""

    form: str
    """Form of the answers: an `AnswerForm`, or `mixed` if some are texts and others letters."""

    indices: tuple[tuple[int, ...] | None, ...]
    """Indices of the correct options of each question; None for an answer that names no option."""


class AmbiguousAnswersError(UsageError):
    """The answers of a file can be interpreted in several forms, which name different options. An example is the
    `answer` in row number `row` (from 1); `forms` are the forms, as in FORMS."""

    def __init__(self, row: int, forms: Sequence[str], answer: str) -> None:
        self.row, self.forms, self.answer = row, tuple(forms), answer
        super().__init__(f"row {row}: the answer {answer!r} can be read as {' or as '.join(forms)}")


def find_options_by_form(answer: Any, choices: Sequence[str]) -> dict[AnswerForm, int]:
    """Return the index of the option that an answer names, for each form in which the answer names one.

    The answer `1`, for example, names the second option if numbers are counted from 0, the first if from 1.
    """
    found: dict[AnswerForm, int] = {}
    if isinstance(answer, bool):
        texts = [normalise_option(choice) for choice in choices]
        named = [texts.index(word) for word in _TRUTH[answer] if word in texts]
        return {"text": named[0]} if named else {}
    text = to_text(answer)
    if (index := _find_text(text, choices)) is not None:
        found["text"] = index
    if (index := _find_letter(text, choices)) is not None:
        found["letter"] = index
    if (match := _NUMBER.fullmatch(text)) is not None:
        number = int(match[1])
        found |= {"index0": number} if number < len(choices) else {}
        found |= {"index1": number - 1} if 1 <= number <= len(choices) else {}
    return found


def _find_text(text: str, choices: Sequence[str]) -> int | None:
    """Return the index of the option with this text; None if there is none, or if two different options fit.

    If no option has exactly this text, case, blanks and final punctuation are ignored.
    """
    if text in choices:
        return choices.index(text)
    if len(text) == 1 and all(len(choice.strip()) > 3 for choice in choices):
        return None  # a letter or a digit among longer options
    wanted = normalise_option(text)
    fits = [index for index, choice in enumerate(choices) if normalise_option(choice) == wanted]
    return fits[0] if fits and len({choices[index] for index in fits}) == 1 else None


def _find_letter(text: str, choices: Sequence[str]) -> int | None:
    """Return the index that a letter (`b`, `(B)`, `option b`) or a lettered text (`(B) dog`) names."""
    if (match := _LETTER.fullmatch(text)) is not None:
        index = ascii_lowercase.index(match[1].lower())
        return index if index < len(choices) else None
    if text in choices or normalise_option(text) in map(normalise_option, choices):
        return None
    return find_answer_index(text, choices)


def split_answers(answer: Any) -> list[Any]:
    """Return the single answers of a cell: the elements of a list, the letters of `A, C`, or the one answer."""
    if isinstance(answer, (list, tuple)):
        return list(answer)
    if isinstance(answer, str) and _LETTERS.fullmatch(answer.strip()):
        return re.findall(r"(?<![a-z])[a-z](?![a-z])", answer, re.IGNORECASE)
    return [answer]


def interpret_answers(
    answers: Sequence[Any], choices: Sequence[Sequence[str]], declared: str | None = None
) -> AnswerInterpretation:
    """Decide in which form the answers of a file name options, and return the options that they name.

    `answers` and `choices` have one entry per question; an answer that is a list names several options. The form is
    `declared` if the user declares one. Otherwise it is the form in which every answer names an option. If there is no
    such form, the answers are interpreted either as `mixed` (each as a text or a letter) or as numbers: as numbers only
    if more answers name an option as a number than as a text or a letter. Raises AmbiguousAnswersError if every answer
    names an option in two forms, and an answer names different options in them.
    """
    parts = [_split_unless_option(answer, options) for answer, options in zip(answers, choices, strict=True)]
    readings = [
        [find_options_by_form(one, options) for one in each] for each, options in zip(parts, choices, strict=True)
    ]
    if declared is not None:
        return AnswerInterpretation(declared, tuple(_select_by_form(each, declared) for each in readings))
    counts = {form: sum(_select_by_form(each, form) is not None for each in readings) for form in FORMS}
    whole = [form for form in FORMS if counts[form] == len(readings)]
    for other in whole[1:]:
        for row, each in enumerate(readings, 1):
            if _select_by_form(each, other) != _select_by_form(each, whole[0]):
                raise AmbiguousAnswersError(row, [whole[0], other], to_text(answers[row - 1]))
    if whole:
        return AnswerInterpretation(whole[0], tuple(_select_by_form(each, whole[0]) for each in readings))
    mixed = tuple(_select_by_text_or_letter(each) for each in readings)
    numbers = max(counts["index0"], counts["index1"])
    if numbers > sum(one is not None for one in mixed):
        form = "index0" if counts["index0"] > counts["index1"] else "index1"
        return AnswerInterpretation(form, tuple(_select_by_form(each, form) for each in readings))
    return AnswerInterpretation("mixed", mixed)


def _split_unless_option(answer: Any, choices: Sequence[str]) -> list[Any]:
    """Return the single answers of a cell. A text that is an option as a whole (`A, C`) is one answer."""
    parts = split_answers(answer)
    if len(parts) > 1 and isinstance(answer, str) and _find_text(answer.strip(), choices) is not None:
        return [answer]
    return parts


def _select_by_form(readings: Sequence[Mapping[AnswerForm, int]], form: str) -> tuple[int, ...] | None:
    """Return the indices of the options that the parts of an answer name in one form; None unless every part does.

    `readings` holds the result of `find_options_by_form` for each part.
    """
    found = [one[form] for one in readings if form in one]  # type: ignore[index]
    return tuple(sorted(set(found))) if found and len(found) == len(readings) else None


def _select_by_text_or_letter(readings: Sequence[Mapping[AnswerForm, int]]) -> tuple[int, ...] | None:
    """Return the indices of the options that the parts of an answer name by text or by letter.

    `readings` holds the result of `find_options_by_form` for each part. Returns None if a part names no option in these
    forms, or two different ones.
    """
    found = []
    for one in readings:
        named = {one[form] for form in FORMS[:2] if form in one}
        if len(named) != 1:
            return None
        found.append(named.pop())
    return tuple(sorted(set(found))) if found else None
