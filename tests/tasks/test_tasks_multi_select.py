"""A third-party task whose questions may have several right options, from the run to the tables and scored again."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from small_world import alm, model, only_run, stored, tone

from alm_bench.core import Parsed, Sample, Scored
from alm_bench.scoring.multi_select import (
    build_option_table,
    compute_multi_select_baselines,
    compute_multi_select_metrics,
    grade_option_set,
)
from alm_bench.scoring.multiple_choice import compute_chance

CHOICES = ("Rain", "Thunder", "Wind", "Hail")
ROWS = [([0, 2], "A, C"), ([1], "B"), ([0, 1, 3], '["Rain", "Thunder"]'), ([3], "none of them")]

CARD = """
[card]
family = "weather"
version = 1
kind = "multiple_choice"
paper = "none"
licence = "CC0"
source = "made for a test"

[tasks.weather]
title = "Weather"
summary = "all that is heard"
splits = ["test"]
metrics = ["accuracy", "option_f1", "answered"]
groups = ["size"]
audio = ["weather/<name>.wav"]

[[tasks.weather.files]]
role = "questions"
split = "test"
names = ["weather/test.jsonl"]
source = "made for a test"
"""

PROMPTS = """
[native]
version = 1
template = "{question} Select all that apply. {options}"
option = "({LETTER}) {text}"
join = " "

[letters]
version = 1
template = "{question} Select all that apply. {options}"
option = "({LETTER}) {text}"
join = " "
"""

PLUGIN = """
from alm_bench.core import NoOptions, Sample, TaskScore
from alm_bench.data import read_jsonl
from alm_bench.parsing import PARSER, parse_choices
from alm_bench.scoring.blind import compute_baseline_accuracies, select_rows_with_reference
from alm_bench.scoring.multiple_choice import compute_by_group
from alm_bench.scoring.multi_select import (
    build_corpus_statistic,
    compute_multi_select_baselines,
    compute_multi_select_metrics,
    grade_option_set,
)

Options = NoOptions


class Weather:
    parser = PARSER

    def __init__(self, card):
        self.card = card

    def files(self, data, split):
        return {"questions": data.locate(self.card.files[0])}

    def samples(self, data, split):
        for row in read_jsonl(self.files(data, split)["questions"]):
            groups = {"size": str(len(row["targets"])), "clip": row["id"]}
            audio = (data.audio(f"weather/{row['id']}.wav"),)
            yield Sample(row["id"], {"question": "What is heard?"}, audio, tuple(row["choices"]),
                         groups=groups, targets=tuple(row["targets"]))

    def parse(self, sample, text):
        return parse_choices(text, sample.choices, self.card.answer_tags)

    def grade(self, sample, text, parsed):
        return grade_option_set(sample, parsed)

    def score(self, rows):
        kept = select_rows_with_reference(rows)
        groups = compute_by_group(rows, self.card.groups, compute_multi_select_metrics)
        baselines = compute_baseline_accuracies(kept, compute_multi_select_baselines(kept))
        return TaskScore(compute_multi_select_metrics(rows), groups, baselines)

    def blind_scores(self, rows):
        return compute_multi_select_baselines(rows)

    def corpus(self, rows):
        return build_corpus_statistic(rows)


def create(card, options):
    return Weather(card)
