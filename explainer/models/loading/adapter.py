"""Apply a LoRA adapter to a loaded model: safetensors only, by peft."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch

from explainer.errors import ModelError
from explainer.models.loading.placing import need

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def check_adapter(folder: str | Path) -> str:
    """Return a name for the adapter that depends on its weights; raise `ModelError` if invalid."""
    need("peft", "an adapter")
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"no adapter at {folder}: there is no such folder")
    missing = [name for name in (_CONFIG, _WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"{folder} is no adapter in safetensors: {', '.join(missing)} missing")
    config = _config(folder)
    if config.get("peft_type") != "LORA":
        raise ModelError(f"{folder} is a {config.get('peft_type')} adapter; only LORA is supported")
    if config.get("megatron_config"):  # peft would import a module named by the file
        raise ModelError(f"{folder} was made for megatron; it is not supported")
    digest = hashlib.sha256((folder / _WEIGHTS).read_bytes()).hexdigest()
    return f"{folder.resolve().name}@{digest[:12]}"


def apply_adapter(network: Any, folder: str | Path, model_id: str, quantized: bool) -> Any:
    """Apply the adapter to the network: merged or, if `quantized`, beside its weights.

    Raises:
        ModelError: the adapter does not fit this model.
    """
    import peft

    folder = Path(folder)
    words, head = network.get_input_embeddings(), network.get_output_embeddings()
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            adapted = peft.PeftModel.from_pretrained(network, str(folder))
    except Exception as error:  # of many types: missing target modules, other shapes
        raise ModelError(_misfit(folder, model_id, error)) from error
    lost = [str(w.message) for w in said if "missing adapter keys" in str(w.message)]
    if lost or _unused(adapted, folder):
        raise ModelError(_misfit(folder, model_id, "its tensors have no place in this model"))
    head_changes = network.get_output_embeddings() is not head
    if not quantized:
        if head.weight is words.weight and (
            head_changes or network.get_input_embeddings() is not words
        ):  # merging into one of two matrices that are tied would change the other
            head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
        return adapted.merge_and_unload()
    if head_changes:
        raise ModelError(
            f"the adapter {folder.name} changes the unembedding, which cannot be told apart from "
            "the model's own while it is quantized; load it without quantize"
        )
    return adapted.get_base_model()


def _unused(adapted: Any, folder: Path) -> set[str]:
    """Return the names of tensors in the file that the adapted model does not use."""
    from peft.utils.save_and_load import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(folder / _WEIGHTS, framework="pt") as file:
        names = {name for name in file.keys() if "lora_" in name}  # noqa: SIM118
    with torch.no_grad():
        return names - set(get_peft_model_state_dict(adapted, save_embedding_layers=False))


def _misfit(folder: Path, model_id: str, why: object) -> str:
    made_for = _config(folder).get("base_model_name_or_path") or "a model that it does not name"
    reason = next(iter(str(why).strip().splitlines()), type(why).__name__)
    return (
        f"the adapter {folder.name} does not fit {model_id}: it was made for {made_for}; load that "
        f"model with it ({reason[:200]})"
    )


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{folder / _CONFIG} is damaged") from None
    return found if isinstance(found, dict) else {}
