"""Hugging Face checkpoints through one path, shown by tiny random ones of the families that need no more than
transformers: a clip is heard or the row is an error, and a batch changes nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_hf
import torch
from hf_checks import (
    SHORT,
    adapter,
    batch,
    check_batches,
    check_beam_search,
    check_clips_matter,
    check_runs,
    last_logits,
    request,
    run_mmau,
    texts,
)
from small_world import alm, mmau, stored, tone

from alm_bench.core import AdapterError, Decoding, Request

BASE = tuple(tiny_hf.BASE)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {name: build(root / name) for name, build in tiny_hf.BASE.items()}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, Any]:
    return {name: adapter(path) for name, path in folders.items()}


@pytest.mark.parametrize("family", BASE)
def test_a_batch_changes_nothing(models: dict[str, Any], family: str) -> None:
    check_batches(models[family])


def test_beam_search_gives_every_beam_the_clips_of_its_row(models: dict[str, Any]) -> None:
    check_beam_search(models["qwen2_audio"])


@pytest.mark.parametrize("family", BASE)
def test_a_clip_changes_its_own_row(models: dict[str, Any], family: str) -> None:
    check_clips_matter(models[family])


@pytest.mark.parametrize("family", BASE)
def test_demo_questions(folders: dict[str, Path], tmp_path: Path, family: str) -> None:
    check_runs(folders[family], tmp_path / "runs", joined=family != "qwen2_audio")


def test_clips_too_short_and_too_long(folders: dict[str, Path], tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", 3)
    tone(data / "mmau/test-mini-audios/item-000.wav", 300, seconds=0.01)
    tone(data / "mmau/test-mini-audios/item-001.wav", 300, seconds=65)
    ran, rows = run_mmau(folders["qwen2_audio"], data, tmp_path / "runs")
    assert ran.status == 1
    assert [row["status"] == "error" for row in rows] == [True, False, False]
    assert "0.010 s is too short, at least 0.1 s are expected" in rows[0]["reason"]
    assert ["cropped" in row["preprocessing"] for row in rows] == [False, True, False]
    assert rows[1]["extra"]["audio_tokens"] == 750, "30 s"
    _, rows = run_mmau(folders["audioflamingo3"], data, tmp_path / "windows")
    assert "cropped" not in rows[1]["preprocessing"]
    assert rows[1]["extra"]["audio_tokens"] == 1625, "65 s in windows of 30"


def test_two_clips_beyond_what_is_heard_at_once_are_an_error(models: dict[str, Any]) -> None:
    encoder = models["audioflamingo3"].encoder
    (row,) = encoder.prepare_rows([request("long", 300.0, 300.0)])
    assert row.problem == "600.5 s of audio, this model hears 600 s at once"


def test_a_join_is_half_a_second_of_silence(models: dict[str, Any]) -> None:
    (row,) = models["audioflamingo3"].encoder.prepare_rows([request("two", 0.5, 0.25)])
    (joined,) = row.waves
    assert joined.shape == (20_000,)
    assert not joined[8_000:16_000].any()
    assert joined[:8_000].any()
    assert joined[16_000:].any()
    assert models["audioflamingo3"].identity.settings["join"] == "0.5 s of silence"


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf.qwen2_audio(tmp_path_factory.mktemp("deaf") / "m", template=tiny_hf.DEAF)


def test_a_template_that_drops_the_clip_answers_no_question_about_it(deaf: Path, tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", 2)
    ran, rows = run_mmau(deaf, data, tmp_path / "runs")
    assert ran.status == 1
    for row in rows:
        assert (row["status"], row["text"]) == ("error", None)
        assert "wrote 0 of 1 placeholders <|AUDIO|>" in row["reason"]
        assert "content=string" in row["reason"]
    scored, _ = run_mmau(deaf, data, tmp_path / "scored", "--answer-by", "likelihood")
    assert scored.run["status"]["error"] == 2
    withheld = adapter(deaf).generate([request("d")], SHORT)
    assert withheld[0].error is None, "a question without a clip loses none"


def test_a_placeholder_in_the_text_is_asked_for(deaf: Path) -> None:
    model = adapter(deaf, content="string")
    assert model.identity.settings["content"] == "string"
    (row,) = model.encoder.prepare_rows([request("a", 1.0)])
    assert row.text == "<|im_start|>user\n<|AUDIO|>What is heard here?<|im_end|>\n<|im_start|>assistant\n"
    (output,) = model.generate([request("a", 1.0)], SHORT)
    assert output.extra["audio_tokens"] == 25


def test_a_clip_that_is_lost_behind_the_template_is_an_error_too(models: dict[str, Any]) -> None:
    requests = [request("a", 1.0), request("short", 0.01), request("b", 2.0)]
    first, lost, last = models["qwen2_audio"].generate(requests, SHORT)
    assert lost.text is None
    assert lost.error == "0 audio tokens for 1 clips: a clip was lost on its way to the model"
    assert [first, last] == [models["qwen2_audio"].generate([one], SHORT)[0] for one in (requests[0], requests[2])]


def test_a_question_cannot_write_a_clip(models: dict[str, Any]) -> None:
    (output,) = models["qwen2_audio"].generate([request("x", 1.0, prompt="What is <|AUDIO|>?")], SHORT)
    assert output.error == "the chat template wrote 2 of 1 placeholders <|AUDIO|> (the question itself holds one)"
    (output,) = models["qwen2_audio"].generate([request("x", prompt="What is <|AUDIO|>?")], SHORT)
    assert output.error is not None


def test_a_template_that_drops_the_question_is_an_error(tmp_path: Path) -> None:
    path = tiny_hf.qwen2_audio(tmp_path / "m", template="<|AUDIO|>")
    (output,) = adapter(path).generate([request("x", 1.0)], SHORT)
    assert output.error == "the chat template leaves the question out"


def test_withheld_clips(folders: dict[str, Path], tmp_path: Path) -> None:
    command = ("noise-ablation", "--model", "hf", "--model-arg", f"path={folders['audioflamingo3']}", "--tasks", "mmau")
    small = ("--limit", 2, "--conditions", "none", "--data", mmau(tmp_path / "data", 2), "--out", tmp_path / "runs")
    ran = alm(*command, *small, "--json")
    assert ran.status == 0, ran.err
    (withheld,) = [path for path in (tmp_path / "runs").iterdir() if "-none-" in path.name]
    assert [row["extra"]["audio_tokens"] for row in stored(withheld)] == [0, 0]


@pytest.mark.parametrize(
    ("family", "clips", "rendered"),
    [
        ("qwen2_audio", 1, "<|audio_bos|><|AUDIO|><|audio_eos|>What is heard here?"),
        ("qwen2_audio", 2, "<|audio_bos|><|AUDIO|><|audio_eos|><|audio_bos|><|AUDIO|><|audio_eos|>What is heard here?"),
        ("audioflamingo3", 1, "What is heard here?<sound>"),
        ("audioflamingo3", 2, "What is heard here?<sound>"),
        ("musicflamingo", 0, "What is heard here?"),
    ],
)
def test_rendered_prompts(models: dict[str, Any], family: str, clips: int, rendered: str) -> None:
    (row,) = models[family].encoder.prepare_rows([request("q", *[1.0] * clips)])
    assert row.text == f"<|im_start|>user\n{rendered}<|im_end|>\n<|im_start|>assistant\n"


def test_system_messages(folders: dict[str, Path]) -> None:
    model = adapter(folders["qwen2_audio"], system="Be brief.")
    (row,) = model.encoder.prepare_rows([request("q")])
    assert row.text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is heard here?")
    assert model.identity.settings["system"] == "Be brief."
    model.encoder.family = replace(model.encoder.family, system="fold")
    (row,) = model.encoder.prepare_rows([request("q")])
    assert row.text.startswith("<|im_start|>user\nBe brief.\nWhat is heard here?")


def test_the_order_of_clips_and_text_is_an_option(folders: dict[str, Path], models: dict[str, Any]) -> None:
    def render(**options: str) -> str:
        model = adapter(folders["qwen2_audio"], **options)
        assert ("order" in model.identity.settings) == (options.get("order") == "text-first")
        (row,) = model.encoder.prepare_rows([request("q", 1.0)])
        return str(row.text)

    (default,) = models["qwen2_audio"].encoder.prepare_rows([request("q", 1.0)])
    assert render(order="clip-first") == default.text
    for content in ("parts", "string"):
        text = render(order="text-first", content=content)
        assert text.index("What is heard") < text.index("<|AUDIO|>")


def test_what_a_known_checkpoint_is_asked(folders: dict[str, Path]) -> None:
    model = adapter(folders["qwen2_audio"], name="r1-aqa")
    (row,) = model.encoder.prepare_rows([request("q")])
    assert "What is heard here? Output the final answer in <answer> </answer>.<|im_end|>" in row.text
    assert model.identity.label == "r1-aqa"
    assert model.identity.trained_on == ("sound", "music", "speech")
    assert model.identity.settings["suffix"]


def test_a_checkpoint_is_asked_in_the_form_that_it_was_trained_on(folders: dict[str, Path]) -> None:
    model = adapter(folders["qwen2_audio"], name="r1-aqa")
    prompt = "What? Please choose ... Output the final answer in <answer> </answer>."
    (row,) = model.encoder.prepare_rows([request("q", prompt=prompt)])
    assert row.text.count("Output the final answer") == 1, "the suffix is not added again"
    assert type(model).prompts == "r1-aqa"


def test_it_continues_a_given_beginning_of_its_answer(models: dict[str, Any]) -> None:
    model = models["qwen2_audio"]
    plain = batch()
    begun = [replace(one, prefix=f"<think>{one.id} is heard</think>\n<answer>") for one in plain]
    before, after = model.encoder.prepare_rows(plain), model.encoder.prepare_rows(begun)
    assert [row.text for row in after] == [row.text + one.prefix for row, one in zip(before, begun, strict=True)]
    outputs = model.generate(begun, SHORT)
    assert list(outputs) == [model.generate([one], SHORT)[0] for one in begun]
    counts = [[output.extra["prompt_tokens"] for output in model.generate(some, SHORT)] for some in (plain, begun)]
    ids = [len(model.loaded.tokenizer.encode(one.prefix, add_special_tokens=False)) for one in begun]
    assert [after - before for before, after in zip(*counts, strict=True)] == ids
    assert texts(outputs) != texts(model.generate(plain, SHORT))
    assert model.abilities.continuation


def test_greedy_is_greedy_whatever_a_checkpoint_advises(folders: dict[str, Path], tmp_path: Path) -> None:
    path = tiny_hf.qwen2_audio(tmp_path / "m")
    advice = path / "generation_config.json"
    content = json.loads(advice.read_text())
    advice.write_text(json.dumps({**content, "do_sample": True, "repetition_penalty": 5.0, "top_k": 3, "min_p": 0.9}))
    assert texts(adapter(path).generate(batch(), SHORT)) == texts(
        adapter(folders["qwen2_audio"]).generate(batch(), SHORT)
    )


def test_nucleus_sampling_has_dice_of_each_item(models: dict[str, Any]) -> None:
    model = models["qwen2_audio"]
    same = [replace(request("a", 1.0), id=f"item {i}") for i in range(6)]
    drawn = texts(model.generate(same, Decoding("nucleus", 8, top_p=0.95)))
    assert len(set(drawn)) == 6, "the same question under six ids"
    assert drawn == texts(model.generate(same, Decoding("nucleus", 8, top_p=0.95)))
    assert drawn != texts(model.generate(same, Decoding("nucleus", 8, top_p=0.95, seed=1)))
    narrow = texts(model.generate(same, Decoding("nucleus", 8, top_p=1e-9)))
    assert narrow == texts(model.generate(same, SHORT)), "the likeliest token alone is a greedy search"


def test_an_answer_ends_at_its_stop_token(models: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = models["qwen2_audio"]
    (output,) = model.generate([request("a", 1.0)], SHORT)
    assert output.truncated
    (prompt,) = [model.encoder.encode(model.encoder.prepare_rows([request("a", 1.0)]))[0]]
    third = model.loaded.model.generate(**prompt.inputs, max_new_tokens=3)[0, -1].item()
    monkeypatch.setattr(model.loaded.model.generation_config, "eos_token_id", [third])
    monkeypatch.setattr(model, "loaded", replace(model.loaded, stops=(third,)))
    (ended,) = model.generate([request("a", 1.0)], SHORT)
    assert not ended.truncated
    assert ended.extra["new_tokens"] <= 2
    assert output.text is not None
    assert output.text.startswith(ended.text or "?") or ended.text == ""


def test_likelihoods_are_those_of_the_tokens_one_by_one(models: dict[str, Any]) -> None:
    """Against the definition: each option's tokens behind the prompt, a forward pass for each of them."""
    model = models["qwen2_audio"]
    asked = request("a", 1.0, prompt="What is heard here?\n(A) Dog\n(B) A cat\n(C) Rain")
    encoded, _ = model.encoder.encode(model.encoder.prepare_rows([asked]))
    (scores,) = model.loglikelihood([asked])
    for form, options in (("text", ("(A) Dog", "(B) A cat", "(C) Rain")), ("letter", ("(A)", "(B)", "(C)"))):
        for option, (total, count) in zip(options, scores.forms[form], strict=True):
            inputs, expected = dict(encoded.inputs), 0.0
            tokens = model.loaded.tokenizer.encode(option, add_special_tokens=False)
            for token in tokens:
                with torch.inference_mode():
                    logits = model.loaded.model(**inputs).logits[0, -1].double().log_softmax(dim=-1)
                expected += float(logits[token])
                inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([[token]])], dim=1)
                inputs["attention_mask"] = torch.cat([inputs["attention_mask"], torch.tensor([[1]])], dim=1)
            assert count == len(tokens)
            np.testing.assert_allclose(total, expected, atol=1e-4)


