"""Abilities of adapters: declared, defined by a method, under their older names, or of an object that is no
`BaseAdapter`; and adapters around others."""

import ast
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, cle, mmau, model, refusal, stored

import alm_bench as ab
from alm_bench.core import (
    Abilities,
    Adapter,
    AdapterIdentity,
    AudioPolicy,
    BaseAdapter,
    Decoding,
    OptionScores,
    Output,
    Request,
    Runtime,
)
from alm_bench.core.adapter import METHODS, read_abilities, wrap_as_adapter
from alm_bench.core.forwarding import ForwardingAdapter
from alm_bench.plugins import catalogue

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Plain(BaseAdapter):
    def answer(self, request: Request) -> str:
        return "a"


class Scoring(Plain):
    abilities = Abilities(choices_only=True, max_clips=1)

    def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
        return [OptionScores({"text": [(-1.0 - i, 1) for i in range(len(r.choices))]}) for r in batch]


class Below(Scoring):
    def order(self, requests: Sequence[Request]) -> Sequence[int]:
        return list(reversed(range(len(requests))))


def test_a_class_that_declares_nothing_has_the_defaults() -> None:
    assert Plain.abilities == Abilities()
    made = Plain(None, Runtime())
    request = Request("one", "x" * 40)
    assert (made.prompts, made.outputs, made.listener) == ("letters", None, None)
    assert list(made.order([request, request])) == [0, 1]
    assert made.blind_answers([request]) == {}
    estimate = made.estimate(request, 3.0, Decoding(max_new_tokens=7))
    assert (estimate.prompt_tokens, estimate.completion_tokens, estimate.cost) == (10, 7, None)


def test_a_method_declares_its_ability_and_subclasses_keep_what_is_declared() -> None:
    assert Scoring.abilities == Abilities(loglikelihood=True, choices_only=True, max_clips=1)
    assert Below.abilities == Scoring.abilities


def test_an_object_may_have_less_than_its_class() -> None:
    class Sometimes(Scoring):
        def __init__(self, scores: bool) -> None:
            super().__init__(None, Runtime())
            self.abilities = replace(self.abilities, loglikelihood=scores)

    assert [wrap_as_adapter(Sometimes(scores)).abilities.loglikelihood for scores in (True, False)] == [True, False]


def test_what_is_declared_without_its_method_is_told_by_name() -> None:
    class Promising(Plain):
        abilities = Abilities(loglikelihood=True)

    with pytest.raises(NotImplementedError, match=r"Promising declares the ability loglikelihood and does not define"):
        Promising(None, Runtime()).loglikelihood([])


def test_every_ability_that_is_a_method_is_one_of_the_protocol() -> None:
    assert set(METHODS) <= {field.name for field in fields(Abilities)} & vars(Adapter).keys()


def test_the_attributes_of_version_0_1_are_read() -> None:
    class Older(Plain):
        picks = True
        stored = True
        pace = ["speed"]  # noqa: RUF012
        delivery = "to be shown"

    class Told(Plain):
        def __init__(self) -> None:
            super().__init__(None, Runtime())
            self.delivery = "to be shown"

    expected = Abilities(choices_only=True, is_replay=True, runtime_options=("speed",), delivery="to be shown")
    assert Older.abilities == expected
    assert wrap_as_adapter(Told()).abilities == Abilities(delivery="to be shown")


FOREIGN = """
from alm_bench.core import AdapterIdentity, OptionScores, Output


class Foreign:
    \"\"\"no base class\"\"\"

    prompts = "native"
    audio = None

    def __init__(self, options, runtime):
        self.identity = AdapterIdentity("foreign", "foreign")

    def generate(self, batch, decoding):
        return [Output(r.choices[1]) for r in batch]

    def loglikelihood(self, batch):
        return [OptionScores({"text": [(-1.0 - i, 1) for i in range(len(r.choices))]}) for r in batch]

    def order(self, requests):
        return list(reversed(range(len(requests))))
"""


