"""Clips as they are sent: files that fit are passed on byte for byte, all others are decoded and encoded once."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scripted_server import MODEL, Server
from small_world import alm, mmau, questions

from alm_bench.adapters.openai.adapter import OpenAIAdapter
from alm_bench.adapters.openai.body import build_body
from alm_bench.adapters.openai.clips import EncodedClip, read_unchanged_file
from alm_bench.adapters.openai.options import OpenAIOptions
from alm_bench.core import AudioError, AudioRef, Decoding, Request, Runtime
from alm_bench.core.wav import encode_wav, is_plain_wav
from alm_bench.runner.conditions import create_condition
from alm_bench.runner.loader import AudioPipeline, load_batch
from alm_bench.runner.strategy import apply_strategy

RATE = 8_000
WAVE = (0.3 * np.sin(np.arange(RATE) / 7)).astype(np.float32)


def options(**values: Any) -> OpenAIOptions:
    return OpenAIOptions(**{"model": MODEL, "base_url": "http://127.0.0.1:1/v1", "rate": RATE, **values})


def clip(folder: Path, name: str, wave: Any = WAVE, rate: int = RATE, tags: dict[str, str] | None = None) -> AudioRef:
    """Write a clip with libsndfile; `tags` are its text tags."""
    path = folder / name
    channels = 1 if wave.ndim == 1 else wave.shape[1]
    subtype = {"wav": "PCM_16", "flac": "PCM_16", "mp3": "MPEG_LAYER_III", "f32": "FLOAT"}[path.suffix[1:]]
    container = {".f32": "WAV"}.get(path.suffix, path.suffix[1:].upper())
    with soundfile.SoundFile(path, "w", rate, channels, subtype, format=container) as file:
        for tag, text in (tags or {}).items():
            setattr(file, tag, text)
        file.write(wave)
    return AudioRef(name, path)


def sent(encoded: EncodedClip) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of a clip and its content part."""
    part = json.loads(b"".join(encoded.part))
    inner = part[part["type"]]
    data = inner.get("data") or inner["url"]
    return base64.b64decode(data.rpartition(",")[2]), part


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "tagged.wav"])
def test_a_file_that_fits_is_sent_byte_for_byte(tmp_path: Path, name: str) -> None:
    ref = clip(tmp_path, name, tags={"software": "an encoder"} if name == "tagged.wav" else None)
    encoded = read_unchanged_file(ref, options())
    assert encoded is not None
    data, part = sent(encoded)
    assert data == ref.path.read_bytes()
    assert part["input_audio"]["format"] == name[-3:]
    assert encoded.seconds == pytest.approx(1, abs=0.2)
    assert read_unchanged_file(ref, options(recode="always")) is None
    in_memory = AudioRef(name, tmp_path / "none", read=ref.path.read_bytes)
    again = read_unchanged_file(in_memory, options(audio="audio_url"))
    assert again is not None
    url = sent(again)[1]["audio_url"]["url"]
    assert url.startswith("data:audio/mpeg;base64," if name == "a.mp3" else "data:audio/wav;base64,")


def test_flac_is_sent_where_a_data_url_names_its_type(tmp_path: Path) -> None:
    ref = clip(tmp_path, "a.flac")
    assert read_unchanged_file(ref, options()) is None
    for audio in ("audio_url", "input_audio_url"):
        encoded = read_unchanged_file(ref, options(audio=audio))
        assert encoded is not None
        assert sent(encoded)[0] == ref.path.read_bytes()
        assert b"data:audio/flac;base64," in b"".join(encoded.part)


def test_a_file_that_needs_a_change_is_encoded(tmp_path: Path) -> None:
    big_endian = AudioRef("big", tmp_path / "big.wav")
    soundfile.write(big_endian.path, WAVE, RATE, subtype="PCM_16", format="WAV", endian="BIG")
    streamed = AudioRef("streamed", tmp_path / "streamed.wav")
    plain = encode_wav(WAVE, RATE)
    streamed.path.write_bytes(plain[:4] + b"\xff" * 4 + plain[8:40] + b"\xff" * 4 + plain[44:])
    refs = [
        clip(tmp_path, "rate.wav", rate=16_000),
        clip(tmp_path, "stereo.wav", np.stack([WAVE, WAVE], axis=1)),
        clip(tmp_path, "float.f32"),
        clip(tmp_path, "title.wav", tags={"title": "A dog barks"}),
        big_endian,
        streamed,
    ]
    for ref in refs:
        assert read_unchanged_file(ref, options()) is None, ref.id
    ref = clip(tmp_path, "long.wav")
    assert read_unchanged_file(ref, options(max_seconds=0.5)) is None
    assert read_unchanged_file(ref, options(join=0.5)) is None
    assert read_unchanged_file(ref, options(max_seconds=1.0)) is not None


