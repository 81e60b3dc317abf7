"""Tiny checkpoints of the families whose processors need more than torch and transformers (see hf_extra/README.md)."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_hf import build_granite_speech, chatml, saved, text_config, tokenizer, whisper
from tiny_hf_recent import RECENT

QWEN = {
    "audio_token": "<|AUDIO|>",
    "image_token": "<|IMAGE|>",
    "video_token": "<|VIDEO|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
}
MROPE = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}


def omni_ids(tokens: Any, token: str) -> dict[str, int]:
    names = {"audio": "<|AUDIO|>", "image": "<|IMAGE|>", "video": "<|VIDEO|>"}
    found = {f"{name}_{token}": tokens.convert_tokens_to_ids(text) for name, text in names.items()}
    starts = {name: tokens.convert_tokens_to_ids(f"<|{name}_bos|>") for name in ("audio", "vision")}
    return {**found, **{f"{name}_start_token_id": start for name, start in starts.items()}, "user_token_id": 70}


def qwen2_5_omni(folder: Path, template: str | None = None, whole: bool = True) -> Path:
    """`whole`: with a talker, as on the hub; the thinker alone otherwise."""
    import transformers as t

    tokens = tokenizer(QWEN)
    thinker = {
        "audio_config": {
            "num_mel_bins": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 16,
            "output_dim": 32,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 32,
            "fullatt_block_indexes": [0],
        },
        "text_config": text_config(tokens, rope_parameters=MROPE),
        "audio_end_token_id": tokens.convert_tokens_to_ids("<|audio_eos|>"),
        **omni_ids(tokens, "token_index"),
    }
    processor = t.Qwen2_5OmniProcessor(
        t.Qwen2VLImageProcessor(),
        t.Qwen2VLVideoProcessor(),
        whisper(),  # 300 s on the hub
        tokens,
        chat_template=template or chatml("<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )
    if not whole:
        model = t.Qwen2_5OmniThinkerForConditionalGeneration(t.Qwen2_5OmniThinkerConfig(**thinker))
        return saved(folder, model, processor)
    talker = {
        "vocab_size": 32,
        "embedding_size": 32,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "rope_parameters": MROPE,
        **omni_ids(tokens, "token_index"),
    }
    talker.pop("user_token_id")
    config = t.Qwen2_5OmniConfig(thinker_config=thinker, talker_config=talker, enable_audio_output=False)
    return saved(folder, t.Qwen2_5OmniForConditionalGeneration(config), processor)


def qwen3_omni_moe(folder: Path, template: str | None = None) -> Path:
    import transformers as t

    tokens = tokenizer(QWEN)
    thinker = {
        "audio_config": {
            "num_mel_bins": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "d_model": 16,
            "output_dim": 32,
            "downsample_hidden_size": 8,
        },
        "vision_config": {
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
        "text_config": text_config(
            tokens,
            rope_parameters={**MROPE, "mrope_interleaved": True},
            num_experts=4,
            num_experts_per_tok=2,
            moe_intermediate_size=16,
            head_dim=8,
        ),
        **omni_ids(tokens, "token_id"),
    }
    config = t.Qwen3OmniMoeConfig(thinker_config=thinker, enable_audio_output=False)
    processor = t.Qwen3OmniMoeProcessor(
        t.Qwen2VLImageProcessor(),
        t.Qwen2VLVideoProcessor(),
        whisper(),
        tokens,
        chat_template=template or chatml("<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )
    return saved(folder, t.Qwen3OmniMoeForConditionalGeneration(config), processor)


def granite_speech(folder: Path, template: str | None = None) -> Path:
    return build_granite_speech(folder, "GraniteSpeech", template)


def phi4_multimodal(folder: Path, template: str | None = None) -> Path:
    import transformers as t

    tokens = tokenizer({"audio_token": "<|audio|>", "image_token": "<|image|>"})
    tokens.chat_template = template or chatml("<|audio|>")
    config = t.Phi4MultimodalConfig(
        **text_config(tokens, bos_token_id=tokens.pad_token_id),
        audio_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_blocks": 1,
            "num_attention_heads": 2,
            "ext_pw_out_channel": 16,
            "depthwise_separable_out_channel": 16,
            "input_size": 80,
            "nemo_conv_channels": 16,
            "audio_token_id": tokens.convert_tokens_to_ids("<|audio|>"),
            "feature_layer": -1,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_token_id": tokens.convert_tokens_to_ids("<|image|>"),
        },
    )
    processor = t.Phi4MultimodalProcessor(t.Phi4MultimodalImageProcessor(), t.Phi4MultimodalFeatureExtractor(), tokens)
    return saved(folder, t.Phi4MultimodalForCausalLM(config), processor)


GEMMA = {
    "audio_token": "<audio_soft_token>",
    "image_token": "<image_soft_token>",
    "boa_token": "<start_of_audio>",
    "eoa_token": "<end_of_audio>",
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
}


def gemma_ids(tokens: Any) -> dict[str, int]:
    names = {name.removesuffix("_token"): tokens.convert_tokens_to_ids(text) for name, text in GEMMA.items()}
    return {f"{name}_token_id": token for name, token in names.items()}


def gemma3n(folder: Path, template: str | None = None) -> Path:
    import transformers as t

    first = {name: text for name, text in GEMMA.items() if name in ("boi_token", "boa_token")}
    last = {name: GEMMA[name] for name in ("eoi_token", "image_token", "eoa_token", "audio_token")}
    tokens = tokenizer(first, last=last)  # its tokens of images and of audio stand behind those of text
    images = tokens.convert_tokens_to_ids(GEMMA["eoi_token"])
    config = t.Gemma3nConfig(
        text_config=text_config(
            tokens,
            head_dim=8,
            intermediate_size=[64, 64],
            layer_types=["full_attention", "full_attention"],
            vocab_size_per_layer_input=images,
            hidden_size_per_layer_input=8,
            num_kv_shared_layers=0,
            laurel_rank=4,
            activation_sparsity_pattern=[0.0, 0.0],
            altup_num_inputs=2,
        ),
        audio_config={
            "vocab_size": 2,
            "vocab_offset": images + 2,
            "input_feat_size": 128,
            "hidden_size": 16,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "sscp_conv_channel_size": [8, 4],
        },
        vision_config={
            "architecture": "mobilenetv5_300m_enc",
            "hidden_size": 16,
            "vocab_size": 2,
            "vocab_offset": images,
            "model_args": {"channel_multiplier": 0.01},
        },
        **gemma_ids(tokens),
    )
    processor = t.Gemma3nProcessor(
        t.Gemma3nAudioFeatureExtractor(),
        t.SiglipImageProcessor(),
        tokens,
        chat_template=template or chatml("<audio_soft_token>"),
    )
    return saved(folder, t.Gemma3nForConditionalGeneration(config), processor)


def gemma4(folder: Path, template: str | None = None) -> Path:
    import transformers as t

    tokens = tokenizer({**GEMMA, "video_token": "<|video|>"})
    named = gemma_ids(tokens)
    named["eoa_token_index"] = named.pop("eoa_token_id")
    config = t.Gemma4Config(
        text_config=text_config(
            tokens,
            head_dim=8,
            global_head_dim=8,
            layer_types=["sliding_attention", "full_attention"],
            vocab_size_per_layer_input=len(tokens),
            hidden_size_per_layer_input=8,
        ),
        audio_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "subsampling_conv_channels": [128, 4],
            "output_proj_dims": 32,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "position_embedding_size": 64,
        },
        video_token_id=tokens.convert_tokens_to_ids("<|video|>"),
        **named,
    )
    processor = t.Gemma4Processor(
        t.Gemma4AudioFeatureExtractor(),
        t.Gemma4ImageProcessor(),
        tokens,
        t.Gemma4VideoProcessor(),
        chat_template=template or chatml("<audio_soft_token>"),
    )
    return saved(folder, t.Gemma4ForConditionalGeneration(config), processor)


def gemma4_unified(folder: Path, template: str | None = None) -> Path:
    import transformers as t

    tokens = tokenizer({**GEMMA, "video_token": "<|video|>"})
    named = gemma_ids(tokens)
    named["eoa_token_index"] = named.pop("eoa_token_id")
    config = t.Gemma4UnifiedConfig(
        text_config=text_config(
            tokens, head_dim=8, global_head_dim=8, layer_types=["sliding_attention", "full_attention"]
        ),
        audio_config={},
        vision_config={"mm_embed_dim": 16, "mm_posemb_size": 16, "output_proj_dims": 32},
        video_token_id=tokens.convert_tokens_to_ids("<|video|>"),
        **named,
    )
    processor = t.Gemma4UnifiedProcessor(
        t.Gemma4UnifiedAudioFeatureExtractor(),
        t.Gemma4UnifiedImageProcessor(),
        tokens,
        t.Gemma4UnifiedVideoProcessor(),
        chat_template=template or chatml("<audio_soft_token>"),
    )
    return saved(folder, t.Gemma4UnifiedForConditionalGeneration(config), processor)


def tekken(folder: Path) -> Path:
    """A tokenizer file of mistral-common: bytes alone, and its special tokens at their places."""
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"]
    special += ["[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"]
    special += ["[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", "[ARGS]", "[CALL_ID]", "[THINK]"]
    special += ["[/THINK]", "[AUDIO]", "[BEGIN_AUDIO]", "[TRANSCRIBE]"]
    document = {
        "config": {
            "pattern": r"\w+|\s+|[^\w\s]+",
            "num_vocab_tokens": 256,
            "default_vocab_size": 256 + 40,
            "default_num_special_tokens": 40,
            "version": "v11",
        },
        "vocab": [
            {"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode(), "token_str": None} for i in range(256)
        ],
        "special_tokens": [{"rank": rank, "token_str": text, "is_control": True} for rank, text in enumerate(special)],
        "audio": {
            "sampling_rate": 16_000,
            "frame_rate": 12.5,
            "audio_encoding_config": {"num_mel_bins": 16, "hop_length": 160, "window_size": 400},
            "chunk_length_s": 30.0,
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tekken.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def voxtral(folder: Path, template: str | None = None) -> Path:
    import transformers as t

    tokens = t.MistralCommonBackend(tekken(folder))
    config = t.VoxtralConfig(
        audio_config={
            "num_mel_bins": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "hidden_size": 16,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": 296,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 8192,
        },
        audio_token_id=24,
    )
    processor = t.VoxtralProcessor(whisper(), tokens)
    return saved(folder, t.VoxtralForConditionalGeneration(config), processor)


EXTRA: dict[str, tuple[tuple[str, ...], Callable[..., Path]]] = {
    "qwen2_5_omni": (("PIL", "torchvision"), qwen2_5_omni),
    "qwen3_omni_moe": (("PIL", "torchvision"), qwen3_omni_moe),
    "granite_speech": (("torchaudio", "peft"), granite_speech),
    "phi4_multimodal": (("PIL", "torchvision"), phi4_multimodal),
    "gemma3n": (("PIL", "torchvision", "timm"), gemma3n),
    "gemma4": (("PIL", "torchvision"), gemma4),
    "gemma4_unified": (("PIL", "torchvision"), gemma4_unified),
    "voxtral": (("mistral_common",), voxtral),
    **RECENT,
}
"""What each needs to be importable, and its builder."""
