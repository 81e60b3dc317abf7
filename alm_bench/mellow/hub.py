"""Files from the Hugging Face hub. A file in the local cache is used without a network request, others are
downloaded."""

from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from alm_bench.core.errors import CheckpointError, get_first_line


def find_cached(repo: str, file: str) -> Path | None:
    """Return the path of a file in the local hub cache (HF_HUB_CACHE), or None if it is not there."""
    path = try_to_load_from_cache(repo, file)
    return Path(path) if isinstance(path, str) else None


def fetch_hub_file(repo: str, file: str, advice: str) -> Path:
    """Return the path of a file of the hub repository `repo`, downloaded if it is not in the local cache.

    `advice` is the end of the error message: one clause that says how to proceed without the hub. Raises
    CheckpointError.
    """
    cached = find_cached(repo, file)
    if cached is not None:
        return cached
    try:
        return Path(hf_hub_download(repo, file))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = "the hub cannot be reached" if isinstance(error, LocalEntryNotFoundError) else get_first_line(error)
        message = f"{file} of {repo} is not in the local cache and cannot be downloaded ({reason}); {advice}"
        raise CheckpointError(message) from error
