"""The families whose processors need more packages, each where these are there (hf_extra/README.md)."""

import importlib.util
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tiny_hf
import tiny_hf_extra
import torch
from hf_checks import SHORT, adapter, check_batches, check_beam_search, check_clips_matter, check_runs, request, texts

EXTRA = tuple(tiny_hf_extra.EXTRA)
BUILT: dict[str, Path] = {}


@pytest.fixture(params=EXTRA)
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of each family, built once."""
    return built(request.param, tmp_path_factory)


def built(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs, build = tiny_hf_extra.EXTRA[family]
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{family} needs {', '.join(missing)} (tests/adapters/hf_extra/README.md)")
    torch.set_num_threads(1)
    if family not in BUILT:
        BUILT[family] = build(tmp_path_factory.mktemp("extra") / family)
    return BUILT[family]


def test_a_family(folder: Path, tmp_path: Path) -> None:
    model = adapter(folder)
    check_batches(model)
    check_clips_matter(model)
    check_beam_search(model)
    check_runs(folder, tmp_path / "runs", joined=False)


def contents(weights: dict[str, torch.Tensor]) -> Counter[object]:
    return Counter((tuple(tensor.shape), tensor.numpy().tobytes()) for tensor in weights.values())


def test_a_thinker_is_the_whole_models_own(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    whole = tmp_path / "whole"
    shutil.copytree(built("qwen2_5_omni", tmp_path_factory), whole)
    file = load_file(whole / "model.safetensors")
    save_file(file | {"talker.model.norm.weight": torch.ones(16)}, whole / "model.safetensors", {"format": "pt"})
    model = adapter(whole)
    assert model.identity.settings["part"] == "thinker_config"
    assert contents(model.loaded.model.state_dict()) == contents(file), "under other names, the same weights"
    alone = adapter(tiny_hf_extra.qwen2_5_omni(tmp_path / "thinker", whole=False))
    assert alone.identity.family == "qwen2_5_omni_thinker"
    assert texts(alone.generate([request("a", 1.0)], SHORT))[0] is not None


def test_a_published_nemotron_configuration(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """Its files are for code of the repository's own: other names of model types and fields, no processor of ours."""
    path = tmp_path / "published"
    shutil.copytree(built("nemotron_h_omni", tmp_path_factory), path)
    config = json.loads((path / "config.json").read_text())
    names = {"text": "llm_config", "audio": "sound_config"}
    config |= {old: config.pop(f"{name}_config") for name, old in names.items()}
    config |= {
        "img_context_token_id": config.pop("image_token_id"),
        "vit_hidden_size": config.pop("vision_hidden_size"),
    }
    config |= {"sound_context_token_id": config.pop("audio_token_id"), "auto_map": {"AutoConfig": "configuration.Own"}}
    config["sound_config"]["model_type"] = "parakeet"
    config["model_type"] = "NemotronH_Nano_Omni_Reasoning_V3"
    (path / "config.json").write_text(json.dumps(config))
    (path / "processor_config.json").unlink()
    own = {"auto_map": {"AutoProcessor": "processing.Own"}, "processor_class": "Own", "image_processor_type": "Own"}
    (path / "preprocessor_config.json").write_text(json.dumps(own))
    wanted = adapter(built("nemotron_h_omni", tmp_path_factory))
    found = adapter(path)
    assert found.identity.family == "nemotron_h_omni"
    requests = [request("a", 1.0), request("b", 0.7, 1.1)]
    assert texts(found.generate(requests, SHORT)) == texts(wanted.generate(requests, SHORT))
    assert found.generate(requests, SHORT)[0].extra["audio_tokens"] > 0


def test_lengths_that_may_not_share_a_batch(tmp_path_factory: pytest.TempPathFactory) -> None:
    encoder = adapter(built("phi4_multimodal", tmp_path_factory)).encoder
    rows = encoder.prepare_rows([request("a", 1.0), request("b", 2.0), request("c"), request("d", 1.0)])
    groups = [[row.request.id for row in group] for group in encoder.group_rows(rows)]
    assert groups == [["a", "d"], ["b"], ["c"]]


def test_a_system_message_is_folded_where_there_is_no_such_role(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = adapter(built("voxtral", tmp_path_factory), system="Be brief.")
    ((encoded, _),) = [model.encoder.encode(model.encoder.prepare_rows([request("a")]))]
    assert "[INST]Be brief.\nWhat is heard here?[/INST]" in model.loaded.tokenizer.decode(
        encoded.inputs["input_ids"][0]
    )


def test_quantized_weights(tmp_path: Path) -> None:
    if importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("quantization needs bitsandbytes (tests/adapters/hf_extra/README.md)")
    torch.set_num_threads(1)
    path = tiny_hf.qwen2_audio(tmp_path / "base")
    model = adapter(path, quantization="8bit")
    assert (model.identity.label, model.identity.settings["quantization"]) == ("base[8bit]", "8bit")
    assert any(parameter.dtype == torch.int8 for parameter in model.loaded.model.parameters())
    (output,) = model.generate([request("a", 1.0)], SHORT)
    assert output.error is None
    assert output.extra["audio_tokens"] == 25
