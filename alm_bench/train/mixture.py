"""Selection of rows for the steps of a stage: sampling shares, and order of difficulty."""

import fnmatch
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from alm_bench.core import UsageError
from alm_bench.train.batches import Corpus
from alm_bench.train.config import StageConfig
from alm_bench.train.pass_rates import describe_selection, get_pass_rates, select_by_pass_rate, uses_pass_rates
from alm_bench.train.sampler import Curriculum, Indices, OrderedSteps, SamplingGroup, Steps
from alm_bench.train.sources import DIFFICULTIES


def sample_mixture(corpus: Corpus, stage: StageConfig, lengths: npt.NDArray[np.int64], seed: int) -> Steps | Curriculum:
    """Return the row numbers of all steps of a stage that trains on answers. Raises UsageError if `mix` names a part
    that the data does not have.

    `lengths` (rows,): length of each row, by which rows are sorted into batches.
    """
    difficulties = np.array([DIFFICULTIES.index(row.difficulty) for source in corpus.sources for row in source.rows])
    groups = select_groups(corpus, stage)
    if stage.order == "easy_to_hard":
        return OrderedSteps(groups, get_pass_rates(corpus), stage.batch, seed, stage.steps, stage.epochs or 1)
    all_steps = Steps(groups, lengths, stage.batch, seed)
    if not stage.curriculum:
        return all_steps
    total = stage.steps if stage.steps is not None else (stage.epochs or 1) * all_steps.per_epoch
    levels = [level for level in range(len(DIFFICULTIES)) if _filter_groups(groups, difficulties <= level)]
    parts = [Steps(_filter_groups(groups, difficulties <= level), lengths, stage.batch, seed) for level in levels]
    return Curriculum(parts, round(stage.curriculum * total))


def select_groups(corpus: Corpus, stage: StageConfig) -> list[SamplingGroup]:
    """Return the sampling groups of a stage, restricted to the rows that it uses by their pass rates. Raises UsageError
    if no row is left, or if rows lack a pass rate that the stage needs."""
    groups = list_groups(corpus, stage.mix)
    if not uses_pass_rates(stage):
        return groups
    rates, rows = get_pass_rates(corpus), list_rows(corpus, stage)
    selected = np.zeros(len(rates), bool)
    selected[rows] = select_by_pass_rate(rates[rows], stage)
    kept = _filter_groups(groups, selected)
    if not kept:
        raise UsageError(f"stage {stage.name}: no row is left: {describe_selection(rates[rows], stage)}")
    return kept


def list_rows(corpus: Corpus, stage: StageConfig) -> Indices:
    """Return the numbers of the rows that belong to a stage's `mix`, in ascending order, whatever their pass rates."""
    return np.sort(np.concatenate([group.rows for group in list_groups(corpus, stage.mix)]))


def list_groups(corpus: Corpus, mix: Mapping[str, float]) -> list[SamplingGroup]:
    """Return the sampling groups of a stage: one per source, or with `mix` one per source and pattern.

    The share of a pattern is divided among the sources in proportion to their weights, summed over the matching rows. A
    row that matches several patterns belongs to the first of them. Raises UsageError for a pattern without rows, and if
    no row has a weight above 0.
    """
    found: list[SamplingGroup] = []
    parts = np.array([row.subtype for source in corpus.sources for row in source.rows])
    weights = np.array([source.config.weight for source in corpus.sources for _ in source.rows])
    source_indices = np.repeat(np.arange(len(corpus.sources)), corpus.sizes)
    unassigned = np.ones(len(parts), bool)
    for pattern, share in (mix or {"*": 1.0}).items():
        matches = np.isin(parts, fnmatch.filter(sorted(set(parts)), pattern.casefold()))
        if not matches.any():
            raise UsageError(f"mix names {pattern!r}; parts of the data: {', '.join(sorted(set(parts)))}")
        matches &= unassigned
        unassigned &= ~matches
        for source in range(len(corpus.sources)):
            rows = np.flatnonzero(matches & (source_indices == source))
            if len(rows) and weights[rows[0]] > 0:
                found.append(SamplingGroup(rows, share * float(weights[rows].sum() / weights[matches].sum())))
    if not sum(group.share for group in found) > 0:
        raise UsageError("no row would be drawn: every weight of the [[data]] that mix draws from is 0")
    return found


def _filter_groups(groups: list[SamplingGroup], is_kept: npt.NDArray[np.bool_]) -> list[SamplingGroup]:
    """Return the groups restricted to the rows for which `is_kept` (rows,) is True. Groups without such rows are
    removed."""
    filtered: list[tuple[Indices, float]] = [(group.rows[is_kept[group.rows]], group.share) for group in groups]
    return [SamplingGroup(rows, share) for rows, share in filtered if len(rows)]
