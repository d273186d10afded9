"""What transformers' own processors make of pictures and prompts: tests/data/processor-ids.json.

Also, for Gemma 4, of a video with the time of each frame, and where a thought is asked for.

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

import numpy as np
import numpy.typing as npt
import transformers
from PIL import Image
from transformers import PreTrainedTokenizerFast
from transformers.video_utils import VideoMetadata

from explainer.models import family_class
from tests import tiny, tiny_gemma, tiny_tiles

FILE = Path(__file__).parent.parent / "data" / "processor-ids.json"
PROMPT_TEXT = "what is in\n\nthe picture?"
SIZES = ((96, 128), (40, 160), (30, 30), (300, 211))
VIDEO_SIZES = ((40, 60), (96, 128), (30, 90))
FRAMES_A_SECOND, FRAME_NUMBERS = 30.0, (0, 45, 1899)  # of those of a video that are read
VIDEO: dict[str, dict[str, Any]] = {"gemma4": {"patch_size": 4}}  # settings of video processors
# The checkpoint, and what its processor_config.json holds besides.
MADE: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "smolvlm": (tiny_tiles.smolvlm, {"image_seq_len": 4}),
    "idefics3": (tiny_tiles.idefics3, {"image_seq_len": 4}),
    "gemma3": (tiny_gemma.gemma3, {"image_seq_length": 16}),
    "gemma4": (tiny_gemma.gemma4, {}),
    "llava_next": (
        tiny_tiles.llava_next,
        {
            "patch_size": 8,
            "vision_feature_select_strategy": "default",
            "num_additional_image_tokens": 1,
        },
    ),
    "llava_onevision": (
        tiny_tiles.llava_onevision,
        {
            "num_image_tokens": 16,
            "vision_feature_select_strategy": "full",
            "vision_aspect_ratio": "anyres_max_2",
        },
    ),
}


def frames(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return the frames (F, height, width, 3) uint8 that are read of a video."""
    return np.stack([tiny.image(height, width, seed=i) for i in range(len(FRAME_NUMBERS))])


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
        made = getattr(transformers, f"{name}VideoProcessor")(**VIDEO.get(kind, {}))
        parts["video_processor"] = made
    if "feature_extractor" in inspect.signature(make.__init__).parameters:
        parts["feature_extractor"] = getattr(transformers, f"{name}AudioFeatureExtractor")()
    return make(**parts, **options)


def _said(processor: Any, size: tuple[int, int], thinking: bool = False) -> list[list[Any]]:
    picture = {"type": "image", "image": Image.fromarray(tiny.image(*size))}
    content = [picture, {"type": "text", "text": PROMPT_TEXT}]
    made = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        enable_thinking=thinking,
    )
    (ids,) = made["input_ids"]
    return run_lengths(processor.tokenizer.convert_ids_to_tokens(ids))


def _said_of_video(processor: Any, size: tuple[int, int]) -> list[list[Any]]:
    content = [{"type": "video"}, {"type": "text", "text": PROMPT_TEXT}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    about = VideoMetadata(
        total_num_frames=FRAME_NUMBERS[-1] + 1,
        fps=FRAMES_A_SECOND,
        frames_indices=list(FRAME_NUMBERS),
    )
    made = processor(
        text=[text],
        videos=[frames(*size)],
        video_metadata=[about],
        do_sample_frames=False,
        add_special_tokens=False,  # the template wrote them
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
            if kind in VIDEO:
                found[kind] |= {
                    f"video of {h} x {w}": _said_of_video(processor, (h, w)) for h, w in VIDEO_SIZES
                }
                found[kind]["with a thought"] = _said(processor, SIZES[0], thinking=True)
    found["made with"] = {"transformers": transformers.__version__}
    FILE.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