def test_a_class_without_the_base_runs_with_what_it_has() -> None:
    mmau(Path("data"), 3, clips=False)
    Path("foreign.py").write_text(FOREIGN)
    entry = catalogue().get_adapter("./foreign.py:Foreign")
    assert (entry.prompts, entry.summary, entry.abilities) == ("native", "no base class", Abilities(loglikelihood=True))
    asked = ("run", "--model", "./foreign.py:Foreign", "--tasks", "mmau", "--data", "data", "--json", "--batch-size", 1)
    ran = alm(*asked, "--answer-by", "both")
    assert ran.status == 0, ran.err
    assert ran.run["prompt"]["id"] == "mmau/native"
    records = stored(Path("results/runs") / ran.run["run"])
    assert [record["id"] for record in records] == ["item-002", "item-001", "item-000"], "in its own order"
    assert all(record["likelihood"]["text"][0] == [-1.0, 1] for record in records)


def test_an_object_without_the_base_is_completed() -> None:
    class Foreign:
        identity = AdapterIdentity("foreign", "foreign")
        audio: AudioPolicy | None = None
        prompts = "bare"
        picks = True

        def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
            return [Output(r.choices[0]) for r in batch]

    mmau(Path("data"), 3, clips=False)
    (run,) = ab.evaluate(Foreign(), "mmau", data="data").runs  # type: ignore[arg-type]
    assert run.summary.prompt.id == "mmau/bare"
    assert wrap_as_adapter(Foreign()).abilities == Abilities(choices_only=True)
    with pytest.raises(ab.UsageError, match="picks among options, which the items of cld-1 do not have"):
        ab.evaluate(Foreign(), "cld-1", data="demo")  # type: ignore[arg-type]


def test_a_task_of_too_many_clips_is_refused_before_anything_is_asked() -> None:
    mmau(Path("data"), 3)
    body = "    abilities = Abilities(max_clips=0)\n    def answer(self, request):\n        return 'a'\n"
    named = model(Path("m.py"), body, audio="AudioPolicy(rate=8_000)")
    file = Path("m.py")
    file.write_text("from alm_bench.core import Abilities\n" + file.read_text())
    line = refusal(alm("run", "--model", named, "--tasks", "mmau", "--data", "data"))
    assert "Model takes at most 0 clip of an item, those of mmau have 1" in line
    assert not Path("results/runs").exists()


def test_a_model_is_closed_before_the_next_one_is_loaded() -> None:
    cle(Path("data"), 2)
    body = """
    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        self.note("opened")

    def answer(self, request):
        return "a"

    def close(self):
        self.note("closed")

    def note(self, what):
        with open("notes.txt", "a") as file:
            file.write(f"{type(self).__name__} {what}\\n")
"""
    first, second = (model(Path(f"{name}.py"), body, name, audio="None") for name in ("First", "Second"))
    ran = alm("run", "--model", first, "--model", second, "--tasks", "cle", "--data", "data")
    assert ran.status == 0, ran.err
    assert Path("notes.txt").read_text().splitlines() == [
        *("First opened", "First closed"),
        *("Second opened", "Second closed"),
    ]


class Part(BaseAdapter):
    """Notes every call."""

    abilities = Abilities(delivery="to be shown", max_clips=3, runtime_options=("speed",))

    def __init__(self, name: str) -> None:
        super().__init__(None, Runtime())
        self.name = name
        self.calls: list[str] = []
        for method in FORWARDED:
            setattr(self, method, self._noting(method))

    def _noting(self, method: str) -> Any:
        def note(*arguments: Any) -> str:
            self.calls.append(method)
            return f"{self.name} {method}"

        return note


FORWARDED = sorted(name for name in vars(Adapter) if not name.startswith("_") and callable(getattr(Adapter, name)))


