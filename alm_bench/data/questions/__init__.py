"""Readers of question files in any usual form: columns by their usual names, options and answers in all usual
notations."""

from alm_bench.data.questions.answers import AnswerInterpretation, interpret_answers
from alm_bench.data.questions.cells import parse_choices, parse_references
from alm_bench.data.questions.drafts import Problem
from alm_bench.data.questions.reading import QuestionFile, read_questions
from alm_bench.data.questions.samples import KIND_GROUP
from alm_bench.data.questions.settings import (
    FileSettings,
    find_sidecar,
    merge_settings,
    parse_group_by,
    parse_map,
    read_sidecar,
)
from alm_bench.data.questions.tables import list_splits, read_table

__all__ = [
    "KIND_GROUP",
    "AnswerInterpretation",
    "FileSettings",
    "Problem",
    "QuestionFile",
    "find_sidecar",
    "interpret_answers",
    "list_splits",
    "merge_settings",
    "parse_choices",
    "parse_group_by",
    "parse_map",
    "parse_references",
    "read_questions",
    "read_sidecar",
    "read_table",
]
