"""A linear probe over Mellow's audio encoder and the text of a hypothesis, without the language model."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from alm_bench.adapters._shared.embeddings import Vector, Vectors
from alm_bench.adapters._shared.probe import Features, Hears, Network, ProbeAdapter
from alm_bench.core import AdapterIdentity, Runtime, Wave
from alm_bench.core.device import pick_device, pick_dtype

if TYPE_CHECKING:
    from alm_bench.adapters._shared.probe import Matrix

RELATED, READ = 32, 256
"""Dimensions that clip and text are reduced to before they are multiplied, and those of a text that is read alone."""

SURE = 1e-5
"""Probabilities are kept so far from 0 and 1, whose log-odds are infinite."""


@dataclass(frozen=True, slots=True)
class MellowProbeOptions:
    """Options of the model mellow-probe."""

    checkpoint: str | None = None
    """Checkpoint whose encoder is used, as for the model mellow."""

    hears: Hears = "audio+text"
    """`audio+text`, or `text` for the same probe without clips (text-only baseline)."""


class MellowProbe(ProbeAdapter):
    """a linear probe over the bundled model's audio encoder, with a text-only baseline: hears=audio+text|text

    A clip is the highest log-odds of each sound class over its frames (the encoder's event presence map). A text is
    TF-IDF over its words. The encoder and the words have no common space, and a linear model of the two side by side
    cannot tell what one says of the other: both are reduced to 32 dimensions (PCA, SVD), and the probe gets these and
    their 1,024 products. All of this is fitted on the development rows.
    """

    Options = MellowProbeOptions

    def __init__(self, options: MellowProbeOptions, runtime: Runtime) -> None:
        from alm_bench.mellow.checkpoint import load
        from alm_bench.mellow.prompt import protocol_for

        device, dtype = pick_device(runtime.device), pick_dtype(runtime.dtype, "mellow-probe")
        loaded = load(options.checkpoint)
        config, encoder = loaded.model.config, loaded.model.encoder
        encoder.cast(dtype)
        encoder.to(device)
        protocol = protocol_for(config.prompt.layout, None, config.lm.kind)
        precision = str(dtype).removeprefix("torch.")
        vectors = Vectors(f"{loaded.name} encoder presence {loaded.sha256} {precision} {device.type}")

        def embed(wave: Wave) -> Vector:
            return vectors.of("clip", wave.tobytes(), lambda: _presence(encoder, wave, device))

        identity = AdapterIdentity(
            label=f"mellow-probe[{loaded.name}]",
            family="mellow-probe",
            weights=loaded.sha256,
            dtype=precision,
            device=device.type,
            parameters=sum(parameter.numel() for parameter in encoder.parameters()),
            trained_on=config.trained_on,
            settings={"features": f"presence x tf-idf, {RELATED}"},
        )
        policy = replace(protocol.policy(config.encoder, None), spare=False)
        super().__init__(Network(embed, fit_features), options.hears, policy, identity)


def _presence(encoder: Any, wave: Wave, device: Any) -> Vector:
    """The highest log-odds of each class over the frames, shape (classes,)."""
    import numpy as np
    import torch

    with torch.inference_mode():
        heard = encoder(torch.from_numpy(wave.copy())[None].to(device)).framewise[0].amax(dim=0).float().cpu().numpy()
    sure = np.clip(heard, SURE, 1 - SURE)
    odds: Vector = np.log(sure / (1 - sure)).astype(np.float32)
    return odds


def fit_features(clips: Sequence[Vector], texts: Sequence[str]) -> Features:
    """Fit dimension reductions on the development rows; they use no answers."""
    import numpy as np
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    def reducing_words(width: int) -> Any:
        words = TfidfVectorizer(sublinear_tf=True)
        known = len(copy.copy(words).fit(texts).vocabulary_)
        return make_pipeline(words, TruncatedSVD(max(1, min(width, known - 1, len(texts) - 1)), random_state=0))

    with threadpool_limits(limits=1):
        reading, wording = reducing_words(READ).fit(texts), reducing_words(RELATED).fit(texts)
        hearing = None
        if clips:
            heard = np.stack(list(clips)).astype(np.float64)
            width = min(RELATED, *heard.shape)
            hearing = make_pipeline(StandardScaler(), PCA(width, whiten=True, random_state=0)).fit(heard)

    def related(clips: Sequence[Vector], texts: Sequence[str]) -> "Matrix":
        assert hearing is not None, "a probe that only reads relates nothing"
        sound = hearing.transform(np.stack(list(clips)).astype(np.float64))
        words = wording.transform(texts)
        products = (sound[:, :, None] * words[:, None, :]).reshape(len(sound), -1)
        return np.concatenate([sound, words, products], axis=1)

    return Features(related, lambda texts: np.asarray(reading.transform(list(texts))))


ADAPTERS = {"mellow-probe": MellowProbe}
