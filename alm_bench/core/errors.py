"""Errors that a user may see. Each message is one line that says what was found, what was expected and what to do."""

from collections.abc import Iterable


class AlmBenchError(Exception):
    """Base class of all errors that are reported as one line, without a traceback."""

    exit_code = 1


class UsageError(AlmBenchError):
    """The command line, a configuration or an input file asks for something that is not possible."""

    exit_code = 2


class UnreachableError(UsageError):
    """No call to a model can succeed: the server is unreachable, or it rejects the API key or the name of the model.

    It ends a run, unlike an error of a single item.
    """


class DataError(UsageError):
    """A data file is missing or malformed."""


class FetchError(AlmBenchError):
    """A download failed: no connection, a server error or a wrong checksum."""


class AudioError(AlmBenchError):
    """A clip cannot be used (missing, unreadable, empty, too short, not finite).

    The runner turns this error into the status of the item; it never stops a run.
    """


class CheckpointError(UsageError):
    """Model weights are missing, have an unexpected layout, or are unsafe to read."""


class AdapterError(AlmBenchError):
    """A run cannot continue because of its model, for example because the model's code violates the adapter
    protocol."""


class MetricError(AlmBenchError):
    """A metric cannot be computed; other metrics of the same items may still be available."""


class StoreError(AlmBenchError):
    """A run folder cannot be written or read (full disk, read-only, locked by another process)."""


class StoreLostError(StoreError):
    """A run's files were removed, moved or replaced while the run was writing them."""


def get_first_line(error: BaseException) -> str:
    """Return the first line of an error's message that is not empty; its type's name if there is none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def describe_error(error: BaseException) -> str:
    """Describe an error in one line: the project's own by their message, others by their type and message."""
    message, name = " ".join(str(error).split()), type(error).__name__
    if isinstance(error, AlmBenchError):
        return message
    return f"{name}: {message}" if message else name


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""Messages of torch's plain RuntimeErrors for the memory of the machine."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return True if an error, or an error that caused it, means that memory ran out.

    These are Python's MemoryError, torch's OutOfMemoryError (recognised by its name, so that torch is not imported),
    and RuntimeErrors with the messages of torch for this case.
    """
    while error is not None:
        if isinstance(error, MemoryError) or "OutOfMemoryError" in (kind.__name__ for kind in type(error).__mro__):
            return True
        if isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY):
            return True
        error = error.__cause__
    return False


def format_similar_names(name: str, known_names: Iterable[str], limit: int = 20) -> str:
    """Return a list of known names, as text for an error message: the `limit` names that are most similar to `name`."""
    from rapidfuzz import fuzz  # here, since most commands never fail
    from rapidfuzz.distance import OSA

    names = sorted(set(known_names))
    # WRatio finds names that contain the word, OSA those that differ by a slip such as two exchanged letters.
    ranked = sorted(names, key=lambda one: -(fuzz.WRatio(name, one) + 100 * OSA.normalized_similarity(name, one)))
    shown = ", ".join(ranked[:limit])
    return shown + (f", ... ({len(names)} in all)" if len(ranked) > limit else "")
