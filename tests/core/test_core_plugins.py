"""The catalogue: what is in the repository, what others bring along, and what of it is broken."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_world import alm, mmau, only_run, refusal, stored

from alm_bench import plugins
from alm_bench.core import AblationCard, UsageError
from alm_bench.plugins import catalogue, read_cards
from alm_bench.runner.conditions import create_condition

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path, for packages that others installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    catalogue.cache_clear()
    yield folder
    catalogue.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


def install(site: Path, entry_points: str, **modules: str) -> None:
    """A distribution as pip lays it out."""
    info = site / "acme_alm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-alm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    (site / "acme_alm").mkdir(exist_ok=True)
    (site / "acme_alm/__init__.py").touch()
    for name, source in modules.items():
        (site / f"acme_alm/{name}.py").write_text(source)


ADAPTER = """
from dataclasses import dataclass
from alm_bench.core import BaseAdapter

@dataclass(frozen=True)
class Loudness:
    gain: float = 1.0

class AcmeAdapter(BaseAdapter):
    \"\"\"answers by loudness\"\"\"
    Options = Loudness
    audio = None
    def answer(self, request):
        return "abcd"[int(self.options.gain)]
"""


def test_an_installed_adapter_is_one_of_ours(site: Path) -> None:
    install(site, "[alm_bench.adapters]\nacme = acme_alm.adapter:AcmeAdapter\n", adapter=ADAPTER)
    rows = {row["model"]: row for row in alm("ls", "models", "--json").json["models"]}
    assert rows["acme"] == {
        "model": "acme",
        "options": "gain",
        "prompts": "letters",
        "scores options": "no",
        "what": "answers by loudness",
    }
    assert {"blind", "echo", "mellow", "replay"} < set(rows)
    mmau(Path("data"), 3, clips=False)
    ran = alm("run", "--model", "acme", "--model-arg", "gain=1", "--tasks", "mmau", "--json")
    assert (ran.status, ran.run["model"]) == (0, "AcmeAdapter")
    assert {row["text"] for row in stored(only_run(Path("results/runs")))} == {"b"}


def task_package(site: Path, name: str) -> None:
    """MMAU's folder under another package and name, its code as it is."""
    shutil.copytree(HOME / "tasks/mmau", site / "acme_alm/birds")
    card = site / "acme_alm/birds/task.toml"
    card.write_text(card.read_text().replace("tasks.mmau", f"tasks.{name}").replace("../_shared/", ""))
    shutil.copy(HOME / "tasks/_shared/prompts.toml", site / "acme_alm/birds")


def test_an_installed_task_is_one_of_ours(site: Path) -> None:
    install(site, "[alm_bench.tasks]\nbirds = acme_alm.birds\n")
    task_package(site, "birdsong")
    assert "birdsong" in {row["task"] for row in alm("ls", "tasks", "--json").json["tasks"]}
    mmau(Path("data"), 4, clips=False)
    found = alm("run", "--model", "blind", "--tasks", "birdsong", "--json").run
    assert (found["task"], found["n"], found["prompt"]["id"]) == ("birdsong", 4, "birdsong/letters")


def test_a_task_name_claimed_twice_is_an_error(site: Path) -> None:
    install(site, "[alm_bench.tasks]\nbirds = acme_alm.birds\n")
    task_package(site, "mmau")
    line = refusal(alm("ls", "tasks"))
    assert line == "alm-bench: task name 'mmau' is claimed twice, the second time by acme_alm.birds: uninstall one"


