"""A tiny CLAP; and torchvision and torchaudio from the package index, which are built for CUDA, beside a CPU torch.

The latter are in an environment of their own (hf_extra/README.md), never in the package. Without them nothing is done.
"""

import importlib.util
import sys
import types
from pathlib import Path

import pytest

DECLARED = []
"""Operators stay declared for as long as their library object lives."""


def beside_a_cpu_torch() -> None:
    vision, audio = (importlib.util.find_spec(name) is not None for name in ("torchvision", "torchaudio"))
    if not vision and not audio:
        return
    import torch

    if torch.version.cuda is not None:
        return
    if vision and "torchvision" not in sys.modules:  # its compiled part declares what its Python part then describes
        DECLARED.append(torch.library.Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            DECLARED[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    if audio and "torchaudio" not in sys.modules:
        stub = types.ModuleType("torchaudio._extension")
        stub.__dict__.update(
            _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=lambda f: f
        )
        sys.modules[stub.__name__] = stub


beside_a_cpu_torch()


@pytest.fixture(scope="session")
def clap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fused CLAP (as laion/clap-htsat-fused), whose extractor draws parts of clips beyond 10 s."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("clap") / "tiny-clap"
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    lines = ["a dog is barking", "rain falls on a roof", "a tone of a flute"]
    tokenizer.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet)
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        model_max_length=64,
    )  # fmt: skip
    text = {
        "vocab_size": 320, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 66, "projection_dim": 16,
    }  # fmt: skip
    audio = {
        "patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [1, 1, 1, 1], "num_attention_heads": [2, 2, 2, 2],
        "enable_fusion": True, "projection_dim": 16, "num_hidden_layers": 4,
    }  # fmt: skip
    torch.manual_seed(0)
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=16)).eval()
    model.save_pretrained(folder)
    ClapProcessor(feature_extractor=ClapFeatureExtractor(), tokenizer=wrapped).save_pretrained(folder)
    return folder
