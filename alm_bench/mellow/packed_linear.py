"""Linear maps for inference, laid out for the processor once instead of at every call.

torch hands float32 products on CPUs to MKL, which runs at half of what AMD's processors with AVX-512 can do, and there
reads a weight at a third of the memory's speed where there are few rows (on processors with AVX2 alone the two are
equally fast). oneDNN does neither on a weight that it has put into its own order, and adds what follows a product (an
activation, another term) before the result leaves the cache. Its operators are those that torch.compile uses with
`freezing`; where a build of torch has none, the plain ones compute the same.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["none", "gelu", "gelu_tanh", "silu"]

ONEDNN: dict[Activation, tuple[str, str]] = {
    "none": ("none", ""),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
    "silu": ("swish", ""),
}
"""oneDNN's name of each activation, and its variant."""


def packs(weight: Tensor) -> bool:
    """True if oneDNN can compute products with `weight`."""
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return False
    if weight.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def apply_activation(x: Tensor, activation: Activation) -> Tensor:
    if activation == "silu":
        return functional.silu(x)
    if activation == "none":
        return x
    return functional.gelu(x, approximate="tanh" if activation == "gelu_tanh" else "none")


class PackedLinear:
    """x (..., K) -> x @ weight.T + bias (..., N), of `weight` (N, K) and `bias` (N,) as they are now."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        weight = weight.detach()
        self.bias = None if bias is None else bias.detach()
        self.packed = packs(weight)
        self.weight: Any = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()) if self.packed else weight

    def __call__(self, x: Tensor, activation: Activation = "none") -> Tensor:
        """Apply the map, and then the activation."""
        if self.packed:
            kind, variant = ONEDNN[activation]
            done: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, kind, [], variant)
            return done
        return apply_activation(functional.linear(x, self.weight, self.bias), activation)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """Add the result to `other` (..., N)."""
        return self._with(x, other, "add") if self.packed else functional.linear(x, self.weight, self.bias) + other

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """Multiply the result by `other` (..., N), element by element."""
        return self._with(x, other, "mul") if self.packed else functional.linear(x, self.weight, self.bias) * other

    def _with(self, x: Tensor, other: Tensor, operation: str) -> Tensor:
        done: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, operation)
        return done


class PackedLayer(nn.Module):
    """A linear layer that only infers: later changes of its weight do not reach it."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer, self.dense = layer, PackedLinear(layer.weight, layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x)


def pack_layers(module: nn.Module) -> None:
    """Let all linear layers below `module` infer only."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, PackedLayer(child))
        elif not isinstance(child, nn.TransformerEncoder):  # which reads its layers' weights itself
            pack_layers(child)
