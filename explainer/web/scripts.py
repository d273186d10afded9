"""The scripts and styles of the page, and which of them draw what pages in one file show too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).parent


@dataclass(frozen=True)
class PagePart:
    """A part of a page: the scripts that draw it, in order, and the constant HTML to begin with."""

    scripts: tuple[str, ...]
    template: str

    @property
    def code(self) -> str:
        """Return the text of its scripts."""
        return "".join(map(read, self.scripts))


TOKENS = PagePart(
    ("state.js", "paint.js", "toolbar.js", "film.js", "tokens.js", "spans.js", "evidence.js"),
    '<div class="sl-tokens" role="group"></div>',
)
MAPS = PagePart(
    (
        "state.js",
        "paint.js",
        "toolbar.js",
        "strip.js",
        "maps.js",
        "zoom.js",
        "probe.js",
        "places.js",
        "contour.js",
        "compare.js",
        "methods.js",
        "panels.js",
        "save.js",
        "view.js",
    ),
    '<div class="sl-view"></div>',
)
BACKDROP = PagePart(("state.js", "backdrop.js"), '<div hidden class="sl-backdrop"></div>')


def read(name: str) -> str:
    """Return the text of a script, a style or a page of this folder, by its file name."""
    return path(name).read_text(encoding="utf-8")


def path(name: str) -> Path:
    """Return where a script, a style or a page lies: `js/`, `css/`, or beside this file."""
    kind = name.rpartition(".")[2]
    return WEB / kind / name if kind in ("js", "css") else WEB / name
