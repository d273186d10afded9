"""Parse `--methods`, shared by `explain` and `evaluate`: names separated by commas."""

from __future__ import annotations

from explainer.methods import METHODS

ALL = "all"


def split_list(text: str) -> list[str]:
    """Split a list typed with commas, dropping empty parts."""
    return [part.strip() for part in text.split(",") if part.strip()]


def split_methods(text: str) -> list[str]:
    """Return the distinct names in a list of methods, with `ALL` replaced by those of `METHODS`."""
    names = split_list(text)
    return list(dict.fromkeys(n for name in names for n in (METHODS if name == ALL else (name,))))
