"""Whether what a run's files hold is what this program writes: the parts that readers rely on, with their kinds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alm_bench.core import STATUSES, StoreError

Check = Callable[[Any], str | None]
"""What is wrong with a value, None where nothing is."""

ADVICE = "restore it, score the run again, or run with --fresh"


def _is(*kinds: type) -> Check:
    """Of exactly one of these types, as JSON is read: true is no number."""
    names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)

    def check(value: Any) -> str | None:
        return None if type(value) in kinds else f"found {type(value).__name__}, expected {names}"

    return check


def _object(**parts: Check) -> Check:
    """An object that has these parts; what else it has does not matter."""
    items = tuple(parts.items())

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"found {type(value).__name__}, expected an object"
        for name, part in items:
            if name not in value:
                return f"{', '.join(name for name in parts if name not in value)} missing"
            if wrong := part(value[name]):
                return f"{name}: {wrong}"
        return None

    return check


def _every(part: Check) -> Check:
    """An object whose values are all alike."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"found {type(value).__name__}, expected an object"
        for name, each in value.items():
            if wrong := part(each):
                return f"{name}: {wrong}"
        return None

    return check


def _list(part: Check) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return f"found {type(value).__name__}, expected a list"
        return next((wrong for each in value if (wrong := part(each))), None)

    return check


_TEXT, _COUNT, _MAPPING = _is(str), _is(int), _is(dict)
_FIGURE = _is(int, float, type(None))
_metric_parts = _object(value=_FIGURE, low=_FIGURE, high=_FIGURE, n=_COUNT)
_FIGURES = {int, float, type(None)}


def _metric(value: Any) -> str | None:
    """As `_metric_parts`, which is asked where something is wrong: a summary has hundreds of them."""
    try:
        kinds = {type(value["value"]), type(value["low"]), type(value["high"])}
        right = type(value["n"]) is int and kinds <= _FIGURES
    except (LookupError, TypeError):
        right = False
    return None if right else _metric_parts(value)


_METRICS = _every(_metric)
_LEAD = _object(row=_TEXT, lead=_object(value=_is(int, float), low=_FIGURE, high=_FIGURE, n=_COUNT), beaten=_is(bool))
_IDENTITY = _object(label=_TEXT, parameters=_is(int, type(None)), trained_on=_list(_TEXT))

_HEADER = _object(
    fingerprint=_TEXT,
    spec=_MAPPING,
    task=_object(name=_TEXT),
    data=_object(kind=_TEXT),
    identity=_object(label=_TEXT),
    items=_COUNT,
    blind_missing=_MAPPING,
)
_RUN = _object(
    **dict.fromkeys(("task", "model", "data", "revision", "split", "main", "condition"), _TEXT),
    **dict.fromkeys(("parser", "options", "answer_by", "run", "fingerprint"), _TEXT),
    **dict.fromkeys(("n", "skipped", "items"), _COUNT),
    status=_object(**dict.fromkeys(STATUSES, _COUNT)),
    metrics=_METRICS,
    groups=_every(_every(_METRICS)),
    blind=_every(_METRICS),
    over_blind=_every(_every(_LEAD)),
    prompt=_object(id=_TEXT, version=_is(int, str, type(None)), hash=_is(str, type(None))),  # null: a replay
    identity=_IDENTITY,
    decoding=_MAPPING,
    partial=_is(bool),
    solver=_is(str, type(None)),
    limit=_is(int, type(None)),
)


def check_header(value: dict[str, Any], path: Path) -> dict[str, Any]:
    """`value`, which `path` holds. Raises StoreError where it is not a run's header."""
    if (wrong := _HEADER(value)) is not None:
        raise StoreError(f"{path}: not a whole file of this program: {wrong}; {ADVICE}")
    return value


def check_summary(value: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """The runs of a summary, which `path` holds; at least one. Raises StoreError."""
    runs = value.get("runs")
    if runs == []:
        raise StoreError(f"{path}: holds no run; score it again")
    wrong = _object(runs=_list(_RUN))(value)
    if wrong is not None or runs is None:
        raise StoreError(f"{path}: not a whole file of this program: {wrong}; {ADVICE}")
    return list(runs)
