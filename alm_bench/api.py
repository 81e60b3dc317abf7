"""Functions of `import alm_bench`: the commands, with typed results. docs/api.md describes them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alm_bench.core import Parsed, UsageError
from alm_bench.core.device import make_runtime
from alm_bench.core.errors import format_similar_names
from alm_bench.core.options import check_choice, parse_answer_tags
from alm_bench.evaluation import Outcome, run_evaluations
from alm_bench.judges.jury import check_judge_options, open_jury
from alm_bench.models import Model, resolve_model
from alm_bench.records.find import RUNS, find_run, read_finished_runs
from alm_bench.rescoring import rescore_run
from alm_bench.results import Comparison, Leaderboard, NoiseAblation, Results, RunFailedError, RunInterrupted
from alm_bench.runner.options import RunOptions

if TYPE_CHECKING:
    from alm_bench.records.run import Run
    from alm_bench.records.schema import Record
    from alm_bench.scoring.captions import CaptionMetrics

Names = str | Sequence[str]
"""One name, several separated by commas, or a sequence of names."""

Pairs = Mapping[str, Any] | Sequence[str] | None
"""Options of a model or a task: a mapping, or texts such as "outputs=answers.jsonl"."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run."""

    stage: Literal["items", "captions", "verdicts"]
    """Unit of `done` and `total`: items, captions that SPICE parses, or calls of judges."""

    title: str
    """Name of the run for items, else `SPICE` or `judge`."""

    done: int
    """Number of finished items, captions or verdicts, as `stage` says."""

    total: int
    """Number of all items, captions or verdicts."""

    statuses: Mapping[str, int]
    """Number of finished items by status; empty for captions and verdicts."""

    def __str__(self) -> str:
        counts = "".join(f", {count} {status}" for status, count in self.statuses.items())
        return f"{self.title}: {self.done} of {self.total} {self.stage}{counts}"


Callback = Callable[[Progress], object]
"""Function that is called with the progress of a run."""


class _ItemCounter:
    """Progress display of the items of one run. Each update calls the callback with the number of finished items."""

    def __init__(self, title: str, total: int, call: Callback) -> None:
        self._title, self._total, self._call = title, total, call
        self._statuses: Counter[str] = Counter()

    def update(self, records: "Sequence[Record]") -> None:
        self._statuses.update(record.status for record in records)
        done = self._statuses.total()
        self._call(Progress("items", self._title, done, self._total, dict(self._statuses)))


class _CaptionCounter:
    """Progress display of the captions that SPICE parses. Each update calls the callback."""

    def __init__(self, call: Callback) -> None:
        self._call = call

    def update(self, done: int, total: int) -> None:
        self._call(Progress("captions", "SPICE", done, total, {}))


class _VerdictCounter:
    """Progress display of the calls of judges. Each update calls the callback."""

    def __init__(self, call: Callback) -> None:
        self._call = call

    def update(self, done: int, total: int) -> None:
        self._call(Progress("verdicts", "judge", done, total, {}))


class _CallbackProgress:
    """Progress display that calls a callback (implements `alm_bench.progress.Watch`)."""

    def __init__(self, call: Callback | None) -> None:
        self._call: Callback = call or (lambda _: None)

    @contextmanager
    def track_items(self, title: str, total: int) -> Iterator[_ItemCounter]:
        yield _ItemCounter(title, total, self._call)

    @contextmanager
    def track_captions(self) -> Iterator[_CaptionCounter]:
        yield _CaptionCounter(self._call)

    @contextmanager
    def track_verdicts(self) -> Iterator[_VerdictCounter]:
        yield _VerdictCounter(self._call)


def evaluate(
    model: Model,
    tasks: Names,
    *,
    data: str | Path = "auto",
    limit: int | None = None,
    sample: int | None = None,
    options: str = "given",
    answer_by: str = "generate",
    conditions: Names | None = None,
    out: str | Path = RUNS,
    progress: Callback | None = None,
    **run_options: Any,
) -> Results:
    """Run a model on tasks, as `alm-bench run` does. Stored runs with the same settings are resumed.

    `model` is a name in the catalogue, a repository of the hub (`ORG/NAME`), `./file.py:Class`, an adapter, or a
    function from a request to text. `tasks` are names, or files of your own such as "./birds.csv", with the options
    `map`, `audio_root`, `kind` and `group_by` (docs/own_data.md). `data` is a folder, `demo`, `hub` or `auto`. `limit`
    uses the first items, `sample` uses random ones. `options` is the order of the answer options. `conditions` change
    the clips (see `noise_ablation`). `progress` is called with a `Progress` after each batch. `run_options` are the
    other options of `alm-bench run`, with underscores; `model_arg`, `task_arg` and `map` take mappings.

    Raises UsageError and other errors as the command reports them, RunFailedError if too many items failed,
    RunInterrupted on Ctrl-C. The last two contain the results.
    """
    values = {"data": data, "limit": limit, "sample": sample, "options": options, "answer_by": answer_by, "out": out}
    asked = make_run_options(model, tasks, {**values, "conditions": conditions, **run_options})
    return build_outcome_results(run_evaluations([asked], _CallbackProgress(progress), _ignore_run))


