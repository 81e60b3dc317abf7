"""Errors a user can meet. Each message is one line: what was found, what was expected, what to do."""

from collections.abc import Iterable


class AlmBenchError(Exception):
    """Base of every error that is reported as one line, without a traceback."""

    exit_code = 1


class UsageError(AlmBenchError):
    """The command line, a configuration or an input file asks for something that cannot be."""

    exit_code = 2


class UnreachableError(UsageError):
    """No call to a model can succeed, whatever is asked: nobody is there, or takes the key, or knows the name. It ends
    a run, unlike what one item meets."""


class DataError(UsageError):
    """A data file is missing or malformed."""


class FetchError(AlmBenchError):
    """Something cannot be fetched: no connection, a server's refusal, a checksum that does not fit."""


class AudioError(AlmBenchError):
    """A clip that cannot be used (missing, unreadable, empty, too short, not finite).

    The runner turns it into the item's status; it never stops a run.
    """


class CheckpointError(UsageError):
    """Model weights are missing, of another layout, or unsafe to read."""


class AdapterError(AlmBenchError):
    """A model's code does not do what its protocol says, so that its run cannot go on."""


class MetricError(AlmBenchError):
    """A metric cannot be computed; others can."""


class StoreError(AlmBenchError):
    """A run folder cannot be written or read (full disk, read-only, locked by another process)."""


class StoreLostError(StoreError):
    """A run's files were removed, moved or replaced while the run was writing them."""


def known_first(name: str, known: Iterable[str], limit: int = 12) -> str:
    """List the known names, those closest to `name` first, for an error message."""
    from rapidfuzz import fuzz, process  # here, since most commands never fail

    names = sorted(set(known))
    ranked = [match for match, _, _ in process.extract(name, names, scorer=fuzz.WRatio, limit=len(names))]
    shown = ", ".join(ranked[:limit])
    return shown + (f", ... ({len(names)} in all)" if len(ranked) > limit else "")
