"""Write tests/data/lfm2-vl.npz with transformers' own processor of LFM2-VL.

It needs torchvision, which the tests do not. In an environment of its own:

    pip install torchvision -r requirements.txt -r tests/requirements.txt
    python -m tests.models.make_lfm2_fixture
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, Lfm2VlImageProcessor, Lfm2VlProcessor

from tests import tiny, tiny_hybrid

FILE = Path(__file__).parent.parent / "data" / "lfm2-vl.npz"
# Pictures of (height, width): small, of one block, at the bound of tiles, long, wide, large.
SIZES = [
    (32, 32),
    (10, 200),
    (480, 640),
    (512, 512),
    (600, 800),
    (724, 724),
    (725, 725),
    (1080, 1920),
    (1920, 1080),
    (300, 3000),
    (3000, 300),
    (2000, 2000),
    (40, 2000),
]
PICTURES = [(60, 80), (100, 150), (90, 40)]  # whose pixels are kept, in the tiny settings
EVERY = 11  # of the pixels
PROMPT = "what is it?"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = AutoTokenizer.from_pretrained(tiny_hybrid.lfm2_vl(Path(folder) / "model"))
    published = Lfm2VlProcessor(Lfm2VlImageProcessor(), words)
    small = Lfm2VlProcessor(Lfm2VlImageProcessor(**tiny_hybrid.LFM2_PICTURES), words)
    layouts = [_layout(published, size) for size in SIZES]
    arrays = {"layouts": np.frombuffer(json.dumps(layouts).encode(), np.uint8)}
    for number, size in enumerate(PICTURES):
        content = [{"type": "image"}, {"type": "text", "text": PROMPT}]
        text = words.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        made = small(images=[tiny.image(*size)], text=text, return_tensors="pt")
        arrays[f"ids{number}"] = made["input_ids"][0].numpy()
        arrays[f"shapes{number}"] = made["spatial_shapes"].numpy()
        arrays[f"mask{number}"] = made["pixel_attention_mask"].sum(1).numpy()
        arrays[f"pixels{number}"] = made["pixel_values"].flatten()[::EVERY].numpy()
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE.name}: {FILE.stat().st_size} bytes")


def _layout(processor: Lfm2VlProcessor, size: tuple[int, int]) -> dict[str, list]:
    """Return blocks of patches, and what stands for the picture, runs of tokens as numbers."""
    made = processor.image_processor(
        images=[tiny.image(*size)], return_row_col_info=True, return_tensors="pt"
    )
    text = processor.replace_image_token(made, 0, use_image_special_tokens=True)
    parts = re.findall(r"(?:<image>)+|<\|[a-z]\w*\|>", text)
    runs = [len(p) // len("<image>") if p.startswith("<image>") else p for p in parts]
    return {"size": list(size), "shapes": made["spatial_shapes"].tolist(), "runs": runs}


if __name__ == "__main__":
    main()
