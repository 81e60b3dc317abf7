"""Clips decoded for the model, by worker threads (libsndfile and soxr release the GIL), bounded in memory."""

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from alm_bench.audio import load
from alm_bench.core import Adapter, AudioError, AudioPolicy, AudioRef, Request, Wave
from alm_bench.runner.conditions import Condition
from alm_bench.runner.inference import Failure, capture_failure

KEPT = 8
"""So many clips stay decoded for the next request that may be about them."""

AHEAD = 64
"""Beyond the batch in the model's hands one more is decoded, or two as long as these are no more items."""


@dataclass(frozen=True, slots=True)
class LoadedRequest:
    """A request with its clips decoded, or the reason why they cannot be (`audio_error`), or why the adapter could not
    prepare them (`error`)."""

    index: int
    request: Request
    touched: tuple[str, ...] = ()
    audio_error: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One decoded clip with what the adapter's `prepare` made of it; or why there is none."""

    wave: Wave | None = None
    touched: tuple[str, ...] = ()
    features: Any = None
    prepared: bool = False
    audio_error: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class AudioPipeline:
    """How an adapter wants clips: by its policy, changed by a condition, and made into features where it does that.
    Without a policy no clip is opened. `beside`: also while the model works."""

    policy: AudioPolicy | None
    condition: Condition | None = None
    prepare: Callable[[Wave], Any] | None = None
    beside: bool = True

    @staticmethod
    def of(adapter: Adapter, condition: Condition | None = None) -> "AudioPipeline":
        prepare = adapter.prepare if adapter.abilities.prepare else None
        # A model on the processor works on all of its cores, in threads that wait for one another: what takes one from
        # them holds up all, and costs more than it saves.
        return AudioPipeline(adapter.audio, condition, prepare, beside=adapter.identity.device != "cpu")

    def refs(self, request: Request) -> tuple[AudioRef, ...]:
        return () if self.policy is None else clips(request)

    def clip(self, ref: AudioRef) -> Clip:
        assert self.policy is not None, "no clip is opened without one"
        change = None if self.condition is None else self.condition.change(ref.id)
        try:
            loaded = capture_failure(partial(load, ref, self.policy, change), AudioError)
        except AudioError as error:
            return Clip(audio_error=str(error))
        if isinstance(loaded, Failure):  # as where a clip is larger than memory
            return Clip(error=loaded.reason)
        loaded.wave.flags.writeable = False  # other requests get the same
        if self.prepare is None:
            return Clip(loaded.wave, loaded.touched)
        made = capture_failure(partial(self.prepare, loaded.wave))
        if isinstance(made, Failure):
            # Beside a batch there may be no room for it; the model answers without, in batches that fit.
            return Clip(loaded.wave, loaded.touched, error=None if made.memory else made.reason)
        return Clip(loaded.wave, loaded.touched, made, prepared=True)

    def ready(self, index: int, request: Request, found: Sequence[Clip]) -> LoadedRequest:
        """The request with its clips, which are `found` in the order of `refs`."""
        if self.policy is None:
            return LoadedRequest(index, request)
        own, spare = found[: len(request.audio)], found[len(request.audio) :]
        for clip in own:
            if clip.audio_error is not None:
                return LoadedRequest(index, request, audio_error=clip.audio_error)
        touched: set[str] = {change for clip in own for change in clip.touched}
        if any(clip.audio_error is not None for clip in spare):
            # another item's clip is no failure of this one: it goes without, and says so (not where another time it
            # could be had: an answer does not depend on how much memory is free)
            request, spare = replace(request, spare=None), ()
            touched.add("without_spare")
        heard = [*own, *spare]
        request = replace(
            request,
            waves=tuple(clip.wave for clip in heard if clip.wave is not None),
            features=tuple(clip.features for clip in heard) if all(clip.prepared for clip in heard) else (),
        )
        error = next((clip.error for clip in heard if clip.error is not None), None)
        return LoadedRequest(index, request, tuple(sorted(touched)), error=error)