def test_a_damaged_file_is_not_sent(tmp_path: Path) -> None:
    ref = clip(tmp_path, "a.wav")
    ref.path.write_bytes(ref.path.read_bytes()[:-100])
    with pytest.raises(AudioError, match="is cut off"):
        read_unchanged_file(ref, options())
    flac = clip(tmp_path, "a.flac", np.random.default_rng(0).uniform(-1, 1, 5 * RATE).astype(np.float32))
    flac.path.write_bytes(flac.path.read_bytes()[:-4000])
    with pytest.raises(AudioError, match="cut off or damaged"):
        read_unchanged_file(flac, options(audio="audio_url"))
    with pytest.raises(AudioError, match="the file is missing"):
        read_unchanged_file(AudioRef("x", tmp_path / "x.wav"), options())


def test_what_counts_as_a_plain_wav_file() -> None:
    plain = encode_wav(WAVE, RATE)
    assert is_plain_wav(plain[:44], RATE, len(plain))
    assert not is_plain_wav(plain[:44], 16_000, len(plain))
    assert not is_plain_wav(plain[:44], RATE, len(plain) - 2)
    assert not is_plain_wav(plain[:40], RATE, 40)
    assert not is_plain_wav(encode_wav(WAVE, RATE, "float32")[:44], RATE, 44 + 4 * len(WAVE))


def pipeline(condition: str = "clean", **values: Any) -> tuple[AudioPipeline, OpenAIOptions]:
    asked = options(**values)
    return AudioPipeline.from_adapter(OpenAIAdapter(asked, Runtime()), create_condition(condition)), asked


def test_two_clips_of_which_one_fits_arrive_in_their_order(tmp_path: Path) -> None:
    fitting, other = clip(tmp_path, "a.wav"), clip(tmp_path, "b.wav", WAVE[:4000], rate=16_000)
    prepared, asked = pipeline()
    for pair in ((fitting, other), (other, fitting)):
        (ready,) = load_batch([(0, Request("one", "Which?", pair))], prepared, 2)
        body = json.loads(b"".join(build_body(ready.request, Decoding(), asked)))
        *clips, text = body["messages"][-1]["content"]
        lengths = [len(soundfile.read(io.BytesIO(base64.b64decode(c["input_audio"]["data"])))[0]) for c in clips]
        assert lengths == ([8000, 2000] if pair[0] is fitting else [2000, 8000])
        assert text["text"] == "Which?"


def test_a_changed_clip_is_never_the_file(tmp_path: Path) -> None:
    ref = clip(tmp_path, "a.wav")
    for condition, same in (("clean", True), ("silence", False)):
        prepared, asked = pipeline(condition)
        (ready,) = load_batch([(0, Request("one", "Which?", (ref,)))], prepared, 1)
        (encoded,) = ready.request.features
        assert (sent(encoded)[0] == ref.path.read_bytes()) is same
        assert asked.recode == "auto"


def test_descriptions_are_of_decoded_clips(tmp_path: Path) -> None:
    """Their cache has the samples as its key."""
    ref, model = clip(tmp_path, "a.wav"), OpenAIAdapter(options(), Runtime())
    assert model.prepare_file(ref) is not None
    assert apply_strategy(model, "caption-first", "letters").prepare_file(ref) is None


def test_a_run_sends_each_clip_and_encodes_it_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Questions about a clip are far apart in the file: their requests are put side by side."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    rows = questions(20)
    for number, row in enumerate(rows):
        row["audio_id"] = f"./test-mini-audios/item-{number % 10:03}.wav"
    mmau(tmp_path / "data", rows=rows)
    read: list[str] = []
    from alm_bench.adapters.openai import clips

    def count(ref: AudioRef, asked: OpenAIOptions) -> EncodedClip | None:
        read.append(ref.id)
        return read_unchanged_file(ref, asked)

    monkeypatch.setattr(clips, "read_unchanged_file", count)
    named = {"base_url": server.url, "model": MODEL, "rate": RATE, "concurrency": 4}
    pairs = [part for key, value in named.items() for part in ("--model-arg", f"{key}={value}")]
    where = ("--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path / "runs", "--json")
    ran = alm("run", "--model", "openai", *pairs, *where)
    assert ran.status == 0, ran.err
    assert len(server.seen.bodies) == 20
    assert len(read) == len(set(read)) == 10
    files = {path.read_bytes() for path in (tmp_path / "data").rglob("*.wav")}
    heard = {base64.b64decode(body["messages"][-1]["content"][0]["input_audio"]["data"]) for body in server.seen.bodies}
    assert heard == files


def test_recoding_always_is_another_run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    mmau(tmp_path / "data", 2)
    for path in (tmp_path / "data").rglob("*.wav"):
        clip(path.parent, path.name, tags={"software": "an encoder"})
    bodies = []
    for recode in ("auto", "always"):
        named = {"base_url": server.url, "model": MODEL, "rate": RATE, "recode": recode}
        pairs = [part for key, value in named.items() for part in ("--model-arg", f"{key}={value}")]
        ran = alm("run", "--model", "openai", *pairs, "--tasks", "mmau", "--data", tmp_path / "data", "--out", tmp_path)
        assert ran.status == 0, ran.err
        bodies.append(server.seen.bodies[-1]["messages"][-1]["content"][0]["input_audio"]["data"])
    files = [base64.b64encode(path.read_bytes()).decode() for path in (tmp_path / "data").rglob("*.wav")]
    assert bodies[0] in files
    assert bodies[1] not in files
    assert len(list(tmp_path.glob("*/run.json"))) == 2
