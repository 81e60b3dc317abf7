"""Scores of answers in several parts: each part by its own measure, and what precedes the answer.

Transcript: word and character error rate (jiwer). Translation: chrF and BLEU (sacrebleu). Response: the rule of short
answers. A part that is missing or shortened has no score; the number of items is printed beside each metric.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alm_bench.core import Metric, Metrics, Sample
from alm_bench.core.languages import WRITTEN_AS, normalise_language
from alm_bench.parsing.parts import Parts, get_format
from alm_bench.parsing.text import normalise_text
from alm_bench.scoring.intervals import compute_share
from alm_bench.scoring.short_answers import contains_reference

REFERENCES = "parts"
"""Key of `Sample.metadata` with the reference of each part, by the part's name."""

UNSPACED = ("ja", "th", "zh")
"""Languages without spaces between words. They have no word error rate, and BLEU compares characters."""


@dataclass(frozen=True, slots=True)
class PartsItem:
    """One item whose answer has several parts."""

    sample: Sample
    """The item."""

    text: str
    """Whole output of the model."""

    output_format: str
    """Name of the format."""

    spoken: str | None = None
    """Text that the question's clip speaks, which is the reference of the transcript; None for a written question."""

    tokens: int | None = None
    """Number of tokens of the output; None if the model does not report it."""

    tokens_before: int | None = None
    """Number of tokens before the answer, counted by the model's tokenizer; None if it counted none."""

    seconds: float | None = None
    """Duration of the model's answer in seconds."""

    @property
    def references(self) -> Mapping[str, str]:
        """Reference texts by part."""
        known = self.sample.metadata.get(REFERENCES, {})
        return known if self.spoken is None else {**known, "transcript": self.spoken}


@dataclass(frozen=True, slots=True)
class PartsTable:
    """Counts of outputs after they were split into parts: by status, by form, and by shortened part."""

    status: Mapping[str, int]
    """Number of items by status (`parsing.parts.PartsStatus`)."""

    form: Mapping[str, int]
    """Number of items by form (`parsing.parts.PartsForm`)."""

    shortened: Mapping[str, int]
    """Number of items in which a part is shortened, by part."""

    counted: int
    """Number of items for which the model's tokenizer counted the tokens before the answer. For the other items, the
    tokens are estimated from the share of characters."""


def read_parts(text: str, output_format: str) -> Parts:
    """Read a text into its parts. Raises UsageError for an unknown format."""
    return get_format(output_format).split_into_parts(text)


def score_parts(items: Sequence[PartsItem]) -> tuple[Metrics, dict[str, Any]]:
    """Return the metrics of the parts and the table `parts` as a JSON object; ({}, {}) without items."""
    if not items:
        return {}, {}
    read = [(item, read_parts(item.text, item.output_format)) for item in items]
    table = PartsTable(
        dict(Counter(parts.status for _, parts in read)),
        dict(Counter(parts.form for _, parts in read)),
        dict(Counter(name for _, parts in read for name in parts.shortened)),
        sum(item.tokens_before is not None for item in items),
    )
    metrics = {
        "parts_complete": _compute_complete_share(read),
        **_score_transcripts(read),
        **_score_translations(read),
        **_score_responses(read),
        **_measure_delay(read),
    }
    return metrics, {"parts": asdict(table)}


ItemsWithParts = Sequence[tuple[PartsItem, Parts]]
"""Pairs of an item and the parts of its output."""


def _compute_complete_share(items_with_parts: ItemsWithParts) -> Metric:
    """Return the share of outputs with the status `ok`, in which every part was read."""
    complete = [float(parts.status == "ok") for _, parts in items_with_parts]
    return compute_share(complete, [item.sample.id for item, _ in items_with_parts])


def _list_part_texts(items_with_parts: ItemsWithParts, name: str) -> list[tuple[PartsItem, str, str]]:
    """Return one tuple (item, text, reference) of the part `name` per item that has a reference for it.

    Items whose output lacks this part, or has it shortened, are left out.
    """
    return [
        (item, parts.texts[name], item.references[name])
        for item, parts in items_with_parts
        if name in parts.texts and name not in parts.shortened and item.references.get(name, "").strip()
    ]


def normalise_transcript(text: str) -> str:
    """Return a transcript in lower case, without punctuation and with single spaces."""
    letters = "".join(character if character.isalnum() or character in "'’" else " " for character in text)
    return " ".join(normalise_text(letters).split())


