"""The formats that a run can leave the program in, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from explainer.errors import SightlineError
from explainer.export.data import maps_json
from explainer.export.exhibit import Exhibit, chips, words
from explainer.export.figure import figure_png, figure_svg
from explainer.export.film import film_gif, film_webp
from explainer.export.run_file import run_file
from explainer.methods.subjects import Span
from explainer.run import Run
from explainer.web.one_file import one_file

WORD, WHOLE, RECORD = "word", "whole", "record"
DRAWN = ("png", "gif", "webp")  # formats whose text is drawn with fonts of this machine


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        name: also the ending of its files.
        mime: its media type.
        scope: what is in a file: one `WORD`, the `WHOLE` of what was asked for, or the `RECORD`.
        make: returns the file of an exhibit.
        pieces: what is in it if nothing particular was asked for.
    """

    name: str
    mime: str
    scope: str
    make: Callable[[Exhibit], bytes]
    pieces: Callable[[Run], list[Span]] = chips


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        f.name: f
        for f in (
            Format("png", "image/png", WORD, figure_png),
            Format("svg", "image/svg+xml", WORD, figure_svg),
            Format("gif", "image/gif", WHOLE, film_gif, words),
            Format("webp", "image/webp", WHOLE, film_webp, words),
            Format("html", "text/html", WHOLE, one_file),
            Format("json", "application/json", WHOLE, maps_json),
            Format("npz", "application/octet-stream", RECORD, run_file),
        )
    }
)


def find_format(name: Any) -> Format:
    """Return the format with this name; `SightlineError` if there is none."""
    if not isinstance(name, str) or name not in FORMATS:
        raise SightlineError(f"there is no format {name!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]
