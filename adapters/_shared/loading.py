"""Helper functions for loading checkpoints: hash of a folder, and failures in one line."""

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.errors import CheckpointError, StoreError, get_first_line, is_out_of_memory
from alm_bench.core.files import compute_sha256, get_cache_folder

LONGEST_LINE = 200

_READ = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".py")
"""Suffixes of the files that loading reads: weights, configurations, tokenizers, templates, code."""


@contextlib.contextmanager
def silence_transformers() -> Iterator[None]:
    """Context manager in which transformers prints neither messages nor progress bars."""
    import transformers

    logging: Any = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        # The bar of the conversion of GGUF files heeds no setting.
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def translate_load_errors(failure: str, memory_options: str, expected: str = "") -> Iterator[None]:
    """Turn exceptions within the block into CheckpointError with a one-line message.

    The message consists of `failure`, the reason, and `expected`, a description of what would have been valid.
    `memory_options` names the options that help if memory is too small. The block may run any code that reads a
    checkpoint: tokenizers and bad configurations raise all kinds of errors.
    """
    try:
        yield
    except Exception as error:
        reason = describe_load_error(error, memory_options)
        raise CheckpointError(f"{failure}: {reason}" + (f"; expected {expected}" if expected else "")) from error


def describe_load_error(error: BaseException, memory_options: str) -> str:
    """Return the reason in one line why a checkpoint could not be loaded.

    Errors of the hub are recognised even if transformers has wrapped them in longer errors of its own. `memory_options`
    names the options that help if memory is too small.
    """
    cause: BaseException | None = error
    while cause is not None:
        for kind, told in HUB_REASONS:
            if isinstance(cause, kind):
                return told
        cause = cause.__cause__ or cause.__context__
    if is_out_of_memory(error):
        return f"out of memory; try {memory_options}"
    line = get_first_line(error)
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "..."


HUB_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (GatedRepoError, "the hub's repository is gated: accept its terms on its page, then run `hf auth login`"),
    (RepositoryNotFoundError, "the hub has no such repository, or a private one: check the name, `hf auth login`"),
    (RevisionNotFoundError, "the hub's repository has no such revision"),
    (OfflineModeIsEnabled, "it is not in the local hub cache, and HF_HUB_OFFLINE is set"),
    (LocalEntryNotFoundError, "it is not in the local hub cache, and the hub cannot be reached"),
)
"""Reasons by error class. A subclass precedes its base class, since the first match is used."""


def compute_folder_sha256(folder: Path) -> str:
    """Return the SHA-256 over the names and contents of the files from which a checkpoint in `folder` is loaded.

    Hashing gigabytes takes long. The hash of a file is therefore cached in the cache folder, and reused as long as the
    file's path, size and modification time do not change.
    """
    cache = DiskCache(get_cache_folder("hf") / "hashes.sqlite")
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in _READ and path.is_file()):
        whole.update(f"{path.name}\n{_compute_cached_sha256(path, cache)}\n".encode())
    return whole.hexdigest()


def _compute_cached_sha256(path: Path, cache: DiskCache) -> str:
    """Return the SHA-256 of a file, from the cache if the file has not changed since it was hashed."""
    status = path.stat()
    key = f"{path.resolve()}\n{status.st_size}\n{status.st_mtime_ns}"
    with contextlib.suppress(StoreError):  # without the cache, only time is lost
        if isinstance(known := cache.get(key), str):
            return known
    digest = compute_sha256(path)
    with contextlib.suppress(StoreError):
        cache.put(key, digest)
    return digest
