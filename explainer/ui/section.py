"""What a section of the page is: a folder of `explainer/ui/sections`, which the page only lists.

The folder holds all of a section: its class, which places the components, connects their events
and offers endpoints; what the server does for it; its words; its modules (`*.js`, of which those
that export `mount` build components) and its styles (`*.css`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui import components as ui
from explainer.ui.gallery import GalleryRun
from explainer.ui.handlers import Handlers, PageExample
from explainer.ui.model_menu import ModelMenu
from explainer.ui.sides import Ask, See
from explainer.ui.visitors import Visits
from explainer.web.controls import read_ticket
from explainer.web.messages import Value


class Slot(Enum):
    """Where on the page a section goes. Those of one slot follow the order of the registry."""

    TOOLS = "in the head of the page"
    WORDS = "between the chips and the maps"
    FOLDS = "below the sliders"
    NOTES = "below the examples"


@dataclass(frozen=True)
class Server:
    """What sections may use.

    Attributes:
        handlers: ask models.
        store: holds the recorded runs.
        visits: give callers their turns at the model.
        models, menu: those of the server, and what the page says of them.
        examples, gallery: pictures to try, and recorded runs to open.
    """

    handlers: Handlers
    store: RunStore
    visits: Visits
    models: Models
    menu: ModelMenu
    examples: Sequence[PageExample] = ()
    gallery: Sequence[GalleryRun] = ()


@dataclass(frozen=True)
class Page:
    """The components of the page that events of a section may read and change."""

    ask: Ask
    see: See
    picker: ui.ModelPicker


@dataclass(frozen=True)
class Recording:
    """A way to a new answer besides Explain; Stop ends it, too.

    Attributes:
        name: of the event, for requests.
        press: event of `source` that begins it.
        answer: generator of `PageUpdate` from the value of `source`, what was shown before, and
            the decoding settings; its notice goes to `note`.
    """

    name: str
    press: Callable[..., Any]
    answer: Callable[..., Any]
    source: ui.Drawn
    note: ui.Drawn


@dataclass(frozen=True)
class Endpoint:
    """A function for programs, described by its name, hints and docstring.

    Attributes:
        asks_model: whether it takes a turn at the model.
        queue: whether it waits in Gradio's queue first.
    """

    function: Callable[..., Any]
    asks_model: bool = True
    queue: bool = True


class Section:
    """One section of the page. A page makes one of each class that the registry lists."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def place(self, slot: Slot) -> None:
        """Make the components that go into a slot, where the page is being built."""

    def wire(self, page: Page) -> None:
        """Connect the events, once all components of the page are there."""

    def recordings(self) -> Sequence[Recording]:
        """Return the ways to a new answer that begin here."""
        return ()

    def endpoints(self) -> Sequence[Endpoint]:
        """Return what programs can ask for."""
        return ()


def place_all(sections: Iterable[Section], slot: Slot) -> None:
    """Make the components of all sections that go into a slot."""
    for section in sections:
        section.place(slot)


def with_ticket(message: Value, request: Any) -> Value:
    """Return a message with the number of the request that it answers."""
    return {"asked": read_ticket(request), **message}


def folders(sections: Sequence[type[Section]]) -> tuple[Path, ...]:
    """Return the folder of each section, where its modules and styles lie."""
    return tuple(Path(str(sys.modules[section.__module__].__file__)).parent for section in sections)
