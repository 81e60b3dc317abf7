"""The adapters without a model: blind strategies, the echo, and the replay of others' outputs."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from small_world import alm, mmau, only_run, outputs, questions, stored

from alm_bench.core import AdapterIdentity, DataError, Decoding, Output, Request, Runtime, UsageError
from alm_bench.plugins import catalogue

CHOICES = ("Dog", "A longer cat", "Bird", "A longer fox")


def adapter(name: str, seed: int = 0, **options: Any) -> Any:
    return catalogue().get_adapter(name).create({key: str(value) for key, value in options.items()}, Runtime(seed=seed))


def said(model: Any, *requests: Request) -> list[str | None]:
    return [output.text for output in model.generate(requests, Decoding())]


def test_every_adapter_says_who_it_is(tmp_path: Path) -> None:
    path = outputs(tmp_path / "said.json", {"a": "x"})
    for model in (adapter("blind"), adapter("echo"), adapter("replay", outputs=path)):
        assert isinstance(model.identity, AdapterIdentity)
        assert model.identity.label
    assert adapter("blind", strategy="longest").identity.label == "blind[longest]"
    assert adapter("replay", outputs=path).identity.label == "replay[said]"


def test_the_echo_continues_a_given_beginning() -> None:
    assert said(adapter("echo"), Request("q", "one two three", prefix="one two")) == [" three"]
    assert adapter("echo").abilities.continuation
    assert not adapter("blind").abilities.continuation


def test_first_and_longest() -> None:
    request = Request("q", "?", choices=CHOICES)
    assert said(adapter("blind"), request) == ["Dog"]
    assert said(adapter("blind", strategy="longest"), request) == ["A longer cat"]
    assert said(adapter("blind", strategy="longest"), Request("q", "?", choices=("Dog", "Cat"))) == ["Dog"]


def test_random_is_seeded_by_the_item_and_the_run() -> None:
    requests = [Request(f"q{i}", "?", choices=CHOICES) for i in range(400)]
    first = said(adapter("blind", strategy="random"), *requests)
    assert first == said(adapter("blind", strategy="random"), *requests)
    assert said(adapter("blind", strategy="random"), *reversed(requests)) == list(reversed(first))
    assert first != said(adapter("blind", strategy="random", seed=1), *requests)
    assert set(Counter(first)) == set(CHOICES)
    assert all(70 <= count <= 130 for count in Counter(first).values()), "evenly drawn"


def test_random_says_its_seed_and_the_others_do_not() -> None:
    identity = adapter("blind", strategy="random", seed=3).identity
    assert identity.settings == {"strategy": "random", "seed": "3", "draws": "2"}
    assert adapter("blind", seed=3).identity == adapter("blind", seed=4).identity


def test_without_options_a_strategy_fails() -> None:
    (output,) = adapter("blind").generate([Request("q", "?")], Decoding())
    assert output == Output(None, error="a blind strategy needs options to pick from, this item has none")


def test_blind_ids_in_a_run_do_not_depend_on_batches(tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", clips=False)
    command = ("run", "--model", "blind", "--model-arg", "strategy=random", "--tasks", "mmau", "--data", data)
    texts = []
    for size in (1, 5):
        out = tmp_path / f"{size}"
        assert alm(*command, "--out", out, "--batch-size", size).status == 0
        texts.append([row["text"] for row in stored(only_run(out))])
    assert texts[0] == texts[1]


def test_echo_decodes_and_answers_with_its_prompt(tmp_path: Path) -> None:
    assert said(adapter("echo"), Request("q", "What is  heard here?")) == ["What is heard here?"]
    (output,) = adapter("echo").generate([Request("q", "a b c d")], Decoding(max_new_tokens=2))
    assert output.text == "a b"
    policy = adapter("echo", rate=8000, seconds="none").audio
    assert (policy.rate, policy.seconds) == (8000, None)
    data = mmau(tmp_path / "data", 2)
    (data / "mmau/test-mini-audios/item-001.wav").write_bytes(b"no sound")
    ran = alm("run", "--model", "echo", "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs", "--json")
    assert (ran.status, ran.run["status"]["error"]) == (1, 1), "a clip that cannot be decoded is found out"


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_replay_reads_json_jsonl_and_csv(tmp_path: Path, kind: str) -> None:
    rows = [{"id": "a", "model_prediction": "Dog,\n“x”"}, {"id": "b", "model_prediction": ""}]
    content = {
        "json": json.dumps(rows),
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "csv": 'id,model_prediction\na,"Dog,\n“x”"\nb,\n',
    }[kind]
    path = tmp_path / f"said.{kind}"
    path.write_text(content, encoding="utf-8")
    model = adapter("replay", outputs=path)
    assert said(model, Request("b", "?"), Request("a", "?")) == ["", "Dog,\n“x”"]
    (missing,) = model.generate([Request("c", "?")], Decoding())
    assert (missing.text, missing.error) == (None, f"said.{kind} has no output for this id")


def test_replay_takes_the_named_column(tmp_path: Path) -> None:
    path = tmp_path / "said.csv"
    path.write_text("id,model_output,raw\na,x,y\n")
    assert said(adapter("replay", outputs=path), Request("a", "?")) == ["x"]
    assert said(adapter("replay", outputs=path, column="raw"), Request("a", "?")) == ["y"]
    with pytest.raises(DataError, match="no column rav with the model's text; found raw"):
        adapter("replay", outputs=path, column="rav")


def test_replay_is_known_by_its_files_content(tmp_path: Path) -> None:
    first = adapter("replay", outputs=outputs(tmp_path / "a.json", {"a": "x"})).identity
    (tmp_path / "sub").mkdir()
    same = adapter("replay", outputs=outputs(tmp_path / "sub/a.json", {"a": "x"})).identity
    other = adapter("replay", outputs=outputs(tmp_path / "sub/a.json", {"a": "why"})).identity
    assert first == same != other


def test_replayed_golds_are_all_right(tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", clips=False)
    path = outputs(tmp_path / "golds.json", {row["id"]: row["answer"] for row in questions(12)})
    command = ("run", "--model", "replay", "--model-arg", f"outputs={path}", "--tasks", "mmau", "--data", data)
    run = alm(*command, "--out", tmp_path / "runs", "--json").run
    assert run["metrics"]["accuracy"]["value"] == run["metrics"]["official_accuracy"]["value"] == 1
    assert run["identity"]["note"] == "outputs read from golds.json, not produced here"


def test_a_replay_without_a_file_is_refused() -> None:
    with pytest.raises(DataError, match=r"outputs=nowhere\.json is not a file"):
        adapter("replay", outputs="nowhere.json")
    with pytest.raises(UsageError, match=r"needs the option outputs="):
        adapter("replay")
