"""Data sets of the Hugging Face hub: their download, and their location in a local hub cache."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from alm_bench.core import DataError, FetchError
from alm_bench.core.errors import get_first_line
from alm_bench.core.files import translate_write_errors, write_atomically
from alm_bench.data.fetch import check_free_space, compute_digest
from alm_bench.data.root import LocalRoot

ADVICE = "check the name and the connection, run `hf auth login` if it is gated"


def fetch_hub_root(dataset: str, revision: str | None = None, cache: Path | None = None) -> LocalRoot:
    """Return the data set's files as a data root. They are downloaded into the hub's cache (or `cache`) unless they
    exist there.

    Raises DataError if the hub cannot be reached or has no such data set.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # HTTPError of requests or httpx, depending on the version

    try:
        folder = snapshot_download(dataset, repo_type="dataset", revision=revision, cache_dir=cache)
    except (OSError, ValueError, HTTPError) as error:
        raise DataError(
            f"hub data set {dataset}{f' at {revision}' if revision else ''} cannot be had ({get_first_line(error)}); "
            f"{ADVICE}, or give a local copy with --data FOLDER"
        ) from error
    return LocalRoot(Path(folder))


@dataclass(frozen=True, slots=True)
class HubCopy:
    """Description of the downloaded parquet files of a data set at one revision. It is stored as a JSON file in their
    folder."""

    dataset: str
    """Name of the data set on the hub."""

    revision: str
    """Commit hash."""

    files: dict[str, int]
    """Size in bytes by path relative to the folder."""

    whole: bool = False
    """True if every file was downloaded and matches its published sha256."""

    def write(self, folder: Path, option: str) -> None:
        """Write the description to `folder`. Raises StoreError, which names the command-line option `option`."""
        write_atomically(_get_description_path(folder, self.dataset), json.dumps(dataclasses.asdict(self)), option)

    @staticmethod
    def read(folder: Path, dataset: str) -> "HubCopy | None":
        """Read the description of the copy in `folder`; None if there is none. In the result, `whole` is False also if
        a file is missing or does not have the described size."""
        try:
            found = HubCopy(**json.loads(_get_description_path(folder, dataset).read_text(encoding="utf-8")))
            sizes = {folder / name: size for name, size in found.files.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        there = all(path.is_file() and path.stat().st_size == size for path, size in sizes.items())
        return dataclasses.replace(found, whole=found.whole and there)


def fetch_hub_copy(dataset: str, folder: Path, endpoint: str | None = None, option: str = "--to") -> HubCopy:
    """Download the data set's parquet files into `folder`. An interrupted download resumes at the same revision.

    `option` is the command-line option that error messages name. Raises FetchError if the hub refuses or a file does
    not match its published size or sha256, StoreError if a file cannot be written.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    previous = HubCopy.read(folder, dataset)
    try:
        info = HfApi(endpoint=endpoint).dataset_info(
            dataset, revision=previous.revision if previous else None, files_metadata=True
        )
        listed = {each.rfilename: each for each in info.siblings or () if each.rfilename.endswith(".parquet")}
        if info.sha is None or not listed:
            raise FetchError(f"hub data set {dataset}: it has no parquet files")
        if unknown := [name for name, each in listed.items() if each.size is None]:
            raise FetchError(f"hub data set {dataset}: the hub tells no size of {unknown[0]}, expected one")
        copy = HubCopy(dataset, info.sha, {name: each.size or 0 for name, each in listed.items()})
        copy.write(folder, option)
        check_free_space(folder, sum(size for name, size in copy.files.items() if not (folder / name).is_file()))
        snapshot_download(
            dataset,
            repo_type="dataset",
            revision=copy.revision,
            local_dir=folder,
            allow_patterns="*.parquet",
            endpoint=endpoint,
        )
    except (HTTPError, ValueError) as error:
        raise FetchError(f"hub data set {dataset} cannot be had ({get_first_line(error)}); {ADVICE}") from error
    except OSError as error:
        if error.errno is None:  # raised by the library because of the hub's reply
            raise FetchError(f"hub data set {dataset} cannot be had ({get_first_line(error)}); {ADVICE}") from error
        with translate_write_errors(folder, option):
            raise
    for name, each in listed.items():
        if (came := (folder / name).stat().st_size) != each.size:
            (folder / name).unlink()
            mismatch = f"{name} came with {came:,} bytes, the hub lists {each.size:,}"
            raise FetchError(f"hub data set {dataset}: {mismatch}; it was removed")
        if each.lfs is not None and compute_digest(folder / name, "sha256") != each.lfs.sha256:
            (folder / name).unlink()
            raise FetchError(f"hub data set {dataset}: {name} came with another sha256 than listed; it was removed")
    whole = dataclasses.replace(copy, whole=True)
    whole.write(folder, option)
    return whole


def _get_description_path(folder: Path, dataset: str) -> Path:
    """Return the path of the JSON file in which `HubCopy.write` describes the copy of `dataset` in `folder`."""
    return folder / f".{dataset.replace('/', '--')}.json"


def open_local_root(folder: Path, dataset: str | None = None) -> LocalRoot:
    """Return a data root for `folder`. If `folder` is a hub cache, or contains one, the root is the snapshot of
    `dataset` in it."""
    snapshot = _find_snapshot(folder, dataset) if dataset else None
    return LocalRoot(snapshot or folder)


def _find_snapshot(folder: Path, dataset: str) -> Path | None:
    """Return the folder `datasets--owner--name/snapshots/<revision>` of the revision that `refs/main` names, else of
    the newest one; None if there is no snapshot."""
    name = "datasets--" + dataset.replace("/", "--")
    for repository in (folder, folder / name, folder / "hub" / name):
        if repository.name != name or not (repository / "snapshots").is_dir():
            continue
        snapshots = [path for path in (repository / "snapshots").iterdir() if path.is_dir()]
        main = repository / "refs" / "main"
        named = main.read_text(encoding="utf-8").strip() if main.is_file() else None
        by_name = {path.name: path for path in snapshots}
        if named in by_name:
            return by_name[named]
        if snapshots:
            return max(snapshots, key=lambda path: (path.stat().st_mtime_ns, path.name))
    return None
