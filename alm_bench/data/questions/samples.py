"""Conversion of the rows of a question file to samples: kinds of questions, references, groups of the breakdowns."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alm_bench.core import DataError, Sample
from alm_bench.data.questions.cells import is_empty, parse_references, to_text
from alm_bench.data.questions.drafts import Draft, format_counts, shorten
from alm_bench.data.questions.layout import Layout, get_cell
from alm_bench.data.questions.settings import FileSettings

KIND_GROUP = "answer_kind"
"""Grouping that names the kind of a question without options."""

OPEN_KINDS = ("yes_no", "number", "open")
"""Kinds of questions without options."""

ToYesNo = Callable[[str], str | None]
"""Function that returns `yes` or `no` for an answer word of any language, and None for other texts."""

_LETTER_ANSWER = re.compile(r"\(?[a-j][).:]?|\([a-j]\)\s.+")
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")


@dataclass(slots=True)
class SampleBuilder:
    """Converter of the rows of a file to samples. `make` also sets `kinds`, `row_numbers` and `notes`."""

    path: Path
    """The file, for messages."""

    layout: Layout
    """Columns by role."""

    settings: FileSettings
    """Declarations about the file."""

    drafts: Sequence[Draft]
    """Rows."""

    targets: Sequence[tuple[int, ...] | None]
    """Indices of the correct options of each row; None without options, or if they are not known."""

    ids: Sequence[str]
    """Id of each row's question."""

    groupings: Sequence[str]
    """Columns by whose values scores are broken down."""

    to_yes_no: ToYesNo
    """Function that recognises answer words."""

    requests: Mapping[str, str]
    """Instruction on the expected answer, by kind of question."""

    kinds: Counter[str] = field(default_factory=Counter)
    """Number of samples by kind."""

    row_numbers: list[int] = field(default_factory=list)
    """Number of the first row of each sample, from 1."""

    notes: list[str] = field(default_factory=list)
    """Decisions on how the rows were converted, for the user."""

    _used: Counter[str] = field(default_factory=Counter)
    _renamed: int = 0
    _references: list[list[str]] = field(default_factory=list)
    _kind_of: dict[int, str] = field(default_factory=dict)

    def make_samples(self) -> list[Sample]:
        """Return the samples, in the order of their first rows. Raises DataError if their kind cannot be decided."""
        openly = self.settings.kind in OPEN_KINDS
        open_rows = [i for i, draft in enumerate(self.drafts) if openly or not draft.choices]
        self._references = [self._collect_references(i) for i in range(len(self.drafts))]
        self._kind_of = self._decide_kinds(open_rows)
        several = self.settings.kind == "several" or any(len(target or ()) > 1 for target in self.targets)
        units = self._group_rows_by_question(open_rows)
        samples = [self._make_sample(members, several) for members in units]
        self.row_numbers = [self.drafts[members[0]].number for members in units]
        self._add_notes(samples)
        return samples

    @property
    def _answer_column(self) -> str:
        """Names of the columns of answers, joined by `+`, for messages."""
        return "+".join(self.layout.answer)

    def _make_sample(self, members: Sequence[int], has_several_answers: bool) -> Sample:
        """Return the sample of one question from its rows, whose indices are `members`.

        `has_several_answers` is True if questions of the file may have several correct options.
        """
        place = members[0]
        draft, target = self.drafts[place], self.targets[place]
        own_name = self.ids[place] or f"row-{draft.number}"
        name = self._make_unique_id(own_name)
        self._renamed += name != own_name
        groups = _find_shared_keys([self.drafts[i] for i in members], self.groupings)
        fault = next((self.drafts[i].problem for i in members if self.drafts[i].problem is not None), None)
        kind = self._kind_of.get(place, "several" if has_several_answers else "choice")
        self.kinds[kind] += 1
        gold = None if target is None else "; ".join(draft.choices[index] for index in target)
        answer: Any = None if target is None or kind == "several" else target[0]
        if kind in OPEN_KINDS:
            texts = [text for i in members for text in self._references[i]]
            texts = [self._to_answer_word(text) for text in texts] if kind == "yes_no" else texts
            answer, gold = texts or None, Counter(texts).most_common(1)[0][0] if texts else None
            groups[KIND_GROUP] = kind
        groups["clip"] = " + ".join(clip.id for clip in draft.clips) or name
        return Sample(
            id=name,
            fields={"question": draft.question, "request": self.requests[kind]},
            audio=draft.clips,
            choices=() if kind in OPEN_KINDS else draft.choices,
            target=answer,
            gold=gold,
            groups=groups,
            skip=None if fault is None else str(fault),
            targets=target if kind == "several" else None,
        )

    def _make_unique_id(self, name: str) -> str:
        """Return an id that no earlier sample has."""
        self._used[name] += 1
        count = self._used[name]
        return name if count == 1 else self._make_unique_id(f"{name}-{count}")

    def _add_notes(self, samples: Sequence[Sample]) -> None:
        """Add notes on repeated questions, numbers of options and kinds."""
        if self._renamed:
            one = self._renamed == 1
            ids = "item repeats an earlier one; its id ends" if one else "items repeat earlier ones; their ids end"
            self.notes.append(f"{self._renamed:,} {ids} in a number")
        counts = [len(sample.choices) for sample in samples if sample.choices]
        if len(set(counts)) > 1:
            self.notes.append(f"options per question: {format_counts(counts, str)}")
        if len(self.kinds) > 1:
            shown = format_counts(self.kinds.elements(), lambda kind: kind.replace("_", "/"))
            self.notes.append(f"kinds of questions: {shown}")

    def _collect_references(self, row_index: int) -> list[str]:
        """Return the reference answers of a row as texts; for a row with options, the texts of the correct ones."""
        draft, target = self.drafts[row_index], self.targets[row_index]
        if draft.choices and target is not None:
            return [draft.choices[index] for index in target]
        if draft.answer is None:
            return []
        cells = draft.answer if isinstance(draft.answer, list) else [draft.answer]
        found = [text for cell in cells for text in parse_references(cell)]
        if not found:
            draft.record_problem(self._answer_column, f"{shorten(draft.answer)} is no text, number or list of texts")
        return found

    def _decide_kinds(self, open_rows: Sequence[int]) -> dict[int, str]:
        """Return the kind of each row that is asked without options, by its index: `yes_no`, `number` or `open`.
        `open_rows` are the indices of these rows.

        A declared kind applies to all rows. Otherwise a row is a yes/no question if all its references are words for
        yes or no. There are such questions only in a file without other references, or in a file in which exactly one
        word for yes and one for no occur. All remaining rows have one kind: `number` if all their references are
        numbers, else `open`. Raises DataError if the kind cannot be decided.
        """
        if self.settings.kind in OPEN_KINDS:
            self._check_kind(open_rows, self.settings.kind)
            return dict.fromkeys(open_rows, self.settings.kind)
        sound = [i for i in open_rows if self.drafts[i].problem is None]
        words = dict.fromkeys(text.casefold() for i in sound for text in self._references[i])
        self._reject_ambiguous_references(list(words))
        yes_no = {word: said for word in words if (said := self.to_yes_no(word)) is not None}
        rest = [word for word in words if word not in yes_no]
        accepted = bool(yes_no) and not rest
        accepted = accepted or (len(yes_no) == 2 and set(yes_no.values()) == {"yes", "no"})
        remaining = "number" if all(_NUMBER.fullmatch(word) for word in (rest if accepted else words)) else "open"

        def decide_kind(texts: Sequence[str]) -> str:
            fits = accepted and bool(texts) and all(text.casefold() in yes_no for text in texts)
            return "yes_no" if fits else remaining

        return {i: decide_kind(self._references[i]) for i in open_rows}

    def _reject_ambiguous_references(self, words: Sequence[str]) -> None:
        """Raise DataError for ambiguous references: letters without options, or only 0 and 1."""
        if words and all(_LETTER_ANSWER.fullmatch(word) for word in words):
            raise DataError(
                f"{self.path}: column {self._answer_column} holds letters (such as {words[0].upper()}), and no options "
                "were found: name their columns with --map choices=COLUMN or choices=COLUMN+COLUMN, or say --kind open"
            )
        if words and set(words) <= {"0", "1"}:
            raise DataError(
                f"{self.path}: column {self._answer_column} holds 0 and 1 alone: say with --kind yes_no or --kind "
                "number what they are"
            )

    def _check_kind(self, open_rows: Sequence[int], kind: str) -> None:
        """Record a fault of each row whose references do not fit the declared kind. `open_rows` are the indices of the
        rows that are asked without options."""
        for place in open_rows:
            for text in self._references[place]:
                is_word = self._to_answer_word(text) in ("yes", "no")
                fits = is_word if kind == "yes_no" else _NUMBER.fullmatch(text) or kind == "open"
                if not fits:
                    expected = "yes or no" if kind == "yes_no" else "a number"
                    self.drafts[place].record_problem(self._answer_column, f"{text!r} is not {expected}")

    def _to_answer_word(self, text: str) -> str:
        """Return `yes` or `no` for an answer word, 1 or 0; other texts unchanged."""
        return {"1": "yes", "0": "no"}.get(text) or self.to_yes_no(text.casefold()) or text

    def _group_rows_by_question(self, open_rows: Sequence[int]) -> list[list[int]]:
        """Return the indices of the rows of each question, as one list per question.

        Rows without options that have the same id, question and clips hold the answers of several annotators to one
        question. Let k be the most frequent number of such rows. If 2k, 3k or more rows are the same, they are two,
        three or more questions with k rows each, in the order of the file.
        """
        together: dict[tuple[Any, ...], list[int]] = {}
        is_open = set(open_rows)
        for place, draft in enumerate(self.drafts):
            key = (self.ids[place], draft.question, draft.clips) if place in is_open else (place,)
            together.setdefault(key, []).append(place)
        sizes = Counter(len(places) for key, places in together.items() if len(key) > 1)
        common = sizes.most_common(1)[0][0] if sizes else 1
        units: list[list[int]] = []
        for places in together.values():
            size = common if common > 1 and len(places) % common == 0 else len(places)
            units += [places[start : start + size] for start in range(0, len(places), size)]
        units.sort()
        if joined := sum(len(unit) > 1 for unit in units):
            most = max(map(len, units))
            self.notes.append(f"{joined:,} questions have the answers of several rows (up to {most}) as references")
        return units


def _find_shared_keys(rows: Sequence[Draft], groupings: Iterable[str]) -> dict[str, str]:
    """Return the group of a question in each grouping, as a dictionary from grouping to group (key).

    `rows` are the rows of the question, `groupings` the columns. A grouping is left out if the rows have different
    groups in it, or none.
    """
    found = {}
    for name in groupings:
        keys = {to_text(cell) for draft in rows if not is_empty(cell := get_cell(draft.row, name))}
        if len(keys) == 1:
            found[name] = keys.pop()
    return found
