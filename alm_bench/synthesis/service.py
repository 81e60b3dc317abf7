"""Synthesis of a data set from captions, and filtering of an existing one: from options to the files of a folder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alm_bench.core import Adapter, Decoding, UsageError
from alm_bench.core.files import lock_folder
from alm_bench.runner.dryrun import Forecast
from alm_bench.synthesis.calls import BATCH, CallStore, Spending, StepCallback, TextModel
from alm_bench.synthesis.captions import Caption, read_captions
from alm_bench.synthesis.card import build_card
from alm_bench.synthesis.filters import FilterSettings
from alm_bench.synthesis.folder import CALLS, write_folder
from alm_bench.synthesis.generate import WritingSettings, WrittenRows, build_calls, build_rows
from alm_bench.synthesis.pipeline import FilterResult, FilterStep, run_filters
from alm_bench.synthesis.rows import QuestionRow, read_rows

SOLVER_DECODING = Decoding(method="nucleus", max_new_tokens=64, top_p=0.9, temperature=0.7)
"""Decoding of the text-only model: sampled, so that several draws differ."""

JUDGE_DECODING = Decoding(max_new_tokens=16)
"""Decoding of the judge."""


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """Options of `data synthesize` and `data filter` that do not depend on the source of the rows."""

    out: Path
    """Folder of the data set."""

    steps: Sequence[FilterStep]
    """Filters."""

    seed: int = 0
    """Seed of everything random."""

    draws: int | None = None
    """Number of answers of the text-only model per question (`FilterSettings.draws`)."""

    repeats: int | None = None
    """Largest number of near-duplicate questions (`FilterSettings.repeats`)."""

    held_out: Sequence[Path] = ()
    """Files of rows whose clips no row may be about."""

    max_cost: float | None = None
    """Cost limit of all calls in US dollars."""

    batch: int = BATCH
    """Number of requests that a model without a stream gets at once."""


@dataclass(frozen=True, slots=True)
class Models:
    """Text models of `data synthesize` or `data filter`, by purpose."""

    writer: Adapter | None = None
    """Model that writes the questions; None to filter existing rows."""

    solver: Adapter | None = None
    """Text-only model of the filter `text_solvable`; None for the bundled classifier."""

    judge: Adapter | None = None
    """Judge of the filter `unsupported`; None for rules alone."""


@dataclass(slots=True)
class SynthesisResult:
    """Result of `data synthesize` or `data filter`."""

    files: list[Path]
    """Files that were written."""

    card: Mapping[str, Any]
    """Data card."""

    spending: Spending
    """Calls and their cost."""

    written: WrittenRows | None = None
    """Rows from the answers of the writer; None for existing rows."""


@dataclass(frozen=True, slots=True)
class CaptionSource:
    """Source of the rows of `data synthesize`: the captions, and the settings by which a model writes questions about
    them."""

    files: Sequence[str]
    """Files of captions (`read_captions`)."""

    writing: WritingSettings
    """Questions to write."""

    decoding: Decoding
    """Decoding of the writer."""

    split: str = "train"
    """Split of clips whose row names none."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Columns by role."""

    limit: int | None = None
    """Number of captions that are used, drawn by the seed; None for all."""

    def read(self, seed: int) -> list[Caption]:
        """Return the captions of all files, or `limit` of them that are drawn at random with `seed`. Raises DataError
        and UsageError."""
        found = [one for name in self.files for one in read_captions(name, self.split, self.columns)]
        if self.limit is None or self.limit >= len(found):
            return found
        from alm_bench.core.rng import derive_integer

        order = sorted(range(len(found)), key=lambda index: derive_integer("captions", seed, found[index].id))
        return [found[index] for index in sorted(order[: self.limit])]


def synthesize(
    source: CaptionSource, models: Models, options: SynthesisOptions, watch: StepCallback | None = None
) -> SynthesisResult:
    """Write questions about captions, filter them and write the files of a data set.

    Every answer of a model is stored when it arrives: the same call again makes no call twice and gives the same files.
    Failed calls are listed in `SynthesisResult.spending` and repeated next time. Raises AlmBenchError.
    """
    if models.writer is None:
        raise UsageError("no model writes the questions: name one with --model")
    captions = source.read(options.seed)
    calls = build_calls(captions, source.writing)
    with _open_store(options) as (store, spending):
        writer = TextModel(models.writer, source.decoding, store, spending, options.batch)
        outputs = writer.ask([call.request for call in calls], watch)
        written = build_rows(calls, outputs, source.writing, writer.label)
        about = {
            "title": f"Questions from captions, type {source.writing.type}",
            "settings": _describe_source(source, len(captions), writer.label, models, options),
            "calls": {
                name: getattr(written, name)
                for name in ("calls", "missing", "refused", "empty", "truncated", "unreadable")
            },
        }
        settings = _build_settings(models, options, store, spending)
        result = run_filters(written.rows, options.steps, settings)
        return _write_data_set(written.rows, result, settings, about, options, spending, written)


