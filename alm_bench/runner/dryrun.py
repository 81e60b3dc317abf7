"""Forecast of the size of a run before any model is called: calls, minutes of audio, tokens and cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alm_bench.audio import compute_loaded_duration
from alm_bench.core import AudioError, Estimate, Request
from alm_bench.records.schema import Record
from alm_bench.runner.execute import drop_records_of_changed_clips
from alm_bench.runner.loader import list_clips
from alm_bench.runner.plan import Plan


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast for one task. Tokens and cost are estimates."""

    task: str
    """Name of the task."""

    condition: str
    """Name of the condition."""

    model: str
    """Label of the model."""

    items: int
    """Number of items."""

    stored: int
    """Number of items that have a stored answer and need no call."""

    calls: int
    """Number of calls to be made."""

    unusable: int
    """Number of items that get no call because a clip cannot be read."""

    audio_minutes: float
    """Total length of the clips in minutes, as the model gets them."""

    prompt_tokens: int
    """Estimated number of input tokens."""

    audio_tokens: int
    """Estimated number of audio tokens."""

    completion_tokens: int
    """Upper limit of the number of output tokens."""

    cost: float | None
    """Estimated cost in US dollars; None if no prices are known."""

    def to_json(self) -> dict[str, Any]:
        """Return the forecast as a JSON object."""
        return asdict(self)


def build_forecast(plan: Plan, stored: Sequence[Record]) -> Forecast:
    """Return the forecast for the items of a plan that have no stored answer.

    `stored` holds the records of the run's folder whose items are not asked again. No model is called, and only the
    headers of clips are read.
    """
    kept = {record.sample.id for record in drop_records_of_changed_clips(plan, stored)}
    measured = _ClipLengths(plan)
    calls: list[tuple[float, Estimate]] = []
    unusable = 0
    for item, request in zip(plan.items, plan.requests, strict=True):
        if item.sample.id in kept:
            continue
        seconds = measured.measure_request(request)
        if seconds is None:
            unusable += 1
            continue
        calls.append((seconds, plan.adapter.estimate(request, seconds, plan.spec.decoding)))
    costs = [estimate.cost for _, estimate in calls if estimate.cost is not None]
    return Forecast(
        task=plan.spec.task,
        condition=plan.spec.condition,
        model=plan.adapter.identity.label,
        items=len(plan.items),
        stored=len(kept),
        calls=len(calls),
        unusable=unusable,
        audio_minutes=round(sum(seconds for seconds, _ in calls) / 60, 3),
        prompt_tokens=sum(estimate.prompt_tokens for _, estimate in calls),
        audio_tokens=sum(estimate.audio_tokens for _, estimate in calls),
        completion_tokens=sum(estimate.completion_tokens for _, estimate in calls),
        cost=round(sum(costs), 6) if costs else None,
    )


class _ClipLengths:
    """Lengths in seconds of the clips that the model gets. Each clip is measured once."""

    def __init__(self, plan: Plan) -> None:
        self._policy = plan.adapter.audio
        self._share = plan.condition.share
        self._known: dict[str, float | None] = {}

    def measure_request(self, request: Request) -> float | None:
        """Return the total length of a request's clips in seconds; None if a clip of the item itself cannot be read.

        An additional second clip (`Request.spare`) that cannot be read counts as 0 s.
        """
        policy = self._policy
        if policy is None:
            return 0.0
        for ref in list_clips(request):
            if ref.id not in self._known:
                try:
                    self._known[ref.id] = compute_loaded_duration(ref, policy) * self._share
                except AudioError:
                    self._known[ref.id] = None
        if any(self._known[ref.id] is None for ref in request.audio):
            return None
        return sum(self._known[ref.id] or 0.0 for ref in list_clips(request))


def sum_forecasts(forecasts: Sequence[Forecast]) -> dict[str, Any]:
    """Return the sums of all numbers of the forecasts. The cost is the sum of the known costs, None if none is
    known."""
    entries = [one.to_json() for one in forecasts]
    sums: dict[str, Any] = {
        name: sum(entry[name] for entry in entries)
        for name, value in entries[0].items()
        if isinstance(value, int | float) and name != "cost"
    }
    costs = [one.cost for one in forecasts if one.cost is not None]
    return {**sums, "audio_minutes": round(sums["audio_minutes"], 3), "cost": round(sum(costs), 6) if costs else None}
