"""Choose device, dtype, quantization, attention and device map of a model."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

from explainer.errors import ModelError
from explainer.models.loading.options import LoadOptions


def pick_device(options: LoadOptions) -> torch.device:
    """Return the device of the options; raise `ModelError` if this machine lacks it."""
    if options.device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(options.device)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda", "mps"):
        raise ModelError(f"no such device: {options.device!r}; use auto, cpu, cuda, cuda:N or mps")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ModelError("there is no CUDA device here; use device auto or cpu")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise ModelError(f"there is no {chosen}; use cuda:0 to cuda:{last}, or auto")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError("there is no MPS device here (it is Apple's); use device auto or cpu")
    return chosen


def network_options(options: LoadOptions, device: torch.device) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` of the network for these options.

    Raises `ModelError` for missing packages, and for options that exclude each other.
    """
    wanted: dict[str, Any] = {
        "dtype": network_dtype(options, device),
        "attn_implementation": _attention(options, device),
        "use_safetensors": True,
    }
    if options.quantize:
        wanted["quantization_config"] = _quantization(options.quantize, device)
    device_map = _device_map(options, device)
    if device_map is not None:
        wanted["device_map"] = device_map
    if isinstance(device_map, str) and device.type == "cuda":
        # Without the CPU: what does not fit on the GPUs is refused, as moving layers for each token
        # would be too slow.
        free = {i: torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())}
        wanted["max_memory"] = {i: int(0.9 * n) for i, n in free.items()}
    return wanted


def offered(device: torch.device) -> tuple[str, ...]:
    """Return the quantizations to suggest: both on CUDA, else 8 bits with quanto."""
    if device.type == "cuda":
        return ("8bit", "4bit")
    return ("8bit",) if installed("optimum.quanto") else ()


def installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is missing
        return False


def need(module: str, what: str, package: str = "") -> None:
    """Raise `ModelError` with the command to install `module` unless it is installed."""
    if not installed(module):
        raise ModelError(f"{what} needs {module}; install it with: pip install {package or module}")


def network_dtype(options: LoadOptions, device: torch.device) -> torch.dtype | str:
    """Return the dtype that `from_pretrained` takes; "auto" is the checkpoint's own."""
    if options.dtype != "auto":
        return getattr(torch, options.dtype)
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if options.quantize else "auto"


def _attention(options: LoadOptions, device: torch.device) -> str:
    if options.attention == "flash_attention_2":
        if device.type != "cuda":
            raise ModelError(f"flash_attention_2 runs on CUDA only, not on {device}; use sdpa")
        if options.dtype == "float32":
            raise ModelError("flash_attention_2 takes no float32; use dtype bfloat16, or sdpa")
        need("flash_attn", "attention flash_attention_2", "flash-attn --no-build-isolation")
    return options.attention


def _quantization(quantize: str, device: torch.device) -> Any:
    """Return the quantization config: bitsandbytes on CUDA, quanto for 8 bits elsewhere.

    With 4 bits quanto compiles code on first use, which takes minutes and a compiler; it is not
    offered.
    """
    import transformers

    if device.type == "cuda" and installed("bitsandbytes"):
        need("accelerate", f"quantize {quantize}")
        return transformers.BitsAndBytesConfig(
            load_in_4bit=quantize == "4bit",
            load_in_8bit=quantize == "8bit",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    if quantize == "4bit" and device.type != "cuda":
        raise ModelError(f"quantize 4bit runs on CUDA only, not on {device.type}; use 8bit")
    if quantize == "4bit" or not installed("optimum.quanto"):
        package = "bitsandbytes" if device.type == "cuda" else "optimum-quanto"
        raise ModelError(
            f"quantize {quantize} on {device.type} needs {package}; install it with: "
            f"pip install {package} accelerate"
        )
    need("accelerate", f"quantize {quantize}")
    return transformers.QuantoConfig(weights="int8")


def _device_map(options: LoadOptions, device: torch.device) -> Any:
    """Return the map for accelerate, or None to move the network to its device."""
    given = options.device_map
    if given is None:
        direct = options.quantize or (device.type == "cuda" and installed("accelerate"))
        return {"": device} if direct else None
    need("accelerate", "device_map")
    if isinstance(given, str):
        if options.device not in ("auto", "cuda"):
            raise ModelError(f"device_map {given} chooses the devices; leave device at auto")
        return given if device.type == "cuda" else {"": device}
    places = {str(place) for place in given.values()}
    if "disk" in places or ("cpu" in places and len(places) > 1):
        raise ModelError(OFFLOADED)
    return dict(given)


OFFLOADED = (
    "the device map puts a part of the model on the CPU or the disk beside GPUs; states and "
    "unembedding are needed at every token, so all parts have to be on GPUs. Use more GPUs, "
    "quantize 4bit, or a smaller model"
)
