"""The wheel as a user gets it: built from the tracked files, installed, and run from an empty folder."""

import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import small_world

HOME = Path(__file__).resolve().parents[1]


def done(*command: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PIP_", "ALM_BENCH_"))}
    process = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, env=clean, check=False)
    assert process.returncode == 0, process.stderr + process.stdout
    return process


def tracked() -> list[str]:
    """Files that are, or are about to be, under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=HOME,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files belong to it cannot be told")
    return [name for name in listed.stdout.split("\0") if name and (HOME / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        enough = int(version("setuptools").partition(".")[0]) >= 77
        version("build")
    except PackageNotFoundError:
        enough = False
    if not enough:
        pytest.skip("needs build and setuptools>=77 here, since nothing is fetched for a test")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((HOME / name).read_bytes())
    done(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, source, cwd=target)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that has the wheel, and everything else of this one but its alm-bench."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python", "--disable-pip-version-check")
    done(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    (site,) = home.glob("lib/python*/site-packages")
    # the hooks of editable installs are not run in folders that a .pth file names
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "others.pth").write_text("\n".join(others) + "\n")
    return home


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {name for name in tracked() if name.split("/")[0] in ("alm_bench", "tasks", "adapters")}
    places = {name if name.startswith("alm_bench/") else f"alm_bench/{name}" for name in code}
    assert "alm_bench/tasks/mmau/task.toml" in names
    assert "alm_bench/py.typed" in names
    assert {name for name in names if ".dist-info/" not in name} == {*places, "mellow.py"}
    assert not [name for name in names if "test" in name.lower().split("/")[0]]
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_its_commands_run_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = installed / "bin/alm-bench"
    tasks = json.loads(done(command, "ls", "tasks", "--json", cwd=tmp_path).stdout)["tasks"]
    models = json.loads(done(command, "ls", "models", "--json", cwd=tmp_path).stdout)["models"]
    assert {"mmau", "cle", "ace"} <= {row["task"] for row in tasks}
    assert {"blind", "echo", "mellow", "replay"} <= {row["model"] for row in models}
    data = small_world.mmau(tmp_path / "data", 3, clips=False)
    ran = done(command, "run", "--model", "blind", "--tasks", "mmau", "--data", data, "--json", cwd=tmp_path)
    assert json.loads(ran.stdout)["runs"][0]["n"] == 3
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"alm-bench": "alm_bench.cli:main"}


def test_it_is_the_wheel_that_ran(installed: Path, tmp_path: Path) -> None:
    """Code, cards and adapters come from the installed package, not from this checkout."""
    code = (
        "import alm_bench, json; from alm_bench.plugins import catalogue; c = catalogue()\n"
        "places = [alm_bench.__file__, *(str(entry.card.folder) for entry in c.tasks.values())]\n"
        "import sys\n"
        "places += [sys.modules[entry.cls.__module__].__file__ for entry in c.adapters.values()]\n"
        "print(json.dumps(places))"
    )
    places = json.loads(done(installed / "bin/python", "-c", code, cwd=tmp_path).stdout)
    assert len(places) > 6
    assert all(Path(place).is_relative_to(installed) for place in places), places
