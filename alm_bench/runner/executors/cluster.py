"""The Ray cluster that workers run on: an own one on this machine, or one that is there already."""

import importlib.util
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from alm_bench.core import UsageError
from alm_bench.core.foreign import whole_number

CONNECT_SECONDS = 5.0
RAY_ADDRESS = "RAY_ADDRESS"


@dataclass(frozen=True, slots=True)
class Cluster:
    """`replicas` workers with `gpus` GPUs each, shares of one allowed; `address` is HOST:PORT of a cluster, `auto` for
    the one that this machine belongs to, None for an own one on this machine."""

    replicas: int = 1
    address: str | None = None
    gpus: float = 0.0

    def check(self) -> None:
        """Raises UsageError, before any model is loaded, for what Ray would find out much later."""
        if importlib.util.find_spec("ray") is None:
            raise UsageError("--executor ray needs the package ray: pip install 'alm-bench[ray]'")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UsageError(f"--gpus-per-worker takes a share of one GPU or a whole number, found {self.gpus:g}")
        if self.address is None:
            return
        place = os.environ.get(RAY_ADDRESS, "") if self.address == "auto" else self.address
        if place in ("", "auto"):
            return
        host, colon, port = place.rpartition(":")
        number = whole_number(port)
        if not colon or "/" in host or number is None or number > 65535:
            raise UsageError(f"--address takes auto or HOST:PORT, as `ray start --head` prints it, found {place!r}")
        try:
            socket.create_connection((host.strip("[]"), number), CONNECT_SECONDS).close()
        except OSError as error:
            raise UsageError(
                f"--address {self.address}: nothing answers at {place} ({error.strerror or error}); "
                "start a cluster with `ray start --head` and name the address that it prints"
            ) from error

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Connected while it lasts. A connection that this process has already is used and left open.

        Raises UsageError where there is no cluster, and where it has not what the workers need.
        """
        import ray

        resources: Any = ray.cluster_resources  # which has no types
        own = not ray.is_initialized()
        if own:
            self._connect(ray)
        try:
            self._room(resources())
            yield
        finally:
            if own:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        told: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address is None:
            told |= {"num_cpus": max(os.cpu_count() or 1, self.replicas), "include_dashboard": False}
        try:
            ray.init(address=self.address or "local", **told)
        except (ConnectionError, RuntimeError, ValueError, SystemExit) as error:  # Ray ends a process that waited long
            reason = "no answer" if isinstance(error, SystemExit) else " ".join(str(error).split())
            raise UsageError(
                f"--executor ray: cannot reach a cluster at {self.address or 'local'}: {reason}"
            ) from error

    def _room(self, has: dict[str, float]) -> None:
        for name, each in (("CPU", 1.0), ("GPU", self.gpus)):
            needed, there = each * self.replicas, has.get(name, 0.0)
            if needed > there:
                raise UsageError(
                    f"--replicas {self.replicas}: {needed:g} {name}s are needed, the cluster has {there:g}: ask for "
                    "fewer, or add machines with `ray start --address=...`"
                )