def test_likelihoods_choose_options(folders: dict[str, Path], tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", 2)
    ran, rows = run_mmau(folders["qwen2_audio"], data, tmp_path / "runs", "--answer-by", "both")
    assert ran.status == 0, ran.err
    assert all([*row["likelihood"]] == ["text", "letter"] for row in rows)


def test_letters_ride_along_with_written_options() -> None:
    from alm_bench.adapters.hf.generate import plan_sequences

    found = plan_sequences([(5, 6, 7), (5, 8), (9,), (1,)])
    assert found.rows == ((5, 6),), "5 8 is predicted along 5 6"
    assert found.owner == (0, 0, 0, 0)
    assert plan_sequences([(1, 2), (3, 4)]).rows == ((1,), (3,))


def test_a_prompt_beyond_the_positions_is_an_error(folders: dict[str, Path], tmp_path: Path) -> None:
    ran, rows = run_mmau(
        folders["qwen2_audio"], mmau(tmp_path / "data", 1), tmp_path / "runs", "--max-new-tokens", 9000
    )
    assert ran.status == 1
    assert "the language model has 8192 positions" in rows[0]["reason"]


def test_a_batch_beyond_the_memory_is_halved(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Qwen2AudioForConditionalGeneration as Network

    whole, sizes = Network.generate, []

    def small(self: Any, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(kwargs["input_ids"]))
        if sizes[-1] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmore")
        return whole(self, *args, **kwargs)

    data = mmau(tmp_path / "data", 4)
    _, expected = run_mmau(folders["qwen2_audio"], data, tmp_path / "whole")
    monkeypatch.setattr(Network, "generate", small)
    ran, rows = run_mmau(folders["qwen2_audio"], data, tmp_path / "halved", "--batch-size", 4)
    assert ran.status == 0
    assert sizes == [1, 1, 1, 1, 4, 2, 1, 1, 2, 1, 1], "whether clips arrive is asked one by one"
    assert [row["text"] for row in rows] == [row["text"] for row in expected]
    with pytest.raises(AdapterError, match=r"^out of memory \(CUDA out of memory. Tried to allocate 2.00 GiB\): take"):
        adapter(folders["qwen2_audio"]).generate(batch()[:2], SHORT)


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("B", "B", None),
        ("<think>Hoofs, so (A).</think>\n<answer>(A) Horse</answer>", "(A) Horse", "Hoofs, so (A)."),
        ("<answer> dog </answer>", "dog", None),
        ("a bark</think> dog", "dog", "a bark"),
        ("<think>it never ends", "<think>it never ends", None),
        ("It is <answer>dog</answer>, I think", "It is <answer>dog</answer>, I think", None),
        ("<THINK>\nx\n</THINK>\n", "", "x"),
    ],
)
def test_reasoning_is_kept_beside_the_answer(text: str, answer: str, reasoning: str | None) -> None:
    from alm_bench.adapters.hf.adapter import split_reasoning

    assert split_reasoning(text) == (answer, reasoning)


