"""How much memory there is for this process, and how much it has taken: read from Linux, unknown elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes: what this process can still take, what it holds, and the most that it ever held."""

    available: int
    resident: int
    peak: int


def read_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> Memory | None:
    """None where it cannot be read."""
    machine, own = _kilobytes(proc / "meminfo"), _kilobytes(proc / "self/status")
    try:
        room = min([machine["MemAvailable"], *_rooms(proc / "self/cgroup", cgroups)])
        return Memory(room, own["VmRSS"], own["VmHWM"])
    except KeyError:
        return None


def _kilobytes(file: Path) -> dict[str, int]:
    """The lines `Name:  123 kB` of a file, in bytes; none where it is not there."""
    pairs = (line.partition(":") for line in _text(file).splitlines())
    return {name: 1024 * int(value.split()[0]) for name, _, value in pairs if value.endswith(" kB")}


def _rooms(table: Path, cgroups: Path) -> Iterator[int]:
    """What each limit of a container or a service on the process leaves: of its group, and of those above it."""
    for line in _text(table).splitlines():
        _, controllers, own = line.split(":", 2)
        if not controllers:
            yield from _left(cgroups, own, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _left(cgroups / "memory", own, names)


def _left(root: Path, own: str, names: tuple[str, str, str]) -> Iterator[int]:
    limit, used, reclaimable = names
    group = root / own.strip("/")
    for folder in (group, *group.parents):
        told, taken = _text(folder / limit).strip(), _text(folder / used).strip()
        if told.isdecimal() and taken.isdecimal():  # "max" is no limit
            pairs = (line.split() for line in _text(folder / "memory.stat").splitlines())
            cached = next((int(value) for name, value in pairs if name == reclaimable), 0)
            yield max(0, int(told) - int(taken) + cached)
        if folder == root:
            return


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
