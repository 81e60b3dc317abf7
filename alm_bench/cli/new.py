"""`alm-bench new`: the start of a task, a model or a worker of one's own, outside this repository."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write the start of a task, an adapter or a worker of your own.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What it is to be called: lower-case letters, digits and underscores.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The folder to write; ./NAME where none.")]


@app.command()
def task(name: Name, out: Out = None) -> None:
    """Write a package with a multiple-choice task, demo data and tests, ready to be installed."""
    from alm_bench.scaffold import new_task

    folder = new_task(name, out or Path(name))
    print(f"wrote {folder}: cd {folder} && pip install -e . && alm-bench run --model blind --tasks {name}")


@app.command()
def adapter(name: Name, out: Out = None) -> None:
    """Write a package with a model's adapter and tests, ready to be installed."""
    from alm_bench.scaffold import new_adapter

    folder = new_adapter(name, out or Path(name))
    print(f"wrote {folder}: pip install -e {folder} && alm-bench run --model {name} --tasks mmau")


@app.command()
def worker(file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("worker.py")) -> None:
    """Write a worker for `--model exec`: a model in an environment of its own, any Python from 3.8 on."""
    from alm_bench.scaffold import new_worker

    new_worker(file)
    print(f'wrote {file}: alm-bench run --model exec --model-arg command="python {file}" --tasks mmau')
