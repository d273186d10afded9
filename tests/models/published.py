"""The configurations of the listed models as they are published, as far as sizes go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    Gemma3Config,
    Gemma4Config,
    Gemma4ImageProcessorPil,
    GotOcr2ImageProcessorPil,
    Idefics3Config,
    InternVLConfig,
    Lfm2VlConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaOnevisionConfig,
    PreTrainedConfig,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    Qwen3_5Config,
    Qwen3_5MoeConfig,
    Qwen3VLConfig,
    SmolVLMConfig,
    SmolVLMImageProcessorPil,
)

from explainer.models.loading.catalogue import Entry
from tests.tiny_hybrid import LFM2_PICTURES, LFM2Pictures

# (hidden, intermediate, layers, heads, key-value heads, vocabulary) of the published language
# models, and whether words and unembedding are one matrix.
SMOL_256M = (576, 1536, 30, 9, 3)
SMOL_500M = (960, 2560, 32, 15, 5)
QWEN2_1 = (1536, 8960, 28, 12, 2)
QWEN2_3 = (2048, 11008, 36, 16, 2)
QWEN2_7 = (3584, 18944, 28, 28, 4)
LANGUAGE: dict[str, tuple[tuple[int, ...], bool]] = {
    "Qwen/Qwen3.5-0.8B": ((1024, 3584, 24, 8, 2, 248320), True),
    "Qwen/Qwen3.5-2B": ((2048, 6144, 24, 8, 2, 248320), True),
    "Qwen/Qwen3.5-4B": ((2560, 9216, 32, 16, 4, 248320), True),
    "Qwen/Qwen3.5-9B": ((4096, 12288, 32, 16, 4, 248320), False),
    "Qwen/Qwen3.5-35B-A3B": ((2048, 0, 40, 16, 2, 248320), False),
    "LiquidAI/LFM2.5-VL-450M": ((1024, 6656, 16, 16, 8, 65536), True),
    "LiquidAI/LFM2.5-VL-1.6B": ((2048, 12288, 16, 32, 8, 65536), True),
    "Qwen/Qwen3-VL-2B-Instruct": ((2048, 6144, 28, 16, 8, 151936), True),
    "Qwen/Qwen3-VL-4B-Instruct": ((2560, 9728, 36, 32, 8, 151936), True),
    "Qwen/Qwen3-VL-8B-Instruct": ((4096, 12288, 36, 32, 8, 151936), False),
    **{
        f"HuggingFaceTB/SmolVLM{name}-Instruct": ((*sizes, 49280), False)
        for name, sizes in {
            "2-256M-Video": SMOL_256M,
            "2-500M-Video": SMOL_500M,
            "2-2.2B": (2048, 8192, 24, 32, 32),
            "-256M": SMOL_256M,
            "-500M": SMOL_500M,
        }.items()
    },
    "google/gemma-4-E2B-it": ((1536, 6144, 35, 8, 1, 262144), True),
    "google/gemma-4-E4B-it": ((2560, 10240, 42, 8, 2, 262144), True),
    "google/gemma-4-31B-it": ((5376, 21504, 60, 32, 16, 262144), True),
    "google/gemma-3-4b-it": ((2560, 10240, 34, 8, 4, 262208), True),
    "google/gemma-3-12b-it": ((3840, 15360, 48, 16, 8, 262208), True),
    "google/gemma-3-27b-it": ((5376, 21504, 62, 32, 16, 262208), True),
    "Qwen/Qwen2-VL-2B-Instruct": ((*QWEN2_1, 151936), True),
    "Qwen/Qwen2-VL-7B-Instruct": ((*QWEN2_7, 152064), False),
    "Qwen/Qwen2.5-VL-3B-Instruct": ((*QWEN2_3, 151936), True),
    "Qwen/Qwen2.5-VL-7B-Instruct": ((*QWEN2_7, 152064), False),
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": ((896, 4864, 24, 14, 2, 151936), True),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": ((*QWEN2_7, 152064), False),
    "llava-hf/llava-v1.6-mistral-7b-hf": ((4096, 14336, 32, 32, 8, 32064), False),
    "llava-hf/llava-v1.6-vicuna-7b-hf": ((4096, 11008, 32, 32, 32, 32064), False),
    "llava-hf/llava-1.5-7b-hf": ((4096, 11008, 32, 32, 32, 32064), False),
    "llava-hf/llava-1.5-13b-hf": ((5120, 13824, 40, 40, 40, 32064), False),
    **{
        f"OpenGVLab/InternVL3_5-{size}-HF": ((*sizes, 151936), False)
        for size, sizes in {
            "1B": (1024, 3072, 28, 16, 8),
            "2B": (2048, 6144, 28, 16, 8),
            "4B": (2560, 9728, 36, 32, 8),
            "8B": (4096, 12288, 36, 32, 8),
        }.items()
    },
    "OpenGVLab/InternVL2_5-1B": ((896, 4864, 24, 14, 2, 151674), False),
    "OpenGVLab/InternVL2_5-2B": ((2048, 8192, 24, 16, 8, 92553), False),
    "OpenGVLab/InternVL2_5-4B": ((*QWEN2_3, 151674), False),
    "OpenGVLab/InternVL2_5-8B": ((4096, 14336, 32, 32, 8, 92553), False),
    "OpenGVLab/InternVL3-1B-hf": ((896, 4864, 24, 14, 2, 151674), False),
    "OpenGVLab/InternVL3-2B-hf": ((*QWEN2_1, 151674), False),
    "OpenGVLab/InternVL3-8B-hf": ((*QWEN2_7, 151674), False),
}
# (depth, hidden, intermediate) of Qwen3-VL's two vision towers, by whether the matrices are tied,
# and the blocks whose features are added later.
QWEN3_TOWERS = {True: ((24, 1024, 4096), [5, 11, 17]), False: ((27, 1152, 4304), [8, 16, 24])}
TOWER_SIZES = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads")
LFM2_TOWERS = {1024: (12, 768, 3072, 12), 2048: (27, 1152, 4304, 16)}
INTERNLM = 92553  # the vocabulary by which those are told that run as Llama
CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
SIGLIP = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 512,
    "patch_size": 16,
}
SIGLIP_SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
INTERN_VIT = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 448,
    "patch_size": 14,
    "attention_bias": True,
}


def config(entry: Entry) -> PreTrainedConfig:
    """Return the published configuration of an entry, as far as sizes go."""
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    sizes, tied = LANGUAGE[entry.id]
    text: dict[str, Any] = dict(
        zip((*names, "num_key_value_heads", "vocab_size"), sizes, strict=True)
    )
    hidden = text["hidden_size"]
    if entry.model_type == "lfm2_vl":
        return _lfm2_vl(text)
    if entry.model_type.startswith("qwen3_5"):
        return _qwen3_5(entry, text, tied)
    if entry.model_type == "qwen3_vl":
        (depth, width, inner), deepstack = QWEN3_TOWERS[tied]
        tower = {"depth": depth, "hidden_size": width, "intermediate_size": inner}
        tower |= {"deepstack_visual_indexes": deepstack, "out_hidden_size": hidden}
        rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20]}
        text |= {"head_dim": 128, "rope_parameters": rope}
        return Qwen3VLConfig(text_config=text, vision_config=tower, tie_word_embeddings=tied)
    if entry.model_type.startswith("qwen2"):
        text["rope_parameters"] = {
            "rope_type": "default",
            "rope_theta": 1e6,
            "mrope_section": [16, 24, 24],
        }
        vision: dict[str, Any] = {"depth": 32, "num_heads": 16, "patch_size": 14}
        if entry.model_type == "qwen2_vl":
            vision |= {"embed_dim": 1280, "hidden_size": hidden, "mlp_ratio": 4}
            return Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied)
        vision |= {"hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": hidden}
        return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied)
    if entry.model_type in ("llava", "llava_next"):
        text["model_type"] = "mistral" if "mistral" in entry.id else "llama"
        llava = LlavaConfig if entry.model_type == "llava" else LlavaNextConfig
        return llava(text_config=text, vision_config=CLIP, tie_word_embeddings=tied)
    if entry.model_type == "llava_onevision":
        tower = {**SIGLIP_SO400M, "model_type": "siglip_vision_model", "num_hidden_layers": 26}
        return LlavaOnevisionConfig(
            text_config=text | {"model_type": "qwen2"},
            vision_config=tower | {"vision_use_head": False},
            tie_word_embeddings=tied,
        )
    if entry.model_type == "gemma4":
        return _gemma4(text)
    if entry.model_type == "gemma3":
        tower = {**SIGLIP_SO400M, "model_type": "siglip_vision_model", "image_size": 896}
        text["head_dim"] = 128 if hidden == 5376 else 256
        return Gemma3Config(text_config=text, vision_config=tower | {"vision_use_head": False})
    if entry.model_type in ("smolvlm", "idefics3"):
        kind = SmolVLMConfig if entry.model_type == "smolvlm" else Idefics3Config
        vision, factor = (SIGLIP_SO400M, 3) if hidden == 2048 else (SIGLIP, 4)
        return kind(
            text_config=text | {"model_type": "llama"},
            vision_config=vision,
            scale_factor=factor,
            image_token_id=49190,
            tie_word_embeddings=tied,
        )
    text["model_type"] = "llama" if text["vocab_size"] == INTERNLM else "qwen2"
    text["tie_word_embeddings"] = tied
    if "InternVL3_5" in entry.id:
        text |= {"model_type": "qwen3", "head_dim": 128}
    return InternVLConfig(text_config=text, vision_config=INTERN_VIT, tie_word_embeddings=tied)


def _gemma4(text: dict[str, Any]) -> PreTrainedConfig:
    small = {1536: (20, 4), 2560: (18, 5)}.get(text["hidden_size"])  # shared layers, the window's
    shared, windows = small or (0, 5)
    kinds = ["sliding_attention"] * windows + ["full_attention"]
    text |= {"head_dim": 256, "global_head_dim": 512, "final_logit_softcapping": 30.0}
    text |= {"layer_types": kinds * (text["num_hidden_layers"] // len(kinds))}
    text |= {"num_kv_shared_layers": shared, "use_double_wide_mlp": text["hidden_size"] == 1536}
    tower: dict[str, Any] = {"use_clipped_linears": True}
    if small is None:
        text |= {"hidden_size_per_layer_input": 0, "use_bidirectional_attention": "vision"}
        text |= {"attention_k_eq_v": True, "num_global_key_value_heads": 4, "sliding_window": 1024}
        tower = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27}
        tower |= {"num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 72}
        tower |= {"standardize": True}
    return Gemma4Config(text_config=text, vision_config=tower, audio_config={} if small else None)


def _lfm2_vl(text: dict[str, Any]) -> PreTrainedConfig:
    tower = dict(zip(TOWER_SIZES, LFM2_TOWERS[text["hidden_size"]], strict=True))
    tower |= {"model_type": "siglip2_vision_model", "patch_size": 16, "vision_use_head": False}
    text |= {"model_type": "lfm2", "full_attn_idxs": [2, 5, 8, 10, 12, 14]}
    return Lfm2VlConfig(
        text_config=text,
        vision_config=tower,
        projector_hidden_size=2048,
        projector_use_layernorm=False,
    )


def _qwen3_5(entry: Entry, text: dict[str, Any], tied: bool) -> PreTrainedConfig:
    depth, width, inner = {1024: (12, 768, 3072), 4096: (27, 1152, 4304)}.get(
        text["hidden_size"], (24, 1024, 4096)
    )
    rope = {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25}
    text |= {"head_dim": 256, "rope_parameters": {**rope, "mrope_section": [11, 11, 10]}}
    text |= {"linear_num_key_heads": 16}
    text |= {"linear_num_value_heads": 16 if text["num_hidden_layers"] == 24 else 32}
    kind: type[PreTrainedConfig] = Qwen3_5Config
    if entry.model_type == "qwen3_5_moe":
        kind, depth, width, inner = Qwen3_5MoeConfig, 27, 1152, 4304
        del text["intermediate_size"]
        text |= {"num_experts": 256, "num_experts_per_tok": 8}
        text |= {"moe_intermediate_size": 512, "shared_expert_intermediate_size": 512}
    tower = {"depth": depth, "hidden_size": width, "intermediate_size": inner}
    tower |= {"out_hidden_size": text["hidden_size"]}
    return kind(text_config=text, vision_config=tower, tie_word_embeddings=tied)


def write_configs(folder: Path, entry: Entry) -> Path:
    """Write config.json and the settings of the image processor to `folder`, and return it."""
    config(entry).save_pretrained(folder)
    _processor(entry).save_pretrained(folder)
    return folder


def _processor(entry: Entry) -> Any:
    """Return what has the published settings of the image processor, for the smaller models."""
    if entry.model_type == "lfm2_vl":
        settings = {"tile_size": 512, "encoder_patch_size": 16, "max_tiles": 10}
        settings |= {"min_image_tokens": 64, "max_image_tokens": 256}
        return LFM2Pictures({**LFM2_PICTURES, **settings})
    if entry.model_type == "smolvlm":
        return SmolVLMImageProcessorPil(
            size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}
        )
    if entry.model_type == "internvl":
        return GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}, crop_to_patches=False)
    if entry.model_type == "gemma4":
        return Gemma4ImageProcessorPil()
    if entry.model_type.startswith("qwen3"):
        size = {"shortest_edge": 256**2, "longest_edge": 4096**2}
        return Qwen2VLImageProcessorPil(patch_size=16, size=size)
    size = {"shortest_edge": 56**2, "longest_edge": 3584**2}
    return Qwen2VLImageProcessorPil(patch_size=14, size=size)
