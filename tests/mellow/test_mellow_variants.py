"""The networks of the paper's ablations: other encoders, projections and language models, and their weights."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from alm_bench.core.errors import CheckpointError
from alm_bench.core.types import Decoding
from alm_bench.mellow.checkpoint import CONFIG, load_encoder, load_folder, save_folder
from alm_bench.mellow.cnn14 import CNN14
from alm_bench.mellow.config import (
    PUBLISHED,
    CNN14Config,
    EncoderConfig,
    LanguageModelConfig,
    MapperConfig,
    MellowConfig,
    PromptConfig,
)
from alm_bench.mellow.encoder import EncodedClip, Encoder
from alm_bench.mellow.generate import generate
from alm_bench.mellow.htsat import HTSAT
from alm_bench.mellow.lm import GPT2, load_gpt2, load_gpt2_tokenizer
from alm_bench.mellow.mapper import Transformer
from alm_bench.mellow.model import Mellow, build_untrained
from alm_bench.mellow.prompt import PROTOCOLS, select_protocol

SMALL_CNN14 = CNN14Config(channels=(4, 4, 8, 8, 16, 16), classes=12)
SMALL_HTSAT = EncoderConfig(embed=8, depths=(2, 1, 1, 1), heads=(1, 2, 2, 4), classes=12)
SMALL_GPT2 = LanguageModelConfig(
    kind="gpt2", vocabulary=1536, width=48, layers=2, heads=4, kv_heads=4, mlp=192, positions=512
)


@pytest.fixture(scope="module")
def with_cnn14() -> Mellow:
    config = MellowConfig(
        encoder=SMALL_CNN14,
        mapper=MapperConfig(pool=1),
        lm=LanguageModelConfig(vocabulary=1536, width=48, layers=1, heads=4, kv_heads=2, mlp=64, positions=512),
        prompt=PromptConfig(tokens=129, pad=1),
    )
    return build_untrained(config, seed=1)


# --- CNN14 ---


def test_cnn14_has_the_published_shape() -> None:
    """80,753,615: the parameters of PANNs' CNN14 without the fixed STFT and mel weights."""
    config = CNN14Config()
    assert (config.frames, config.width, config.classes) == (31, 2048, 527)
    with torch.device("meta"):
        encoder = CNN14(config)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 80_753_615


def test_cnn14_hears_frames_in_order_and_classes_of_the_whole_clip(with_cnn14: Mellow) -> None:
    encoder = with_cnn14.encoder
    logmel = torch.randn(1, 1001, 64, generator=torch.Generator().manual_seed(0))
    late = logmel.clone()
    late[:, 900:] += 20
    with torch.inference_mode():
        quiet, loud = encoder.encode(logmel), encoder.encode(late)
        heard = encoder.compute_probabilities(loud)
    assert quiet.latent.shape == (1, 31, 16)
    assert quiet.classes.shape == (1, 12, 1)
    changed = (quiet.latent != loud.latent).any(dim=2)[0]
    assert not changed[:23].any()
    assert changed[29:].all()
    assert torch.equal(heard.framewise[:, 0], heard.clipwise)
    torch.testing.assert_close(heard.clipwise, loud.classes[:, :, 0].sigmoid())


def test_a_clip_is_32_tokens_of_cnn14(with_cnn14: Mellow) -> None:
    """The classes of the whole clip first, then the 31 frames, not averaged."""
    mapper, config = with_cnn14.mapper, with_cnn14.config
    assert (config.audio_tokens, config.prefix_tokens) == (32, 195)
    heard = EncodedClip(torch.rand(2, 31, 16), torch.rand(2, 12), torch.rand(2, 1, 12))
    with torch.inference_mode():
        tokens = mapper(heard)
        assert torch.equal(tokens, mapper.project(heard))
        torch.testing.assert_close(tokens[:, 0], mapper.projection(mapper.c2l(heard.clipwise)))
        torch.testing.assert_close(tokens[:, 1:], mapper.projection(heard.latent))


