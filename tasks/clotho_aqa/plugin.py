"""ClothoAQA (Lipping et al., arXiv 2204.09634): questions about Clotho's clips, with the answers of three annotators
each.

The questions are in English, or in one of the eight languages of mClothoAQA (Behera et al., Interspeech 2023), which
has translations of the yes/no questions.

Yes/no questions are scored in three ways: against every annotator's answer (as in Mellow's paper), against the majority
of the three, and on those questions alone on which all three agree. The answer to other questions is one word, which is
correct if any annotator gave it; caption metrics of these answers are computed on request.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from alm_bench.core import (
    AudioRef,
    DataError,
    DataFile,
    DataRoot,
    Metric,
    Metrics,
    Parsed,
    Sample,
    Scored,
    TaskCard,
    TaskScore,
)
from alm_bench.core.languages import ItemLanguages
from alm_bench.data.readers import check_unique_ids, read_csv
from alm_bench.parsing import PARSER
from alm_bench.parsing.plain import parse_yes_no
from alm_bench.scoring.captions import compute_caption_scores
from alm_bench.scoring.multiple_choice import (
    compute_answered_share,
    compute_by_group,
    compute_mean,
    drop_skipped_rows,
    list_clusters,
)
from alm_bench.scoring.sentences import (
    SCORING,
    CaptionOptions,
    describe_computation,
    list_answer_sentences,
    list_references,
)
from alm_bench.scoring.short_answers import RULE, compute_token_f1, contains_reference
from alm_bench.tasks._shared.clips import list_clip_paths
from alm_bench.tasks._shared.languages import select_languages

COLUMNS = ("file_name", "QuestionText", "answer")
OPEN = ("open_accuracy", "open_contained", "open_token_f1")
"""Metrics of the questions that are not yes/no questions."""
YES_NO = ("yes", "no")
BLIND_YES, BLIND_WORD = "always the more frequent of yes and no", "always the most frequent word"

ANNOTATORS = 3
"""Number of rows of a question in mClothoAQA's files. They are adjacent."""

LANGUAGES = ("nl", "en", "fr", "de", "hi", "it", "pt", "es")
"""Languages of mClothoAQA."""

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Options(CaptionOptions):
    """Options of the task."""

    language: str | None = None
    """Language of the questions: one of `LANGUAGES`, several separated by `+`, or `all`. [default: ClothoAQA's own
    file, in English]"""

    def languages(self) -> tuple[str, ...]:
        """Return the selected languages of mClothoAQA; none for ClothoAQA's own file. Raises UsageError."""
        return () if self.language is None else select_languages(self.language, LANGUAGES, "clotho_aqa.language")


_WORD = re.compile(r"[^\w' ]+")


