"""Pages with fake explainers, and a real browser that watches for what must not happen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from gradio import networking

from tests.e2e.answers import Answer, Answers
from tests.e2e.pages import App, Pages
from tests.e2e.tabs import Tab, Tabs
from tests.e2e.visitor import Visitor

sync_api = pytest.importorskip("playwright.sync_api")
# The first, without windows, takes a tenth less of the processor.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
# The last keeps no spare process at hand, which would be started anew for each visit.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--renderer-process-limit=1",
]  # fmt: skip

FAILED = pytest.StashKey[bool]()  # whether any part of a test did


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            # A loaded machine can stall a browser for seconds. What fails twice is a defect; what
            # fails once is in the summary as RERUN, to be looked into.
            item.add_marker(pytest.mark.flaky(reruns=1))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no chromium here"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note that a test failed, so that its tabs are not used again."""
    report = yield
    item.stash[FAILED] = report.failed or item.stash.get(FAILED, False)
    return report


@pytest.fixture(scope="session", autouse=True)
def patient_launch() -> Iterator[None]:
    """Give a launched page a minute to answer: Gradio gives it 3 s, too few on a busy machine."""

    def answers(url: str) -> bool:
        return httpx.head(url, timeout=60, verify=False).status_code < 400

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networking, "url_ok", answers)
        yield


def lending(
    keeper: Pages | Tabs | Answers, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Any]]:
    """Yield the keeper's `lend`, and at the end give back what was lent."""
    lent: list[Any] = []

    def lend(*how: Any, **kind: Any) -> Any:
        lent.append(keeper.lend(*how, **kind))
        return lent[-1]

    yield lend
    for one in lent:
        keeper.take_back(one, request.node.stash.get(FAILED, False))


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    pages = Pages(tmp_path_factory.mktemp("uploads"))
    yield pages
    pages.close()


@pytest.fixture
def serve(
    pages: Pages, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., App]]:
    """A function that lends a test a page with the given fake explainer; see `Pages.lend`."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(pages.uploads))  # tests of other pages change it
    yield from lending(pages, request)


@pytest.fixture
def app(serve: Callable[..., App]) -> App:
    """A page with a fake explainer that answers at once."""
    return serve()


@pytest.fixture(scope="session")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tabs(browser: sync_api.Browser) -> Tabs:
    return Tabs(browser)


@pytest.fixture
def lend_tab(tabs: Tabs, request: pytest.FixtureRequest) -> Iterator[Callable[..., Tab]]:
    """A function that lends a test an empty tab of a size; see `Tabs.lend`."""
    yield from lending(tabs, request)


@pytest.fixture
def visit(lend_tab: Callable[..., Tab]) -> Iterator[Callable[..., Visitor]]:
    """A function that opens a page as a new visitor; at the end, nothing bad may have happened.

    `kind` says what the device is like: has_touch, is_mobile.
    """
    visitors: list[Visitor] = []

    def open_page(
        url: str, width: int = 1440, height: int = 900, theme: str = "light", **kind: bool
    ) -> Visitor:
        visitors.append(Visitor(lend_tab(width, height, **kind)))
        visitors[-1].open(url, theme)
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        visitor.blame()


@pytest.fixture(scope="session")
def answers(pages: Pages, tabs: Tabs) -> Iterator[Answers]:
    answers = Answers(pages, tabs)
    yield answers
    answers.close()


@pytest.fixture
def look(
    answers: Answers, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, pages: Pages
) -> Iterator[Callable[..., Answer]]:
    """A function that lends a test a page with an answer; see `Answers.lend`."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(pages.uploads))  # tests of other pages change it
    yield from lending(answers, request)


@pytest.fixture
def answer(look: Callable[..., Answer]) -> Answer:
    """A page with the answer to the first example."""
    return look()
