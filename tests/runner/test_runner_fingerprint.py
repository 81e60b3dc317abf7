"""The fingerprint: everything that an answer depends on, and nothing else."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from small_world import alm, mmau, model, only_run, stored, tone

from alm_bench.core import AdapterIdentity, AudioPolicy, Decoding
from alm_bench.plugins import catalogue
from alm_bench.records.models import StoredDecoding, StoredIdentity, StoredSpec
from alm_bench.runner.spec import RunSpec, compute_fingerprint

CARD = catalogue().get_task("mmau").card
PROMPT = catalogue().get_task("mmau").load_prompts()["letters"]
SPEC = RunSpec("mmau", "echo", "test-mini", "real", Decoding())
POLICY = AudioPolicy()
IDENTITY = AdapterIdentity("echo", "echo", weights="w", settings={"a": "1"})


def made(**changes: Any) -> str:
    values = {"spec": SPEC, "card": CARD, "manifest": "m", "prompt": PROMPT, "policy": POLICY, "identity": IDENTITY}
    return compute_fingerprint(**{**values, **changes})


def spec(**changes: Any) -> str:
    return made(spec=dataclasses.replace(SPEC, **changes))


@pytest.mark.parametrize(
    ("kind", "stored"),
    [(RunSpec, StoredSpec), (Decoding, StoredDecoding), (AdapterIdentity, StoredIdentity)],
)
def test_a_header_stores_every_field(kind: type[Any], stored: type[Struct]) -> None:
    assert set(stored.__struct_fields__) == {field.name for field in dataclasses.fields(kind)}


CHANGED = {
    "task": made(card=dataclasses.replace(CARD, name="cle")),
    "task version": made(card=dataclasses.replace(CARD, version=CARD.version + 1)),
    "split": spec(split="test"),
    "kind of data": spec(data="demo"),
    "data": made(manifest="n"),
    "prompt set": made(prompt=dataclasses.replace(PROMPT, id="mmau/other")),
    "wording": made(prompt=dataclasses.replace(PROMPT, template=PROMPT.template + " ")),
    "option form": made(prompt=dataclasses.replace(PROMPT, option="{text}")),
    "case": made(prompt=dataclasses.replace(PROMPT, lowercase=True)),
    "no audio": made(policy=None),
    "rate": made(policy=AudioPolicy(rate=32_000)),
    "crop": made(policy=AudioPolicy(crop="random")),
    "spare clip": made(policy=AudioPolicy(spare=True)),
    "weights": made(identity=dataclasses.replace(IDENTITY, weights="v")),
    "dtype": made(identity=dataclasses.replace(IDENTITY, dtype="bfloat16")),
    "settings": made(identity=dataclasses.replace(IDENTITY, settings={"a": "2"})),
    "method": spec(decoding=Decoding("nucleus")),
    "tokens": spec(decoding=Decoding(max_new_tokens=65)),
    "top-p": spec(decoding=Decoding(top_p=0.9)),
    "temperature": spec(decoding=Decoding(temperature=0.5)),
    "decoding seed": spec(decoding=Decoding(seed=1)),
    "beam search": spec(decoding=Decoding("beam")),
    "beams": spec(decoding=Decoding("beam", beams=5)),
    "length penalty": spec(decoding=Decoding("beam", length_penalty=0.5)),
    "top-k": spec(decoding=Decoding("top-k")),
    "k": spec(decoding=Decoding("top-k", top_k=5)),
    "seed": spec(seed=1),
    "limit": spec(limit=5),
    "missing audio": spec(missing_audio="skip"),
    "way of answering": spec(answer_by="both"),
    "strategy": spec(strategy="caption-first"),
    "order of options": spec(options="shuffled"),
    "number of shuffles": spec(options="shuffled", shuffles=2),
    "a task's option": spec(task_options={"variant": "2"}),
    "a model's option": spec(model_options={"rate": "2"}),
    "rows that were fitted on": made(fitted_on={"ids": "a"}),
    "other rows": made(fitted_on={"ids": "b"}),
}


@pytest.mark.parametrize("ingredient", CHANGED)
def test_it_changes_with_what_changes_answers(ingredient: str) -> None:
    assert CHANGED[ingredient] != made()


def test_no_two_changes_give_the_same_one() -> None:
    assert len({made(), *CHANGED.values()}) == len(CHANGED) + 1


def test_the_version_of_the_draws_counts_where_something_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = ("order of options", "method", "top-k", "spare clip")
    monkeypatch.setattr("alm_bench.runner.spec.DRAWS", 10**6)
    later = {
        "order of options": spec(options="shuffled"),
        "method": spec(decoding=Decoding("nucleus")),
        "top-k": spec(decoding=Decoding("top-k")),
        "spare clip": made(policy=AudioPolicy(spare=True)),
    }
    assert all(later[name] != CHANGED[name] for name in drawing)
    assert (spec(seed=1), spec(options="circular")) == (CHANGED["seed"], spec(options="circular"))
    for name, same in (("limit", spec(limit=5)), ("beam search", spec(decoding=Decoding("beam")))):
        assert same == CHANGED[name], "nothing is drawn here: such a run resumes"


def test_settings_of_other_decoding_methods_change_nothing() -> None:
    """Runs of greedy and nucleus decoding from before there were others are resumed."""
    assert spec(decoding=Decoding(top_k=5, beams=9, length_penalty=2.0)) == made()
    assert {*Decoding("nucleus").as_dict()} == {"method", "max_new_tokens", "top_p", "temperature", "seed"}


def test_speed_changes_nothing() -> None:
    assert spec(batch_size=1) == spec(batch_size=64) == spec(workers=7) == made()
    assert len(made()) == 16
    assert int(made(), 16) >= 0


def test_a_changed_question_is_another_run(tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", 3)
    command = ("run", "--model", "echo", "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs", "--json")
    first = alm(*command).run["fingerprint"]
    assert alm(*command, "--batch-size", 1, "--workers", 1).run["fingerprint"] == first
    assert only_run(tmp_path / "runs")
    questions = data / "mmau/mmau-test-mini.json"
    questions.write_text(questions.read_text().replace("What is heard in clip 2", "What was heard in clip 2"))
    assert alm(*command).run["fingerprint"] != first


def test_a_replaced_clip_is_the_same_run_and_its_items_are_asked_again(tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", 5)
    name = model(
        tmp_path / "m.py",
        f"    def answer(self, request):\n        open({str(tmp_path / 'asked')!r}, 'a').write(request.id + ' ')\n"
        "        return str(request.waves[0].size)\n",
    )
    command = ("run", "--model", name, "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs", "--json")
    first = alm(*command).run["fingerprint"]
    asked = tmp_path / "asked"
    asked.write_text("")
    assert alm(*command).run["fingerprint"] == first
    assert asked.read_text() == "", "nothing is asked twice"
    tone(data / "mmau/test-mini-audios/item-003.wav", 333, seconds=0.5)
    again = alm(*command).run
    assert (again["fingerprint"], asked.read_text()) == (first, "item-003 ")
    rows = stored(only_run(tmp_path / "runs"))
    assert {row["id"]: row["text"] for row in rows} == {f"item-{i:03}": "8000" if i == 3 else "4800" for i in range(5)}
    assert len(rows) == 5


def test_moved_data_is_the_same_run(tmp_path: Path) -> None:
    found = []
    for place in ("here", "there/deeper"):
        data = mmau(tmp_path / place, 3)
        ran = alm("run", "--model", "echo", "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs", "--json")
        found.append(ran.run["fingerprint"])
    assert found[0] == found[1]
