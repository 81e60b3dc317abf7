"""ClothoAQA (Lipping et al., arXiv 2204.09634): questions about Clotho's clips, with the answers of three annotators
each.

Yes/no questions are scored in three ways: against every annotator's answer (as in Mellow's paper), against the majority
of the three, and on those questions alone on which all three agree. The answer to other questions is one word, which is
correct if any annotator gave it; caption metrics of these answers are computed on request.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from alm_bench.core import DataRoot, Metric, Metrics, Parsed, Sample, Scored, TaskCard, TaskScore
from alm_bench.data.readers import check_unique_ids, read_csv
from alm_bench.parsing import PARSER
from alm_bench.parsing.plain import parse_yes_no
from alm_bench.scoring.captions import compute_caption_scores
from alm_bench.scoring.multiple_choice import compute_answered_share, compute_mean, drop_skipped_rows, list_clips
from alm_bench.scoring.sentences import SCORING, CaptionOptions, list_references, list_sentences
from alm_bench.scoring.short_answers import RULE, compute_token_f1, contains_reference
from alm_bench.tasks._shared.clips import list_clip_paths

COLUMNS = ("file_name", "QuestionText", "answer")
OPEN = ("open_accuracy", "open_contained", "open_token_f1")
"""Metrics of the questions that are not yes/no questions."""
YES_NO = ("yes", "no")
BLIND_YES, BLIND_WORD = "always the more frequent of yes and no", "always the most frequent word"

Options = CaptionOptions

_WORD = re.compile(r"[^\w' ]+")


@dataclass(frozen=True, slots=True)
class ClothoAqa:
    scoring: ClassVar = SCORING
    card: TaskCard
    options: CaptionOptions
    parser: str = f"{PARSER}, {RULE}"

    def __post_init__(self) -> None:
        self.options.list_metrics()  # raises an error for an unknown metric before the model runs

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        return {"annotations": data.locate(next(file for file in self.card.files if file.split == split))}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        path = self.files(data, split)["annotations"]
        answers: dict[tuple[str, str], list[str]] = {}
        for row in read_csv(path, COLUMNS):
            answers.setdefault((row["file_name"], row["QuestionText"]), []).append(normalise_answer(row["answer"]))
        seen: Counter[str] = Counter()
        return iter(
            check_unique_ids((self._create_sample(data, key, said, seen) for key, said in answers.items()), path)
        )

    def _create_sample(self, data: DataRoot, key: tuple[str, str], said: list[str], counts: Counter[str]) -> Sample:
        name, question = key
        number, counts[name] = counts[name], counts[name] + 1
        binary = all(answer in YES_NO for answer in said)
        names = (
            f"clotho_aqa/audio_files/{name}",
            f"audio_files/{name}",
            *list_clip_paths(f"ClothoV21/evaluation/{name}"),
        )
        kind = "open"
        if binary:
            kind = "yes/no, all three agree" if len(set(said)) == 1 else "yes/no, two of three"
        return Sample(
            id=f"{name}#{number}",
            fields={"question": question},
            audio=(data.audio(*names),),
            target=said,
            gold=Counter(said).most_common(1)[0][0],
            groups={"kind": kind, "clip": name},
        )

    def parse(self, sample: Sample, text: str) -> Parsed:
        if is_binary(sample):
            return parse_yes_no(text, sample.fields["question"], self.card.answer_tags)
        word = normalise_answer(text)
        return Parsed("ok", "words", value=word) if word else Parsed("empty", "empty")

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return grade_answer(sample, parsed.value, text)

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        scorable = drop_skipped_rows(rows)
        values, blind = _compute_metrics(scorable), _compute_baseline_metrics(scorable)
        open_rows = [row for row in scorable if not is_binary(row.sample)]
        if self.options.metrics is None or not open_rows:
            return TaskScore({**values, "answered": compute_answered_share(scorable)}, blind=blind)
        asked = self.options.list_metrics()
        captions, tokenizer = _compute_caption_metrics(open_rows, list_sentences(open_rows), asked)
        blind[BLIND_WORD] |= _compute_caption_metrics(
            open_rows, [_get_most_frequent_answer(open_rows)] * len(open_rows), asked
        )[0]
        return TaskScore(
            {**values, **captions, "answered": compute_answered_share(scorable)}, blind=blind, tables=tokenizer
        )

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the binary accuracy per item of the baseline that always answers the more frequent of yes and no.
        `rows` are yes/no questions."""
        if not rows:
            return {}
        said = _get_most_frequent_answer(rows)
        return {BLIND_YES: [grade_answer(row.sample, said)["binary_accuracy"] for row in rows]}


