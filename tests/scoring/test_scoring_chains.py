"""Chains of thought: what changes of them leave, figures on them, and verdicts on their effect."""

from typing import Any

import pytest

from alm_bench.core import Metric, Sample, Scored
from alm_bench.parsing import parse_choice
from alm_bench.scoring.chains import Chain, build_filler, find_chain
from alm_bench.scoring.reasoning import compute_reasoning, keeps_format
from alm_bench.scoring.verdicts import judge_reasoning

CHOICES = ("Rain", "Thunder")
THINK = "<think> </think> <answer> </answer>"
SECTIONS = "<think> <planning> </planning> <summary> </summary> </think> <answer> </answer>"


def row(text: str | None, item: str = "q", status: Any = "ok") -> Scored:
    sample = Sample(item, {}, choices=CHOICES, target=1)
    return Scored(sample, status, text, None if text is None else parse_choice(text, CHOICES), {})


def chain(text: str, **extra: str) -> Chain:
    found = find_chain(row(text), extra)
    assert found is not None
    return found


STRUCTURED = "<planning>One. Two.</planning>\n<caption>Three. Four. Five.</caption>\n<answer>Thunder</answer>"


def test_changes_leave_the_tags_and_lead_to_the_answer() -> None:
    found = chain(STRUCTURED)
    lead = "</caption>\n<answer>"
    for share, left in (
        (0.0, "<planning></planning>\n<caption>"),
        (0.2, "<planning>One.</planning>\n<caption>"),
        (0.5, "<planning>One. Two.</planning>\n<caption>"),
        (0.99, "<planning>One. Two.</planning>\n<caption>Three. Four."),
        (1.0, "<planning>One. Two.</planning>\n<caption>Three. Four. Five."),
    ):
        begun = found.truncate(share)
        assert (begun.chain, begun.lead) == (left, lead)
        assert begun.text == left + lead
    filled = found.replace_passages(build_filler)
    assert filled.chain == "<planning>... ... .</planning>\n<caption>... ... ... ... .."
    assert len(filled.text) == len(found.truncate(1).text)


def test_prose_gets_a_lead_that_asks_for_the_answer_at_once() -> None:
    text = "A long rumble rolls away over the hills and comes back. It is not dry. So it is Thunder."
    found = chain(text)
    assert found.rebuild(["It rains."]).text == "It rains.\nThe answer is"
    assert found.replace_passages(lambda passage: "").text == "The answer is"
    assert found.truncate(0.5).text == "A long rumble rolls away over the hills and comes back.\nThe answer is"


def test_reasoning_that_an_adapter_stores_apart_is_put_back() -> None:
    begun = chain("Thunder", reasoning="It rolls. Hm.").truncate(0.5)
    assert begun.text == "<think>\nIt rolls.\n</think>\n\n"
    raw = "<think>It rolls.</think><answer>Thunder</answer>"
    assert chain("Thunder", reasoning="It rolls.", written=raw).truncate(1).text == raw.partition("Thunder")[0]
    assert find_chain(row("Thunder"), {}) is None
    assert find_chain(row(None), {}) is None


@pytest.mark.parametrize(
    ("text", "form", "kept"),
    [
        ("<think>a</think><answer>b</answer>", THINK, True),
        (" <think>\na\nb </think>\n\n<answer> b</answer>\n", THINK, True),
        ("<think>a</think><answer>b</answer>.", THINK, False),
        ("<think></think><answer>b</answer>", THINK, False),
        ("<think>a</think> so <answer>b</answer>", THINK, False),
        ("<answer>b</answer><think>a</think>", THINK, False),
        ("<think>a</think><answer>b</answer><answer>c</answer>", THINK, False),
        ("<think>a <think>c</think><answer>b</answer>", THINK, False),
        ("<answer>b</answer>", "<answer> </answer>", True),
        ("b", "<answer> </answer>", False),
        ("<answer>b</answer> or <answer>c</answer>", "<answer> </answer>", False),
        ("<think><planning>a</planning> <summary>c</summary></think><answer>b</answer>", SECTIONS, True),
        ("<think>x<planning>a</planning><summary>c</summary></think><answer>b</answer>", SECTIONS, False),
        ("<planning>a</planning><summary>c</summary><answer>b</answer>", SECTIONS, False),
    ],
)
def test_the_form_that_is_asked_for(text: str, form: str, kept: bool) -> None:
    assert keeps_format(text, form) == kept


def test_figures_on_reasoning() -> None:
    texts = [
        "<think>one two three</think><answer>Rain</answer>",
        "<think>one two three four five</think> <answer>Rain</answer>",
        "<answer>Rain</answer>",
        "<think>one two three four",
    ]
    answered: list[Any] = [(row(text, f"q{n}"), {}) for n, text in enumerate(texts)]
    answered[0] = (answered[0][0], {"reasoning_tokens": 7})
    others: list[Any] = [(row(None, "e", "error"), {}), (row(texts[0], "s", "skipped"), {})]
    begun: list[Any] = [(row("Rain", "b"), {"prefix": "<think></think>"})]
    found = compute_reasoning([*answered, *others, *begun], THINK)
    assert found is not None
    assert (found.share.value, found.share.n) == (0.75, 4)
    assert found.words.value == 4
    assert found.words.low is not None
    assert found.words.low < 4
    assert (found.tokens.value, found.tokens.n) == (7, 1)
    assert found.unfinished.value == 0.25
    assert found.format_kept.value == 0.5
    assert compute_reasoning(answered[2:3], None) is None
    asked = compute_reasoning(answered[2:3], "<answer> </answer>")
    assert asked is not None
    assert (asked.share.value, asked.format_kept.value, asked.words.value) == (0, 1, None)
    assert compute_reasoning(begun, THINK) is None, "these answers are no outputs in the form"


@pytest.mark.parametrize(
    ("changed", "drop", "verdict"),
    [
        ((0.4, 0.3, 0.5), (0.2, 0.1, 0.3), "reasoning matters"),
        ((0.4, 0.3, 0.5), (0.0, -0.1, 0.1), "reasoning matters"),
        ((0.06, 0.02, 0.12), (0.04, 0.01, 0.09), "reasoning matters"),
        ((0.06, 0.02, 0.12), (-0.04, -0.09, -0.01), "reasoning matters"),
        ((0.06, 0.02, 0.12), (0.0, -0.1, 0.1), "cannot tell"),
        ((0.05, 0.02, 0.12), (0.0, -0.1, 0.1), "no evidence that it matters"),
        ((0.0, 0.0, 0.1), (0.0, 0.0, 0.0), "no evidence that it matters"),
    ],
)
def test_verdicts(changed: tuple[float, ...], drop: tuple[float, ...], verdict: str) -> None:
    found, reason = judge_reasoning(Metric(*changed), Metric(*drop))
    assert found == verdict
    assert (reason is None) == (verdict != "cannot tell")
