"""Make a checkpoint of the size of Qwen2-VL-2B with random weights, to measure speed and memory.

    python -m tests.large_checkpoint FOLDER
    python -m explainer bench --model FOLDER --dtype bfloat16 --repeat 1

Template, tokenizer and picture processing are those of the bundled model of that family; the
tokenizer gets as many tokens as the real one has. The folder takes 4.4 GB.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForImageTextToText

BUNDLED = Path(__file__).resolve().parents[1] / "assets" / "models" / "emoji-qwen2-vl"
VOCABULARY, SEED, SHARD = 151_936, 7, 1_000_000_000  # SHARD: bytes of a file
TEXT = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "layer_types": ["full_attention"] * 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
}
VISION = {"depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": 1536, "patch_size": 14}


def main() -> None:
    """Write the checkpoint to the folder that the command line names."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    for path in BUNDLED.glob("*"):
        if path.suffix in (".json", ".jinja"):
            shutil.copy(path, folder / path.name)
    _widen(folder)
    index: dict[str, str] = {}
    for number, shard in enumerate(_shards(folder)):
        name = f"model-{number:05d}.safetensors"
        save_file(shard, folder / name, {"format": "pt"})
        index |= dict.fromkeys(shard, name)
    listing = {"metadata": {}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listing))


def _widen(folder: Path) -> None:
    """Give the settings of the bundled model the sizes of the large one."""
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= TEXT
    config["text_config"]["rope_parameters"] |= {"mrope_section": [16, 24, 24]}
    config["vision_config"] |= VISION
    config["dtype"] = "bfloat16"
    (folder / "config.json").write_text(json.dumps(config))
    pictures = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures | {"patch_size": 14}))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    known = set(vocabulary.values())
    vocabulary |= {f"Ġmore{i}": i for i in range(VOCABULARY) if i not in known}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def _shards(folder: Path) -> Iterator[dict[str, torch.Tensor]]:
    """Yield the weights, in files of about `SHARD` bytes."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder))
    torch.manual_seed(SEED)
    shard: dict[str, torch.Tensor] = {}
    for name, told in model.state_dict().items():
        if name == "lm_head.weight":  # the same as that of the input
            continue
        weight = torch.empty(told.shape, dtype=torch.bfloat16)
        shard[name] = weight.normal_(0, 0.02) if told.ndim > 1 else weight.fill_("norm" in name)
        if sum(part.nbytes for part in shard.values()) > SHARD:
            yield shard
            shard = {}
    yield shard


if __name__ == "__main__":
    main()
