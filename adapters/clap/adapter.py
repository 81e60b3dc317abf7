"""Models `clap` and `clap-probe` (CLAP in transformers), which compare embeddings of clips and texts and write no text.

`clap` is the zero-shot method of Audio Entailment (arXiv 2407.18062), `clap-probe` a linear probe on the embeddings.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alm_bench.adapters._shared.embeddings import EmbeddingCache, Vector
from alm_bench.adapters._shared.probe import Features, ProbeAdapter, ProbeFunctions, ProbeInputs
from alm_bench.core import (
    Abilities,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    CheckpointError,
    Decoding,
    LabelledRequest,
    Output,
    Request,
    Runtime,
    UsageError,
    Wave,
)
from alm_bench.core.device import pick_device, pick_dtype

if TYPE_CHECKING:
    from alm_bench.adapters._shared.probe import Matrix
    from alm_bench.adapters.clap.thresholds import Thresholds

DEFAULT = "laion/clap-htsat-fused"


@dataclass(frozen=True, slots=True)
class ClapOptions:
    """Options of the model clap."""

    path: str = DEFAULT
    """Hub id, or folder in transformers' layout."""

    revision: str | None = None
    """Branch, tag or commit on the hub."""

    template: str = "{option}"
    """Template of the text that is compared with the clip; it may contain {option} and {question}."""


@dataclass(frozen=True, slots=True)
class ClapProbeOptions:
    """Options of the model clap-probe."""

    path: str = DEFAULT
    """Hub id, or folder in transformers' layout."""

    revision: str | None = None
    """Branch, tag or commit on the hub."""

    hears: ProbeInputs = "audio+text"
    """Inputs of the probe: `audio+text`, or `text` for the text-only baseline."""


