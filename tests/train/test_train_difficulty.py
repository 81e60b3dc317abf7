"""Pass rates of training rows: measured by draws, stored, and used by the stages of a recipe."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small_world

from alm_bench.core import (
    AdapterIdentity,
    AlmBenchError,
    AudioRef,
    BaseAdapter,
    DataError,
    Decoding,
    Output,
    Request,
    UsageError,
)
from alm_bench.core.rng import create_item_generator
from alm_bench.train.batches import Corpus
from alm_bench.train.config import DataConfig, TrainConfig, load_config
from alm_bench.train.difficulty import (
    DrawnAnswerStore,
    RowMeasurement,
    compute_row_key,
    measure_pass_rates,
    read_pass_rates,
    write_pass_rates,
)
from alm_bench.train.loop import Trainer
from alm_bench.train.mixture import sample_mixture
from alm_bench.train.pass_rates import build_histogram, describe_selection, get_pass_rates
from alm_bench.train.setup import prepare_training
from alm_bench.train.sources import Row, Source, read_source

SAMPLING = Decoding("nucleus", 8, 1.0, 1.0)
DRAWS = 8


class Guesser(BaseAdapter):
    """Model that knows the answer to row k in k % 9 of 9 draws on average, and fails after `calls` calls."""

    audio = None

    def __init__(self, label: str = "guesser", calls: int | None = None) -> None:
        self.identity = AdapterIdentity(label, "test", weights=label)
        self.calls, self.asked = calls, 0

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        if self.calls is not None and self.calls <= 0:
            raise KeyboardInterrupt
        self.calls = None if self.calls is None else self.calls - 1
        self.asked += len(batch)
        return [self._answer(request, decoding) for request in batch]

    @staticmethod
    def _answer(request: Request, decoding: Decoding) -> Output:
        number = int(request.prompt.split()[2].rstrip("?"))
        knows = create_item_generator("guess", decoding.seed, request.id).random() * 8 < number % 9
        return Output("a) up" if knows else "b) down")


def make_rows(count: int) -> list[Row]:
    """Rows with clips that a model without audio never opens; their bytes are in memory."""
    clip = AudioRef("clip.wav", Path("clip.wav"), content="the same")
    return [Row(f"is tone {number}? a) up b) down", "a) up", (clip,), "tones") for number in range(count)]


def count_known(row: Row) -> int:
    """The number of draws in which the model knows the answer to a row, without the measurement."""
    request = Request(compute_row_key(row), row.prompt)
    return sum(Guesser._answer(request, replace(SAMPLING, seed=draw)).text == "a) up" for draw in range(DRAWS))


def measure(rows: Sequence[Row], adapter: BaseAdapter, folder: Path, draws: int = DRAWS) -> list[RowMeasurement]:
    store = DrawnAnswerStore(folder / "draws.sqlite", adapter, SAMPLING)
    return measure_pass_rates(rows, adapter, SAMPLING, draws, store, 125, lambda done, total: None)


def test_an_interrupted_measurement_of_500_rows_resumes(tmp_path: Path) -> None:
    rows = make_rows(500)
    killed = Guesser(calls=11)
    with pytest.raises(KeyboardInterrupt):
        measure(rows, killed, tmp_path)
    resumed = Guesser()
    found = measure(rows, resumed, tmp_path)
    assert killed.asked + resumed.asked == 500 * DRAWS, "nothing that was drawn is drawn again"
    assert killed.asked > 0
    assert [one.right for one in found] == [count_known(row) for row in rows]
    assert (found[0].right, found[8].right) == (0, DRAWS)
    assert len({one.right for one in found}) == DRAWS + 1


def test_further_draws_add_to_those_of_before_and_another_model_has_its_own(tmp_path: Path) -> None:
    rows = make_rows(20)
    measure(rows, Guesser(), tmp_path, draws=4)
    more, again, other = Guesser(), Guesser(), Guesser("other")
    measure(rows, more, tmp_path, draws=6)
    measure(rows, again, tmp_path, draws=6)
    measure(rows, other, tmp_path, draws=6)
    assert (more.asked, again.asked, other.asked) == (2 * 20, 0, 6 * 20)


def test_a_failing_model_stops_with_its_reason_and_keeps_what_was_drawn(tmp_path: Path) -> None:
    class Failing(Guesser):
        def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
            if decoding.seed == 2:
                raise RuntimeError("the device is gone")
            return super().generate(batch, decoding)

    rows = make_rows(10)
    with pytest.raises(AlmBenchError, match=r"guesser failed at .*the device is gone; the draws so far are stored"):
        measure(rows, Failing(), tmp_path)
    resumed = Guesser()
    measure(rows, resumed, tmp_path)
    assert resumed.asked == 6 * 10


def test_a_model_that_cannot_sample_is_refused(tmp_path: Path) -> None:
    adapter = Guesser()
    adapter.abilities = replace(Guesser.abilities, decodings=("greedy",))
    with pytest.raises(UsageError, match=r"guesser does not support \w+ sampling, without which all draws are equal"):
        measure(make_rows(2), adapter, tmp_path)


def test_a_table_is_a_column_of_the_rows_it_was_measured_on(reasonaqa: Path, tmp_path: Path) -> None:
    config = DataConfig(f"{reasonaqa}/train.json", root=reasonaqa)
    rows = read_source(config, "error").rows
    table = tmp_path / "table.csv"
    measured = [RowMeasurement(compute_row_key(row), number % 5, 4, row) for number, row in enumerate(rows)]
    write_pass_rates(measured, table)
    with table.open(newline="") as file:
        assert [float(line["pass_rate"]) for line in csv.DictReader(file)] == [one.pass_rate for one in measured]
    read = read_source(replace(config, pass_rates=table), "error").rows
    assert [row.pass_rate for row in read] == [one.pass_rate for one in measured]
    other = tmp_path / "other.csv"
    other.write_text("key,pass_rate\nabc,0.5\n")
    with pytest.raises(DataError, match="none of its 1 rows is in the data"):
        read_source(replace(config, pass_rates=other), "error")
    other.write_text("key,pass_rate\nabc,half\n")
    with pytest.raises(DataError, match="line 2: pass_rate is 'half', expected a number"):
        read_pass_rates(other)
    with pytest.raises(DataError, match=r"no such file \(alm-bench train difficulty writes one\)"):
        read_pass_rates(tmp_path / "none.csv")


@pytest.fixture
def corpus() -> Corpus:
    """90 rows with 0 to 8 of 8 draws right, ten of each, in random order."""
    rates = np.random.default_rng(0).permutation(np.repeat(np.arange(9), 10)) / 8
    rows = [replace(row, pass_rate=float(rate)) for row, rate in zip(make_rows(90), rates, strict=True)]
    source = Source(DataConfig("rows.json"), rows, SimpleNamespace())  # type: ignore[arg-type]
    return Corpus([source], [], SimpleNamespace())  # type: ignore[arg-type]


def draw_rates(corpus: Corpus, config: TrainConfig, steps: int, **changes: Any) -> list[list[float]]:
    """The pass rates of the rows of each step."""
    stage = replace(config.stage[0], batch=5, steps=steps, **changes)
    drawn = sample_mixture(corpus, stage, np.ones(90, np.int64), 0)
    rates = [row.pass_rate for row in corpus.sources[0].rows]
    return [[float(rates[row] or 0) for row in drawn[step]] for step in range(steps)]


def test_rows_that_are_never_or_always_right_are_dropped(corpus: Corpus, recipe: Callable[..., TrainConfig]) -> None:
    everything = {rate for step in draw_rates(corpus, recipe(), 18) for rate in step}
    assert everything == {right / 8 for right in range(9)}
    never = {rate for step in draw_rates(corpus, recipe(), 16, drop=("never",)) for rate in step}
    assert never == {right / 8 for right in range(1, 9)}
    both = draw_rates(corpus, recipe(), 14, drop=("never", "always"))
    assert {rate for step in both for rate in step} == {right / 8 for right in range(1, 8)}
    stage = replace(recipe().stage[0], drop=("never", "always"))
    assert describe_selection(get_pass_rates(corpus), stage) == (
        "70 of 90 rows are used, pass rate 0.125 to 0.875, mean 0.50; left out: 10 never answered right, 10 always "
        "answered right"
    )


def test_a_band_keeps_the_rows_with_3_to_6_of_8_right(corpus: Corpus, recipe: Callable[..., TrainConfig]) -> None:
    kept = draw_rates(corpus, recipe(), 8, band=(0.375, 0.75))
    assert {rate for step in kept for rate in step} == {right / 8 for right in range(3, 7)}
    assert sum(map(len, kept)) == 40


def test_the_order_is_from_easy_to_hard_over_the_whole_stage(
    corpus: Corpus, recipe: Callable[..., TrainConfig]
) -> None:
    for steps in (6, 16, 48):  # a part of an epoch, an epoch, three epochs
        ordered = draw_rates(corpus, recipe(), steps, drop=("never",), order="easy_to_hard")
        rates = [rate for step in ordered for rate in step]
        assert rates == sorted(rates, reverse=True)
        assert len(rates) == 5 * steps
        assert rates[0] == 1.0
        assert rates[-1] <= 0.25, "the hard rows have their place in a short stage, too"
    shuffled = [rate for step in draw_rates(corpus, recipe(), 16, drop=("never",)) for rate in step]
    assert shuffled != sorted(shuffled, reverse=True)


def test_nothing_left_and_nothing_measured_are_errors(corpus: Corpus, recipe: Callable[..., TrainConfig]) -> None:
    with pytest.raises(UsageError, match="no row is left: 0 of 90 rows are used; left out: 10 never answered right"):
        draw_rates(corpus, recipe(), 2, band=(0.3, 0.35))
    rows = corpus.sources[0].rows
    rows[3] = replace(rows[3], pass_rate=None)
    with pytest.raises(UsageError, match="which 1 of 90 rows do not have: run alm-bench train difficulty"):
        draw_rates(corpus, recipe(), 2, drop=("never",))
    with pytest.raises(UsageError, match=r"band takes a lowest and a highest pass rate, 0 to 1, found \[0.9, 0.1\]"):
        recipe(stage__0__band="[0.9, 0.1]")
    with pytest.raises(UsageError, match="has a curriculum and the order easy_to_hard: expected one of them"):
        recipe(stage__0__order="easy_to_hard", stage__0__curriculum="0.5")


def test_a_histogram_counts_all_rows_and_those_of_the_stage() -> None:
    chart = build_histogram("rows", [0, 0, 0.5, 1], [False, False, True, True])
    counts = [[point.value for point in series.points if point] for series in chart.series]
    assert counts == [[2, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0, 0, 1]]


def test_a_run_logs_and_draws_the_rows_of_its_stages(
    recipe: Callable[..., TrainConfig], reasonaqa: Path, tmp_path: Path
) -> None:
    rows = json.loads((reasonaqa / "train.json").read_text())
    for number, row in enumerate(rows):
        row["pass_rate"] = number % 3 / 2
    (tmp_path / "measured.json").write_text(json.dumps(rows))
    data = f'[[data]]\nfile = "{tmp_path}/measured.json"\nroot = "{reasonaqa}"\n'
    config = recipe(steps=2, data=data, stage__0__drop='["never"]', stage__0__order="easy_to_hard")
    run = Trainer(config, prepare_training(config, tmp_path, lambda *_: None), lambda _: None).run().parent
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["pass_rate"] for entry in log] == [1.0, 0.5]
    assert log[0]["selection"].startswith("8 of 12 rows are used")
    assert log[0]["selection"] in (run / "README.md").read_text()
    assert (run / "rows.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("value", [1.5, -0.1, "0.5"])
def test_a_pass_rate_out_of_range_names_its_row(reasonaqa: Path, tmp_path: Path, value: Any) -> None:
    rows = json.loads((reasonaqa / "train.json").read_text())
    rows[4]["pass_rate"] = value
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"row 4: pass_rate is .*, expected a share from 0 to 1"):
        read_source(DataConfig(f"{tmp_path}/rows.json", root=reasonaqa), "error")


def test_the_command_writes_a_table_a_picture_and_a_summary(
    recipe: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe(stage__0__drop='["never"]')
    body = (
        "    def __init__(self, options, runtime):\n"
        "        self.identity = AdapterIdentity('cli', 'test', weights='w')\n\n"
        "    def generate(self, batch, decoding):\n"
        "        return [Output(f'tone number {decoding.seed}') for _ in batch]\n"
    )
    model = small_world.model(tmp_path / "adapter.py", body, audio="None")
    arguments = ("train", "difficulty", "--config", "recipe.toml", "--model", model, "--draws", "4")
    ran = small_world.alm(*arguments, "--json")
    assert ran.status == 0, ran.err
    summary = json.loads(ran.out)
    assert summary["rows_by_right_draws"] == [0, 12, 0, 0, 0]
    assert summary["table"] == "results/difficulty/recipe-cli.csv"
    assert read_pass_rates(Path(summary["table"])).keys() == {
        compute_row_key(row) for row in read_source(named(), "error").rows
    }
    assert Path(summary["table"]).with_suffix(".png").is_file()
    printed = small_world.alm(*arguments).out
    assert "cli: 12 rows, 4 draws each, mean pass rate 0.250" in printed
    assert 'pass_rates = "results/difficulty/recipe-cli.csv"' in printed
    assert "takes a .csv file, found x.txt" in small_world.refusal(small_world.alm(*arguments, "--to", "x.txt"))


def named() -> DataConfig:
    """The source of the recipe in the working folder."""
    return load_config("recipe.toml").data[0]
