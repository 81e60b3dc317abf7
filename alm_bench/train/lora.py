"""Low-rank adapters (LoRA, arXiv 2106.09685), implemented by peft: added to the language model, and merged into its
weights after training."""

import copy

import peft
import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from alm_bench.core import UsageError
from alm_bench.mellow.model import Mellow
from alm_bench.train.config import LoraConfig


def add_lora(model: Mellow, config: LoraConfig, seed: int) -> None:
    """Add untrained low-rank adapters to the language model. Its outputs do not change until the adapters are trained.
    `seed`: seed of the adapters' initial weights. Raises UsageError."""
    settings = peft.LoraConfig(
        r=config.r, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(config.targets)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            peft.inject_adapter_in_model(settings, model.lm)
        except ValueError as error:
            raise UsageError(f"lora: {str(error).partition(chr(10))[0]}") from error


def list_lora_parameters(model: nn.Module) -> list[str]:
    """Return the names of the parameters of all low-rank adapters; an empty list if the model has none."""
    return [name for name, _ in model.named_parameters() if ".lora_" in name]


def merge_lora(model: Mellow) -> Mellow:
    """Return a copy of the network in which the adapters are merged into the weights. `model` is not changed. A network
    without adapters is returned as it is."""
    if not list_lora_parameters(model):
        return model
    plain = copy.deepcopy(model)
    for name, layer in list(plain.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(plain.get_submodule(parent), own, layer.get_base_layer())
    return plain
