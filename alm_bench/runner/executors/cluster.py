"""Ray cluster on which workers run: a new one on this machine, or an existing one."""

import importlib.util
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from alm_bench.core import UsageError
from alm_bench.core.foreign import parse_whole_number

CONNECT_SECONDS = 5.0
"""Time limit of the connection test."""

RAY_ADDRESS = "RAY_ADDRESS"
"""Environment variable with the address of the cluster."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Ray cluster to start or to connect to, and the number and the GPUs of its workers."""

    replicas: int = 1
    """Number of workers."""

    address: str | None = None
    """HOST:PORT of a cluster, `auto` for the cluster that this machine belongs to, None to start one on this
    machine."""

    gpus: float = 0.0
    """Number of GPUs per worker. Workers share a GPU if it is below 1."""

    def check_settings(self) -> None:
        """Raise UsageError for settings that Ray would reject much later, before any model is loaded."""
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
        number = parse_whole_number(port)
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
    def connect(self) -> Iterator[None]:
        """Connect to the cluster for the duration of the block.

        If this process is connected to a cluster already, that connection is used and left open. Raises UsageError if
        there is no cluster, or if it has too few CPUs or GPUs for the workers.
        """
        import ray

        resources: Any = ray.cluster_resources  # Ray has no type hints for it
        own = not ray.is_initialized()
        if own:
            self._connect(ray)
        try:
            self._check_resources(resources())
            yield
        finally:
            if own:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        """Connect to the cluster, or start one. Raises UsageError if that fails."""
        arguments: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self.address is None:
            arguments |= {"num_cpus": max(os.cpu_count() or 1, self.replicas), "include_dashboard": False}
        try:
            ray.init(address=self.address or "local", **arguments)
        except (
            ConnectionError,
            RuntimeError,
            ValueError,
            SystemExit,
        ) as error:  # Ray exits the process after a timeout
            reason = "no answer" if isinstance(error, SystemExit) else " ".join(str(error).split())
            raise UsageError(
                f"--executor ray: cannot reach a cluster at {self.address or 'local'}: {reason}"
            ) from error

    def _check_resources(self, resources: dict[str, float]) -> None:
        """Raise UsageError if the cluster has fewer CPUs or GPUs than the workers need."""
        for name, each in (("CPU", 1.0), ("GPU", self.gpus)):
            needed, there = each * self.replicas, resources.get(name, 0.0)
            if needed > there:
                raise UsageError(
                    f"--replicas {self.replicas}: {needed:g} {name}s are needed, the cluster has {there:g}: ask for "
                    "fewer, or add machines with `ray start --address=...`"
                )
