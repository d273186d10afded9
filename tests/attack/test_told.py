"""What the server tells of itself: never where anything lies on its disk."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import httpx
import pytest

from explainer.models.loading.catalogue import BUNDLED, Entry
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.serving.rules import Rules
from explainer.ui.layout import build_demo, launch_options
from tests.ui.fake import FakeExplainer

ROOT = Path(__file__).parent.parent.parent
PAGES = ("", "config", "gradio_api/info", "gradio_api/openapi.json", "theme.css", "manifest.json")


@pytest.fixture
def folders_of_models(tmp_path, monkeypatch):
    """A page whose models lie in folders, and where they are."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    entries = [Entry(n, kind=BUNDLED, folder=tmp_path / "models" / n) for n in ("one", "two")]
    models = Models(entries, lambda entry, **_: FakeExplainer(), Rules(any_model=True))
    models.start()
    demo = build_demo(models, RunStore())
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url, tmp_path
    demo.close(verbose=False)


def test_no_page_holds_a_path_of_the_server(folders_of_models):
    url, folder = folders_of_models
    places = {
        str(folder),
        str(ROOT),
        os.getcwd(),
        sys.prefix,
        tempfile.gettempdir(),
        str(Path.home()),
    }
    for name in PAGES:
        text = httpx.get(url + name).raise_for_status().text
        assert [place for place in places if place + "/" in text] == [], name


def test_models_are_told_by_name(folders_of_models):
    url, folder = folders_of_models
    answer = httpx.post(f"{url}gradio_api/run/models", json={"data": []}).json()
    assert [told["model"] for told in answer["data"][0]] == ["one", "two"]
    for name in (folder / "models" / "one", folder / "models" / "none", "../models/one"):
        told = httpx.post(f"{url}gradio_api/run/load", json={"data": [str(name)]}).json()
        assert "not one of the models offered here" in told["error"]
