"""Tiny checkpoints of the families that came to transformers in 2026 (see hf_extra/README.md for what they need)."""

from collections.abc import Callable
from pathlib import Path

from tiny_hf import build_granite_speech, chatml, ids, saved, text_config, tokenizer


def granite_speech_plus(folder: Path, template: str | None = None) -> Path:
    return build_granite_speech(folder, "GraniteSpeechPlus", template, encoder_layers=(0,))


def nemotron_h_omni(folder: Path, template: str | None = None) -> Path:
    """A language model of one Mamba layer, one of experts and one of attention."""
    import transformers as t

    special = {"image_token": "<image>", "audio_token": "<so_embedding>"}
    tokens = tokenizer(special, ["<so_start>", "<so_end>", "<img>", "</img>", "<video>"])
    text = text_config(tokens, head_dim=8, layers_block_type=["linear_attention", "moe", "full_attention"])
    text.pop("num_hidden_layers")
    config = t.NemotronH_Omni_Reasoning_V3_Config(
        text_config={
            **text,
            "ssm_state_size": 8,
            "mamba_num_heads": 4,
            "mamba_head_dim": 8,
            "n_groups": 2,
            "expand": 1,
            "chunk_size": 16,
            "n_routed_experts": 4,
            "moe_intermediate_size": 16,
            "moe_shared_expert_intermediate_size": 16,
        },
        audio_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "subsampling_conv_channels": 8,
            "num_mel_bins": 16,
            "projection_hidden_size": 32,
            "projection_bias": False,
        },
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "mlp_ratio": 2.0,
            "max_img_size": 64,
            "image_size": 32,
            "video_temporal_patch_size": 2,
        },
        vision_hidden_size=16,
        projector_hidden_size=16,
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        audio_token_id=tokens.convert_tokens_to_ids("<so_embedding>"),
    )
    processor = t.NemotronH_Omni_Reasoning_V3Processor(
        t.NemotronH_Omni_Reasoning_V3ImageProcessor(),
        t.NemotronH_Omni_Reasoning_V3VideoProcessor(),
        tokens,
        t.ParakeetFeatureExtractor(feature_size=16),
        chat_template=template or chatml("<so_embedding>"),
    )
    return saved(folder, t.NemotronH_Omni_Reasoning_V3(config), processor)


def dots3_note(folder: Path, template: str | None = None) -> Path:
    import transformers as t

    tokens = tokenizer({}, ["<|imgpad|>", "<|video_pad|>", "<|audio_comp_pad|>"])
    text = text_config(tokens, num_key_value_heads=4)
    config = t.Dots3NoteConfig(
        text_config={
            **text,
            "moe_intermediate_size": 16,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "shared_experts_intermediate_size": 16,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 4,
            "v_head_dim": 8,
            "head_dim": 8,
            "index_head_dim": 8,
            "index_n_heads": 2,
            "index_topk": 4096,
        },
        audio_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "feature_size": 16,
            "downsample_hidden_size": 8,
            "adapter_input_size": 16,
            "adapter_out_dim": 32,
        },
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "mlp_layer_types": ["dense"],
            "adapter_in_dim": 16,
            "adapter_out_dim": 32,
        },
        image_token_id=tokens.convert_tokens_to_ids("<|imgpad|>"),
        video_token_id=tokens.convert_tokens_to_ids("<|video_pad|>"),
        audio_token_id=tokens.convert_tokens_to_ids("<|audio_comp_pad|>"),
    )
    processor = t.Dots3NoteProcessor(
        t.Qwen2VLImageProcessor(),
        tokens,
        t.Qwen3VLVideoProcessor(),
        t.Dots3NoteFeatureExtractor(feature_size=16),
        chat_template=template or chatml("<|audio_comp_pad|>"),
    )
    return saved(folder, t.Dots3NoteForConditionalGeneration(config), processor)


def muse_spark(folder: Path, template: str | None = None) -> Path:
    """Clips at 24 kHz, as samples: 1,920 of them are one token."""
    import transformers as t

    names = ["<|patch|>", "<|image_start|>", "<|image_end|>", "<|video|>", "<|vid_frame_separator|>", "<|vid_start|>"]
    tokens = tokenizer(
        {"audio_token": "<|audio|>"}, [*names, "<|vid_end|>", "<|soft_audio_start|>", "<|soft_audio_end|>"]
    )
    config = t.MuseSparkConfig(
        text_config={
            **text_config(tokens, head_dim=8),
            "moe_intermediate_size": 16,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "moe_hidden_size": 16,
            **ids(tokens),
        },
        audio_config={"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "out_hidden_size": 32},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        },
        out_hidden_size=64,
        projector_hidden_size=16,
        image_token_id=tokens.convert_tokens_to_ids("<|patch|>"),
        video_token_id=tokens.convert_tokens_to_ids("<|video|>"),
        audio_token_id=tokens.convert_tokens_to_ids("<|audio|>"),
    )
    processor = t.MuseSparkProcessor(
        t.MuseGlimmerImageProcessor(),
        t.MuseGlimmerVideoProcessor(),
        tokens,
        t.MuseSparkFeatureExtractor(),
        chat_template=template or chatml("<|audio|>"),
    )
    return saved(folder, t.MuseSparkForConditionalGeneration(config), processor)


RECENT: dict[str, tuple[tuple[str, ...], Callable[..., Path]]] = {
    "granite_speech_plus": (("torchaudio", "peft"), granite_speech_plus),
    "nemotron_h_omni": (("PIL", "torchvision"), nemotron_h_omni),
    "dots3_note": (("PIL", "torchvision"), dots3_note),
    "muse_spark": (("PIL", "torchvision"), muse_spark),
}
"""What each needs to be importable, and its builder."""
