"""The ablations of the paper (table 14) as recipes: their sizes, their data, what trains, and LoRA."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from alm_bench.core import CheckpointError, DataError, Decoding, UsageError
from alm_bench.mellow.checkpoint import TOKENIZER, WEIGHTS, load_folder
from alm_bench.mellow.config import PUBLISHED, LanguageModelConfig
from alm_bench.mellow.generate import generate
from alm_bench.mellow.lm import build_lm
from alm_bench.mellow.model import Mellow, build_untrained
from alm_bench.train.checkpoint import TrainingFolder
from alm_bench.train.config import CONFIGS, LoraConfig, TrainConfig, load_config
from alm_bench.train.loop import Trainer
from alm_bench.train.lora import add_lora, list_lora_parameters, merge_lora
from alm_bench.train.setup import build_network, build_network_config, prepare_training

FRONT_END = 1_083_456
"""Fixed STFT and mel weights, which the published figures count."""

ROWS = {
    ("The SLM is GPT2 and frozen", "Linear"): "ablation-gpt2-frozen-linear",
    ("The SLM is GPT2 and frozen", "Non-linear 2"): "ablation-gpt2-frozen-nonlinear",
    ("The SLM is GPT2 and frozen", "Transformer [14]"): "ablation-gpt2-frozen-transformer",
    ("The SLM is GPT2 and finetuned", "Linear"): "ablation-gpt2-finetuned-linear",
    ("The SLM is GPT2 and finetuned", "Non-linear 2"): "ablation-gpt2-finetuned-nonlinear",
    ("The SLM is GPT2 and finetuned", "Transformer [14]"): "ablation-gpt2-finetuned-transformer",
    ("The SLM is frozen", "GPT2 frozen"): "ablation-gpt2-frozen-nonlinear",
    ("The SLM is frozen", "SmolLM2 frozen"): "ablation-smollm2-frozen",
    ("The SLM is finetuned", "GPT2 finetune"): "ablation-gpt2-finetuned-nonlinear",
    ("The SLM is finetuned", "SmolLM2 finetune"): "ablation-data-type-1",
    ("Diferent finetuning methods", "Prefix-tuning"): "ablation-smollm2-frozen",
    ("Diferent finetuning methods", "LoRA (8, 16)"): "ablation-lora-8-16",
    ("Diferent finetuning methods", "LoRA (256, 512)"): "ablation-lora-256-512",
    ("Diferent finetuning methods", "Finetuning"): "ablation-data-type-1",
    ("The SLM is SmolLM2 and finetuned", "CNN14"): "ablation-cnn14",
    ("The SLM is SmolLM2 and finetuned", "HTSAT"): "ablation-data-type-1",
    ("The SLM is SmolLM2 and finetuned", "Type 1"): "ablation-data-type-1",
    ("The SLM is SmolLM2 and finetuned", "Type 2"): "ablation-data-type-2",
    ("The SLM is SmolLM2 and finetuned", "Type 3"): "ablation-data-type-3",
    ("The SLM is SmolLM2 and finetuned", "Type 4"): "mellow-v0",
    ("The SLM is SmolLM2 and finetuned", "+ WavCaps"): "ablation-wavcaps",
    ("Mellow", "Mellow"): "mellow-v0",
}
RECIPES = sorted(set(ROWS.values()))
PARTS = ("AudioCaps.json", "AudioCaps_MCQ.json", "AudioCaps_Detail.json", "ACD-1.json")

SMALL_ENCODERS: dict[str, dict[str, Any]] = {
    "htsat": {"kind": "htsat", "image": 64, "embed": 8, "depths": [1, 1], "heads": [1, 2]},
    "cnn14": {"kind": "cnn14", "channels": [4, 8, 8]},
}


def recipe_of(setting: str, variant: str) -> str:
    (found,) = (name for (start, own), name in ROWS.items() if own == variant and setting.startswith(start))
    return found


def full_size(config: TrainConfig) -> Mellow:
    """The recipe's network without its memory."""
    with torch.device("meta"):
        model = Mellow(build_network_config(config.model))
        if config.lora is not None:
            add_lora(model, config.lora, 0)
    return model


@pytest.fixture
def rows(reasonaqa: Path, tmp_path: Path) -> Path:
    """Eight rows of four parts on the clips of `reasonaqa`."""
    document = json.loads((reasonaqa / "train.json").read_text())[:8]
    for number, row in enumerate(document):
        row["subtype"] = PARTS[number % len(PARTS)]
    (tmp_path / "rows.json").write_text(json.dumps(document))
    return tmp_path / "rows.json"