def test_cnn14_keeps_its_normalisation_in_float32(with_cnn14: Mellow) -> None:
    model = build_untrained(with_cnn14.config, seed=1)
    waves = 0.1 * torch.randn(1, 320_000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        full = model.encode_audio(waves)
        model.cast(torch.bfloat16)
        half = model.encode_audio(waves)
    assert half.dtype == torch.bfloat16
    assert {p.dtype for n, p in model.encoder.named_parameters() if n.startswith("bn0.")} == {torch.float32}
    torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.1)


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        (lambda: CNN14Config(mels=8), "8 mels cannot be halved 5 times"),
        (lambda: CNN14Config(channels=()), "channels are above 0"),
        (lambda: CNN14Config(seconds=0.1), "too short"),
        (lambda: MellowConfig(encoder=CNN14Config()), "31 framewise tokens cannot be averaged in blocks of 8"),
    ],
)
def test_a_cnn14_that_cannot_be_is_one_line(encoder: Callable[[], object], said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as error:
        encoder()
    assert "\n" not in str(error.value)


def test_a_config_with_cnn14_is_read_back(with_cnn14: Mellow) -> None:
    assert MellowConfig.from_json(with_cnn14.config.to_json(), "it") == with_cnn14.config
    with pytest.raises(CheckpointError, match="encoder has an unknown key 'embed'"):
        MellowConfig.from_json(json.dumps({"format": 1, "encoder": {"kind": "cnn14", "embed": 8}}), "it")


# --- AudioSet checkpoints ---

Layout = Callable[[dict[str, Any]], dict[str, Any]]
LAYOUTS: dict[str, tuple[Callable[[], Encoder], Layout]] = {
    "htsat": (
        lambda: HTSAT(SMALL_HTSAT),
        lambda state: {"epoch": 1, "state_dict": {f"sed_model.{name}": value for name, value in state.items()}},
    ),
    "cnn14": (lambda: CNN14(SMALL_CNN14), lambda state: {"iteration": 1, "model": state}),
}


def written(encoder: Encoder) -> dict[str, Any]:
    """Its weights as the published files have them: with the front end's fixed kernels."""
    kernel = torch.zeros(513, 1, 1024)
    fixed = {
        "spectrogram_extractor.stft.conv_real.weight": kernel,
        "spectrogram_extractor.stft.conv_imag.weight": kernel,
        "logmel_extractor.melW": torch.zeros(513, 64),
    }
    return fixed | dict(encoder.state_dict())


@pytest.mark.parametrize("kind", LAYOUTS)
def test_an_encoder_starts_from_its_audioset_checkpoint(kind: str, tmp_path: Path) -> None:
    build, layout = LAYOUTS[kind]
    encoder, other = build(), build()
    torch.save(layout(written(encoder)), tmp_path / "encoder.ckpt")
    load_encoder(tmp_path / "encoder.ckpt", other, kind)
    state = other.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())
    assert torch.equal(other.logmel.mel, encoder.logmel.mel)


@pytest.mark.parametrize(
    ("kind", "layout", "said"),
    [
        ("htsat", LAYOUTS["cnn14"][1], "no htsat checkpoint: its weights are below the key 'state_dict'; found keys"),
        ("cnn14", LAYOUTS["htsat"][1], "no cnn14 checkpoint: its weights are below the key 'model'; found keys"),
        ("htsat", lambda state: {"state_dict": {f"module.{name}": state[name] for name in state}}, "does not fit"),
        ("htsat", lambda state: {"state_dict": [1]}, "no flat state dict of tensors below 'state_dict', as htsat"),
        ("cnn14", lambda state: {"model": {**state, "fc9.weight": torch.zeros(1)}}, "1 unknown (fc9.weight)"),
        ("cnn14", lambda state: {"model": {**state, "fc1.bias": torch.zeros(1)}}, "fc1.bias [1] instead of [16]"),
        ("cnn14", lambda state: [1], "found list"),
    ],
)
def test_another_layout_is_refused_in_one_line(kind: str, layout: Layout, said: str, tmp_path: Path) -> None:
    encoder = LAYOUTS[kind][0]()
    torch.save(layout(written(encoder)), tmp_path / "encoder.ckpt")
    with pytest.raises(CheckpointError) as caught:
        load_encoder(tmp_path / "encoder.ckpt", encoder, kind)
    assert said in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_encoder_checkpoint_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no encoder weights at .*--set model\.encoder=PATH"):
        load_encoder(tmp_path / "none.ckpt", HTSAT(SMALL_HTSAT), "htsat")


# --- projections ---