def is_binary(sample: Sample) -> bool:
    return sample.groups["kind"] != "open"


def normalise_answer(text: str) -> str:
    """Normalise an answer: lower case, no punctuation, no articles. ClothoAQA's answers are single words."""
    words = _WORD.sub(" ", text.lower()).split()
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def _group_rows_by_metric(rows: Sequence[Scored]) -> dict[str, list[Scored]]:
    """Return the rows that each metric is computed on, by metric name."""
    binary = [row for row in rows if is_binary(row.sample)]
    return {
        "binary_accuracy": binary,
        "majority_accuracy": binary,
        "unanimous_accuracy": [row for row in binary if len(set(row.sample.target)) == 1],
        **{name: [row for row in rows if not is_binary(row.sample)] for name in OPEN},
    }


def _compute_metrics(rows: Sequence[Scored]) -> Metrics:
    values = {}
    for name, part in _group_rows_by_metric(rows).items():
        values[name] = (
            compute_mean(part, [row.scores.get(name, 0.0) for row in part]) if part else Metric.missing("no items")
        )
    return values


def _compute_baseline_metrics(rows: Sequence[Scored]) -> dict[str, Metrics]:
    """Return the metrics of the text-only baselines. They always give the most frequent answer, which is computed from
    the references."""
    binary = [row for row in rows if is_binary(row.sample)]
    open_rows = [row for row in rows if not is_binary(row.sample)]
    table: dict[str, Metrics] = {}
    for name, part in ((BLIND_YES, binary), (BLIND_WORD, open_rows)):
        if not part:
            continue
        said = _get_most_frequent_answer(part)
        table[name] = {}
        for metric_name, counts in _group_rows_by_metric(part).items():
            if counts:
                table[name][metric_name] = compute_mean(
                    counts, [grade_answer(row.sample, said)[metric_name] for row in counts]
                )
    return table


def _get_most_frequent_answer(rows: Sequence[Scored]) -> str:
    """Return the most frequent answer of all annotators to these questions."""
    said: Counter[str] = Counter(answer for row in rows for answer in row.sample.target)
    return said.most_common(1)[0][0]


def _compute_caption_metrics(
    rows: Sequence[Scored], said: Sequence[str], metrics: Sequence[str]
) -> tuple[Metrics, dict[str, Any]]:
    """Return the caption metrics of the answers `said` to open questions, with the prefix `open_`, and tables that
    name the tokenizer and the weights."""
    found = compute_caption_scores(said, [list_references(row.sample) for row in rows], list_clips(rows), metrics)
    tables = {"tokenizer": found.tokenizer, "weights": {f"open_{name}": used for name, used in found.weights.items()}}
    return {f"open_{name}": metric for name, metric in found.corpus.items()}, tables


def grade_answer(sample: Sample, said: str | None, text: str | None = None) -> dict[str, float]:
    """Return the scores of the answer `said` by metric name. For yes/no questions: the share of annotators who agree,
    and 1.0 if it is the majority's answer. For other questions: 1.0 if any annotator gave the same word, 1.0 if the
    answer contains any annotator's word, and the best F1 of the words. `text` is the answer as it was written (default:
    `said`)."""
    answers = list(sample.target)
    if not is_binary(sample):
        whole = (said if text is None else text) or ""
        return {
            "open_accuracy": float(said in answers),
            "open_contained": float(contains_reference(whole, answers, sample.fields["question"])),
            "open_token_f1": compute_token_f1(whole, answers),
        }
    majority = float(said == sample.gold)
    scores = {"binary_accuracy": answers.count(said) / len(answers), "majority_accuracy": majority}
    return scores | ({"unanimous_accuracy": majority} if len(set(answers)) == 1 else {})


def create(card: TaskCard, options: CaptionOptions) -> ClothoAqa:
    return ClothoAqa(card, options)
