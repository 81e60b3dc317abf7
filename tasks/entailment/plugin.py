"""Audio entailment (Deshmukh et al., arXiv 2407.18062): CLE on Clotho, ACE on AudioCaps.

Each row of the CSV gives three items: an entailed, a neutral and a contradicted hypothesis about one clip.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import (
    AudioRef,
    Corpus,
    DataRoot,
    Metrics,
    NoOptions,
    Parsed,
    Sample,
    Scored,
    TaskCard,
    TaskScore,
)
from alm_bench.data.readers import check_unique_ids, read_csv
from alm_bench.parsing import PARSER, parse_choice
from alm_bench.scoring.blind import UNIFORM, compute_baseline_accuracies, compute_baseline_scores
from alm_bench.scoring.classification import build_corpus_statistic, compute_classification_metrics, count_confusions
from alm_bench.scoring.multiple_choice import (
    compute_answered_share,
    compute_choice_metrics,
    compute_companion_metrics,
    drop_skipped_rows,
    list_clusters,
    list_complete_baselines,
)
from alm_bench.tasks._shared.clips import list_clip_paths
from alm_bench.tasks.entailment.hypothesis_only import BLIND_HYPOTHESIS, HypothesisOnly

COLUMNS = ("Dataset", "Audio file", "Caption", "Entailment", "Neutral", "Contradiction")
LABELS = ("Entailment", "Neutral", "Contradiction")
LABEL_NAMES = ("entailment", "neutral", "contradiction")
RECALLS = ("eacc", "nacc", "cacc")
BLIND_LABEL = "most frequent label"
DEVELOPMENT_PREFIX = "ClothoV21/validation/"
"""Prefix of the ids of the clips in CLE's development split."""

# The options in the order of Mellow's prompt, and the label that each option states. "I cannot determine" is an
# abstention: it is parsed, and it is scored as wrong.
CHOICES = ("it is definitely true", "it is definitely false", "it is plausible", "i cannot determine")
LABEL_OF_CHOICE: tuple[int | None, ...] = (0, 2, 1, None)
CHOICE_OF_LABEL = (0, 2, 1)


def find_label_of_option(choices: Sequence[str], option_index: int | None) -> int | None:
    """Return the index (in LABELS) of the label that an option states. The option is identified by its text, because
    its position varies. Returns None for no option, and for the option that states no label."""
    return None if option_index is None else LABEL_OF_CHOICE[CHOICES.index(choices[option_index])]


@dataclass(frozen=True, slots=True)
class Entailment:
    card: TaskCard
    parser: str = PARSER

    def files(self, data: DataRoot, split: str) -> Mapping[str, Path]:
        found = {}
        for file in self.card.files:
            if file.split not in (None, split):
                continue
            if not file.optional or data.has(file):
                found[file.role] = data.locate(file)
        return found

    def samples(self, data: DataRoot, split: str) -> Iterator[Sample]:
        path = self.files(data, split)["annotations"]
        return iter(check_unique_ids(self._create_samples(path, data, split), path))

    def _create_samples(self, path: Path, data: DataRoot, split: str) -> Iterator[Sample]:
        rows_of_clip: dict[str, int] = {}
        for row in read_csv(path, COLUMNS):
            name = row["Audio file"]
            number = rows_of_clip[name] = rows_of_clip.get(name, -1) + 1
            clip = self._find_clip(data, name, split)
            for label, title in enumerate(LABELS):
                yield Sample(
                    id=f"{name}#{number}-{LABEL_NAMES[label]}",
                    fields={"hypothesis": row[title]},
                    audio=(clip,),
                    choices=CHOICES,
                    target=CHOICE_OF_LABEL[label],
                    gold=CHOICES[CHOICE_OF_LABEL[label]],
                    groups={"label": LABEL_NAMES[label], "clip": name},
                )

    def _find_clip(self, data: DataRoot, name: str, split: str) -> AudioRef:
        if self.card.name == "cle":
            return data.audio(*list_clip_paths(f"ClothoV21/{split}/{name}"))
        bare = name.removesuffix(".wav")
        names = (f"{bare}.wav", f"{bare.removeprefix('Y')}.wav", f"{bare.removeprefix('Y')}_*.wav")
        return data.audio(*(f"{folder}/{n}" for folder in ("AudioCapsLarger/test", "audiocaps/test") for n in names))

    def blind_predictions(self, data: DataRoot, samples: Sequence[Sample]) -> Mapping[str, Mapping[str, int] | str]:
        """Predict the option of each item with a classifier that gets the hypothesis only. It is trained on CLE's
        validation rows.

        Returns option indices by item id, under the baseline's name. If the validation file is missing, or if the items
        themselves are the training rows, returns the reason as text instead.
        """
        development = next(file for file in self.card.files if file.role == "development")
        if not data.has(development):
            return {BLIND_HYPOTHESIS: f"{development.names[0]} is not there (from {development.source})"}
        if self.card.fit_task is None and any(
            ref.id.startswith(DEVELOPMENT_PREFIX) for s in samples for ref in s.audio
        ):
            return {BLIND_HYPOTHESIS: "these are the rows that it is fitted on"}
        rows = read_csv(data.locate(development), COLUMNS)
        model = HypothesisOnly.fit([row[title] for row in rows for title in LABELS], list(range(3)) * len(rows))
        labels = model.predict([sample.fields["hypothesis"] for sample in samples])
        choices = [CHOICE_OF_LABEL[label] for label in labels]
        return {BLIND_HYPOTHESIS: {sample.id: choice for sample, choice in zip(samples, choices, strict=True)}}

    def parse(self, sample: Sample, text: str) -> Parsed:
        return parse_choice(text, sample.choices, self.card.answer_tags)

    def grade(self, sample: Sample, text: str, parsed: Parsed) -> Mapping[str, float]:
        return {"accuracy": float(parsed.index is not None and parsed.index == sample.target)}

    def score(self, rows: Sequence[Scored]) -> TaskScore:
        scorable = [row for row in drop_skipped_rows(rows) if row.sample.target is not None]
        if not scorable:
            return TaskScore(compute_choice_metrics(rows))
        predicted = _list_predicted_labels(scorable)
        metrics = compute_classification_metrics(
            _list_reference_labels(scorable), predicted, list_clusters(scorable), RECALLS
        )
        return TaskScore(
            metrics={**metrics, "answered": compute_answered_share(scorable), **compute_companion_metrics(scorable)},
            blind=_compute_baseline_metrics(scorable),
            tables={"confusion": _build_confusion_table(scorable, predicted)},
        )

    def blind_scores(self, rows: Sequence[Scored]) -> Mapping[str, Sequence[float]]:
        """Return the accuracy per item of each text-only baseline: a uniform guess over the options, the most frequent
        label, and the predictions that are stored with the items."""
        if not rows:
            return {}
        label = _get_most_frequent_label(rows)
        return compute_baseline_scores(rows, {BLIND_LABEL: [_get_option_index(row.sample, label) for row in rows]})

    def corpus(self, rows: Sequence[Scored]) -> Corpus:
        return build_corpus_statistic(_list_reference_labels(rows), _list_predicted_labels(rows), RECALLS)


