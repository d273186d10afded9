"""Facts of a loaded model that the page needs before it asks the model anything."""

from __future__ import annotations

from typing import Any


def collect_facts(explainer: Any) -> dict[str, Any]:
    """Return facts of a loaded explainer, or {} for None.

    The keys are label, alphas, model_type, device, dtype, repetition_penalty, can_think and
    answer_costs, which are those of `photograph_costs`.
    """
    family = getattr(explainer, "family", None)
    if family is None:
        return {}
    from explainer.recording.sizes import photograph_costs  # which needs torch, as the model does

    weight = family.unembedding.weight
    return {
        "label": family.label,
        "alphas": family.alphas,
        "model_type": family.model.config.model_type,
        "device": str(family.device),
        "dtype": str(weight.dtype).removeprefix("torch."),
        "repetition_penalty": family.repetition_penalty,
        "can_think": family.can_think,
        "answer_costs": photograph_costs(family),
    }
