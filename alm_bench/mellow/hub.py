"""Files of the Hugging Face hub: from the local cache without asking the network, else downloaded."""

from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from alm_bench.core.errors import CheckpointError, first_line


def find_cached(repo: str, file: str) -> Path | None:
    """Return the path of the file in the local hub cache (HF_HUB_CACHE), or None."""
    path = try_to_load_from_cache(repo, file)
    return Path(path) if isinstance(path, str) else None


def fetch(repo: str, file: str, otherwise: str) -> Path:
    """The cached or downloaded file. `otherwise` ends the error's line: what to do without the hub."""
    found = find_cached(repo, file)
    if found is not None:
        return found
    try:
        return Path(hf_hub_download(repo, file))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = "the hub cannot be reached" if isinstance(error, LocalEntryNotFoundError) else first_line(error)
        message = f"{file} of {repo} is not in the local cache and cannot be downloaded ({reason}); {otherwise}"
        raise CheckpointError(message) from error
