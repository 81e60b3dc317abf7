"""Reference weights: a copy of the trained parameters of a network, which can be used in their place for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def copy_trained_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of the parameters that are trained, by name. Frozen parameters need no copy."""
    return {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}


@contextmanager
def use_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Context manager in which parameters of a network have the values `weights`, which are given by parameter name. At
    its end they get their own values back. No gradient may be computed within it."""
    parameters = dict(model.named_parameters())
    own = {name: parameters[name].data for name in weights}
    try:
        with torch.no_grad():
            for name, tensor in weights.items():
                parameters[name].data = tensor
            yield
    finally:
        for name, tensor in own.items():
            parameters[name].data = tensor
