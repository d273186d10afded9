"""What a person does with a page in a browser, and what they see.

Set SIGHTLINE_SHOTS to a folder to keep screenshots.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import numpy as np

from explainer.export import Look, colour_table
from tests.e2e.tabs import Tab, sync_api

LOCAL = {"127.0.0.1", "localhost"}

# The size of a canvas, and its bytes as text: as numbers, Playwright would check each by itself.
PIXELS = """place => {
  const canvas = document.querySelector(place), {width, height} = canvas;
  let text = '';
  for (const byte of canvas.getContext('2d').getImageData(0, 0, width, height).data)
    text += String.fromCharCode(byte);
  return [width, height, btoa(text)];
}"""
PATIENCE = 30  # seconds for anything to happen: a busy machine is slow
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def table_colours(pixels: np.ndarray, table: np.ndarray, signed: bool = False) -> np.ndarray:
    """Return the colours (..., 3) of a table (256, 3) that pixels (..., 4) of a canvas stand for.

    A canvas keeps colours exactly only where they are opaque; elsewhere the opacity tells the value
    (`add_cover`), and whether red or blue prevails its sign.
    """
    half = pixels[..., 3].astype(int) // 2
    sign = np.where(pixels[..., 0] >= pixels[..., 2], 1, -1)
    steps = (255 + sign * half) // 2 if signed else half
    return np.where(pixels[..., 3:] == 255, pixels[..., :3], table[steps]).astype(int)


class Visitor:
    """A person in front of the page."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.page = tab.page
        self.requests = 0
        self.in_flight: set[sync_api.Request] = set()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        tab.page.set_default_timeout(1000 * PATIENCE)
        tab.listen("pageerror", lambda error: self.complaints.append(str(error)))
        tab.listen("console", self._console)
        tab.listen("request", self._request)
        tab.listen("requestfinished", lambda request: self.in_flight.discard(request))
        tab.listen("requestfailed", lambda request: self.in_flight.discard(request))
        tab.listen("dialog", lambda dialog: self.complaints.append("a dialog opened"))

    def _console(self, message: sync_api.ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _request(self, request: sync_api.Request) -> None:
        self.requests += 1
        address = urlparse(request.url)
        if "/heartbeat/" not in address.path:  # stays open as long as the page
            self.in_flight.add(request)
        if address.scheme not in ("data", "blob") and address.hostname not in LOCAL:
            self.foreign.append(request.url)

    def blame(self) -> None:
        """Fail if anything bad has happened."""
        self.page.evaluate("0")  # what has happened so far has been told by then
        assert self.complaints == []
        assert self.foreign == []

    # What they do

    def open(self, url: str, theme: str = "light") -> None:
        """Go to the page, and wait until its parts are there."""
        self.tab.open(f"{url}{'&' if '?' in url else '?'}__theme={theme}")
        self.page.wait_for_selector(".sl-example", state="attached")
        self.page.wait_for_selector(".sl-dial", state="attached")

    def dress(self, theme: str, width: int, height: int) -> str:
        """Give the open page another theme and size. Return both, to name the case."""
        self.page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
        self.page.set_viewport_size({"width": width, "height": height})
        return f"{theme}, {width}x{height}"

    def explain(self, example: int = 0) -> None:
        """Choose an example and wait for its first maps."""
        self.page.click(f".sl-example >> nth={example}")
        self.wait_for_maps()

    def wait_for_maps(self) -> None:
        self.page.wait_for_selector(".sl-chip[aria-selected=true]")
        self.page.wait_for_function(
            "() => { const v = document.querySelector('.sl-view'), "
            "c = document.querySelector('.sl-chip[aria-selected=true]'); "
            "return c && v.dataset.chip === c.dataset.chip && !v.matches('.sl-busy, .sl-late') "
            "&& !document.querySelector('#sl-run').disabled; }"
        )

    def wait_for_all_maps(self) -> None:
        """Wait until the maps of every chip are in the page."""
        self.page.wait_for_function(
            "() => { const {subjects} = document.sightline.now, "
            "here = Number(document.querySelector('.sl-view').dataset.here); "
            "return subjects.length > 0 && here === subjects.length; }"
        )

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true that is not in the page, while the page goes on."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.page.wait_for_timeout(20)

    def quiet(self) -> None:
        """Wait until the page does nothing more by itself: no request, no timer, no frame."""
        seen = -1
        while seen != self.requests:
            seen = self.requests
            self.until(lambda: not self.in_flight)
            self.page.wait_for_function("() => pendingTimers.size === 0")
            self.page.evaluate(DRAWN)

    def wait_long(self) -> None:
        """Let the page think that its timers of more than two seconds have run out."""
        self.page.wait_for_function("() => longTimers.size > 0")
        self.page.evaluate("() => longTimers.forEach(run => run())")

    def still(self) -> None:
        """Wait until nothing in the page moves or fades any more, to measure places or colours."""
        self.quiet()
        self.page.wait_for_function(
            "() => document.getAnimations().every(moves => moves.playState !== 'running' "
            "|| moves.effect.getComputedTiming().endTime === Infinity)"
        )

    def settled(self, value: str, expression: str) -> None:
        """Wait until a JavaScript expression has this text as its value."""
        guarded = f"(() => {{ try {{ return {expression}; }} catch {{ return null; }} }})()"
        self.page.wait_for_function(f"want => String({guarded}) === want", arg=value)

    # What they see

    def chips(self, role: str = "answer") -> list[str]:
        return self.page.locator(f".sl-{role} .sl-chip").all_text_contents()

    def message(self) -> str:
        return self.page.inner_text(".sl-message")

    def pixel(self, method: str, x: float, y: float) -> tuple[int, ...]:
        """Return the table's RGB on the map's canvas at fractions of its width and height."""
        pixel, colours, signed = self.page.evaluate(
            "([m, x, y]) => { const c = document.querySelector(`[data-method=${m}] .sl-heat`), "
            "{colours, entry} = document.sightline.now; "
            "return [[...c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data], "
            "colours, Boolean(entry.maps.find(map => map.name === m)?.signed)]; }",
            [method, x, y],
        )
        table = colour_table(Look().diverging if signed else colours)
        return tuple(table_colours(np.array(pixel), table, signed).tolist())

    def canvas(self, place: str, name: str = "inferno") -> np.ndarray:
        """Return the table's colours (H, W, 3) on a canvas with an unsigned map."""
        width, height, encoded = self.page.evaluate(PIXELS, place)
        pixels = np.frombuffer(base64.b64decode(encoded), np.uint8)
        return table_colours(pixels.reshape(height, width, 4).astype(int), colour_table(name))

    def brightness(self, method: str, x: float, y: float) -> float:
        """Return the place of the pixel's colour in the colour table, 0 to 1."""
        table = colour_table(Look().colours).astype(int)
        distance = np.abs(table - np.array(self.pixel(method, x, y))).sum(axis=1)
        assert distance.min() == 0, "not a colour of the table"
        return float(distance.argmin()) / 255

    def shot(self, name: str) -> None:
        if folder := os.environ.get("SIGHTLINE_SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page="390" in name)
