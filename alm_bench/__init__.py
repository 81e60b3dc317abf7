"""alm-bench: an evaluation harness for audio-language models.

    import alm_bench as ab
    print(ab.evaluate("mellow", ["mmau", "cle"], data="demo", limit=60))

Heavy libraries are imported when they are first needed. docs/api.md describes the functions.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from alm_bench.api import (
        Progress,
        caption_metrics,
        compare,
        evaluate,
        leaderboard,
        load_run,
        noise_ablation,
        parse,
        rescore,
    )
    from alm_bench.core import AlmBenchError, BaseAdapter, UsageError
    from alm_bench.results import Results, RunFailedError, RunInterrupted

_HOMES = {
    "alm_bench.api": (
        "Progress",
        "caption_metrics",
        "compare",
        "evaluate",
        "leaderboard",
        "load_run",
        "noise_ablation",
        "parse",
        "rescore",
    ),
    "alm_bench.core": ("AlmBenchError", "BaseAdapter", "UsageError"),
    "alm_bench.results": ("Results", "RunFailedError", "RunInterrupted"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlmBenchError",
    "BaseAdapter",
    "Progress",
    "Results",
    "RunFailedError",
    "RunInterrupted",
    "UsageError",
    "__version__",
    "caption_metrics",
    "compare",
    "evaluate",
    "leaderboard",
    "load_run",
    "noise_ablation",
    "parse",
    "rescore",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'alm_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
