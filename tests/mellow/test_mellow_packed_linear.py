"""Products laid out for the processor equal torch's own, with what follows them, and where there is no such layout."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from alm_bench.mellow import packed_linear
from alm_bench.mellow.decoder import DECODERS
from alm_bench.mellow.encoder import EncodedClip
from alm_bench.mellow.model import Mellow
from alm_bench.mellow.packed_linear import PackedLayer, PackedLinear, can_pack, pack_layers


@pytest.fixture(params=["packed", "plain"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "plain":
        monkeypatch.setattr(packed_linear, "can_pack", lambda weight: False)
    elif not can_pack(torch.zeros(1, 1)):
        pytest.skip("this build of torch has no oneDNN")
    return str(request.param)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [(1,), (3, 70)])
def test_a_product_and_what_follows_it(layout: str, rows: tuple[int, ...], dtype: torch.dtype) -> None:
    if layout == "packed" and not can_pack(torch.zeros(1, 1, dtype=dtype)):
        pytest.skip(f"oneDNN has no {dtype} on this processor")
    weight, bias, x, other = (part.to(dtype) for part in (drawn(48, 32), drawn(48), drawn(*rows, 32), drawn(*rows, 48)))
    layer = PackedLinear(weight, bias)
    assert layer.packed == (layout == "packed")
    plain = functional.linear(x.float(), weight.float(), bias.float())
    wanted = {
        "none": plain,
        "gelu": functional.gelu(plain),
        "gelu_tanh": functional.gelu(plain, approximate="tanh"),
        "silu": functional.silu(plain),
    }
    limit = {"atol": 1e-4, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.2, "rtol": 0.02}
    for activation, values in wanted.items():
        torch.testing.assert_close(layer(x, activation).float(), values, **limit)  # type: ignore[arg-type]
    torch.testing.assert_close(layer.forward_add(x, other).float(), plain + other.float(), **limit)  # type: ignore[arg-type]
    torch.testing.assert_close(layer.forward_multiply(x, other).float(), plain * other.float(), **limit)  # type: ignore[arg-type]
    bare = PackedLinear(weight)(x).float()
    torch.testing.assert_close(bare, plain - bias.float(), **limit)  # type: ignore[arg-type]


def test_layers_that_only_infer_give_the_same() -> None:
    network = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2, bias=False)))
    x = drawn(5, 8)
    with torch.inference_mode():
        before = network(x)
        pack_layers(network)
        torch.testing.assert_close(network(x), before)
    assert isinstance(network[0], PackedLayer)
    assert sum(parameter.numel() for parameter in network.parameters()) == 8 * 4 + 4 + 8


def test_frames_that_repeat_are_projected_once(tiny: Mellow) -> None:
    steps = drawn(2, 32, 12)
    heard = EncodedClip(drawn(2, 64), drawn(2, 12), steps.repeat_interleave(32, dim=1))
    with torch.inference_mode():
        torch.testing.assert_close(tiny.mapper(heard, 32), tiny.mapper(heard))
        assert tiny.mapper(heard, 32).shape == (2, 129, 48)
        # 12 frames do not fill blocks of 8: each is taken on its own
        torch.testing.assert_close(tiny.mapper(heard, 12), tiny.mapper(heard))


def test_reading_in_two_goes_is_reading_at_once(tiny: Mellow, prefix: torch.Tensor) -> None:
    """Rows of different length: one goes on from its 5th column, the other from its 40th, padded."""
    decoder = DECODERS["llama"](tiny.lm)
    with torch.inference_mode():
        wanted = tiny.lm(inputs_embeds=prefix[:2]).logits
        cache = decoder.create_cache(2, prefix.shape[1] + 60)
        for row, start in enumerate((5, 40)):
            assert decoder.extend(prefix[row : row + 1, :start], cache.slice_rows(row, row + 1), 0, None) is None
        rest = torch.stack([prefix[0, 5:65], functional.pad(prefix[1, 40:70], (0, 0, 0, 30))])
        last = torch.tensor([[59, 0], [29, 7]])
        hidden = decoder.extend(rest, cache, torch.tensor([5, 40]), last)
        assert hidden is not None
        found = decoder.head(hidden)
    places = [[64, 5], [69, 47]]
    for row in range(2):
        torch.testing.assert_close(found[row], wanted[row, places[row]], atol=1e-4, rtol=1e-4)
