"""Model `mellow-probe`: a linear probe on Mellow's audio encoder and the item's text, without the language model."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from alm_bench.adapters._shared.embeddings import EmbeddingCache, Vector
from alm_bench.adapters._shared.probe import Features, ProbeAdapter, ProbeFunctions, ProbeInputs
from alm_bench.core import AdapterIdentity, Runtime, Wave
from alm_bench.core.device import pick_device, pick_dtype

if TYPE_CHECKING:
    from alm_bench.adapters._shared.probe import Matrix

RELATED_WIDTH, READ_WIDTH = 32, 256
"""Numbers of dimensions after reduction. RELATED_WIDTH applies to the clip and text features that are multiplied,
READ_WIDTH to the text features of the text-only baseline."""

PROBABILITY_MARGIN = 1e-5
"""Probabilities are clipped to the range from PROBABILITY_MARGIN to 1 - PROBABILITY_MARGIN.

The log-odds of 0 and 1 would be infinite.
"""


@dataclass(frozen=True, slots=True)
class MellowProbeOptions:
    """Options of the model mellow-probe."""

    checkpoint: str | None = None
    """Checkpoint that provides the encoder; takes the same values as for the model `mellow`."""

    hears: ProbeInputs = "audio+text"
    """Inputs of the probe: `audio+text`, or `text` for the text-only baseline."""


class MellowProbe(ProbeAdapter):
    """a linear probe over the bundled model's audio encoder, with a text-only baseline: hears=audio+text|text

    A clip is represented by the maximum of each sound class's log-odds over the frames (the encoder's event presence
    map), a text by TF-IDF over its words. Audio and text features do not lie in a common space, so a linear model of
    their concatenation cannot represent how the two relate. Therefore both are reduced to 32 dimensions (PCA and SVD),
    and the probe gets these features and their 32 x 32 = 1,024 products. PCA, SVD and TF-IDF are fitted on the
    development rows.
    """

    Options = MellowProbeOptions

    def __init__(self, options: MellowProbeOptions, runtime: Runtime) -> None:
        from alm_bench.mellow.checkpoint import load
        from alm_bench.mellow.prompt import select_protocol

        device, dtype = pick_device(runtime.device), pick_dtype(runtime.dtype, "mellow-probe")
        loaded = load(options.checkpoint)
        config, encoder = loaded.model.config, loaded.model.encoder
        encoder.cast(dtype)
        encoder.to(device)
        protocol = select_protocol(config.prompt.layout, None, config.lm.kind)
        precision = str(dtype).removeprefix("torch.")
        vectors = EmbeddingCache(f"{loaded.name} encoder presence {loaded.sha256} {precision} {device.type}")

        def embed(wave: Wave) -> Vector:
            return vectors.get_or_compute("clip", wave.tobytes(), lambda: _compute_presence(encoder, wave, device))

        identity = AdapterIdentity(
            label=f"mellow-probe[{loaded.name}]",
            family="mellow-probe",
            weights=loaded.sha256,
            dtype=precision,
            device=device.type,
            parameters=sum(parameter.numel() for parameter in encoder.parameters()),
            trained_on=config.trained_on,
            settings={"features": f"presence x tf-idf, {RELATED_WIDTH}"},
        )
        policy = replace(protocol.build_policy(config.encoder, None), spare=False)
        super().__init__(ProbeFunctions(embed, fit_features), options.hears, policy, identity)


def _compute_presence(encoder: Any, wave: Wave, device: Any) -> Vector:
    """Return the maximum log-odds of each sound class over the frames of a clip, shape (classes,)."""
    import numpy as np
    import torch

    with torch.inference_mode():
        presence = (
            encoder(torch.from_numpy(wave.copy())[None].to(device)).framewise[0].amax(dim=0).float().cpu().numpy()
        )
    clipped = np.clip(presence, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    odds: Vector = np.log(clipped / (1 - clipped)).astype(np.float32)
    return odds


def fit_features(clips: Sequence[Vector], texts: Sequence[str]) -> Features:
    """Fit TF-IDF and the dimension reductions on clips and texts of the development rows. The answers are not used.

    `clips` is empty for a text-only probe. Returns the functions that compute the probe's features.
    """
    import numpy as np
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    def build_text_reducer(width: int) -> Any:
        words = TfidfVectorizer(sublinear_tf=True)
        known = len(copy.copy(words).fit(texts).vocabulary_)
        return make_pipeline(words, TruncatedSVD(max(1, min(width, known - 1, len(texts) - 1)), random_state=0))

    with threadpool_limits(limits=1):
        baseline_reducer, text_reducer = (
            build_text_reducer(READ_WIDTH).fit(texts),
            build_text_reducer(RELATED_WIDTH).fit(texts),
        )
        clip_reducer = None
        if clips:
            presence = np.stack(list(clips)).astype(np.float64)
            width = min(RELATED_WIDTH, *presence.shape)
            clip_reducer = make_pipeline(StandardScaler(), PCA(width, whiten=True, random_state=0)).fit(presence)

    def compute_audio_features(clips: Sequence[Vector], texts: Sequence[str]) -> "Matrix":
        """Return the reduced clip features, the reduced text features and their products, shape (rows, width)."""
        assert clip_reducer is not None, "a probe that only reads relates nothing"
        sound = clip_reducer.transform(np.stack(list(clips)).astype(np.float64))
        words = text_reducer.transform(texts)
        products = (sound[:, :, None] * words[:, None, :]).reshape(len(sound), -1)
        return np.concatenate([sound, words, products], axis=1)

    return Features(compute_audio_features, lambda texts: np.asarray(baseline_reducer.transform(list(texts))))


ADAPTERS = {"mellow-probe": MellowProbe}
