"""`alm-bench new`: create the skeleton of a task, a model adapter or a worker outside of this repository."""

from pathlib import Path
from typing import Annotated

import typer

from alm_bench.cli import common

app = typer.Typer(help="Create a plug-in or a sidecar.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name: lower-case letters, digits and underscores.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write. [default: ./NAME]")]


@app.command()
def task(name: Name, out: Out = None) -> None:
    """Create a package with a multiple-choice task, data and tests."""
    from alm_bench.scaffold import create_task

    folder = create_task(name, out or Path(name))
    print(f"wrote {folder}: cd {folder} && pip install -e . && alm-bench run --model blind --tasks {name}")


@app.command()
def adapter(name: Name, out: Out = None) -> None:
    """Create a package with a model adapter and tests."""
    from alm_bench.scaffold import create_adapter

    folder = create_adapter(name, out or Path(name))
    print(f"wrote {folder}: pip install -e {folder} && alm-bench run --model {name} --tasks mmau")


@app.command()
def sidecar(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Question file, such as ./birds.csv.")],
    map_: common.ColumnMap = None,
    audio_root: common.AudioRoot = None,
    kind: common.Kind = None,
    group_by: common.GroupBy = None,
) -> None:
    """Write a sidecar: which column of a question file has which role.

    The sidecar is a TOML file beside the question file (birds.csv: birds.toml). FILE is read accordingly from then
    on; edit the sidecar to change that.
    """
    from alm_bench.scaffold import create_sidecar

    path = create_sidecar(file, common.collect_file_options(map_, audio_root, kind, group_by))
    print(f"wrote {path}: alm-bench run --model blind --tasks {file}")


@app.command()
def worker(file: Annotated[Path, typer.Argument(metavar="[FILE]", help="File to write.")] = Path("worker.py")) -> None:
    """Create a worker for `--model exec`.

    It runs a model in an environment of its own, with Python 3.8 or newer.
    """
    from alm_bench.scaffold import create_worker

    create_worker(file)
    print(f'wrote {file}: alm-bench run --model exec --model-arg command="python {file}" --tasks mmau')
