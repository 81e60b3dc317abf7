"""Base classes of tasks. A task that uses one of them needs only a card and a method `samples()`.

`ChoiceTask` is for questions with options, `OfficialChoiceTask` for benchmarks with options whose authors published a
scoring rule. `SentenceTask` is for captions and other sentences, which are compared with references. `OpenTask` is for
short answers, which are right if they contain a reference. Every method of a base class can be overridden;
`alm_bench/core/protocols.py` describes the return values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from alm_bench.core import (
    DataError,
    DataRoot,
    Metric,
    Metrics,
    NoOptions,
    Parsed,
    Sample,
    Scored,
    TaskCard,
    TaskScore,
)
from alm_bench.data.readers import check_unique_ids, read_csv, read_json, read_jsonl
from alm_bench.parsing import PARSER, parse_choice
from alm_bench.scoring.blind import compute_baseline_accuracies, score_choice_baselines, select_rows_with_reference
from alm_bench.scoring.multiple_choice import (
    compute_answered_share,
    compute_by_group,
    compute_choice_metrics,
    compute_mean_score,
    drop_skipped_rows,
    is_correct_option,
)
from alm_bench.scoring.pairs import compute_baseline_pair_metrics, compute_pair_metrics
from alm_bench.scoring.sentences import (
    SCORING,
    TEXT_PARSER,
    CaptionOptions,
    compute_caption_score,
    compute_item_scores,
    compute_scores_by_metric,
    compute_text_baseline_scores,
    parse_text,
)
from alm_bench.scoring.short_answers import RULE, compute_token_f1, contains_reference, equals_reference

Row = Mapping[str, Any]
"""One row of a data file, by column."""


class _BaseTask:
    """Common part of all base classes: reading files and rows."""

    parser = PARSER

    def __init__(self, card: TaskCard, options: Any = None) -> None:
        self.card, self.options = card, options

    @classmethod
    def create(cls, card: TaskCard, options: Any) -> Self:
        """Create the task. A plug-in sets `create = MyTask.create`."""
        return cls(card, options)

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        return {file.role: data.locate(file) for file in self.card.files if file.split in (None, split)}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        raise NotImplementedError(f"task {self.card.name} has no samples(): see alm_bench/task_bases.py")

    def read_samples(
        self, data: DataRoot, split: str, columns: Sequence[str], convert: Callable[[Row], Sample]
    ) -> Iterator[Sample]:
        """Yield one sample per row of the split's only file: CSV, TSV, JSON Lines or a JSON list, according to its
        suffix.

        Every row must have all `columns`. Raises DataError, with the file and the number of the bad row, for a missing
        column, for a ValueError that `convert` raises, and for repeated ids.
        """
        (path,) = self.files(data, split).values()
        return iter(check_unique_ids(convert_rows(read_rows(path, columns), path, columns, convert), path))


def convert_rows(
    rows: Iterable[Row], path: Path, columns: Sequence[str], convert: Callable[[Row], Sample]
) -> Iterator[Sample]:
    """Yield the sample of each row of the file at `path`.

    Raises DataError, with the file and the number of the bad row, for a missing column and for a ValueError that
    `convert` raises.
    """
    for number, row in enumerate(rows, 1):
        for column in columns:
            if column not in row:
                raise DataError(f"{path}, row {number}: no {column!r}; it has {', '.join(sorted(row))}")
        try:
            yield convert(row)
        except ValueError as error:
            raise DataError(f"{path}, row {number}: {error}") from error


def read_rows(path: Path, columns: Sequence[str]) -> Iterable[Row]:
    """Return the rows of a CSV, TSV, JSON Lines or JSON file. Raises DataError for other formats and for malformed
    files."""
    if path.suffix in (".csv", ".tsv"):
        return read_csv(path, columns, delimiter="\t" if path.suffix == ".tsv" else ",")
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    rows = read_json(path) if path.suffix == ".json" else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: expected rows as .csv, .tsv, .jsonl or a JSON list of objects")
    return rows


class ChoiceTask(_BaseTask):
    """Base class of tasks whose questions have options, one of which is right."""

    def build_choice_sample(
        self,
        id: object,
        question: str,
        choices: Iterable[object] | str,
        answer: object,
        clip: str,
        data: DataRoot,
        groups: Mapping[str, object] | None = None,
    ) -> Sample:
        """Return a sample of the task.

        `choices` is a list, or one text with `|` between the options. `clip` is a path below the data root. Raises
        ValueError if the answer is not among the options.
        """
        listed = choices.split("|") if isinstance(choices, str) else choices
        texts, gold = tuple(str(choice).strip() for choice in listed), str(answer).strip()
        if gold not in texts:
            raise ValueError(f"the answer {gold!r} is none of the choices {texts}")
        named = {name: str(value) for name, value in (groups or {}).items()}
        return Sample(
            id=str(id),
            fields={"question": str(question)},
            audio=(data.audio(clip),),
            choices=texts,
            target=texts.index(gold),
            gold=gold,
            groups={**named, "clip": clip},
        )

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_choice(text, sample.choices, self.card.answer_tags)

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return {"accuracy": float(is_correct_option(sample, parsed.index))}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        """Return the metrics of `compute_metrics` and the conditional accuracies of the pairs, over all items and by
        group.

        The metrics of text-only baselines are returned, too.
        """
        known = select_rows_with_reference(rows)
        values = self.blind_scores(known)
        blind = compute_baseline_accuracies(known, values)
        for name, metrics in compute_baseline_pair_metrics(known, self.card.pairs, values).items():
            blind[name] |= metrics

        def compute_with_pairs(part: Sequence[Scored]) -> Metrics:
            return {**self.compute_metrics(part), **compute_pair_metrics(part, self.card.pairs)}

        groups = compute_by_group(rows, self.card.groups, compute_with_pairs)
        return TaskScore(compute_with_pairs(rows), groups, blind)

    def compute_metrics(self, rows: Sequence[Scored]) -> Metrics:
        """Return the metrics of some rows: accuracy, share of answered items, and metrics that help to interpret the
        accuracy (`compute_companion_metrics`)."""
        return compute_choice_metrics(rows)

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        return score_choice_baselines(rows)


class OfficialChoiceTask(ChoiceTask):
    """Base class of multiple-choice benchmarks whose authors score answers by a rule of their own.

    The metric `official_accuracy` is the accuracy by that rule. It includes items whose reference is not among their
    options. The metric `accuracy` is reported, too; it is computed from the answers of this project's parser.
    """

    no_official_rule: ClassVar[str | None] = None
    """Reason why there is no official accuracy; None for a class that overrides `is_officially_correct`."""

    def is_officially_correct(self, sample: Sample, text: str) -> bool:
        """Return True if the authors' rule counts the text as correct. The sample has a reference (`gold`)."""
        raise NotImplementedError(f"task {self.card.name}: set `no_official_rule` or override this method")

    def describe_official_script(self, rows: Sequence[Scored]) -> str | None:
        """Return a remark on how the authors' script deviates from its own rule on these rows; None without one."""
        return None

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        if sample.gold is None:
            return {}
        scores = {} if sample.target is None else {"accuracy": float(is_correct_option(sample, parsed.index))}
        if self.no_official_rule is None:
            scores["official_accuracy"] = float(self.is_officially_correct(sample, text))
        return scores

    def compute_metrics(self, rows: Sequence[Scored]) -> Metrics:
        """Return the metrics of rows. The official accuracy includes items without a parsed answer."""
        graded = [row for row in rows if row.sample.gold is not None]
        if not graded:
            return {**compute_choice_metrics(rows), "official_accuracy": Metric.missing("answers are withheld")}
        has_texts = any(row.text is not None for row in graded) or all(row.parsed is None for row in graded)
        if self.no_official_rule is not None or not has_texts:  # options that are scored by likelihood have no text
            return compute_choice_metrics(rows)
        return {**compute_choice_metrics(rows), "official_accuracy": compute_mean_score(graded, "official_accuracy")}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        found = super().score(rows)
        if self.no_official_rule is not None:
            found.metrics["official_accuracy"] = Metric.missing(self.no_official_rule)
        remark = self.describe_official_script(rows)
        return found if remark is None else replace(found, tables={"official_script": remark})


