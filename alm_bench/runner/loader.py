"""Clips decoded ahead of the model, by worker threads (libsndfile and soxr release the GIL), bounded in memory."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from alm_bench.audio import load
from alm_bench.core import AudioError, AudioPolicy, AudioRef, Request
from alm_bench.runner.conditions import Change, Condition


@dataclass(frozen=True, slots=True)
class Ready:
    """A request with its clips decoded, or the reason why they cannot be."""

    index: int
    request: Request
    touched: tuple[str, ...] = ()
    audio_error: str | None = None


def clips(request: Request) -> tuple[AudioRef, ...]:
    """The clips of a request in the order of its waves: its own, then a spare one."""
    return (*request.audio, request.spare) if request.spare is not None else request.audio


def load_clips(index: int, request: Request, policy: AudioPolicy | None, condition: Condition | None = None) -> Ready:
    """Decode the clips of one request by the adapter's policy, changed by a condition; without a policy no clip is
    opened."""
    if policy is None:
        return Ready(index, request)

    def changed(ref: AudioRef) -> Change | None:
        return None if condition is None else condition.change(ref.id)

    try:
        own = [load(ref, policy, changed(ref)) for ref in request.audio]
    except AudioError as error:
        return Ready(index, request, audio_error=str(error))
    touched: set[str] = {change for clip in own for change in clip.touched}
    waves = [clip.wave for clip in own]
    if request.spare is not None:
        try:
            waves.append(load(request.spare, policy, changed(request.spare)).wave)
        except AudioError:  # another item's clip is no failure of this one: it goes without, and says so
            request = replace(request, spare=None)
            touched.add("without_spare")
    return Ready(index, replace(request, waves=tuple(waves)), tuple(sorted(touched)))


def batches(
    requests: Sequence[Request],
    order: Sequence[int],
    policy: AudioPolicy | None,
    size: int,
    workers: int,
    condition: Condition | None = None,
) -> Iterator[list[Ready]]:
    """Batches of decoded requests in `order`. At most two batches beyond the current one are held."""
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as pool:
        waiting: deque[Future[Ready]] = deque()
        todo = iter(order)

        def submit(count: int) -> None:
            for _, index in zip(range(count), todo, strict=False):
                waiting.append(pool.submit(load_clips, index, requests[index], policy, condition))

        try:
            submit(2 * size)
            while waiting:
                batch = [waiting.popleft().result() for _ in range(min(size, len(waiting)))]
                submit(size)
                yield batch
        finally:
            for future in waiting:
                future.cancel()
