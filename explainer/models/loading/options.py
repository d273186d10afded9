"""Options of loading a model, and its progress. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explainer.errors import ModelError

DTYPES = ("auto", "float32", "bfloat16", "float16")
QUANTIZE = ("4bit", "8bit")
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
ATTENTION = ("sdpa", "flash_attention_2")

LOOKING_UP = "looking up"
DOWNLOADING = "downloading"
WEIGHTS = "reading weights"


@dataclass(frozen=True)
class LoadStep:
    """Progress of a load.

    Attributes:
        stage: `LOOKING_UP`, `DOWNLOADING` or `WEIGHTS`, as shown to users.
        done: bytes done.
        total: all bytes, 0 if unknown.
    """

    stage: str
    done: int = 0
    total: int = 0


OnProgress = Callable[[LoadStep], None]


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model; raises `ModelError` for invalid values.

    Attributes:
        device: "auto" (CUDA if there is one, else MPS, else CPU), or a torch device.
        dtype: "auto", or one of `DTYPES`. "auto" is the checkpoint's own on a GPU, and on a CPU
            what `precision.auto_dtype` says: bfloat16 where it is native, float32 elsewhere.
        revision: a branch, tag or commit of the hub id.
        quantize: None, "4bit" or "8bit".
        device_map: None, one of `DEVICE_MAPS` or a mapping as accelerate takes it, for a model that
            is spread over several GPUs.
        adapter: folder of a LoRA adapter for the model.
        attention: one of `ATTENTION`.
        tiles: largest number of tiles, for families that tile pictures.
        reclaimable: bytes on the device that the caller frees at the step `WEIGHTS`; they count as
            free in the check whether the model fits.
        for_visitor: whether a visitor typed the name: it must be a hub id, is looked up without the
            owner's token, and its download leaves `hub.RESERVE` of the disk free.
    """

    device: str = "auto"
    dtype: str = "auto"
    revision: str | None = None
    quantize: str | None = None
    device_map: str | Mapping[str, Any] | None = None
    adapter: str | Path | None = None
    attention: str = "sdpa"
    tiles: int | None = None
    reclaimable: int = 0
    for_visitor: bool = False

    def __post_init__(self) -> None:
        _check("dtype", self.dtype, DTYPES)
        _check("attention", self.attention, ATTENTION)
        if self.quantize is not None:
            _check("quantize", self.quantize, QUANTIZE)
        if isinstance(self.device_map, str):
            _check("device_map", self.device_map, DEVICE_MAPS)
        if self.tiles is not None and (isinstance(self.tiles, bool) or int(self.tiles) < 1):
            raise ModelError(f"tiles must be at least 1, got {self.tiles}")

    @property
    def family_options(self) -> dict[str, Any]:
        """Return the options of single families that are set."""
        return {} if self.tiles is None else {"tiles": int(self.tiles)}


def _check(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ModelError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
