"""Read published weights into the parameters of the native class.

InternViT's `qkv` is q, k and v one after the other; InternLM2, otherwise a Llama, keeps one block
of rows for each key-value head in `wqkv`: its query heads, key, value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import InternVLConfig, InternVLForConditionalGeneration

from explainer.errors import ModelError
from explainer.models.loading.internvl_chat.config import INTERNLM2, QWEN2, QWEN3, TextConfig
from explainer.models.loading.weights import weight_files

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
_QWEN_NAMES = (
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
_TEXT_NAMES = {
    QWEN2: _QWEN_NAMES,
    QWEN3: _QWEN_NAMES,
    INTERNLM2: (
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


@dataclass(frozen=True)
class _Source:
    """The stored tensor of a parameter: all of it, or the "q", "k" or "v" of a fused one."""

    tensor: str
    part: str = ""


@dataclass(frozen=True, eq=False)
class _Stored:
    """A parameter that is read from its file when indexed."""

    tensor: Any
    part: str
    groups: int
    queries: int

    def __getitem__(self, index: Any) -> torch.Tensor:
        tensor = self.tensor[...]
        if not self.part:
            return tensor[index]
        return _part(tensor, self.part, self.groups, self.queries)[index]


def read_network(
    folder: Path,
    name: str,
    config: InternVLConfig,
    language: str,
    options: Mapping[str, Any],
) -> InternVLForConditionalGeneration:
    """Return the native network with the published weights.

    Args:
        folder: the checkpoint's files.
        name: what to call it in messages.
        config: of the native class; it is told if the weights are not tied after all.
        language: the architecture of the language model, as config.json names it.
        options: for `from_pretrained`: dtype, device_map, quantization and so on.

    Raises:
        ModelError: weights are missing, not known, or of another shape than config.json says.
    """
    with ExitStack() as files:
        stored: dict[str, Any] = {}
        for path in weight_files(folder):
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
    rules: Sequence[tuple[str, str]]
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


def _fusing(tensor: str, text: TextConfig) -> tuple[int, int]:
    """Return how many groups a fused tensor has, and how many query heads are in each."""
    if ".wqkv." not in tensor:
        return 1, 1
    return text.num_key_value_heads, text.num_attention_heads // text.num_key_value_heads


def _part(tensor: torch.Tensor, part: str, groups: int, queries: int) -> torch.Tensor:
    """Return a copy of q, k or v of a fused weight (rows, inputs) or bias (rows,).

    The rows are `groups` blocks, and each block is `queries` heads of q, one of k and one of v.
    """
    blocks = tensor.unflatten(0, (groups, queries + 2, -1))
    chosen = {"q": blocks[:, :queries], "k": blocks[:, queries], "v": blocks[:, queries + 1]}[part]
    # One copy, which lets go of the fused tensor.
    return chosen.clone(memory_format=torch.contiguous_format).view(-1, *tensor.shape[1:])


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
        said = [f"{_some(keys)} {word}" for keys, word in _list_differences(missing, unknown)]
        raise ModelError(f"{name}: config.json and the weights disagree: {'; '.join(said)}")
    for tensor, shape in wanted.items():
        found = tuple(stored[tensor].get_shape())
        if found != shape:
            raise ModelError(
                f"{name}: config.json and the weights disagree: "
                f"{tensor} is {found} and should be {shape}"
            )


def _list_differences(missing: list[str], unknown: list[str]) -> list[tuple[list[str], str]]:
    return [(k, w) for k, w in ((missing, "missing"), (unknown, "not known")) if k]


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
