"""Load a model as an `Explainer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from explainer.models.loading.checkpoint import is_folder
from explainer.models.loading.options import LoadOptions, OnProgress

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

BUNDLED = Path(__file__).parent.parent.parent / "assets" / "models" / "emoji-qwen2-vl"


def load(
    model_or_path: str | Path = BUNDLED,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    *,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> Explainer:
    """Return an `Explainer` for the bundled model, a folder in the hub's layout, or a hub id.

    Args:
        model_or_path: folder or hub id.
        device: "auto" (CUDA if there is one, else MPS, else CPU), or a torch device.
        dtype: "auto", "float32", "bfloat16" or "float16". "auto" is the checkpoint's own on a GPU;
            on a CPU bfloat16 where it computes that natively (AMX, AVX512-BF16, Arm's BF16), else
            float32, which tiny models keep everywhere.
        revision: a branch, tag or commit of the hub id.
        on_progress: called with each `LoadStep`; raising `LoadCancelled` there ends the load.
        options: quantize, device_map, adapter, attention, tiles and so on, see `LoadOptions`.

    Raises:
        ModelError: the checkpoint is missing, incomplete, unsupported, does not fit into the
            memory, or needs code of its own.
    """
    wanted = LoadOptions(device, dtype, revision, **options)
    if not wanted.for_visitor:
        is_folder(str(model_or_path))  # a missing one is told before torch is imported
    from explainer.models.loading.load import load_family
    from explainer.recording.explainer import Explainer

    return Explainer(load_family(model_or_path, wanted, on_progress))
