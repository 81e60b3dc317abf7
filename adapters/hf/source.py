"""Location and identity of a checkpoint or LoRA adapter: a folder, or a repository of the hub at one commit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_bench.adapters._shared.loading import compute_folder_sha256
from alm_bench.core import CheckpointError
from alm_bench.core.errors import get_first_line
from alm_bench.core.foreign import parse_json


@dataclass(frozen=True, slots=True)
class Source:
    """Location of a checkpoint's files."""

    name: str
    """Path of the folder, or name of the repository."""

    commit: str | None
    """Commit of the repository; None for a folder."""

    config: dict[str, Any]
    """Content of its configuration file."""

    subfolder: str = ""
    """Subfolder that contains the files; "" for the top level."""

    @property
    def label(self) -> str:
        """Name of the repository, or last component of the folder's path."""
        return self.name if self.commit is not None else Path(self.name).resolve().name

    @property
    def fingerprint(self) -> str:
        """Commit of the repository, or SHA-256 over the folder's files."""
        return self.commit or compute_folder_sha256(Path(self.name) / self.subfolder)


def find_source(name: str, revision: str | None, file: str = "config.json", subfolder: str = "") -> Source:
    """Read the configuration `file` in `name`, a folder or a repository, and return the source.

    Raises CheckpointError with a one-line message.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Source(str(folder), None, _read_json(folder / subfolder / file), subfolder)
    if name.startswith(("/", "./", "../", "~")) or name.count("/") != 1:
        raise CheckpointError(f"{name}: no such folder, and no repository of the hub (expected ORG/NAME)")
    path = _download(name, revision, f"{subfolder}/{file}" if subfolder else file)
    # The snapshot folder is named after the commit; all other files are loaded from the same commit.
    commit = path.parents[1 if subfolder else 0].name
    return Source(name, commit, _read_json(path), subfolder)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} has no {path.name}: expected a folder that save_pretrained wrote, or a copy of a repository"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds a {type(found).__name__}, expected an object")
    return found


def _download(repository: str, revision: str | None, file: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import logging as hub_logging

    logging: Any = hub_logging  # without types
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # at other levels the library prints a line per retry
    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except GatedRepoError as error:  # before RepositoryNotFoundError, its base class
        raise CheckpointError(
            f"{repository} is gated: accept its licence on its page, then log in (`hf auth login`, or HF_TOKEN)"
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"{repository}: no such repository, or a private one (then log in: `hf auth login`, or HF_TOKEN)"
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"{repository} has no revision {revision!r}") from error
    except LocalEntryNotFoundError as error:  # before EntryNotFoundError, its base class
        raise CheckpointError(
            f"{repository} is not in the local cache and the hub cannot be reached: check the network, or name a "
            "folder with path="
        ) from error
    except EntryNotFoundError as error:
        raise CheckpointError(f"{repository} has no {file}: it is no checkpoint that transformers reads") from error
    except (HFValidationError, HfHubHTTPError, OSError) as error:
        raise CheckpointError(f"{repository}: {get_first_line(error)}") from error
    finally:
        logging.set_verbosity(verbosity)
