"""InternVL2.5 to 3.5 as published (`internvl_chat`), on the native class and without its own code.

The published repositories come with Python code, and weights with other names. Here the config is
translated, each parameter of `InternVLForConditionalGeneration` is read from the tensor that holds
it, and the remaining steps of the code are moved to tokenizer and image processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from transformers import (
    GenerationConfig,
    GotOcr2ImageProcessorPil,
    InternVLForConditionalGeneration,
    PreTrainedTokenizerBase,
)

from explainer.errors import ModelError
from explainer.models.loading.internvl_chat.config import (
    LANGUAGES,
    VISION_DEFAULTS,
    language,
    read_json,
    read_json_if_any,
    translate,
)
from explainer.models.loading.internvl_chat.tokenizer import (
    END,
    IMAGE_TOKEN,
    TEMPLATES,
    read_tokenizer,
)
from explainer.models.loading.internvl_chat.weights import read_network

__all__ = ["load_parts"]


def load_parts(
    folder: Path, name: str, **options: Any
) -> tuple[InternVLForConditionalGeneration, PreTrainedTokenizerBase, GotOcr2ImageProcessorPil]:
    """Return network, tokenizer and image processor of a published checkpoint.

    Args:
        folder: the checkpoint's files.
        name: what to call it in messages.
        options: for `from_pretrained` of the network: dtype, device_map, quantization and so on.

    Raises:
        ModelError: files are missing, are of a variant that is not supported, or do not agree.
    """
    raw = read_json(folder / "config.json")
    _refuse_unsupported(name, raw)
    tokenizer = read_tokenizer(folder, name, raw)
    config = translate(raw, tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
    network = read_network(folder, name, config, language(raw), options)
    if (folder / "generation_config.json").is_file():
        network.generation_config = GenerationConfig.from_pretrained(folder)
    end = [tokenizer.convert_tokens_to_ids(END), raw["llm_config"].get("eos_token_id")]
    network.generation_config.eos_token_id = [i for i in dict.fromkeys(end) if i is not None]
    return network, tokenizer, _processor(folder, raw)


def _refuse_unsupported(name: str, raw: Mapping[str, Any]) -> None:
    text = raw.get("llm_config") or {}
    vision = VISION_DEFAULTS | (raw.get("vision_config") or {})
    size = raw.get("force_image_size") or vision["image_size"]
    rope = text.get("rope_scaling") or {}
    refusals = [
        (not raw.get("vision_config"), "config.json says nothing of a vision_config"),
        (
            language(raw) not in LANGUAGES,
            f"its language model is {language(raw)}; InternLM2, Qwen2 and Qwen3 are supported",
        ),
        (
            raw.get("ps_version", "v1") != "v2",
            "it transposes the image (ps_version v1); InternVL 2 and later do not",
        ),
        (
            raw.get("template") not in TEMPLATES,
            f"its chat template {raw.get('template')!r} is not known; "
            f"known are {', '.join(TEMPLATES)}",
        ),
        (
            bool(raw.get("use_backbone_lora") or raw.get("use_llm_lora")),
            "it holds LoRA weights that are not merged; merge them first",
        ),
        (size != vision["image_size"], "force_image_size differs from the vision tower's size"),
        (bool(raw.get("pad2square")), "pad2square is not supported"),
        (
            bool(raw.get("dynamic_image_size")) and not raw.get("use_thumbnail"),
            "tiles without a thumbnail are not supported",
        ),
        (
            rope.get("type", rope.get("rope_type", "linear")) not in ("linear", "dynamic"),
            f"its rope_scaling {rope} is not supported",
        ),
        (
            text.get("rope_pos_id_version", "default") != "default",
            "its variable positions (v2pe) are not supported",
        ),
    ]
    for refused, reason in refusals:
        if refused:
            raise ModelError(f"{name}: {reason}")


def _processor(folder: Path, raw: Mapping[str, Any]) -> GotOcr2ImageProcessorPil:
    """Return the native image processor that cuts the tiles which the authors' code cuts."""
    found = read_json_if_any(folder / "preprocessor_config.json")
    side = raw["vision_config"]["image_size"]
    return GotOcr2ImageProcessorPil(
        size={"height": side, "width": side},
        resample=Image.Resampling.BICUBIC,
        image_mean=found.get("image_mean", [0.485, 0.456, 0.406]),
        image_std=found.get("image_std", [0.229, 0.224, 0.225]),
        crop_to_patches=bool(raw.get("dynamic_image_size", False)),
        min_patches=raw.get("min_dynamic_patch", 1),
        max_patches=raw.get("max_dynamic_patch", 6),
    )
