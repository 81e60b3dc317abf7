"""Decoding of clips ahead of the model, in worker threads and with bounded memory.

Threads are sufficient, since libsndfile and soxr release the GIL.
"""

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
from alm_bench.runner.conditions import Change, Condition
from alm_bench.runner.inference import Failure, capture_failure

CACHED_CLIPS = 8
"""Number of decoded clips that are cached for later requests about the same clips."""

MAX_AHEAD = 64
"""Largest number of items that are decoded ahead of the model, unless a single batch has more: one whole batch is
always decoded ahead, and never more than two."""


@dataclass(frozen=True, slots=True)
class LoadedRequest:
    """A request after decoding: with its clips, or with the reason why they are not available."""

    index: int
    """Index of the item in the plan."""

    request: Request
    """The request, with `waves` and, if the adapter computes them, `features`."""

    touched: tuple[str, ...] = ()
    """Names of the preprocessing steps that changed a clip, sorted."""

    audio_error: str | None = None
    """Reason why a clip cannot be used (missing, unreadable, too short); None otherwise."""

    error: str | None = None
    """Reason of any other failure, for example in the adapter's `prepare`; None otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One decoded clip with the result of the adapter's `prepare`, or the reason why there is none."""

    wave: Wave | None = None
    """Decoded samples; None after a failure, or if the adapter prepared the clip from its file."""

    touched: tuple[str, ...] = ()
    """Names of the preprocessing steps that changed the clip."""

    features: Any = None
    """Result of the adapter's `prepare`."""

    prepared: bool = False
    """True if `prepare` succeeded."""

    audio_error: str | None = None
    """Reason why the clip cannot be used; None otherwise."""

    error: str | None = None
    """Reason of any other failure, for example in the adapter's `prepare`; None otherwise."""


