"""The demo data of all tasks together, for tests."""

from pathlib import Path

from alm_bench.demo import DemoRoot, create_demo_root
from alm_bench.plugins import catalogue


class World:
    """The demo data of every task of this repository, by the name of their folder."""

    def __init__(self, cache: Path) -> None:
        demos = {demo.name: demo for entry in catalogue().tasks.values() if (demo := entry.load_demo()) is not None}
        self.roots: dict[str, DemoRoot] = {name: create_demo_root(demo, cache) for name, demo in sorted(demos.items())}

    def file(self, name: str) -> Path:
        return self.owner(name).path / name

    def owner(self, name: str) -> DemoRoot:
        """The first data root that has this file."""
        return next(root for root in self.roots.values() if (root.path / name).is_file())

    @property
    def mmau(self) -> DemoRoot:
        return self.roots["mmau"]

    @property
    def reasonaqa(self) -> DemoRoot:
        return self.roots["reasonaqa"]
