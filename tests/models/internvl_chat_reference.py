"""InternVL as published, in plain torch: config, weights and forward by their published names.

Written from the authors' modelling code and independent of
`explainer.models.loading.internvl_chat`: the fused tensors stay fused here, and nothing of
transformers is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

Weights = Mapping[str, torch.Tensor]

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 512,
    "initializer_range": 0.02,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000000,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
}
INTERNLM2 = {
    "architectures": ["InternLM2ForCausalLM"],
    "model_type": "internlm2",
    "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2Config"},
    "attn_implementation": "eager",
    "bias": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
    "rope_scaling": {"type": "dynamic", "factor": 2.0},
    **TEXT,
}
QWEN2 = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "sliding_window": 512,
    "use_sliding_window": False,
    "max_window_layers": 21,
    **TEXT,
}
# Heads wider than their share of the states, as in the smaller ones of InternVL3.5.
QWEN3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "attention_bias": False,
    "head_dim": 16,
    "sliding_window": None,
    "use_sliding_window": False,
    "max_window_layers": 28,
    **TEXT,
}
VISION = {
    "architectures": ["InternVisionModel"],
    "model_type": "intern_vit_6b",
    "num_channels": 3,
    "patch_size": 14,
    "image_size": 56,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_act": "gelu",
    "norm_type": "layer_norm",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
    "qk_normalization": False,
    "drop_path_rate": 0.1,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "use_flash_attn": True,
}
TOWER_6B = {"norm_type": "rms_norm", "qk_normalization": True, "qkv_bias": False}


def config(llm: Mapping[str, Any], vision: Mapping[str, Any] | None = None, **more: Any) -> dict:
    """Return a config.json as it is published, with a tower and a language model of this size."""
    return {
        "architectures": ["InternVLChatModel"],
        "auto_map": {
            "AutoConfig": "configuration_internvl_chat.InternVLChatConfig",
            "AutoModel": "modeling_internvl_chat.InternVLChatModel",
        },
        "model_type": "internvl_chat",
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": 56,
        "max_dynamic_patch": 12,
        "min_dynamic_patch": 1,
        "pad2square": False,
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internvl2_5",
        "torch_dtype": "bfloat16",
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "use_thumbnail": True,
        "vision_config": {**VISION, **(vision or {})},
        "llm_config": dict(llm),
        **more,
    }


# Weights -----------------------------------------------------------------------------------------


def weights(raw: Mapping[str, Any], seed: int = 0) -> dict[str, torch.Tensor]:
    """Return random float32 weights by their published names."""
    random = torch.Generator().manual_seed(seed)
    shapes = {**_vision_shapes(raw["vision_config"]), **_text_shapes(raw["llm_config"])}
    side = round(1 / raw["downsample_ratio"])
    joined = raw["vision_config"]["hidden_size"] * side**2
    size = raw["llm_config"]["hidden_size"]
    shapes |= {"mlp1.0.weight": (joined,), "mlp1.0.bias": (joined,)}
    shapes |= {"mlp1.1.weight": (size, joined), "mlp1.1.bias": (size,)}
    shapes |= {"mlp1.3.weight": (size, size), "mlp1.3.bias": (size,)}
    return {k: torch.randn(s, generator=random) * 0.2 + _centre(k) for k, s in shapes.items()}


def _centre(name: str) -> float:
    scales = ("norm.weight", "norm1.weight", "norm2.weight", "mlp1.0.weight", "ls1", "ls2")
    return 1.0 if name.endswith(scales) else 0.0


def _vision_shapes(raw: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    size, middle, patch = raw["hidden_size"], raw["intermediate_size"], raw["patch_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.class_embedding": (1, 1, size),
        "embeddings.patch_embedding.weight": (size, 3, patch, patch),
        "embeddings.patch_embedding.bias": (size,),
        "embeddings.position_embedding": (1, (raw["image_size"] // patch) ** 2 + 1, size),
    }
    for i in range(raw["num_hidden_layers"]):
        layer = f"encoder.layers.{i}."
        shapes |= {f"{layer}ls1": (size,), f"{layer}ls2": (size,)}
        shapes |= {f"{layer}norm1.weight": (size,), f"{layer}norm2.weight": (size,)}
        if raw["norm_type"] == "layer_norm":
            shapes |= {f"{layer}norm1.bias": (size,), f"{layer}norm2.bias": (size,)}
        if raw["qk_normalization"]:
            shapes |= {f"{layer}attn.q_norm.weight": (size,), f"{layer}attn.k_norm.weight": (size,)}
        if raw["qkv_bias"]:
            shapes[f"{layer}attn.qkv.bias"] = (3 * size,)
        shapes |= {
            f"{layer}attn.qkv.weight": (3 * size, size),
            f"{layer}attn.proj.weight": (size, size),
            f"{layer}attn.proj.bias": (size,),
            f"{layer}mlp.fc1.weight": (middle, size),
            f"{layer}mlp.fc1.bias": (middle,),
            f"{layer}mlp.fc2.weight": (size, middle),
            f"{layer}mlp.fc2.bias": (size,),
        }
    return {f"vision_model.{name}": shape for name, shape in shapes.items()}


def _text_shapes(raw: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    size, middle, heads = raw["hidden_size"], raw["intermediate_size"], raw["num_attention_heads"]
    width = raw.get("head_dim", size // heads)
    keys, queries = raw["num_key_value_heads"] * width, heads * width
    shapes: dict[str, tuple[int, ...]] = {}
    internlm2 = raw["architectures"] == INTERNLM2["architectures"]
    for i in range(raw["num_hidden_layers"]):
        layer = f"language_model.model.layers.{i}."
        if internlm2:
            shapes |= {
                f"{layer}attention.wqkv.weight": (size + 2 * keys, size),
                f"{layer}attention.wo.weight": (size, size),
                f"{layer}feed_forward.w1.weight": (middle, size),
                f"{layer}feed_forward.w2.weight": (size, middle),
                f"{layer}feed_forward.w3.weight": (middle, size),
                f"{layer}attention_norm.weight": (size,),
                f"{layer}ffn_norm.weight": (size,),
            }
            if raw["bias"]:
                shapes[f"{layer}attention.wqkv.bias"] = (size + 2 * keys,)
                shapes[f"{layer}attention.wo.bias"] = (size,)
            continue
        for name, rows in (("q", queries), ("k", keys), ("v", keys)):
            shapes[f"{layer}self_attn.{name}_proj.weight"] = (rows, size)
            if raw["model_type"] == "qwen2":
                shapes[f"{layer}self_attn.{name}_proj.bias"] = (rows,)
            elif name != "v":
                shapes[f"{layer}self_attn.{name}_norm.weight"] = (width,)
        shapes |= {
            f"{layer}self_attn.o_proj.weight": (size, queries),
            f"{layer}mlp.gate_proj.weight": (middle, size),
            f"{layer}mlp.up_proj.weight": (middle, size),
            f"{layer}mlp.down_proj.weight": (size, middle),
            f"{layer}input_layernorm.weight": (size,),
            f"{layer}post_attention_layernorm.weight": (size,),
        }
    table, output = _names(raw)
    shapes |= {table: (raw["vocab_size"], size), "language_model.model.norm.weight": (size,)}
    if not raw["tie_word_embeddings"]:
        shapes[output] = (raw["vocab_size"], size)
    return shapes


def _names(raw: Mapping[str, Any]) -> tuple[str, str]:
    if raw["architectures"] == INTERNLM2["architectures"]:
        return "language_model.model.tok_embeddings.weight", "language_model.output.weight"
    return "language_model.model.embed_tokens.weight", "language_model.lm_head.weight"


def save(folder: Path, raw: Mapping[str, Any], stored: Weights) -> None:
    """Write config.json and the weights in two shards with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(raw))
    names, index = sorted(stored), {}
    for number, chosen in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({n: stored[n].contiguous() for n in chosen}, folder / file, {"format": "pt"})
        index |= dict.fromkeys(chosen, file)
    text = json.dumps({"metadata": {}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)


# Forward -----------------------------------------------------------------------------------------


def forward(
    raw: Mapping[str, Any], w: Weights, ids: list[int], tiles: torch.Tensor, image_id: int
) -> torch.Tensor:
    """Return (L, V) logits of a sequence of L ids.

    Args:
        raw: config.json.
        w: the weights.
        ids: the sequence, with `image_id` where the visual tokens go.
        tiles: (n, 3, side, side) pixels.
        image_id: the id of the placeholder.
    """
    text = raw["llm_config"]
    table, output = _names(text)
    states = w[table][torch.tensor(ids)].clone()
    states[torch.tensor(ids) == image_id] = _visual(raw, w, tiles).flatten(0, 1)
    block = _internlm2 if text["architectures"] == INTERNLM2["architectures"] else _qwen
    for i in range(text["num_hidden_layers"]):
        states = block(text, w, f"language_model.model.layers.{i}.", states)
    states = _rms(states, w["language_model.model.norm.weight"], text["rms_norm_eps"])
    return states @ w[table if text["tie_word_embeddings"] else output].T


def _visual(raw: Mapping[str, Any], w: Weights, tiles: torch.Tensor) -> torch.Tensor:
    """Return (n, tokens, size) of the language model."""
    vision = raw["vision_config"]
    layers = [_embedded(vision, w, tiles)]
    for i in range(vision["num_hidden_layers"]):
        layers.append(_vision_layer(vision, w, f"vision_model.encoder.layers.{i}.", layers[-1]))
    x = layers[raw["select_layer"]][:, 1:]
    side = round(x.shape[1] ** 0.5)
    x = _pixel_shuffle(x.unflatten(1, (side, side)), raw["downsample_ratio"]).flatten(1, 2)
    x = F.layer_norm(x, x.shape[-1:], w["mlp1.0.weight"], w["mlp1.0.bias"])
    x = F.gelu(F.linear(x, w["mlp1.1.weight"], w["mlp1.1.bias"]))
    return F.linear(x, w["mlp1.3.weight"], w["mlp1.3.bias"])


def _embedded(raw: Mapping[str, Any], w: Weights, tiles: torch.Tensor) -> torch.Tensor:
    part = "vision_model.embeddings."
    kernel, bias = w[f"{part}patch_embedding.weight"], w[f"{part}patch_embedding.bias"]
    x = F.conv2d(tiles, kernel, bias, stride=raw["patch_size"]).flatten(2).transpose(1, 2)
    first = w[f"{part}class_embedding"].expand(len(x), 1, -1)
    return torch.cat([first, x], dim=1) + w[f"{part}position_embedding"]


def _vision_layer(raw: Mapping[str, Any], w: Weights, layer: str, x: torch.Tensor) -> torch.Tensor:
    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        weight, eps = w[f"{layer}{name}.weight"], raw["layer_norm_eps"]
        if raw["norm_type"] == "rms_norm" or name.startswith("attn"):
            return _rms(x, weight, eps)
        return F.layer_norm(x, x.shape[-1:], weight, w[f"{layer}{name}.bias"], eps)

    n, tokens, size = x.shape
    heads = raw["num_attention_heads"]
    qkv = F.linear(norm("norm1", x), w[f"{layer}attn.qkv.weight"], w.get(f"{layer}attn.qkv.bias"))
    q, k, v = qkv.reshape(n, tokens, 3, heads, size // heads).permute(2, 0, 3, 1, 4).unbind(0)
    if raw["qk_normalization"]:  # over all heads together
        q, k = (
            norm(f"attn.{name}_norm", t.transpose(1, 2).flatten(-2))
            .unflatten(-1, (heads, -1))
            .transpose(1, 2)
            for name, t in (("q", q), ("k", k))
        )
    scores = (q * (size // heads) ** -0.5) @ k.transpose(-2, -1)
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, tokens, size)
    out = F.linear(mixed, w[f"{layer}attn.proj.weight"], w[f"{layer}attn.proj.bias"])
    x = x + out * w[f"{layer}ls1"]
    out = F.linear(norm("norm2", x), w[f"{layer}mlp.fc1.weight"], w[f"{layer}mlp.fc1.bias"])
    out = F.linear(F.gelu(out), w[f"{layer}mlp.fc2.weight"], w[f"{layer}mlp.fc2.bias"])
    return x + out * w[f"{layer}ls2"]


def _pixel_shuffle(x: torch.Tensor, scale: float) -> torch.Tensor:
    """Join blocks of patches (n, width, height, channels) into one, as `ps_version` v2 does."""
    n, width, height, channels = x.shape
    x = x.reshape(n, width, int(height * scale), int(channels / scale)).permute(0, 2, 1, 3)
    x = x.reshape(n, int(height * scale), int(width * scale), int(channels / scale**2))
    return x.permute(0, 2, 1, 3)


def _internlm2(raw: Mapping[str, Any], w: Weights, layer: str, x: torch.Tensor) -> torch.Tensor:
    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, w[f"{layer}{name}.weight"], w.get(f"{layer}{name}.bias"))

    eps, heads, groups = (
        raw["rms_norm_eps"],
        raw["num_attention_heads"],
        raw["num_key_value_heads"],
    )
    queries, width = heads // groups, raw["hidden_size"] // heads
    qkv = linear("attention.wqkv", _rms(x, w[f"{layer}attention_norm.weight"], eps))
    qkv = qkv.reshape(len(x), groups, queries + 2, width)
    q = qkv[:, :, :queries].reshape(len(x), heads, width)
    mixed = _attention(raw, q, qkv[:, :, -2], qkv[:, :, -1])
    x = x + linear("attention.wo", mixed)
    y = _rms(x, w[f"{layer}ffn_norm.weight"], eps)
    y = F.silu(linear("feed_forward.w1", y)) * linear("feed_forward.w3", y)
    return x + linear("feed_forward.w2", y)


def _qwen(raw: Mapping[str, Any], w: Weights, layer: str, x: torch.Tensor) -> torch.Tensor:
    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, w[f"{layer}{name}.weight"], w.get(f"{layer}{name}.bias"))

    y = _rms(x, w[f"{layer}input_layernorm.weight"], raw["rms_norm_eps"])
    width = raw.get("head_dim", raw["hidden_size"] // raw["num_attention_heads"])
    q, k, v = (linear(f"self_attn.{n}_proj", y).unflatten(-1, (-1, width)) for n in "qkv")
    if raw["model_type"] == "qwen3":
        names = [f"{layer}self_attn.{n}_norm.weight" for n in "qk"]
        q, k = (_rms(t, w[n], raw["rms_norm_eps"]) for t, n in zip((q, k), names, strict=True))
    x = x + linear("self_attn.o_proj", _attention(raw, q, k, v))
    y = _rms(x, w[f"{layer}post_attention_layernorm.weight"], raw["rms_norm_eps"])
    return x + linear(
        "mlp.down_proj", F.silu(linear("mlp.gate_proj", y)) * linear("mlp.up_proj", y)
    )


def _attention(
    raw: Mapping[str, Any], q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
) -> torch.Tensor:
    """Return (L, size) of causal attention over (L, heads, width) queries and fewer keys."""
    length, heads, width = q.shape
    cos, sin = _rotary(raw, length, width)
    q, k = (t * cos + _rotate_half(t) * sin for t in (q, k))
    repeats = heads // k.shape[1]
    k, v = (t.repeat_interleave(repeats, dim=1).transpose(0, 1) for t in (k, v))
    scores = q.transpose(0, 1) @ k.transpose(1, 2) / width**0.5
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    mixed = scores.masked_fill(future, float("-inf")).softmax(-1) @ v
    return mixed.transpose(0, 1).reshape(length, heads * width)


def _rotary(raw: Mapping[str, Any], length: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cos and sin (L, 1, width)."""
    scaling, base, limit = (
        raw.get("rope_scaling"),
        raw["rope_theta"],
        raw["max_position_embeddings"],
    )
    positions = torch.arange(length).float()
    if scaling and scaling["type"] == "linear":
        positions = positions / scaling["factor"]
    if scaling and scaling["type"] == "dynamic" and length > limit:
        stretch = scaling["factor"] * length / limit - (scaling["factor"] - 1)
        base = base * stretch ** (width / (width - 2))
    angles = torch.outer(positions, 1.0 / base ** (torch.arange(0, width, 2).float() / width))
    angles = torch.cat([angles, angles], dim=-1)[:, None]
    return angles.cos(), angles.sin()


def _rotate_half(x: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)


def _rms(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))