def test_reasoning_is_stored(models: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = models["qwen2_audio"]
    written = "<think>a bark</think><answer>Dog</answer>"
    monkeypatch.setattr(type(model.loaded.tokenizer), "decode", lambda *_, **__: written)
    (output,) = model.generate([request("a", 1.0)], SHORT)
    assert output.text == "Dog"
    assert (output.extra["reasoning"], output.extra["written"]) == ("a bark", written)


def test_requests_without_decoded_clips_are_an_error(models: dict[str, Any]) -> None:
    bare = Request("x", "What?", request("x", 1.0).audio, ("a", "b"))
    (output,) = models["qwen2_audio"].generate([bare], SHORT)
    assert output.error == "1 clips but 0 decoded waves"
    (scores,) = models["qwen2_audio"].loglikelihood([bare])
    assert (scores.error, scores.forms) == ("1 clips but 0 decoded waves", {})


def test_left_padding_is_set_where_a_tokenizer_pads_right(folders: dict[str, Path]) -> None:
    model = adapter(folders["qwen2_audio"])
    encoded, _ = model.encoder.encode(model.encoder.prepare_rows(batch()[:2]))
    assert encoded.inputs["attention_mask"][:, -1].tolist() == [1, 1]
    assert encoded.inputs["attention_mask"][0, 0] == 0
    assert last_logits(model, batch()[:2]).shape[0] == 2
