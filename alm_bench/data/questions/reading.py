"""Reading of a question file of any usual form as the samples of a task, with a description of what was found."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alm_bench.core import DataError, Sample
from alm_bench.data.questions.answers import FORM_NAMES, FORMS, AmbiguousAnswersError, decide_answers
from alm_bench.data.questions.cells import is_empty, parse_references, to_text
from alm_bench.data.questions.drafts import Draft, Problem, add_options, count_by, make_drafts
from alm_bench.data.questions.layout import Layout, find_layout, get_cell
from alm_bench.data.questions.settings import CONSTANT, FileSettings
from alm_bench.data.questions.tables import QuestionTable, read_table
from alm_bench.data.root import LocalRoot

KIND_GROUP = "answer_kind"
"""Grouping that names the kind of a question without options."""

RESERVED_GROUPS = ("clip", KIND_GROUP)
"""Groupings that no column can have."""

MAX_GROUP_KEYS = 50
"""Largest number of different values of a column that becomes a grouping without being named."""

_MAX_KEY_LENGTH = 60
_FEW_ITEMS = 20
_LETTER_ANSWER = re.compile(r"\(?[a-j][).:]?|\([a-j]\)\s.+")
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")

ToYesNo = Callable[[str], str | None]
"""Function that returns `yes` or `no` for an answer word of any language, and None for other texts."""


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """Questions of a file."""

    path: Path
    """File or folder that was named."""

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

    rows: int
    """Number of rows."""

    problems: tuple[Problem, ...]
    """Faults of rows, in order."""

    groups: tuple[str, ...]
    """Columns by whose values scores are broken down."""

    kinds: Mapping[str, int]
    """Number of questions of each kind."""

    answer_form: str | None
    """Reading of the answers of questions with options; None without such questions."""

    notes: tuple[str, ...]
    """What was decided about the file, one sentence each."""

    def suggest_settings(self) -> FileSettings:
        """Return declarations under which the file is read as it was, without a search."""
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
            group_by=self.groups,
        )

    def describe(self) -> list[str]:
        """Return lines that say which column has which role, how answers are read, and what was left out."""
        roles = [f"clips: {' + '.join(self.layout.audio) or f'files named by {self.layout.id}'}"]
        question = self.layout.question
        same = question.startswith(CONSTANT)
        roles.append(f"question: {'the same for all' if same else question}")
        if self.layout.choices or self.layout.distractors:
            roles.append(f"options: {', '.join(self.layout.choices or self.layout.distractors)}")
        form = f" ({FORM_NAMES[self.answer_form]})" if self.answer_form else ""
        roles.append(f"answer: {' + '.join(self.layout.answer) or 'withheld'}{form}")
        roles.append(f"id: {self.layout.id or 'made from the content'}")
        roles.append(f"groups: {', '.join(self.groups) or 'none'}")
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
    requests: Mapping[str, str],
    root: LocalRoot | None = None,
) -> QuestionFile:
    """Read the questions of the files of one split.

    `requests` says what to answer with by kind of question; it becomes the field `request` of a sample.

    Faults of single rows are listed in `problems`; their questions have a reason to be skipped. Raises DataError if the
    file as a whole cannot be read or allows several readings.
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
    form, targets = _find_targets(drafts, layout, settings, path)
    ids = _make_ids(drafts, layout, notes)
    _report_contradictions(drafts, targets, ids, layout)
    groupings = _choose_groupings(table, layout, settings)
    several = settings.kind == "several" or any(target is not None and len(target) > 1 for target in targets)
    samples, numbers, kinds, more = _make_samples(
        drafts, targets, ids, groupings, settings, several, to_yes_no, requests, path, layout
    )
    problems = tuple(draft.problem for draft in drafts if draft.problem is not None)
    return QuestionFile(
        path,
        table.files,
        settings,
        layout,
        samples,
        numbers,
        len(drafts),
        problems,
        groupings,
        kinds,
        form,
        (*notes, *more),
    )


