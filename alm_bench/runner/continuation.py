"""Runs in which a model continues beginnings of its own answers, for conditions that change its reasoning."""

from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as replace_fields

from alm_bench.core import Adapter, UsageError
from alm_bench.core.files import hash_json
from alm_bench.records.schema import Record
from alm_bench.runner.conditions import create_condition
from alm_bench.runner.plan import Plan
from alm_bench.scoring.chains import find_chain
from alm_bench.scoring.grounding import NO_CHAIN


def add_answer_beginnings(plan: Plan, clean: Sequence[Record]) -> Plan:
    """Add the beginnings of the answers, which the model continues, to the plan of a condition that changes the model's
    reasoning. Return the new plan.

    `clean` are the records of the clean run. Items whose clean answer is missing or has no complete chain of thought
    are removed from the plan. The beginnings are part of the fingerprint: other chains make another run. Raises
    UsageError if no item remains, or if the chains do not allow the change.
    """
    tags = plan.spec.answer_tags
    chains = {
        record.sample.id: chain
        for record in clean
        if record.status == "ok" and (chain := find_chain(record.to_scored(), record.extra, tags)) is not None
    }
    finished = {item: chain for item, chain in chains.items() if chain.reasoning.complete}
    if not finished:
        raise UsageError(NO_CHAIN)
    beginnings = plan.condition.begin_answers(finished)
    pairs = [
        (replace(request, prefix=beginnings[item.sample.id].text), replace(item, beginning=beginnings[item.sample.id]))
        for request, item in zip(plan.requests, plan.items, strict=True)
        if item.sample.id in beginnings
    ]
    given = [[item.sample.id, request.prefix] for request, item in pairs]
    fingerprint = hash_json([plan.header.fingerprint, given])[:16]
    header = replace_fields(plan.header, fingerprint=fingerprint, items=len(pairs))
    return replace(plan, requests=[request for request, _ in pairs], items=[item for _, item in pairs], header=header)


def check_continuation(condition: str, adapter: Adapter, answer_by: str) -> None:
    """Raise UsageError if a condition changes the model's reasoning, and the model cannot continue its own answers."""
    if not create_condition(condition).changes_reasoning:
        return
    if not adapter.abilities.continuation:
        raise UsageError(
            f"{condition}: {adapter.identity.label} does not continue a given beginning of its answer (it has no "
            "ability continuation), expected another model or other conditions"
        )
    if answer_by != "generate":
        raise UsageError(f"{condition} changes written answers, expected --answer-by generate, found {answer_by}")
