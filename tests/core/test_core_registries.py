"""What a package outside the repository adds, each in one file: a metric, a condition, a training objective."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_world import alm, model, outputs, refusal, replay, stored, tone, write_csv

import alm_bench as ab
from alm_bench.records.models import RunSummary
from alm_bench.runner.conditions import get_condition_version, load_condition_classes
from alm_bench.scoring import metrics
from alm_bench.train.objectives import load_objective_classes

ENTRY_POINTS = """
[alm_bench.metrics]
wer = acme_alm.wer:WER
[alm_bench.conditions]
reversed = acme_alm.backwards:Backwards
[alm_bench.objectives]
loudness = acme_alm.loudness:Loudness
"""
METRIC = """
from rapidfuzz.distance import Levenshtein
from alm_bench.scoring.metrics import CaptionScore, MetricSpec, Sentences, compute_mean_score

def compute(sentences: Sentences) -> CaptionScore:
    pairs = [(c.split(), [r.split() for r in rs]) for c, rs in zip(sentences.candidates, sentences.references)]
    return compute_mean_score([min(Levenshtein.distance(c, r) / len(r) for r in rs) for c, rs in pairs])

WER = MetricSpec(name="wer", title="WER", description="Word error rate.", higher_is_better=False, compute=compute)
"""
CONDITION = """
from alm_bench.runner.conditions import Condition

class Backwards(Condition):
    kind = "backwards"
    title = "Each clip played backwards."

    def change(self, clip):
        return lambda wave: wave[::-1].copy()
"""
OBJECTIVE = """
from dataclasses import dataclass
import numpy as np
from torch import Tensor
from alm_bench.train.objectives import ClipBatch, Objective
from alm_bench.train.sampler import SamplingGroup, Steps

@dataclass(slots=True, kw_only=True)
class Batch(ClipBatch):
    loud: Tensor

    @property
    def units(self):
        return len(self.loud)

class Loudness(Objective):
    name = "loudness"
    title = "Squared error of a clip's mean level."

    @classmethod
    def rows(cls, corpus, stage, lengths, seed):
        clips = np.arange(len(corpus.clips))
        return Steps([SamplingGroup(clips, 1.0)], np.zeros_like(clips), stage.batch, seed)

    @classmethod
    def count(cls, corpus):
        return len(corpus.clips)

    @classmethod
    def collate(cls, data, rows, step):
        logmel = data.load_logmels(rows, step)
        return Batch(logmel=logmel, loud=logmel.mean(dim=(1, 2)) / 100)

    def forward(self, batch):
        return (batch.encode(self.model).classes.mean(dim=(1, 2)) - batch.loud).square().sum()
"""
LISTENER = """    audio = AudioPolicy(rate=8000)
    def answer(self, request):
        return "a dog" if request.waves[0][0] == 0 else "rain"
"""
SOUNDS = ("a dog barks at night", "rain falls on a roof", "a man speaks to us", "a bell rings twice again")


def clear_registries() -> None:
    for cached in (metrics._load_registry, load_condition_classes, load_objective_classes):
        cached.cache_clear()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path that holds the package."""
    folder = tmp_path / "site"
    (folder / "acme_alm").mkdir(parents=True)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(tmp_path)
    info = folder / "acme_alm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-alm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    for name, source in (("__init__", ""), ("wer", METRIC), ("backwards", CONDITION), ("loudness", OBJECTIVE)):
        (folder / f"acme_alm/{name}.py").write_text(source)
    clear_registries()
    yield folder
    clear_registries()
    for name in [name for name in sys.modules if name.startswith("acme_alm")]:
        del sys.modules[name]


def audiocaps(root: Path) -> Path:
    columns = ["audiocap_id", "youtube_id", "start_time", "caption"]
    rows = [[str(n), f"clip{n}", str(n), sound] for n, sound in enumerate(SOUNDS)]
    write_csv(root / "captions/audiocaps_test.csv", rows, columns)
    for n in range(len(SOUNDS)):
        tone(root / f"AudioCapsLarger/test/Yclip{n}.wav", 200 + 10 * n)
    return root


def test_a_metric_of_another_package_is_shown_and_ranked_by_its_direction(site: Path) -> None:
    data = audiocaps(Path("data"))
    texts = {"worse": [f"{sound} and more of it" for sound in SOUNDS], "better": list(SOUNDS)}
    for label, said in texts.items():
        file = outputs(Path(f"{label}.json"), {f"clip{n}": text for n, text in enumerate(said)})
        given = (*replay(file), "--model-arg", f"label={label}", "--tasks", "audiocaps", "--data", data)
        ran = alm("run", *given, "--metrics", "wer", "--json")
        assert ran.status == 0, ran.err
        run = ran.run
        assert run["main"] == "wer"
        baseline = run["baselines"]["another item's reference"]["wer"]["value"]
        assert run["metrics"]["wer"]["value"] < baseline, "it errs less than a sentence about another clip"
        over = run["margins"]["all"]["all"]["margin"]["value"]
        assert over == pytest.approx(run["metrics"]["wer"]["value"] - baseline), (
            "a margin is the score less the baseline"
        )
    text = alm("leaderboard").out
    assert "WER" in text
    assert text.index("| better ") < text.index("| worse ")


