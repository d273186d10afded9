"""A launched page with a fake explainer, for tests that come from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

from explainer.run.store import RunStore
from explainer.ui.layout import build_demo, launch_options
from tests.ui.fake import FakeExplainer


@pytest.fixture(scope="package")
def store() -> RunStore:
    """The store behind the launched page."""
    return RunStore()


@pytest.fixture(scope="package")
def explainer() -> FakeExplainer:
    """The model of the launched page."""
    return FakeExplainer()


@pytest.fixture(scope="package")
def url(
    explainer: FakeExplainer, store: RunStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a launched page."""
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("gradio"))
    demo = build_demo(explainer, store)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close(verbose=False)


@pytest.fixture(scope="package")
def http(url: str) -> Iterator[httpx.Client]:
    """A client of the launched page; each new one would read certificates for 20 ms."""
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client