def _require_options(drafts: Sequence[Draft], path: Path, kind: str) -> None:
    for draft in drafts:
        if len(draft.choices) < 2 and draft.problem is None:
            raise DataError(f"{path}: row {draft.number} has no options, which --kind {kind} needs")


def _find_targets(
    drafts: Sequence[Draft], layout: Layout, settings: FileSettings, path: Path
) -> tuple[str | None, list[tuple[int, ...] | None]]:
    """Return the reading of the answers of questions with options, and the indices of the correct options per draft."""
    targets: list[tuple[int, ...] | None] = [None if d.target is None else (d.target,) for d in drafts]
    if not layout.answer or layout.distractors:
        return None, targets
    column = "+".join(layout.answer)
    places = [i for i, draft in enumerate(drafts) if draft.choices and draft.answer is not None]
    for draft in drafts:
        if draft.answer is None:
            draft.report(column, "is empty, expected the answer")
    if not places:
        return None, targets
    answers, choices = [drafts[i].answer for i in places], [drafts[i].choices for i in places]
    answers = [_unwrap(answer, options) for answer, options in zip(answers, choices, strict=True)]
    try:
        decision = decide_answers(answers, choices, settings.answer_is)
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
            draft.report(column, f"{_show(draft.answer)} is none of the options ({shown[:100]})")
    return decision.form, targets


def _report_contradictions(
    drafts: Sequence[Draft], targets: Sequence[tuple[int, ...] | None], ids: Sequence[str], layout: Layout
) -> None:
    """Report rows with options that ask the question of an earlier row, under the same id, and answer it otherwise."""
    first: dict[tuple[Any, ...], tuple[Draft, list[str]]] = {}
    for draft, target, name in zip(drafts, targets, ids, strict=True):
        if not draft.choices or target is None:
            continue
        right = [draft.choices[index] for index in target]
        key = (name, draft.question, draft.clips, tuple(sorted(draft.choices)))
        earlier, answer = first.setdefault(key, (draft, right))
        if answer != right:
            draft.report("+".join(layout.answer), f"answers the question of row {earlier.number} otherwise")


