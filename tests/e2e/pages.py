"""Served pages that tests borrow one after another, each as if it had just been started.

Starting a page takes most of a second of the processor. A browser takes as long again to compile
the scripts of an address that it has not seen before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from explainer.media.images import open_image
from explainer.run.store import RunStore
from explainer.ui.handlers import PageExample
from explainer.ui.layout import build_demo, launch_options
from tests.ui.fake import SIDE, FakeExplainer


def pictures() -> list[PageExample]:
    """Return two square pictures with prompts."""
    dark = np.full((SIDE, SIDE, 3), 60, np.uint8)
    return [
        PageExample(open_image(dark), "Describe it.", "Dark"),
        PageExample(open_image(dark + np.uint8(90)), "Is it light?", "Light"),
    ]


class StandIn:
    """What a page takes for its model: the explainer of the test that borrows the page."""

    def __init__(self) -> None:
        self.explainer = FakeExplainer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.explainer, name)


class App:
    """A served page and what is behind it."""

    def __init__(self) -> None:
        self.store = RunStore()
        self._model = StandIn()
        self._demo = build_demo(self._model, self.store, about="A fake model.", examples=pictures())
        _, self.url, _ = self._demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())

    @property
    def explainer(self) -> FakeExplainer:
        """The model of the page."""
        return self._model.explainer

    def restart(self, explainer: FakeExplainer) -> None:
        """Give the page another model, and let it forget all runs."""
        self.explainer.delay = 0  # so that what is still going on ends
        self._model.explainer = explainer
        vars(self.store).update(vars(RunStore()))  # its keys are others, too

    def close(self) -> None:
        """Stop serving."""
        self._demo.close(verbose=False)


class Pages:
    """The pages of a session, those that are not lent.

    Attributes:
        uploads: the folder of their uploads, as GRADIO_TEMP_DIR tells Gradio.
    """

    def __init__(self, uploads: Path) -> None:
        self.uploads = uploads
        self._free: list[App] = []

    def lend(self, explainer: FakeExplainer | None = None) -> App:
        """Return a page that knows of nothing before, with this model or a quick one."""
        app = self._free.pop() if self._free else App()
        app.restart(explainer or FakeExplainer())
        return app

    def take_back(self, app: App, failed: bool) -> None:
        """Keep a page for other tests, or close it after one that failed."""
        if failed:
            app.close()
        else:
            self._free.append(app)

    def close(self) -> None:
        """Stop serving all pages."""
        for app in self._free:
            app.close()
