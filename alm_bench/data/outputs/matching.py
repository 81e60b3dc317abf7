"""Comparison of a file of model outputs with a task's questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import DataError, Sample
from alm_bench.data.inline_options import REFERENCE_NOT_AN_OPTION, find_answer_index, normalise_option, strip_letters
from alm_bench.data.outputs.row import QuestionInfo
from alm_bench.data.outputs.stored import (
    OutputColumns,
    StoredOutput,
    StoredOutputs,
    read_questions,
    read_stored_outputs,
)

MAX_UNKNOWN_SHARE = 0.05
"""Maximum share of ids without a counterpart, both among questions and among outputs, up to which the file is
considered to belong to the questions. MIN_ALLOWED_UNKNOWN ids without counterpart are always allowed."""

MIN_ALLOWED_UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class OutputsMatch:
    """Result of comparing a file of outputs with a task's questions."""

    common: int
    """Number of outputs whose id belongs to a question."""

    unknown: tuple[str, ...]
    """Ids of outputs that do not belong to any question."""

    unanswered: int
    """Number of questions without an output."""

    differing: tuple[str, ...]
    """Common ids whose options or references differ. Only values that both sides give are compared."""

    @property
    def fits(self) -> bool:
        """True if at least one output belongs to a question, none differs from its question, and the ids are probably
        those of these questions (see MIN_ALLOWED_UNKNOWN and MAX_UNKNOWN_SHARE)."""
        return self.common > 0 and not self.differing and not self._has_other_ids

    @property
    def exact(self) -> bool:
        """True if at least one output belongs to a question, none has an unknown id, and no options or references
        differ."""
        return self.common > 0 and not self.differing and not self.unknown

    @property
    def matching_count(self) -> int:
        """Number of outputs with the id of a question, and with no differing options or references. Of two revisions of
        the questions, the one with the higher number is the more likely source of the file."""
        return self.common - len(self.differing)

    @property
    def _has_other_ids(self) -> bool:
        """True if so many ids have no counterpart on the other side that the ids are probably of other questions."""
        off = min(len(self.unknown), self.unanswered)
        return off > max(MIN_ALLOWED_UNKNOWN, MAX_UNKNOWN_SHARE * (self.common + off))

    def describe_problem(self, example_id: str) -> str:
        """Return a one-line description of the mismatch. `example_id` is the first id of the file, as an example."""
        total = self.common + len(self.unknown)
        if not self.common:
            return f"none of its {total:,} ids (as {example_id!r}) is among these questions"
        if self.differing:
            return (
                f"{len(self.differing):,} of {self.common:,} items have other options or another answer there, as "
                f"{self.differing[0]!r}"
            )
        return f"{len(self.unknown):,} of its {total:,} ids (as {self.unknown[0]!r}) are not among these questions"


def match_outputs(stored: StoredOutputs, samples: Sequence[Sample]) -> OutputsMatch:
    """Compare outputs with questions by id, and by options and references if both sides give them."""
    by_id = {sample.id: sample for sample in samples}
    known = [(item, by_id[item.id_in_file]) for item in stored.items.values() if item.id_in_file in by_id]
    unknown = [item.id_in_file for item in stored.items.values() if item.id_in_file not in by_id]
    answered = {sample.id for _, sample in known}
    return OutputsMatch(
        common=len(known),
        unknown=tuple(unknown),
        unanswered=len(by_id.keys() - answered),
        differing=tuple(item.id for item, sample in known if _has_other_question(item.question, sample)),
    )


def _has_other_question(question: QuestionInfo, sample: Sample) -> bool:
    """Return True if options or reference of an output differ from the sample's. Missing values are ignored."""
    if not sample.choices:
        return False
    theirs = [normalise_option(text) for text in strip_letters(sample.choices)]
    if question.choices and [normalise_option(text) for text in question.choices] != theirs:
        return True
    if question.gold is None or sample.gold is None:
        return False
    gold = find_answer_index(question.gold, theirs)
    if gold is None or sample.target is None:
        return bool(question.choices) and normalise_option(question.gold) != normalise_option(sample.gold)
    return bool(theirs[gold] != theirs[sample.target])


def read_paired_outputs(
    path: Path, annotations: Path | None = None, columns: OutputColumns | None = None
) -> list[tuple[Sample, str]]:
    """Read a file of outputs and pair its items with their questions, as `pair_outputs` does. Raises DataError."""
    return pair_outputs(read_stored_outputs(path, columns), annotations)


def pair_outputs(stored: StoredOutputs, annotations: Path | None = None) -> list[tuple[Sample, str]]:
    """Return one pair of question and model output per item. Options and references come from the file `annotations`,
    or from the file of outputs if that is None.

    The output of an item without text is empty. An item whose reference is not an option has no target. Raises
    DataError if an item has no question, or if `annotations` do not belong to the file of outputs.
    """
    asked = {item.id_in_file: item.question for item in stored.items.values()}
    if annotations is not None:
        asked = read_questions(annotations)
        found = match_outputs(stored, [_create_sample(name, question) for name, question in asked.items()])
        if found.differing or not found.common:
            own = "; without --annotations the file is scored by its own questions" if stored.has_questions else ""
            problem = found.describe_problem(next(iter(stored.items)))
            raise DataError(f"{stored.label}: {problem} ({annotations}){own}")
    return [_pair_item(item, asked, annotations or stored.path) for item in stored.items.values()]


def check_references(samples: Sequence[Sample], path: Path) -> None:
    """Check that at least one reference is among its item's options. Raises DataError otherwise, because every score
    would be 0."""
    if samples and all(sample.target is None for sample in samples):
        first = samples[0]
        raise DataError(
            f"{path}: no answer is among its options (as {first.gold!r} of {', '.join(first.choices)}), expected an "
            "option's text or its letter; name the questions with --annotations"
        )


def _pair_item(item: StoredOutput, questions: Mapping[str, QuestionInfo], path: Path) -> tuple[Sample, str]:
    question = questions.get(item.id_in_file)
    if question is None or not question.complete:
        raise DataError(
            f"{path}: item {item.id_in_file!r} has no choices and answer; name the questions with --annotations"
        )
    return _create_sample(item.id, question), item.text or ""


def _create_sample(name: str, question: QuestionInfo) -> Sample:
    skip = None if question.target is not None else REFERENCE_NOT_AN_OPTION
    fields = {"question": question.question or ""}
    return Sample(name, fields, choices=question.choices, target=question.target, gold=question.gold, skip=skip)
