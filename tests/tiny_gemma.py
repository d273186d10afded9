"""Tiny random checkpoints of Gemma 3 and 4, made as those of `tiny`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4ImageProcessorPil,
    PreTrainedTokenizerFast,
)

from tests import tiny

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
    backend = Tokenizer(tiny._pieces(("<pad>", "<eos>", "<bos>", "<unk>"), ("\n", "\n\n")))
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
        **tiny._text(words, "<bos>", "<end_of_turn>"),
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
    return tiny._save(folder, config, make, dtype, seed, words, processor)


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
        **tiny._text(words, "<bos>", "<turn|>"),
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
    return tiny._save(folder, config, make, dtype, seed, words, processor)
