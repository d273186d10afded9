"""Tiny random checkpoints in the hub's own layout, made from configs: nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    CLIPImageProcessorPil,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    GenerationConfig,
    GotOcr2ImageProcessorPil,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
INTERN_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<img>",
    "</img>",
    "<IMG_CONTEXT>",
    "<video>",
)
SMOL_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    "<fake_token_around_image>",
    "<image>",
    "<end_of_utterance>",
)
LATER = "<|later|>"
SENTENCES = (
    "a red apple and a cat on the grass.",
    "the dog sits next to a blue car.",
    "describe the image. what is in the picture?",
    "system user assistant You are a helpful assistant.",
)


def tokenizer(
    vocab_size: int = 420, special: Sequence[str] = SPECIAL, **named: str
) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on a few sentences.

    `named` are its special tokens by use, such as `bos_token`.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES * 5, trainer)
    named = named or {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **named)


def llama_tokenizer(layout: str = "normalizer") -> PreTrainedTokenizerFast:
    """Return a SentencePiece-like BPE tokenizer in Llama's layout, with bytes as a fallback.

    Args:
        layout: what puts a space before words: "normalizer" (the older files, and with them all of
            LLaVA-1.5: before each piece of text between special tokens), or Metaspace's "first"
            (at the start of a sequence only), "always" or "never".
    """
    backend = Tokenizer(_pieces(("<unk>", "<s>", "</s>")))
    if layout == "normalizer":
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=layout, split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    backend.add_special_tokens(["<unk>", "<s>", "</s>", AddedToken("<image>"), "<pad>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


GEMMA3_MARKS = {
    "boi_token": "<start_of_image>",
    "eoi_token": "<end_of_image>",
    "image_token": "<image_soft_token>",
}
GEMMA4_MARKS = {
    "image_token": "<|image|>",
    "video_token": "<|video|>",
    "boi_token": "<|image>",
    "eoi_token": "<image|>",
    "audio_token": "<|audio|>",
    "boa_token": "<|audio>",
    "eoa_token": "<audio|>",
    "soc_token": "<|channel>",
    "eoc_token": "<channel|>",
    "think_token": "<|think|>",
}


def gemma_tokenizer(
    named: Mapping[str, str] = GEMMA3_MARKS, end: str = "<end_of_turn>"
) -> PreTrainedTokenizerFast:
    """Return a SentencePiece-like BPE tokenizer in Gemma's layout.

    Line breaks are words and added tokens at once, and some added tokens are not special.

    Args:
        named: the marks of pictures by their use.
        end: what ends a turn, after the mark that begins one.
    """
    backend = Tokenizer(_pieces(("<pad>", "<eos>", "<bos>", "<unk>"), ("\n", "\n\n")))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    backend.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>"])
    plain = ("[multimodal]", "\n", "\n\n", "<table>")
    backend.add_tokens([AddedToken(text, normalized=False) for text in plain])
    start = "<start_of_turn>" if end == "<end_of_turn>" else "<|turn>"
    backend.add_special_tokens([start, end, *named.values()])
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<bos>",
        eos_token=end,
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=dict(named),
    )


def _pieces(special: Sequence[str], more: Sequence[str] = ()) -> models.BPE:
    """Return a SentencePiece-like model that falls back to bytes.

    Args:
        special: its first tokens.
        more: words that each is the one before it and its own first character.
    """
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    words = trainers.BpeTrainer(vocab_size=160, show_progress=False)
    pieces.train_from_iterator([*SENTENCES * 5, "USER: ASSISTANT: " * 5], words)
    learnt = json.loads(pieces.to_str())["model"]
    known = sorted(learnt["vocab"], key=learnt["vocab"].get)
    tokens = [*special, *(f"<0x{b:02X}>" for b in range(256)), *known, *more]
    merges = [tuple(pair) for pair in learnt["merges"]]
    merges += [(before, word[0]) for before, word in pairwise(more)]
    vocab = {token: number for number, token in enumerate(tokens)}
    return models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def image(height: int = 96, width: int = 128, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return (height, width, 3) uint8 noise over a gradient."""
    noise = np.random.default_rng(seed).integers(0, 128, (height, width, 3))
    return (noise + np.linspace(0, 127, width)[None, :, None]).astype(np.uint8)


