"""Conversion of a question file of any usual form to the samples of a task, with a description of its content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alm_bench.core import DataError, Sample
from alm_bench.data.questions.answers import FORM_NAMES, FORMS, AmbiguousAnswersError, interpret_answers
from alm_bench.data.questions.cells import is_empty, parse_references, to_text
from alm_bench.data.questions.drafts import Draft, Problem, add_options, make_drafts, shorten
from alm_bench.data.questions.layout import Layout, find_layout, get_cell
from alm_bench.data.questions.names import normalise_name
from alm_bench.data.questions.samples import KIND_GROUP, SampleBuilder, ToYesNo
from alm_bench.data.questions.settings import CONSTANT, FileSettings
from alm_bench.data.questions.tables import QuestionTable, read_table
from alm_bench.data.root import LocalRoot

RESERVED_GROUPS = ("clip", KIND_GROUP)
"""Groupings that no column can have."""

MAX_GROUP_KEYS = 50
"""Largest number of different values of a column that becomes a grouping without being named."""

_MAX_KEY_LENGTH = 60
_FEW_ITEMS = 20


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """Questions of a file."""

    path: Path
    """File or folder that the user named."""

    files: tuple[Path, ...]
    """Files that were read."""

    settings: FileSettings
    """Declarations with which the file was read."""

    layout: Layout
    """Columns by role."""

    samples: Sequence[Sample]
    """Questions, in the order of their first rows."""

    row_numbers: Sequence[int]
    """Number of the first row of each question, from 1."""

    row_count: int
    """Number of rows."""

    problems: tuple[Problem, ...]
    """Faults of rows, in order."""

    groupings: tuple[str, ...]
    """Columns by whose values scores are broken down."""

    kinds: Mapping[str, int]
    """Number of questions of each kind."""

    answer_form: str | None
    """Form of the answers of questions with options (`AnswerInterpretation.form`); None without such questions."""

    notes: tuple[str, ...]
    """Decisions on how the file was read, for the user, one sentence each."""

    def suggest_settings(self) -> FileSettings:
        """Return declarations for a sidecar that make a later reading give the same questions, without detection."""
        layout = self.layout
        columns = {
            "audio": layout.audio,
            "question": (layout.question,),
            "choices": layout.choices,
            "distractors": layout.distractors,
            "answer": layout.answer,
            "id": () if layout.id is None else (layout.id,),
        }
        form = self.answer_form if self.answer_form in FORMS else None
        return replace(
            self.settings,
            columns={role: names for role, names in columns.items() if names},
            answer_is=self.settings.answer_is or form,
            kind=next(iter(self.kinds)) if len(self.kinds) == 1 else None,
            group_by=self.groupings,
        )

    def describe(self) -> list[str]:
        """Return lines for the user: the column of each role, the form of the answers, unused columns, and notes."""
        roles = [f"clips: {' + '.join(self.layout.audio) or f'files named by {self.layout.id}'}"]
        question = self.layout.question
        same = question.startswith(CONSTANT)
        roles.append(f"question: {'the same for all' if same else question}")
        if self.layout.choices or self.layout.distractors:
            roles.append(f"options: {', '.join(self.layout.choices or self.layout.distractors)}")
        form = f" ({FORM_NAMES[self.answer_form]})" if self.answer_form else ""
        roles.append(f"answer: {' + '.join(self.layout.answer) or 'withheld'}{form}")
        roles.append(f"id: {self.layout.id or 'made from the content'}")
        roles.append(f"groups: {', '.join(self.groupings) or 'none'}")
        lines = ["; ".join(roles)]
        for role, others in self.layout.alternatives.items():
            if others:
                lines.append(f"not used as {role}: {', '.join(others)} (--map {role}=COLUMN)")
        return [*lines, *self.notes]


def read_questions(
    path: Path,
    files: Sequence[Path],
    settings: FileSettings,
    to_yes_no: ToYesNo,
    answer_instructions: Mapping[str, str],
    root: LocalRoot | None = None,
) -> QuestionFile:
    """Read the questions of the files of one split.

    `to_yes_no` recognises answer words. `answer_instructions` holds, by kind of question, the instruction on the
    expected answer; it becomes the field `request` of a sample. `root` is the folder that paths of clips refer to, by
    default the declared one, else the folder of the file.

    Faults of single rows are listed in `problems`, and these questions are marked as skipped. Raises DataError if the
    file as a whole cannot be read, or can be interpreted in several ways.
    """
    mapped = [name for names in settings.columns.values() for name in names]
    table = read_table(path, files, mapped)
    layout = find_layout(table, settings)
    if root is None:
        root = LocalRoot(settings.audio_root or (path if path.is_dir() else path.parent))
    drafts = make_drafts(table, layout, root)
    notes = add_options(drafts, layout, settings, path)
    if settings.kind in ("choice", "several"):
        _require_options(drafts, path, settings.kind)
    if settings.kind is None and layout.answer:
        _check_answer_lists(drafts, layout, path)
    form, targets = _find_targets(drafts, layout, settings, path)
    ids = _make_ids(drafts, layout, notes)
    _report_contradictions(drafts, targets, ids, layout)
    groupings = _choose_groupings(table, layout, settings)
    maker = SampleBuilder(path, layout, settings, drafts, targets, ids, groupings, to_yes_no, answer_instructions)
    samples = maker.make_samples()
    return QuestionFile(
        path=path,
        files=table.files,
        settings=settings,
        layout=layout,
        samples=samples,
        row_numbers=maker.row_numbers,
        row_count=len(drafts),
        problems=tuple(draft.problem for draft in drafts if draft.problem is not None),
        groupings=groupings,
        kinds=maker.kinds,
        answer_form=form,
        notes=(*notes, *maker.notes),
    )


def _check_answer_lists(drafts: Sequence[Draft], layout: Layout, path: Path) -> None:
    """Raise DataError for a column `answers` whose lists all have the same length of 3 or more.

    Such lists may be options or references.
    """
    lengths = {len(draft.answer) if isinstance(draft.answer, list) else 0 for draft in drafts if not draft.choices}
    (column, *_) = layout.answer
    if normalise_name(column) == "answers" and len(lengths) == 1 and max(lengths) > 2:
        raise DataError(
            f"{path}: column {column} holds lists of {max(lengths)}, which may be options or references: say --kind "
            f"open, or name the right option with --map choices={column},answer=COLUMN"
        )


def _require_options(drafts: Sequence[Draft], path: Path, kind: str) -> None:
    """Raise DataError if a row without a fault has no options, which the declared `kind` of questions needs."""
    for draft in drafts:
        if len(draft.choices) < 2 and draft.problem is None:
            raise DataError(f"{path}: row {draft.number} has no options, which --kind {kind} needs")


def _find_targets(
    drafts: Sequence[Draft], layout: Layout, settings: FileSettings, path: Path
) -> tuple[str | None, list[tuple[int, ...] | None]]:
    """Return the form of the answers of questions with options, and the indices of the correct options of each draft.

    The form is None without such answers; the indices are None for drafts without options or without a valid answer.
    """
    targets: list[tuple[int, ...] | None] = [None if d.target is None else (d.target,) for d in drafts]
    if not layout.answer or layout.distractors:
        return None, targets
    column = "+".join(layout.answer)
    places = [i for i, draft in enumerate(drafts) if draft.choices and draft.answer is not None]
    for draft in drafts:
        if draft.answer is None:
            draft.record_problem(column, "is empty, expected the answer")
    if not places:
        return None, targets
    answers, choices = [drafts[i].answer for i in places], [drafts[i].choices for i in places]
    answers = [_unwrap_answer(answer, options) for answer, options in zip(answers, choices, strict=True)]
    try:
        decision = interpret_answers(answers, choices, settings.answer_is)
    except AmbiguousAnswersError as error:
        number = drafts[places[error.row - 1]].number
        readings = " or ".join(FORM_NAMES[one] for one in error.forms)
        raise DataError(
            f"{path}: row {number}, column {column}: the answers (such as {error.answer!r}) can be read as {readings}: "
            f"say which with --map answer_is={' or answer_is='.join(error.forms)}"
        ) from error
    for place, target in zip(places, decision.indices, strict=True):
        targets[place] = target
        if target is None:
            draft = drafts[place]
            shown = "; ".join(draft.choices)
            draft.record_problem(column, f"{shorten(draft.answer)} is none of the options ({shown[:100]})")
    return decision.form, targets


def _report_contradictions(
    drafts: Sequence[Draft], targets: Sequence[tuple[int, ...] | None], ids: Sequence[str], layout: Layout
) -> None:
    """Record a fault of each row with the question, options and id of an earlier row, but with another answer."""
    first: dict[tuple[Any, ...], tuple[Draft, list[str]]] = {}
    for draft, target, name in zip(drafts, targets, ids, strict=True):
        if not draft.choices or target is None:
            continue
        right = [draft.choices[index] for index in target]
        key = (name, draft.question, draft.clips, tuple(sorted(draft.choices)))
        earlier, answer = first.setdefault(key, (draft, right))
        if answer != right:
            draft.record_problem("+".join(layout.answer), f"answers the question of row {earlier.number} otherwise")


def _unwrap_answer(answer: Any, choices: Sequence[str]) -> Any:
    """Return an answer without the list around it: `dog` for `["dog"]`, also if the list is written as text.

    A list of several answers that is written as text is returned as a list. A text that is an option is returned
    unchanged.
    """
    if isinstance(answer, str) and answer.lstrip()[:1] == "[" and answer.strip() not in choices:
        parts = parse_references(answer)
        answer = list(parts) if len(parts) > 1 else parts[0] if parts else answer
    while isinstance(answer, (list, tuple)) and len(answer) == 1:
        answer = answer[0]
    return answer


def _make_ids(drafts: Sequence[Draft], layout: Layout, notes: list[str]) -> list[str]:
    """Return one id per draft: the file's ids, or a hash of the content if the file has none.

    Different questions may have the same id in the file. If the column is called `id`, these rows are reported as
    faulty. Otherwise the column is ignored: hashes are used for all rows, with a note for the user in `notes`.
    """
    if layout.id is None:
        return [draft.hash_content() for draft in drafts]
    ids: list[str] = []
    first: dict[str, tuple[Draft, tuple[Any, ...]]] = {}
    repeated = []
    for draft in drafts:
        cell = get_cell(draft.row, layout.id)
        name = "" if is_empty(cell) else to_text(cell)
        ids.append(name)
        content = (draft.question, draft.clips)
        if first.setdefault(name, (draft, content))[1] != content:
            repeated.append((draft, first[name][0]))
        if not name:
            draft.record_problem(layout.id, "is empty, expected an id")
    weak = layout.id.strip().lower() not in ("id",)
    if repeated and weak and len(set(ids)) < len(ids):
        notes.append(f"{layout.id} repeats for different questions, so that ids are made from the content")
        layout.id = None if layout.audio else layout.id
        return [draft.hash_content() for draft in drafts]
    for draft, other in repeated:
        draft.record_problem(
            layout.id, f"has the id of row {other.number}, which asks another question (--map id=none)"
        )
    return ids


def _choose_groupings(table: QuestionTable, layout: Layout, settings: FileSettings) -> tuple[str, ...]:
    """Return the columns by which scores are broken down: those that are declared, else every column that has no role
    and few different values. Raises DataError if a declared column does not exist."""
    if settings.group_by is not None:
        for name in settings.group_by:
            if all(get_cell(row, name) is None for row in table.rows):
                raise DataError(f"{table.path}: no column {name!r} to group by")
        return settings.group_by
    taken = layout.used_columns | {name for names in layout.alternatives.values() for name in names}
    free = [name for name in table.columns if name not in taken and name not in RESERVED_GROUPS]
    return tuple(name for name in free if _is_grouping(table, name))


def _is_grouping(table: QuestionTable, name: str) -> bool:
    """Return True if a column has single values, few enough and short enough to be the keys of a breakdown."""
    keys: set[str] = set()
    for row in table.rows:
        value = get_cell(row, name)
        if is_empty(value):
            continue
        if not isinstance(value, (str, int, float, bool)):
            return False
        keys.add(to_text(value))
        if len(keys) > MAX_GROUP_KEYS:
            return False
    short = all(len(key) <= _MAX_KEY_LENGTH and "\n" not in key for key in keys)
    return bool(keys) and short and (len(keys) < len(table.rows) or len(table.rows) <= _FEW_ITEMS)
