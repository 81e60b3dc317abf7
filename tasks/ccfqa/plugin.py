"""CCFQA (Du et al., arXiv 2508.07295): factual questions, spoken in one of eight languages, to be answered in the same
or another of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alm_bench.core import AudioRef, DataError, DataRoot, Metrics, Parsed, Sample, Scored, TaskCard, TaskScore
from alm_bench.core.languages import ItemLanguages, normalise_language
from alm_bench.data.readers import check_unique_ids, read_jsonl, read_parquet
from alm_bench.scoring.multiple_choice import compute_mean, compute_mean_score, drop_skipped_rows
from alm_bench.task_bases import OpenTask
from alm_bench.tasks._shared.languages import select_languages
from alm_bench.tasks._shared.shards import name_shards

LANGUAGES: Mapping[str, str] = {
    "eng": "English",
    "cmn": "Mandarin Chinese",
    "fra": "French",
    "jpn": "Japanese",
    "kor": "Korean",
    "rus": "Russian",
    "spa": "Spanish",
    "yue": "Cantonese",
}
"""Names of the languages by ISO 639-3 code, as prompts name them."""

CORE = "eng"
"""Language of translations and responses in answers of several parts."""

BASELINE = "always the most frequent answer"


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the task. Each is a code of `LANGUAGES`, several separated by `+`, or `all`."""

    question_language: str = "eng"
    """Languages of the spoken questions."""

    answer_language: str | None = None
    """Languages of the answers. [default: that of the question]"""

    def pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of question language and answer language. Raises UsageError for an unknown code."""
        asked = select_languages(self.question_language, list(LANGUAGES), "ccfqa.question_language")
        if self.answer_language is None:
            return [(code, code) for code in asked]
        answers = select_languages(self.answer_language, list(LANGUAGES), "ccfqa.answer_language")
        return [(question, answer) for question in asked for answer in answers]


class Ccfqa(OpenTask):
    def __init__(self, card: TaskCard, options: Options) -> None:
        pairs = len(options.pairs())  # raises an error for an unknown language before the model runs
        super().__init__(replace(card, items={split: pairs * count for split, count in card.items.items()}), options)

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        declared = {file.role: file for file in self.card.files if file.split == split}
        if not data.has(declared["annotations"]) and data.has(declared["parquet"]):
            return name_shards(data.locate_all(declared["parquet"]))
        return {"annotations": data.locate(declared["annotations"])}

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        files = self.files(data, split)
        first = next(iter(files.values()))
        questions = (
            _read_questions(first, data) if "annotations" in files else _read_hub_questions(list(files.values()))
        )
        return iter(check_unique_ids(self._create_samples(questions), first))

    def _create_samples(self, questions: "Iterator[Question]") -> Iterator[Sample]:
        """Yield one sample per question and pair of languages. Ids name the languages if there are several pairs."""
        pairs = self.options.pairs()
        for question in questions:
            for asked, answer in pairs:
                if asked not in question.clips:
                    continue
                languages = asked if asked == answer else f"{asked} to {answer}"
                clip, gold = question.clips[asked], question.answers[answer]
                yield Sample(
                    id=question.id if len(pairs) == 1 else f"{question.id}@{asked}-{answer}",
                    fields={"language": LANGUAGES[answer]},
                    audio=(clip,),
                    target=[gold],
                    gold=gold,
                    groups={
                        "language": asked,
                        "languages": languages,
                        "answer language": answer,
                        **question.groups,
                        "clip": clip.id,
                    },
                    # The question is spoken in the clip, and in no prompt. The parts are references of answers in four
                    # parts: transcript, translation and response in English.
                    metadata={
                        "question": question.texts[asked],
                        "parts": {
                            "transcript": question.texts[asked],
                            "translation": question.texts[CORE],
                            "response": question.answers[CORE],
                        },
                    },
                    languages=ItemLanguages(
                        question=normalise_language(asked),
                        audio=normalise_language(asked),
                        answer=normalise_language(answer),
                        question_id=question.id,
                    ),
                )

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return {**super().grade(sample, text, parsed), "official_f1": compute_character_f1(text, sample.gold or "")}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        kept = drop_skipped_rows(rows)
        blind = {name: {"accuracy": compute_mean(kept, scores)} for name, scores in self.blind_scores(kept).items()}
        return replace(super().score(kept), blind=blind)

    def compute_metrics(self, rows: Sequence[Scored]) -> Metrics:
        official = compute_mean_score(drop_skipped_rows(rows), "official_f1")
        return {**super().compute_metrics(rows), "official_f1": official}

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the accuracy of each row under the baseline that gives the most frequent answer of the row's answer
        language.
        """
        frequent: dict[str, Counter[str]] = {}
        for row in rows:
            frequent.setdefault(row.sample.groups["answer language"], Counter())[row.sample.gold or ""] += 1
        answers = {language: counts.most_common(1)[0][0] for language, counts in frequent.items()}
        scores = [float(row.sample.gold == answers[row.sample.groups["answer language"]]) for row in rows]
        return {BASELINE: scores} if rows else {}