def test_a_model_name_claimed_twice_is_an_error(site: Path) -> None:
    install(site, "[alm_bench.adapters]\nreplay = acme_alm.adapter:AcmeAdapter\n", adapter=ADAPTER)
    line = refusal(alm("run", "--model", "blind", "--tasks", "mmau"))
    assert "adapter name 'replay' is claimed twice, the second time by acme_alm.adapter:AcmeAdapter" in line


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("class Other: pass\n", "AttributeError: module 'acme_alm.adapter' has no attribute 'AcmeAdapter'"),
        ("def f(:\n", "SyntaxError"),
        ("raise RuntimeError('no GPU')\n", "RuntimeError: no GPU"),
        ("AcmeAdapter = 3\n", "acme_alm.adapter:AcmeAdapter is no class with generate()"),
        ("class AcmeAdapter: pass\n", "derive it from alm_bench.core.BaseAdapter"),
        ("class AcmeAdapter:\n    Options = dict\n    generate = print\n", "Options is not a dataclass"),
    ],
)
def test_a_broken_adapter_is_listed_with_its_reason_and_stops_nothing(site: Path, source: str, reason: str) -> None:
    install(site, "[alm_bench.adapters]\nacme = acme_alm.adapter:AcmeAdapter\n", adapter=source)
    ran = alm("ls", "models")
    assert (ran.status, len(ran.err.splitlines())) == (0, 1)
    assert ran.err.startswith("plug-in acme is broken: ")
    assert reason in ran.err
    assert "| blind" in ran.out
    line = refusal(alm("run", "--model", "acme", "--tasks", "mmau"))
    assert "unknown model 'acme' (its plug-in is broken: " in line
    mmau(Path("data"), 2, clips=False)
    assert alm("run", "--model", "blind", "--tasks", "mmau").status == 0


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        (None, "No such file"),
        ("[card", "not a task card"),
        ("[card]\n[tasks.x]\n", "is missing"),
        ("tasks = 3\n[card]\n", "not a task card"),
        ('[card]\n[tasks.x]\nsplits=["a"]\nmetrics=[]\ngroups=[]\naudio=[]\nfiles=[]\ncolour="red"\n', "colour"),
    ],
)
def test_a_broken_task_is_listed_with_its_reason(site: Path, card: str | None, reason: str) -> None:
    install(site, "[alm_bench.tasks]\nbirds = acme_alm.birds\n")
    task_package(site, "birdsong")
    (site / "acme_alm/birds/task.toml").unlink()
    if card is not None:
        (site / "acme_alm/birds/task.toml").write_text(card)
    ran = alm("ls", "tasks")
    assert (ran.status, len(ran.err.splitlines())) == (0, 1)
    assert ran.err.startswith("plug-in birds is broken: ")
    assert reason in ran.err
    assert "| mmau" in ran.out
    assert "(its plug-in is broken: " in refusal(alm("run", "--model", "blind", "--tasks", "birds"))


MINE = '''"""My model."""

from dataclasses import dataclass

from alm_bench.core import AudioPolicy, BaseAdapter


@dataclass(frozen=True)
class MyOptions:
    letter: str = "a"


class MyAdapter(BaseAdapter):
    Options = MyOptions
    prompts = "native"
    audio = AudioPolicy(rate=16_000, seconds=1.0, short="repeat")

    def answer(self, request):
        assert request.waves[0].shape == (16_000,)
        return f"({self.options.letter})"
'''


def test_twenty_lines_of_ones_own_give_tables_and_a_leaderboard_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mmau(Path("data"), 6)
    Path("my_model.py").write_text(MINE)
    assert len(MINE.splitlines()) <= 21
    command = ("run", "--model", "./my_model.py:MyAdapter", "--tasks", "mmau", "--data", "data")
    ran = alm(*command)
    assert ran.status == 0
    assert "## mmau · MyAdapter" in ran.out
    assert "mmau/native@1" in ran.out
    assert alm("leaderboard").out.count("| MyAdapter ") == 2, "in the overview and in its section"
    first = alm(*command, "--json").run["fingerprint"]
    assert alm(*command, "--model-arg", "letter=b", "--json").run["fingerprint"] != first, "an option is another run"
    Path("my_model.py").write_text(MINE.replace('f"(', 'f" ('))
    assert alm(*command, "--json").run["fingerprint"] != first, "other code is another model"


def test_a_file_may_be_called_like_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("json.py").write_text(MINE)
    real = sys.modules["json"]
    assert plugins.catalogue().get_adapter("./json.py:MyAdapter").cls.__name__ == "MyAdapter"
    assert sys.modules["json"] is real


def test_cards_of_this_repository_are_complete() -> None:
    for toml in sorted((HOME / "tasks").glob("*/task.toml")):
        assert (toml.parent / "README.md").read_text().startswith("# ")
        for card in read_cards(toml):
            if isinstance(card, AblationCard):
                assert set(card.bases) <= catalogue().tasks.keys()
                assert [create_condition(name).name for name in card.conditions] == list(card.conditions)
                continue
            entry = catalogue().get_task(card.name)
            assert (entry.card.version, entry.card.files) == (card.version, card.files)
            assert all((card.splits, card.metrics, card.files, card.paper, card.licence))
            assert set(entry.load_prompts()) >= {"native", "letters"}
            task = entry.create()
            assert task.card.name == card.name


def test_an_uninstalled_checkout_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    catalogue.cache_clear()
    with pytest.raises(UsageError, match=r"alm_bench\.tasks is not installed: run `pip install -e \.` in the checkout"):
        catalogue()
    catalogue.cache_clear()
