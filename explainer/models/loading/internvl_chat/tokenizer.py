"""Read the tokenizer of a published checkpoint, with the chat template of the authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast, Qwen2Tokenizer

from explainer.errors import ModelError
from explainer.models.loading.internvl_chat.config import INTERNLM2, language, read_json_if_any
from explainer.models.text.sentencepiece import build_backend, read_model

IMAGE_TOKEN = "<IMG_CONTEXT>"
END = "<|im_end|>"

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
TEMPLATES = {
    "internvl2_5": (_NEW_SYSTEM, END + "\n"),
    "internlm2-chat": (_OLD_SYSTEM, END),
    "Hermes-2": (_OLD_SYSTEM, END),
}


def read_tokenizer(folder: Path, name: str, raw: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder, with the chat template that the authors' code followed.

    Args:
        folder: the checkpoint's files.
        name: what to call it in messages.
        raw: its config.json.

    Raises:
        ModelError: files are missing, or do not know the tokens around pictures.
    """
    if language(raw) == INTERNLM2:
        tokenizer = _internlm2_tokenizer(folder, name)
        start = tokenizer.bos_token
    else:
        tokenizer, start = Qwen2Tokenizer.from_pretrained(folder), ""
    known = tokenizer.get_vocab()
    missing = [token for token in (IMAGE_TOKEN, "<img>", "</img>", END) if token not in known]
    if missing:
        raise ModelError(f"{name}: the tokenizer does not know {', '.join(missing)}")
    tokenizer.chat_template = _chat_template(raw["template"], start)
    return tokenizer


def _internlm2_tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    """Build a fast tokenizer from tokenizer.model and the added tokens beside it."""
    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder)
    if not (folder / "tokenizer.model").is_file():
        raise ModelError(f"{name} is not a complete model: tokenizer.model missing")
    settings = read_json_if_any(folder / "tokenizer_config.json")
    added = {
        i: AddedToken(content, special=True, normalized=False)
        for content, i in read_json_if_any(folder / "added_tokens.json").items()
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
    system, separator = TEMPLATES[template]
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
