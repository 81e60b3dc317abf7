"""Describe-then-answer: one model describes an item's clips, and it or another one answers with the descriptions in its
prompt. The strategy caption-first and the model cascade are such adapters."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from alm_bench.audio.ops import content
from alm_bench.core import Adapter, Decoding, Estimate, OptionScores, Output, Request, StoreError
from alm_bench.core.adapter import CHARACTERS_A_TOKEN
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.escape import print_notice
from alm_bench.core.files import hash_json
from alm_bench.core.forwarding import ForwardingAdapter
from alm_bench.core.usage import USAGE, add_usage

VERSION = 2
"""Of cached descriptions. Raise it with any change of what a description is."""


@dataclass(frozen=True, slots=True)
class Described:
    """Descriptions of one item's clips."""

    keys: Sequence[str] = ()
    """Cache key of each description."""

    texts: Sequence[str] = ()
    """The descriptions, in the order of `DescribingAdapter.describing`."""

    failure: Output | None = None
    """The item's output if a description is missing."""


class DescribingAdapter(ForwardingAdapter):
    """Describes clips with the listener and answers with the answerer, which may be the same.

    Descriptions are greedy. A description is known by what the listener is, how it was asked and what it heard, never
    by a clip's name: it is made once, and its usage is added to the output of the first item that needed it.
    """

    def __init__(
        self, listener: Adapter, answerer: Adapter, prompt: str, max_new_tokens: int, cache: DiskCache | None = None
    ) -> None:
        """`prompt` is the hash of the describing prompt, `max_new_tokens` its limit. Without a `cache`, descriptions
        are kept in the process alone."""
        super().__init__(listener, answerer)
        self.abilities = replace(self.abilities, stream=False, fit=False)
        self._decoding = Decoding(max_new_tokens=max_new_tokens)
        self._owner = hash_json([VERSION, asdict(listener.identity), prompt])
        self._cache = cache
        self._known: dict[str, str] = {}
        self._uncounted: dict[str, Output] = {}  # describing calls whose usage no output has yet

    @abstractmethod
    def describing(self, request: Request) -> Sequence[Request]:
        """Return the requests whose answers describe the clips of `request`, which may not be decoded yet."""

    @abstractmethod
    def answering(self, request: Request, texts: Sequence[str]) -> Request:
        """Return the request to the answerer, with the descriptions in its prompt."""

    @abstractmethod
    def find_problem(self, request: Request) -> str | None:
        """Return the reason why the clips of a request, decoded or not, cannot be described; None if they can."""

    @abstractmethod
    def describe_failure(self, asked: Request, output: Output) -> Output:
        """Return the item's output after a describing request without a description."""

    @abstractmethod
    def extra(self, texts: Sequence[str]) -> Mapping[str, Any]:
        """Return what is stored of the descriptions beside the answer."""

    def clean(self, text: str) -> str:
        """Return the description in the listener's text."""
        return text.strip()

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        described = self._describe(batch)
        asked = self._build_asked(batch, described)
        outputs = list(self.answerer.generate(asked, decoding)) if asked else []
        _check_count(len(outputs), len(asked), "outputs")
        answers = iter(outputs)
        return [
            self._count_usage(self._mark(next(answers), one.texts) if one.failure is None else one.failure, one.keys)
            for one in described
        ]

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        described = self._describe(batch)
        asked = self._build_asked(batch, described)
        scores = list(self.answerer.loglikelihood(asked)) if asked else []
        _check_count(len(scores), len(asked), "option scores")
        found = iter(scores)
        return [
            next(found) if one.failure is None else OptionScores(error=one.failure.error or one.failure.refusal)
            for one in described
        ]

    def estimate(self, request: Request, seconds: float, decoding: Decoding) -> Estimate:
        """Estimate the describing calls and the answering one. It is the most that can be: items that share clips share
        their descriptions, too."""
        if self.find_problem(request) is not None:
            return self.answerer.estimate(request, seconds, decoding)
        asked = self.describing(request)
        longest = "x" * math.ceil(self._decoding.max_new_tokens * CHARACTERS_A_TOKEN)
        answer = self.answering(request, [longest] * len(asked))
        total = self.answerer.estimate(answer, seconds if answer.audio else 0.0, decoding)
        for one in asked:
            total += self.listener.estimate(one, seconds / len(asked), self._decoding)
        return total

    def _build_asked(self, batch: Sequence[Request], described: Sequence[Described]) -> list[Request]:
        pairs = zip(batch, described, strict=True)
        return [self.answering(request, one.texts) for request, one in pairs if one.failure is None]

    def _describe(self, batch: Sequence[Request]) -> list[Described]:
        problems = [self.find_problem(request) or _find_undecoded(request) for request in batch]
        rows = [
            [] if problem else [(self._key(one), one) for one in self.describing(request)]
            for request, problem in zip(batch, problems, strict=True)
        ]
        failed = self._ask({key: one for row in rows for key, one in row if not self._is_known(key)})
        described = []
        for row, problem in zip(rows, problems, strict=True):
            keys = [key for key, _ in row]
            failure = Output(None, error=problem) if problem else None
            failure = failure or next((failed[key] for key in keys if key in failed), None)
            texts = [] if failure else [self._known[key] for key in keys]
            described.append(Described(keys, texts, failure))
        return described

    def _ask(self, fresh: Mapping[str, Request]) -> dict[str, Output]:
        """Ask for descriptions and keep them. Return the item's output for each key that got none."""
        outputs = list(self.listener.generate(list(fresh.values()), self._decoding)) if fresh else []
        _check_count(len(outputs), len(fresh), "outputs")
        failed = {}
        for (key, asked), output in zip(fresh.items(), outputs, strict=True):
            before = self._uncounted.get(key)
            self._uncounted[key] = output if before is None else add_usage(output, before)
            text = "" if output.text is None or output.error is not None else self.clean(output.text)
            if text:
                self._keep(key, text)
            else:
                failed[key] = self.describe_failure(asked, output)
        return failed

    def _count_usage(self, output: Output, keys: Sequence[str]) -> Output:
        calls = [self._uncounted.pop(key) for key in keys if key in self._uncounted]
        return add_usage(output, *calls) if calls else output

    def _mark(self, output: Output, texts: Sequence[str]) -> Output:
        return replace(output, extra={**output.extra, **self.extra(texts)})

    def _key(self, request: Request) -> str:
        return hash_json([self._owner, len(request.audio), content(request.waves)])

    def _is_known(self, key: str) -> bool:
        if key not in self._known and self._cache is not None:
            try:
                found = self._cache.get(key)
            except StoreError as error:
                self._give_up_cache(error)
                return False
            if isinstance(found, str) and found:
                self._known[key] = found
        return key in self._known

    def _keep(self, key: str, text: str) -> None:
        self._known[key] = text
        if self._cache is not None:
            try:
                self._cache.put(key, text)
            except StoreError as error:
                self._give_up_cache(error)

    def _give_up_cache(self, error: StoreError) -> None:
        """A run is worth more than its cache."""
        print_notice(f"captions are not kept on disk: {error}")
        self._cache = None


def drop_usage(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an output holds beside its usage, which is counted where the call is."""
    return {name: value for name, value in extra.items() if name not in USAGE}


def _find_undecoded(request: Request) -> str | None:
    found, expected = len(request.waves), len(request.audio)
    return f"{expected} clips but {found} decoded waves" if found < expected else None


def _check_count(found: int, expected: int, what: str) -> None:
    if found != expected:
        raise ValueError(f"the adapter returned {found} {what} for {expected} requests")
