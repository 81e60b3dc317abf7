"""Upload of a run to the Hugging Face hub: its items to a data set, or its result to a model's repository.

Items are published without information about this machine: paths of clips, package versions and the commit are left
out. No audio is uploaded.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from alm_bench.core import AlmBenchError, UsageError
from alm_bench.core.errors import get_first_line
from alm_bench.core.foreign import dump_json
from alm_bench.export.format import HubTarget
from alm_bench.export.formats.hub import render_model_card, write_eval_results
from alm_bench.export.formats.tables import write_parquet_rows
from alm_bench.items import list_rows
from alm_bench.records.models import build_runs_json

if TYPE_CHECKING:
    from alm_bench.records.run import Run

Kind = Literal["dataset", "hf-eval"]
"""Kind of upload: the run's items to a data set (`dataset`), or its result to a model's repository (`hf-eval`)."""

KINDS: tuple[Kind, ...] = ("dataset", "hf-eval")


@dataclass(frozen=True, slots=True)
class Upload:
    """Files to upload and the repository to upload them to."""

    repository: str
    """Repository on the hub, `ORG/NAME`."""

    kind: Kind
    """Kind of upload."""

    files: Mapping[str, Path]
    """Files on this machine by their path in the repository, sorted."""

    public: bool = False
    """True to make the repository public if it has to be created."""

    @property
    def repository_type(self) -> Literal["dataset", "model"]:
        return "dataset" if self.kind == "dataset" else "model"

    def as_json(self) -> dict[str, Any]:
        """Return the upload as a JSON object, with the size of each file in bytes."""
        return {
            "repository": self.repository,
            "type": self.repository_type,
            "files": [{"path": name, "bytes": path.stat().st_size} for name, path in self.files.items()],
        }


@contextmanager
def prepare_upload(run: "Run", repository: str, kind: Kind, public: bool, target: HubTarget) -> Iterator[Upload]:
    """Write the files of an upload to a temporary folder, which exists until the end of the block.

    Raises UsageError if `repository` is not of the form `ORG/NAME`, or if the run has no result for the hub.
    """
    organisation, slash, name = repository.partition("/")
    if not slash or not organisation or not name or "/" in name:
        raise UsageError(f"push takes a repository ORG/NAME, found {repository!r}")
    with TemporaryDirectory() as folder:
        write = _write_items if kind == "dataset" else _write_result
        write(run, Path(folder), target)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        yield Upload(repository, kind, {path.relative_to(folder).as_posix(): path for path in files}, public)


def _write_result(run: "Run", folder: Path, target: HubTarget) -> None:
    """Write the run's main metric as a file of `.eval_results`, named after the task."""
    write_eval_results(run, folder / ".eval_results" / f"{run.summary.task}.yaml", target)


def _write_items(run: "Run", folder: Path, target: HubTarget) -> None:
    """Write the card of a data set, the table of items, and the run's summary."""
    rows = [_hide_paths(row) for row in list_rows(run)]
    name = run.summary.run
    write_parquet_rows(rows, folder / "data" / f"{name}.parquet")
    summary = build_runs_json([run.summary])
    (folder / "summaries").mkdir()
    (folder / "summaries" / f"{name}.json").write_text(dump_json(summary, indent=1) + "\n", encoding="utf-8")
    header = f"---\ntags:\n- alm-bench\npretty_name: {dump_json(f'{run.summary.task} by {run.summary.model}')}\n---"
    about = "Answers of a model to the items of a benchmark, one row per item. `text` is the raw answer."
    card = f"{header}\n\n# Run {name}\n\n{about}\n\n{render_model_card(run.summary)}\n"
    (folder / "README.md").write_text(card, encoding="utf-8")


def _hide_paths(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the items table without paths of clips on this machine. In the reason of a failed or skipped
    item, a path is shortened to its file name."""
    reason = row["reason"]
    for path in row["clips"]:
        reason = None if reason is None else reason.replace(path, PurePath(path).name)
    return {name: value for name, value in row.items() if name != "clips"} | {"reason": reason}


def send_upload(upload: Upload) -> str:
    """Upload the files in one commit; return the URL of the commit or of the pull request.

    Items go to a data set, which is created if necessary, private unless `public`. A result is proposed as a pull
    request to an existing model repository. Raises AlmBenchError with the hub's answer if it refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HTTPError, LocalTokenNotFoundError  # type: ignore[attr-defined]

    api = HfApi()
    proposed = upload.kind == "hf-eval"
    operations = [CommitOperationAdd(name, str(path)) for name, path in upload.files.items()]

    try:
        if not proposed:
            api.create_repo(upload.repository, repo_type="dataset", private=not upload.public, exist_ok=True)
        info = api.create_commit(
            upload.repository,
            operations,
            commit_message="Results measured by alm-bench",
            repo_type=upload.repository_type,
            create_pr=proposed,
        )
    except LocalTokenNotFoundError as error:
        raise AlmBenchError(
            f"{upload.repository}: no access token: log in with `hf auth login`, or set HF_TOKEN"
        ) from error
    except (HTTPError, ValueError, OSError) as error:
        raise AlmBenchError(f"{upload.repository}: nothing was uploaded ({get_first_line(error)})") from error
    return str(info.pr_url or info.commit_url)