@dataclass(frozen=True, slots=True)
class ClothoAqa:
    scoring: ClassVar = SCORING
    card: TaskCard
    options: Options
    parser: str = f"{PARSER}, {RULE}"

    def __post_init__(self) -> None:
        self.options.list_metrics()  # raises an error for an unknown metric before the model runs
        self.options.languages()  # likewise for an unknown language

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        declared = {file.role: file for file in self.card.files if file.split == split}
        roles = [f"binary-{language}" for language in self.options.languages()]
        if not roles:
            translated = "binary-en" in declared and data.has(declared["binary-en"])
            roles = ["annotations"] if data.has(declared["annotations"]) or not translated else ["binary-en"]
        found = {role: data.locate(_get_file(declared, role, split)) for role in roles}
        if "binary-en" in found and (words := declared.get("words-en")) is not None and data.has(words):
            found["words-en"] = data.locate(words)
        return found

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        files = self.files(data, split)
        several = len(self.options.languages()) > 1
        found: list[Sample] = []
        clips_by_name: dict[str, AudioRef] = {}  # a clip has several questions, and each search takes time
        for role, path in files.items():
            language = role.partition("-")[2] or ENGLISH
            questions = _read_questions(path) if role == "annotations" else _read_translation(path, role)
            seen: Counter[str] = Counter()
            for name, question, answers in questions:
                number, seen[name] = seen[name], seen[name] + 1
                kind = "w" if role.startswith("words") else ""
                question_id = f"{name}#{kind}{number}"
                id = question_id + (f"@{language}" if several else "")
                if name not in clips_by_name:
                    clips_by_name[name] = _find_clip(data, name)
                sample = _create_sample(id, name, clips_by_name[name], question, answers, language)
                languages = ItemLanguages(question=language, answer=language, question_id=question_id)
                found.append(replace(sample, languages=languages))
        return iter(check_unique_ids(found, next(iter(files.values()))))

    def parse(self, sample: Sample, text: str) -> Parsed:
        if is_yes_no_question(sample):
            # a sentence such as "There are waves" is compared with the question, which must be in the same language
            question = sample.fields["question"] if sample.groups.get("language", ENGLISH) == ENGLISH else None
            return parse_yes_no(text, question, self.card.answer_tags)
        word = normalise_answer(text)
        return Parsed("ok", "words", value=word) if word else Parsed("empty", "empty")

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return grade_answer(sample, parsed.value, text)

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        scorable = drop_skipped_rows(rows)
        values, blind = _compute_metrics(scorable), _compute_baseline_metrics(scorable)
        open_rows = [row for row in scorable if not is_yes_no_question(row.sample)]
        groups = compute_by_group(scorable, self.card.groups, _compute_metrics) if self.options.languages()[1:] else {}
        if self.options.metrics is None or not open_rows:
            return TaskScore({**values, "answered": compute_answered_share(scorable)}, groups, blind)
        asked = self.options.list_metrics()
        captions, tables = _compute_caption_metrics(open_rows, list_answer_sentences(open_rows), asked)
        baseline, _ = _compute_caption_metrics(
            open_rows, [_find_most_frequent_answer(open_rows)] * len(open_rows), asked
        )
        # The task's own metrics of the same name remain: they know the question and the answer as it was written.
        blind[BLIND_WORD] = {**baseline, **blind[BLIND_WORD]}
        return TaskScore({**captions, **values, "answered": compute_answered_share(scorable)}, groups, blind, tables)

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the binary accuracy of each row under the baseline that always gives the more frequent of yes and no.

        `rows` are yes/no questions.
        """
        if not rows:
            return {}
        said = _find_most_frequent_answer(rows)
        return {BLIND_YES: [grade_answer(row.sample, said)["binary_accuracy"] for row in rows]}


def _find_clip(data: DataRoot, name: str) -> AudioRef:
    names = (f"clotho_aqa/audio_files/{name}", f"audio_files/{name}")
    return data.audio(*names, *list_clip_paths(f"ClothoV21/evaluation/{name}"))


def _create_sample(id: str, clip_name: str, clip: AudioRef, question: str, answers: list[str], language: str) -> Sample:
    kind = "open"
    if all(answer in YES_NO for answer in answers):
        kind = "yes/no, all three agree" if len(set(answers)) == 1 else "yes/no, two of three"
    return Sample(
        id=id,
        fields={"question": question},
        audio=(clip,),
        target=answers,
        gold=Counter(answers).most_common(1)[0][0],
        groups={"kind": kind, "language": language, "clip": clip_name},
    )


def _get_file(declared: Mapping[str, DataFile], role: str, split: str) -> DataFile:
    """Return the file of a role. Raises DataError if the split has no file in that language."""
    if role not in declared:
        raise DataError(f"clotho_aqa: split {split} has no file for {role!r}; it has {', '.join(declared)}")
    return declared[role]


def _read_questions(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Yield clip, question and the annotators' normalised answers of each question in ClothoAQA's own file."""
    answers: dict[tuple[str, str], list[str]] = {}
    for row in read_csv(path, COLUMNS):
        answers.setdefault((row["file_name"], row["QuestionText"]), []).append(normalise_answer(row["answer"]))
    return ((name, question, said) for (name, question), said in answers.items())


