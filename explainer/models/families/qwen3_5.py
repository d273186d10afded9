"""Qwen3.5 and 3.6: Qwen3-VL's inputs for a decoder in which three of four layers are recurrent."""

from __future__ import annotations

from explainer.models.families.qwen2_vl import TURNS
from explainer.models.families.qwen3_vl import Qwen3VL

_THOUGHT = (
    "{% if add_generation_prompt %}{% if enable_thinking %}<think>\n"
    "{% else %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)


class Qwen35(Qwen3VL):
    """Qwen3.5 and Qwen3.6, dense.

    Three of four layers are gated DeltaNets: in place of attention they carry a state from token to
    token. All features of the picture enter at its visual tokens; there is no DeepStack.

    The template opens an answer with a thought, or with an empty one where thinking is off, and
    takes spaces off the end of the user's text.
    """

    label = "Qwen3.5"
    model_class = "Qwen3_5ForConditionalGeneration"
    template = TURNS + _THOUGHT


class Qwen35Moe(Qwen35):
    """Qwen3.5 and Qwen3.6 with a mixture of experts: a router chooses some of them for a token."""

    label = "Qwen3.5 MoE"
    model_class = "Qwen3_5MoeForConditionalGeneration"
