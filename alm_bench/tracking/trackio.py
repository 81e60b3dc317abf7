"""Tracker `trackio`, which logs to a folder of this machine; `trackio show` displays it.

The environment variable TRACKIO_DIR names the folder, and TRACKIO_SPACE_ID a Space of the Hugging Face hub to log to
instead.
"""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from alm_bench.core import UsageError
from alm_bench.tracking.base import LogFunction, Tracker


class TrackioTracker(Tracker):
    """Tracker of the package trackio."""

    name: ClassVar[str] = "trackio"

    def check(self) -> None:
        if importlib.util.find_spec("trackio") is None:
            raise UsageError("--track trackio needs the package trackio: pip install 'alm-bench[trackio]'")

    @contextmanager
    def open(self, project: str, name: str, config: Mapping[str, Any]) -> Iterator[LogFunction]:
        import trackio

        run = trackio.init(
            project=project,
            name=name,
            config=dict(config),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

        def log(values: Mapping[str, float], step: int | None = None) -> None:
            run.log(dict(values), step=step)

        try:
            yield log
        finally:
            # Not `run.finish`: the library would end the run again at exit, and print so.
            trackio.finish()  # type: ignore[no-untyped-call]


TRACKERS = (TrackioTracker,)
