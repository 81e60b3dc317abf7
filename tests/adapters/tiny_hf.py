"""Checkpoints of a few thousand random weights, built from the families' own config and processor classes, no hub."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

# Each says by its markers where a clip, a question and a system message stand.
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' %}AUDIO"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEAF = CHATML.replace("AUDIO", "")
"""A template that has no place for a clip, and says nothing about it."""


def chatml(placeholder: str) -> str:
    return CHATML.replace("AUDIO", placeholder)


def tokenizer(special: dict[str, str], more: list[str] | None = None, last: dict[str, str] | None = None) -> Any:
    """Byte-level BPE; `special` are the names under which a family's processor looks its tokens up, `last` such with
    the highest ids, in their order."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    markers = ["<pad>", "<|im_end|>", "<|im_start|>", *(more or []), *special.values()]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=markers,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(["what is heard in the clip? a dog, a cat, rain, wind. answer with the letter"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        eos_token="<|im_end|>",
        extra_special_tokens={**special, **(last or {})},
    )


def ids(tokens: Any) -> dict[str, int]:
    return {"pad_token_id": tokens.pad_token_id, "eos_token_id": tokens.eos_token_id}


def text_config(tokens: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokens),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "initializer_range": 0.2,
        **ids(tokens),
        **more,
    }


def whisper(**more: Any) -> Any:
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(**{"feature_size": 16, "sampling_rate": 16_000, "chunk_length": 30, **more})


def saved(folder: Path, model: Any, *parts: Any) -> Path:
    """Weights that make a network differ from another clip to another, whatever its own initialisation is."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder


def qwen2_audio(folder: Path, template: str | None = None) -> Path:
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

    tokens = tokenizer(
        {"audio_token": "<|AUDIO|>", "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>"}
    )
    config = Qwen2AudioConfig(
        audio_config={
            "num_mel_bins": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 16,
        },
        text_config={"model_type": "qwen2", **text_config(tokens)},
        audio_token_index=tokens.convert_tokens_to_ids("<|AUDIO|>"),
        **ids(tokens),
    )
    place = "<|audio_bos|><|AUDIO|><|audio_eos|>"
    processor = Qwen2AudioProcessor(whisper(), tokens, chat_template=template or chatml(place))
    return saved(folder, Qwen2AudioForConditionalGeneration(config), processor)


def audioflamingo3(folder: Path, template: str | None = None) -> Path:
    from transformers import AudioFlamingo3Config, AudioFlamingo3ForConditionalGeneration, AudioFlamingo3Processor

    tokens = tokenizer({}, ["<sound>"])
    config = AudioFlamingo3Config(
        audio_config={
            "num_mel_bins": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "hidden_size": 16,
        },
        text_config={"model_type": "qwen2", **text_config(tokens)},
        audio_token_id=tokens.convert_tokens_to_ids("<sound>"),
    )
    processor = AudioFlamingo3Processor(whisper(), tokens, chat_template=template or chatml("<sound>"))
    return saved(folder, AudioFlamingo3ForConditionalGeneration(config), processor)


def musicflamingo(folder: Path, template: str | None = None) -> Path:
    from transformers import MusicFlamingoConfig, MusicFlamingoForConditionalGeneration, MusicFlamingoProcessor

    tokens = tokenizer({}, ["<sound>", "<|sound_bos|>", "<|sound_eos|>"])
    config = MusicFlamingoConfig(
        audio_config={
            "model_type": "audioflamingo3_encoder",
            "num_mel_bins": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "hidden_size": 16,
        },
        text_config={"model_type": "qwen2", **text_config(tokens)},
        audio_token_id=tokens.convert_tokens_to_ids("<sound>"),
        audio_bos_token_id=tokens.convert_tokens_to_ids("<|sound_bos|>"),
        audio_eos_token_id=tokens.convert_tokens_to_ids("<|sound_eos|>"),
    )
    processor = MusicFlamingoProcessor(whisper(), tokens, chat_template=template or chatml("<sound>"))
    return saved(folder, MusicFlamingoForConditionalGeneration(config), processor)


def build_granite_speech(folder: Path, name: str, template: str | None, encoder_layers: Sequence[int] = ()) -> Path:
    """A checkpoint of the class `name` ("GraniteSpeech", "GraniteSpeechPlus"). The projector of the latter gets the
    states of `encoder_layers` beside the last ones."""
    import transformers as t

    tokens = tokenizer({"audio_token": "<|audio|>"})
    config = getattr(t, f"{name}Config")(
        text_config={"model_type": "granite", **text_config(tokens)},
        encoder_config={
            "input_dim": 160,
            "num_layers": 2,
            "hidden_dim": 32,
            "feedforward_mult": 2,
            "num_heads": 2,
            "dim_head": 16,
            "output_dim": 12,
            "context_size": 50,
            "max_pos_emb": 64,
            "conv_kernel_size": 5,
            **({"cat_hidden_layers": list(encoder_layers)} if encoder_layers else {}),
        },
        projector_config={
            "model_type": "blip_2_qformer",
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "encoder_hidden_size": 32 * (1 + len(encoder_layers)),
        },
        audio_token_index=tokens.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
        tie_word_embeddings=False,
    )
    # As on the hub: a template of texts alone.
    texts = template or (
        "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    processor = t.GraniteSpeechProcessor(t.GraniteSpeechFeatureExtractor(), tokens, chat_template=texts)
    return saved(folder, getattr(t, f"{name}ForConditionalGeneration")(config), processor)


BASE: dict[str, Callable[..., Path]] = {
    "qwen2_audio": qwen2_audio,
    "audioflamingo3": audioflamingo3,
    "musicflamingo": musicflamingo,
}
"""Families whose processors need nothing beside torch and transformers."""

FAMILIES = dict(BASE)
