"""Errors in one line, and which of them are for want of memory."""

import pytest

from alm_bench.core import AdapterError, UsageError
from alm_bench.core.errors import describe_error, get_first_line, is_out_of_memory


def test_an_error_in_one_line() -> None:
    long = RuntimeError("\n  no kernel\nfor this \t device\n")
    assert (get_first_line(long), describe_error(long)) == ("no kernel", "RuntimeError: no kernel for this device")
    assert (get_first_line(KeyError()), describe_error(KeyError())) == ("KeyError", "KeyError")
    assert describe_error(UsageError("--limit takes\na number")) == "--limit takes a number"


class OutOfMemoryError(RuntimeError):
    """As torch's, which no CPU raises."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ],
)
def test_what_is_for_want_of_memory(error: Exception) -> None:
    outer = AdapterError("the batch failed")
    outer.__cause__ = error
    assert is_out_of_memory(error)
    assert is_out_of_memory(outer)


@pytest.mark.parametrize("error", [ValueError("out of memory"), RuntimeError("shape"), AdapterError("no"), None])
def test_what_is_not(error: Exception | None) -> None:
    assert not is_out_of_memory(error)
