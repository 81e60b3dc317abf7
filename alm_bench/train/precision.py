"""The precision that a recipe's `auto` comes to on this machine."""

from typing import Literal

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from alm_bench.core.device import measure_bfloat16, pick_device
from alm_bench.core.escape import print_notice
from alm_bench.train.config import TrainConfig

Precision = Literal["no", "bf16", "fp16"]


def pick_precision(config: TrainConfig, begun: Precision | None) -> Precision:
    """The recipe's precision; for `auto`, that with which a stored run began (`begun`), since other rounding would not
    resume it exactly, else bf16 where it is measured to be faster than float32. All processes take the main one's."""
    if config.precision != "auto":
        return config.precision
    # Without this setting, several processes on a machine without a GPU would not find each other.
    state = PartialState(cpu=pick_device("auto").type == "cpu")
    chosen: list[Precision] = [_choose(state, begun) if state.is_main_process else "no"]
    if state.num_processes > 1:
        broadcast_object_list(chosen)  # measured twice, two processes could disagree
    return chosen[0]


def _choose(state: PartialState, begun: Precision | None) -> Precision:
    if begun is not None:
        print_notice(f"precision auto: {begun}, with which this run began")
        return begun
    speed = measure_bfloat16(state.device.type)
    print_notice(speed.describe())
    return "bf16" if speed.fast else "no"
