"""Text encoders of metrics, through transformers, from local folders: sentence and token embeddings, fluency errors.

Nothing is downloaded: the folders must hold configuration, tokeniser and weights.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alm_bench.core.device import pick_device
from alm_bench.core.errors import MetricError, describe_error
from alm_bench.scoring.intervals import Array

if TYPE_CHECKING:
    import torch

BATCH = 32
"""Number of texts that are encoded at once."""

ERROR_TOKENS = 64
"""Number of tokens that the fluency-error detector reads."""

ERROR_OUTPUT = -1
"""Output of the fluency-error detector for any error; the outputs before it are kinds of errors."""

BERTSCORE_LAYERS = {24: 17, 12: 9}
"""Layer whose embeddings BERTScore compares, by the number of layers (the choice of its authors for RoBERTa-large and
BERT-base); the last layer of other models."""

_PUNCTUATION = re.compile(r"[^\w\s]")


@contextmanager
def _convert_load_errors(folder: Path) -> Iterator[None]:
    """Convert every error while weights are loaded into a MetricError: transformers raises errors of many kinds."""
    try:
        yield
    except MetricError:
        raise
    except Exception as error:
        raise MetricError(f"not computed: the weights in {folder} cannot be loaded: {describe_error(error)}") from error


@lru_cache(maxsize=4)
def _load_encoder(folder: Path, name: str = "AutoModel") -> tuple[Any, Any]:
    """Return tokeniser and network of a folder; `name` is the class of transformers."""
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with _convert_load_errors(folder):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = getattr(transformers, name).from_pretrained(folder, local_files_only=True)
    return tokenizer, network.eval().to(pick_device("auto"))


def embed_sentences(folder: Path, texts: Sequence[str]) -> Array:
    """Return the normalised embeddings of texts by a Sentence-BERT folder, shape (texts, dimensions).

    The pooling configuration in the folder decides how token embeddings are combined: by their mean, or by the first
    token alone.
    """
    pooling, length = _read_pooling(folder)
    tokenizer, network = _load_encoder(folder)

    def encode(batch: list[str]) -> "torch.Tensor":
        inputs = tokenizer(batch, padding=True, truncation=True, max_length=length, return_tensors="pt")
        inputs = inputs.to(network.device)
        tokens = network(**inputs).last_hidden_state
        if pooling == "cls":
            return tokens[:, 0]  # type: ignore[no-any-return]
        mask = inputs["attention_mask"].unsqueeze(-1).to(tokens.dtype)
        return (tokens * mask).sum(1) / mask.sum(1).clamp(min=1e-9)  # type: ignore[no-any-return]

    return _normalise(_encode_batches(texts, encode))


def embed_texts_by_clap(folder: Path, texts: Sequence[str]) -> Array:
    """Return the normalised text embeddings of a CLAP folder, shape (texts, dimensions)."""
    tokenizer, network = _load_encoder(folder, "ClapModel")

    def encode(batch: list[str]) -> "torch.Tensor":
        inputs = tokenizer(batch, padding=True, truncation=True, return_tensors="pt").to(network.device)
        found = network.get_text_features(**inputs)
        embeddings: torch.Tensor = found if hasattr(found, "shape") else found.pooler_output
        return embeddings

    return _normalise(_encode_batches(texts, encode))


def compute_bertscore(folder: Path, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """Return the best BERTScore F1 of each candidate over its references (arXiv 1904.09675).

    Tokens are not weighted by idf, and values are not rescaled.
    """
    texts = list(dict.fromkeys([*candidates, *(text for each in references for text in each)]))
    vectors = dict(zip(texts, _embed_tokens(folder, texts), strict=True))
    return [
        max(_compute_matching_f1(vectors[candidate], vectors[reference]) for reference in each)
        for candidate, each in zip(candidates, references, strict=True)
    ]


def _compute_matching_f1(candidate: Array, reference: Array) -> float:
    """Return the F1 of greedy matching of two lists of normalised token embeddings."""
    if not len(candidate) or not len(reference):
        return 0.0
    similarity = candidate @ reference.T
    precision, recall = float(similarity.max(axis=1).mean()), float(similarity.max(axis=0).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def _embed_tokens(folder: Path, texts: Sequence[str]) -> list[Array]:
    """Return the normalised embeddings of the tokens of each text, without special tokens."""
    import torch

    tokenizer, network = _load_encoder(folder)
    depth = int(network.config.num_hidden_layers)
    layer = BERTSCORE_LAYERS.get(depth, depth)
    found: list[Array] = []
    with torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            inputs = tokenizer(
                batch, padding=True, truncation=True, return_special_tokens_mask=True, return_tensors="pt"
            )
            words = (inputs.pop("special_tokens_mask") == 0) & (inputs["attention_mask"] == 1)
            hidden = network(**inputs.to(network.device), output_hidden_states=True).hidden_states[layer]
            for rows, kept in zip(hidden.float().cpu().numpy(), words.numpy(), strict=True):
                found.append(_normalise(rows[kept].astype(np.float64)))
    return found


def detect_fluency_errors(folder: Path, texts: Sequence[str]) -> Array:
    """Return the probability of a fluency error in each text, shape (texts,), by FENSE's detector."""
    import torch

    tokenizer, encoder, classifier = _load_fluency_detector(folder)

    def encode(batch: list[str]) -> "torch.Tensor":
        clean = [_PUNCTUATION.sub("", text).lower() for text in batch]
        inputs = tokenizer(clean, padding=True, truncation=True, max_length=ERROR_TOKENS, return_tensors="pt")
        first = encoder(**inputs.to(encoder.device)).last_hidden_state[:, 0]
        return torch.sigmoid(classifier(first))

    return _encode_batches(texts, encode)[:, ERROR_OUTPUT]


