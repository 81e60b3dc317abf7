"""Memory that is available to this process and that it uses: read from Linux, unknown on other systems."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of this process in bytes."""

    available: int
    """Memory that the process can still allocate."""

    resident: int
    """Memory that the process uses now."""

    peak: int
    """Largest amount of memory that the process has used."""


def read_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> Memory | None:
    """Return the memory of this process; None if the system does not report it."""
    machine, own = _read_kilobytes(proc / "meminfo"), _read_kilobytes(proc / "self/status")
    try:
        room = min([machine["MemAvailable"], *_list_remaining_memory(proc / "self/cgroup", cgroups)])
        return Memory(room, own["VmRSS"], own["VmHWM"])
    except KeyError:
        return None


def _read_kilobytes(file: Path) -> dict[str, int]:
    """Return the values of the lines `Name: 123 kB` of a file in bytes, by name; empty if the file is missing."""
    pairs = (line.partition(":") for line in _read_text(file).splitlines())
    return {name: 1024 * int(value.split()[0]) for name, _, value in pairs if value.endswith(" kB")}


def _list_remaining_memory(cgroup_list: Path, cgroup_root: Path) -> Iterator[int]:
    """Yield, for each memory limit on this process, the number of bytes that remain below it.

    The limits are those of the process's own cgroup and of all groups above it, such as the limit of a container.
    `cgroup_list` is the file that lists the process's cgroups, `cgroup_root` the folder of all cgroups.
    """
    for line in _read_text(cgroup_list).splitlines():
        _, controllers, own = line.split(":", 2)
        if not controllers:
            yield from _iterate_remaining_memory(cgroup_root, own, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _iterate_remaining_memory(cgroup_root / "memory", own, names)


def _iterate_remaining_memory(root: Path, own_group: str, names: tuple[str, str, str]) -> Iterator[int]:
    """Yield the remaining memory of a cgroup and of each group above it, up to `root`.

    `names` are the file with the limit, the file with the usage, and the entry of `memory.stat` with the file cache
    that can be reclaimed.
    """
    limit, used, reclaimable = names
    group = root / own_group.strip("/")
    for folder in (group, *group.parents):
        told, taken = _read_text(folder / limit).strip(), _read_text(folder / used).strip()
        if told.isdecimal() and taken.isdecimal():  # "max" is no limit
            pairs = (line.split() for line in _read_text(folder / "memory.stat").splitlines())
            cached = next((int(value) for name, value in pairs if name == reclaimable), 0)
            yield max(0, int(told) - int(taken) + cached)
        if folder == root:
            return


def _read_text(file: Path) -> str:
    """Return the text of a file; "" if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
