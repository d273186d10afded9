"""Take the pictures of the page that README.md and docs/guide.md show.

    python -m tests.screenshots [FOLDER]

Needs `chromium` on the path, and the bundled model.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
DESK, PHONE, STAGE = (1440, 900), (390, 844), (1280, 720)
HIGHEST = 900  # pixels of a section that is shown
PATIENCE = 400  # seconds: the map test is 140 readings
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
OPENED = ".sl-view[data-run]:not(.sl-late)"


def first_look(page: Page) -> bytes:
    """Show the page as it opens."""
    return page.screenshot(animations="disabled")


def step_by_step(page: Page) -> bytes:
    """Show how the map of the chosen word is computed."""
    page.click(".sl-opened > summary")
    page.wait_for_selector(".sl-opened-body:not(.sl-late) .sl-equation canvas")
    return _section(page, ".sl-opened")


def map_test(page: Page) -> bytes:
    """Show insertion and deletion curves, which the model is asked for."""
    page.click(".sl-proof > summary")
    page.click(".sl-proof-bar button")
    page.wait_for_selector(".sl-proof-numbers table")
    return _section(page, ".sl-proof")


def phone(page: Page) -> bytes:
    """Show a phone: words, and the first map."""
    return page.screenshot(animations="disabled")


def presentation(page: Page) -> bytes:
    """Show the presentation."""
    page.keyboard.press("p")
    page.wait_for_selector(".sl-present")
    page.mouse.move(STAGE[0] / 2, STAGE[1] / 2)
    page.wait_for_function("document.documentElement.style.getPropertyValue('--sl-large')")
    page.evaluate(DRAWN)
    return page.screenshot(animations="disabled")


# The size of the window, pixels of the screen to one of the page, and what to show.
PICTURES: dict[str, tuple[tuple[int, int], float, Callable[[Page], bytes]]] = {
    "first-look": (DESK, 1, first_look),
    "step-by-step": (DESK, 1, step_by_step),
    "map-test": (DESK, 1, map_test),
    "phone": (PHONE, 1.5, phone),
    "presentation": (STAGE, 1, presentation),
}


def main(folder: Path = FOLDER) -> None:
    """Serve the page, use it as a person would, and write all pictures as WebP."""
    folder.mkdir(parents=True, exist_ok=True)
    with served() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, ((width, height), scale, show) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                device_scale_factor=scale,
                reduced_motion="reduce",
            )
            page.set_default_timeout(PATIENCE * 1000)
            page.goto(address)
            page.wait_for_selector(OPENED)
            page.mouse.move(0, height - 1)
            path = folder / f"{name}.webp"
            Image.open(io.BytesIO(show(page))).convert("RGB").save(path, quality=80, method=6)
            page.close()
            print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
        browser.close()


def _section(page: Page, place: str) -> bytes:
    """Return the picture of a section from its top, at most `HIGHEST` pixels of it."""
    page.mouse.move(0, 0)
    page.evaluate(DRAWN)
    box = page.locator(place).bounding_box()
    clip = {**box, "y": box["y"] + page.evaluate("scrollY"), "height": min(box["height"], HIGHEST)}
    return page.screenshot(clip=clip, full_page=True, animations="disabled")


@contextmanager
def served() -> Iterator[str]:
    """Start app.py on a free port, and give the address of its page once its model is loaded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = subprocess.Popen([sys.executable, str(ROOT / "app.py"), "--port", str(port)])
    try:
        yield _once_it_is_ready(f"http://127.0.0.1:{port}/", app)
    finally:
        app.terminate()
        app.wait(20)


def _once_it_is_ready(address: str, app: subprocess.Popen) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and app.poll() is None:
        try:
            urllib.request.urlopen(f"{address}readyz", timeout=5).close()
            return address
        except OSError:
            time.sleep(0.2)
    raise SystemExit("app.py did not get ready; start it by hand to see why")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
