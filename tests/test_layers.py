"""Who may import whom, read from the code; and which commands never load a heavy library, seen in a fresh process."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_world

HOME = Path(__file__).resolve().parents[1]
_UPSTAIRS = "core audio data demo judges mellow parsing plugins records reports runner tracking scaffold scoring train"
MAY_IMPORT = {
    "core": "",
    "audio": "core",
    "data": "core",
    "parsing": "core",
    "plugins": "core",
    "scaffold": "core plugins",
    "scoring": "core parsing",
    "records": "core scoring",
    "reports": "calibration core scoring records",
    "demo": "core audio data",
    "mellow": "core audio",
    "train": "core audio data demo mellow parsing scoring records reports plugins runner",
    "task_bases": "core data parsing scoring",
    "tasks": "core audio data demo parsing scoring task_bases",
    "adapters": "core audio data mellow plugins",
    "runner": "core audio data scoring records plugins",
    "judges": "audio calibration core data parsing plugins records runner scoring",
    "tracking": "core records",
    "synthesis": "core data demo parsing plugins records reports runner scoring",
    "resolve": _UPSTAIRS,
    "models": _UPSTAIRS,
    "calibration": "core data scoring",
    "html_report": f"{_UPSTAIRS} resolve",
    "items": "core records plugins resolve",
    "results": f"{_UPSTAIRS} html_report items resolve",
    "export": f"{_UPSTAIRS} items results",
    "progress": "records",
    "jobs": f"{_UPSTAIRS} resolve",
    "evaluation": f"{_UPSTAIRS} jobs progress",
    "rescoring": f"{_UPSTAIRS} progress resolve",
    "review": f"{_UPSTAIRS} progress rescoring",
    "grounding": f"{_UPSTAIRS} evaluation jobs progress",
    "suites": f"{_UPSTAIRS} jobs resolve",
    "api": f"{_UPSTAIRS} evaluation grounding html_report models rescoring resolve results suites",
    "": "api core results",
    "cli": f"{_UPSTAIRS} api calibration evaluation export grounding html_report items rescoring resolve results "
    "review suites synthesis".replace("mellow ", ""),
    "__main__": "cli",
}
PARTS = tuple(MAY_IMPORT)
HEAVY = ("torch", "transformers", "scipy", "sklearn", "pandas", "datasets")


def place(file: Path) -> tuple[str, ...]:
    """The file's module below alm_bench, as parts: tasks/mmau/plugin.py is ("tasks", "mmau", "plugin")."""
    below = file.relative_to(HOME).with_suffix("").parts
    below = below[1:] if below[0] == "alm_bench" else below
    return below[:-1] if below[-1] == "__init__" else below


def imports(tree: ast.AST, home: tuple[str, ...], package: bool) -> Iterator[tuple[str, ...]]:
    """What a module imports of alm_bench, as parts below it; function-level imports too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                up = len(home) - node.level + (1 if package else 0)
                base = ["alm_bench", *home[:up], *base]
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "alm_bench":
                yield tuple(name[1:])


def breaches(source: str, home: tuple[str, ...], package: bool = False) -> list[str]:
    """The rules of the house that a module breaks."""
    tree = ast.parse(source)
    part = home[0] if home else ""
    found = []
    for target in imports(tree, home, package):
        if not target or target[0] not in PARTS:  # alm_bench's own names (__version__)
            continue
        allowed = {part, *MAY_IMPORT.get(part, "").split()}
        if target[0] not in allowed:
            found.append(f"{part} imports {target[0]}")
        if part == target[0] == "tasks" and target[1] not in (home[1], "_shared"):
            found.append(f"task {home[1]} imports task {target[1]}")
    if part not in ("plugins", "tasks", "adapters"):
        for node in ast.walk(tree):
            named = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if named and node.value.startswith(("alm_bench.tasks", "alm_bench.adapters")):  # type: ignore[attr-defined]
                found.append(f"{part} names {node.value}")  # type: ignore[attr-defined]
    return found


def modules() -> list[Path]:
    return sorted(path for top in ("alm_bench", "tasks", "adapters") for path in (HOME / top).rglob("*.py"))


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(HOME)))
def test_a_module_keeps_to_its_layer(file: Path) -> None:
    assert breaches(file.read_text(encoding="utf-8"), place(file), file.name == "__init__.py") == []


def test_every_part_of_the_house_has_its_rule() -> None:
    found = {place(file)[0] for file in modules() if place(file)}
    assert found <= set(MAY_IMPORT), "a part that ARCHITECTURE.md does not know"
    assert {"core", "records", "runner", "cli", "tasks", "adapters"} <= found, "the scan sees the code"


@pytest.mark.parametrize(
    ("home", "source", "broken"),
    [
        (("core", "types"), "from alm_bench.data import readers", "core imports data"),
        (("core", "types"), "def f():\n    import alm_bench.audio", "core imports audio"),
        (("core", "types"), "from ..audio import load", "core imports audio"),
        (("records", "store"), "from alm_bench import runner", "records imports runner"),
        (("cli", "run"), "from alm_bench.mellow.model import Mellow", "cli imports mellow"),
        (("runner", "plan"), "import importlib\nimportlib.import_module('alm_bench.tasks.mmau')", "runner names"),
        (("tasks", "mmau", "plugin"), "from alm_bench.tasks.entailment import plugin", "task mmau imports task ent"),
        (("tasks", "mmau", "plugin"), "from ..entailment import plugin", "task mmau imports task entailment"),
    ],
)
def test_the_rules_see_a_breach(home: tuple[str, ...], source: str, broken: str) -> None:
    (found,) = breaches(source, home)
    assert found.startswith(broken)


def test_a_task_may_import_what_tasks_share() -> None:
    assert breaches("from alm_bench.tasks._shared import x\nfrom alm_bench.core import y", ("tasks", "mmau")) == []


def loaded_by(code: str, cwd: Path) -> set[str]:
    """The heavy libraries that are loaded once `code` has run in a fresh process."""
    report = f"import sys; print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "LOADED" in done.stdout, done.stdout
    return set(done.stdout.rpartition("LOADED")[2].split())


def called(*arguments: str) -> str:
    return (
        f"import sys; sys.argv = ['alm-bench', *{arguments!r}]\n"
        "from alm_bench.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code"
    )


def test_the_light_parts_load_no_torch(tmp_path: Path) -> None:
    parts = {"core", "parsing", "records", "plugins", "scoring"}
    names = [".".join(("alm_bench", *place(file))) for file in modules() if place(file) and place(file)[0] in parts]
    assert len(names) > 15
    assert not {"torch", "transformers"} & loaded_by(f"import {', '.join(names)}", tmp_path)


@pytest.mark.parametrize(
    "arguments", [("--help",), *(("ls", what) for what in ("tasks", "models", "runs", "conditions", "metrics"))]
)
def test_looking_around_loads_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert loaded_by(called(*arguments), tmp_path) == set()


def test_scoring_again_and_leaderboards_load_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_world.mmau(tmp_path / "data", clips=False)
    assert small_world.alm("run", "--model", "blind", "--tasks", "mmau").status == 0
    for command in (("score", small_world.only_run(tmp_path / "results/runs").name), ("leaderboard",)):
        assert not {"torch", "transformers"} & loaded_by(called(*command), tmp_path)


def test_the_probe_would_see_a_heavy_library(tmp_path: Path) -> None:
    assert loaded_by("import sys, types; sys.modules['torch'] = types.ModuleType('torch')", tmp_path) == {"torch"}
