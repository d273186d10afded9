"""The content of an export: words of a run, methods, and colours.

Every format is a function from an `Exhibit` to the bytes of a file.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from explainer.errors import MethodError, RunError, SightlineError
from explainer.export.colours import COVERS, DIVERGING, OPACITY, RGB, SEQUENTIAL
from explainer.media.images import fit
from explainer.methods import Method, combine_maps
from explainer.methods.base import Heatmap
from explainer.methods.subjects import (
    Span,
    Subject,
    explain_subject,
    places,
    read_words,
    text_of,
    words_of,
)
from explainer.run import ANSWER, Run

_LARGEST = 900  # enough for any panel
THEMES = ("light", "dark")


@dataclass(frozen=True)
class Look:
    """How maps are drawn.

    Attributes:
        colours: a table in `SEQUENTIAL`, for unsigned maps.
        diverging: a table in `DIVERGING`, for signed ones.
        opacity: share of the colour in the mixture with the picture, 0 to 1.
        cover: one of `COVERS`, what the colours cover.
        theme: one of `THEMES`, the colours of paper and ink.
    """

    colours: str = "inferno"
    diverging: str = "RdBu_r"
    opacity: float = OPACITY
    cover: str = COVERS[0]
    theme: str = "light"

    def __post_init__(self) -> None:
        allowed = {
            "colours": SEQUENTIAL,
            "diverging": DIVERGING,
            "cover": COVERS,
            "theme": THEMES,
        }
        for name, names in allowed.items():
            value = getattr(self, name)
            if not isinstance(value, str) or value not in names:
                raise SightlineError(f"{name} must be one of {', '.join(names)}, got {value!r}")
        if isinstance(self.opacity, bool) or not isinstance(self.opacity, (int, float)):
            raise SightlineError(f"opacity is a number, got {self.opacity!r}")
        if not 0 <= self.opacity <= 1:  # NaN fails too
            raise SightlineError(f"opacity must lie in 0..1, got {self.opacity:g}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Look:
        """Make a look from these fields; raise `SightlineError` for unknown or wrong ones."""
        names = [field.name for field in fields(cls)]
        if unknown := sorted(set(map(str, values)) - set(names)):
            raise SightlineError(f"a look has no {unknown[0]!r}; it has {', '.join(names)}")
        return cls(**values)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A method with the values of all its knobs, as `Method.settings` returns them."""

    method: Method
    settings: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Exhibit:
    """Words of a run and the methods that explain them.

    Attributes:
        run: the run to export.
        chosen: one method or more, in the order of display.
        subjects: the words, one or more.
        look: colours.
        date: date of the export in the small print.
    """

    run: Run
    chosen: tuple[Chosen, ...]
    subjects: tuple[Subject, ...]
    look: Look = field(default_factory=Look)
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def __post_init__(self) -> None:
        if not self.chosen:
            raise MethodError("there is no method to show")
        if not self.subjects:
            raise RunError("there is no word to show")

    @cached_property
    def heats(self) -> tuple[tuple[Heatmap, ...], ...]:
        """Return the heatmaps by each method, for each subject."""
        by_method = [self._explain_subjects(chosen) for chosen in self.chosen]
        return tuple(zip(*by_method, strict=True))

    @cached_property
    def photos(self) -> tuple[RGB, ...]:
        """Return the pictures, scaled to at most `_LARGEST` pixels."""
        return tuple(fit(image, _LARGEST) for image in self.run.images)

    def _explain_subjects(self, chosen: Chosen) -> list[Heatmap]:
        """Return the heatmap of each subject; all tokens of the run are explained in one call."""
        method, settings = chosen.method, chosen.settings
        spans = [s for s in self.subjects if isinstance(s, Span)]
        tokens = list(dict.fromkeys(t for span in spans for t in span.tokens))
        maps = method.explain_many(self.run, tokens, **settings)
        by_token = dict(zip(tokens, maps, strict=True))
        return [
            combine_maps([by_token[t] for t in subject.tokens], subject.by)
            if isinstance(subject, Span) and subject.tokens
            else explain_subject(method, self.run, subject, **settings)
            for subject in self.subjects
        ]


def title(run: Run, subject: Subject) -> str:
    """Return the heading of a subject: "cat", or "cat, not dog" for a contrast."""
    said = [text_of(run, word).strip() or text_of(run, word) for word in words_of(subject)]
    return ", not ".join(said)


def tokens_of(subject: Subject) -> tuple[int, ...]:
    """Return the tokens to mark in the sentence: where the subject stands or would stand."""
    return places(words_of(subject)[0])


def chips(run: Run, role: int = ANSWER) -> list[Span]:
    """Return the chips of this role, in order."""
    return [Span(chip.tokens) for chip in run.chips if chip.role == role]


def words(run: Run, role: int = ANSWER) -> list[Span]:
    """Return the words of the answer in order, without those that are white space only."""
    return [
        Span(word.tokens)
        for word in read_words(run)
        if run.chips[word.chips[0]].role == role and word.text.strip()
    ]
