"""Presets: what a judge is asked, and which replies give which verdict."""

import json
from collections.abc import Callable, Sequence
from itertools import count, product
from pathlib import Path

import pytest

from alm_bench.core import AdapterIdentity, AudioRef, BaseAdapter, Decoding, NoOptions, Output, Request, Runtime
from alm_bench.judges import JudgeItem, JudgePreset, get_preset, load_presets
from alm_bench.judges.judge import Judge
from alm_bench.judges.load import refuse_own_judge, split_judge
from alm_bench.judges.presets.aura import HIGH, LOW, Aura, combine_scores, score_entailment
from alm_bench.judges.replies import BROKEN, CONTRADICTION, EMPTY, OTHER_SCALE, PROSE
from alm_bench.records.judgement import Judgement

ITEM = JudgeItem(
    "1", "What barks?", "A dog.", ("a dog", "a puppy"), full_answer="<think>cat?</think>A dog.", cluster="1.wav"
)
RUBRIC = [{"scoring_point": f"names fact {n}", "note": "", "choices": [0, 1]} for n in range(5)]
CHOICE = JudgeItem(
    "2",
    "Which?",
    "B",
    ("two",),
    full_answer="It is two, as fact 0 says.",
    options=("one", "two"),
    is_right=True,
    metadata={"rubric": RUBRIC},
)


NUMBERS = count()


class Speaker(BaseAdapter):
    """A judge that says what a function of the prompt returns."""

    audio = None

    def __init__(self, say: Callable[[str], str], label: str = "speaker") -> None:
        super().__init__(NoOptions(), Runtime())
        self.identity = AdapterIdentity(label=label, family="speaker", weights=label)
        self._say = say
        self.prompts_seen: list[str] = []

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        self.prompts_seen += [request.prompt for request in batch]
        return [Output(self._say(request.prompt)) for request in batch]


def judge(preset: JudgePreset | str, say: Callable[[str], str] | str, item: JudgeItem = ITEM) -> Judgement:
    """Judge one item with a judge of its own, so that no reply is cached."""
    speak = (lambda _: say) if isinstance(say, str) else say
    chosen = get_preset(preset) if isinstance(preset, str) else preset
    label = f"judge {next(NUMBERS)}"
    return Judge(Speaker(speak, label), chosen).judge([item])[0]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ('{"reason": "equal", "verdict": "right"}', 1.0),
        ("Sure!\n```json\n{'verdict': 'Partially correct', 'reason': 'it\\'s vague'}\n```", 0.5),
        ('<think>{"verdict": "right"}</think>{"verdict": "wrong"}', 0.0),
        ("**Verdict:** wrong", 0.0),
        ('{"verdict": "right"} so: {"verdict": "right"}', 1.0),
        ("The answer is right.", PROSE),
        ('{"verdict": "right"', BROKEN),
        ('{"score": 1}', BROKEN),
        ('{"verdict": 4}', OTHER_SCALE),
        ('{"verdict": "right, partly or wrong"}', OTHER_SCALE),
        ('{"verdict": "right"} or {"verdict": "wrong"}', CONTRADICTION),
        ("  ", EMPTY),
    ],
)
def test_a_verdict_is_read_or_there_is_none(reply: str, found: float | str) -> None:
    one = judge("qa", reply)
    if isinstance(found, str):
        assert (one.status, one.score, one.problem) == ("unjudged", None, found)
    else:
        assert (one.status, one.score, one.problem) == ("judged", found, None)
    assert one.replies == (reply,)


def test_the_prompt_has_question_references_and_answer_without_reasoning() -> None:
    (prompt,) = get_preset("qa").build_prompts(ITEM)
    for part in ("Question: What barks?", "\n- a dog\n- a puppy", "Answer: A dog.\n"):
        assert part in prompt
    assert "cat?" not in prompt


def test_an_instruction_without_a_reference_is_checked_by_its_requirement() -> None:
    item = JudgeItem("3", "Describe it.", "Rain.", requirement="at most ten words")
    (prompt,) = get_preset("qa").build_prompts(item)
    assert "Requirement: at most ten words\nReply to check: Rain.\n" in prompt
    assert judge("qa", '{"verdict": "right"}', item).score == 1.0
    assert get_preset("qa").describe_unsuitable(JudgeItem("4", "Describe it.", "Rain.")) == "no reference"


