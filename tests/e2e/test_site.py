"""A static site in a real browser, from disk and without a network."""

from __future__ import annotations

from explainer.__main__ import main
from explainer.run import Run
from tests.e2e.test_one_file import GALLERY, compare_with_python, press


def test_a_site_opens_from_disk_and_leads_to_its_pages_and_back(browser, tmp_path):
    runs = [str(GALLERY / f"{n}.npz") for n in ("fruit-emoji-qwen2-vl", "bears-emoji-llava")]
    assert main(["site", *runs, "--out", str(tmp_path)]) == 0
    context = browser.new_context(offline=True)
    page, bad, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: bad.append(str(error)))
    page.on("console", lambda m: bad.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: asked.append(r.url))
    page.goto((tmp_path / "index.html").as_uri())
    assert page.locator("img").count() == 2
    page.focus("a >> nth=1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sl-view[data-chip]")
    run = Run.load(GALLERY / "bears-emoji-llava.npz")
    assert page.text_content("h1") == run.prompt
    tokens = list(run.chips[int(page.get_attribute(".sl-view", "data-chip"))].tokens)
    press(page, "k", 0.7)
    compare_with_python(page, run, tokens)
    page.click("#sl-top a")
    page.wait_for_selector("li")
    names = ["index.html", "bears-emoji-llava.html", "index.html"]
    files = [url for url in asked if not url.startswith("data:")]
    assert files == [(tmp_path / name).as_uri() for name in names]
    assert bad == []
    context.close()
