"""The flag `--methods`, which `explain` and `evaluate` read alike: names with commas between."""

from __future__ import annotations

from explainer.methods import METHODS

ALL = "all"


def split_list(text: str) -> list[str]:
    """Return the parts of a list that was typed with commas, without the empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def split_methods(text: str) -> list[str]:
    """Return the names in a list of methods, each once, with `ALL` written out as the names of
    `METHODS`: those that need no model."""
    names = split_list(text)
    return list(dict.fromkeys(n for name in names for n in (METHODS if name == ALL else (name,))))