def _read_translation(path: Path, role: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield clip, question and the annotators' answers of each question in a file of mClothoAQA.

    Three consecutive rows are one question. Texts do not identify questions, since two questions about a clip may have
    the same translation. Yes and no are converted to English. Raises DataError if the rows are not in threes.
    """
    rows = read_csv(path, COLUMNS)
    yes_no = {answer: parse_yes_no(answer).value for answer in {row["answer"] for row in rows}}
    for start in range(0, len(rows), ANNOTATORS):
        part = rows[start : start + ANNOTATORS]
        asked = {(row["file_name"], row["QuestionText"]) for row in part}
        if len(part) < ANNOTATORS or len(asked) > 1:
            where = f"{path}: row {start + 1}"
            raise DataError(f"{where}: {len(part)} rows of {len(asked)} questions, expected {ANNOTATORS} rows of one")
        if role.startswith("words"):
            answers = [normalise_answer(row["answer"]) for row in part]
        else:
            answers = [yes_no[row["answer"]] or normalise_answer(row["answer"]) for row in part]
        yield part[0]["file_name"], part[0]["QuestionText"], answers


def is_yes_no_question(sample: Sample) -> bool:
    """Return True for a yes/no question."""
    return sample.groups["kind"] != "open"


def normalise_answer(text: str) -> str:
    """Normalise an answer: lower case, no punctuation, no articles. ClothoAQA's answers are single words."""
    words = _WORD.sub(" ", text.lower()).split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def _group_rows_by_metric(rows: Sequence[Scored]) -> dict[str, list[Scored]]:
    """Return the rows that each metric is computed on, by metric name."""
    binary = [row for row in rows if is_yes_no_question(row.sample)]
    return {
        "binary_accuracy": binary,
        "majority_accuracy": binary,
        "unanimous_accuracy": [row for row in binary if len(set(row.sample.target)) == 1],
        **{name: [row for row in rows if not is_yes_no_question(row.sample)] for name in OPEN},
    }


def _compute_metrics(rows: Sequence[Scored]) -> Metrics:
    """Return the mean of each score over the rows that it is defined for (`_group_rows_by_metric`)."""
    values = {}
    for name, part in _group_rows_by_metric(rows).items():
        values[name] = (
            compute_mean(part, [row.scores.get(name, 0.0) for row in part]) if part else Metric.missing("no items")
        )
    return values


def _compute_baseline_metrics(rows: Sequence[Scored]) -> dict[str, Metrics]:
    """Return the metrics of each text-only baseline, by its name: one for yes/no questions, one for other questions.

    A baseline gives the same answer to all questions: the most frequent one among the references."""
    binary = [row for row in rows if is_yes_no_question(row.sample)]
    open_rows = [row for row in rows if not is_yes_no_question(row.sample)]
    table: dict[str, Metrics] = {}
    for name, part in ((BLIND_YES, binary), (BLIND_WORD, open_rows)):
        if not part:
            continue
        said = _find_most_frequent_answer(part)
        table[name] = {}
        for metric_name, counts in _group_rows_by_metric(part).items():
            if counts:
                table[name][metric_name] = compute_mean(
                    counts, [grade_answer(row.sample, said)[metric_name] for row in counts]
                )
    return table


def _find_most_frequent_answer(rows: Sequence[Scored]) -> str:
    """Return the most frequent answer of all annotators to these questions."""
    said: Counter[str] = Counter(answer for row in rows for answer in row.sample.target)
    return said.most_common(1)[0][0]


def _compute_caption_metrics(
    rows: Sequence[Scored], answers: Sequence[str], metrics: Sequence[str]
) -> tuple[Metrics, dict[str, Any]]:
    """Compute the caption metrics named in `metrics` for parsed answers to the open questions `rows`.

    Returns the metrics, whose names get the prefix `open_`, and tables that name the tokenizer and the weights.
    """
    found = compute_caption_scores(answers, [list_references(row.sample) for row in rows], list_clusters(rows), metrics)
    found = replace(found, weights={f"open_{name}": used for name, used in found.weights.items()})
    return {f"open_{name}": metric for name, metric in found.corpus.items()}, describe_computation(found)


def grade_answer(sample: Sample, answer: str | None, text: str | None = None) -> dict[str, float]:
    """Return the scores of a parsed answer by metric name.

    `text` is the whole text from which the answer was parsed (default: the parsed answer).

    Yes/no questions: `binary_accuracy` is the share of annotators who gave this answer, `majority_accuracy` is 1.0 if
    most of them gave it. If all agree, `unanimous_accuracy` is the same as `majority_accuracy`.

    Other questions: `open_accuracy` is 1.0 if any annotator gave this word, `open_contained` is 1.0 if the text
    contains any annotator's word, `open_token_f1` is the best F1 of words over the annotators.
    """
    answers = list(sample.target)
    if not is_yes_no_question(sample):
        whole = (answer if text is None else text) or ""
        return {
            "open_accuracy": float(answer in answers),
            "open_contained": float(contains_reference(whole, answers, sample.fields["question"])),
            "open_token_f1": compute_token_f1(whole, answers),
        }
    majority = float(answer == sample.gold)
    scores = {"binary_accuracy": answers.count(answer) / len(answers), "majority_accuracy": majority}
    return scores | ({"unanimous_accuracy": majority} if len(set(answers)) == 1 else {})


def create(card: TaskCard, options: Options) -> ClothoAqa:
    return ClothoAqa(card, options)
