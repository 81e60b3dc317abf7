"""CLAP with random weights: what is compared with what, the same in any order, and fitted where it must be."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_world import alm, cle, refusal, stored, tone

from alm_bench.adapters._shared.probe import TEXT_ONLY_PROBE
from alm_bench.core import CheckpointError, Decoding, LabelledRequest, Request, Runtime
from alm_bench.plugins import catalogue

RATE = 48_000
VERDICTS = ("it is definitely true", "it is definitely false", "it is plausible", "i cannot determine")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def zero_shot(clap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """It knows no clip from another test."""
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "own cache"))
    return created("clap", clap)


def created(name: str, folder: Path, **options: str) -> Any:
    return catalogue().get_adapter(name).create({"path": str(folder), **options}, Runtime("cpu"))


def wave(seed: int, seconds: float = 1.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE))).astype(np.float32)


def asked(name: str, seed: int = 0, seconds: float = 1.0, choices: tuple[str, ...] = ("rain", "a dog", "a")) -> Request:
    return Request(name, f"what of {name}?", choices=choices, waves=(wave(seed, seconds),))


def test_it_says_who_it_is(clap: Path, zero_shot: Any) -> None:
    identity = zero_shot.identity
    assert identity.label == f"clap[tiny-clap@{identity.weights[:8]}]"
    assert len(identity.weights) == 64
    assert identity.parameters == sum(p.numel() for p in zero_shot.network.model.parameters())
    assert (identity.dtype, identity.device, zero_shot.audio.rate) == ("float32", "cpu", RATE)


def test_the_nearest_option_is_taken(zero_shot: Any) -> None:
    """As transformers' own forward pass ranks them."""
    request = asked("x")
    (output,) = zero_shot.generate([request], Decoding())
    network = zero_shot.network
    texts = network.tokenizer(list(request.choices), padding=True, return_tensors="pt")
    features = network.extractor([request.waves[0]], sampling_rate=RATE, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        found = network.model(
            input_ids=texts["input_ids"], attention_mask=texts["attention_mask"], input_features=features,
            is_longer=torch.tensor([[False]]),
        )  # fmt: skip
    cosines = (found.logits_per_audio[0] / found.logits_per_audio[0].norm()).numpy()
    said = np.array(output.extra["similarities"])
    assert output.text == request.choices[int(cosines.argmax())]
    assert said / np.linalg.norm(said) == pytest.approx(cosines, abs=1e-4)


def test_embeddings_for_retrieval_are_those_that_options_are_compared_by(zero_shot: Any) -> None:
    request = asked("x")
    texts = [Request(choice, choice) for choice in request.choices]
    clip, *options = zero_shot.embed([Request("x", "", waves=request.waves), *texts])
    (output,) = zero_shot.generate([request], Decoding())
    assert [float(clip @ option) for option in options] == pytest.approx(output.extra["similarities"], abs=1e-5)
    assert zero_shot.abilities.embed
    assert np.linalg.norm(clip) == pytest.approx(1, abs=1e-5)


def test_a_template_is_what_options_are_put_in(clap: Path, zero_shot: Any) -> None:
    told = created("clap", clap, template="the sound of {option}, {question} {x}")
    (plain,) = zero_shot.generate([replace(asked("x"), choices=("the sound of rain, what of x? {x}",))], Decoding())
    (put,) = told.generate([replace(asked("x"), choices=("rain",))], Decoding())
    assert put.text == "rain"
    assert put.extra == plain.extra
    assert told.identity.settings["template"] != zero_shot.identity.settings["template"]


def test_answers_do_not_depend_on_order_or_batch_or_the_global_generator(clap: Path, monkeypatch: Any) -> None:
    """Of clips beyond 10 s the extractor draws parts, and of short ones it calls one a batch long."""
    requests = [asked("a", 0, 12), asked("b", 1, 14), asked("c", 2, 1), asked("d", 3, 2)]

    def said(batches: list[list[Request]], cache: str) -> dict[str, Any]:
        monkeypatch.setenv("ALM_BENCH_CACHE", str(clap.parent / cache))  # nothing is known from before
        model = created("clap", clap)
        return {r.id: o for batch in batches for r, o in zip(batch, model.generate(batch, Decoding()), strict=True)}

    np.random.seed(1)  # noqa: NPY002
    first = said([requests], "one")
    np.random.seed(2)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    assert said([[request] for request in reversed(requests)], "two") == first
    assert (np.random.get_state()[1] == state).all(), "and it leaves no trace there"  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize(("seconds", "longer"), [(1, False), (10, False), (10.005, False), (12, True)])
def test_a_clip_is_long_when_it_is(zero_shot: Any, monkeypatch: Any, seconds: float, longer: bool) -> None:
    network, told = zero_shot.network, []
    real = network.model.get_audio_features
    monkeypatch.setattr(network.model, "get_audio_features", lambda **given: told.append(given) or real(**given))
    network.embed_clip(wave(7, seconds))
    assert [given["is_longer"].tolist() for given in told] == [[[longer]]]


def test_what_it_cannot_do_is_said(zero_shot: Any) -> None:
    one = asked("x")
    (none, two) = zero_shot.generate([replace(one, choices=()), replace(one, waves=one.waves * 2)], Decoding())
    assert (none.text, none.error) == (None, "clap picks among options, this item has none")
    assert two.error == "clap compares one clip with texts, this item has 2"


def labelled(model: Any, count: int) -> list[LabelledRequest]:
    """Statements about one clip, labelled by how near they are to it: a third each."""
    clip = wave(0)
    texts = [f"a {'very ' * (i % 5)}{word} {i}" for i, word in enumerate(["dog", "rain", "flute"] * (count // 3))]
    near = [float(model.network.embed_clip(clip) @ model.network.embed_text(text)) for text in texts]
    rank = np.argsort(np.argsort(near)) * 3 // count
    targets = [(1, 2, 0)[place] for place in rank]
    return [
        LabelledRequest(Request(f"{i}", text, choices=VERDICTS, waves=(clip,)), target)
        for i, (text, target) in enumerate(zip(texts, targets, strict=True))
    ]


def test_thresholds_are_fitted_and_recorded(zero_shot: Any) -> None:
    rows = labelled(zero_shot, 30)
    fitted = zero_shot.fit(iter(rows))
    settings = fitted.identity.settings
    assert settings["ranges"] == "it is definitely false, it is plausible, it is definitely true"
    low, high = map(float, settings["thresholds"].split(" < "))
    assert low < high
    assert settings["development accuracy"] == "1.0000"
    outputs = fitted.generate([row.request for row in rows], Decoding())
    assert [output.text for output in outputs] == [VERDICTS[row.target] for row in rows]
    moved = [replace(row.request, choices=VERDICTS[::-1]) for row in rows]
    assert [output.text for output in fitted.generate(moved, Decoding())] == [output.text for output in outputs]
    similar = [output.extra["similarity"] for output in outputs]
    assert max(s for s, row in zip(similar, rows, strict=True) if row.target == 1) < low
    assert min(s for s, row in zip(similar, rows, strict=True) if row.target == 0) > high
    assert "thresholds" not in zero_shot.identity.settings, "the one that fitted stays as it was"


def test_without_rows_and_with_options_that_differ_there_is_nothing_to_fit(zero_shot: Any) -> None:
    assert zero_shot.fit(iter(())) is zero_shot
    rows = [LabelledRequest(asked("x"), 0), LabelledRequest(asked("y", choices=("other", "options")), 0)]
    assert zero_shot.fit(iter(rows)) is zero_shot
    other = zero_shot.fit(iter(labelled(zero_shot, 6)))
    (output,) = other.generate([asked("x")], Decoding())
    assert "similarities" in output.extra, "options that are no verdicts are compared with the clip"


def test_on_demo_mmau(clap: Path, tmp_path: Path) -> None:
    command = ("run", "--model", "clap", "--model-arg", f"path={clap}", "--tasks", "mmau", "--data", "demo")
    ran = alm(*command, "--limit", 4, "--out", tmp_path, "--json")
    assert ran.status == 0, ran.err
    assert ran.run["status"]["ok"] == 4
    assert ran.run["fit"] is None
    for row in stored(tmp_path / ran.run["run"]):
        assert row["text"] in row["choices"]
        assert len(row["extra"]["similarities"]) == len(row["choices"])
        assert row["prompt"] == row["fields"]["question"]
    line = refusal(alm(*command[:6], "cld-1,audiocaps", "--data", "demo"))
    assert "clap picks among options, which the items of cld-1 do not have" in line


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = cle(tmp_path_factory.mktemp("tones"), count=2, development=4)
    for i in range(3):
        tone(root / f"ClothoV21/validation/clip {i}.wav", 500 + 40 * i)
    return root


def test_zero_shot_entailment_by_command(clap: Path, tones: Path, tmp_path: Path) -> None:
    command = ("run", "--model", "clap", "--model-arg", f"path={clap}", "--tasks", "cle", "--data", tones, "--json")
    ran = alm(*command, "--out", tmp_path)
    assert ran.status == 0, ran.err
    header = json.loads((tmp_path / ran.run["run"] / "run.json").read_text())
    assert header["identity"]["settings"]["thresholds"]
    assert header["fit"]["rows"] == 12
    rows = stored(tmp_path / ran.run["run"])
    assert len(rows) == 6
    assert {row["text"] for row in rows} <= set(VERDICTS[:3])
    assert all(row["prompt"] == row["fields"]["hypothesis"] and "similarity" in row["extra"] for row in rows)
    again = alm(*command, "--out", tmp_path)
    assert again.run["fingerprint"] == ran.run["fingerprint"]


def test_the_probe_and_its_twin_by_command(clap: Path, tones: Path, tmp_path: Path) -> None:
    command = ("run", "--model", "clap-probe", "--model-arg", f"path={clap}", "--tasks", "cle", "--data", tones)
    ran = alm(*command, "--out", tmp_path, "--json")
    assert ran.status == 0, ran.err
    assert set(ran.run["identity"]["settings"]) >= {
        "C",
        "coefficients",
        "validation accuracy",
        "text-only coefficients",
    }
    alone = alm(*command, "--model-arg", "hears=text", "--out", tmp_path, "--json")
    assert alone.status == 0, alone.err
    assert alone.run["identity"]["label"].startswith("clap-probe[tiny-clap@")
    assert alone.run["identity"]["label"].endswith(",text only]")
    assert alone.run["metrics"]["accuracy"] == ran.run["baselines"][TEXT_ONLY_PROBE]["accuracy"]


def test_the_probe_relates_clip_and_text(clap: Path) -> None:
    """Which of two clips a statement is true of can be learned with both, and by no text alone."""
    rng = np.random.default_rng(0)
    clips = [wave(seed) for seed in range(2)]
    rows = []
    for i in range(80):
        heard, said = (int(x) for x in rng.integers(2, size=2))
        text = f"{('rain falls', 'a dog is barking')[said]} {i % 7}"
        request = Request(f"{i}", text, choices=VERDICTS[:2], waves=(clips[heard],))
        rows.append(LabelledRequest(request, int(heard != said)))
    model = created("clap-probe", clap).fit(iter(rows[:60]))
    outputs = model.generate([row.request for row in rows[60:]], Decoding())
    right = [output.text == VERDICTS[row.target] for output, row in zip(outputs, rows[60:], strict=True)]
    twin = model.blind_answers([row.request for row in rows[60:]])[TEXT_ONLY_PROBE]
    blind = [place == row.target for place, row in zip(twin, rows[60:], strict=True)]
    assert np.mean(right) >= 0.9
    assert np.mean(blind) <= 0.75


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "out of memory; try --dtype "),
        (RuntimeError("Error(s) in loading state_dict:\n\tsize mismatch for x"), "Error(s) in loading state_dict"),
        (ImportError("ClapModel needs what is not there"), "ClapModel needs what is not there"),
    ],
)
def test_a_clap_that_cannot_be_loaded_is_told_in_one_line(
    clap: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, told: str
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise raised

    monkeypatch.setattr("transformers.ClapModel.from_pretrained", fails)
    line = refusal(alm("run", "--model", "clap", "--model-arg", f"path={clap}", "--tasks", "mmau", "--data", "demo"))
    assert f"cannot be loaded as CLAP: {told}" in line


def test_what_is_no_clap_is_told_in_one_line(clap: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"path=.*nowhere cannot be loaded as CLAP"):
        created("clap", tmp_path / "nowhere")
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in clap.iterdir():
        if file.suffix == ".json":
            (broken / file.name).write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="cannot be loaded as CLAP") as found:
        created("clap", broken)
    assert "\n" not in str(found.value)
    torch.save({}, broken / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"has no weights for \d+ of CLAP's parameters"):
        created("clap", broken)