@dataclass(frozen=True, slots=True)
class AudioPipeline:
    """Processing of an adapter's clips: decoding by the audio policy, change by a condition, the adapter's
    `prepare`."""

    policy: AudioPolicy | None
    """Audio policy of the adapter; None if it takes no audio, in which case no clip is opened."""

    condition: Condition | None = None
    """Condition that changes the clips; None for no change."""

    prepare: Callable[[Wave], Any] | None = None
    """Method `prepare` of the adapter; None if it has none."""

    prepare_file: Callable[[AudioRef], Any] | None = None
    """Method `prepare_file` of the adapter; None if it does not prepare clips."""

    decodes_during_calls: bool = True
    """True if clips may be decoded while the model answers a batch, False for models on the CPU."""

    max_clips: int | None = None
    """Largest number of clips per item that the adapter takes; None for any number."""

    @staticmethod
    def from_adapter(adapter: Adapter, condition: Condition | None = None) -> "AudioPipeline":
        """Return the pipeline of an adapter, with the changes of a condition if one is given."""
        prepares = adapter.abilities.prepare
        prepare, prepare_file = (adapter.prepare, adapter.prepare_file) if prepares else (None, None)
        # A model on the CPU uses all cores, in threads that wait for one another. Decoding at the same time would take
        # a core from one of them and delay all, which costs more than it saves.
        during_calls = adapter.identity.device != "cpu"
        return AudioPipeline(adapter.audio, condition, prepare, prepare_file, during_calls, adapter.abilities.max_clips)

    def list_refs(self, request: Request) -> tuple[AudioRef, ...]:
        """Return the clips of a request that have to be decoded, in the order of `Request.waves`.

        There are none without an audio policy, or if the request has more clips than the adapter takes.
        """
        return () if self.policy is None or self.has_too_many_clips(request) else list_clips(request)

    def has_too_many_clips(self, request: Request) -> bool:
        """Return True if a request has more clips than the adapter takes."""
        return self.policy is not None and self.max_clips is not None and len(request.audio) > self.max_clips

    def prepare_from_file(self, ref: AudioRef) -> Clip | None:
        """Prepare one clip from its file by the adapter's `prepare_file`, without decoding it.

        This takes only as long as reading the file. Returns None if the clip has to be decoded. A failure is stored in
        the result, not raised.
        """
        if self.prepare_file is None or self._find_change(ref) is not None:
            return None
        try:
            made = capture_failure(partial(self.prepare_file, ref), AudioError)
        except AudioError as error:
            return Clip(audio_error=str(error))
        if isinstance(made, Failure):
            return Clip(error=made.reason)
        return None if made is None else Clip(features=made, prepared=True)

    def _find_change(self, ref: AudioRef) -> Change | None:
        """Return the function by which the condition changes a clip; None if the clip is not changed. Clips with spoken
        questions never are, since a question that cannot be understood shows nothing about the item's own clips."""
        return None if self.condition is None or ref.is_question else self.condition.change(ref.id)

    def load_clip(self, ref: AudioRef) -> Clip:
        """Decode, change and prepare one clip. A failure is stored in the result, not raised."""
        assert self.policy is not None, "no clip is opened without one"
        change = self._find_change(ref)
        try:
            loaded = capture_failure(partial(load, ref, self.policy, change), AudioError)
        except AudioError as error:
            return Clip(audio_error=str(error))
        if isinstance(loaded, Failure):  # e.g. a clip that does not fit into memory
            return Clip(error=loaded.reason)
        loaded.wave.flags.writeable = False  # other requests share the array
        if self.prepare is None:
            return Clip(loaded.wave, loaded.touched)
        made = capture_failure(partial(self.prepare, loaded.wave))
        if isinstance(made, Failure):
            # Memory may be too small while the model works on a batch. The model then answers without features.
            return Clip(loaded.wave, loaded.touched, error=None if made.out_of_memory else made.reason)
        return Clip(loaded.wave, loaded.touched, made, prepared=True)

    def attach_clips(self, index: int, request: Request, clips: Sequence[Clip]) -> LoadedRequest:
        """Return the request with its decoded clips, or with the first error among them.

        `clips` holds the decoded clips in the order of `list_refs`. If the second clip (`spare`) cannot be used, the
        request is returned without it, and `LoadedRequest.touched` contains `without_spare`.
        """
        if self.policy is None:
            return LoadedRequest(index, request)
        if self.has_too_many_clips(request):
            clips_taken = "1 clip" if self.max_clips == 1 else f"{self.max_clips} clips"
            too_many = f"the model takes at most {clips_taken} per item, this one has {len(request.audio)}"
            return LoadedRequest(index, request, error=too_many)
        own, spare = clips[: len(request.audio)], clips[len(request.audio) :]
        for clip in own:
            if clip.audio_error is not None:
                return LoadedRequest(index, request, audio_error=clip.audio_error)
        touched: set[str] = {change for clip in own for change in clip.touched}
        if any(clip.audio_error is not None for clip in spare):
            # The second clip belongs to another item, so it is no failure of this one. This holds for unusable clips
            # alone, not for a lack of memory: an answer must not depend on how much memory is free.
            request, spare = replace(request, spare=None), ()
            touched.add("without_spare")
        used_clips = [*own, *spare]
        if not all(clip.prepared for clip in used_clips) and any(clip.wave is None for clip in used_clips):
            reason = next((clip.error for clip in used_clips if clip.error is not None), "a clip could not be prepared")
            return LoadedRequest(index, request, tuple(sorted(touched)), error=reason)
        request = replace(
            request,
            waves=tuple(clip.wave for clip in used_clips if clip.wave is not None),
            features=tuple(clip.features for clip in used_clips) if all(clip.prepared for clip in used_clips) else (),
        )
        error = next((clip.error for clip in used_clips if clip.error is not None), None)
        return LoadedRequest(index, request, tuple(sorted(touched)), error=error)


class LazyClip:
    """A clip that is decoded once, by the first thread that needs it."""

    def __init__(self, decode: Callable[[], Clip], clip: Clip | None = None) -> None:
        """Store the function `decode`, which decodes the clip, or the finished `clip` if no decoding is needed."""
        self._make, self._lock = decode, threading.Lock()
        self._clip = clip

    def decode_if_idle(self) -> None:
        """Decode the clip now, unless this has been done or another thread is doing it."""
        if self._lock.acquire(blocking=False):
            try:
                self._decode_once()
            finally:
                self._lock.release()

    def get_clip(self) -> Clip:
        """Return the clip, decoding it first if no thread has."""
        with self._lock:
            return self._decode_once()

    def _decode_once(self) -> Clip:
        """Return the clip, decoding it first if necessary. The caller must hold the lock."""
        if self._clip is None:
            self._clip = self._make()
        return self._clip


