"""Specification of a run: everything that can change its answers, and the fingerprint of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from alm_bench.core import AdapterIdentity, AnswerBy, AudioPolicy, Decoding, OptionOrder, Strategy, TaskCard
from alm_bench.core.files import hash_json
from alm_bench.core.prompt import PromptTemplate
from alm_bench.core.rng import DRAWS
from alm_bench.core.secrets import hide_secrets
from alm_bench.runner.batch_size import BatchSize
from alm_bench.runner.conditions import CLEAN, get_condition_version

FINGERPRINT_VERSION = 1
"""Version of the fingerprint, to be raised when its parts change their meaning: older runs are then not resumed."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Specification of a run of one task, as the user asked for it."""

    task: str
    """Name of the task."""

    model: str
    """Name of the model."""

    split: str
    """Name of the split."""

    data: str  # "real" or "demo"
    """Kind of data."""

    decoding: Decoding
    """Decoding settings."""

    prompt: str | None = None
    """Name of the prompt set; None for the model's own."""

    seed: int = 0
    """Seed of everything random."""

    limit: int | None = None
    """Number of items to use from the beginning; None for all."""

    sample: int | None = None
    """Number of items to draw at random; None for all."""

    batch_size: BatchSize = 8
    """Number of items per model call. It changes the speed, never the answers."""

    workers: int = 2
    """Number of decoding threads. It changes the speed, never the answers."""

    missing_audio: Literal["error", "skip"] = "error"
    """Status of items with an unusable clip: an error, or skipped."""

    answer_by: AnswerBy = "generate"
    """Answer mode: generated text, option likelihoods, both, or an embedding."""

    strategy: Strategy = "plain"
    """Answering strategy."""

    options: OptionOrder = "given"
    """Order of the answer options."""

    shuffles: int = 1
    """Number of random orders of each question's options if `options` is `shuffled`."""

    speak: str | None = None
    """Speech synthesiser that speaks the questions; None for written questions."""

    also_written: bool = False
    """True if a spoken question is also in the prompt."""

    condition: str = CLEAN
    """Name of the condition, which changes clips, options, prompts or the model's reasoning."""

    repeat: int = 0
    """Index of the condition's random draw, from 0."""

    task_options: Mapping[str, str] = field(default_factory=dict)
    """Options of the task."""

    model_options: Mapping[str, str] = field(default_factory=dict)
    """Options of the model."""

    answer_tags: tuple[str, ...] = ()  # tags that hold the answer, besides those of the card and of the parser
    """Names of tags that contain the answer."""


def compute_fingerprint(
    spec: RunSpec,
    card: TaskCard,
    manifest: str,
    prompt: PromptTemplate,
    policy: AudioPolicy | None,
    identity: AdapterIdentity,
    fitted_on: Mapping[str, Any] | None = None,
    speech: Sequence[str] | None = None,
) -> str:
    """Return a fingerprint of 16 hex digits over everything that an answer depends on.

    `manifest` is the hash of the data (`hash_manifest`). `fitted_on` describes the rows on which the adapter was fitted
    (`FittedAdapter.rows`); None if there are none. `speech` is the identity of spoken questions
    (`SpokenQuestions.identity`); None for written ones.

    A run is resumed only from stored records with the same fingerprint. For a secret option, the fingerprint includes
    only that it is set: another API key does not make it another run.
    """
    parts: dict[str, Any] = {
        "schema": FINGERPRINT_VERSION,
        "task": [card.name, card.version, spec.split],
        "data": [spec.data, manifest],
        "prompt": [prompt.id, prompt.hash],
        "audio": None if policy is None else asdict(policy),
        "missing_audio": spec.missing_audio,
        "identity": hide_secrets(asdict(identity)),
        "decoding": spec.decoding.as_dict(),
        "seed": spec.seed,
        "limit": spec.limit,
        "answer_by": spec.answer_by,
        "order": [spec.options, spec.shuffles],
        "condition": [spec.condition, spec.repeat],
        # an adapter's identity and the manifest may leave out an option that changes answers
        "options": [hide_secrets(dict(spec.task_options)), hide_secrets(dict(spec.model_options))],
    }
    if (version := get_condition_version(spec.condition)) is not None:
        parts["condition_version"] = version
    if spec.sample is not None:
        parts["sample"] = spec.sample
    if spec.strategy != "plain":
        parts["strategy"] = spec.strategy
    if spec.decoding.is_sampled or spec.options == "shuffled" or (policy is not None and policy.spare):
        parts["draws"] = DRAWS
    if spec.answer_tags:
        parts["answer_tags"] = list(spec.answer_tags)
    if speech is not None:
        parts["speech"] = list(speech)
    if fitted_on is not None:
        parts["fit"] = dict(fitted_on)
    return hash_json(parts)[:16]