@pytest.mark.parametrize("projection", ["linear", "nonlinear", "transformer"])
def test_projections(projection: str, tiny: Mellow) -> None:
    config = replace(tiny.config, mapper=replace(tiny.config.mapper, projection=projection))
    mapper = build_untrained(config).mapper
    heard = EncodedClip(torch.rand(2, 64), torch.rand(2, 12), torch.rand(2, 1024, 12))
    with torch.inference_mode():
        tokens = mapper(heard)
        alone = mapper(EncodedClip(heard.latent, heard.clipwise, heard.framewise.flip(1)))
    assert tokens.shape == (2, 129, 48)
    torch.testing.assert_close(tokens[:, 0], alone[:, 0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(tokens[:, 1:], alone[:, 1:].flip(1), rtol=1e-3, atol=1e-3)
    with torch.inference_mode():
        silent = mapper(EncodedClip(torch.zeros_like(heard.latent), heard.clipwise, heard.framewise))
    # Only the transformer looks from one token to another.
    assert ((tokens[:, 1:] - silent[:, 1:]).abs().max() > 1e-2) == (projection == "transformer")


def test_the_transformer_is_of_the_size_that_the_paper_implies() -> None:
    with torch.device("meta"):
        transformer = Transformer(768, 768, 0.0)
    assert sum(parameter.numel() for parameter in transformer.layers.parameters()) == 37_816_320
    with pytest.raises(CheckpointError, match="8 heads, which do not share 50"):
        Transformer(768, 50, 0.0)


# --- GPT-2 ---


@pytest.fixture
def with_gpt2(tiny: Mellow) -> Mellow:
    return build_untrained(replace(tiny.config, lm=SMALL_GPT2), seed=2)


def test_gpt2_answers_and_is_saved_and_read_back(with_gpt2: Mellow, tokenizer: Tokenizer, tmp_path: Path) -> None:
    prefix = with_gpt2.embed(torch.arange(60).view(2, 30))
    decoding = Decoding(max_new_tokens=3)
    before = generate(with_gpt2, prefix, ["0", "1"], decoding)
    save_folder(tmp_path / "it", with_gpt2, tokenizer)
    model, _ = load_folder(tmp_path / "it")
    assert generate(model, prefix, ["0", "1"], decoding) == before
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in with_gpt2.state_dict().items())
    assert json.loads((tmp_path / "it" / CONFIG).read_text())["lm"]["kind"] == "gpt2"


def test_the_wrapper_ends_prompts_of_gpt2_alone() -> None:
    end = " <|endoftext|>"
    assert select_protocol("fixed", "wrapper", "gpt2") == replace(PROTOCOLS["wrapper"], suffix=end)
    assert select_protocol("fixed", "wrapper", "llama") == PROTOCOLS["wrapper"]
    assert select_protocol("fixed", "paper", "gpt2") == PROTOCOLS["paper"]
    assert select_protocol("compact", None, "gpt2") == PROTOCOLS["compact"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of GPT-2's files in a local cache of a machine without network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = tmp_path / f"models--{GPT2.replace('/', '--')}"
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    return snapshot


def test_gpt2_comes_from_the_local_cache(
    with_gpt2: Mellow, tokenizer: Tokenizer, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alm_bench.mellow.lm.GPT2_SHAPE", SMALL_GPT2)
    state = with_gpt2.lm.state_dict()
    file = {name.removeprefix("transformer."): value for name, value in state.items() if name != "lm_head.weight"}
    file |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 4, 4).tril() for layer in range(2)}
    save_file(file, hub / "model.safetensors")
    (hub / "tokenizer.json").write_text(tokenizer.to_str())
    lm, origin = load_gpt2()
    assert origin == GPT2
    assert all(torch.equal(value, state[name]) for name, value in lm.state_dict().items())
    assert load_gpt2_tokenizer().get_vocab() == tokenizer.get_vocab()


@pytest.mark.parametrize(("get", "file"), [(load_gpt2, "model.safetensors"), (load_gpt2_tokenizer, "tokenizer.json")])
def test_without_gpt2_one_line_says_what_to_do(hub: Path, get: Callable[[], object], file: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        get()
    assert str(caught.value).startswith(f"{file} of {GPT2} is not in the local cache and cannot be downloaded")
    assert "HF_HUB_CACHE" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_published_network_is_the_default() -> None:
    assert isinstance(PUBLISHED.encoder, EncoderConfig)
    assert (PUBLISHED.mapper.projection, PUBLISHED.lm.kind) == ("nonlinear", "llama")