def test_a_metric_that_raises_leaves_the_others_and_its_reason(site: Path) -> None:
    (site / "acme_alm/wer.py").write_text(
        METRIC.replace("    pairs =", "    raise ValueError('no words')\n    pairs =")
    )
    file = Path("captions.json")
    file.write_text(json.dumps([{"candidate": "a dog", "references": ["a dog barks"]}] * 2))
    ran = alm("caption-metrics", file, "--metrics", "wer,rouge_l", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["corpus"]["wer"]["value"] is None
    assert ran.json["corpus"]["wer"]["reason"] == "raised ValueError: no words"
    assert ran.json["corpus"]["rouge_l"]["value"] > 0


def test_a_condition_of_another_package_is_put_to_a_model(site: Path) -> None:
    data = audiocaps(Path("data"))
    first = model(Path("first.py"), LISTENER)
    asked = ("--model", first, "--tasks", "audiocaps", "--data", data, "--task-arg", "audiocaps.metrics=rouge_l")
    ran = alm("noise-ablation", *asked, "--conditions", "backwards", "--json")
    assert ran.status == 0, ran.err
    (run,) = ran.json["runs"]
    assert (run["condition"], run["changed"]["value"]) == ("backwards", 1.0)
    folder = next(Path("results/runs").glob("*backwards*"))
    assert {row["text"] for row in stored(folder)} == {"rain"}
    told = refusal(alm("noise-ablation", *asked, "--conditions", "backward"))
    assert "unknown condition 'backward'; known: backwards" in told
    assert "backwards takes no parameter" in refusal(alm("noise-ablation", *asked, "--conditions", "backwards:2"))


def change_plugin(site: Path, name: str, before: str, after: str) -> None:
    """Put another version of a module of the package in the place of the one that is installed."""
    path = site / f"acme_alm/{name}.py"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    shutil.rmtree(site / "acme_alm/__pycache__", ignore_errors=True)  # of a file of the same size and second
    clear_registries()
    for module in [module for module in sys.modules if module.startswith("acme_alm")]:
        del sys.modules[module]
    importlib.invalidate_caches()


@pytest.mark.parametrize("declared", [False, True], ids=["source", "version"])
def test_a_changed_condition_is_another_run(site: Path, declared: bool) -> None:
    """Its own `version` if it declares one: other changes of its module do not matter then."""
    if declared:
        change_plugin(site, "backwards", '    kind = "backwards"\n', '    kind = "backwards"\n    version = 1\n')
    named, data = model(Path("first.py"), LISTENER), audiocaps(Path("data"))

    def run() -> RunSummary:
        options = {"task_arg": {"audiocaps.metrics": "rouge_l"}, "conditions": "backwards"}
        return ab.evaluate(named, "audiocaps", data=data, **options).runs[0].summary

    first = run()
    assert run().run == first.run
    change_plugin(site, "backwards", "wave[::-1].copy()", "0 * wave")
    changed = run()
    assert (changed.run == first.run) == declared
    if declared:
        assert (first.condition_version, changed.condition_version) == ("1", "1")
        change_plugin(site, "backwards", "version = 1", "version = 2")
        changed = run()
        assert (changed.run == first.run, changed.condition_version) == (False, "2")
    assert alm("leaderboard").status == 0
    headings = [line for line in Path("results/leaderboard.md").read_text().splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) == 2, "each in a table of its own"
    assert "different conditions" in refusal(alm("compare", first.run, changed.run))


def test_the_conditions_of_this_package_leave_the_fingerprint_alone() -> None:
    assert [get_condition_version(name) for name in ("clean", "snr:20", "silence", "third:first")] == [None] * 4


def test_values_of_another_version_of_a_metric_are_not_compared(site: Path) -> None:
    data = audiocaps(Path("data"))
    runs = []
    for label in ("one", "other"):
        file = outputs(Path(f"{label}.json"), {f"clip{n}": f"{sound} {label}" for n, sound in enumerate(SOUNDS)})
        given = (*replay(file), "--model-arg", f"label={label}", "--tasks", "audiocaps", "--data", data)
        ran = alm("run", *given, "--metrics", "wer", "--json")
        assert ran.status == 0, ran.err
        runs.append(ran.run)
        change_plugin(site, "wer", "compute_mean_score([", "compute_mean_score([2 * ")
    names = [run["run"] for run in runs]
    assert runs[0]["metric_versions"].keys() == {"wer"}
    assert runs[0]["metric_versions"] != runs[1]["metric_versions"]
    assert "used different versions of wer" in refusal(alm("compare", *names))
    assert alm("compare", *names, "--different").status == 0
    assert len([line for line in alm("leaderboard").out.splitlines() if line.startswith("## ")]) == 2
    assert alm("score", *names).status == 0
    assert alm("compare", *names).status == 0
    assert len([line for line in alm("leaderboard").out.splitlines() if line.startswith("## ")]) == 1


RECIPE = """
[model]
network = "mini"
[[data]]
file = "demo"
rows = 60
[[validation]]
file = "demo"
rows = 60
[[stage]]
name = "level"
objective = "loudness"
train = ["encoder"]
steps = 30
batch = 8
lr = 3e-3
"""


@pytest.mark.slow
def test_an_objective_of_another_package_is_trained(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(site.parent / "cache"))
    Path("level.toml").write_text(RECIPE)
    ran = alm("train", "--config", "level.toml", "--set", "precision=no", "--json")
    assert ran.status == 0, ran.err
    log = [json.loads(line) for line in Path("results/training/level/log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in log]
    assert losses[-1] < losses[0] / 2
    assert log[-1]["validation_loss"] < losses[0] / 2
    config = json.loads(Path("results/training/level/config.json").read_text())
    assert config["stage"][0]["objective_version"] == load_objective_classes().versions["loudness"]
    change_plugin(site, "loudness", "Squared error", "Twice the squared error")
    told = refusal(alm("train", "--config", "level.toml", "--set", "precision=no"))
    assert "differs in stage.0.objective_version" in told


@pytest.mark.parametrize(
    ("file", "broken", "load", "reason"),
    [
        (
            "wer",
            "WER = 3\n",
            lambda: metrics.list_broken_metrics()["wer"],
            "acme_alm.wer:WER is a int, expected a MetricSpec",
        ),
        (
            "backwards",
            "class Backwards: pass\n",
            lambda: load_condition_classes().broken["reversed"],
            "acme_alm.backwards:Backwards is the class Backwards, expected a subclass of "
            "alm_bench.runner.conditions.base.Condition",
        ),
        (
            "loudness",
            "import nothing_there\n",
            lambda: load_objective_classes().broken["loudness"],
            "ModuleNotFoundError: ",
        ),
    ],
)
def test_a_broken_addition_is_listed_with_its_reason(
    site: Path, file: str, broken: str, load: Callable[[], str], reason: str
) -> None:
    (site / f"acme_alm/{file}.py").write_text(broken)
    assert load().startswith(reason)


def test_additions_are_listed_beside_what_is_built_in(site: Path) -> None:
    def rows(what: str) -> dict[str, dict[str, str]]:
        listed = alm("ls", what, "--json").json
        assert listed["broken"] == {}
        return {row[what.removesuffix("s")]: row for row in listed[what]}

    found = rows("metrics")
    assert (found["wer"]["better"], found["wer"]["computed"]) == ("lower", "if named")
    assert found["wer"]["what"] == "Word error rate."
    assert found["cider"]["computed"] == "by default"
    conditions = rows("conditions")
    assert conditions["backwards"]["what"] == "Each clip played backwards."
    assert conditions["snr:20"]["default"] == "snr:20, snr:0"
    assert {"third:first", "third:middle", "third:last", "none"} < set(conditions)
    assert "clean" not in conditions
    audio = {name: row["audio"] for name, row in conditions.items()}
    assert (audio["gaussian"], audio["none"], audio["swap"]) == ("changed", "no evidence", "changed")
    assert {audio[name] for name in ("cot:none", "parts:direct", "no-gold", "other-options")} == {"as it is"}
    assert {"answers", "tags", "parts", "grpo", "loudness"} == set(rows("objectives"))
    assert "WER" in alm("ls", "metrics").out


@pytest.mark.parametrize(
    ("what", "file", "name"),
    [("metrics", "wer", "wer"), ("conditions", "backwards", "reversed"), ("objectives", "loudness", "loudness")],
)
def test_lists_name_what_is_broken(site: Path, what: str, file: str, name: str) -> None:
    (site / f"acme_alm/{file}.py").write_text("import nothing_there\n")
    ran = alm("ls", what, "--json")
    assert ran.status == 0
    assert ran.err == f"plug-in {name} is broken: ModuleNotFoundError: No module named 'nothing_there'\n"
    assert set(ran.json["broken"]) == {name}


def test_a_list_of_something_else_is_refused(site: Path) -> None:
    assert "known: conditions" in refusal(alm("ls", "condition"))
    assert "--tasks goes with tasks and runs, found ls metrics" in refusal(alm("ls", "metrics", "--tasks", "mmau"))


def test_the_help_of_the_ablation_names_no_condition(site: Path) -> None:
    """Names in a help text would be those of the package alone."""
    said = " ".join(alm("noise-ablation", "--help").out.split())
    assert "`alm-bench ls conditions` lists them" in said
    assert not [name for name in load_condition_classes().entries if len(name) > 4 and f"{name}," in said]
