"""What visitors of a server may do with its models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """What visitors may do.

    Attributes:
        any_model: whether they may name a model that is not on the list.
        at_start_only: whether models are loaded at the start only, as ZeroGPU requires.
        why: a sentence on why the list is short, or "".
    """

    any_model: bool = False
    at_start_only: bool = False
    why: str = ""
