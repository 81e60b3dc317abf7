"""Choice of the precision for training recipes with precision `auto`."""

from typing import Literal

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from alm_bench.core.device import measure_bfloat16, pick_device
from alm_bench.core.escape import print_notice
from alm_bench.train.config import TrainConfig

Precision = Literal["no", "bf16", "fp16"]


def pick_precision(config: TrainConfig, stored_precision: Precision | None) -> Precision:
    """Return the precision of a run. If the recipe's precision is not `auto`, it is returned.

    For `auto`, a resumed run continues with the precision with which it began (`stored_precision`), because another one
    would round differently. A new run gets bf16 if it is measured to be faster than float32, else `no`. All processes
    use the choice of the main process.
    """
    if config.precision != "auto":
        return config.precision
    # Without this setting, several processes on a machine without a GPU would not find each other.
    state = PartialState(cpu=pick_device("auto").type == "cpu")
    chosen: list[Precision] = [_choose_auto_precision(state, stored_precision) if state.is_main_process else "no"]
    if state.num_processes > 1:
        broadcast_object_list(chosen)  # separate measurements could disagree
    return chosen[0]


def _choose_auto_precision(state: PartialState, stored_precision: Precision | None) -> Precision:
    """Return the precision for `auto`, and print the reason."""
    if stored_precision is not None:
        print_notice(f"precision auto: {stored_precision}, with which this run began")
        return stored_precision
    speed = measure_bfloat16(state.device.type)
    print_notice(speed.describe())
    return "bf16" if speed.is_fast else "no"
