"""Weights of the neural networks that metrics use: their folders, download sources and sizes, and hashes.

Weights are local folders. A metric never downloads anything: `alm-bench data get metric NAME` does, once, on request.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from alm_bench.core.errors import MetricError, UsageError
from alm_bench.core.files import compute_sha256, get_cache_folder

ALL_PARTS = "weights"
"""Option of a metric that names one folder with all of its weights."""

HASHED = (".safetensors", ".bin", ".pt", ".ckpt", ".json", ".txt", ".model")
"""Suffixes of the files that the hash of a folder covers: weights, configuration and vocabulary."""

HUB = "https://huggingface.co/"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """File of weights with its download address."""

    name: str
    """Path below the folder of the weights."""

    url: str
    checksum: str | None = None
    """Published checksum (`sha256:...`)."""


@dataclass(frozen=True, slots=True)
class WeightSource:
    """Source of the weights of one neural network, which one or several metrics use."""

    title: str
    """Name of the model as its authors give it."""

    megabytes: int
    """Approximate size of the download."""

    licence: str
    files: tuple[WeightFile, ...]


def _build_hub_files(repository: str, *names: str) -> tuple[WeightFile, ...]:
    """Return the download entries of the files `names` of a Hugging Face repository, without a request."""
    return tuple(WeightFile(name, f"{HUB}{repository}/resolve/main/{name}") for name in names)


_TOKENIZER = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
_ECHECKER = "https://github.com/blmoistawinde/fense/releases/download/V0.1/echecker_clotho_audiocaps_base.ckpt"

SOURCES: Mapping[str, WeightSource] = {
    "sbert": WeightSource(
        "sentence-transformers/paraphrase-TinyBERT-L6-v2",
        270,
        "Apache-2.0",
        _build_hub_files(
            "sentence-transformers/paraphrase-TinyBERT-L6-v2",
            *_TOKENIZER,
            *("modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "model.safetensors"),
        ),
    ),
    "fluency": WeightSource(
        "echecker_clotho_audiocaps_base (fluency errors, GitHub blmoistawinde/fense) with the tokeniser of BERT",
        440,
        "none stated; BERT: Apache-2.0",
        (
            *_build_hub_files("google-bert/bert-base-uncased", *_TOKENIZER),
            WeightFile(
                "echecker_clotho_audiocaps_base.ckpt",
                _ECHECKER,
                "sha256:1a719f090af70614bbdb9f9437530b7e133c48cfa4a58d964de0d47fc974a2fa",
            ),
        ),
    ),
    "bert": WeightSource(
        "FacebookAI/roberta-large",
        1430,
        "MIT",
        _build_hub_files(
            "FacebookAI/roberta-large",
            *("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"),
            "model.safetensors",
        ),
    ),
    "clap": WeightSource(
        "laion/clap-htsat-unfused",
        620,
        "Apache-2.0",
        _build_hub_files(
            "laion/clap-htsat-unfused",
            *("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "vocab.json"),
            *("merges.txt", "special_tokens_map.json", "model.safetensors"),
        ),
    ),
}
"""Weights by the name of the part, which is an option of the metrics that use it (`fense:sbert=FOLDER`)."""


def get_default_folder(part: str) -> Path:
    """Return the folder that `data get metric` writes the weights `part` to (a key of `SOURCES`)."""
    return get_cache_folder("metrics") / part


def parse_weights(metric: str, parts: tuple[str, ...], options: str) -> dict[str, Path]:
    """Parse the options of a metric into one folder per part of its weights.

    `options` is the text after the first colon in `METRIC:weights=FOLDER` or `METRIC:PART=FOLDER:PART=FOLDER`. If the
    metric has several parts, `weights=FOLDER` names a folder with one subfolder per part. Raises UsageError for other
    options.
    """
    found: dict[str, Path] = {}
    for option in options.split(":"):
        key, equals, value = option.partition("=")
        if not equals or not value or not parts or key not in (ALL_PARTS, *parts):
            known = " or ".join(f"{metric}:{key}=FOLDER" for key in (ALL_PARTS, *(parts if len(parts) > 1 else ())))
            raise UsageError(f"found {metric}:{options}, expected {known if parts else metric + ' without options'}")
        folder = Path(value).expanduser()
        if key == ALL_PARTS:
            found |= {part: folder / part if len(parts) > 1 else folder for part in parts}
        else:
            found[key] = folder
    return found


def find_weights(metric: str, part: str, folder: Path | None = None) -> Path:
    """Return the folder of the weights `part`: `folder` if it is given, else the default one.

    Raises MetricError, with advice, if the folder does not contain weights.
    """
    path = get_default_folder(part) if folder is None else folder
    if path.is_dir() and any(_list_hashed_files(path)):
        return path
    source = SOURCES[part]
    download = f"about {source.megabytes:,} MB, licence {source.licence}: {source.title}"
    raise MetricError(
        f"not computed: {path} holds no weights ({part}); name a folder with {metric}:{part}=FOLDER, or run "
        f"`alm-bench data get metric {metric}` ({download})"
    )


def hash_weights(folder: Path) -> str:
    """Return the first 12 digits of a hash over the files of a folder of weights, which names the weights."""
    files = [(str(path.relative_to(folder)), path, path.stat()) for path in _list_hashed_files(folder)]
    return _hash_files(tuple((name, path, stat.st_size, stat.st_mtime_ns) for name, path, stat in files))


@lru_cache(maxsize=64)
def _hash_files(files: tuple[tuple[str, Path, int, int], ...]) -> str:
    """Return the hash of files, each given as (name, path, size, time of modification).

    Sizes and times are only part of the cache key, so that changed files are read again.
    """
    lines = [f"{name} {compute_sha256(path)}\n" for name, path, _, _ in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def _list_hashed_files(folder: Path) -> Iterator[Path]:
    """Return the files of a folder that its hash covers, sorted."""
    return (path for path in sorted(folder.rglob("*")) if path.suffix in HASHED and path.is_file())