@dataclass(frozen=True, slots=True)
class Question:
    """One question in the languages in which it was recorded."""

    id: str
    """Id of the question, the same in all languages."""

    clips: Mapping[str, AudioRef]
    """Clip with the spoken question, by language."""

    texts: Mapping[str, str]
    """Text of the question, by language."""

    answers: Mapping[str, str]
    """Reference answer, by language."""

    groups: Mapping[str, str]
    """Subject and source of the question."""


def _read_questions(path: Path, data: DataRoot) -> Iterator[Question]:
    """Yield the questions of the repository's file, which has one row per question. Raises DataError."""
    for number, row in enumerate(read_jsonl(path), 1):
        parts = {code: _check_part(row, code, f"{path}, row {number}") for code in LANGUAGES}
        if "index" not in row:
            raise DataError(f"{path}, row {number}: no 'index'; it has {', '.join(sorted(row))}")
        groups = {name: str(row[key]) for key, name in (("label", "subject"), ("source", "source")) if row.get(key)}
        names = {code: (f"ccfqa/{part['audio']}", f"ccfqa/audio/{part['audio']}") for code, part in parts.items()}
        yield Question(
            str(row["index"]),
            {code: data.audio(*names[code]) for code in parts},
            {code: part["question"] for code, part in parts.items()},
            {code: part["answer"] for code, part in parts.items()},
            groups,
        )


def _check_part(row: Mapping[str, Any], code: str, location: str) -> Mapping[str, str]:
    """Return the part of a row for the language `code`. Raises DataError if a field is missing."""
    part = row.get(code)
    if not isinstance(part, dict) or not all(isinstance(part.get(key), str) for key in ("audio", "question", "answer")):
        raise DataError(f"{location}: {code} is {part!r:.80}, expected an object with audio, question and answer")
    return part


def _read_hub_questions(shards: Sequence[Path]) -> Iterator[Question]:
    """Yield the questions of the hub's parquet files, which have one row per question and spoken language.

    A row has the columns `lang`, `audio`, and `<language>_q` and `<language>_a` for every language. Rows of one
    question in several languages have the same English text. Raises DataError.
    """
    columns = ("lang", *(f"{code}_{kind}" for code in LANGUAGES for kind in "qa"))
    numbers: dict[str, int] = {}
    for row in read_parquet(shards, columns, clip_column="audio"):
        language, english = str(row.values["lang"]), str(row.values["eng_q"])
        id = str(numbers.setdefault(english, len(numbers)))
        texts = {code: str(row.values[f"{code}_q"]) for code in LANGUAGES}
        answers = {code: str(row.values[f"{code}_a"]) for code in LANGUAGES}
        yield Question(id, {language: row.get_audio_ref(f"ccfqa/{language}/{id}")}, texts, answers, {})


def compute_character_f1(answer: str, reference: str) -> float:
    """Return the F1 between the sets of characters of two texts, 0..1, rounded to three decimals.

    This is the F1 of the official script (yxduir/ccfqa, output/vllm_eval.py). Case and punctuation are not normalised.
    """
    ours, theirs = set(answer), set(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    return round(2 * len(ours & theirs) / (len(ours) + len(theirs)), 3)


create = Ccfqa.create