def _ignore_run(run: "Run") -> None:
    pass


def build_outcome_results(outcome: Outcome) -> Results:
    """Return the results of an outcome. Raises RunInterrupted and RunFailedError, which contain them."""
    results = Results(tuple(outcome.runs))
    if outcome.interrupted:
        raise RunInterrupted(results)
    if outcome.failure is not None:
        raise RunFailedError(outcome.failure, results)
    return results


def make_run_options(model: Model, tasks: Names, values: Mapping[str, Any]) -> RunOptions:
    """Return the options of a run from Python values. Raises UsageError for an unknown option or a value of the wrong
    type."""
    name, adapter = resolve_model(model)
    known = [field for field in RunOptions.__dataclass_fields__ if field not in ("model", "tasks", "adapter")]
    for key in values:
        if key not in known:
            raise UsageError(f"evaluate has no option {key!r}; known: {format_similar_names(key, known)}")
    if adapter is not None and values.get("model_arg"):
        raise UsageError(f"model_arg goes with a model's name, {name} is made already")
    taken = dict(values)
    for key in ("model_arg", "task_arg"):
        taken[key] = _get_option_texts(taken.get(key))
    for key in ("conditions", "answer_tag"):
        taken[key] = _normalise_names(taken[key]) if taken.get(key) else None
    for key in ("data", "batch_size", "max_failures"):
        if key in taken:
            taken[key] = str(taken[key])
    for key in ("out", "calibrate"):
        if taken.get(key) is not None:
            taken[key] = Path(taken[key])
    if isinstance(taken.get("judge"), str):
        taken["judge"] = [taken["judge"]]
    if isinstance(taken.get("map"), Mapping):
        taken["map"] = ",".join(f"{role}={column}" for role, column in taken["map"].items())
    if isinstance(taken.get("audio_root"), Path):
        taken["audio_root"] = str(taken["audio_root"])
    if taken.get("group_by") is not None:
        taken["group_by"] = ",".join(_normalise_names(taken["group_by"]))
    if taken.get("metrics") is not None:
        taken["metrics"] = ",".join(_normalise_names(taken["metrics"]))
    asked = RunOptions(model=name, tasks=",".join(_normalise_names(tasks)), adapter=adapter, **taken)
    if wrong := asked.find_wrong_types():
        raise UsageError("; ".join(wrong))
    return asked


def _normalise_names(names: Names) -> list[str]:
    """Return names, given as a list or a comma-separated text, as a list without surrounding spaces."""
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]


def _get_option_texts(values: Pairs) -> list[str] | None:
    """Return the options of a model or task as texts `key=value`; None if there are none."""
    if values is None:
        return None
    return [f"{key}={value}" for key, value in values.items()] if isinstance(values, Mapping) else list(values)


def load_run(name: str | Path, *, out: str | Path = RUNS) -> Results:
    """Return a finished run by its folder, its name, an unambiguous part of its name, or `latest`.

    Raises UsageError and StoreError.
    """
    from alm_bench.records.run import read_run

    return Results((read_run(find_run(str(name), Path(out))),))


def rescore(
    runs: Names | Path | Results,
    *,
    solvable_by: str | None = None,
    metrics: Names | None = None,
    answer_tag: Names | None = None,
    judge: str | Sequence[str] | None = None,
    judge_preset: str = "qa",
    judge_repeats: int = 1,
    calibrate: str | Path | None = None,
    out: str | Path = RUNS,
    progress: Callback | None = None,
) -> Results:
    """Parse and score the stored texts of runs again, without their model, as `alm-bench score` does, and store the
    result.

    `judge` is a model, or several, that grade answers in free text (docs/judges.md), such as
    "openai:model=NAME,base_url=URL"; `calibrate` is a file of people's labels. Raises UsageError and StoreError, and
    RunFailedError with the results if calls of a judge failed.
    """
    judges = [judge] if isinstance(judge, str) else None if judge is None else list(judge)
    labels = None if calibrate is None else Path(calibrate)
    check_judge_options(judges, labels, judge_repeats)
    folders = _find_folders(runs, Path(out))
    solver = None if solvable_by is None else find_run(solvable_by, Path(out))
    tags = parse_answer_tags(None if answer_tag is None else _normalise_names(answer_tag))
    chosen = None if metrics is None else ",".join(_normalise_names(metrics))
    watch = _CallbackProgress(progress)
    with open_jury(judges, judge_preset, judge_repeats, labels, Path(out), make_runtime("auto", None)) as jury:
        found = [rescore_run(one, solver, chosen, tags, watch, jury) for one in folders]
    results = Results(tuple(run for run, _, _ in found))
    if failures := "; ".join(line for _, _, line in found if line is not None):
        raise RunFailedError(failures, results)
    return results


def _find_folders(runs: Names | Path | Results, out: Path) -> list[Path]:
    """Return the folders of runs. Raises UsageError if a run does not exist."""
    if isinstance(runs, Results):
        return [run.folder for run in runs]
    return [
        find_run(name, out) for name in ([str(runs)] if isinstance(runs, Path) else map(str, _normalise_names(runs)))
    ]


