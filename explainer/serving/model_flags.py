"""The flags that choose and load a model, shared by the page and all commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from explainer.models.loading.options import ATTENTION, DEVICE_MAPS, DTYPES, QUANTIZE

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

NAMES = (
    "model",
    "revision",
    "device",
    "dtype",
    "quantize",
    "device_map",
    "adapter",
    "attention",
    "tiles",
)


def add_model_flags(parser: argparse.ArgumentParser, positional: bool = False) -> None:
    """Add the flags of a model: `--model` or the argument MODEL, and how to load it."""
    add = parser.add_argument_group("model").add_argument
    if positional:
        parser.add_argument("model", metavar="MODEL", help="hub id or folder")
    else:
        add("--model", metavar="ID", help="hub id or folder; default: the bundled model")
    add("--revision", help="branch, tag or commit of the hub id")
    add(
        "--device",
        default="auto",
        help="auto (cuda, then mps, then cpu), cpu, cuda, cuda:N or mps; default: auto",
    )
    add(
        "--dtype",
        default="auto",
        metavar="TYPE",
        help=f"{_or(DTYPES)}; default: auto, the checkpoint's own on a GPU; on a CPU bfloat16 "
        "where it computes that natively, else float32",
    )
    add(
        "--quantize",
        metavar="BITS",
        help=f"{_or(QUANTIZE)}: by bitsandbytes on CUDA; elsewhere 8bit, by quanto",
    )
    add(
        "--device-map",
        metavar="MAP",
        help=f"spread the model over all GPUs: {_or(DEVICE_MAPS)}; needs accelerate",
    )
    add("--adapter", metavar="FOLDER", help="LoRA adapter to put onto the model; needs peft")
    add(
        "--attention",
        default=ATTENTION[0],
        metavar="KIND",
        help=f"{_or(ATTENTION)}; default: {ATTENTION[0]}",
    )
    add(
        "--tiles",
        type=int,
        metavar="N",
        help="largest number of tiles of a picture, for models that tile (InternVL, SmolVLM)",
    )


def load_from_flags(args: argparse.Namespace) -> Explainer:
    """Load the model that the flags name; raise `ModelError` as `explainer.load` does."""
    from explainer.recording.load import BUNDLED, load

    return load(args.model or BUNDLED, **load_options(args))


def load_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `explainer.load` in the flags, except for the model."""
    values = {name: getattr(args, name) for name in NAMES if name != "model"}
    return {name: value for name, value in values.items() if value not in (None, "")}


def silence_libraries() -> None:
    """Silence the progress bars and warnings of transformers and huggingface_hub."""
    import huggingface_hub
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    huggingface_hub.utils.logging.set_verbosity_error()


def _or(names: tuple[str, ...]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}"
