"""Data sets of the Hugging Face hub: fetched, or found where a local copy of the hub's cache has them."""

from pathlib import Path

from alm_bench.core import DataError
from alm_bench.data.root import LocalRoot


def hub_root(dataset: str, revision: str | None = None, cache: Path | None = None) -> LocalRoot:
    """The data set's files, downloaded into the hub's cache (or `cache`) unless they are there.

    Raises DataError when the hub cannot be reached or has no such data set.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the hub's transport, which varies

    try:
        folder = snapshot_download(dataset, repo_type="dataset", revision=revision, cache_dir=cache)
    except (OSError, ValueError, HTTPError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(
            f"hub data set {dataset}{f' at {revision}' if revision else ''} cannot be had ({reason}); check the name "
            "and the connection, run `hf auth login` if it is gated, or give a local copy with --data FOLDER"
        ) from error
    return LocalRoot(Path(folder))


def local_root(folder: Path, dataset: str | None = None) -> LocalRoot:
    """`folder`, or the snapshot of `dataset` in it when it is a hub cache (or the folder above one)."""
    snapshot = _snapshot(folder, dataset) if dataset else None
    return LocalRoot(snapshot or folder)


def _snapshot(folder: Path, dataset: str) -> Path | None:
    """The revision that `refs/main` names, else the one fetched last: `datasets--owner--name/snapshots/<revision>`."""
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
