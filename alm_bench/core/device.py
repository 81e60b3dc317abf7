"""Devices and numeric precisions by name. The speed of a precision on a device is measured, not assumed."""

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from alm_bench.core.adapter import CACHE_MB, Runtime
from alm_bench.core.errors import UsageError
from alm_bench.core.escape import print_notice
from alm_bench.core.foreign import parse_whole_number
from alm_bench.core.options import check_choice

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
"""Names of the precisions that models compute in."""

SIZE = 512
"""Number of rows and columns of the measured matrix product. It is large enough that arithmetic dominates, and small
enough that a CPU which emulates bfloat16 (about 50 times slower) is detected within half a second."""

ROUNDS = 3
"""Number of measurements, of which the fastest is used."""

MIN_SPEEDUP = 1.25
"""Speed-up over float32 above which bfloat16 is used. It should justify the rounding. A threshold well apart from 1
makes the choice robust to measurement noise: CPUs have speed-ups of about 0.02, of 1.0, or of 2 and more."""


@dataclass(frozen=True, slots=True)
class Bfloat16Speed:
    """Measured speed of matrix products in bfloat16."""

    device: str
    """Device, `cpu` or `cuda`."""

    speedup: float
    """Speed divided by the speed in float32."""

    @property
    def is_fast(self) -> bool:
        """True if bfloat16 is fast enough to be used."""
        return self.speedup >= MIN_SPEEDUP

    def describe(self) -> str:
        """Return one line that says which speed was measured and which precision is used."""
        name = "GPU" if self.device == "cuda" else "processor"
        chosen = "bfloat16" if self.is_fast else "float32"
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
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or parse_whole_number(index) is None)):
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
    """Measure the speed of square matrix products in float32 and in bfloat16 on a torch device."""
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
        seconds[dtype] = min(taken[1:])  # the first round prepares kernels
    return Bfloat16Speed(device.partition(":")[0], seconds[torch.float32] / seconds[torch.bfloat16])


def check_device_and_dtype(device: str, dtype: str | None) -> None:
    """Raise UsageError for unknown values of `--device` and `--dtype`."""
    check_choice(device.partition(":")[0], ("auto", "cpu", "cuda"), "--device")
    if dtype is not None:
        check_choice(dtype, (*DTYPES, "auto"), "--dtype")


def make_runtime(device: str, dtype: str | None, seed: int = 0, cache_mb: int = CACHE_MB) -> Runtime:
    """Return the runtime settings for `--device` and `--dtype`. Raises UsageError for unknown values.

    A `dtype` of `auto` is replaced by the precision that is chosen, so that adapters and records never contain `auto`.
    """
    check_device_and_dtype(device, dtype)
    return Runtime(device, pick_fast_dtype(device) if dtype == "auto" else dtype, seed, cache_mb)


@cache
def pick_fast_dtype(device: str) -> str:
    """Return `bfloat16` if it is measurably faster than float32 on the device, else `float32`, and print the
    measurement. It is measured once per process."""
    speed = measure_bfloat16(str(pick_device(device)))
    print_notice(speed.describe())
    return "bfloat16" if speed.is_fast else "float32"
