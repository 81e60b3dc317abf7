"""Base classes of linear probes: logistic regressions on frozen embeddings, with or without audio.

A probe is fitted on the development split of a task only, like the supervised results of Audio Entailment (arXiv
2407.18062). All items of the task must have the same options, because the options' texts are the classes of the probe.
"""

import copy
import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from alm_bench.core import (
    Abilities,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    Decoding,
    LabelledRequest,
    Output,
    Request,
    UsageError,
    Wave,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]
else:
    Matrix = Any

ProbeInputs = Literal["audio+text", "text"]

REGULARISATION_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Values of C (inverse regularisation strength) from which cross-validation chooses."""

FOLDS, STEPS = 5, 300

TEXT_ONLY_PROBE = "text-only probe"
"""Name of the text-only baseline that every probe with audio has."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Fitted probe: feature standardisation, then L2-penalised multinomial logistic regression over option texts."""

    labels: tuple[str, ...]
    """Option texts that occurred as answers in fitting."""

    pipeline: Any
    """The fitted scikit-learn pipeline."""

    inverse_regularisation: float
    """Inverse regularisation strength with the best accuracy in cross-validation."""

    validation_accuracy: float
    """Accuracy in cross-validation. All rows of a clip are in the same fold."""

    @classmethod
    def fit(cls, features: Matrix, answers: Sequence[str], clips: Sequence[str]) -> "Probe":
        """Fit a probe and choose its regularisation by cross-validation.

        `features` has shape (rows, width); `answers` and `clips` have one entry per row. Raises UsageError if the rows
        have fewer than two different answers or clips.
        """
        import numpy as np
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.model_selection import GroupKFold
        from threadpoolctl import threadpool_limits

        said, clip_count = np.asarray(answers), len(set(clips))
        if len(set(answers)) < 2 or clip_count < 2:
            raise UsageError(
                f"a probe is fitted on two answers and two clips at least, the development rows have "
                f"{len(set(answers))} and {clip_count}"
            )
        folds = list(GroupKFold(min(FOLDS, clip_count)).split(features, said, clips))

        def compute_validation_accuracy(c: float) -> float:
            right = 0
            for train, held in folds:
                right += int(
                    (_fit_pipeline(features[train], said[train], c).predict(features[held]) == said[held]).sum()
                )
            return right / len(said)

        with warnings.catch_warnings(), threadpool_limits(limits=1):  # one thread: equal sums on every machine
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is limited to STEPS
            found = {c: compute_validation_accuracy(c) for c in REGULARISATION_STRENGTHS}
            best = max(REGULARISATION_STRENGTHS, key=lambda c: (found[c], -c))
            pipeline = _fit_pipeline(features, said, best)
        return cls(tuple(str(label) for label in pipeline.classes_), pipeline, best, found[best])

    def pick(self, features: Matrix, choices: Sequence[str]) -> int | None:
        """Return the index of the most likely choice, among those that are classes of the probe.

        `features` has shape (1, width). Returns None if no choice is a class of the probe.
        """
        scores = self.pipeline.decision_function(features)[0]
        scores = (-scores, scores) if len(self.labels) == 2 else scores
        known = [place for place, choice in enumerate(choices) if choice in self.labels]
        return max(known, key=lambda place: scores[self.labels.index(choices[place])], default=None)

    def compute_class_probabilities(self, features: Matrix) -> dict[str, float]:
        """Return the probability of each class of the probe, for one row: `features` has shape (1, width)."""
        (found,) = self.pipeline.predict_proba(features)
        return {label: round(float(share), 4) for label, share in zip(self.labels, found, strict=True)}

    @property
    def digest(self) -> str:
        """First 12 hex digits of a SHA-256 over the coefficients, rounded to three decimals."""
        model = self.pipeline[-1]
        parts = [(values.round(3) + 0.0).tobytes() for values in (model.coef_, model.intercept_)]
        return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def _fit_pipeline(features: Matrix, labels: Any, c: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=STEPS)).fit(features, labels)


@dataclass(frozen=True, slots=True)
class Features:
    """Fitted feature functions: one for a probe with audio, one for a text-only probe."""

    from_both: Callable[[Sequence[Any], Sequence[str]], Matrix]
    """Function from clip vectors and texts, one of each per row, to the probe's features, shape (rows, width)."""

    from_text: Callable[[Sequence[str]], Matrix]
    """Function from texts alone to the features of the text-only probe, shape (rows, width)."""


@dataclass(frozen=True, slots=True)
class ProbeFunctions:
    """Functions that compute the inputs of a probe: one embeds clips, one fits the feature functions on embeddings."""

    embed: Callable[[Wave], Any]
    """Function from a waveform to its embedding."""

    fit_features: Callable[[Sequence[Any], Sequence[str]], Features]
    """Function that fits the feature functions on the development rows and returns them. It gets the rows' clip vectors
    (empty for a text-only probe) and texts."""


