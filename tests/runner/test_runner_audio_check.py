"""Whether the audio reaches the model: told by token counts, by answers, by likelihoods, or not at all."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_world import alm, mmau, model, only_run

from alm_bench.audio import decode
from alm_bench.audio.probes import SOUNDS, build_probe
from alm_bench.core import AdapterError, AudioPolicy, BaseAdapter, Decoding, OptionScores, Output, Request, Runtime
from alm_bench.runner.audio_check import check_audio, require_audio
from alm_bench.runner.length_check import SECONDS


class Behind(BaseAdapter):
    """A server that tells how many tokens a prompt had, and answers by `say`."""

    delivery = "to be shown"
    audio: AudioPolicy | None = AudioPolicy(rate=8_000)

    def __init__(self, say: Any, counts: bool = True) -> None:
        super().__init__(None, Runtime())
        self.say, self.counts = say, counts

    def generate(self, batch: Sequence[Request], decoding: Decoding) -> Sequence[Output]:
        return [Output(self.say(r), extra={"prompt_tokens": self.tokens(r)} if self.counts else {}) for r in batch]

    def tokens(self, request: Request) -> int:
        return 12 + sum(round(25 * wave.size / 8_000) for wave in request.waves)


class Dropping(Behind):
    """The same, but its template knows no audio."""

    def tokens(self, request: Request) -> int:
        return 12


def level(request: Request) -> float:
    return float(np.abs(request.waves[0]).mean())


def loud(request: Request) -> str:
    return f"{level(request):.3f}" if request.waves else "nothing"


def test_the_sounds_are_plainly_different() -> None:
    waves = {name: decode(build_probe(name))[0] for name in SOUNDS}
    assert {wave.shape for wave in waves.values()} == {(48_000, 1)}
    levels = {name: float(np.sqrt((wave**2).mean())) for name, wave in waves.items()}
    assert levels["silence"] == 0
    assert levels["tone"] > levels["noise"] > levels["clicks"] > 0.01


@pytest.mark.parametrize(
    ("adapter", "verdict", "told"),
    [
        (Behind(loud), "delivered", "prompt tokens: 87 with a clip, 12 without"),
        (Behind(loud, counts=False), "delivered", "answers to a tone and to noise differ"),
        (Behind(lambda r: "A dog."), "no reaction", "prompt tokens: 87 with a clip, 12 without, but the answers"),
        (
            Behind(lambda r: "A dog.", counts=False),
            "audio_not_delivered",
            "tells no prompt tokens, and the answers",
        ),
        (Dropping(lambda r: "A dog barks in the rain."), "audio_not_delivered", "as many prompt tokens"),
        (Dropping(loud), "delivered", "answers to a tone and to noise differ"),
    ],
)
def test_verdicts(adapter: Behind, verdict: str, told: str) -> None:
    found = check_audio(adapter)
    assert (found.verdict, told in found.reason) == (verdict, True), found.reason
    long = [*SECONDS] if verdict == "delivered" else []
    assert [answer.sound for answer in found.answers] == ["tone", "noise", "tone, again", "no clip", *long]


def test_a_model_that_answers_anyhow_does_not_react() -> None:
    """Two answers to one prompt: that they differ for two clips shows nothing."""
    count = iter(range(99))
    found = check_audio(Behind(lambda r: f"{next(count)}", counts=False))
    assert (found.verdict, "its two answers to one tone differ" in found.reason) == ("audio_not_delivered", True)


def test_likelihoods_that_react_are_a_reaction() -> None:
    class Scoring(Behind):
        def loglikelihood(self, batch: Sequence[Request]) -> Sequence[OptionScores]:
            return [OptionScores({"text": [(-level(r) * n, 1) for n in range(len(r.choices))]}) for r in batch]

    assert check_audio(Scoring(lambda r: "dog", counts=False)).reason == (
        "likelihoods of answers to a tone and to noise differ"
    )


def test_what_cannot_be_asked_is_not_judged() -> None:
    def broken(request: Request) -> str:
        raise RuntimeError("no connection")

    found = require_audio(Behind(broken))
    assert found.verdict == "not checked"
    assert found.reason == "the question could not be asked: RuntimeError: no connection"


def test_a_model_that_gets_none_is_stopped() -> None:
    with pytest.raises(AdapterError, match="audio_not_delivered: Dropping counts as many prompt tokens"):
        require_audio(Dropping(lambda r: "rain"))


BODY = """
    delivery = "to be shown"

    def answer(self, request):
        open({calls!r}, "a").write(request.id + chr(10))
        return {answer}