@lru_cache(maxsize=2)
def _load_fluency_detector(folder: Path) -> tuple[Any, Any, Any]:
    """Return tokeniser, encoder and classifier of a folder with FENSE's checkpoint (`*.ckpt`) beside BERT's files."""
    import torch
    import transformers

    with _convert_load_errors(folder):
        checkpoints = sorted(folder.glob("*.ckpt"))
        if len(checkpoints) != 1:
            raise MetricError(f"not computed: {folder} holds {len(checkpoints)} files *.ckpt, expected one")
        state = torch.load(checkpoints[0], map_location="cpu", weights_only=True)["state_dict"]
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config = transformers.AutoConfig.from_pretrained(folder)
        encoder = transformers.AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        parts = {"encoder": encoder, "clf": torch.nn.Linear(encoder.config.hidden_size, len(state["clf.bias"]))}
        for name, part in parts.items():
            own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            own.pop("embeddings.position_ids", None)  # a buffer that transformers no longer stores
            part.load_state_dict(own)
    device = pick_device("auto")
    return tokenizer, encoder.eval().to(device), parts["clf"].eval().to(device)


def _encode_batches(texts: Sequence[str], encode: Callable[[list[str]], "torch.Tensor"]) -> Array:
    """Return the encodings of all texts, shape (texts, ...).

    `encode` maps a batch of texts to a tensor with one row per text. Equal texts are encoded once. Texts are sorted by
    length, so that a batch has little padding.
    """
    import torch

    unique = sorted(set(texts), key=lambda text: (len(text), text))
    rows = []
    with torch.inference_mode():
        for start in range(0, len(unique), BATCH):
            rows.append(encode(unique[start : start + BATCH]).float().cpu().numpy().astype(np.float64))
    index = {text: number for number, text in enumerate(unique)}
    found: Array = np.concatenate(rows)[[index[text] for text in texts]]
    return found


def _normalise(vectors: Array) -> Array:
    """Return vectors of length 1, shape (texts, dimensions)."""
    found: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return found


def _read_pooling(folder: Path) -> tuple[str, int | None]:
    """Return the pooling (`mean` or `cls`) and the maximum number of tokens of a Sentence-BERT folder.

    A folder without a pooling configuration is pooled by the mean. Raises MetricError for other poolings and modules.
    """
    with _convert_load_errors(folder):
        modules = _read_json(folder / "modules.json") or []
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        if others := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
            raise MetricError(f"not computed: {folder} has modules that are not supported: {', '.join(sorted(others))}")
        pooling = _read_json(folder / "1_Pooling" / "config.json") or {"pooling_mode_mean_tokens": True}
        modes = [key.removeprefix("pooling_mode_") for key, on in pooling.items() if key.startswith("pooling_") and on]
        if modes not in (["mean_tokens"], ["cls_token"]):
            raise MetricError(f"not computed: {folder} pools by {', '.join(modes)}, expected mean_tokens or cls_token")
        length = (_read_json(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    return modes[0].partition("_")[0], length


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
