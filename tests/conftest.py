"""Shared fixtures: the material beside the checkout where it is there, and an isolated cache."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("any speed", deadline=None)  # a slow machine fails no test
settings.load_profile("any speed")

if "PYTEST_XDIST_WORKER" in os.environ:  # processes side by side: each with one thread, before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_VARIABLE = "ALM_BENCH_SHARED"
"""The environment variable that names another folder of real material than the one beside the checkout."""

SHARED = Path(os.environ.get(SHARED_VARIABLE) or Path(__file__).resolve().parents[2] / "shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the real material, so that they can be run alone (`-m needs_shared`), and put the files
    of training first: they are the longest, and at the end one processor would be left with them alone."""
    items.sort(key=lambda item: "train" not in item.path.parts)
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs_shared)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real annotations, outputs and reference values beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"no real material: {SHARED_VARIABLE} is not set and there is no ../shared beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def trackio(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tracker's library, with a folder of its own, which it takes from the environment as it is imported."""
    os.environ["TRACKIO_DIR"] = str(tmp_path_factory.mktemp("trackio"))
    return pytest.importorskip("trackio", reason="the tracker's package is not installed: pip install trackio")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests neither read nor fill the user's cache, and see neither a data folder nor CoreNLP of the user's."""
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("ALM_BENCH_DATA", raising=False)
    monkeypatch.delenv("ALM_BENCH_SPICE_HOME", raising=False)
