"""Mellow, the bundled model: a small audio-language model for reasoning (arXiv 2503.08540).

Suggested reading order of the modules: `config`, `logmel`, `htsat`, `mapper`, `lm`, `model`, `prompt`, `generate`,
`checkpoint`. `wrapper` has the interface of the public inference wrapper.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alm_bench.mellow.wrapper import MellowWrapper

__all__ = ["MellowWrapper"]


def __getattr__(name: str) -> Any:
    # On first use, since torch takes seconds to import.
    if name != "MellowWrapper":
        raise AttributeError(f"module 'alm_bench.mellow' has no attribute {name!r}")
    return importlib.import_module("alm_bench.mellow.wrapper").MellowWrapper
