"""Usual names of the columns of question files, by the role of the column."""

import re
from collections.abc import Sequence
from string import ascii_lowercase

AUDIO_NAMES = (
    *("audio", "audio_path", "audio_file", "audio_filepath", "audio_file_path", "audio_filename", "audio_file_name"),
    *("audio_name", "audios", "audio_paths", "audio_files", "audio_list", "audio_url", "audio_id"),
    *("wav", "wav_path", "wav_file", "wav_filename", "wavs", "sound", "sound_path", "sound_file", "sound_filename"),
    *("sounds", "clip", "clip_path", "clip_file", "clip_filename", "clip_name", "clips", "clip_id"),
    *("recording", "recording_path", "recording_file", "file_name", "filename", "file_path", "filepath", "fname"),
    *("file", "files", "path", "paths"),
)
"""Names of columns of clips, the preferred one first. Their values need no audio suffix."""

QUESTION_NAMES = (
    *("question", "question_text", "query", "questions", "instruction", "prompt", "problem", "input", "text", "q"),
)
"""Names of the column of questions, the preferred one first."""

CHOICE_NAMES = (
    *("choices", "options", "answer_choices", "answer_options", "multi_choice", "multiple_choice", "multiple_choices"),
    *("mcq_options", "mc_options", "candidates", "candidate_answers", "alternatives", "possible_answers"),
    *("choice_list", "option_list", "choice", "option", "opts"),
)
"""Names of the one column with all options of a question, the preferred one first."""

DISTRACTOR_NAMES = (
    *("distractors", "incorrect_answers", "wrong_answers", "incorrect_options", "wrong_options", "incorrect_choices"),
    *("wrong_choices", "false_answers", "false_options", "foils"),
)
"""Names of the one column with all wrong options of a question."""

ANSWER_NAMES = (
    *("answer", "correct_answer", "right_answer", "gold_answer", "gold", "ground_truth", "groundtruth", "answer_gt"),
    *("gt_answer", "gt", "reference", "reference_answer", "references", "answers", "correct_answers", "target"),
    *("correct", "correct_option", "correct_choice", "answer_text", "answer_key", "answer_letter", "answer_label"),
    *("correct_index", "correct_idx", "answer_index", "answer_idx", "answer_id", "label", "solution"),
    *("expected_answer", "expected", "output", "response", "ans"),
)
"""Names of the column of correct answers, the preferred one first."""

ID_NAMES = (
    *("id", "question_id", "item_id", "sample_id", "qid", "q_id", "uid", "uuid", "guid", "unique_id", "uniq_id"),
    *("idx", "index", "question_index", "key"),
)
"""Names of the column of ids, the preferred one first."""

_AUDIO_STEM = "audio|clip|wav|sound|recording|file|path"
_AUDIO_TAIL = "path|file|name|filename|filepath|file_path|file_name"
_AUDIO_MEMBER = re.compile(
    rf"(?:(?:{_AUDIO_STEM})(?:_(?:{_AUDIO_TAIL}))?|filepath|filename)_?([1-9]\d?|[a-e])(?:_(?:{_AUDIO_TAIL}))?"
)
_CHOICE_MEMBER = re.compile(
    r"(?:choice|option|opt|answer_choice|answer_option|alternative|candidate)_?([a-z]|\d{1,2})|answer_([a-z])|([a-z])"
)
_DISTRACTOR_MEMBER = re.compile(
    r"(?:distractor|incorrect_answer|wrong_answer|incorrect_option|wrong_option|incorrect|wrong|foil)_?(\d{1,2}|[a-z])"
)
_REFERENCE_MEMBER = re.compile(r"(?:answer|reference|ref|gold)_?(\d{1,2})")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[\s_\-./]+")


def normalise_name(name: str) -> str:
    """Return a column's name in snake case: `QuestionText`, `question-text` and `Question Text` become
    `question_text`."""
    return _SEPARATORS.sub("_", _CAMEL.sub("_", name.strip())).strip("_").lower()


def split_prefix(column: str, names: Sequence[str]) -> tuple[str, int] | None:
    """Return the prefix of a column's name before one of the known `names`, and the index of that name.

    The prefix is `""` for `question`, `eng.` for the path `eng.question`, `single_` for `single_question`. Returns None
    if the column has none of the names.
    """
    parent, dot, leaf = column.rpartition(".")
    name = normalise_name(leaf)
    if name in names:
        return parent + dot, names.index(name)
    for index, known in enumerate(names):
        if len(known) > 3 and name.endswith(f"_{known}"):
            return f"{parent}{dot}{name.removesuffix(known)}", index
    return None


def find_column_series(columns: Sequence[str], role: str) -> tuple[str, ...]:
    """Return the longest series of columns such as `option_a`, `option_b`, which hold one value of a role each.

    `role` is `audio` (clips), `choices` (options), `distractors` (wrong options) or `references`. The columns are
    numbered without a gap from 0 or 1, or lettered from a, in one style. They are returned in this order. The result is
    empty if there is no series of two or more columns.
    """
    pattern = {
        "audio": _AUDIO_MEMBER,
        "choices": _CHOICE_MEMBER,
        "distractors": _DISTRACTOR_MEMBER,
        "references": _REFERENCE_MEMBER,
    }[role]
    families: dict[str, dict[int, str]] = {}
    for column in columns:
        name = normalise_name(column)
        if (match := pattern.fullmatch(name)) is None:
            continue
        mark = next(group for group in match.groups() if group)
        number = int(mark) if mark.isdecimal() else ascii_lowercase.index(mark) + 1
        start, end = match.span(next(i for i, group in enumerate(match.groups(), 1) if group))
        style = f"{name[:start]}{'#' if mark.isdecimal() else '@'}{name[end:]}"
        families.setdefault(style, {})[number] = column
    whole = [family for family in families.values() if len(family) > 1 and _is_sequence(sorted(family))]
    if not whole:
        return ()
    longest = max(whole, key=len)
    return tuple(longest[number] for number in sorted(longest))


def _is_sequence(numbers: Sequence[int]) -> bool:
    """Return True if the numbers count up from 0 or 1 without a gap."""
    return numbers[0] in (0, 1) and list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))