"""


def run(tmp_path: Path, answer: str, *arguments: object) -> Any:
    if not (tmp_path / "data").exists():
        mmau(tmp_path / "data")
    name = model(tmp_path / "server.py", BODY.format(calls=str(tmp_path / "calls"), answer=answer))
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    return alm("run", "--model", name, *where, *arguments)


HEARS = "str(float(abs(request.waves[0]).mean())) if request.waves else 'nothing'"


def test_a_run_begins_with_the_proof_and_tells_of_it(tmp_path: Path) -> None:
    ran = run(tmp_path, HEARS, "--limit", 4)
    assert ran.status == 0, ran.err
    assert ran.run["audio_check"]["verdict"] == "delivered"
    asked = (tmp_path / "calls").read_text().split("\n")
    assert asked[:4] == ["probe-tone", "probe-noise", "probe-tone, again", "probe-no clip"]
    assert "delivered: answers to a tone and to noise differ" in alm("score", only_run(tmp_path / "runs")).out
    again = run(tmp_path, HEARS, "--limit", 4)
    assert again.run == ran.run
    assert len((tmp_path / "calls").read_text().split("\n")) == len(asked), "nothing is asked where nothing is open"


def test_a_run_whose_audio_is_dropped_gives_no_score(tmp_path: Path) -> None:
    ran = run(tmp_path, "'a dog'")
    assert ran.status == 1
    assert ran.out == ""
    assert "alm-bench: audio_not_delivered: Model" in ran.err.splitlines()[-1]
    assert not list((tmp_path / "runs").glob("*/summary.json"))


@pytest.mark.parametrize("before", ["1 / 0", f"({HEARS}) if request.id.startswith('probe') else 1 / 0"])
def test_a_run_that_goes_on_is_proven_again(tmp_path: Path, before: str) -> None:
    """The first time the server was down, or failed on the items: what it does now is another matter."""
    assert run(tmp_path, before).status == 1
    ran = run(tmp_path, "'a dog'")
    assert (ran.status, ran.out) == (1, "")
    assert "alm-bench: audio_not_delivered" in ran.err.splitlines()[-1]
    again = run(tmp_path, HEARS)
    assert (again.status, again.run["audio_check"]["verdict"]) == (0, "delivered")


def test_what_hears_is_asked_by_itself() -> None:
    """What stands around a model, and what it keeps of earlier answers, would answer in its place."""
    heard = Behind(loud)
    around = Behind(lambda r: "A dog.", counts=False)
    around.listener = heard  # type: ignore[attr-defined]
    assert check_audio(around).verdict == "delivered"
    around.listener = Behind(lambda r: "A dog.", counts=False)  # type: ignore[attr-defined]
    assert check_audio(around).verdict == "audio_not_delivered"


def test_one_that_needs_a_clip_is_judged_by_the_others() -> None:
    def needs_one(request: Request) -> str:
        return "A dog." if request.waves[0].size else ""

    found = check_audio(Behind(needs_one, counts=False))
    assert found.verdict == "not checked"
    assert "the question without a clip was refused (IndexError" in found.reason
    assert found.reason.endswith("and the answers to a tone, to noise and to silence are the same")


def needs_a_clip(say: Callable[[Request], str]) -> Callable[[Request], str]:
    def answer(request: Request) -> str:
        if not request.waves:
            raise ValueError("content: an audio part is required")
        return say(request)

    return answer


def test_silence_stands_in_for_no_clip_where_that_is_refused() -> None:
    """It tells silence from sounds, which it calls one another's name."""
    found = check_audio(Behind(needs_a_clip(lambda r: "a sound" if level(r) else "silence"), counts=False))
    assert (found.verdict, found.reason) == ("delivered", "answers to a tone and to silence differ")
    assert "silence" in [answer.sound for answer in found.answers]
    same = check_audio(Behind(needs_a_clip(lambda r: "a sound"), counts=False))
    assert same.verdict == "not checked", "whether it would say the same of no clip is not known"
    assert require_audio(Behind(needs_a_clip(lambda r: "a sound"), counts=False)).verdict == "not checked"