class Clap:
    """CLAP network. Computes unit-length embeddings of clips and texts one by one, and caches them on disk."""

    def __init__(self, path: str, revision: str | None, runtime: Runtime) -> None:
        from transformers import ClapModel, ClapProcessor

        from alm_bench.adapters._shared.loading import compute_folder_sha256, translate_load_errors

        self.device, self._dtype = pick_device(runtime.device), pick_dtype(runtime.dtype, "clap")
        self.dtype = str(self._dtype).removeprefix("torch.")
        place, at = str(Path(path).expanduser()), revision or "main"
        load: Any = ClapModel.from_pretrained
        with translate_load_errors(
            f"path={path} cannot be loaded as CLAP",
            memory_options="--dtype bfloat16 or --device cpu",
            expected=f"a hub id (as {DEFAULT}) or a folder in transformers' layout",
        ):
            processor: Any = ClapProcessor.from_pretrained(place, revision=at)
            model, info = load(place, revision=at, dtype=self._dtype, output_loading_info=True)
            self.model: Any = model.eval().to(self.device)
        drawn = sorted({name for name, _ in model.named_parameters()} & set(info["missing_keys"]))
        if drawn:
            raise CheckpointError(f"path={path} has no weights for {len(drawn)} of CLAP's parameters, as {drawn[0]}")
        self.extractor, self.tokenizer = processor.feature_extractor, processor.tokenizer
        longest = self.model.config.text_config.max_position_embeddings - 2  # RoBERTa's positions start behind padding
        self.tokens = min(int(self.tokenizer.model_max_length), longest)
        commit = str(getattr(model.config, "_commit_hash", None) or "unknown")
        self.weights = compute_folder_sha256(Path(place)) if Path(place).is_dir() else commit
        self.name = Path(place).name
        self._vectors = EmbeddingCache(f"{self.name} {self.weights} {self.dtype} {self.device.type}")

    @property
    def rate(self) -> int:
        """Sample rate of the clips that the network takes, in Hz."""
        return int(self.extractor.sampling_rate)

    def build_identity(self, family: str, **settings: str) -> AdapterIdentity:
        return AdapterIdentity(
            label=f"{family}[{self.name}@{self.weights[:8]}]",
            family=family,
            weights=self.weights,
            dtype=self.dtype,
            device=self.device.type,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            settings=settings,
        )

    def embed_clip(self, wave: Wave) -> Vector:
        return self._vectors.get_or_compute("clip", wave.tobytes(), lambda: self._compute_clip_embedding(wave))

    def embed_text(self, text: str) -> Vector:
        return self._vectors.get_or_compute("text", text.encode(), lambda: self._compute_text_embedding(text))

    def _compute_clip_embedding(self, wave: Wave) -> Vector:
        import torch

        with _seed_numpy(wave):
            found = self.extractor([wave], sampling_rate=self.rate, return_tensors="pt")
        mels = found["input_features"]
        # Of clips that are all short the extractor calls one long. A short one's four mels are all alike.
        longer = mels.shape[1] > 1 and bool((mels[0, 0] != mels[0, 1]).any())
        with torch.inference_mode():
            heard = self.model.get_audio_features(
                input_features=mels.to(self.device, self._dtype),
                is_longer=torch.tensor([[longer]], device=self.device),
            )
        return _extract_unit_vector(heard)

    def _compute_text_embedding(self, text: str) -> Vector:
        import torch

        found = self.tokenizer([text], truncation=True, max_length=self.tokens, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            read = self.model.get_text_features(input_ids=found["input_ids"], attention_mask=found["attention_mask"])
        return _extract_unit_vector(read)


def _extract_unit_vector(output: Any) -> Vector:
    """Return the embedding in an output of transformers, shape (width,), scaled to unit length."""
    import numpy as np

    vector: Vector = output.pooler_output[0].float().cpu().numpy()
    unit: Vector = vector / np.float32(max(float((vector**2).sum()) ** 0.5, 1e-12))
    return unit


@contextmanager
def _seed_numpy(wave: Wave) -> Iterator[None]:
    """Context manager in which numpy's global random generator is seeded with a hash of the clip.

    The feature extractor crops long clips at positions that it draws from this generator.
    """
    import numpy as np

    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(zlib.crc32(wave.tobytes()))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _build_policy(network: Clap) -> AudioPolicy:
    """Return the audio policy: whole clips, since CLAP's feature extractor itself pads short and crops long ones."""
    return AudioPolicy(rate=network.rate)


class ClapAdapter(BaseAdapter):
    """zero-shot: the option nearest to the clip, or thresholds on how near a hypothesis is: path=, revision=, template=

    If all items have the same options, the options are taken as verdicts on a statement (entailment). The verdict then
    follows from the cosine similarity of clip and statement, by thresholds fitted on the development split. If the
    options differ between items, they are taken as descriptions of the clip, and the one most similar to it is chosen.
    """

    Options = ClapOptions
    prompts = "bare"
    abilities = Abilities(choices_only=True, max_clips=1)

    def __init__(self, options: ClapOptions, runtime: Runtime) -> None:
        self.network = Clap(options.path, options.revision, runtime)
        self.audio: AudioPolicy | None = _build_policy(self.network)
        self.template = options.template
        self.identity = self.network.build_identity("clap", template=self.template)
        self._thresholds: Thresholds | None = None

    def fit(self, rows: Iterable[LabelledRequest]) -> "ClapAdapter":
        """Fit thresholds if all rows have the same options, and return the fitted adapter.

        Without rows, or if their options differ, thresholds do not apply and the adapter itself is returned. Raises
        UsageError for a row without options or without exactly one clip.
        """
        from alm_bench.adapters.clap.thresholds import Thresholds

        nearness: list[float] = []
        answers: list[str] = []
        options: set[frozenset[str]] = set()
        for row in rows:
            request = row.request
            options.add(frozenset(request.choices))
            if len(options) > 1:
                return self
            if (problem := self._find_problem(request)) is not None:
                raise UsageError(f"development row {request.id}: {problem}")
            nearness.append(self._compute_similarity(request, request.prompt))
            answers.append(request.choices[row.target])
        if not answers:
            return self
        fitted = copy(self)
        found = fitted._thresholds = Thresholds.fit(nearness, answers)
        told = {
            "thresholds": " < ".join(f"{border:.6f}" for border in found.borders),
            "ranges": ", ".join(found.labels),
            "development accuracy": f"{found.accuracy:.4f}",
        }
        fitted.identity = replace(self.identity, settings={**self.identity.settings, **told})
        return fitted

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        """Answer the requests one by one, so that an answer does not depend on the other items of its batch."""
        return [self._answer_request(request) for request in batch]

    def embed(self, batch: Sequence[Request]) -> Sequence[Vector]:
        """Return the embedding of each request's clip, or of its prompt if it has no clip. It has unit length."""
        return [
            self.network.embed_clip(request.waves[0]) if request.waves else self.network.embed_text(request.prompt)
            for request in batch
        ]

    def _answer_request(self, request: Request) -> Output:
        if (problem := self._find_problem(request)) is not None:
            return Output(None, error=problem)
        thresholds = self._thresholds
        if thresholds is not None and set(request.choices) & set(thresholds.labels):
            near = self._compute_similarity(request, request.prompt)
            return Output(thresholds.pick(near, request.choices), extra={"similarity": round(near, 6)})
        texts = [self._fill_template(choice, request.prompt) for choice in request.choices]
        nearness = [self._compute_similarity(request, text) for text in texts]
        best = max(range(len(texts)), key=lambda place: nearness[place])
        return Output(request.choices[best], extra={"similarities": [round(near, 6) for near in nearness]})

    def _fill_template(self, option: str, question: str) -> str:
        return self.template.replace("{question}", question).replace("{option}", option)

    def _compute_similarity(self, request: Request, text: str) -> float:
        """Return the cosine similarity of a request's clip and `text`."""
        return float(self.network.embed_clip(request.waves[0]) @ self.network.embed_text(text))

    def _find_problem(self, request: Request) -> str | None:
        """Return the reason why a request cannot be answered; None if it can."""
        if not request.choices:
            return "clap picks among options, this item has none"
        if len(request.waves) != 1:
            return f"clap compares one clip with texts, this item has {len(request.waves)}"
        return None


class ClapProbe(ProbeAdapter):
    """a linear probe over CLAP's embeddings, with a text-only baseline: path=, revision=, hears=

    The features of a row are both embeddings, their elementwise product and their elementwise absolute difference. With
    the concatenated embeddings alone, a linear model could not represent how clip and text relate.
    """

    Options = ClapProbeOptions

    def __init__(self, options: ClapProbeOptions, runtime: Runtime) -> None:
        import numpy as np

        network = Clap(options.path, options.revision, runtime)

        def compute_text_features(texts: Sequence[str]) -> "Matrix":
            return np.stack([network.embed_text(text) for text in texts]).astype(np.float64)

        def compute_audio_features(clips: Sequence[Vector], texts: Sequence[str]) -> "Matrix":
            """Return both embeddings, their product and their absolute difference, shape (rows, width)."""
            heard, words = np.stack(list(clips)).astype(np.float64), compute_text_features(texts)
            return np.concatenate([heard, words, heard * words, np.abs(heard - words)], axis=1)

        features = Features(compute_audio_features, compute_text_features)
        identity = network.build_identity("clap-probe", features="clip, text, product, distance")
        super().__init__(
            ProbeFunctions(network.embed_clip, lambda clips, texts: features),
            options.hears,
            _build_policy(network),
            identity,
        )


ADAPTERS = {"clap": ClapAdapter, "clap-probe": ClapProbe}