@pytest.fixture
def shrink(network: Path, rows: Path, reasonaqa: Path, tmp_path: Path) -> Callable[[str], TrainConfig]:
    """A shipped recipe at reduced width, on a few rows, for two steps. All else is the recipe's."""

    def small(name: str) -> TrainConfig:
        config = load_config(name)
        full = build_network_config(config.model)
        tokenizer = Tokenizer.from_file(str(network / TOKENIZER))
        pad = tokenizer.token_to_id("!")
        own = {
            "encoder": {**SMALL_ENCODERS[full.encoder.kind], "hop": 5000, "n_fft": 2048, "classes": 12},
            "mapper": {"projection": full.mapper.projection, "dropout": full.mapper.dropout, "pool": full.mapper.pool},
            "lm": {"kind": full.lm.kind, "width": 32, "layers": 2, "heads": 2, "positions": 512},
            "prompt": {"layout": full.prompt.layout, "tokens": 24, "pad": pad, "separator": 0, "stop": 0},
        }
        model = replace(config.model, network=str(network), lm="random", encoder=None, config=own)
        data = tuple(replace(part, file=str(rows), root=reasonaqa) for part in config.data)
        stages = tuple(replace(stage, steps=2, epochs=None) for stage in config.stage)
        return replace(config, model=model, data=data, stage=stages, out=tmp_path / "out", log_every=1)

    return small


# --- recipes ---


