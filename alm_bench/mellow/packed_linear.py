"""Linear layers for inference, with weights that are rearranged for the processor once instead of at every call.

On CPUs, torch computes float32 products with MKL. On AMD processors with AVX-512, MKL reaches half of the possible
speed, and a third of the memory bandwidth if the input has few rows. oneDNN has neither problem if the weight is
rearranged ("packed") first. (On processors with AVX2 only, both libraries are equally fast.) oneDNN also fuses the
operation that follows a product, an activation or a sum, before the result leaves the cache. torch.compile uses the
same oneDNN operators with `freezing`. If a build of torch lacks them, the plain operators compute the same result.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["none", "gelu", "gelu_tanh", "silu"]
"""Activation that is applied to the output of a linear layer."""

ONEDNN: dict[Activation, tuple[str, str]] = {
    "none": ("none", ""),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
    "silu": ("swish", ""),
}
"""Name of each activation in oneDNN, and its variant."""


def can_pack(weight: Tensor) -> bool:
    """Return True if oneDNN can compute products with `weight`."""
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return False
    if weight.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def apply_activation(x: Tensor, activation: Activation) -> Tensor:
    """Apply an activation element by element."""
    if activation == "silu":
        return functional.silu(x)
    if activation == "none":
        return x
    return functional.gelu(x, approximate="tanh" if activation == "gelu_tanh" else "none")


class PackedLinear:
    """Linear layer with a packed weight: x (..., K) -> x @ weight.T + bias (..., N), for `weight` (N, K) and `bias`
    (N,). It does not follow later changes of the weight."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        weight = weight.detach()
        self.bias = None if bias is None else bias.detach()
        self.packed = can_pack(weight)
        self.weight: Any = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()) if self.packed else weight

    def __call__(self, x: Tensor, activation: Activation = "none") -> Tensor:
        """Apply the linear layer, then the activation."""
        if self.packed:
            kind, variant = ONEDNN[activation]
            output: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, kind, [], variant)
            return output
        return apply_activation(functional.linear(x, self.weight, self.bias), activation)

    def forward_add(self, x: Tensor, other: Tensor) -> Tensor:
        """Return `self(x) + other`, where `other` has the shape of the output, (..., N)."""
        return (
            self._apply_binary(x, other, "add") if self.packed else functional.linear(x, self.weight, self.bias) + other
        )

    def forward_multiply(self, x: Tensor, other: Tensor) -> Tensor:
        """Return `self(x) * other`, element by element, where `other` has the shape of the output, (..., N)."""
        return (
            self._apply_binary(x, other, "mul") if self.packed else functional.linear(x, self.weight, self.bias) * other
        )

    def _apply_binary(self, x: Tensor, other: Tensor, operation: str) -> Tensor:
        """Return `self(x) + other` (`operation` "add") or `self(x) * other` ("mul"), computed by oneDNN in one step."""
        output: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self.weight, self.bias, operation)
        return output


class PackedLayer(nn.Module):
    """Replacement of nn.Linear for inference only. It does not follow later changes of the weight."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer, self.dense = layer, PackedLinear(layer.weight, layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x)


def pack_layers(module: nn.Module) -> None:
    """Replace all linear layers below `module` by layers for inference only."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, PackedLayer(child))
        elif not isinstance(child, nn.TransformerEncoder):  # it reads the weights of its linear layers directly
            pack_layers(child)
