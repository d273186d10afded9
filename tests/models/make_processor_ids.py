"""What transformers' own processors make of a picture and a prompt: tests/data/processor-ids.json.

To be run where torchvision and num2words are installed, which the processors need and nothing else
here does:

    python -m tests.models.make_processor_ids
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import transformers
from PIL import Image
from transformers import PreTrainedTokenizerFast

from explainer.models import family_class
from tests import tiny

FILE = Path(__file__).parent.parent / "data" / "processor-ids.json"
PROMPT_TEXT = "what is in\n\nthe picture?"
SIZES = ((96, 128), (40, 160), (30, 30), (300, 211))
# The checkpoint, and what its processor_config.json holds besides.
MADE: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "smolvlm": (tiny.smolvlm, {"image_seq_len": 4}),
    "idefics3": (tiny.idefics3, {"image_seq_len": 4}),
    "gemma3": (tiny.gemma3, {"image_seq_length": 16}),
    "gemma4": (tiny.gemma4, {}),
    "llava_next": (
        tiny.llava_next,
        {
            "patch_size": 8,
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
    ),
    "llava_onevision": (
        tiny.llava_onevision,
        {
            "num_image_tokens": 16,
            "vision_feature_select_strategy": "full",
            "vision_aspect_ratio": "anyres_max_2",
        },
    ),
}


def run_lengths(tokens: list[str]) -> list[list[Any]]:
    """Return [token, how often it comes in a row] for each run of equal tokens."""
    return [[token, len(list(run))] for token, run in groupby(tokens)]


def _processor(kind: str, folder: Path, options: dict[str, Any]) -> Any:
    """Return the processor of a checkpoint, put together from its parts."""
    family = family_class(kind)
    name = family.model_class.removesuffix("ForConditionalGeneration")
    words = PreTrainedTokenizerFast.from_pretrained(folder)
    make = getattr(transformers, f"{name}Processor")
    parts = {
        "image_processor": getattr(transformers, f"{name}ImageProcessor").from_pretrained(folder),
        "tokenizer": words,
        "chat_template": words.chat_template or family.template,
    }
    if "video_processor" in inspect.signature(make.__init__).parameters:
        parts["video_processor"] = getattr(transformers, f"{name}VideoProcessor")()
    if "feature_extractor" in inspect.signature(make.__init__).parameters:
        parts["feature_extractor"] = getattr(transformers, f"{name}AudioFeatureExtractor")()
    return make(**parts, **options)


def _said(processor: Any, size: tuple[int, int]) -> list[list[Any]]:
    picture = {"type": "image", "image": Image.fromarray(tiny.image(*size))}
    content = [picture, {"type": "text", "text": PROMPT_TEXT}]
    made = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    (ids,) = made["input_ids"]
    return run_lengths(processor.tokenizer.convert_ids_to_tokens(ids))


def main() -> None:
    """Write the tokens of each family and size."""
    found: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as place:
        for kind, (make, options) in MADE.items():
            processor = _processor(kind, make(Path(place) / kind), options)
            found[kind] = {f"{h} x {w}": _said(processor, (h, w)) for h, w in SIZES}
    found["made with"] = {"transformers": transformers.__version__}
    FILE.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
