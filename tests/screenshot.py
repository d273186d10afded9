"""Take the README's picture of the page: the first example, explained, with an object chosen.

    python -m tests.screenshot [FILE]

Needs `chromium` on the path, and the bundled model.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

from explainer.emoji_world.objects import THINGS

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "assets" / "screenshot.png"
SIZE = {"width": 1440, "height": 900}
PATIENCE = 120  # seconds


def main(target: Path = TARGET) -> None:
    """Serve the page, use it as a person would, and write the picture."""
    with served() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=SIZE, reduced_motion="reduce")
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address)
        explain_first_example(page)
        word = choose_object(page)
        page.mouse.move(0, SIZE["height"] - 1)
        page.screenshot(path=target, animations="disabled")
        browser.close()
    print(f"{target.name}: {word!r}, {target.stat().st_size / 1024:.0f} KiB")


@contextmanager
def served() -> Iterator[str]:
    """Start app.py on a free port, and give the address of its page once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = subprocess.Popen([sys.executable, str(ROOT / "app.py"), "--port", str(port)])
    try:
        yield _once_it_answers(f"http://127.0.0.1:{port}/", app)
    finally:
        app.terminate()
        app.wait(20)


def _once_it_answers(address: str, app: subprocess.Popen) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and app.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return address
        except OSError:
            time.sleep(0.2)
    raise SystemExit("app.py did not serve its page; start it by hand to see why")


def explain_first_example(page: Page) -> None:
    """Choose the first example, which also presses Explain, and wait for the whole answer."""
    opened = page.locator(".sl-view[data-run]").get_attribute("data-run")
    page.locator(".sl-example").first.click()
    expect(page.locator(".sl-view")).not_to_have_attribute("data-run", opened)
    expect(page.locator("#sl-stop")).to_be_disabled(timeout=PATIENCE * 1000)


def choose_object(page: Page) -> str:
    """Click the last chip of the answer that names a thing, or its first; return its text."""
    chip = _object(page.locator(".sl-answer .sl-chip"))
    chip.click()
    index = chip.get_attribute("data-chip")
    expect(page.locator(f".sl-view[data-chip='{index}']")).to_be_visible()
    return chip.inner_text()


def _object(chips: Locator) -> Locator:
    names = {thing.name for thing in THINGS}
    named = [i for i, text in enumerate(chips.all_inner_texts()) if text.strip() in names]
    return chips.nth(named[-1] if named else 0)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