def _list_reference_labels(rows: Sequence[Scored]) -> list[int]:
    """Return the index (in LABELS) of each row's correct label. Rows without one are left out."""
    return [label for row in rows if (label := _get_label_of_option(row, row.sample.target)) is not None]


def _list_predicted_labels(rows: Sequence[Scored]) -> list[int | None]:
    """Return the index (in LABELS) of each row's predicted label; None for a row without one."""
    return [_get_label_of_option(row, row.parsed.index if row.parsed else None) for row in rows]


def _get_most_frequent_label(rows: Sequence[Scored]) -> int:
    return Counter(_list_reference_labels(rows)).most_common(1)[0][0]


def _get_option_index(sample: Sample, label: int) -> int:
    """Return the index of the option that states a label. `label` is an index in LABELS."""
    return sample.choices.index(CHOICES[CHOICE_OF_LABEL[label]])


def _get_label_of_option(row: Scored, option_index: int | None) -> int | None:
    """Return the index (in LABELS) of the label that the row's option at `option_index` states. See
    `find_label_of_option`."""
    return find_label_of_option(row.sample.choices, option_index)


def _build_confusion_table(rows: Sequence[Scored], predicted: Sequence[int | None]) -> dict[str, object]:
    """Return the table `confusion`: counts by reference label (rows) and predicted label or none (columns)."""
    cells = count_confusions(_list_reference_labels(rows), predicted, len(LABELS)).sum(axis=0)
    titles = [label.lower() for label in LABELS]
    return {"rows": titles, "columns": [*titles, "none"], "counts": cells.astype(int).tolist()}


def _compute_baseline_metrics(rows: Sequence[Scored]) -> dict[str, Metrics]:
    """Return the metrics of each baseline of `blind_scores`. The uniform guess is an expected value, for which only the
    accuracy is defined."""
    if not rows:
        return {}
    golds = _list_reference_labels(rows)
    predicted: dict[str, list[int | None]] = {BLIND_LABEL: [_get_most_frequent_label(rows)] * len(rows)}
    predicted |= {
        name: [_get_label_of_option(row, row.blind[name]) for row in rows] for name in list_complete_baselines(rows)
    }
    table = compute_baseline_accuracies(rows, {UNIFORM: compute_baseline_scores(rows, {})[UNIFORM]})
    return table | {
        name: compute_classification_metrics(golds, labels, list_clusters(rows), RECALLS)
        for name, labels in predicted.items()
    }


def create(card: TaskCard, options: NoOptions) -> Entailment:
    return Entailment(card)
