import torch
from transformers import ClapAudioConfig
from transformers.models.clap.modeling_clap import ClapAudioEncoder

from alm_bench.mellow.config import EncoderConfig
from alm_bench.mellow.encoder import EncodedClip
from alm_bench.mellow.htsat import HTSAT, build_shift_mask, merge_windows, split_into_windows
from alm_bench.mellow.logmel import LogMel
from alm_bench.mellow.mapper import Mapper
from alm_bench.mellow.model import Mellow, build_untrained

CLAP_NAMES = (
    ("bn0", "batch_norm"),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("attn.proj", "attention.output.dense"),
    ("attn.relative_position_bias_table", "attention.self.relative_position_bias_table"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
)


def clap_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our encoder's weights under the names of transformers' CLAP."""
    renamed = {}
    for name, value in state.items():
        if name.startswith(("tscam_conv", "head")):
            continue
        for ours, theirs in CLAP_NAMES:
            name = name.replace(ours, theirs)
        if ".attn.qkv." in name:
            for part, values in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[name.replace("attn.qkv", f"attention.self.{part}")] = values
        else:
            renamed[name] = value
    return renamed


def test_the_encoder_is_the_swin_of_transformers_clap() -> None:
    config = EncoderConfig(embed=16, depths=(2, 3, 2, 1), heads=(2, 4, 4, 8), classes=5)
    encoder = HTSAT(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in (*encoder.parameters(), encoder.bn0.running_mean, encoder.bn0.running_var):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator) if value.ndim == 1 else value)
            if value.ndim == 2:
                value.normal_(std=0.3, generator=generator)
    clap = ClapAudioEncoder(
        ClapAudioConfig(
            spec_size=256,
            num_mel_bins=64,
            patch_embeds_hidden_size=16,
            hidden_size=128,
            depths=list(config.depths),
            num_attention_heads=list(config.heads),
            enable_fusion=False,
        )
    ).eval()
    missing, unexpected = clap.load_state_dict(clap_state(encoder.state_dict()), strict=False)
    assert not unexpected
    assert all(name.endswith("relative_position_index") for name in missing)
    waves = torch.randn(2, config.samples, generator=generator)
    with torch.inference_mode():
        expected = clap(encoder.logmel(waves)[:, None]).pooler_output
        found = encoder(waves)
    torch.testing.assert_close(found.latent, expected, rtol=1e-4, atol=1e-4)
    assert found.clipwise.shape == (2, 5)
    assert found.framewise.shape == (2, 1024, 5)
    assert not torch.equal(found.framewise[:, 31], found.framewise[:, 32])
    assert torch.equal(found.framewise[:, :1].expand(-1, 32, -1), found.framewise[:, :32])


def test_windows_and_back() -> None:
    x = torch.arange(2 * 16 * 16 * 3).view(2, 16, 16, 3)
    parts = split_into_windows(x, 4)
    assert parts.shape == (2, 16, 16, 3)
    assert torch.equal(parts[0, 1, 5], x[0, 1, 5])
    assert torch.equal(merge_windows(parts, 4, 16), x)


def test_only_shifted_neighbours_are_masked() -> None:
    mask = build_shift_mask(16, 8, 4)
    assert mask.shape == (4, 64, 64)
    assert not mask[0].any()
    assert mask[1, 0, 3] == 0  # same row of the last column's window, before its seam
    assert mask[1, 0, 4] == -100  # across its seam
    assert mask[2, 0, 31] == 0
    assert mask[2, 0, 32] == -100


def test_logmel_of_a_tone_is_loudest_in_its_band() -> None:
    config = EncoderConfig()
    logmel = LogMel(config)
    time = torch.arange(config.samples) / config.rate
    waves = torch.stack([0.5 * torch.sin(2 * torch.pi * 1000 * time), torch.zeros(config.samples)])
    decibels = logmel(waves)
    assert decibels.shape == (2, 1001, 64)
    band = int(logmel.mel[32].argmax())  # bin 32 of 1024 at 32 kHz is 1 kHz
    assert (decibels[0, 2:-2].argmax(dim=1) == band).all()
    assert (decibels[1] == -100).all()


def test_mapper_keeps_the_latent_and_averages_blocks(tiny: Mellow) -> None:
    mapper: Mapper = tiny.mapper
    framewise = torch.rand(1, 1024, 12)
    heard = EncodedClip(torch.rand(1, 64), torch.rand(1, 12), framewise)
    with torch.inference_mode():
        tokens, projected = mapper(heard), mapper.project(heard)
    assert projected.shape == (1, 1025, 48)
    assert tokens.shape == (1, 129, 48)
    assert torch.equal(tokens[:, 0], projected[:, 0])
    torch.testing.assert_close(tokens[:, 1], projected[:, 1:9].mean(dim=1))
    torch.testing.assert_close(tokens[:, 128], projected[:, 1017:].mean(dim=1))


def test_order_of_what_an_answer_follows(tiny: Mellow) -> None:
    first, second = torch.stack([torch.full((129, 48), 1.0), torch.full((129, 48), 3.0)]), torch.full((129, 48), 2.0)
    with torch.inference_mode():
        both, alone = tiny.build_sequences(first, [second, None], [range(24), [7, 5]])
        separator, words, few = (tiny.embed(torch.tensor(ids)) for ids in ([0], list(range(24)), [7, 5]))
    assert torch.equal(both, torch.cat([first[0], separator, second, separator, words]))
    assert len(both) == tiny.config.prefix_tokens
    assert torch.equal(alone, torch.cat([first[1], separator, few]))


def test_seeded_weights_are_the_same_every_time(tiny: Mellow) -> None:
    torch.manual_seed(1)
    one = build_untrained(tiny.config, seed=3).state_dict()
    torch.manual_seed(2)
    two = build_untrained(tiny.config, seed=3).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = build_untrained(tiny.config, seed=4).state_dict()
    assert not torch.equal(one["mapper.c2l.weight"], other["mapper.c2l.weight"])


def test_half_precision_keeps_the_decibels_in_float32(tiny: Mellow) -> None:
    model = build_untrained(tiny.config, seed=3)
    waves = 0.1 * torch.randn(1, model.config.encoder.samples, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        full = model.encode_audio(waves)
        model.cast(torch.bfloat16)
        half = model.encode_audio(waves)
    assert half.dtype == torch.bfloat16
    assert model.encoder.bn0.running_mean.dtype == torch.float32
    torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.1)