class ClipCache:
    """Cache of the most recently requested clips. A thread pool decodes them, and successive requests about the same
    clip share it."""

    def __init__(self, pipeline: AudioPipeline, pool: ThreadPoolExecutor) -> None:
        self._pipeline, self._pool = pipeline, pool
        self._cached: OrderedDict[AudioRef, LazyClip] = OrderedDict()

    def load_clips(self, request: Request) -> list[LazyClip]:
        """Return the clips of a request in the order of `AudioPipeline.list_refs`, and start to decode them."""
        return [self._get_or_submit(ref) for ref in self._pipeline.list_refs(request)]

    def _get_or_submit(self, ref: AudioRef) -> LazyClip:
        """Return the clip of a reference from the cache, or add it and submit it to the thread pool."""
        if ref not in self._cached:
            # reading a file takes less time than handing it to a thread
            clip = self._pipeline.prepare_from_file(ref)
            self._cached[ref] = pending = LazyClip(partial(self._pipeline.load_clip, ref), clip)
            if clip is None:
                self._pool.submit(_decode_if_needed, weakref.ref(pending))
            if len(self._cached) > CACHED_CLIPS:
                self._cached.popitem(last=False)
        self._cached.move_to_end(ref)
        return self._cached[ref]


def _decode_if_needed(reference: "weakref.ref[LazyClip]") -> None:
    """Decode a clip unless no request refers to it any longer.

    The reference is weak, so that clips in the queue of the thread pool do not stay in memory.
    """
    pending = reference()
    if pending is not None:
        pending.decode_if_idle()


def list_clips(request: Request) -> tuple[AudioRef, ...]:
    """Return the clips of a request in the order of its waves: its own clips, then the second clip (`spare`) if it has
    one."""
    return (*request.audio, request.spare) if request.spare is not None else request.audio


def load_clips(
    index: int, request: Request, policy: AudioPolicy | None, condition: Condition | None = None
) -> LoadedRequest:
    """Decode the clips of one request by an audio policy, changed by a condition if one is given.

    `index` is the index of the item, which is stored in the result. Without a policy no clip is opened.
    """
    pipeline = AudioPipeline(policy, condition)
    return pipeline.attach_clips(index, request, [pipeline.load_clip(ref) for ref in pipeline.list_refs(request)])


def load_batch(batch: Sequence[tuple[int, Request]], pipeline: AudioPipeline, workers: int) -> list[LoadedRequest]:
    """Decode the clips of one batch of pairs (item index, request) in `workers` threads, each clip once."""
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as pool:
        found = ClipCache(pipeline, pool)
        try:
            return _collect_clips([(index, request, found.load_clips(request)) for index, request in batch], pipeline)
        finally:
            pool.shutdown(cancel_futures=True)


def load_batches(
    requests: Sequence[Request], order: Sequence[int], pipeline: AudioPipeline, size: Callable[[], int], workers: int
) -> Iterator[list[LoadedRequest]]:
    """Yield batches of decoded requests, in the order of the item indices `order`.

    `size` is called for each batch and returns its number of items. While the model works on a batch, up to two further
    batches are decoded, but at most `MAX_AHEAD` items, or one batch if that is larger. Nothing is decoded ahead if the
    pipeline does not allow it (`AudioPipeline.decodes_during_calls`). `workers` is the number of decoding threads.
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode") as pool:
        found = ClipCache(pipeline, pool)
        waiting: deque[tuple[int, Request, list[LazyClip]]] = deque()
        todo = iter(order)

        def fill_queue(count: int) -> None:
            """Append the next requests to `waiting` until it holds `count`, and start to decode their clips."""
            for _, index in zip(range(count - len(waiting)), todo, strict=False):
                waiting.append((index, requests[index], found.load_clips(requests[index])))

        try:
            count = size()
            fill_queue(count)
            while waiting:
                batch = _collect_clips([waiting.popleft() for _ in range(min(count, len(waiting)))], pipeline)
                if pipeline.decodes_during_calls:
                    fill_queue(_count_items_to_decode_ahead(count))
                yield batch
                count = size()
                fill_queue(count)
        finally:
            pool.shutdown(cancel_futures=True)


def _collect_clips(
    pending_requests: Sequence[tuple[int, Request, Sequence[LazyClip]]], pipeline: AudioPipeline
) -> list[LoadedRequest]:
    """Wait until the clips of all requests are decoded, and return the requests with them.

    `pending_requests` holds triples (item index, request, clips of the request). The calling thread decodes the clips
    that the pool has not started, then waits for the others.
    """
    for pending in (pending for _, _, own in pending_requests for pending in own):
        pending.decode_if_idle()
    return [
        pipeline.attach_clips(index, request, [pending.get_clip() for pending in own])
        for index, request, own in pending_requests
    ]


def _count_items_to_decode_ahead(size: int) -> int:
    """Return how many items to decode ahead of the model for batches of `size` items."""
    return max(size, min(2 * size, MAX_AHEAD))