def test_an_adapter_around_others_forwards_every_call() -> None:
    listener, answerer = Part("listener"), Part("answerer")
    around: Any = ForwardingAdapter(listener, answerer)
    arguments = {"close": 0, "log_to": 1, "prepare": 1, "order": 1, "estimate": 3, "generate": 2, "stream": 2}
    found = {name: getattr(around, name)(*[None] * arguments.get(name, 1)) for name in FORWARDED}
    both = {"close", "log_to"}
    assert {name for name in FORWARDED if found[name] is None} == both
    heard = {name for name in FORWARDED if str(found[name]).startswith("listener")}
    assert heard == {"order", "prepare", "prepare_file", "embed", "event_presence"}
    assert set(listener.calls) == heard | both
    assert set(answerer.calls) == set(FORWARDED) - heard


def test_an_adapter_around_others_has_the_abilities_of_its_parts() -> None:
    listener, answerer = Part("listener"), Part("answerer")
    listener.abilities = Abilities(prepare=True, delivery="to be shown", max_clips=3)
    answerer.abilities = Abilities(loglikelihood=True, choices_only=True, runtime_options=("price",))
    around = ForwardingAdapter(listener, answerer)
    assert around.abilities == Abilities(
        loglikelihood=True,
        prepare=True,
        choices_only=True,
        delivery="to be shown",
        max_clips=3,
        runtime_options=("price",),
    )
    alone = ForwardingAdapter(listener)
    assert (alone.answerer, alone.abilities, alone.identity) == (listener, listener.abilities, listener.identity)
    alone.close()
    assert listener.calls == ["close"], "one part is closed once"


def test_the_bundled_adapters_declare_what_they_are() -> None:
    abilities = {name: entry.abilities for name, entry in catalogue().adapters.items()}
    assert {name for name, one in abilities.items() if one.choices_only} == {"clap", "clap-probe", "mellow-probe"}
    assert {name for name, one in abilities.items() if one.is_replay} == {"replay"}
    assert {name for name, one in abilities.items() if one.stream} >= {"exec", "openai"}
    every = ("greedy", "nucleus", "top-k", "beam")
    assert {name for name, one in abilities.items() if one.decodings == every} >= {"mellow", "hf", "text"}
    assert abilities["openai"].decodings == abilities["blind"].decodings == ("greedy", "nucleus")
    assert abilities["openai"].delivery == abilities["hf"].delivery == "to be shown"
    assert {"concurrency", "price_in"} <= set(abilities["openai"].runtime_options)


def asks_an_adapter(node: ast.AST) -> bool:
    """True for getattr(adapter, ...), hasattr(adapter, ...) and isinstance(adapter, ...)."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
        return False
    return node.func.id in ("getattr", "hasattr", "isinstance") and ast.unparse(node.args[0]).endswith("adapter")


def test_the_runner_asks_adapters_by_their_abilities_alone() -> None:
    places = [*(HOME / "alm_bench/runner").rglob("*.py"), *(HOME / "alm_bench").glob("*.py")]
    assert len(places) > 20
    guilty = [
        f"{place.relative_to(HOME)}:{node.lineno}"  # type: ignore[attr-defined]
        for place in places
        for node in ast.walk(ast.parse(place.read_text(encoding="utf-8")))
        if asks_an_adapter(node)
    ]
    assert guilty == []
    assert asks_an_adapter(ast.parse("getattr(plan.adapter, 'pace', ())").body[0].value)  # type: ignore[attr-defined]


def test_abilities_of_another_kind_are_one_line() -> None:
    with pytest.raises(
        ab.UsageError, match=r"^Odd: abilities is \{'stream': True\}, expected alm_bench.core.Abilities"
    ):

        class Odd(Plain):
            abilities = {"stream": True}  # type: ignore[assignment]  # noqa: RUF012


def test_reading_abilities_of_an_object_needs_no_base() -> None:
    class Nothing:
        pass

    assert read_abilities(Nothing) == read_abilities(Nothing()) == Abilities()
