"""A static site of the gallery in a real browser: from disk, and from a server of files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from explainer.__main__ import main
from explainer.run import Run
from tests.e2e.tabs import Tab, sync_api
from tests.e2e.test_one_file import GALLERY, compare_with_python, press
from tests.e2e.visitor import DRAWN

RUNS = sorted(GALLERY.glob("*.npz"))
ADDRESS = "https://name.github.io/gallery/"
BEARS = "bears-emoji-llava"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of all runs of the gallery."""
    folder = tmp_path_factory.mktemp("site")
    runs = list(map(str, RUNS))
    assert main(["site", *runs, "--out", str(folder), "--address", ADDRESS]) == 0
    return folder


@pytest.fixture
def visit_site(lend_tab: Callable[..., Tab]) -> Iterator[Callable[..., sync_api.Page]]:
    """A function that opens an address; only what lies below its folder may be asked for."""
    pages, bad, asked = [], [], []

    def open_page(address: str, width: int = 1280) -> sync_api.Page:
        tab = lend_tab(width, 720)
        pages.append(tab.page)
        tab.listen("pageerror", lambda error: bad.append(str(error)))
        tab.listen("console", lambda m: bad.append(m.text) if m.type == "error" else None)
        tab.listen("request", lambda r: asked.append(r.url))
        tab.open(address)
        return tab.page

    yield open_page
    folder = pages[0].url.rpartition("/")[0]
    for page in pages:
        page.evaluate("0")  # what has happened so far has been told by then
    assert [url for url in asked if not url.startswith(("data:", folder))] == []
    assert bad == []


@pytest.fixture
def folder_url(site: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the site lies: "file" on disk, "http" at a server that knows nothing but files."""
    if request.param == "file":
        yield site.as_uri()
        return

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("folder_url", ["file", "http"], indirect=True)
def test_a_site_leads_to_its_pages_and_back(folder_url, visit_site):
    page = visit_site(f"{folder_url}/index.html")
    assert page.locator("li img").count() == len(RUNS)
    page.focus(f"a[href='{BEARS}.html']")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sl-view[data-chip]")
    run = Run.load(GALLERY / f"{BEARS}.npz")
    assert page.text_content("h1") == run.prompt
    tokens = list(run.chips[int(page.get_attribute(".sl-view", "data-chip"))].tokens)
    press(page, "k", 0.7)
    compare_with_python(page, run, tokens)
    page.click("#sl-top a")
    page.wait_for_selector("li")


def test_a_talk_is_held_with_a_page_of_the_site(site, visit_site):
    page = visit_site((site / f"{BEARS}.html").as_uri())
    page.wait_for_selector(".sl-view[data-chip]")
    run, size = Run.load(GALLERY / f"{BEARS}.npz"), "getComputedStyle(document.querySelector('{}'))"
    page.click("#sl-top button:has-text('Present')")
    assert not page.locator("#sl-top").is_visible()
    assert not page.locator(".sl-panel").is_visible()
    assert float(page.evaluate(f"parseFloat({size.format('.sl-chip')}.fontSize)")) >= 34
    page.wait_for_function("document.documentElement.scrollHeight <= innerHeight + 1")
    word = "document.sightline.now.entry.word"
    before = page.evaluate(word)
    page.keyboard.press("PageDown")
    page.wait_for_function(f"before => {word} !== before", arg=before)
    page.keyboard.press("f")
    assert page.evaluate("document.sightline.now.playing")
    page.keyboard.press("f")
    page.keyboard.press("s")
    assert page.locator(".sl-panel").is_visible()
    press(page, "k", 0.7)
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.sightline.now.panel.k") > 100
    subject = page.evaluate("document.sightline.now.subject.chip")
    compare_with_python(page, run, list(run.chips[subject].tokens))
    page.keyboard.press("s")
    assert not page.locator(".sl-panel").is_visible()
    page.keyboard.press("q")
    page.evaluate(DRAWN)
    (code,) = zxingcpp.read_barcodes(
        np.array(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    )
    assert code.text == f"{ADDRESS}{BEARS}.html" == page.inner_text(".sl-code p")
    page.keyboard.press("q")
    assert not page.locator(".sl-code").is_visible()
    page.keyboard.press("p")
    assert page.locator("#sl-top").is_visible()
