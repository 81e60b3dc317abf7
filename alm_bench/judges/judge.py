"""A judge: a model with a preset, which turns answers into judgements."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from alm_bench.core import Adapter, Decoding, Estimate, Request
from alm_bench.core.files import hash_json
from alm_bench.core.secrets import hide_secrets
from alm_bench.judges.calls import JudgeCall, Reply, build_call, fetch_replies, find_cached_replies, open_cache
from alm_bench.judges.preset import JudgeItem, JudgePreset, Verdict
from alm_bench.records.judgement import Judgement, JudgementStatus, JudgeNotes, build_judge_key
from alm_bench.runner.budget import Budget
from alm_bench.runner.dryrun import Forecast

REFUSED, CUT, CHANGED = "refused by the judge", "cut off by the token limit", "repeats disagree"
"""Reasons why there is no verdict, beside those of `judges.replies`."""

Observe = Callable[[int, int], object]
"""Callback with the number of calls that have a reply, and of all calls."""


@dataclass(slots=True)
class Judge:
    """A judge model with a preset."""

    adapter: Adapter
    """The model."""

    preset: JudgePreset
    """Prompts and scale."""

    repeats: int = 1
    """Number of times that each prompt is asked."""

    usage: dict[str, float] = field(default_factory=dict)
    """Sums of token counts and cost of the calls that were made."""

    @property
    def label(self) -> str:
        """Name of the judge model in tables."""
        return self.adapter.identity.label

    @property
    def identity(self) -> str:
        """Hash over everything that identifies the judge model."""
        return hash_json(hide_secrets(asdict(self.adapter.identity)))[:16]

    @property
    def key(self) -> str:
        """Name of the judge with its prompt (`Judgement.key`)."""
        return build_judge_key(self.label, self.identity, self.preset.name, self.preset.hash)

    def create_notes(self) -> JudgeNotes:
        """Return what a run stores about the judge, without calibration and labels."""
        known = hide_secrets(asdict(self.adapter.identity))
        settings = {name: known[name] for name in ("family", "weights", "dtype", "settings") if known[name]}
        return JudgeNotes(settings={**settings, "repeats": self.repeats}, usage=dict(self.usage))

    def judge(
        self, items: Sequence[JudgeItem], budget: Budget | None = None, observe: Observe = lambda done, total: None
    ) -> list[Judgement]:
        """Return one judgement per item. A failed call raises no error: its item gets the status `error`.

        `observe` is called with the number of calls that have a reply, and the number of all calls.
        """
        asked = [self._build_calls(item) for item in items]
        calls = [call for each in asked for repeat in each for call in repeat]
        total, done = len({call.key for call in calls}), 0

        def report_arrivals(arrived: int) -> None:
            nonlocal done
            done += arrived
            observe(done, total)

        replies = (
            fetch_replies(self.adapter, calls, self.preset.max_new_tokens, budget, report_arrivals) if calls else {}
        )
        for reply in replies.values():
            for name, value in reply.usage.items():
                self.usage[name] = self.usage.get(name, 0) + value
        return [self._judge_item(item, each, replies) for item, each in zip(items, asked, strict=True)]

    def forecast(self, items: Sequence[JudgeItem]) -> tuple[int, list[Estimate]]:
        """Return the number of calls with a cached reply, and the estimate of each call that would be made."""
        calls = [call for item in items for repeat in self._build_calls(item) for call in repeat]
        cached = find_cached_replies(calls, open_cache())
        missing = {call.key: call for call in calls if call.key not in cached}
        decoding = Decoding(max_new_tokens=self.preset.max_new_tokens)
        estimates = [self.adapter.estimate(Request(key, one.prompt), 0.0, decoding) for key, one in missing.items()]
        return len(cached), estimates

    def _build_calls(self, item: JudgeItem) -> list[list[JudgeCall]]:
        """Return the calls about an item, one list per repeat; none for an item that is decided without a call."""
        if not item.answer.strip() or self.preset.decide(item) is not None:
            return []
        prompts = self.preset.build_prompts(item)
        limit = self.preset.max_new_tokens
        return [[build_call(self.identity, one, limit, repeat) for one in prompts] for repeat in range(self.repeats)]

    def _judge_item(
        self, item: JudgeItem, calls: Sequence[Sequence[JudgeCall]], replies: "dict[str, Reply]"
    ) -> Judgement:
        """Return the judgement of an item from the replies to its calls."""
        if not item.answer.strip():
            return self._build_judgement("no answer", Verdict(0.0, reason="the model gave no answer"))
        if (decided := self.preset.decide(item)) is not None:
            return self._build_judgement("judged", decided)
        found = [[replies[call.key] for call in repeat] for repeat in calls]
        texts = tuple(reply.text for repeat in found for reply in repeat if reply.text is not None)
        if (failed := next((reply.error for repeat in found for reply in repeat if reply.error), None)) is not None:
            return self._build_judgement("error", Verdict(problem=failed), texts)
        verdicts = [self._read_repeat(item, repeat) for repeat in found]
        scores = tuple(verdict.score for verdict in verdicts) if self.repeats > 1 else ()
        verdict = _combine_repeats(verdicts)
        return self._build_judgement("judged" if verdict.score is not None else "unjudged", verdict, texts, scores)

    def _read_repeat(self, item: JudgeItem, replies: "Sequence[Reply]") -> Verdict:
        """Return the verdict of one repeat, from the replies to all prompts about an item."""
        verdicts = [self._read_verdict(reply) for reply in replies]
        return self.preset.combine(item, verdicts, [reply.text or "" for reply in replies])

    def _read_verdict(self, reply: "Reply") -> Verdict:
        """Return the verdict in a reply. A refusal or an unreadable reply gives a verdict with a `problem`."""
        if reply.text is None:
            return Verdict(problem=REFUSED, reason=reply.refusal)
        verdict = self.preset.read(reply.text)
        return replace(verdict, problem=CUT) if verdict.problem is not None and reply.truncated else verdict

    def _build_judgement(
        self,
        status: JudgementStatus,
        verdict: Verdict,
        replies: tuple[str, ...] = (),
        repeats: tuple[float | None, ...] = (),
    ) -> Judgement:
        """Create the judgement of an item from its verdict. `repeats` are the scores of repeats, if any."""
        return Judgement(
            judge=self.label,
            identity=self.identity,
            preset=self.preset.name,
            version=self.preset.version,
            prompt_hash=self.preset.hash,
            status=status,
            score=verdict.score,
            label=verdict.label,
            reason=verdict.reason,
            problem=verdict.problem,
            scores=dict(verdict.scores),
            replies=replies,
            repeats=repeats,
            orders_agree=verdict.orders_agree,
        )


def _combine_repeats(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of several repeats of the same prompts.

    It is the verdict with the median score, if more than half of the repeats have this score. Otherwise, and if any
    repeat has no verdict, the item has none.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    if (unread := next((one for one in verdicts if one.score is None), None)) is not None:
        return unread
    scores = [one.score for one in verdicts if one.score is not None]
    middle = median(scores)
    agreeing = [one for one in verdicts if one.score == middle]
    if 2 * len(agreeing) <= len(verdicts):
        return Verdict(problem=CHANGED, reason=", ".join(str(one.label) for one in verdicts))
    return agreeing[0]


def forecast_calls(
    task: str, judges_with_items: Sequence[tuple[Judge, Sequence[JudgeItem]]], item_count: int
) -> Forecast:
    """Return the forecast of the calls that judging would need.

    `judges_with_items` pairs each judge with the items that it gets. `item_count` is the number of all items, including
    those that no judge gets.
    """
    found = [judge.forecast(own) for judge, own in judges_with_items]
    estimates = [one for _, missing in found for one in missing]
    costs = [one.cost for one in estimates if one.cost is not None]
    return Forecast(
        task=task,
        condition="clean",
        model=f"judge {' and '.join(judge.label for judge, _ in judges_with_items)}",
        items=item_count,
        stored=sum(cached for cached, _ in found),
        calls=len(estimates),
        unusable=0,
        audio_minutes=0.0,
        prompt_tokens=sum(one.prompt_tokens for one in estimates),
        audio_tokens=0,
        completion_tokens=sum(one.completion_tokens for one in estimates),
        cost=round(sum(costs), 6) if costs else None,
    )
