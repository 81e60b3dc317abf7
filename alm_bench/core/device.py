"""Devices and numeric precisions by name; which precision one computes fast is measured, not guessed from its name."""

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from alm_bench.core.adapter import CACHE_MB, Runtime
from alm_bench.core.errors import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.foreign import whole_number
from alm_bench.core.options import one_of

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
"""Names of the precisions that models compute in."""

SIZE = 512
"""Rows and columns of the measured product: large enough for the arithmetic to count, small enough that a processor
which emulates bfloat16 (some 50 times as slow) is found out within half a second."""

ROUNDS = 3

FASTER = 1.25
"""Speed-up over float32 from which bfloat16 is chosen: its rounding should buy something, and a choice well apart from
1 does not flip with the noise of a measurement (processors lie at some 0.02, 1.0, or 2 and more)."""


@dataclass(frozen=True, slots=True)
class Bfloat16Speed:
    """Measured speed of a matrix product in bfloat16."""

    device: str
    """`cpu` or `cuda`."""

    speedup: float
    """Speed as a multiple of float32's."""

    @property
    def fast(self) -> bool:
        return self.speedup >= FASTER

    def describe(self) -> str:
        """Say in one line what was measured and which precision follows from it."""
        name = "GPU" if self.device == "cuda" else "processor"
        chosen = "bfloat16" if self.fast else "float32"
        if self.speedup >= 1:
            measured = f"{self.speedup:.1f} times as fast as"
        else:
            measured = f"{1 / self.speedup:.1f} times slower than"
        return f"precision auto: {chosen} (bfloat16 products are {measured} float32 on this {name})"


def pick_device(name: str) -> "torch.device":
    """Return the device of a name: `auto` is the GPU if torch sees one, else the CPU; `cuda:1` is a certain GPU.

    Raises UsageError for an unknown name, and for a GPU that torch does not see.
    """
    import torch

    kind, colon, index = name.partition(":")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if gpus else "cpu")
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or whole_number(index) is None)):
        raise UsageError(f"device takes auto, cpu, cuda or cuda:NUMBER, found {name!r}")
    if kind == "cuda" and not gpus:
        raise UsageError(f"device {name} was asked for, but torch sees no GPU; use cpu or auto")
    if colon and int(index) >= gpus:
        raise UsageError(f"device {name} was asked for, but torch sees {gpus} GPUs, which are counted from 0")
    return torch.device(name)


def pick_dtype(name: str | None, model: str) -> "torch.dtype":
    """Return the precision of a name. [default: float32] Raises UsageError, which names the `model`, for an unknown
    one."""
    import torch

    if name is not None and name not in DTYPES:
        raise UsageError(f"{model} computes in {', '.join(DTYPES)}, found dtype {name!r}")
    dtype: torch.dtype = getattr(torch, name or "float32")
    return dtype


def measure_bfloat16(device: str) -> Bfloat16Speed:
    """Time square matrix products in float32 and in bfloat16 on `device` (a torch device name), the best of a few."""
    import torch

    generator = torch.Generator().manual_seed(0)
    square = torch.randn(SIZE, SIZE, generator=generator)
    # A GPU needs more work than a processor for its launch time not to count.
    repeats = 64 if device.startswith("cuda") else 1
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = square.to(device, dtype)
        taken = []
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            for _ in range(repeats):
                product = matrix @ matrix
            float(product[0, 0])  # waits for a GPU to finish
            taken.append(time.perf_counter() - started)
        seconds[dtype] = min(taken[1:])  # the first one prepares kernels
    return Bfloat16Speed(device.partition(":")[0], seconds[torch.float32] / seconds[torch.bfloat16])


def check_device_and_dtype(device: str, dtype: str | None) -> None:
    """Raises UsageError for values of `--device` and `--dtype` that are unknown."""
    one_of(device.partition(":")[0], ("auto", "cpu", "cuda"), "--device")
    if dtype is not None:
        one_of(dtype, (*DTYPES, "auto"), "--dtype")


def make_runtime(device: str, dtype: str | None, seed: int = 0, cache_mb: int = CACHE_MB) -> Runtime:
    """Make the adapter's runtime for `--device` and `--dtype`. Adapters and records know what `auto` came to, never
    `auto` itself. Raises UsageError."""
    check_device_and_dtype(device, dtype)
    return Runtime(device, pick_fast_dtype(device) if dtype == "auto" else dtype, seed, cache_mb)


@cache
def pick_fast_dtype(device: str) -> str:
    """Measure once a process whether bfloat16 is faster than float32 on `device`; print the outcome in one line."""
    speed = measure_bfloat16(str(pick_device(device)))
    print_notice(speed.describe())
    return "bfloat16" if speed.fast else "float32"