def _score_transcripts(items_with_parts: ItemsWithParts) -> Metrics:
    """Return the word and character error rates of the transcripts."""
    found = [
        (item, normalise_transcript(text), reference)
        for item, text, target in _list_part_texts(items_with_parts, "transcript")
        if (reference := normalise_transcript(target))
    ]
    spaced = [(text, reference) for item, text, reference in found if _get_question_language(item) not in UNSPACED]
    return {
        "transcript_wer": compute_error_rate("wer", spaced),
        "transcript_cer": compute_error_rate("cer", [(text, reference) for _, text, reference in found]),
    }


def compute_error_rate(name: str, pairs: Sequence[tuple[str, str]]) -> Metric:
    """Return the word (`wer`) or character (`cer`) error rate of pairs of text and reference, as jiwer computes it."""
    if not pairs:
        return Metric.missing("no output has this part in full, with a reference")
    import jiwer

    measure = {"wer": jiwer.wer, "cer": jiwer.cer}[name]
    texts, references = (list(side) for side in zip(*pairs, strict=True))
    return Metric(float(measure(references, texts)), n=len(pairs))


def _score_translations(items_with_parts: ItemsWithParts) -> Metrics:
    """Return chrF and BLEU of the translations."""
    found = _list_part_texts(items_with_parts, "translation")
    if not found:
        reason = "no output has this part in full, with a reference"
        return dict.fromkeys(("translation_chrf", "translation_bleu"), Metric.missing(reason))
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    texts, references = [text for _, text, _ in found], [[reference for _, _, reference in found]]
    metrics = {"translation_chrf": Metric(float(CHRF().corpus_score(texts, references).score), n=len(found))}
    tokenizers = {_select_bleu_tokenizer(item) for item, _, _ in found}
    if len(tokenizers) > 1:
        reason = f"the translations are in languages that BLEU splits differently: {', '.join(sorted(tokenizers))}"
        return {**metrics, "translation_bleu": Metric.missing(reason)}
    score = BLEU(tokenize=tokenizers.pop()).corpus_score(texts, references).score
    return {**metrics, "translation_bleu": Metric(float(score), n=len(found))}


def _select_bleu_tokenizer(item: PartsItem) -> str:
    """Return the name of sacrebleu's tokenizer for the core language of an item."""
    language = str(item.sample.metadata.get("core language", "en"))
    return "zh" if language == "zh" else "char" if language in UNSPACED else "13a"


def _score_responses(items_with_parts: ItemsWithParts) -> Metrics:
    """Return the share of responses that are right by the rule of short answers."""
    found = _list_part_texts(items_with_parts, "response")
    if not found:
        return {"response_contained": Metric.missing("no output has this part in full, with a reference")}
    values = [float(contains_reference(text, [reference])) for _, text, reference in found]
    return {"response_contained": compute_share(values, [item.sample.id for item, _, _ in found])}


def _measure_delay(items_with_parts: ItemsWithParts) -> Metrics:
    """Return the mean number of tokens and of seconds before the answer, over the outputs whose answer was read."""
    answered = [(item, parts) for item, parts in items_with_parts if parts.answer is not None and item.text]
    tokens = [count for item, parts in answered if (count := _count_tokens_before_answer(item, parts)) is not None]
    seconds = [
        item.seconds * share
        for item, parts in answered
        if item.seconds is not None and (share := _get_share_before_answer(item, parts)) is not None
    ]
    return {
        "tokens_before_answer": _average(tokens, "the model reports no tokens"),
        "seconds_before_answer": _average(seconds, "no time was measured"),
    }


def _get_share_before_answer(item: PartsItem, parts: Parts) -> float:
    """Return the share of the output before the answer: of its tokens if they are counted, else of its characters."""
    if item.tokens_before is not None and item.tokens:
        return min(1.0, item.tokens_before / item.tokens)
    return parts.answer_start / len(item.text)


def _count_tokens_before_answer(item: PartsItem, parts: Parts) -> float | None:
    """Return the number of tokens before the answer; None if the model reports none.

    If only the whole output's tokens were counted, the number is estimated by the share of characters.
    """
    if item.tokens_before is not None:
        return float(item.tokens_before)
    return None if item.tokens is None else item.tokens * parts.answer_start / len(item.text)


def _average(values: Sequence[float], reason: str) -> Metric:
    """Return the mean of the values without an interval; without values, a missing metric with `reason`."""
    return Metric(sum(values) / len(values), n=len(values)) if values else Metric.missing(reason)


def _get_question_language(item: PartsItem) -> str | None:
    languages = item.sample.languages
    code = None if languages is None else languages.question or languages.audio
    return None if code is None else WRITTEN_AS.get(normalise_language(code), normalise_language(code))