def test_every_preset_has_prompts_of_its_own_and_a_hash_that_changes_with_them() -> None:
    presets = load_presets().entries
    known = {"qa", "qa-word", "aura", "clair-a", "mmar-rubrics", "voicebench", "air-bench-chat", "caption"}
    assert set(presets) == known
    assert len({preset.hash for preset in presets.values()}) == len(presets)
    for preset in presets.values():
        item = CHOICE if preset.name == "mmar-rubrics" else ITEM
        assert preset.describe_unsuitable(item) is None
        assert all("{" not in prompt.partition("Reply with")[0] for prompt in preset.build_prompts(item))
    changed = type("Changed", (type(presets["qa"]),), {"prompts": ("another text",)})()
    assert changed.hash != presets["qa"].hash


def test_aura_equals_a_computation_by_hand() -> None:
    """(score - 1) / 2 and a tenth of the entailment, moved by a tenth and divided by 1.2."""
    expected = {
        (1, -1): 0.0, (1, 0): 0.1 / 1.2, (1, 1): 0.2 / 1.2,
        (2, -1): 0.5 / 1.2, (2, 0): 0.6 / 1.2, (2, 1): 0.7 / 1.2,
        (3, -1): 1.0 / 1.2, (3, 0): 1.1 / 1.2, (3, 1): 1.0,
    }  # fmt: skip
    similarity = {-1: 0.1, 0: 0.4, 1: 0.9}
    clip = AudioRef("1.wav", Path("1.wav"))
    item = JudgeItem("a", "What?", "A dog.", ("a dog",), clips=(clip,))

    class Measure:
        """A similarity that is given."""

        def __init__(self, value: float) -> None:
            self.value = value
            self.adapter = Speaker(str, f"clap {value}")

        def compute_similarity(self, statement: str, ref: AudioRef) -> float:
            assert (statement, ref) == ("A dog is heard.", clip)
            return self.value

    for score, entailment in product((1, 2, 3), (-1, 0, 1)):
        assert combine_scores(score, entailment) == pytest.approx(expected[score, entailment], abs=1e-12)
        preset = Aura()
        preset.clap = Measure(similarity[entailment])  # type: ignore[assignment]
        reply = json.dumps({"reason": "so", "score": score})
        one = judge(preset, lambda prompt, reply=reply: reply if "1 to 3" in prompt else " A dog\nis heard.", item)
        assert one.score == pytest.approx(expected[score, entailment], abs=1e-12)
        assert one.label == f"{score}, entailment {entailment:+d}"
        plain = judge("aura", reply)
        assert plain.score == (score - 1) / 2, "without weights there is no audio half, and nothing is renormalised"
    assert [score_entailment(value) for value in (LOW - 1e-9, LOW, HIGH, HIGH + 1e-9)] == [-1, 0, 0, 1]


def test_auras_audio_half_is_never_dropped_silently(tmp_path: Path) -> None:
    preset = Aura()
    preset.clap = object()  # type: ignore[assignment]
    assert preset.describe_unsuitable(ITEM) is not None, "no clip"
    with pytest.raises(Exception, match="takes clap=FOLDER"):
        get_preset(f"aura:clap={tmp_path / 'nothing'}")
    with pytest.raises(Exception, match="takes clap=FOLDER"):
        get_preset("aura:clap=")
    with pytest.raises(Exception, match="judge preset qa has no options"):
        get_preset("qa:x=1")


@pytest.mark.parametrize(
    "reply", ['{"score": 4}', '{"score": 1.5}', '{"score": true}', "score is 3", '{"score": null}']
)
def test_other_scales_are_no_verdict(reply: str) -> None:
    assert judge("aura", reply).score is None


@pytest.mark.parametrize(
    ("preset", "reply", "score"),
    [
        ("qa-word", "Partly.", 0.5),
        ("qa-word", "Verdict: wrong", 0.0),
        ("qa-word", "right, partly or wrong", None),
        ("clair-a", '{"score": 85, "reason": "x"}', 0.85),
        ("clair-a", '{"score": "100/100"}', 1.0),
        ("clair-a", '{"score": 101}', None),
        ("voicebench", '{"score": 4}', 0.8),
        ("clair-a", '{"score": "85%"}', 0.85),
        ("voicebench", '{"score": "3%"}', None),
        ("voicebench", '{"score": 0}', None),
        ("caption", '{"accuracy": 5, "completeness": 3, "hallucination": 2}', (1 + 0.5 + 0.75) / 3),
        ("caption", '{"accuracy": 5, "completeness": 3}', None),
        ("air-bench-chat", '{"first": 8, "second": 8}', 0.8),
        ("air-bench-chat", '{"first": 8}', None),
    ],
)
def test_scales_of_the_presets(preset: str, reply: str, score: float | None) -> None:
    one = judge(preset, reply)
    assert one.score == (None if score is None else pytest.approx(score))
    if preset == "caption" and score is not None:
        assert one.scores == {"accuracy": 1.0, "completeness": 0.5, "hallucination": 0.25}


