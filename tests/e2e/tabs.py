"""Tabs of a browser that tests borrow one after another, each as if it had just been opened.

A new tab in a new context compiles the scripts of the page again, which takes more of the processor
than most tests. A tab that was used before has them compiled, and the files of Gradio at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlparse

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

# Keeps the timers of a page that have not run yet: those of up to two seconds, which are what it
# will still do by itself, and longer ones.
KEEP_TIMERS = """(() => {
  const pending = new Map(), long = new Map(), {setTimeout, clearTimeout} = window;
  window.setTimeout = (act, wait = 0, ...given) => {
    const run = () => { clear(id); act(...given); }, id = setTimeout(run, wait);
    (wait <= 2000 ? pending : long).set(id, run);
    return id;
  };
  const clear = id => { pending.delete(id); long.delete(id); clearTimeout(id); };
  Object.assign(window, {clearTimeout: clear, pendingTimers: pending, longTimers: long});
})()"""
# Nor does the page that is left write anything more.
FORGET = """() => {
  Storage.prototype.setItem = () => {};
  localStorage.clear();
  sessionStorage.clear();
}"""
# Gradio's loading screen counts its seconds on, a frame after another, when it is gone, for which a
# browser takes a twentieth of a core.
STOP_COUNTER = r"""(() => {
  const {requestAnimationFrame} = window;
  window.requestAnimationFrame = act =>
    /performance\.now\(\).*\/1e3/.test(String(act)) ? 0 : requestAnimationFrame.call(window, act);
})()"""
STORED = "cookies,local_storage,indexeddb,cache_storage,service_workers"
USUAL_MEDIA = dict.fromkeys(
    ("media", "color_scheme", "reduced_motion", "forced_colors", "contrast"), "null"
)


class Tab:
    """A tab in a context of its own, and what a test has attached to it."""

    def __init__(self, browser: sync_api.Browser, **kind: Any) -> None:
        self.kind = kind
        context = browser.new_context(**kind)
        context.add_init_script(KEEP_TIMERS)
        context.add_init_script(STOP_COUNTER)
        self.page = context.new_page()
        self._opened = ""
        self._listeners: list[tuple[str, Callable]] = []
        self._sessions: list[sync_api.CDPSession] = []

    def open(self, address: str) -> None:
        """Go to the page that the test is about."""
        self._opened = address
        self.page.goto(address)

    def listen(self, event: str, handler: Callable) -> None:
        """Call a function at each event of the page, until the tab is given back."""
        self.page.on(event, handler)
        self._listeners.append((event, handler))

    def devtools(self) -> sync_api.CDPSession:
        """Return a session of the DevTools protocol, which ends when the tab is given back."""
        self._sessions.append(self.page.context.new_cdp_session(self.page))
        return self._sessions[-1]

    def end_test(self) -> None:
        """Take off what the test has attached, and what it has set for the tab."""
        for event, handler in self._listeners:
            self.page.remove_listener(event, handler)
        self.page.unroute_all(behavior="ignoreErrors")
        self.page.context.clear_permissions()
        self.page.emulate_media(**USUAL_MEDIA)
        for session in self._sessions:
            session.detach()
        self._listeners, self._sessions = [], []

    def leave(self) -> bool:
        """Leave the page, and make the tab as new. Return False if it cannot be made so."""
        page, here = self.page, _origin(self._opened)
        if _origin(page.url) != here:
            return False  # what the page there has stored is out of reach
        page.evaluate(FORGET)
        self.end_test()
        page.goto("about:blank")
        if here.startswith("http"):
            stored = {"origin": here, "storageTypes": STORED}
            self.devtools().send("Storage.clearDataForOrigin", stored)
        page.mouse.move(0, 0)
        self.end_test()  # with the session that has just cleared the data
        return True


def _origin(address: str) -> str:
    """Return the origin of an address; all files have the same."""
    parts = urlparse(address)
    return f"{parts.scheme}://{parts.netloc}"


class Tabs:
    """The tabs of a browser, those that are not lent by the kind of their context."""

    def __init__(self, browser: sync_api.Browser) -> None:
        self._browser = browser
        self._free: list[Tab] = []

    def lend(self, width: int, height: int, **kind: Any) -> Tab:
        """Return an empty tab of this size. `kind` are further options of its context."""
        tab = next((tab for tab in self._free if tab.kind == kind), None)
        if tab is None:
            tab = Tab(self._browser, **kind)
        else:
            self._free.remove(tab)
        tab.page.set_viewport_size({"width": width, "height": height})
        return tab

    def take_back(self, tab: Tab, failed: bool) -> None:
        """Keep a tab for other tests, or close it after one that failed."""
        if not failed and tab.leave():
            self._free.append(tab)
        else:
            tab.page.context.close()