class LazyClip:
    """A clip that whoever comes first decodes."""

    def __init__(self, make: Callable[[], Clip]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._clip: Clip | None = None

    def begin(self) -> None:
        """Decode it, unless that is done or another thread is at it."""
        if self._lock.acquire(blocking=False):
            try:
                self._made()
            finally:
                self._lock.release()

    def clip(self) -> Clip:
        with self._lock:
            return self._made()

    def _made(self) -> Clip:
        if self._clip is None:
            self._clip = self._make()
        return self._clip


class ClipCache:
    """Clips as a pool of threads decodes them, each once for requests that are near one another."""

    def __init__(self, hearing: AudioPipeline, pool: ThreadPoolExecutor) -> None:
        self._hearing, self._pool = hearing, pool
        self._kept: OrderedDict[AudioRef, LazyClip] = OrderedDict()

    def of(self, request: Request) -> list[LazyClip]:
        """In the order of `AudioPipeline.refs`."""
        return [self._begun(ref) for ref in self._hearing.refs(request)]

    def _begun(self, ref: AudioRef) -> LazyClip:
        if ref not in self._kept:
            self._kept[ref] = pending = LazyClip(partial(self._hearing.clip, ref))
            self._pool.submit(_decode, weakref.ref(pending))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(ref)
        return self._kept[ref]


def _decode(wanted: "weakref.ref[LazyClip]") -> None:
    """Unless all who wanted it have it already: a queue that is not worked off holds no clips."""
    pending = wanted()
    if pending is not None:
        pending.begin()


def clips(request: Request) -> tuple[AudioRef, ...]:
    """The clips of a request in the order of its waves: its own, then a spare one."""
    return (*request.audio, request.spare) if request.spare is not None else request.audio


def load_clips(
    index: int, request: Request, policy: AudioPolicy | None, condition: Condition | None = None
) -> LoadedRequest:
    """Decode the clips of one request by the adapter's policy, changed by a condition; without a policy no clip is
    opened."""
    hearing = AudioPipeline(policy, condition)
    return hearing.ready(index, request, [hearing.clip(ref) for ref in hearing.refs(request)])


def load_batch(batch: Sequence[tuple[int, Request]], hearing: AudioPipeline, workers: int) -> list[LoadedRequest]:
    """One batch of (item, request), each clip decoded once."""
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as pool:
        found = ClipCache(hearing, pool)
        try:
            return _all([(index, request, found.of(request)) for index, request in batch], hearing)
        finally:
            pool.shutdown(cancel_futures=True)


def load_batches(
    requests: Sequence[Request], order: Sequence[int], hearing: AudioPipeline, size: Callable[[], int], workers: int
) -> Iterator[list[LoadedRequest]]:
    """Batches of decoded requests in `order`, each as large as `size` says when it is taken.

    Beyond the current batch at most another two are decoded, or one where that is more than `AHEAD` items; none where
    nothing is to be decoded beside the model.
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as pool:
        found = ClipCache(hearing, pool)
        waiting: deque[tuple[int, Request, list[LazyClip]]] = deque()
        todo = iter(order)

        def fill(count: int) -> None:
            for _, index in zip(range(count - len(waiting)), todo, strict=False):
                waiting.append((index, requests[index], found.of(requests[index])))

        try:
            count = size()
            fill(count)
            while waiting:
                batch = _all([waiting.popleft() for _ in range(min(count, len(waiting)))], hearing)
                if hearing.beside:
                    fill(_ahead(count))
                yield batch
                count = size()
                fill(count)
        finally:
            pool.shutdown(cancel_futures=True)


def _all(waiting: Sequence[tuple[int, Request, Sequence[LazyClip]]], hearing: AudioPipeline) -> list[LoadedRequest]:
    """Decoded by this thread beside the pool's: it begins what they have not begun, and waits for them at the end."""
    for pending in (pending for _, _, own in waiting for pending in own):
        pending.begin()
    return [hearing.ready(index, request, [pending.clip() for pending in own]) for index, request, own in waiting]


def _ahead(size: int) -> int:
    return max(size, min(2 * size, AHEAD))