def _unwrap(answer: Any, choices: Sequence[str]) -> Any:
    """Return the only element of a list of one, which may be written as text; other answers, and texts that are an
    option, unchanged."""
    if isinstance(answer, str) and answer.lstrip()[:1] == "[" and answer.strip() not in choices:
        parts = parse_references(answer)
        answer = list(parts) if len(parts) > 1 else parts[0] if parts else answer
    while isinstance(answer, (list, tuple)) and len(answer) == 1:
        answer = answer[0]
    return answer


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _make_ids(drafts: Sequence[Draft], layout: Layout, notes: list[str]) -> list[str]:
    """Return one id per draft. Drafts of the same question have the same id, unless the file has options or ids.

    An id that stands for different questions is a fault of the row.
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
            draft.report(layout.id, "is empty, expected an id")
    weak = layout.id.strip().lower() not in ("id",)
    if repeated and weak and len(set(ids)) < len(ids):
        notes.append(f"{layout.id} repeats for different questions, so that ids are made from the content")
        layout.id = None if layout.audio else layout.id
        return [draft.hash_content() for draft in drafts]
    for draft, other in repeated:
        draft.report(layout.id, f"has the id of row {other.number}, which asks another question (--map id=none)")
    return ids


def _choose_groupings(table: QuestionTable, layout: Layout, settings: FileSettings) -> tuple[str, ...]:
    """Return the columns by which scores are broken down: those that are declared, else every column without a role
    that has few different values."""
    if settings.group_by is not None:
        for name in settings.group_by:
            if all(get_cell(row, name) is None for row in table.rows):
                raise DataError(f"{table.path}: no column {name!r} to group by")
        return settings.group_by
    taken = layout.used | {name for names in layout.alternatives.values() for name in names}
    free = [name for name in table.columns if name not in taken and name not in RESERVED_GROUPS]
    return tuple(name for name in free if _is_grouping(table, name))


def _is_grouping(table: QuestionTable, name: str) -> bool:
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


def _make_samples(
    drafts: Sequence[Draft],
    targets: Sequence[tuple[int, ...] | None],
    ids: Sequence[str],
    groupings: Sequence[str],
    settings: FileSettings,
    several: bool,
    to_yes_no: ToYesNo,
    requests: Mapping[str, str],
    path: Path,
    layout: Layout,
) -> tuple[list[Sample], list[int], dict[str, int], list[str]]:
    """Return the samples, the number of the first row of each, the number of samples by kind, and notes."""
    openly = settings.kind in ("yes_no", "number", "open")
    with_options = [bool(draft.choices) and not openly for draft in drafts]
    references = [_collect_references(d, t) for d, t in zip(drafts, targets, strict=True)]
    open_rows = [i for i, chosen in enumerate(with_options) if not chosen]
    kind_of = _decide_kinds([(drafts[i], references[i]) for i in open_rows], settings, to_yes_no, path, layout)
    units, notes = _join_annotators(drafts, ids, open_rows)
    samples: list[Sample] = []
    kinds: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for members in units:
        draft, place = drafts[members[0]], members[0]
        name = ids[place] or f"row-{draft.number}"
        used[name] += 1
        name = name if used[name] == 1 else f"{name}-{used[name]}"
        groups = _group_keys([drafts[i] for i in members], groupings)
        fault = next((drafts[i].problem for i in members if drafts[i].problem is not None), None)
        target: Any = targets[place]
        gold = None if target is None else "; ".join(draft.choices[index] for index in target)
        if with_options[place]:
            kind = "several" if several else "choice"
        else:
            kind = kind_of[place]
            texts = [text for i in members for text in references[i]]
            texts = [_to_answer_word(text, to_yes_no) for text in texts] if kind == "yes_no" else texts
            target, gold = texts or None, Counter(texts).most_common(1)[0][0] if texts else None
            groups[KIND_GROUP] = kind
        groups["clip"] = " + ".join(clip.id for clip in draft.clips) or name
        sample = Sample(
            id=name,
            fields={"question": draft.question, "request": requests[kind]},
            audio=draft.clips,
            choices=draft.choices if with_options[place] else (),
            target=None if kind == "several" or target is None else target[0] if kind == "choice" else target,
            gold=gold,
            groups=groups,
            skip=None if fault is None else str(fault),
            targets=target if kind == "several" else None,
        )
        kinds[kind] += 1
        samples.append(sample)
    if (again := sum(count - 1 for count in used.values() if count > 1)) > 0:
        items = "item repeats an earlier one; its id ends" if again == 1 else "items repeat earlier ones; their ids end"
        notes.append(f"{again:,} {items} in a number")
    counts = [len(sample.choices) for sample in samples if sample.choices]
    if len(set(counts)) > 1:
        notes.append(f"options per question: {count_by(counts, str)}")
    if len(kinds) > 1:
        notes.append(f"kinds of questions: {count_by(kinds.elements(), lambda kind: kind.replace('_', '/'))}")
    return samples, [drafts[members[0]].number for members in units], dict(kinds), notes


def _group_keys(rows: Sequence[Draft], groupings: Iterable[str]) -> dict[str, str]:
    """Return the keys of a question in each grouping in which its rows agree."""
    found = {}
    for name in groupings:
        keys = {to_text(cell) for draft in rows if not is_empty(cell := get_cell(draft.row, name))}
        if len(keys) == 1:
            found[name] = keys.pop()
    return found


def _collect_references(draft: Draft, target: tuple[int, ...] | None) -> list[str]:
    """Return the reference answers of a row as texts; those of the correct options if it has options."""
    if draft.choices and target is not None:
        return [draft.choices[index] for index in target]
    if draft.answer is None:
        return []
    cells = draft.answer if isinstance(draft.answer, list) else [draft.answer]
    found = [text for cell in cells for text in parse_references(cell)]
    if not found:
        draft.report("answer", f"{_show(draft.answer)} is no text, number or list of texts")
    return found


def _decide_kinds(
    rows: Sequence[tuple[Draft, Sequence[str]]],
    settings: FileSettings,
    to_yes_no: ToYesNo,
    path: Path,
    layout: Layout,
) -> list[str] | dict[int, str]:
    """Return the kind of each row without options, by its index: yes/no, number or open, from the references."""
    words = Counter(text.casefold() for _, texts in rows for text in texts)
    yes_no = {word: said for word in words if (said := to_yes_no(word)) is not None}
    if settings.kind in ("yes_no", "number", "open"):
        _check_kind(rows, settings.kind, to_yes_no, path, layout)
        return {draft.number - 1: settings.kind for draft, _ in rows}
    rest = [word for word in words if word not in yes_no]
    if words and all(_LETTER_ANSWER.fullmatch(word) for word in words):
        raise DataError(
            f"{path}: column {'+'.join(layout.answer)} holds letters (such as {next(iter(words)).upper()}), and no "
            "options were found: name their columns with --map choices=COLUMN or choices=COLUMN+COLUMN, or say --kind "
            "open"
        )
    if words and set(words) <= {"0", "1"}:
        raise DataError(
            f"{path}: column {'+'.join(layout.answer)} holds 0 and 1 alone: say with --kind yes_no or --kind number "
            "what they are"
        )
    accepted = set(yes_no.values()) == {"yes", "no"} and (not rest or len(yes_no) == 2)
    accepted = accepted or (bool(yes_no) and not rest and len(yes_no) == 1)
    numbers = all(_NUMBER.fullmatch(word) for word in (rest if accepted else words))
    kinds = {}
    for draft, texts in rows:
        if accepted and texts and all(text.casefold() in yes_no for text in texts):
            kinds[draft.number - 1] = "yes_no"
        else:
            kinds[draft.number - 1] = "number" if numbers else "open"
    return kinds


def _check_kind(
    rows: Sequence[tuple[Draft, Sequence[str]]], kind: str, to_yes_no: ToYesNo, path: Path, layout: Layout
) -> None:
    """Report the rows whose references do not fit the declared kind."""
    for draft, texts in rows:
        for text in texts:
            fits = _to_answer_word(text, to_yes_no) in ("yes", "no") if kind == "yes_no" else _NUMBER.fullmatch(text)
            if kind != "open" and not fits:
                expected = "yes or no" if kind == "yes_no" else "a number"
                draft.report("+".join(layout.answer), f"{text!r} is not {expected}")


def _to_answer_word(text: str, to_yes_no: ToYesNo) -> str:
    """Return `yes` or `no` for an answer word, 1 or 0; other texts unchanged."""
    return {"1": "yes", "0": "no"}.get(text) or to_yes_no(text.casefold()) or text


def _join_annotators(
    drafts: Sequence[Draft], ids: Sequence[str], open_rows: Sequence[int]
) -> tuple[list[list[int]], list[str]]:
    """Return the rows of each question: rows without options that ask the same are answers of several annotators.

    If most questions have k rows, then m times k rows that ask the same are m questions, in the order of the file.
    """
    together: dict[tuple[Any, ...], list[int]] = {}
    is_open = set(open_rows)
    for place, draft in enumerate(drafts):
        key = (ids[place], draft.question, draft.clips) if place in is_open else (place,)
        together.setdefault(key, []).append(place)
    sizes = Counter(len(places) for key, places in together.items() if len(key) > 1)
    common = sizes.most_common(1)[0][0] if sizes else 1
    units: list[list[int]] = []
    for places in together.values():
        size = common if common > 1 and len(places) % common == 0 else len(places)
        units += [places[start : start + size] for start in range(0, len(places), size)]
    units.sort()
    joined = sum(len(unit) > 1 for unit in units)
    if not joined:
        return units, []
    return units, [
        f"{joined:,} questions have the answers of several rows (up to {max(map(len, units))}) as references"
    ]