class OpenTask(_BaseTask):
    """Base class of tasks with short answers.

    The metric `accuracy` is the share of answers that assert one of the references (`Sample.target`, a list) by the
    rule of `alm_bench.scoring.short_answers`. This rule agrees with people better than the other two metrics: `exact`,
    the share of answers that equal a reference, and `token_f1`.
    """

    parser = f"{TEXT_PARSER}, {RULE}"

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_text(text)

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        answer, references = parsed.value or "", list(sample.target or ())
        return {
            "accuracy": float(contains_reference(answer, references, sample.fields.get("question"))),
            "exact": float(equals_reference(answer, references)),
            "token_f1": compute_token_f1(answer, references),
        }

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        return TaskScore(self.compute_metrics(rows), compute_by_group(rows, self.card.groups, self.compute_metrics))

    def compute_metrics(self, rows: Sequence[Scored]) -> Metrics:
        """Return the metrics of some rows: the means of the scores of `grade`, and the share of answered items."""
        kept = drop_skipped_rows(rows)
        values = {name: compute_mean_score(kept, name) for name in ("accuracy", "exact", "token_f1")}
        return {**values, "answered": compute_answered_share(kept)}


class SentenceTask(_BaseTask):
    """Base class of tasks with captions or other sentences.

    They are scored against references (`Sample.target`, a list) by the metrics of `--metrics`.
    """

    parser = TEXT_PARSER
    scoring: ClassVar = SCORING

    def __init__(self, card: TaskCard, options: CaptionOptions | NoOptions | None = None) -> None:
        chosen = options if isinstance(options, CaptionOptions) else CaptionOptions()
        chosen.list_metrics()  # an unknown metric is an error before the model answers
        super().__init__(card, chosen)

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_text(text)

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return {}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        return compute_caption_score(rows, self.options.list_metrics())

    def item_scores(self, rows: Sequence[Scored]) -> tuple[str, Sequence[float]]:
        return compute_item_scores(rows, self.options.list_metrics())

    def scores_of(self, rows: Sequence[Scored], figures: Sequence[str]) -> Mapping[str, Sequence[float]]:
        """Return one score per row, by metric, for those metrics of `figures` that are means over items."""
        return compute_scores_by_metric(rows, figures)

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the scores of text-only baselines by the metric of `item_scores`."""
        return compute_text_baseline_scores(rows, self.options.list_metrics())