class ProbeAdapter(BaseAdapter):
    """Base class of adapters that consist of a frozen network and a probe. Subclasses build the network and the
    identity.
    """

    prompts = "bare"
    abilities = Abilities(choices_only=True)

    def __init__(
        self, network: ProbeFunctions, hears: ProbeInputs, audio: AudioPolicy, identity: AdapterIdentity
    ) -> None:
        self.network, self.hears = network, hears
        self.audio: AudioPolicy | None = audio if hears == "audio+text" else None
        if self.audio is not None:
            self.abilities = replace(self.abilities, max_clips=1)
        label = identity.label if hears == "audio+text" else f"{identity.label[:-1]},text only]"
        self.identity = replace(identity, label=label, settings={**identity.settings, "hears": hears})
        self._features: Features | None = None
        self._probe: Probe | None = None
        self._text_probe: Probe | None = None

    def fit(self, rows: Iterable[LabelledRequest]) -> "ProbeAdapter":
        """Fit the probe on development rows and return the fitted adapter.

        Raises UsageError if there are no rows, if their options differ, or if a row does not have exactly one clip.
        """
        used_rows: list[tuple[Any, str, str, str]] = []
        options: set[frozenset[str]] = set()
        for row in rows:
            request = row.request
            if (problem := self._find_problem(request)) is not None:
                raise UsageError(f"development row {request.id}: {problem}")
            options.add(frozenset(request.choices))
            clip = request.audio[0].id if request.audio else request.id
            used_rows.append((self._embed_clip(request), request.prompt, request.choices[row.target], clip))
        name = self.identity.label
        if not used_rows:
            raise UsageError(f"{name} is fitted on a task's development split, and this task has none (cle and ace do)")
        if len(options) > 1:
            raise UsageError(f"{name} takes tasks whose items have the same options, the development rows have several")
        clips, texts, answers, groups = (list(column) for column in zip(*used_rows, strict=True))
        fitted = copy.copy(self)
        features = fitted._features = self.network.fit_features(clips if self.audio is not None else [], texts)
        text_probe = Probe.fit(features.from_text(texts), answers, groups)
        fitted._text_probe = text_probe if self.audio is not None else None
        fitted._probe = (
            text_probe if self.audio is None else Probe.fit(features.from_both(clips, texts), answers, groups)
        )
        settings = {**self.identity.settings, **_describe_probe("", fitted._probe)}
        if self.audio is not None:
            settings |= _describe_probe("text-only ", text_probe)
        fitted.identity = replace(self.identity, settings=settings)
        return fitted

    def blind_answers(self, requests: Sequence[Request]) -> Mapping[str, Sequence[int | None]]:
        """Return the answers of the text-only baseline: one option index per request (None if it cannot choose).

        The mapping has the one key `TEXT_ONLY_PROBE`; it is empty if this probe is itself text-only.
        """
        if self._text_probe is None or self._features is None:
            return {}
        said = {request.prompt: self._features.from_text([request.prompt]) for request in requests}
        return {TEXT_ONLY_PROBE: [self._text_probe.pick(said[request.prompt], request.choices) for request in requests]}

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        """Answer the requests one by one, so that an answer does not depend on the other items of its batch."""
        return [self._answer_request(request) for request in batch]

    def _answer_request(self, request: Request) -> Output:
        if self._probe is None or self._features is None:
            return Output(None, error=f"{self.identity.label} is fitted on a task before it answers, this one is not")
        if (problem := self._find_problem(request)) is not None:
            return Output(None, error=problem)
        texts = [request.prompt]
        alone = self.audio is None
        row_features = (
            self._features.from_text(texts) if alone else self._features.from_both([self._embed_clip(request)], texts)
        )
        place = self._probe.pick(row_features, request.choices)
        if place is None:
            known = ", ".join(self._probe.labels)
            return Output(None, error=f"{self.identity.label} knows none of these options; it was fitted on: {known}")
        return Output(
            request.choices[place], extra={"probabilities": self._probe.compute_class_probabilities(row_features)}
        )

    def _embed_clip(self, request: Request) -> Any:
        return None if self.audio is None else self.network.embed(request.waves[0])

    def _find_problem(self, request: Request) -> str | None:
        """Return the reason why a request cannot be answered; None if it can."""
        if not request.choices:
            return f"{self.identity.family} picks among options, this item has none"
        if self.audio is not None and len(request.waves) != 1:
            return f"{self.identity.family} hears one clip, this item has {len(request.waves)}"
        return None


def _describe_probe(network: str, probe: Probe) -> dict[str, str]:
    """Return the settings and accuracy of a fitted probe, for the adapter's identity.

    `network` is a prefix of their names that tells two probes of one adapter apart.
    """
    return {
        f"{network}C": f"{probe.inverse_regularisation:g}",
        f"{network}validation accuracy": f"{probe.validation_accuracy:.4f}",
        f"{network}coefficients": probe.digest,
    }