@pytest.mark.parametrize("tokens", [1, 3, 10])
def test_a_placeholder_in_the_prompt_is_no_audio(tokens: int) -> None:
    class Template(Behind):
        def tokens(self, request: Request) -> int:
            return 12 + tokens * len(request.waves)

    found = check_audio(Template(lambda r: "rain"))
    assert found.verdict == "audio_not_delivered"
    assert f"a clip of 3 s counts as {tokens} tokens, as a placeholder does" in found.reason
    with pytest.raises(AdapterError, match="as a placeholder does"):
        require_audio(Template(lambda r: "rain"))
    assert check_audio(Template(loud)).verdict == "delivered", "its answers show that it hears"


class Cutting(Behind):
    """A server that hears the first 30 s."""

    def tokens(self, request: Request) -> int:
        return 12 + sum(round(25 * min(30, wave.size / 8_000)) for wave in request.waves)


def ends(request: Request) -> str:
    return f"{float(np.abs(request.waves[0][-8_000:]).mean()):.3f}" if request.waves else "nothing"


def test_two_long_clips_show_whether_the_end_is_heard() -> None:
    def length(adapter: Behind) -> tuple[str, str]:
        found = check_audio(adapter).length
        assert found is not None
        return found.verdict, found.reason

    assert length(Behind(loud)) == ("whole", "prompt tokens: 762 for 30 s, 1137 for 45 s")
    assert length(Cutting(loud)) == ("cut", "prompt tokens: 762 for 30 s, 762 for 45 s")
    assert length(Behind(ends, counts=False)) == ("whole", "the answers to 30 s and to 45 s differ")
    beginning = Behind(lambda r: f"{np.abs(r.waves[0][:8_000]).mean():.3f}" if r.waves else "nothing", counts=False)
    assert length(beginning) == ("not known", "the answers to 30 s and to 45 s are the same")

    def short_only(request: Request) -> str:
        if request.waves and request.waves[0].size > 31 * 8_000:
            raise ValueError("clip too long")
        return loud(request)

    assert length(Behind(short_only)) == ("not known", "30 s of a tone, then 15 s of noise: ValueError: clip too long")


@pytest.mark.parametrize("policy", [AudioPolicy(rate=8_000, seconds=10.0), AudioPolicy(rate=8_000, max_seconds=30.0)])
def test_what_the_adapter_crops_itself_is_not_asked(policy: AudioPolicy) -> None:
    adapter = Behind(loud)
    adapter.audio = policy
    assert check_audio(adapter).length is None


def test_the_command_prints_what_becomes_of_long_clips(tmp_path: Path) -> None:
    adapter = model(tmp_path / "server.py", BODY.format(calls=str(tmp_path / "calls"), answer=HEARS))
    ran = alm("check", adapter)
    assert ran.status == 0, ran.err
    assert "Long clips: heard beyond 30 s (the answers to 30 s and to 45 s differ)" in ran.out


def test_the_bundled_model_gets_its_audio() -> None:
    ran = alm("check", "mellow", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["verdict"] == "delivered"
    assert [said["sound"] for said in ran.json["answers"]] == [*SOUNDS, "tone, again", "no clip"]


def probes(tmp_path: Path) -> int:
    return sum(line.startswith("probe-") for line in (tmp_path / "calls").read_text().splitlines())


def test_a_check_holds_for_a_day_of_the_same_run(tmp_path: Path) -> None:
    """The items fail at first, so that the run is resumed; the probes of a paid server are not paid for again."""
    down = tmp_path / "down"
    answer = (
        f"({HEARS}) if request.id.startswith('probe') or not __import__('os').path.exists({str(down)!r}) else 1 / 0"
    )
    down.touch()
    assert run(tmp_path, answer).status == 1
    asked = probes(tmp_path)
    assert asked == 6
    down.unlink()
    again = run(tmp_path, answer)
    assert (again.status, again.run["audio_check"]["verdict"]) == (0, "delivered")
    assert probes(tmp_path) == asked


def test_an_older_check_is_made_again(tmp_path: Path) -> None:
    down = tmp_path / "down"
    answer = (
        f"({HEARS}) if request.id.startswith('probe') or not __import__('os').path.exists({str(down)!r}) else 1 / 0"
    )
    down.touch()
    assert run(tmp_path, answer).status == 1
    header = only_run(tmp_path / "runs") / "run.json"
    stored = json.loads(header.read_text())
    stored["audio_check"]["checked_at"] -= 25 * 3600
    header.write_text(json.dumps(stored))
    down.unlink()
    assert run(tmp_path, answer).status == 0
    assert probes(tmp_path) == 12
