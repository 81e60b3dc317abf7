"""Calls of a judge model. Each prompt is sent once; each reply is stored on disk as soon as it arrives."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from alm_bench.core import NOTHING, Adapter, AlmBenchError, Decoding, Output, Request
from alm_bench.core.disk_cache import DiskCache
from alm_bench.core.errors import describe_error
from alm_bench.core.files import get_cache_folder, hash_json
from alm_bench.core.foreign import dump_json, parse_json, replace_surrogates
from alm_bench.core.usage import COST, USAGE, parse_money
from alm_bench.runner.budget import Budget, iterate_within_budget
from alm_bench.runner.executors.local import call_stream
from alm_bench.runner.inference import build_predict_function, predict_with_bisection

BATCH = 8
"""Number of prompts that a judge in this process gets at once."""

OVER_BUDGET = "not asked: --max-cost is reached"
"""Reason of calls that were not made because the budget was reached."""

CACHE_VERSION = 1
"""Version of the cache's entries, to be raised when their meaning changes."""


@dataclass(frozen=True, slots=True)
class JudgeCall:
    """One prompt to a judge."""

    key: str
    """Key in the cache: a hash over the judge model, the prompt, the token limit and the number of the repeat."""

    prompt: str
    """Text of the prompt."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Reply of a judge model to one prompt, or the reason why there is none."""

    text: str | None
    """Raw text; None after a refusal or a failed call."""

    refusal: str | None = None
    """Reason why the judge's provider did not let it answer. Such calls are not repeated."""

    error: str | None = None
    """Reason of a failed call, which is not cached and therefore repeated by the next command."""

    truncated: bool = False
    """True if the token limit ended the text."""

    usage: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    """Token counts and cost of the call; empty for a reply from the cache."""


def open_cache() -> DiskCache:
    """Return the cache of replies of all judges."""
    return DiskCache(get_cache_folder("judges") / "replies.sqlite", "replies")


def build_call(identity: str, prompt: str, max_new_tokens: int, repeat: int = 0) -> JudgeCall:
    """Create the call that sends a prompt to a judge model, with its cache key.

    `identity` is the hash of the judge model's identity. Calls with different `repeat` have different keys.
    """
    return JudgeCall(hash_json([CACHE_VERSION, identity, prompt, max_new_tokens, repeat]), prompt)


def find_cached_replies(calls: Sequence[JudgeCall], cache: DiskCache) -> dict[str, Reply]:
    """Return the replies that the cache has, by the key of the call. Entries that cannot be read are ignored."""
    found = {}
    for key in dict.fromkeys(call.key for call in calls):
        if (stored := _parse_entry(cache.get(key))) is not None:
            found[key] = stored
    return found


def fetch_replies(
    adapter: Adapter,
    calls: Sequence[JudgeCall],
    max_new_tokens: int,
    budget: Budget | None = None,
    observe: Callable[[int], object] = lambda count: None,
) -> dict[str, Reply]:
    """Send the prompts of `calls` to a judge model, and return one reply per call, by the call's key.

    Cached replies are used, and calls with the same key are made once. Each reply is cached as soon as it arrives. A
    failed call has a reply with an error; so has every call without a reply if the judge cannot be reached.
    `observe` is called with the number of replies that have arrived since it was called last.
    """
    cache, budget = open_cache(), Budget() if budget is None else budget
    replies = find_cached_replies(calls, cache)
    missing = {call.key: call for call in calls if call.key not in replies}
    observe(len(replies))
    requests = [Request(call.key, replace_surrogates(call.prompt)) for call in missing.values()]
    requests = [requests[index] for index in adapter.order(requests)]
    failure = OVER_BUDGET
    try:
        with closing(_stream_answers(adapter, requests, Decoding(max_new_tokens=max_new_tokens), budget)) as answers:
            for key, output in answers:
                reply = _read_output(output)
                if reply.error is None:
                    cache.put(key, _dump_entry(reply))
                replies[key] = reply
                budget.add_cost(reply.usage.get(COST), is_estimate=bool(reply.usage.get("estimated_calls")))
                observe(1)
    except AlmBenchError as error:  # the judge is down, or its code is broken: what it has said is kept
        failure = describe_error(error)
    return replies | {key: Reply(None, error=failure) for key in missing if key not in replies}


def _stream_answers(
    adapter: Adapter, requests: Sequence[Request], decoding: Decoding, budget: Budget
) -> Generator[tuple[str, Output], None, None]:
    """Yield the id of each request with its output, as they arrive, until the budget is reached.

    Raises AlmBenchError if the judge cannot be reached or if its `stream` fails.
    """
    if adapter.abilities.stream:
        for together in call_stream(adapter, iterate_within_budget(budget, requests), decoding):
            yield from ((request.id, output) for request, output in together)
        return
    predict = build_predict_function(adapter, decoding)
    for start in range(0, len(requests), BATCH):
        if budget.is_exhausted:
            return
        batch = requests[start : start + BATCH]
        yield from ((one.id, output) for one, output in zip(batch, predict_with_bisection(predict, batch), strict=True))


def _read_output(output: Output) -> Reply:
    """Convert an output of the judge model to a reply. Of `output.extra`, only token counts and cost are kept."""
    usage = {name: value for name in USAGE if (value := parse_money(output.extra.get(name))) is not None}
    if output.refusal is not None:
        return Reply(None, refusal=replace_surrogates(output.refusal), usage=usage)
    if output.error is not None or output.text is None:
        return Reply(None, error=replace_surrogates(output.error or "the judge returned no text"), usage=usage)
    return Reply(replace_surrogates(output.text), truncated=output.truncated, usage=usage)


def _dump_entry(reply: Reply) -> str:
    return dump_json({"text": reply.text, "refusal": reply.refusal, "truncated": reply.truncated})


def _parse_entry(value: object) -> Reply | None:
    """Return a cached reply; None if there is none, or if the entry is damaged."""
    try:
        entry = parse_json(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    text, refusal = entry.get("text"), entry.get("refusal")
    if not isinstance(refusal if text is None else text, str):
        return None
    return Reply(text, refusal, truncated=bool(entry.get("truncated")))
