"""What a run is: everything that can change its answers, and the fingerprint made of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from alm_bench.core import AdapterIdentity, AnswerBy, AudioPolicy, Decoding, OptionOrder, Strategy, TaskCard
from alm_bench.core.files import hash_json
from alm_bench.core.prompt import PromptTemplate
from alm_bench.core.rng import DRAWS
from alm_bench.core.secrets import hide
from alm_bench.runner.batch_size import BatchSize
from alm_bench.runner.conditions import CLEAN, condition_version

FINGERPRINT_VERSION = 1
"""Raised when the parts of a fingerprint change their meaning: no run is resumed from before then."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A run of one task as the user asked for it. `batch_size` and `workers` change its speed, never its answers.

    `limit` takes the first items, `sample` a number of random ones.
    `shuffles` is the number of orders of each question's options where these are shuffled. `condition` is what the
    clips or the options are changed by, `repeat` another draw of the same.
    """

    task: str
    model: str
    split: str
    data: str  # "real" or "demo"
    decoding: Decoding
    prompt: str | None = None
    seed: int = 0
    limit: int | None = None
    sample: int | None = None
    batch_size: BatchSize = 8
    workers: int = 2
    missing_audio: Literal["error", "skip"] = "error"
    answer_by: AnswerBy = "generate"
    strategy: Strategy = "plain"
    options: OptionOrder = "given"
    shuffles: int = 1
    condition: str = CLEAN
    repeat: int = 0
    task_options: Mapping[str, str] = field(default_factory=dict)
    model_options: Mapping[str, str] = field(default_factory=dict)
    answer_tags: tuple[str, ...] = ()  # tags that hold the answer, besides those of the card and of the parser


def fingerprint(
    spec: RunSpec,
    card: TaskCard,
    manifest: str,
    prompt: PromptTemplate,
    policy: AudioPolicy | None,
    identity: AdapterIdentity,
    fitted_on: Mapping[str, Any] | None = None,
) -> str:
    """16 hex digits over all that an answer depends on. Equal fingerprints may be resumed into one another.

    Of a secret among the options it counts that one is set, not which: another key is no other run.
    """
    parts: dict[str, Any] = {
        "schema": FINGERPRINT_VERSION,
        "task": [card.name, card.version, spec.split],
        "data": [spec.data, manifest],
        "prompt": [prompt.id, prompt.hash],
        "audio": None if policy is None else asdict(policy),
        "missing_audio": spec.missing_audio,
        "identity": hide(asdict(identity)),
        "decoding": asdict(spec.decoding),
        "seed": spec.seed,
        "limit": spec.limit,
        "answer_by": spec.answer_by,
        "order": [spec.options, spec.shuffles],
        "condition": [spec.condition, spec.repeat],
        # an adapter's identity and the manifest may leave out an option that changes answers
        "options": [hide(dict(spec.task_options)), hide(dict(spec.model_options))],
    }
    if (version := condition_version(spec.condition)) is not None:
        parts["condition_version"] = version
    if spec.sample is not None:
        parts["sample"] = spec.sample
    if spec.strategy != "plain":
        parts["strategy"] = spec.strategy
    if spec.decoding.method == "nucleus" or spec.options == "shuffled" or (policy is not None and policy.spare):
        parts["draws"] = DRAWS
    if spec.answer_tags:
        parts["answer_tags"] = list(spec.answer_tags)
    if fitted_on is not None:
        parts["fit"] = dict(fitted_on)
    return hash_json(parts)[:16]