def test_every_row_of_the_table_has_a_recipe_of_its_size(shared: Path) -> None:
    with (shared / "published" / "table14_ablations.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 23
    sizes = {name: full_size(load_config(name)).count_parameters() + FRONT_END for name in RECIPES}
    for row in table:
        name = recipe_of(row["setting"], row["variant"])
        assert sizes[name] / 1e6 == pytest.approx(float(row["size"].removesuffix("M")), abs=1.0), name


def test_every_ablation_that_ships_is_a_row() -> None:
    assert {file.stem for file in CONFIGS.glob("ablation-*.toml")} | {"mellow-v0"} == set(RECIPES)


def test_rows_differ_in_what_they_say_and_in_nothing_else() -> None:
    base = load_config("ablation-data-type-1")
    for name in RECIPES:
        config = load_config(name)
        frozen = "frozen" in name or "lora" in name
        assert config.stage == (replace(base.stage[0], train=("mapper",)) if frozen else base.stage[0],), name
        same = replace(config, name=base.name, model=base.model, data=base.data, stage=base.stage, lora=None)
        assert same == base, name
        assert config.model.lm == ("gpt2" if "gpt2" in name else "smollm2")
    assert build_network_config(load_config("mellow-v0").model) == replace(PUBLISHED, trained_on=())


@pytest.mark.parametrize("name", RECIPES)
def test_every_ablation_takes_two_steps(name: str, shrink: Callable[[str], TrainConfig], tmp_path: Path) -> None:
    config = shrink(name)
    prepared = prepare_training(config, tmp_path, lambda *_: None)
    before = {key: value.clone() for key, value in merge_lora(prepared.model).state_dict().items()}
    folder = Trainer(config, prepared, lambda entry: None).run()
    after = load_folder(folder)[0]
    changed = {key for key, value in after.state_dict().items() if not torch.equal(value, before[key])}
    parts: tuple[str, ...] = ("mapper.", "lm.")
    if config.lora is not None:
        parts = ("mapper.", *(key for key in before if key.endswith(("q_proj.weight", "v_proj.weight"))))
    elif config.stage[0].train == ("mapper",):
        parts = ("mapper.",)
    assert all(key.startswith(parts) for key in changed)
    assert all(any(key.startswith(part) for key in changed) for part in parts)
    assert {row.subtype for row in prepared.corpus.sources[0].rows} == {
        part.casefold().removesuffix(".json")
        for part in PARTS
        if not any(pattern.strip("*") in part.casefold() for pattern in config.data[0].without)
    }


def test_parts_that_are_not_there_cannot_be_left_out(shrink: Callable[[str], TrainConfig], tmp_path: Path) -> None:
    config = shrink("ablation-data-type-1")
    data = (replace(config.data[0], without=("*music*", "*mcq*")),)
    with pytest.raises(DataError, match=r"no rows of \*music\*; parts there: audiocaps, audiocaps_mcq") as caught:
        prepare_training(replace(config, data=data), tmp_path, lambda *_: None)
    assert "\n" not in str(caught.value)


def test_a_recipe_without_its_encoder_weights_is_one_line(shrink: Callable[[str], TrainConfig]) -> None:
    config = shrink("mellow-v0")
    with pytest.raises(CheckpointError, match="no encoder weights at HTSAT_AudioSet_Saved_1"):
        build_network(replace(config.model, encoder=load_config("mellow-v0").model.encoder), 0, ())


def test_weights_of_another_shape_are_refused(
    shrink: Callable[[str], TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build_lm(LanguageModelConfig(vocabulary=1024, width=16, layers=1, heads=2, kv_heads=1, mlp=16))
    monkeypatch.setattr("alm_bench.train.setup.PRETRAINED", {"smollm2": lambda: (other, "elsewhere")})
    with pytest.raises(CheckpointError, match=r"the weights of elsewhere do not fit model\.config's lm"):
        build_network(replace(shrink("mellow-v0").model, lm="smollm2"), 0, ())


def test_a_base_may_have_a_base_but_not_itself(tmp_path: Path) -> None:
    assert load_config("ablation-lora-256-512").lora == LoraConfig(256, 512)
    file = tmp_path / "own.toml"
    file.write_text(f'base = "{file}"\n')
    with pytest.raises(UsageError, match="is based on it in turn"):
        load_config(str(file))
    file.write_text('base = "mellow-v1"\n')
    with pytest.raises(UsageError, match=r"no training config 'mellow-v1'; known besides a \.toml file: mellow-v0"):
        load_config(str(file))


# --- LoRA ---


@pytest.mark.parametrize(("r", "added"), [(8, 460_800), (256, 14_745_600)])
def test_adapters_of_smollm2s_queries_and_values(r: int, added: int) -> None:
    with torch.device("meta"):
        model = Mellow(PUBLISHED)
        before = model.count_parameters()
        add_lora(model, LoraConfig(r=r, alpha=2 * r), 0)
    assert model.count_parameters() - before == added
    assert {name.split(".")[-4] for name in list_lora_parameters(model)} == {"q_proj", "v_proj"}


def test_adapters_change_nothing_untrained_and_merge_to_the_same_logits(network: Path) -> None:
    shape = build_network_config(replace(load_config("mellow-v0").model, network=str(network)))
    model = build_untrained(shape)
    inputs = torch.randn(2, 9, shape.lm.width, generator=torch.Generator().manual_seed(0))

    def logits(which: Mellow) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = which.eval().lm(inputs_embeds=inputs).logits
        return found

    plain = logits(model)
    add_lora(model, LoraConfig(r=4, alpha=8), seed=1)
    assert torch.equal(logits(model), plain)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
    trained = logits(model)
    assert (trained - plain).abs().max() > 0.1
    whole = merge_lora(model)
    torch.testing.assert_close(logits(whole), trained, rtol=1e-4, atol=1e-4)
    assert whole.state_dict().keys() == build_untrained(shape).state_dict().keys()
    assert torch.equal(logits(model), trained)
    assert list_lora_parameters(model)
    sequences, items = list(inputs), ["a", "b"]
    with pytest.raises(ValueError, match="not merged"):  # they would write as the weights below them do
        generate(model, sequences, items, Decoding(max_new_tokens=4))
    assert len(generate(whole, sequences, items, Decoding(max_new_tokens=4))) == 2


def test_a_resumed_lora_run_takes_the_same_steps(shrink: Callable[[str], TrainConfig], tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(entry: dict[str, Any]) -> None:
        if entry["step"] == 1:
            raise StopError

    whole = replace(shrink("ablation-lora-8-16"), save_every=1)
    parts = replace(whole, name="parts")
    folder = Trainer(whole, prepare_training(whole, tmp_path, lambda *_: None), lambda entry: None).run()
    with pytest.raises(StopError):
        Trainer(parts, prepare_training(parts, tmp_path, lambda *_: None), stop).run()
    again = Trainer(parts, prepare_training(parts, tmp_path, lambda *_: None), lambda entry: None).run()
    assert (again / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()


def test_a_run_of_an_older_version_is_resumed(shrink: Callable[[str], TrainConfig], tmp_path: Path) -> None:
    """Its config knows nothing of the keys that came later; they are empty in a recipe that can be the same."""
    config = replace(shrink("mellow-v0"), save_every=1)
    folder = TrainingFolder(config.out / config.name)
    with folder.open(config, fresh=False):
        pass
    file = folder.path / "config.json"
    table = json.loads(file.read_text())
    del table["lora"], table["data"][0]["without"]
    file.write_text(json.dumps(table))
    with folder.open(config, fresh=False):
        pass
    del table["data"][0]["file"]
    file.write_text(json.dumps(table))
    with pytest.raises(UsageError, match=r"it differs in data\.0\.file"), folder.open(config, fresh=False):
        pass


def test_adapters_of_modules_that_are_not_there_are_one_line(network: Path) -> None:
    model = build_untrained(build_network_config(replace(load_config("mellow-v0").model, network=str(network))))
    with pytest.raises(UsageError, match=r"lora: .*nope") as caught:
        add_lora(model, LoraConfig(r=2, alpha=2, targets=("nope",)), 0)
    assert "\n" not in str(caught.value)
