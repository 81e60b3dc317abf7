"""The demo world at its default size, written once for all tests of this folder."""

import pytest

from alm_bench.demo import DemoRoot, demo_root


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoRoot:
    return demo_root(tmp_path_factory.mktemp("demo"))