def test_two_answers_are_compared_in_both_orders() -> None:
    """A judge that prefers the first: 9 and 4 in one order, 4 and 9 in the other."""
    one = judge("air-bench-chat", '{"first": 9, "second": 4}')
    assert (one.score, one.orders_agree) == (pytest.approx(0.65), False)
    assert one.scores["reference"] == pytest.approx(0.65)
    ours, theirs = '{"first": 9, "second": 4}', '{"first": 4, "second": 9}'
    fair = judge("air-bench-chat", lambda prompt: ours if "Assistant 1: A dog." in prompt else theirs)
    assert (fair.score, fair.orders_agree) == (pytest.approx(0.9), True)


def test_rubrics_are_checked_by_five_raters_of_which_the_middle_three_count() -> None:
    """Raters give 0, 1, 2, 3 and 5 of five points: (1 + 2 + 3) / 15."""
    given = iter([0, 1, 2, 3, 5])
    speaker = Speaker(lambda _: json.dumps({"points": [1] * (n := next(given)) + [0] * (5 - n)}), "rater")
    (one,) = Judge(speaker, get_preset("mmar-rubrics")).judge([CHOICE])
    assert one.score == pytest.approx(6 / 15)
    assert len(set(speaker.prompts_seen)) == 5, "in five orders of the criteria"
    assert "It is two, as fact 0 says." in speaker.prompts_seen[0]
    assert judge("mmar-rubrics", '{"points": [1, 1]}', CHOICE).problem == OTHER_SCALE
    wrong = JudgeItem(**{**{name: getattr(CHOICE, name) for name in CHOICE.__slots__}, "is_right": False})
    silent = Speaker(lambda _: pytest.fail("asked"), "silent")
    assert Judge(silent, get_preset("mmar-rubrics")).judge([wrong])[0].score == 0.0


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("text", "text", {}),
        ("openai:base_url=http://127.0.0.1:8000/v1,model=a/b", "openai",
         {"base_url": "http://127.0.0.1:8000/v1", "model": "a/b"}),
        ("./my.py:Judge:x=1:y=2", "./my.py:Judge", {"x": "1", "y": "2"}),
        ("exec:command=python w.py --a 1,2", "exec", {"command": "python w.py --a 1,2"}),
        ("org/name:dtype=bfloat16", "org/name", {"dtype": "bfloat16"}),
    ],
)  # fmt: skip
def test_a_judge_is_named_with_its_options(text: str, name: str, options: dict[str, str]) -> None:
    assert split_judge(text) == (name, options)


@pytest.mark.parametrize(
    ("own", "evaluated", "same"),
    [
        (("gpt-x[text-only]", None), ("gpt-x", None), True),
        (("org/Model-7B", None), ("model-7b[lora=a]", None), True),
        (("one", "abc"), ("two", "abc"), True),
        (("text[smollm2@12345678]", "abc"), ("cascade[mellow[v0]+text[smollm2],strong]", "def"), True),
        (("gpt-x[text-only]", None), ("gpt-y[text-only]", None), False),
        (("text[a]", "abc"), ("text[b]", "def"), False),
    ],
)
def test_the_evaluated_model_is_refused_by_weights_and_by_name(
    own: tuple[str, str | None], evaluated: tuple[str, str | None], same: bool
) -> None:
    speaker = Speaker(str)
    speaker.identity = AdapterIdentity(label=own[0], family="x", weights=own[1])
    judges = [Judge(speaker, get_preset("qa"))]
    other = AdapterIdentity(label=evaluated[0], family="x", weights=evaluated[1])
    if same:
        with pytest.raises(Exception, match="does not judge its own answers"):
            refuse_own_judge(judges, other)
    else:
        refuse_own_judge(judges, other)