def qwen2_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Qwen2-VL with 16 px tokens and 3 padded vocabulary rows; return `folder`."""
    vision = {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    make = Qwen2VLForConditionalGeneration
    config = Qwen2VLConfig(**_shared(vision))
    return _save(folder, config, make, dtype, seed, tokenizer(), _qwen_processor())


def qwen2_5_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 1) -> Path:
    """Save a random Qwen2.5-VL whose vision tower attends within windows; return `folder`.

    With this seed it does not happen to say `<|image_pad|>`, which no plain forward could repeat.
    """
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": 32,
        "depth": 2,
        "window_size": 32,
        "fullatt_block_indexes": [1],
    }
    make = Qwen2_5_VLForConditionalGeneration
    config = Qwen2_5_VLConfig(**_shared(vision))
    return _save(folder, config, make, dtype, seed, tokenizer(), _qwen_processor())


# The control flow of Qwen3-VL's own template, without its tools.
QWEN3_TEMPLATE = """\
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set image_count = namespace(value=0) %}
{%- set video_count = namespace(value=0) %}
{%- for message in messages %}
    {%- if message.role == "user" %}
        {{- '<|im_start|>' + message.role + '\\n' }}
        {%- if message.content is string %}
            {{- message.content }}
        {%- else %}
            {%- for content in message.content %}
                {%- if content.type == 'image' or 'image' in content or 'image_url' in content %}
                    {%- set image_count.value = image_count.value + 1 %}
                    {%- if add_vision_id %}Picture {{ image_count.value }}: {% endif -%}
                    <|vision_start|><|image_pad|><|vision_end|>
                {%- elif content.type == 'video' or 'video' in content %}
                    {%- set video_count.value = video_count.value + 1 %}
                    {%- if add_vision_id %}Video {{ video_count.value }}: {% endif -%}
                    <|vision_start|><|video_pad|><|vision_end|>
                {%- elif 'text' in content %}
                    {{- content.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n' }}
        {%- if message.content is string %}
            {{- message.content }}
        {%- else %}
            {%- for content in message.content %}
                {%- if 'text' in content %}
                    {{- content.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def qwen3_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Qwen3-VL with a DeepStack feature after its first layer; return `folder`.

    Its config.json has the keys of the published ones, which are older than transformers' own.
    """
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": 32,
        "depth": 2,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.2,
    }
    shared = _shared(vision)
    rope = {"rope_type": "default", "mrope_section": [3, 3, 2], "mrope_interleaved": True}
    text = {**shared["text_config"], "head_dim": 16}
    text["rope_parameters"] = {**rope, "rope_theta": 10000.0}
    words = tokenizer()
    words.add_tokens([AddedToken(mark, normalized=False) for mark in ("<think>", "</think>")])
    words.chat_template = QWEN3_TEMPLATE
    text["vocab_size"] = len(words) + 3
    config = Qwen3VLConfig(**{**shared, "text_config": text})
    _save(folder, config, Qwen3VLForConditionalGeneration, dtype, seed, words, _qwen_processor())
    saved = json.loads((folder / "config.json").read_text())
    del saved["text_config"]["rope_parameters"]
    saved["text_config"] |= {"rope_scaling": rope, "rope_theta": 10000.0}
    saved["vision_config"] |= {"model_type": "qwen3_vl"}
    del saved["vision_config"]["rope_parameters"]
    (folder / "config.json").write_text(json.dumps(saved))
    return folder


def llava(
    folder: Path,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    processor: Any = None,
    strategy: str = "default",
    **vision: Any,
) -> Path:
    """Save a random LLaVA-1.5 of 64 x 64 px pictures and 8 px tokens; return `folder`.

    Args:
        processor: its image processor; by default resizing and a centre crop, as on the hub.
        strategy: "default" drops the class token of the vision tower, "full" keeps all features.
        vision: changes to the vision tower's config.
    """
    words = llama_tokenizer()
    tower = {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 8,
        "projection_dim": 16,
        "initializer_factor": 8.0,
    }
    config = LlavaConfig(
        vision_config={**tower, **vision},
        text_config={"model_type": "llama", **_text(words, "<s>", "</s>")},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=64,
        vision_feature_select_strategy=strategy,
    )
    crop = CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    make = LlavaForConditionalGeneration
    return _save(folder, config, make, dtype, seed, words, processor or crop)


def llava_next(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random LLaVA-NeXT of 32 px tiles and 8 px tokens; return `folder`."""
    words = llama_tokenizer()
    config = LlavaNextConfig(
        vision_config={
            "model_type": "clip_vision_model",
            "projection_dim": 16,
            "initializer_factor": 8.0,
            **_TOWER,
        },
        text_config={"model_type": "mistral", **_text(words, "<s>", "</s>")},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=[[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]],
        tie_word_embeddings=False,
    )
    processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": 32},
        crop_size={"height": 32, "width": 32},
        image_grid_pinpoints=config.image_grid_pinpoints,
    )
    make = LlavaNextForConditionalGeneration
    return _save(folder, config, make, dtype, seed, words, processor)


def llava_onevision(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random LLaVA-OneVision of up to 3 x 3 tiles of 36 px, which hold 4 x 4 patches of 8 px
    and a strip besides, and of whose tokens as many are read as 2 tiles have; return `folder`."""
    words = tokenizer(special=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"))
    sides = (36, 72, 108)
    config = LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "vision_use_head": False,
            **_TOWER,
            "image_size": 36,
        },
        text_config={"model_type": "qwen2", **_text(words, "<|endoftext|>", "<|im_end|>")},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=[[height, width] for height in sides for width in sides],
        vision_aspect_ratio="anyres_max_2",
        tie_word_embeddings=False,
    )
    processor = LlavaOnevisionImageProcessorPil(
        size={"height": 36, "width": 36}, image_grid_pinpoints=config.image_grid_pinpoints
    )
    make = LlavaOnevisionForConditionalGeneration
    return _save(folder, config, make, dtype, seed, words, processor)


_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def internvl(
    folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0, text: str = "qwen2"
) -> Path:
    """Save a random InternVL of 64 x 64 px tiles and 16 px tokens; return `folder`.

    Args:
        text: the type of its language model, "qwen2", "qwen3" or "llama".
    """
    words = tokenizer(special=INTERN_SPECIAL)
    wide = {"head_dim": 24} if text == "qwen3" else {}  # as in the smaller ones of InternVL3.5
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [64, 64],
            "patch_size": [8, 8],
            "layer_scale_init_value": 1.0,
            "initializer_range": 0.2,
        },
        text_config={"model_type": text, **_text(words, "<|endoftext|>", "<|im_end|>"), **wide},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    size = {"height": 64, "width": 64}
    processor = GotOcr2ImageProcessorPil(size=size, crop_to_patches=False)
    make = InternVLForConditionalGeneration
    return _save(folder, config, make, dtype, seed, words, processor)


def internvl3_5(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random InternVL3.5, which is InternVL3 around a Qwen3; return `folder`."""
    return internvl(folder, dtype, seed, text="qwen3")


def internvl_with_later_token(folder: Path) -> Path:
    """Save an InternVL whose tokenizer knows one special token more than the model has rows.

    So are InternVL3-*-hf as published, where the token is a placeholder for videos.
    """
    network = InternVLForConditionalGeneration.from_pretrained(internvl(folder))
    words = PreTrainedTokenizerFast.from_pretrained(folder)
    network.resize_token_embeddings(len(words))
    words.add_special_tokens({"additional_special_tokens": [LATER]})
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def smolvlm(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random SmolVLM of 32 px tiles, 4 along the longer side, and 16 px tokens."""
    words = tokenizer(
        460,
        SMOL_SPECIAL,
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
    )
    config = SmolVLMConfig(**_idefics3(words, "smolvlm_vision"))
    make, processor = SmolVLMForConditionalGeneration, SmolVLMImageProcessorPil(**_SMOL_TILES)
    return _save(folder, config, make, dtype, seed, words, processor)


def idefics3(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Idefics3, for whose tokenizer the names of rows and columns are plain text."""
    special = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", *SMOL_SPECIAL[-3:])
    words = tokenizer(
        special=special,
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
        pad_token="<|eot_id|>",
    )
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
    )
    config = Idefics3Config(**_idefics3(words, "idefics3_vision"))
    make, processor = Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil(**_SMOL_TILES)
    return _save(folder, config, make, dtype, seed, words, processor)


_SMOL_TILES = {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 32}}


def _idefics3(words: PreTrainedTokenizerFast, tower: str) -> dict[str, Any]:
    """Return what the configs of SmolVLM and Idefics3 have in common."""
    return {
        "vision_config": {
            "model_type": tower,
            **_TOWER,
            "initializer_range": 0.2,
        },
        "text_config": {"model_type": "llama", **_text(words, words.bos_token, words.eos_token)},
        "image_token_id": words.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
        "tie_word_embeddings": False,
    }


# The control flow of Gemma 3's own template.
GEMMA3_TEMPLATE = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
"""


def gemma3(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Gemma 3 of 64 x 64 px pictures and 16 px tokens; return `folder`.

    Its first layer attends to the last 8 tokens, less than a picture has.
    """
    words = gemma_tokenizer()
    words.chat_template = GEMMA3_TEMPLATE
    text = {
        **_text(words, "<bos>", "<end_of_turn>"),
        "head_dim": 24,
        "query_pre_attn_scalar": 20,
        "sliding_window": 8,
        "sliding_window_pattern": 2,
        "initializer_range": 0.15,
    }
    config = Gemma3Config(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "vision_use_head": False,
        },
        text_config={"model_type": "gemma3_text", **text},
        mm_tokens_per_image=16,
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
        initializer_range=0.2,
    )
    processor = Gemma3ImageProcessorPil(size={"height": 64, "width": 64}, do_pan_and_scan=None)
    make = Gemma3ForConditionalGeneration
    return _save(folder, config, make, dtype, seed, words, processor)


# The control flow of Gemma 4's own templates, without their tools: that of the smaller models.
GEMMA4_TEMPLATE = """\
{%- macro without_thoughts(text) -%}
    {%- set left = namespace(text='') -%}
    {%- for part in text.split('<channel|>') -%}
        {%- set left.text = left.text + part.split('<|channel>')[0] -%}
    {%- endfor -%}
    {{- left.text | trim -}}
{%- endmacro -%}
{{- bos_token -}}
{%- set loop_messages = messages -%}
{%- set thinks = enable_thinking is defined and enable_thinking -%}
{%- if thinks or messages[0]['role'] in ['system', 'developer'] -%}
    {{- '<|turn>system\n' -}}
    {%- if thinks -%}
        {{- '<|think|>\n' -}}
    {%- endif -%}
    {%- if messages[0]['role'] in ['system', 'developer'] -%}
        {{- messages[0]['content'] | trim -}}
        {%- set loop_messages = messages[1:] -%}
    {%- endif -%}
    {{- '<turn|>\n' -}}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{- '<|turn>' + role + '\n' -}}
    {%- if message['content'] is string and role == 'model' -%}
        {{- without_thoughts(message['content']) -}}
    {%- elif message['content'] is string -%}
        {{- message['content'] | trim -}}
    {%- elif message['content'] is sequence -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'text' and role == 'model' -%}
                {{- without_thoughts(item['text']) -}}
            {%- elif item['type'] == 'text' -%}
                {{- item['text'] | trim -}}
            {%- elif item['type'] == 'image' -%}
                {{- '<|image|>' -}}
            {%- elif item['type'] == 'audio' -%}
                {{- '<|audio|>' -}}
            {%- elif item['type'] == 'video' -%}
                {{- '<|video|>' -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{- '<turn|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|turn>model\n' -}}
{%- endif -%}
"""
# Larger models open an answer with an empty thought where none is asked for.
GEMMA4_LARGE_TEMPLATE = f"""\
{GEMMA4_TEMPLATE}
{{%- if add_generation_prompt and not thinks -%}}
    {{{{- '<|channel>thought\n<channel|>' -}}}}
{{%- endif -%}}
"""


def gemma4(
    folder: Path, dtype: torch.dtype = torch.float32, seed: int = 8, both_ways: bool = False
) -> Path:
    """Save a random Gemma 4 of 12 px tokens, at most 70 of a picture; return `folder`.

    Its last two layers attend to the keys and values of the two before them, and its logits are
    capped. Its layers read embeddings of tokens.

    Args:
        both_ways: whether it is built as larger models are: the visual tokens of a picture see each
            other, layers read no embeddings and share no keys, in layers that attend to all tokens
            keys are values, too, and the template is that of larger models.
    """
    words = gemma_tokenizer(GEMMA4_MARKS, "<turn|>")
    words.chat_template = GEMMA4_LARGE_TEMPLATE if both_ways else GEMMA4_TEMPLATE
    text = {
        **_text(words, "<bos>", "<turn|>"),
        "num_hidden_layers": 6,
        "initializer_range": 0.15,
        "head_dim": 16,
        "global_head_dim": 32,
        "num_global_key_value_heads": None,
        "attention_k_eq_v": False,
        "layer_types": ["sliding_attention", "full_attention"] * 3,
        "sliding_window": 8,
        "num_kv_shared_layers": 2,
        "use_double_wide_mlp": True,
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": len(words) + 3,
        "final_logit_softcapping": 30.0,
        "pad_token_id": words.pad_token_id,
        "use_bidirectional_attention": None,
        "enable_moe_block": False,
    }
    if both_ways:
        text |= {"use_bidirectional_attention": "vision", "num_kv_shared_layers": 0}
        text |= {"attention_k_eq_v": True, "num_global_key_value_heads": 2}
        text |= {"use_double_wide_mlp": False, "hidden_size_per_layer_input": 0}
    config = Gemma4Config(
        text_config=text,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 4,
            "pooling_kernel_size": 3,
            "position_embedding_size": 256,
            "use_clipped_linears": not both_ways,
            "standardize": both_ways,
            "initializer_range": 0.2,
        },
        audio_config=None,
        **{
            f"{name}_id": words.convert_tokens_to_ids(GEMMA4_MARKS[name])
            for name in GEMMA4_MARKS
            if name.startswith(("image", "video", "audio", "boi", "eoi", "boa"))
        },
        initializer_range=0.2,
    )
    processor = Gemma4ImageProcessorPil(patch_size=4, pooling_kernel_size=3, max_soft_tokens=70)
    make = Gemma4ForConditionalGeneration
    return _save(folder, config, make, dtype, seed, words, processor)


def _text(words: PreTrainedTokenizerFast, bos: str, eos: str) -> dict[str, Any]:
    """Return the config of a small language model, with 3 padded vocabulary rows."""
    return {
        "vocab_size": len(words) + 3,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "bos_token_id": words.convert_tokens_to_ids(bos),
        "eos_token_id": words.convert_tokens_to_ids(eos),
        "initializer_range": 0.5,
    }


def _shared(vision: dict[str, Any]) -> dict[str, Any]:
    """Return what the configs of both generations have in common.

    The weights are larger than usual, so that answers are not one token over and over.
    """
    words = tokenizer()
    ids = {name: words.convert_tokens_to_ids(name) for name in SPECIAL}
    text = {
        **_text(words, "<|endoftext|>", "<|im_end|>"),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [2, 3, 3],
        },
    }
    return {
        "text_config": text,
        "vision_config": {
            "depth": 1,
            "num_heads": 2,
            "patch_size": 8,
            "spatial_merge_size": 2,
            **vision,
        },
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
    }


# Parameters that transformers starts at zero: without them no picture would count.
_ZERO_AT_FIRST = ("position_embeddings", "cls_token", "mm_input_projection_weight")


def _save(
    folder: Path,
    config: PreTrainedConfig,
    make: Callable[[PreTrainedConfig], PreTrainedModel],
    dtype: torch.dtype,
    seed: int,
    words: PreTrainedTokenizerFast,
    processor: Any,
) -> Path:
    stop = [words.eos_token_id, words.pad_token_id]
    torch.manual_seed(seed)
    model = make(config).to(dtype)
    for name, parameter in model.named_parameters():
        if name.endswith(_ZERO_AT_FIRST):
            torch.nn.init.normal_(parameter, std=0.2)
    model.generation_config = GenerationConfig(eos_token_id=stop, pad_token_id=stop[1])
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _qwen_processor() -> Qwen2VLImageProcessorPil:
    size = {"shortest_edge": 32 * 32, "longest_edge": 128 * 128}
    return Qwen2VLImageProcessorPil(patch_size=8, size=size)
