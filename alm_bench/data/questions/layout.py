"""Detection of the columns of a question file that hold the clips, questions, options, answers and ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from alm_bench.core import DataError
from alm_bench.core.errors import format_similar_names
from alm_bench.data.index import AUDIO_SUFFIXES
from alm_bench.data.outputs.row import MISSING, look_up, parse_list_text
from alm_bench.data.questions.cells import is_empty, is_option_list
from alm_bench.data.questions.names import (
    ANSWER_NAMES,
    AUDIO_NAMES,
    CHOICE_NAMES,
    DISTRACTOR_NAMES,
    ID_NAMES,
    QUESTION_NAMES,
    find_column_series,
    normalise_name,
    split_prefix,
)
from alm_bench.data.questions.settings import CONSTANT, FileSettings
from alm_bench.data.questions.tables import QuestionTable, Row, is_clip_object, is_embedded

_PROBED = 200
"""Number of rows at the beginning of the file whose values are inspected."""

_WEAK_AUDIO = ("audio_id", "clip_id", "file", "files", "path", "paths", "audio_url")
"""Names that hold clips only if their values look like clips."""


@dataclass(slots=True)
class Layout:
    """Columns of a question file by role."""

    audio: tuple[str, ...] = ()
    """Columns of the clips of an item, in order; empty if the item's id is the name of its clip."""

    question: str = ""
    """Column of the question, or `text:` followed by one question for all rows."""

    choices: tuple[str, ...] = ()
    """One column with all options, or one column per option; empty without such columns."""

    distractors: tuple[str, ...] = ()
    """Column or columns of wrong options."""

    answer: tuple[str, ...] = ()
    """Column of the correct answer, or several columns of references; empty if answers are withheld."""

    id: str | None = None
    """Column of ids; None if ids are made from the content."""

    alternatives: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Other columns, by role, that could have had the role."""

    @property
    def used_columns(self) -> set[str]:
        """Columns that have a role."""
        return {*self.audio, self.question, *self.choices, *self.distractors, *self.answer, *filter(None, [self.id])}


class _LayoutFinder:
    """Finder of the columns of one table by their roles."""

    def __init__(self, table: QuestionTable, settings: FileSettings) -> None:
        self.table, self.settings = table, settings
        self.columns = list(table.columns)
        declared = {name for names in settings.columns.values() for name in names}
        plain = {normalise_name(name) for name in declared if "." not in name}
        self.declared = {name for name in self.columns if name in declared or normalise_name(name) in plain}
        self.layout = Layout()
        self.prefixes = self._collect_prefixes()

    def find(self) -> Layout:
        """Return the columns by role. Raises DataError if no column, or several columns, could have a role."""
        layout = self.layout
        layout.question = self._find_question_column()
        layout.audio = self._find_audio_columns()
        layout.choices = self._find_option_columns()
        layout.answer = self._find_answer_columns()
        if not layout.choices:
            layout.distractors = self._find_distractor_columns()
        layout.id = self._find_id_column()
        if not layout.audio and layout.id is None:
            known = format_similar_names("audio", self.columns)
            raise DataError(
                f"{self.table.path}: no column with the clips, and none with ids that are names of clips; it has "
                f"{known}: name it with --map audio=COLUMN"
            )
        return layout

    def _collect_prefixes(self) -> list[str]:
        """Return the prefixes of declared columns, such as `eng.` of `eng.question`.

        Columns with the same prefix are preferred for the other roles.
        """
        found = []
        for role, names in self.settings.columns.items():
            known = _NAMES_OF.get(role, ())
            for name in names:
                if name.startswith(CONSTANT):
                    continue
                split = split_prefix(name, known)
                prefix = name.rpartition(".")[0] + "." if split is None and "." in name else split[0] if split else ""
                found += [prefix] if prefix else []
        return list(dict.fromkeys(found))

    def _find_declared_columns(self, role: str) -> tuple[str, ...] | None:
        """Return the declared columns of a role; None if none are declared. Raises DataError for unknown columns."""
        names = self.settings.columns.get(role)
        if names is None:
            return None
        found = []
        for name in names:
            if name.startswith(CONSTANT) and role == "question":
                found.append(name)
                continue
            exact = [one for one in self.columns if one == name] or [
                one for one in self.columns if normalise_name(one) == normalise_name(name) and "." not in name
            ]
            if len(exact) != 1 and all(look_up(row, name) is MISSING for row in islice(self.table.rows, _PROBED)):
                known = format_similar_names(name, self.columns)
                raise DataError(f"{self.table.path}: no column {name!r} for {role}; it has {known}")
            found.append(exact[0] if len(exact) == 1 else name)
        return tuple(found)

    def _list_candidates(self, names: Sequence[str], excluded: Sequence[str] = ()) -> list[str]:
        """Return the columns that have one of `names`, in the order of `names`, without columns in `excluded`.

        Only the best kind of match is returned: columns with the prefix of a declared column, else columns without a
        prefix, else columns with another prefix. Columns whose whole name is a name of another role (`correct_option`,
        `wrong_answers`) do not match.
        """
        ranked = []
        for column in self.columns:
            if column in excluded or column in self.declared or (split := split_prefix(column, names)) is None:
                continue
            prefix, index = split
            if prefix not in self.prefixes and normalise_name(column) in _ALL_NAMES.difference(names):
                continue
            ranked.append((0 if prefix in self.prefixes else 1 if not prefix else 2, index, column))
        if not ranked:
            return []
        best = min(rank for rank, _, _ in ranked)
        return [column for rank, _, column in sorted(ranked, key=lambda one: one[:2]) if rank == best]

    def _choose_column(self, role: str, candidates: Sequence[str]) -> str | None:
        """Return the first candidate, and store the others as alternatives; None without candidates.

        Raises DataError if there are several candidates, and the first is not an exact name of the role.
        """
        if not candidates:
            return None
        prefixed = [split_prefix(column, _NAMES_OF[role]) for column in candidates]
        exact = [split is not None and split[0] in ("", *self.prefixes) for split in prefixed]
        if len(candidates) > 1 and not exact[0]:
            raise DataError(self._describe_ambiguity(role, candidates))
        self.layout.alternatives[role] = tuple(candidates[1:])
        return candidates[0]

    def _describe_ambiguity(self, role: str, candidates: Sequence[str]) -> str:
        shown = ", ".join(candidates[:6]) + (", ..." if len(candidates) > 6 else "")
        return f"{self.table.path}: several columns could hold the {role} ({shown}): name one with --map {role}=COLUMN"

    def _find_question_column(self) -> str:
        declared = self._find_declared_columns("question")
        if declared is not None:
            if len(declared) != 1:
                raise DataError(f"{self.table.path}: --map question takes one column, found {len(declared)}")
            return declared[0]
        texts = [name for name in self._list_candidates(QUESTION_NAMES) if self._holds_text(name)]
        found = self._choose_column("question", texts)
        if found is None:
            known = format_similar_names("question", self.columns)
            raise DataError(
                f"{self.table.path}: no column with the question; it has {known}: name it with --map question=COLUMN "
                "(or one question for all rows: --map 'question=text:Which bird is it?')"
            )
        return found

    def _find_audio_columns(self) -> tuple[str, ...]:
        declared = self._find_declared_columns("audio")
        if declared is not None:
            return declared
        free = self._list_unassigned_columns(self.layout.question)
        embedded = self._find_embedded_columns(free)
        if embedded:
            return tuple(embedded) if len(embedded) == 1 else self._order_clip_columns(embedded)
        family = find_column_series([name for name in free if self._holds_clips(name)], "audio")
        named = [name for name in self._list_candidates(AUDIO_NAMES, [self.layout.question]) if name not in family]
        with_clips = [name for name in named if self._holds_clips(name)]
        named = with_clips or [name for name in named if self._is_clip_path_column(name)]
        if family and named:
            raise DataError(self._describe_ambiguity("audio", [*family, *named]))
        found = named or [name for name in free if name not in family and self._holds_clips(name)]
        if family:
            return family
        if len(found) > 1 and not self._have_same_clips(found):
            raise DataError(self._describe_ambiguity("audio", found))
        return tuple(found[:1])

    def _find_embedded_columns(self, names: Sequence[str]) -> list[str]:
        """Return the columns that contain embedded clips. If some of them have a usual name, such as `audio`, only
        these are returned.

        A column whose cells name files with a suffix that audio files do not have contains pictures, and is left out.
        """
        embedded = [name for name in names if any(map(is_embedded, self._list_values(name)))]
        embedded = [name for name in embedded if not any(map(_is_non_audio_file, self._list_values(name)))]
        family = find_column_series(embedded, "audio")
        named = [name for name in embedded if name in family or self._has_exact_clip_name(name)]
        if named or any(self._has_exact_clip_name(name) and self._holds_clips(name) for name in names):
            return named
        return embedded

    def _list_unassigned_columns(self, *assigned: str) -> list[str]:
        """Return the columns that are neither in `assigned` nor declared for a role."""
        return [name for name in self.columns if name not in assigned and name not in self.declared]

    def _has_exact_clip_name(self, name: str) -> bool:
        """Return True if a column has a usual name of clips, alone or with the prefix of a declared column."""
        split = split_prefix(name, AUDIO_NAMES)
        return split is not None and split[0] in ("", *self.prefixes)

    def _order_clip_columns(self, embedded: Sequence[str]) -> tuple[str, ...]:
        """Return several columns of embedded clips in the order of their numbers or letters (`audio_1`, `audio_2`).

        Raises DataError if their names are not one such series.
        """
        family = find_column_series(embedded, "audio")
        if set(family) != set(embedded):
            raise DataError(self._describe_ambiguity("audio", embedded))
        return family

    def _find_option_columns(self) -> tuple[str, ...]:
        declared = self._find_declared_columns("choices")
        if declared is not None:
            return declared
        taken = [self.layout.question, *self.layout.audio]
        named = [name for name in self._list_candidates(CHOICE_NAMES, taken) if self._holds_lists_or_text(name)]
        family = find_column_series(self._list_unassigned_columns(*taken), "choices")
        family = family if all(self._holds_text(name) or not self._list_values(name) for name in family) else ()
        if named:
            found = self._choose_column("choices", named)
            return () if found is None else (found,)
        if len(family) > 1:
            return family
        lists = [name for name in ("answers",) if name in self.columns and self._holds_lists(name)]
        others = [name for name in self._list_candidates(ANSWER_NAMES, taken) if name not in lists]
        return tuple(lists) if lists and others else ()

    def _find_answer_columns(self) -> tuple[str, ...]:
        declared = self._find_declared_columns("answer")
        if declared is not None:
            return declared
        taken = [self.layout.question, *self.layout.audio, *self.layout.choices]
        named = [name for name in self._list_candidates(ANSWER_NAMES, taken) if self._has_values(name)]
        found = self._choose_column("answer", named)
        if found is not None:
            return (found,)
        family = find_column_series(self._list_unassigned_columns(*taken), "references")
        if family:
            return family
        known = format_similar_names("answer", self.columns)
        raise DataError(
            f"{self.table.path}: no column with the answer; it has {known}: name it with --map answer=COLUMN, or say "
            "--map answer=none if answers are withheld"
        )

    def _find_distractor_columns(self) -> tuple[str, ...]:
        declared = self._find_declared_columns("distractors")
        if declared is not None:
            return declared
        taken = [*self.layout.audio, *self.layout.answer, self.layout.question]
        named = self._list_candidates(DISTRACTOR_NAMES, taken)
        if named:
            found = self._choose_column("distractors", named)
            return () if found is None else (found,)
        return find_column_series(self._list_unassigned_columns(*taken), "distractors")

    def _find_id_column(self) -> str | None:
        declared = self._find_declared_columns("id")
        if declared is not None:
            return declared[0] if declared else None
        for name in ID_NAMES:
            for column in self.columns:
                if normalise_name(column) == name and column not in self.layout.used_columns:
                    return column
        return None

    def _list_values(self, name: str) -> list[Any]:
        """Return the values of a column in the first rows, without empty cells."""
        values = (look_up(row, name) for row in islice(self.table.rows, _PROBED))
        return [value for value in values if value is not MISSING and not is_empty(value)]

    def _has_values(self, name: str) -> bool:
        return any(not is_empty(get_cell(row, name)) for row in self.table.rows)

    def _holds_text(self, name: str) -> bool:
        """Return True if all values of a column are single values, and none is an embedded clip."""
        values = self._list_values(name)
        return bool(values) and not any(isinstance(value, (list, dict)) or is_embedded(value) for value in values)

    def _holds_lists(self, name: str) -> bool:
        """Return True if all values of a column are lists of options."""
        values = self._list_values(name)
        return bool(values) and all(is_option_list(value) for value in values)

    def _holds_lists_or_text(self, name: str) -> bool:
        """Return True if a column has values other than numbers."""
        values = self._list_values(name)
        return bool(values) and not all(isinstance(value, (int, float)) for value in values)

    def _holds_clips(self, name: str) -> bool:
        values = self._list_values(name)
        return bool(values) and all(_is_clip(value) for value in values)

    def _is_clip_path_column(self, name: str) -> bool:
        """Return True if a column has a usual name of clips, and its values are texts that could be names of files."""
        if not self._has_exact_clip_name(name) or normalise_name(name) in _WEAK_AUDIO:
            return False
        return all(isinstance(value, str) and len(value) < 300 for value in self._list_values(name))

    def _have_same_clips(self, names: Sequence[str]) -> bool:
        """Return True if all columns name the same clip in every row, apart from folders and suffixes."""
        for row in self.table.rows:
            stems = {PurePosixPath(str(value)).stem for name in names if not is_empty(value := get_cell(row, name))}
            if len(stems) > 1:
                return False
        return True


_NAMES_OF: Mapping[str, Sequence[str]] = {
    "audio": AUDIO_NAMES,
    "question": QUESTION_NAMES,
    "choices": CHOICE_NAMES,
    "answer": ANSWER_NAMES,
    "distractors": DISTRACTOR_NAMES,
    "id": ID_NAMES,
}


_ALL_NAMES = frozenset(name for names in _NAMES_OF.values() for name in names)


def find_layout(table: QuestionTable, settings: FileSettings) -> Layout:
    """Return the columns of a table by role: those that `settings` declare, others by name and content.

    Raises DataError if a role cannot be filled, or if several columns could have it.
    """
    return _LayoutFinder(table, settings).find()


def get_cell(row: Row, name: str) -> Any:
    """Return the value of a column of a row, or along a dotted path; None if the row has none."""
    value = look_up(row, name)
    return None if value is MISSING else value


def _is_non_audio_file(value: Any) -> bool:
    """Return True for embedded bytes whose file name has a suffix that audio files do not have."""
    suffix = PurePosixPath(value.id).suffix.lower() if is_embedded(value) else ""
    return bool(suffix) and suffix not in AUDIO_SUFFIXES


def _is_clip(value: Any) -> bool:
    """Return True for a clip: bytes, an object with a clip, the name of an audio file, or a list of these."""
    if isinstance(value, str):
        value = parse_list_text(value)
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_clip(one) for one in value)
    if isinstance(value, Mapping):
        return is_clip_object(value)
    if is_embedded(value) or isinstance(value, bytes):
        return True
    return isinstance(value, str) and PurePosixPath(value.strip()).suffix.lower() in AUDIO_SUFFIXES
