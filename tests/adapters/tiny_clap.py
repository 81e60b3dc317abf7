"""A CLAP of a few thousand weights, drawn at random, saved as transformers saves one.

python tests/adapters/tiny_clap.py FOLDER
"""

import sys
from pathlib import Path


def tiny_clap(folder: Path) -> Path:
    """A fused CLAP (as laion/clap-htsat-fused), whose extractor draws parts of clips beyond 10 s."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, PreTrainedTokenizerFast

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


if __name__ == "__main__":
    print(tiny_clap(Path(sys.argv[1])))