def compare(*runs: str | Path | Results, different: bool = False, out: str | Path = RUNS) -> Comparison:
    """Compare runs of one task with the first run, item by item, with paired intervals and tests.

    `runs` are names, folders or results. `different` allows runs that differ in data revision, prompt, parser, option
    order or answer mode. Raises UsageError and StoreError.
    """
    from alm_bench.plugins import catalogue
    from alm_bench.records.run import read_run
    from alm_bench.reports import comparison

    folders = [
        folder
        for run in runs
        for folder in ([one.folder for one in run] if isinstance(run, Results) else [find_run(str(run), Path(out))])
    ]
    if len(folders) < 2:
        raise UsageError(f"compare takes two runs or more, {len(folders)} was named")
    found = [read_run(folder) for folder in folders]
    comparison.check_comparability(found, different)
    return Comparison(found, comparison.compare_runs(found, catalogue().get_task(found[0].summary.task).create()))


def leaderboard(runs: Names | Results | None = None, *, out: str | Path = RUNS) -> Leaderboard:
    """Rank finished runs by task: the named runs, or all runs below `out`. Raises UsageError and StoreError."""
    named = None if runs is None else [str(folder) for folder in _find_folders(runs, Path(out))]
    found, left_out = read_finished_runs(named, Path(out))
    if not found:
        raise UsageError(f"no finished run in {out}: make one with alm_bench.evaluate")
    return Leaderboard(tuple(found), tuple(left_out))


def noise_ablation(
    model: Model,
    tasks: Names | None = None,
    *,
    conditions: Names | None = None,
    repeats: int = 1,
    data: str | Path = "auto",
    limit: int | None = None,
    sample: int | None = None,
    out: str | Path = RUNS,
    progress: Callback | None = None,
    **run_options: Any,
) -> NoiseAblation:
    """Ask the same questions about clean clips and about changed ones (noise, silence, other clips).

    This is `alm-bench noise-ablation`. The default tasks and conditions are those of the card `noise_grounding`. Raises
    the same errors as `evaluate`, and KeyboardInterrupt on Ctrl-C. Items that are finished by then are stored.
    """
    from alm_bench.grounding import plan_ablations, run_ablations

    values = {"data": data, "limit": limit, "sample": sample, "out": out, **run_options}
    asked = make_run_options(model, [] if tasks is None else tasks, values)
    names = None if conditions is None else ",".join(_normalise_names(conditions))
    with plan_ablations(asked, names, repeats) as settled:
        return NoiseAblation(settled.adapter.identity.label, run_ablations(settled, _CallbackProgress(progress)))


def caption_metrics(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    metrics: Names | None = None,
    progress: Callback | None = None,
) -> "CaptionMetrics":
    """Score captions against their references with BLEU, METEOR, ROUGE-L, CIDEr, SPICE and SPIDEr.

    `corpus` of the result contains each metric with its interval, `items` the scores of each caption. Raises
    UsageError.
    """
    from alm_bench.scoring.captions import compute_caption_scores
    from alm_bench.scoring.metrics import list_default_metrics
    from alm_bench.scoring.spice import report_progress_to

    chosen = list_default_metrics() if metrics is None else tuple(filter(None, _normalise_names(metrics)))
    if not chosen:
        raise UsageError("--metrics names no metric")
    if len(candidates) != len(references):
        raise UsageError(f"caption_metrics takes references for each of {len(candidates)} captions, {len(references)}")
    with _CallbackProgress(progress).track_captions() as counting, report_progress_to(counting.update):
        return compute_caption_scores(candidates, references, metrics=chosen)


Form = Literal["choice", "yes_no", "entailment", "number"]
"""Form of an answer: an option, yes or no, an entailment label, or a number."""

FORMS: tuple[Form, ...] = ("choice", "yes_no", "entailment", "number")


def parse(
    text: str,
    choices: Sequence[str] = (),
    *,
    form: Form = "choice",
    several: bool = False,
    question: str | None = None,
    answer_tag: Iterable[str] = (),
) -> Parsed:
    """Parse an answer in the raw text of a model: an option, yes or no, a label, or a number.

    `form` says which. `choices` are the options for the form `choice`; with `several`, all selected options are
    returned. Raises UsageError.
    """
    from alm_bench.parsing import parse_choice, parse_choices, parse_label, parse_number, parse_yes_no
    from alm_bench.parsing.plain import ENTAILMENT

    check_choice(form, FORMS, "form")
    if (form == "choice") != bool(choices):
        raise UsageError(f"choices go with form choice, found form {form} and {len(choices)} choices")
    if several and form != "choice":
        raise UsageError(f"several goes with form choice, found form {form}")
    tags = parse_answer_tags(list(answer_tag))
    if form == "choice":
        return (parse_choices if several else parse_choice)(text, choices, answer_tags=tags)
    if form == "entailment":
        return parse_label(text, ENTAILMENT, tags)
    return (parse_yes_no if form == "yes_no" else parse_number)(text, question, tags)
