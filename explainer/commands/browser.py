"""Measure how quickly the page answers in Chromium, driven by Playwright.

first maps          from the first byte of the page to the frame in which the maps of the recorded
                    answer are on the screen that it opens with
page load           from the request to the page being ready for a click
click               from the event to the frame in which the maps are on the screen
arrow key, pointer, work of the page in the frame that draws the maps of another word, or at
slider              another setting: computing them and drawing them, without a request
frames              animation frames from the event to the one that draws those maps; 1 is the
                    very next
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from explainer.commands.figure import Figure
from explainer.errors import SightlineError

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SIZE: ViewportSize = {"width": 1440, "height": 900}
WARM_UP, REPEAT = 3, 20
FIRST_VISITS = 3
PATIENCE = 60_000  # milliseconds
# name, act, awaited state, limit in milliseconds
ACTS = (
    ("click to painted", "click", "painted", 60),
    ("maps at another k by slider", "k", "computed", 16),
    ("maps of another word by arrow key", "arrow", "computed", 16),
    ("maps of another word by pointer", "hover", "computed", 16),
)
SLIDERS = ("k", "beta", "weight1")  # of a run in one file

READY = "() => document.querySelector('.sl-example') && document.querySelector('.sl-dial')"
RUN = "document.querySelector('.sl-view').dataset.run"
SHOWN = """before => {
  const view = document.querySelector('.sl-view');
  return document.querySelector('.sl-chip[aria-selected=true]') && view.dataset.run
    && view.dataset.run !== before && !view.classList.contains('sl-late');
}"""
NOTE_FIRST_MAPS = """document.addEventListener('drawn', () => requestAnimationFrame(() => {
  const [load] = performance.getEntriesByType('navigation');
  window.firstMaps ??= performance.now() - load.responseStart;
}))"""
FIRST_MAPS = "window.firstMaps"
ALL_HERE = """() => Number(document.querySelector('.sl-view').dataset.here)
  >= document.querySelectorAll('.sl-answer .sl-chip').length"""
MEASURE = """async ([act, until, n]) => {
  const view = document.querySelector('.sl-view'), measured = [];
  const slider = document.querySelector(`[data-name=${act}] input[type=range]`);
  const chips = [...document.querySelectorAll('.sl-answer .sl-chip')];
  const chip = i => chips[(3 * i + 2) % chips.length];
  const key = name => document.activeElement.dispatchEvent(
    new KeyboardEvent('keydown', {key: name, bubbles: true, cancelable: true}));
  const acts = {
    click: i => chip(i).click(),
    arrow: i => key(i % (2 * (chips.length - 1)) < chips.length - 1 ? 'ArrowRight' : 'ArrowLeft'),
    hover: i => chip(i).dispatchEvent(
      new PointerEvent('pointermove', {bubbles: true, pointerType: 'mouse'})),
  };
  const slide = i => {
    const [low, high] = [Number(slider.min), Number(slider.max)];
    slider.value = low + (high - low) * (i % 16 + 1) / 18;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  };
  // Asked for before the page asks, so that each frame counts before anything is drawn in it.
  let stamps = new Set(), counting = requestAnimationFrame(function count(stamp) {
    stamps.add(stamp);
    counting = requestAnimationFrame(count);
  });
  chips[0].click();
  for (let i = 0; i < n; i++) {
    await new Promise(done => setTimeout(done, 120));
    let frame = 0, frames = 0;
    const drawn = new Promise((done, fail) => {
      view.addEventListener('drawn', () => {
        frames = stamps.size;
        done(performance.now());
      }, {once: true});
      setTimeout(() => fail(new Error(`nothing was drawn after ${act} ${i}`)), 20000);
    });
    const start = performance.now();
    if (until === 'computed') requestAnimationFrame(() => { frame = performance.now(); });
    stamps = new Set();
    (acts[act] ?? slide)(i);
    const dispatched = performance.now();
    const end = await drawn;
    const took = until === 'painted' ? await new Promise(requestAnimationFrame) - start
      : frame ? dispatched - start + end - frame : end - start;
    measured.push([took, frames, document.sightline.now.entry.took]);
  }
  cancelAnimationFrame(counting);
  return measured;
}"""


class Latencies(NamedTuple):
    """The latencies of repeated acts: milliseconds, frames until the maps, and requests.

    `computing` is the part of `times` in which maps are computed, but not drawn.
    """

    times: list[float]
    frames: list[int]
    computing: list[float]
    requests: int


def measure(url: str, repeat: int = REPEAT) -> Iterator[Figure]:
    """Yield the latencies of a served page that has examples and recorded answers.

    Times are medians. Raises `SightlineError` without a browser.
    """
    first = statistics.median(first_maps(url) for _ in range(FIRST_VISITS))
    yield Figure("first byte to painted maps of a recorded answer", first, "s", 1.5)
    with _page() as page:
        started = time.perf_counter()
        page.goto(url)
        page.wait_for_function(READY)
        yield Figure("page load", time.perf_counter() - started, "s", None)
        page.wait_for_function(SHOWN, arg=None)
        opened = page.evaluate(RUN)
        page.click(".sl-example >> nth=0")
        page.wait_for_function(SHOWN, arg=opened)
        page.wait_for_function(ALL_HERE)
        for name, act, until, bar in ACTS:
            took = latencies(page, act, until, repeat)
            median = statistics.median(took.times)
            if until == "painted":
                yield Figure(f"{name}, median of {repeat}", median, "ms", bar)
            else:
                yield Figure(f"{name}, computing, median of {repeat}", median, "ms", bar)
                yield Figure(f"{name}, most of {repeat}", max(took.frames), "frames", 1)
                yield Figure(f"requests during {repeat} of these", took.requests, "", 0)


def measure_sliders(path: Path, what: str, repeat: int = REPEAT) -> Iterator[Figure]:
    """Yield the latencies of the sliders of a run in one HTML file, medians in milliseconds.

    Args:
        path: of the file.
        what: a name for the run.
        repeat: how often each slider is moved.
    """
    with _page() as page:
        page.goto(path.as_uri())
        page.wait_for_function(SHOWN, arg=None)
        for name in SLIDERS:
            took = latencies(page, name, "computed", repeat)
            label = f"{what}, {name}"
            yield Figure(f"{label}: computing", statistics.median(took.computing), "ms", 8)
            yield Figure(f"{label}: computing and drawing", statistics.median(took.times), "ms", 16)
            yield Figure(f"{label}: frames, most of {repeat}", max(took.frames), "frames", 1)
            yield Figure(f"{label}: requests", took.requests, "", 0)


def measure_words(path: Path, what: str, repeat: int = REPEAT) -> Iterator[Figure]:
    """Yield the latencies of choosing words of a run in one HTML file, medians in milliseconds.

    Arguments as for `measure_sliders`.
    """
    with _page() as page:
        page.goto(path.as_uri())
        page.wait_for_function(SHOWN, arg=None)
        for act in ("click", "arrow"):
            took = latencies(page, act, "computed", repeat)
            label = f"{what}, {act}"
            yield Figure(f"{label}: computing", statistics.median(took.computing), "ms", None)
            yield Figure(f"{label}: computing and drawing", statistics.median(took.times), "ms", 16)


def first_maps(url: str) -> float:
    """Return the seconds from the first byte of a page to its first maps, in a new browser."""
    with _page() as page:
        page.add_init_script(NOTE_FIRST_MAPS)
        page.goto(url)
        page.wait_for_function(FIRST_MAPS)
        return page.evaluate(FIRST_MAPS) / 1000


def latencies(page: Page, act: str, until: str, repeat: int) -> Latencies:
    """Return the latencies of `repeat` acts.

    Args:
        page: with a run whose maps are all in the browser.
        act: click, arrow, hover, or the name of a slider.
        until: "painted", or "computed" for the work of the page alone.
    """
    page.evaluate(MEASURE, [act, until, WARM_UP])
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    measured = page.evaluate(MEASURE, [act, until, repeat])
    times, frames, computing = map(list, zip(*measured, strict=True))
    return Latencies(times, frames, computing, len(requests))


@contextmanager
def _page() -> Iterator[Page]:
    """Yield a page in a new Chromium, the system's or Playwright's own."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise SightlineError(
            "measuring in a browser needs Playwright: pip install playwright"
        ) from None
    own = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=own, args=list(FLAGS))
        except Error as error:
            raise SightlineError(
                f"Chromium does not start: {str(error).splitlines()[0]}; install it with "
                "'apt install chromium' or 'playwright install chromium'"
            ) from None
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(PATIENCE)
        try:
            yield page
        except Error as error:
            raise SightlineError(f"the page did not answer: {str(error).splitlines()[0]}") from None
        finally:
            browser.close()
