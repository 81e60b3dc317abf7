"""Adapters that describe clips before they answer: one model describes the clips of an item, then the same or another
model answers with the descriptions in its prompt. The caption-first strategy and the model cascade are such
adapters."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from alm_bench.audio.ops import hash_waves
from alm_bench.core import Adapter, AudioRef, Decoding, Estimate, OptionScores, Output, Request, StoreError
from alm_bench.core.adapter import CHARACTERS_PER_TOKEN
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.escape import print_notice
from alm_bench.core.files import hash_json
from alm_bench.core.forwarding import ForwardingAdapter
from alm_bench.core.usage import USAGE, add_usage

VERSION = 2
"""Version of the cached descriptions. Increase it with every change of how a description is obtained from a model's
output: older cache entries are then ignored."""


@dataclass(frozen=True, slots=True)
class ItemDescriptions:
    """Descriptions of the clips of one item."""

    keys: Sequence[str] = ()
    """Cache key of each description."""

    texts: Sequence[str] = ()
    """The descriptions, in the order of the requests that `DescribingAdapter.build_description_requests` returns."""

    failure: Output | None = None
    """Output of the item if a description could not be obtained, else None."""


class DescribingAdapter(ForwardingAdapter):
    """Adapter that describes clips with the adapter `listener` and answers with the adapter `answerer`; both may be the
    same.

    Descriptions are decoded greedily. The cache key of a description is a hash of the listener's identity, the
    describing prompt and the decoded samples, never the clip's name. Each description is therefore generated once. Its
    usage is added to the output of the first item that needs it.
    """

    def __init__(
        self,
        listener: Adapter,
        answerer: Adapter,
        prompt_hash: str,
        max_new_tokens: int,
        cache: DiskCache | None = None,
    ) -> None:
        """Create the adapter. `prompt_hash` is the hash of the describing prompt, `max_new_tokens` the token limit of a
        description. Without a `cache` on disk, descriptions are cached in this process only."""
        super().__init__(listener, answerer)
        self.abilities = replace(self.abilities, stream=False, fit=False)
        self._decoding = Decoding(max_new_tokens=max_new_tokens)
        self._key_prefix = hash_json([VERSION, asdict(listener.identity), prompt_hash])
        self._cache = cache
        self._descriptions: dict[str, str] = {}
        self._uncounted_calls: dict[str, Output] = {}  # describing calls whose usage is not in any output yet

    def prepare_file(self, ref: AudioRef) -> None:
        """Return None, so that every clip is decoded. The cache keys of descriptions are hashes of decoded samples."""
        return None

    @abstractmethod
    def build_description_requests(self, request: Request) -> Sequence[Request]:
        """Return requests to the listener. Its answers to them are the descriptions of the clips of `request`.

        This method is also called before the clips are decoded, so it must not use their samples."""

    @abstractmethod
    def build_answer_request(self, request: Request, texts: Sequence[str]) -> Request:
        """Return the request to the answerer. Its prompt contains the descriptions `texts`."""

    @abstractmethod
    def find_problem(self, request: Request) -> str | None:
        """Return the reason why the clips of a request cannot be described, or None if they can. The clips need not be
        decoded."""

    @abstractmethod
    def build_failed_output(self, request: Request, output: Output) -> Output:
        """Return the item's output after the listener gave no usable description: an error or a refusal.

        `request` is the describing request that failed, `output` the listener's output for it."""

    @abstractmethod
    def build_extra_fields(self, texts: Sequence[str]) -> Mapping[str, Any]:
        """Return the fields to add to `Output.extra` of the answer, such as the descriptions `texts`."""

    def extract_description(self, text: str) -> str:
        """Extract the description from the listener's answer. Default: remove surrounding white space."""
        return text.strip()

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        described = self._describe_batch(batch)
        asked = self._build_answering_requests(batch, described)
        outputs = list(self.answerer.generate(asked, decoding)) if asked else []
        _check_result_count(len(outputs), len(asked), "outputs")
        answers = iter(outputs)
        return [
            self._add_describing_usage(
                self._add_extra_fields(next(answers), one.texts) if one.failure is None else one.failure, one.keys
            )
            for one in described
        ]

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        described = self._describe_batch(batch)
        asked = self._build_answering_requests(batch, described)
        scores = list(self.answerer.loglikelihood(asked)) if asked else []
        _check_result_count(len(scores), len(asked), "option scores")
        found = iter(scores)
        return [
            next(found) if one.failure is None else OptionScores(error=one.failure.error or one.failure.refusal)
            for one in described
        ]

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Estimate the cost of the describing calls and the answering call. This is an upper bound: items with the same
        clips share their descriptions."""
        if self.find_problem(request) is not None:
            return self.answerer.estimate(request, seconds, decoding)
        asked = self.build_description_requests(request)
        longest = "x" * math.ceil(self._decoding.max_new_tokens * CHARACTERS_PER_TOKEN)
        answer = self.build_answer_request(request, [longest] * len(asked))
        total = self.answerer.estimate(answer, seconds if answer.audio else 0.0, decoding)
        for one in asked:
            total += self.listener.estimate(one, seconds / len(asked), self._decoding)
        return total

    def _build_answering_requests(
        self, batch: Sequence[Request], descriptions: Sequence[ItemDescriptions]
    ) -> list[Request]:
        """Return the requests to the answerer, for the items whose clips have descriptions."""
        pairs = zip(batch, descriptions, strict=True)
        return [self.build_answer_request(request, one.texts) for request, one in pairs if one.failure is None]

    def _describe_batch(self, batch: Sequence[Request]) -> list[ItemDescriptions]:
        """Return the descriptions of every request in `batch`, from the cache or from the listener."""
        problems = [self.find_problem(request) or _describe_missing_waves(request) for request in batch]
        rows = [
            [] if problem else [(self._build_cache_key(one), one) for one in self.build_description_requests(request)]
            for request, problem in zip(batch, problems, strict=True)
        ]
        failed = self._request_descriptions({key: one for row in rows for key, one in row if not self._is_cached(key)})
        described = []
        for row, problem in zip(rows, problems, strict=True):
            keys = [key for key, _ in row]
            failure = Output(None, error=problem) if problem else None
            failure = failure or next((failed[key] for key in keys if key in failed), None)
            texts = [] if failure else [self._descriptions[key] for key in keys]
            described.append(ItemDescriptions(keys, texts, failure))
        return described

    def _request_descriptions(self, requests: Mapping[str, Request]) -> dict[str, Output]:
        """Request descriptions from the listener and cache them. `requests`: the requests that are not in the cache, by
        cache key.

        Returns a failed output for each key whose description could not be obtained. It becomes the output of every
        item that needs the description.
        """
        outputs = list(self.listener.generate(list(requests.values()), self._decoding)) if requests else []
        _check_result_count(len(outputs), len(requests), "outputs")
        failed = {}
        for (key, asked), output in zip(requests.items(), outputs, strict=True):
            before = self._uncounted_calls.get(key)
            self._uncounted_calls[key] = output if before is None else add_usage(output, before)
            text = "" if output.text is None or output.error is not None else self.extract_description(output.text)
            if text:
                self._store_description(key, text)
            else:
                failed[key] = self.build_failed_output(asked, output)
        return failed

    def _add_describing_usage(self, output: Output, keys: Sequence[str]) -> Output:
        """Add the token counts and costs of the describing calls to an output. `keys`: the cache keys of the item's
        descriptions. Each call is added to one output only."""
        calls = [self._uncounted_calls.pop(key) for key in keys if key in self._uncounted_calls]
        return add_usage(output, *calls) if calls else output

    def _add_extra_fields(self, output: Output, texts: Sequence[str]) -> Output:
        """Add the fields that `build_extra` returns for the descriptions `texts` to an output."""
        return replace(output, extra={**output.extra, **self.build_extra_fields(texts)})

    def _build_cache_key(self, request: Request) -> str:
        """Return the cache key of the description that answers the describing request `request`."""
        return hash_json([self._key_prefix, len(request.audio), hash_waves(request.waves)])

    def _is_cached(self, key: str) -> bool:
        """Return True if the description is cached, in memory or on disk. One from the disk is copied to memory."""
        if key not in self._descriptions and self._cache is not None:
            try:
                found = self._cache.get(key)
            except StoreError as error:
                self._disable_disk_cache(error)
                return False
            if isinstance(found, str) and found:
                self._descriptions[key] = found
        return key in self._descriptions

    def _store_description(self, key: str, text: str) -> None:
        """Cache a description in memory and on disk."""
        self._descriptions[key] = text
        if self._cache is not None:
            try:
                self._cache.put(key, text)
            except StoreError as error:
                self._disable_disk_cache(error)

    def _disable_disk_cache(self, error: StoreError) -> None:
        """Print a notice and continue without the disk cache: an unusable cache must not stop a run."""
        print_notice(f"captions are not kept on disk: {error}")
        self._cache = None


def drop_usage(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return `extra` without token counts and costs, which are counted with the call that caused them."""
    return {name: value for name, value in extra.items() if name not in USAGE}


def _describe_missing_waves(request: Request) -> str | None:
    """Return an error message if a request has fewer waves (decoded audio) than clips, else None."""
    found, expected = len(request.waves), len(request.audio)
    return f"{expected} clips but {found} decoded waves" if found < expected else None


def _check_result_count(count: int, expected: int, kind: str) -> None:
    """Raise ValueError if an adapter returned another number of results than `expected`."""
    if count != expected:
        raise ValueError(f"the adapter returned {count} {kind} for {expected} requests")
