"""InternVL2.5 as published (`internvl_chat`), on the native class and without its own code.

The published repositories bring Python code, and weights with names of their own. Here the config
is translated, and each parameter of `InternVLForConditionalGeneration` is read from the tensor
that holds it: InternViT's `qkv` is q, k and v one after the other; InternLM2, which otherwise is a
Llama, keeps one block of rows for each key-value head in `wqkv`: its query heads, key, value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import safe_open
from tokenizers import AddedToken
from transformers import (
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Tokenizer,
)

from explainer.errors import ModelError
from explainer.models import weights
from explainer.models.sentencepiece import build_backend, read_model

IMAGE_TOKEN = "<IMG_CONTEXT>"
END = "<|im_end|>"
_INTERNLM2, _QWEN2 = "InternLM2ForCausalLM", "Qwen2ForCausalLM"

# What the authors' code puts first, and what ends a turn, by the `template` of config.json. The
# chat template in tokenizer_config.json is that of the language model alone and was not used.
_OLD_SYSTEM = (
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, "
    "是一个有用无害的人工智能助手。"
)
_NEW_SYSTEM = (
    "你是书生·万象，英文名是InternVL，"
    "是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)
_TEMPLATES = {
    "internvl2_5": (_NEW_SYSTEM, END + "\n"),
    "internlm2-chat": (_OLD_SYSTEM, END),
    "Hermes-2": (_OLD_SYSTEM, END),
}

# What the authors' config classes assume for what config.json leaves out.
_VISION_DEFAULTS = {
    "num_channels": 3,
    "patch_size": 14,
    "image_size": 224,
    "qkv_bias": False,
    "hidden_size": 3200,
    "num_attention_heads": 25,
    "intermediate_size": 12800,
    "qk_normalization": True,
    "num_hidden_layers": 48,
    "hidden_act": "gelu",
    "norm_type": "rms_norm",
    "layer_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "initializer_factor": 0.1,
}
_TEXT_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "initializer_range",
    "rms_norm_eps",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)

# Native name -> published name, piece by piece and in this order.
_VISION_NAMES = (
    ("model.vision_tower.", "vision_model."),
    (".cls_token", ".class_embedding"),
    (".patch_embeddings.projection.", ".patch_embedding."),
    (".position_embeddings", ".position_embedding"),
    (".layer.", ".layers."),
    (".lambda_", ".ls"),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    (".attention.projection_layer.", ".attn.proj."),
    (".attention.", ".attn."),
)
_PROJECTOR_NAMES = (
    ("model.multi_modal_projector.layer_norm.", "mlp1.0."),
    ("model.multi_modal_projector.linear_1.", "mlp1.1."),
    ("model.multi_modal_projector.linear_2.", "mlp1.3."),
)
_TEXT_NAMES = {
    _QWEN2: (
        ("model.language_model.", "language_model.model."),
        ("lm_head.", "language_model.lm_head."),
    ),
    _INTERNLM2: (
        ("model.language_model.", "language_model.model."),
        ("lm_head.", "language_model.output."),
        (".embed_tokens.", ".tok_embeddings."),
        (".self_attn.o_proj.", ".attention.wo."),
        (".self_attn.", ".attention."),
        (".mlp.gate_proj.", ".feed_forward.w1."),
        (".mlp.down_proj.", ".feed_forward.w2."),
        (".mlp.up_proj.", ".feed_forward.w3."),
        (".input_layernorm.", ".attention_norm."),
        (".post_attention_layernorm.", ".ffn_norm."),
    ),
}


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
    raw = _read_json(folder / "config.json")
    _refuse_unsupported(name, raw)
    tokenizer = _tokenizer(folder, name, raw)
    config = _config(raw, tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
    network = _network(folder, name, config, _language(raw), options)
    end = [tokenizer.convert_tokens_to_ids(END), raw["llm_config"].get("eos_token_id")]
    network.generation_config.eos_token_id = [i for i in dict.fromkeys(end) if i is not None]
    return network, tokenizer, _processor(folder, raw)


# The config --------------------------------------------------------------------------------------


def _refuse_unsupported(name: str, raw: Mapping[str, Any]) -> None:
    text = raw.get("llm_config") or {}
    vision = _VISION_DEFAULTS | (raw.get("vision_config") or {})
    size = raw.get("force_image_size") or vision["image_size"]
    rope = text.get("rope_scaling") or {}
    refusals = [
        (not raw.get("vision_config"), "config.json says nothing of a vision_config"),
        (
            _language(raw) not in _TEXT_NAMES,
            f"its language model is {_language(raw)}; InternLM2 and Qwen2 are supported",
        ),
        (
            raw.get("ps_version", "v1") != "v2",
            "it transposes the image (ps_version v1); InternVL 2 and later do not",
        ),
        (
            raw.get("template") not in _TEMPLATES,
            f"its chat template {raw.get('template')!r} is not known; "
            f"known are {', '.join(_TEMPLATES)}",
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


def _language(raw: Mapping[str, Any]) -> str:
    """Return the architecture of the language model, as config.json names it."""
    return ((raw.get("llm_config") or {}).get("architectures") or ["not named"])[0]


def _config(raw: Mapping[str, Any], image_token_id: int) -> InternVLConfig:
    vision, text = _vision_config(raw["vision_config"]), _text_config(raw["llm_config"])
    ratio = raw.get("downsample_ratio", 0.5)
    patches = (vision.image_size[0] // vision.patch_size[0]) ** 2
    return InternVLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=image_token_id,
        image_seq_length=int(patches * ratio**2),
        downsample_ratio=ratio,
        projector_hidden_act="gelu",
        vision_feature_layer=raw.get("select_layer", -1),
        vision_feature_select_strategy="default",
        tie_word_embeddings=text.tie_word_embeddings,
        dtype=raw.get("torch_dtype", raw.get("dtype")),
    )


def _vision_config(raw: Mapping[str, Any]) -> InternVLVisionConfig:
    values = {key: raw.get(key, default) for key, default in _VISION_DEFAULTS.items()}
    return InternVLVisionConfig(
        attention_bias=values.pop("qkv_bias"),
        use_qk_norm=values.pop("qk_normalization"),
        layer_scale_init_value=values.pop("initializer_factor"),
        use_mean_pooling=True,  # InternViT has no norm after its last layer
        **values,
    )


def _text_config(raw: Mapping[str, Any]) -> LlamaConfig | Qwen2Config:
    values = {key: raw[key] for key in _TEXT_KEYS if key in raw}
    values["tie_word_embeddings"] = bool(raw.get("tie_word_embeddings", False))
    values["rope_parameters"] = {"rope_type": "default", "rope_theta": raw.get("rope_theta", 1e4)}
    if scaling := raw.get("rope_scaling"):
        kind = scaling.get("type", scaling.get("rope_type"))
        values["rope_parameters"] |= {"rope_type": kind, "factor": scaling["factor"]}
    if raw["architectures"][0] == _INTERNLM2:
        return LlamaConfig(**values, attention_bias=raw.get("bias", True), mlp_bias=False)
    # The authors' code ran Qwen2 without sliding windows, which all their configs switch off.
    return Qwen2Config(**values, use_sliding_window=False)


# The weights -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """Where a parameter is stored: a whole tensor, or the "q", "k" or "v" of a fused one."""

    tensor: str
    part: str = ""


@dataclass(frozen=True, eq=False)
class _Stored:
    """A parameter that is read from its file when it is indexed."""

    tensor: Any
    part: str
    groups: int
    queries: int

    def __getitem__(self, index: Any) -> torch.Tensor:
        tensor = self.tensor[...]
        if not self.part:
            return tensor[index]
        tensor = _part(tensor, self.part, self.groups, self.queries)
        return tensor[index].clone()  # lets go of the fused tensor


def _network(
    folder: Path,
    name: str,
    config: InternVLConfig,
    language: str,
    options: Mapping[str, Any],
) -> InternVLForConditionalGeneration:
    with ExitStack() as files:
        stored: dict[str, Any] = {}
        for path in weights.weight_files(folder):
            file = files.enter_context(safe_open(path, framework="pt"))
            stored |= {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
        shapes, sources = _parameters(config, language, stored)
        _check_weights(name, shapes, sources, stored)
        text = config.text_config
        network = InternVLForConditionalGeneration.from_pretrained(
            None,
            config=config,
            state_dict={
                parameter: _Stored(
                    stored[source.tensor], source.part, *_fusing(source.tensor, text)
                )
                for parameter, source in sources.items()
            },
            **options,
        )
    if config.vision_config.use_qk_norm:
        for layer in network.model.vision_tower.encoder.layer:
            for norm in (layer.attention.q_norm, layer.attention.k_norm):
                # The native class has a fixed epsilon here, the published one that of the config.
                norm.variance_epsilon = config.vision_config.layer_norm_eps
    return network


def _parameters(
    config: InternVLConfig, language: str, stored: Mapping[str, Any]
) -> tuple[dict[str, tuple[int, ...]], dict[str, _Source]]:
    """Return the shape and the source of every parameter of the native class."""
    with torch.device("meta"):
        skeleton = InternVLForConditionalGeneration(config)
    shapes = {key: tuple(value.shape) for key, value in skeleton.state_dict().items()}
    sources = {parameter: _source(parameter, language) for parameter in shapes}
    if config.tie_word_embeddings:
        if sources["lm_head.weight"].tensor in stored:
            # What the file holds counts: with tied weights one of the two would be lost.
            config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
        else:
            del shapes["lm_head.weight"], sources["lm_head.weight"]
    return shapes, sources


def _source(parameter: str, language: str) -> _Source:
    name = parameter
    if name.startswith("model.vision_tower."):
        rules = _VISION_NAMES
    elif name.startswith("model.multi_modal_projector."):
        rules = _PROJECTOR_NAMES
    else:
        rules = _TEXT_NAMES[language]
    for native, published in rules:
        name = name.replace(native, published)
    fused = re.search(r"\.(attn|attention)\.([qkv])_proj\.", name)
    if fused is None:
        return _Source(name)
    whole = ".attn.qkv." if fused[1] == "attn" else ".attention.wqkv."
    return _Source(name.replace(fused[0], whole), fused[2])


def _fusing(tensor: str, text: LlamaConfig | Qwen2Config) -> tuple[int, int]:
    """Return how many groups a fused tensor has, and how many query heads are in each."""
    if ".wqkv." not in tensor:
        return 1, 1
    return text.num_key_value_heads, text.num_attention_heads // text.num_key_value_heads


def _part(tensor: torch.Tensor, part: str, groups: int, queries: int) -> torch.Tensor:
    """Return q, k or v of a fused weight (rows, inputs) or bias (rows,).

    The rows are `groups` blocks, and each block is `queries` heads of q, one of k and one of v.
    """
    blocks = tensor.unflatten(0, (groups, queries + 2, -1))
    chosen = {"q": blocks[:, :queries], "k": blocks[:, queries], "v": blocks[:, queries + 1]}[part]
    return chosen.reshape(-1, *tensor.shape[1:])


def _check_weights(
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    sources: Mapping[str, _Source],
    stored: Mapping[str, Any],
) -> None:
    wanted: dict[str, tuple[int, ...]] = {}
    for parameter, (rows, *rest) in shapes.items():
        tensor = sources[parameter].tensor
        before = wanted.get(tensor, (0,))[0]
        wanted[tensor] = (before + rows, *rest)
    # Old files also hold the rotary frequencies, which follow from the config.
    unknown = [k for k in stored if k not in wanted and not k.endswith("rotary_emb.inv_freq")]
    missing = [k for k in wanted if k not in stored]
    if missing or unknown:
        said = [f"{_some(keys)} {word}" for keys, word in _found(missing, unknown)]
        raise ModelError(f"{name}: config.json and the weights disagree: {'; '.join(said)}")
    for tensor, shape in wanted.items():
        found = tuple(stored[tensor].get_shape())
        if found != shape:
            raise ModelError(
                f"{name}: config.json and the weights disagree: "
                f"{tensor} is {found} and should be {shape}"
            )


def _found(missing: list[str], unknown: list[str]) -> list[tuple[list[str], str]]:
    return [(k, w) for k, w in ((missing, "missing"), (unknown, "not known")) if k]


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# The tokenizer -----------------------------------------------------------------------------------


def _tokenizer(folder: Path, name: str, raw: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    if _language(raw) == _QWEN2:
        tokenizer, start = Qwen2Tokenizer.from_pretrained(folder), ""
    else:
        tokenizer = _internlm2_tokenizer(folder, name)
        start = tokenizer.bos_token
    known = tokenizer.get_vocab()
    missing = [token for token in (IMAGE_TOKEN, "<img>", "</img>", END) if token not in known]
    if missing:
        raise ModelError(f"{name}: the tokenizer does not know {', '.join(missing)}")
    tokenizer.chat_template = _chat_template(raw["template"], start)
    return tokenizer


def _internlm2_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    """Return a fast tokenizer from tokenizer.model and the lists of added tokens beside it."""
    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder)
    if not (folder / "tokenizer.model").is_file():
        raise ModelError(f"{name} is not a complete model: tokenizer.model missing")
    settings = _read_json(folder / "tokenizer_config.json", optional=True)
    added = {
        i: AddedToken(content, special=True, normalized=False)
        for content, i in _read_json(folder / "added_tokens.json", optional=True).items()
    }
    for i, entry in settings.get("added_tokens_decoder", {}).items():
        added[int(i)] = AddedToken(
            entry["content"], special=entry.get("special", True), normalized=False
        )
    special = {
        key: settings.get(key) or default
        for key, default in (
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
            ("pad_token", "</s>"),
        )
    }
    backend = build_backend(read_model(folder / "tokenizer.model"), added)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def _chat_template(template: str, start: str) -> str:
    """Return the authors' conversation layout as a Jinja template.

    InternLM2's tokenizer put `<s>` first on its own; here the template says so. The tokens around
    each picture, `<img>` and `</img>`, are the family's to add, as for native checkpoints.
    """
    system, separator = _TEMPLATES[template]
    return (
        f"{start}{{% if messages[0]['role'] != 'system' %}}"
        f"<|im_start|>system\n{system}{separator}{{% endif %}}"
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        f"{IMAGE_TOKEN}\n"
        "{% else %}{{ part['text'] }}{% endif %}"
        f"{{% endfor %}}{{% endif %}}{separator}{{% endfor %}}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


# The image processor -----------------------------------------------------------------------------


def _processor(folder: Path, raw: Mapping[str, Any]) -> GotOcr2ImageProcessorPil:
    """Return the native image processor that cuts the tiles which the authors' code cuts."""
    found = _read_json(folder / "preprocessor_config.json", optional=True)
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


def _read_json(path: Path, optional: bool = False) -> dict[str, Any]:
    if optional and not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path.name} is not a JSON object")
    return content
