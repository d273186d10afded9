"""The HTML file: small, closed in itself, and safe whatever was said."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from explainer.evaluation.synthetic import synthetic_run
from explainer.export import Chosen, Exhibit, Look, chips
from explainer.methods import METHODS
from explainer.run import Run
from explainer.web import scripts as web
from explainer.web.controls import SHOWN
from explainer.web.one_file import one_file
from explainer.web.scripts import page_script
from tests.ui.fake import fake_run

HOSTILE = ("</script><script>alert(1)</script>", "<!--", "\u2028", "&lt;", "${x}", "]]>", "\ud800")


def file_of(run: Run, names: tuple[str, ...] = SHOWN, look: Look | None = None) -> str:
    chosen = tuple(Chosen(METHODS[name], METHODS[name].settings()) for name in names)
    made = Exhibit(run, chosen, tuple(chips(run)), look or Look(), "2026-01-02")
    return one_file(made).decode()


class Page(HTMLParser):
    """What a browser takes for elements, attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.texts:
            self.inside = tag
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside][-1] += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == name]


def test_the_policy_allows_the_script_and_the_style_of_the_file_and_nothing_else():
    page = Page(file_of(fake_run()))
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind, tag in (("script", page.texts["script"][1]), ("style", page.texts["style"][0])):
        digest = base64.b64encode(hashlib.sha256(tag.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    for _, attrs in page.tags:
        assert not {"src", "href", "style", "onload", "onclick"} & attrs.keys()


def test_hostile_words_stay_within_the_data():
    run = fake_run(HOSTILE, prompt="</script><img src=x onerror=alert(1)> </title>")
    page = Page(file_of(replace(run, model_id="<b>&\u2029")))
    assert [s.get("type") for s in page.all("script")] == ["application/json", None]
    assert not page.all("img")
    data = json.loads(page.texts["script"][0])
    assert data["prompt"] == run.prompt
    assert "<b>&" in data["line"]
    said = [c["text"] for c in data["bar"]["chips"] if c["role"] == "answer"]
    assert said[0] == HOSTILE[0]
    assert page.texts["title"][0].endswith("</title>"), "as text"


@pytest.mark.parametrize("grid", [(24, 24), (36, 28)])
def test_an_ordinary_run_takes_less_than_three_megabytes(grid):
    """60 words and 3 methods; the picture is noise, of which no picture takes more."""
    sizes = {a: tuple(round(a * side) for side in grid) for a in (1.0, 0.75, 0.5)}
    rng = np.random.default_rng(0)
    run = synthetic_run(rng, n_answer=60, grids=sizes, image_size=(768, 1024))
    text = file_of(run)
    assert len(text.encode()) < 3_000_000
    entries = json.loads(Page(text).texts["script"][0])["entries"]
    assert [e["maps"][0]["parts"][0]["shape"] for e in entries] == [list(grid)] * 65


def test_the_maps_are_those_of_the_methods_and_settings_shown():
    run = fake_run()
    settings = METHODS["tam"].settings(normalisation="token")
    shown = Exhibit(run, (Chosen(METHODS["tam"], settings),), tuple(chips(run)))
    data = json.loads(Page(one_file(shown).decode()).texts["script"][0])
    told = data["entries"][-1]["maps"]
    assert [m["name"] for m in told] == ["tam"]
    assert told[0]["norm"].startswith("Scale: 1.0 = this map's own maximum")
    assert data["view"]["shown"] == ["tam"]
    assert any("normalisation token" in line for line in data["print"])


def test_the_file_runs_the_modules_of_the_page_but_none_that_needs_a_server():
    text = file_of(fake_run())
    page, file = (set(re.findall(r"\['([\w-]+\.js)'\] = ", s)) for s in (page_script(), text))
    assert file - page == {"file.js"}
    assert {f"{part.name}.js" for part in (web.TOKENS, web.MAPS, web.BACKDROP)} < file
    assert "guard.js" not in file, "a file has no server to wait for"
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
