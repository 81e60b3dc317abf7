"""Judgements of answers by a judge model: what is stored with an item, and what a summary says of a judge."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

from alm_bench.core.types import Metric

JudgementStatus = Literal["judged", "no answer", "unjudged", "error"]
"""Outcome of judging one item. `judged`: a verdict was read. `no answer`: the evaluated model gave no answer, which
counts as wrong without a call. `unjudged`: the judge replied, but its reply has no verdict. `error`: a call failed; it
is repeated by the next command. The last two have no score and widen the bounds of the mean."""


class Judgement(Struct, frozen=True, kw_only=True):
    """Verdict of one judge on the answer of one item, with everything that it was read from."""

    judge: str
    """Name of the judge model in tables."""

    identity: str
    """Hash over everything that identifies the judge model."""

    preset: str
    """Name of the preset: prompt and scale."""

    version: int
    """Version of the preset."""

    prompt_hash: str
    """Hash over the texts of the preset's prompts."""

    status: JudgementStatus
    """Outcome."""

    score: float | None = None
    """Score in 0..1; None unless the status is `judged` or `no answer`."""

    label: str | None = None
    """Verdict in the words or on the scale of the preset; None without one."""

    reason: str | None = None
    """The judge's own explanation; None if it gave none."""

    problem: str | None = None
    """Reason why there is no verdict; None if there is one."""

    scores: dict[str, float] = field(default_factory=dict)
    """Further scores of the preset in 0..1, by name."""

    replies: tuple[str, ...] = ()
    """Raw texts of the judge, one per call, in order; without those of failed calls."""

    repeats: tuple[float | None, ...] = ()
    """Score of each repeat if the judge was asked several times; None for a repeat without a verdict."""

    orders_agree: bool | None = None
    """True if the judge prefers the same of two answers in both orders; None for presets without a comparison."""

    @property
    def key(self) -> str:
        """Name that is equal for judgements by the same judge with the same prompt."""
        return build_judge_key(self.judge, self.identity, self.preset, self.prompt_hash)


def build_judge_key(judge: str, identity: str, preset: str, prompt_hash: str) -> str:
    """Return the name of a judge with a prompt, such as `gpt-4.1#1a2b3c4d/qa@0f1e2d3c`."""
    return f"{judge}#{identity[:8]}/{preset}@{prompt_hash[:8]}"


class Calibration(Struct, frozen=True, kw_only=True):
    """Agreement of a judge with people on a file of labelled answers."""

    source: str
    """Name of the labelled file."""

    source_hash: str
    """First digits of the file's SHA-256."""

    n: int
    """Number of labelled answers with a verdict."""

    unjudged: int
    """Number of labelled answers without a verdict."""

    accuracy: Metric
    """Share of answers with a clear label (0 or 1) on which the judge agrees with people."""

    kappa: Metric
    """Cohen's kappa on the answers with a clear label."""

    balanced_accuracy: Metric
    """Mean of sensitivity and specificity on the answers with a clear label."""

    spearman: Metric
    """Spearman's rank correlation over all labels."""

    by_type: dict[str, Metric] = field(default_factory=dict)
    """Cohen's kappa by type of answer."""


class JudgeNotes(Struct, frozen=True, kw_only=True):
    """Data that `run.json` stores about one judge of a run."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Identity of the judge model: family, weights, settings."""

    calibration: Calibration | None = None
    """Agreement with people of the same judge with the same prompt; None if it was not measured."""

    labels: dict[str, float] = field(default_factory=dict)
    """People's labels in 0..1 of items of this run, by item id. They correct the mean of the judge's scores."""

    usage: dict[str, float] = field(default_factory=dict)
    """Sums of token counts and cost of the judge's calls."""


class JudgedTable(Struct, frozen=True, kw_only=True):
    """Results of one judge: one entry of the table `judges` of a summary."""

    judge: str
    """Name of the judge model."""

    key: str
    """Name of the judge with its prompt (`Judgement.key`)."""

    preset: str
    """Name of the preset."""

    version: int
    """Version of the preset."""

    prompt_hash: str
    """Hash over the texts of the preset's prompts."""

    items: int
    """Number of items that were to be judged."""

    judged: int
    """Number of items with a verdict, including those without an answer."""

    no_answer: int
    """Number of items without an answer, which count as wrong."""

    problems: dict[str, int]
    """Numbers of items without a verdict, by reason."""

    metrics: dict[str, Metric]
    """Means over all items by name; `judged` is the preset's main score. The interval includes the bounds."""

    low: float | None = None
    """Mean of the main score if all items without a verdict had the score 0; None without items."""

    high: float | None = None
    """Mean of the main score if all items without a verdict had the score 1; None without items."""

    corrected: Metric | None = None
    """Mean label by people's standard, estimated from labels and verdicts (prediction-powered inference); None without
    labels."""

    calibration: Calibration | None = None
    """Agreement with people; None if it was not measured."""

    repeats_agree: Metric | None = None
    """Share of items on which all repeats have the same score; None without repeats."""

    orders_agree: Metric | None = None
    """Share of items with the same preference in both orders; None for presets without a comparison."""

    kappa: dict[str, Metric] = field(default_factory=dict)
    """Cohen's kappa of right and wrong with each further judge of the run, by its key."""

    groups: dict[str, dict[str, Metric]] = field(default_factory=dict)
    """Mean of the main score by grouping and key."""

    usage: dict[str, float] = field(default_factory=dict)
    """Sums of token counts and cost of the judge's calls."""


Scores = Mapping[str, float | None]
"""Score of each item by its id; None for an item without a verdict."""
