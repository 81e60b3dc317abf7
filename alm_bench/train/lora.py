"""Low-rank adapters (LoRA, arXiv 2106.09685) by peft: put into the language model, trained, merged into its weights."""

import copy

import peft
import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from alm_bench.core import UsageError
from alm_bench.mellow.model import Mellow
from alm_bench.train.config import LoraConfig


def add_lora(model: Mellow, config: LoraConfig, seed: int) -> None:
    """Put untrained adapters into the language model: until they are trained, its outputs stay as they are."""
    settings = peft.LoraConfig(
        r=config.r, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=list(config.targets)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            peft.inject_adapter_in_model(settings, model.lm)
        except ValueError as error:
            raise UsageError(f"lora: {str(error).partition(chr(10))[0]}") from error


def adapters(model: nn.Module) -> list[str]:
    """Names of the adapters' parameters, none where there are no adapters."""
    return [name for name, _ in model.named_parameters() if ".lora_" in name]


def merge_lora(model: Mellow) -> Mellow:
    """The network with its adapters added to the weights they adapt: a plain Mellow. `model` itself is unchanged."""
    if not adapters(model):
        return model
    plain = copy.deepcopy(model)
    for name, layer in list(plain.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(plain.get_submodule(parent), own, layer.get_base_layer())
    return plain
