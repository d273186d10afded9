"""What a section of the page is: a folder of `explainer/ui/sections`, which the page only lists.

The folder holds all of a section: its class, which places the components, connects their events
and offers endpoints; what the server does for it; its words; its modules (`*.js`, of which those
that export `mount` build components) and its styles (`*.css`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from explainer.run.store import RunStore
from explainer.ui import components as ui
from explainer.ui.handlers import Handlers
from explainer.ui.sides import Ask, See
from explainer.ui.visitors import Visits


class Slot(Enum):
    """Where on the page a section goes. Those of one slot follow the order of the registry."""

    WORDS = "between the chips and the maps"


@dataclass(frozen=True)
class Server:
    """What sections may use: the handlers that ask models, recorded runs, and turns of visitors."""

    handlers: Handlers
    store: RunStore
    visits: Visits


@dataclass(frozen=True)
class Page:
    """The components of the page that events of a section may read and change."""

    ask: Ask
    see: See
    picker: ui.ModelPicker


class Section:
    """One section of the page. A page makes one of each class that the registry lists.

    Attributes:
        SLOT: where `place` is called.
    """

    SLOT: Slot

    def __init__(self, server: Server) -> None:
        self.server = server

    def place(self) -> None:
        """Make the components, where the page is being built."""
        raise NotImplementedError

    def wire(self, page: Page) -> None:
        """Connect the events, once all components of the page are there."""


def place_all(sections: Iterable[Section], slot: Slot) -> None:
    """Make the components of those sections that go into a slot."""
    for section in sections:
        if section.SLOT is slot:
            section.place()


def folders(sections: Sequence[type[Section]]) -> tuple[Path, ...]:
    """Return the folder of each section, where its modules and styles lie."""
    return tuple(Path(str(sys.modules[section.__module__].__file__)).parent for section in sections)
