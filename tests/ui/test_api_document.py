"""The examples of docs/api.md, run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from explainer.run import Run
from explainer.run.store import RunStore
from explainer.serving.calls import Calls
from explainer.serving.model_pool import Models
from explainer.ui.api import Api
from explainer.ui.handlers import Handlers
from explainer.ui.model_menu import ModelMenu
from explainer.ui.section import Server
from explainer.ui.sections import SECTIONS
from explainer.ui.visitors import Visits
from explainer.web.formats import FORMATS
from tests.ui.fake import FakeExplainer

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "api.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:7860"


def run(language: str, url: str, folder: Path) -> str:
    """Run the one example in a language in this folder, against another address; return what it
    prints."""
    (folder / "assets").symlink_to(ROOT / "assets")
    (example,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.S)
    start = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
    told = subprocess.run(
        [*start, example.replace(ADDRESS, url.rstrip("/"))],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_the_python_example(url, tmp_path):
    lines = run("python", url, tmp_path).splitlines()
    assert lines[0].startswith("A cat and a dog")
    assert "' cat'" in "".join(lines)
    words = sum(re.fullmatch(r"'.*' [\d.]+ -> [\d.]+ [\d.e-]+", line) is not None for line in lines)
    assert words == 9
    assert re.fullmatch(r"\d+ rows; .*1\.0 = .*", lines[-13])
    assert re.fullmatch(r"why cat and not carrot: -[\d.]+ and more", lines[-12])
    assert re.fullmatch(r"insertion [\d.]+, at random [\d.]+: unlikely", lines[-2])
    assert lines[-1].endswith(".svg")


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="no curl or no jq")
def test_the_curl_example(url, tmp_path):
    candidates, row = run("bash", url, tmp_path).splitlines()
    assert candidates.count('"probability"') == 2
    assert row.startswith("[")
    assert Run.load(tmp_path / "run.npz").answer.startswith("A cat")


def test_every_endpoint_is_described():
    models, store = Models.of_one(FakeExplainer()), RunStore()
    handlers, menu = Handlers(models, store), ModelMenu(models)
    server = Server(handlers, store, Visits(Calls()), models, menu)
    own = [one.function for section in SECTIONS for one in section(server).endpoints()]
    api = Api(handlers)
    for function in (api.record, api.explain, api.export, *own):
        assert f"`/{function.__name__}`" in DOCUMENT
        assert function.__doc__


def test_every_format_is_described():
    assert [name for name in FORMATS if f"`{name}`" not in DOCUMENT] == []