"""


@pytest.fixture
def weather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The task as an installed package names it, four questions with clips, and a model that says what it is told."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "acme" / "acme_weather"
    package.mkdir(parents=True)
    for name, content in (("task.toml", CARD), ("prompts.toml", PROMPTS), ("plugin.py", PLUGIN), ("__init__.py", "")):
        (package / name).write_text(content, encoding="utf-8")
    info = tmp_path / "acme" / "acme_weather-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-weather\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[alm_bench.tasks]\nweather = acme_weather\n")
    monkeypatch.syspath_prepend(str(tmp_path / "acme"))
    lines = []
    for number, (targets, _) in enumerate(ROWS):
        tone(tmp_path / f"data/weather/q{number}.wav", 200 + 50 * number)
        lines.append(json.dumps({"id": f"q{number}", "choices": CHOICES, "targets": targets}))
    (tmp_path / "data/weather/test.jsonl").write_text("\n".join(lines) + "\n")
    from alm_bench.plugins import catalogue

    catalogue.cache_clear()
    texts = {f"q{number}": said for number, (_, said) in enumerate(ROWS)}
    yield model(tmp_path / "m.py", f"    def answer(self, request):\n        return {texts!r}[request.id]\n")
    catalogue.cache_clear()
    for name in [name for name in sys.modules if name.startswith("acme_weather")]:
        del sys.modules[name]


def test_a_run_is_graded_by_the_exact_set_and_by_option(weather: str) -> None:
    ran = alm("run", "--model", weather, "--tasks", "weather", "--json")
    assert ran.status == 0, ran.err
    metrics = ran.run["metrics"]
    assert metrics["accuracy"]["value"] == 0.5
    # Right options: 2 + 1 + 3 + 1; selected: 2 + 1 + 2 + 0, all of them right.
    assert metrics["option_precision"]["value"] == 1
    assert metrics["option_recall"]["value"] == pytest.approx(5 / 7)
    assert metrics["option_f1"]["value"] == pytest.approx(10 / 12)
    assert ran.run["baselines"]["uniform guess (expected)"]["accuracy"]["value"] == pytest.approx(1 / 15)
    assert ran.run["groups"]["size"]["1"]["accuracy"]["value"] == 0.5
    entries = stored(only_run(Path("results/runs")))
    assert [entry["targets"] for entry in entries] == [targets for targets, _ in ROWS]
    assert [entry["parsed"].get("indices") for entry in entries] == [[0, 2], [1], [0, 1], None]
    assert [entry["status"] for entry in entries] == ["ok", "ok", "ok", "refused"]


def test_it_is_scored_again_and_shown(weather: str) -> None:
    first = alm("run", "--model", weather, "--tasks", "weather", "--json")
    folder = only_run(Path("results/runs"))
    again = alm("score", folder, "--json")
    assert (again.status, again.err) == (0, "")
    assert again.run["metrics"] == first.run["metrics"]
    tables = alm("score", folder).out
    assert "| option F1" in tables
    assert "accuracy: exactly the right options" in tables
    cells = [line.replace("|", " ").split() for line in tables.splitlines()]
    assert ["Hail", "2", "0", "0.0", "0.0", "0.0"] in cells
    assert "No option selected: 1 of 4 (25.0 %" in tables
    screen = alm("show", folder, "--id", "q0").out
    assert screen.count("← reference ← answer") == 2
    assert alm("show", folder, "--wrong", "--json").json["matching"] == 2


def test_moved_options_take_their_right_answers_along(weather: str) -> None:
    ran = alm("run", "--model", weather, "--tasks", "weather", "--options", "shuffled", "--seed", 3)
    assert ran.status == 0, ran.err
    for entry, (targets, _) in zip(stored(only_run(Path("results/runs"))), ROWS, strict=True):
        moved = {entry["choices"][index] for index in entry["targets"]}
        assert moved == {CHOICES[index] for index in targets}


def test_likelihood_is_refused_since_the_likeliest_option_is_one(weather: str) -> None:
    ran = alm("run", "--model", weather, "--tasks", "weather", "--answer-by", "likelihood")
    assert (ran.status, ran.out) == (2, "")
    assert "may have several right options" in ran.err


def row(
    targets: tuple[int, ...], said: tuple[int, ...] | None, choices: tuple[str, ...] = CHOICES, id_: str = "x"
) -> Scored:
    sample = Sample(id_, {}, choices=choices, targets=targets)
    parsed = Parsed("ok", "several", indices=said) if said else Parsed("unparsed", "off_list")
    return Scored(sample, "ok" if said else "unparsed", "text", parsed, grade_option_set(sample, parsed))


def test_f1_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    generator = np.random.default_rng(5)
    right, selected = generator.random((2, 60, 4)) < 0.45
    right[:, 0] |= ~right.any(axis=1)
    rows = [
        row(tuple(np.flatnonzero(a).tolist()), tuple(np.flatnonzero(b).tolist()) or None, id_=f"x{n}")
        for n, (a, b) in enumerate(zip(right, selected, strict=True))
    ]
    expected = precision_recall_fscore_support(right, selected, average="micro", zero_division=0)[:3]
    metrics = compute_multi_select_metrics(rows)
    names = ("option_precision", "option_recall", "option_f1")
    assert [metrics[name].value for name in names] == pytest.approx(expected)
    assert all(metrics[name].low < metrics[name].value < metrics[name].high for name in names)
    assert metrics["accuracy"].value == np.mean((right == selected).all(axis=1))
    table = build_option_table(rows)
    assert table is not None
    each = precision_recall_fscore_support(right, selected, average=None, zero_division=0)
    for index, entry in enumerate(table):
        assert entry["option"] == CHOICES[index]
        assert [entry[name] for name in ("precision", "recall", "f1")] == pytest.approx(
            [part[index] for part in each[:3]]
        )


def test_duplicates_among_the_options_are_one_answer() -> None:
    twins = ("Rain", "rain ", "Wind")
    assert row((0, 2), (1, 2), twins).scores == {"accuracy": 1.0}
    assert row((0, 2), (0, 1, 2), twins).scores == {"accuracy": 1.0}
    assert row((0, 2), (2,), twins).scores == {"accuracy": 0.0}
    assert compute_chance(row((0, 2), None, twins).sample) == pytest.approx(3 / 7), "either twin, or both"
    assert compute_multi_select_baselines([row((0, 2), None, twins)])["all options"] == [1.0]


def test_targets_that_are_no_set_of_options_are_refused() -> None:
    for targets, target in (((), None), ((4,), None), ((-1,), None), ((0,), 1)):
        with pytest.raises(ValueError, match="item x: `targets` takes indices of its 4 options"):
            Sample("x", {}, choices=CHOICES, targets=targets, target=target)
    assert Sample("x", {}, choices=CHOICES, targets=(2, 0, 2)).targets == (0, 2)