def forecast(source: CaptionSource, adapter: Adapter, options: SynthesisOptions) -> Forecast:
    """Return the size and cost of the writer's calls that have no stored answer. Calls no model. The calls of the
    filters' models depend on the answers and are not part of it."""
    calls = build_calls(source.read(options.seed), source.writing)
    store = CallStore(options.out / CALLS, read_only=True)
    model = TextModel(adapter, source.decoding, store, Spending())
    todo = model.select_unanswered([call.request for call in calls])
    total = model.estimate(todo)
    return Forecast(
        task="data synthesize",
        condition="clean",
        model=adapter.identity.label,
        items=len(calls),
        stored=len(calls) - len(todo),
        calls=len(todo),
        unusable=0,
        audio_minutes=0.0,
        prompt_tokens=total.prompt_tokens,
        audio_tokens=0,
        completion_tokens=total.completion_tokens,
        cost=None if total.cost is None else round(total.cost, 6),
    )


def filter_files(files: Sequence[Path], split: str, models: Models, options: SynthesisOptions) -> SynthesisResult:
    """Filter the rows of files in ReasonAQA's format, and write the files of a data set. `split` is the split of rows
    that name none. Raises AlmBenchError."""
    rows = [replace(row, id=f"{path.stem}/{row.id}") for path in files for row in read_rows(path, split)]
    if len({row.id for row in rows}) < len(rows):
        rows = [replace(row, id=f"{number}/{row.id}") for number, row in enumerate(rows)]
    about = {
        "title": f"Filtered rows of {', '.join(path.name for path in files)}",
        "settings": {"files": ", ".join(path.name for path in files), **_describe_models(models, options)},
    }
    with _open_store(options) as (store, spending):
        settings = _build_settings(models, options, store, spending)
        result = run_filters(rows, options.steps, settings)
        return _write_data_set(rows, result, settings, about, options, spending, None)


@contextmanager
def _open_store(options: SynthesisOptions) -> Iterator[tuple[CallStore, Spending]]:
    """Lock the folder and open its store of answers for the duration of the block. Raises StoreError."""
    with lock_folder(options.out), closing(CallStore(options.out / CALLS)) as store:
        yield store, Spending(options.max_cost)


def _build_settings(models: Models, options: SynthesisOptions, store: CallStore, spending: Spending) -> FilterSettings:
    """Return the settings of the filters. Raises UsageError and DataError."""
    held_out = frozenset(clip for path in options.held_out for row in read_rows(path) for clip in row.clips)
    solver = None if models.solver is None else _create_model(models.solver, SOLVER_DECODING, options, store, spending)
    judge = None if models.judge is None else _create_model(models.judge, JUDGE_DECODING, options, store, spending)
    return FilterSettings(
        seed=options.seed,
        solver=None if solver is None else solver.ask_text,
        draws=options.draws,
        judge=None if judge is None else judge.ask_text,
        repeats=options.repeats,
        held_out=held_out,
    )


def _create_model(
    adapter: Adapter, decoding: Decoding, options: SynthesisOptions, store: CallStore, spending: Spending
) -> TextModel:
    """Return the solver or the judge of the filters, with stored answers. It decodes greedily if the adapter does not
    support the method of `decoding`."""
    method = decoding.method if decoding.method in adapter.abilities.decodings else "greedy"
    return TextModel(adapter, replace(decoding, method=method, seed=options.seed), store, spending, options.batch)


def _describe_source(
    source: CaptionSource, caption_count: int, writer_label: str, models: Models, options: SynthesisOptions
) -> dict[str, Any]:
    """Return the entries of the data card that describe how the rows were written. `caption_count` is the number of
    captions, `writer_label` the label of the model."""
    decoding = ", ".join(f"{name} {value}" for name, value in source.decoding.as_dict().items())
    return {
        "captions": f"{caption_count:,} of {', '.join(Path(name).name for name in source.files)}",
        "type": source.writing.type,
        "forms": ", ".join(source.writing.forms),
        "questions a caption and form": source.writing.pairs,
        "written by": writer_label,
        "decoding": decoding,
        **_describe_models(models, options),
    }


def _describe_models(models: Models, options: SynthesisOptions) -> dict[str, Any]:
    """Return the entries of the data card about the models of the filters, and the seed."""
    return {
        "text-only solver": "classifier" if models.solver is None else models.solver.identity.label,
        "judge": "none" if models.judge is None else models.judge.identity.label,
        "seed": options.seed,
    }


def _write_data_set(
    rows: Sequence[QuestionRow],
    result: FilterResult,
    settings: FilterSettings,
    about: Mapping[str, Any],
    options: SynthesisOptions,
    spending: Spending,
    written: WrittenRows | None,
) -> SynthesisResult:
    """Write the files of the data set and return the result. `rows` are those before the filters."""
    card = build_card(rows, result, settings, about)
    card |= {"failed_calls": len(spending.failures), "cost_limit_reached": spending.is_limit_reached}
    return SynthesisResult(write_folder(options.out, result, card), card, spending, written)
