"""Reading a parameter of a link, and saying of one that cannot be used why it was left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from explainer.errors import SightlineError
from explainer.methods.base import Knob
from explainer.ui.sections.links import words

T = TypeVar("T")


class Doubts:
    """What could not be used, in sentences."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    @property
    def text(self) -> str:
        return " ".join(self._sentences)

    def add(self, sentence: str) -> None:
        self._sentences.append(sentence)

    def keep(
        self, query: Mapping[str, str], name: str, read: Callable[[str], T], otherwise: T
    ) -> T:
        """Return what a parameter says, or `otherwise` if there is none or it cannot be used."""
        if name not in query:
            return otherwise
        try:
            return read(query[name])
        except SightlineError as error:
            self.add(words.IGNORED.format(name=name, why=str(error).rstrip(".")))
            return otherwise


def number(text: str) -> int | float:
    """Return the number that a parameter spells; `SightlineError` if it is none."""
    try:
        value = float(text)
    except ValueError:
        raise SightlineError(words.NO_NUMBER.format(got=text[:40])) from None
    return int(value) if value.is_integer() else value  # not finite: no knob takes it


def read_knob(knob: Knob, text: str) -> Any:
    """Return the checked value of a knob that a parameter spells."""
    return knob.check(text if knob.kind == "choice" else number(text))
