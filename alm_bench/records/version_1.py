"""Conversion of files of schema version 1, which alm-bench 0.1.0 wrote, to the keys of version 2.

Keys and names are changed, but no value is computed again: metrics stay as they were stored. docs/changes.md lists
the names.
"""

from collections.abc import Callable, Mapping
from typing import Any

VERSION = 1

METRICS = {
    "chance_filled": "accuracy_imputed",
    "beyond_text": "accuracy_not_text_solvable",
    "all_right": "circular_accuracy",
    "by_text_sum": "text_ll",
    "by_text_mean": "text_ll_per_token",
    "by_letter_sum": "letter_ll",
    "by_letter_mean": "letter_ll_per_token",
}
"""New names of metrics that version 2 renamed, by their old names."""

_RUN_KEYS = {"blind": "baselines", "over_blind": "margins", "touched": "preprocessing", "delivery": "audio_check"}
_RECORD_KEYS = {
    "blind": "baselines",
    "heard": "clip_sizes",
    "touched": "preprocessing",
    "arranged": "option_order",
}

_SOLVER = "text only: "
"""Prefix of the names of text-only runs among the predictions of baselines."""

_UNUSABLE_CLIP = "audio: "
"""Prefix of the reasons of items that were skipped because of an unusable clip."""


def upgrade_header(value: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the content of a `run.json` from version 1 to version 2."""
    found = _rename_keys(value, {"blind_missing": "baselines_missing", "delivery": "audio_check"})
    return dict(_map_values(found, prompt=_upgrade_prompt, audio_check=_upgrade_audio_check))


def upgrade_summary(value: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the content of a `summary.json` from version 1 to version 2."""
    return dict(_map_values(value, runs=lambda runs: [_upgrade_run(run) for run in runs] if _is_list(runs) else runs))


def upgrade_item_scores(value: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the content of an `item_scores.json` from version 1 to version 2."""
    return dict(_rename_keys(value, {"blind": "baselines"}))


def is_record(value: Any) -> bool:
    """Return True if a decoded line of `samples.jsonl` is of version 1. Lines do not contain their version."""
    return isinstance(value, Mapping) and "blind" in value and "baselines" not in value


def upgrade_record(value: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a decoded line of `samples.jsonl` from version 1 to version 2."""
    reason = value.get("reason")
    found = _map_values(_rename_keys(value, _RECORD_KEYS), scores=_upgrade_metrics, baselines=_upgrade_predictions)
    return {**found, "unusable_clip": isinstance(reason, str) and reason.startswith(_UNUSABLE_CLIP)}


def _rename_keys(value: Any, names: Mapping[str, str]) -> Any:
    """Return an object with its keys renamed. Other values are returned as they are; validation by type reports them
    later.
    """
    return {names.get(key, key): part for key, part in value.items()} if isinstance(value, Mapping) else value


def _map_values(value: Any, **changes: Callable[[Any], Any]) -> Any:
    """Return an object in which the values of some keys are converted. `changes`: functions by key.

    Keys that the object does not have are ignored.
    """
    if not isinstance(value, Mapping):
        return value
    return {key: changes[key](part) if key in changes else part for key, part in value.items()}


def _map_all_values(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return an object with a function applied to all its values."""
    return {key: change(part) for key, part in value.items()} if isinstance(value, Mapping) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _upgrade_metric_name(value: Any) -> Any:
    return METRICS.get(value, value) if isinstance(value, str) else value


def _upgrade_metrics(value: Any) -> Any:
    return _rename_keys(value, METRICS)


def _upgrade_predictions(value: Any) -> Any:
    """Convert the predictions of baselines from an object to a list, in reverse order.

    The prediction of the run in `--solvable-by` comes last in version 1 and first in version 2.
    """
    if not isinstance(value, Mapping):
        return value
    found = [{"name": name, "option": option, "is_run": name.startswith(_SOLVER)} for name, option in value.items()]
    return found[::-1]


def _upgrade_prompt(value: Any) -> Any:
    """Add the name of the prompt set, which is the last part of the id in version 1; None for replays."""
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        return value
    _, slash, name = value["id"].rpartition("/")
    return {**value, "name": name if slash else None}


def _upgrade_audio_check(value: Any) -> Any:
    return _rename_keys(value, {"said": "answers"})


def _upgrade_run(run: Any) -> Any:
    return _map_values(
        _rename_keys(run, _RUN_KEYS),
        main=_upgrade_metric_name,
        metrics=_upgrade_metrics,
        groups=lambda groups: _map_all_values(groups, lambda keys: _map_all_values(keys, _upgrade_metrics)),
        baselines=lambda rows: _map_all_values(rows, _upgrade_metrics),
        margins=lambda groups: _map_all_values(groups, lambda keys: _map_all_values(keys, _upgrade_margin)),
        prompt=_upgrade_prompt,
        audio_check=_upgrade_audio_check,
        tables=_upgrade_tables,
    )


def _upgrade_margin(entry: Any) -> Any:
    """Convert a margin. In version 1, the value of the baseline is stored under the name of the metric."""
    if not isinstance(entry, Mapping):
        return entry
    metric = entry.get("score", "accuracy")
    names = {"row": "baseline", str(metric): "baseline_value", "lead": "margin", "beaten": "significant"}
    return {**_rename_keys(entry, names), "metric": _upgrade_metric_name(metric)}


def _upgrade_tables(tables: Any) -> Any:
    found = _rename_keys(tables, {"unpicked": "no_option"})
    return _map_values(found, positions=lambda table: _map_values(table, positions=_upgrade_positions))


def _upgrade_positions(rows: Any) -> Any:
    return [_rename_keys(row, {"golds": "references"}) for row in rows] if _is_list(rows) else rows
