"""What a checkpoint is known by, and one line for each one that cannot be loaded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_hf
import torch
from hf_checks import SHORT, adapter, batch, texts
from small_world import alm, mmau, refusal

from alm_bench.core import CheckpointError, Runtime, UsageError
from alm_bench.core.errors import AlmBenchError
from alm_bench.plugins import catalogue


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hf.qwen2_audio(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="module")
def lora(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the base, with weights that change its answers."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForMultimodalLM

    model = AutoModelForMultimodalLM.from_pretrained(tiny)
    wrapped = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_alpha=64))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    folder = tmp_path_factory.mktemp("lora") / "music"
    wrapped.save_pretrained(folder)
    return folder


def copy(source: Path, to: Path, **changes: Any) -> Path:
    """A checkpoint with another config.json; None takes a key away."""
    shutil.copytree(source, to)
    config = json.loads((to / "config.json").read_text()) | changes
    (to / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return to


def asked(path: Path | str, *more: str) -> str:
    """The one line that `alm-bench run` leaves."""
    options = [part for option in (f"path={path}", *more) for part in ("--model-arg", option)]
    return refusal(
        alm("run", "--model", "hf", *options, "--tasks", "mmau", "--data", mmau(Path("data"), 1, clips=False))
    )


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_folder_is_known_by_its_files(tiny: Path, tmp_path: Path) -> None:
    first = adapter(tiny).identity
    assert (first.label, first.family, first.dtype, first.device) == ("base", "qwen2_audio", "float32", "cpu")
    assert first.parameters == sum(p.numel() for p in adapter(tiny).loaded.model.parameters())
    assert first.settings["attn"] == "sdpa"
    elsewhere = copy(tiny, tmp_path / "base")
    (elsewhere / "config.json").write_bytes((tiny / "config.json").read_bytes())
    assert adapter(elsewhere).identity == first
    template = elsewhere / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant", "helper"))
    other = adapter(elsewhere).identity
    assert other.weights != first.weights
    assert other.settings["template"] != first.settings["template"]


def test_a_file_is_hashed_once(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alm_bench.adapters._shared import loading

    folder, hashed, whole = tmp_path / "copy", [], loading.compute_sha256
    shutil.copytree(tiny, folder)
    monkeypatch.setattr(loading, "compute_sha256", lambda path: hashed.append(path.name) or whole(path))
    first = loading.compute_folder_sha256(folder)
    assert "model.safetensors" in hashed
    hashed.clear()
    assert loading.compute_folder_sha256(folder) == first
    assert hashed == []
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert loading.compute_folder_sha256(folder) != first
    assert hashed == ["model.safetensors"]


def test_a_repository_is_known_by_its_commit(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    commit = "c0ffee" + "0" * 34
    snapshot = tmp_path / "hub/models--Qwen--Qwen2-Audio-7B-Instruct/snapshots" / commit
    shutil.copytree(tiny, snapshot)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    model = catalogue().get_adapter("qwen2-audio").create({}, Runtime())
    assert (model.identity.label, model.identity.weights) == ("qwen2-audio", commit)
    assert model.identity.settings["repository"] == "Qwen/Qwen2-Audio-7B-Instruct"
    assert adapter("Qwen/Qwen2-Audio-7B-Instruct").identity == model.identity, "known by its path, too"
    assert texts(model.generate(batch(), SHORT)) == texts(adapter(tiny).generate(batch(), SHORT))


def test_dtypes_and_attention(tiny: Path) -> None:
    model = adapter(tiny, dtype="bfloat16", attn="eager")
    assert (model.identity.dtype, model.identity.settings["attn"]) == ("bfloat16", "eager")
    assert all(output.error is None for output in model.generate(batch(), SHORT))
    assert (
        catalogue().get_adapter("hf").create({"path": str(tiny)}, Runtime(dtype="float16")).identity.dtype == "float16"
    )
    with pytest.raises(UsageError, match="--dtype float16 and --model-arg dtype=bfloat16 do not go together"):
        catalogue().get_adapter("hf").create({"path": str(tiny), "dtype": "bfloat16"}, Runtime(dtype="float16"))


def test_a_lora_changes_answers_and_is_named(tiny: Path, lora: Path) -> None:
    plain, tuned = adapter(tiny), adapter(tiny, lora=str(lora))
    assert tuned.identity.label == "base[lora=music]"
    assert tuned.identity.settings["lora"] == "music"
    assert len(tuned.identity.settings["lora_weights"]) == 64
    assert tuned.identity.weights == plain.identity.weights
    assert tuned.identity.parameters > plain.identity.parameters
    assert texts(tuned.generate(batch(), SHORT)) != texts(plain.generate(batch(), SHORT))


def test_a_checkpoint_that_hears_by_a_lora_in_its_folder(
    tiny: Path, lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "whole"
    shutil.copytree(tiny, folder)
    shutil.copytree(lora, folder / "speech-lora")
    cls = catalogue().get_adapter("phi-4-multimodal").cls
    assert cls.known_checkpoint.lora_folder == "speech-lora"
    model = catalogue().get_adapter("phi-4-multimodal").create({"path": str(folder)}, Runtime())
    assert model.identity.settings["lora"] == "whole/speech-lora"
    assert texts(model.generate(batch(), SHORT)) == texts(adapter(tiny, lora=str(lora)).generate(batch(), SHORT))


def test_a_lora_of_another_base_is_refused(tiny: Path, lora: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    said = asked(other, f"lora={lora}")
    assert f"lora={lora} was trained on {tiny}, but the model is {other}" in said
    config = json.loads((lora / "adapter_config.json").read_text())
    published = tmp_path / "published"
    shutil.copytree(lora, published)
    of_the_hub = {"base_model_name_or_path": "Qwen/Qwen2-Audio-7B-Instruct"}
    (published / "adapter_config.json").write_text(json.dumps(config | of_the_hub))
    assert "was trained on Qwen/Qwen2-Audio-7B-Instruct" in asked(tiny, f"lora={published}")
    assert adapter(tiny, name="qwen2-audio", lora=str(published)).loaded.lora is not None, "a copy of that one"
    stranger = tmp_path / "stranger"
    shutil.copytree(lora, stranger)
    (stranger / "adapter_config.json").write_text(
        json.dumps(config | {"base_model_name_or_path": None, "target_modules": ["no_such_module"]})
    )
    assert "cannot be loaded" in asked(tiny, f"lora={stranger}")
    assert "has no adapter_config.json" in asked(tiny, f"lora={tiny}")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "hears_all"}, "is of the type 'hears_all', which transformers"),
        ({"model_type": "hears_all", "auto_map": {"AutoModel": "x.Y"}}, "--model-arg trust_remote_code=true"),
        ({"model_type": "qwen3_asr"}, "which transcribes speech and answers no questions"),
        ({"model_type": "bert"}, "which generates no text from audio"),
        ({"model_type": "gemma4", "audio_config": None}, "need"),
        ({"model_type": None}, "names no model_type"),
    ],
)
def test_checkpoints_that_cannot_be_asked(tiny: Path, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    import importlib.util

    if changes["model_type"] == "gemma4" and importlib.util.find_spec("torchvision") is not None:
        pytest.skip("torchvision is installed here")
    assert says in asked(copy(tiny, tmp_path / "changed", **changes))


def test_a_checkpoint_without_an_audio_encoder(tiny: Path, tmp_path: Path) -> None:
    path = copy(tiny, tmp_path / "changed")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"audio_config": None}))
    assert "has no audio encoder: its config.json has audio_config null" in asked(path)


def test_missing_packages_are_named(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alm_bench.adapters.hf import load as hf_load

    monkeypatch.setattr(hf_load.importlib.util, "find_spec", lambda name: None)
    said = asked(copy(tiny, tmp_path / "changed", model_type="gemma3n"))
    assert "gemma3n checkpoints need pillow, torchvision, timm: pip install pillow torchvision timm" in said
    assert "pip install 'alm-bench[quantization]'" in asked(tiny, "quantization=4bit")


def test_paths_that_are_none(tmp_path: Path) -> None:
    assert "needs the option path=ORG/NAME" in refusal(alm("ask", "hm?", "--model", "hf"))
    assert "./nowhere: no such folder, and no repository of the hub (expected ORG/NAME)" in asked("./nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no config.json: expected a folder that save_pretrained wrote" in asked(tmp_path / "empty")
    (tmp_path / "empty/config.json").write_text("[1")
    assert "cannot be read as JSON" in asked(tmp_path / "empty")


def hub_error(name: str) -> Callable[..., Any]:
    import huggingface_hub.errors as errors

    answer: Any = SimpleNamespace(status_code=403, headers={}, request=None)
    kind = getattr(errors, name)
    error = kind("no", response=answer) if issubclass(kind, errors.HfHubHTTPError) else kind("no")

    def raises(*_: Any, **__: Any) -> Any:
        raise error

    return raises


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("GatedRepoError", "org/some is gated: accept its licence on its page, then log in"),
        ("RepositoryNotFoundError", "org/some: no such repository, or a private one"),
        ("RevisionNotFoundError", "org/some has no revision 'v9'"),
        ("LocalEntryNotFoundError", "org/some is not in the local cache and the hub cannot be reached"),
        ("EntryNotFoundError", "org/some has no config.json"),
        ("HfHubHTTPError", "org/some: no"),
        ("HFValidationError", "org/some: no"),
    ],
)
def test_what_the_hub_refuses(error: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub_error(error))
    assert says in asked("org/some", "revision=v9")


def test_weights_that_are_missing_are_not_drawn_at_random(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = copy(tiny, tmp_path / "torn")
    weights = load_file(path / "model.safetensors")
    name = next(name for name in weights if name.endswith("layers.1.self_attn.q_proj.weight"))
    del weights[name]
    save_file(weights, path / "model.safetensors", {"format": "pt"})
    said = asked(path)
    assert "lacks 1 of the network's weights" in said
    assert "layers.1.self_attn.q_proj.weight" in said
    (path / "model.safetensors").unlink()
    assert f"{path} cannot be loaded: " in asked(path)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory.\nTried"),
            "cannot be loaded: out of memory; try --dtype bf",
        ),
        (MemoryError(), "cannot be loaded: out of memory; try --dtype bf"),
        (ImportError("FlashAttention2 has been toggled on, but\nno"), "cannot be loaded: FlashAttention2 has been tog"),
    ],
)
def test_networks_that_do_not_fit(tiny: Path, error: Exception, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Qwen2AudioForConditionalGeneration as Network

    def raises(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(Network, "from_pretrained", raises)
    assert says in asked(tiny)


def test_checkpoints_without_a_template_or_an_end(tiny: Path, tmp_path: Path) -> None:
    path = copy(tiny, tmp_path / "bare")
    for name in ("processor_config.json", "tokenizer_config.json"):
        (path / name).write_text(
            json.dumps(json.loads((path / name).read_text()) | {"processor_class": "BertTokenizer"})
        )
    with pytest.raises(AlmBenchError):
        adapter(path)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        adapter(copy(tiny, tmp_path / "torn", text_config={"model_type": "qwen2", "hidden_size": "wide"}))


def test_the_table_knows_the_families_that_transformers_knows() -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    from alm_bench.adapters.hf.families import _load_document, get_family_settings, list_checkpoints

    assert set(_load_document()["families"]) <= set(CONFIG_MAPPING_NAMES)
    assert set(_load_document()["transcribers"]["types"]) <= set(CONFIG_MAPPING_NAMES)
    known = list_checkpoints()
    assert {
        "qwen2-audio", "r1-aqa", "qwen2.5-omni", "qwen3-omni", "audio-flamingo-3", "music-flamingo", "voxtral",
        "granite-speech", "phi-4-multimodal", "gemma-3n", "gemma-4", "nemotron-3-nano-omni",
        "granite-speech-4.1-2b-plus", "granite-4.0-1b-speech", "music-flamingo-2601",
    } <= set(known)  # fmt: skip
    for checkpoint in known.values():
        assert checkpoint.family in _load_document()["families"]
        assert checkpoint.path.count("/") == 1
    assert (
        "8.4B parameters, Apache-2.0, clips up to 30 s (Qwen/Qwen2-Audio-7B-Instruct)" in known["qwen2-audio"].summary
    )
    assert get_family_settings("something_new").clips is None, "defaults for a family without an entry"


def test_model_types_by_the_names_of_a_checkpoints_own_code() -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    from alm_bench.adapters.hf.families import _load_document, has_own_model_types, resolve_model_types

    aliases = _load_document()["aliases"]
    assert set(aliases.values()) <= set(CONFIG_MAPPING_NAMES)
    assert not set(aliases) & set(CONFIG_MAPPING_NAMES)
    (own, known), *_ = aliases.items()
    config = {"model_type": own, "name": own, "audio": {"model_type": own, "layers": [1, 2]}}
    assert resolve_model_types(config) == {
        "model_type": known, "name": own, "audio": {"model_type": known, "layers": [1, 2]}
    }  # fmt: skip
    assert has_own_model_types(config)
    assert not has_own_model_types(resolve_model_types(config))


def test_known_models_are_listed() -> None:
    rows = {row["model"]: row for row in alm("ls", "models", "--json").json["models"]}
    assert rows["qwen2-audio"]["scores options"] == "yes"
    assert rows["music-flamingo"]["what"].startswith("Music Flamingo: ")
    assert rows["hf"]["what"].startswith("any audio-language checkpoint")


def test_the_documentation_lists_every_checkpoint() -> None:
    from alm_bench.adapters.hf.families import list_checkpoints

    page = (Path(__file__).resolve().parents[2] / "docs/adapters/huggingface.md").read_text(encoding="utf-8")
    for name, known in list_checkpoints().items():
        memory = f"{known.parameters:g} x 2 = {2 * known.parameters:.1f} GB"
        assert f"| `{name}` | {known.path} | {known.licence} | {memory} |" in page
