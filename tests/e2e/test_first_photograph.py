"""From a photograph that a bundled model cannot read to one that another model explains."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image

from explainer.models.loading.catalogue import BUNDLED, HUB, Entry, make_folder_entry
from explainer.recording.load import load
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui.layout import build_demo, launch_options
from explainer.ui.sections.own_picture import words
from tests import tiny, tiny_tiles
from tests.e2e.pages import pictures
from tests.models import hub_server

NAME, WEIGHTS, PIECE = "org/small-vl", "model.safetensors", 10_000
OFFERED = Entry(
    NAME, "qwen2_vl", 500_000_000, 0, 0, "Some Licence: with terms", HUB, dtype="float32"
)
CASES = list(product(("light", "dark"), (1440, 390), (900,)))


def photograph() -> bytes:
    """Return a PNG with soft edges, shades and noise, as no drawing has them."""
    y, x = np.mgrid[:120, :160] / 40
    shade = np.stack([np.sin(x + k) * np.cos(y - k) for k in range(3)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 6, shade.shape)
    file = BytesIO()
    Image.fromarray((128 + 90 * shade + noise).clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A page with a bundled model, and a hub with another one."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", PIECE)
    small = make_folder_entry(tiny_tiles.llava(tmp_path / "tiny-llava"), BUNDLED)

    def make(entry, on_progress=lambda step: None, reclaimable=0):
        return load(entry.source, device="cpu", on_progress=on_progress)

    with hub_server.connected(tmp_path / "cache", monkeypatch) as hub:
        hub.repos[NAME] = Path(shutil.copytree(tiny.qwen2_vl(tmp_path / "tiny"), tmp_path / "repo"))
        models = Models([small, OFFERED], make, free=lambda: 5 * 10**9)
        models.start()
        demo = build_demo(models, RunStore(), examples=pictures())
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
        yield SimpleNamespace(url=url, hub=hub)
        demo.close(verbose=False)


def test_a_photograph_of_ones_own_leads_to_a_model_that_reads_it(served, visit):
    visitor, hub = visit(served.url), served.hub
    page = visitor.page
    file = {"name": "own.png", "mimeType": "image/png", "buffer": photograph()}
    page.set_input_files("#sl-image input[type=file]", file)
    page.fill("#sl-prompt textarea", "What is this?")
    page.click("#sl-run")
    visitor.wait_for_maps()
    offer = page.locator(".sl-own")
    offer.wait_for()
    said = offer.locator("p").inner_text()
    assert said.startswith(words.DRAWINGS)
    costs = rf"{NAME} reads photographs: 2\.0 GB to download, Some Licence, about \d+ s for"
    assert re.search(costs, said)
    assert offer.locator("button").all_inner_texts() == [words.LOAD.format(model=NAME)]
    _show(visitor, "offer")

    size = (hub.repos[NAME] / WEIGHTS).stat().st_size
    hub.hold = size // 2
    offer.locator("button").click()
    stage = page.locator(".sl-model-stage")
    stage.filter(has_text=re.compile(rf"{NAME}: downloading, (4\d|50) %")).wait_for()
    _show(visitor, "download")
    page.click(".sl-model-stop")
    page.locator(".sl-model-said").filter(has_text="stopped").wait_for()
    assert page.get_attribute(".sl-models", "data-model") == "tiny-llava"
    option = page.locator(f"#sl-model option[value='{NAME}']")
    assert "2.0 GB to download" in option.inner_text(), "a part is not the model"
    _show(visitor, "cancelled")

    hub.hold = None
    hub.go.set()
    offer.locator("button").click()
    visitor.settled(NAME, "document.querySelector('.sl-models').dataset.model")
    (_, whole), (start, rest) = [
        (first, length) for name, first, length in hub.sent if name == WEIGHTS
    ]
    assert whole == size
    assert size // 2 - PIECE <= start < size
    assert start + rest == size, "what was here was not sent again"

    before = page.get_attribute(".sl-view", "data-run")
    page.click("#sl-run")
    page.wait_for_function(
        "old => { const {run} = document.querySelector('.sl-view').dataset; "
        "return run && run !== old; }",
        arg=before,
    )
    visitor.wait_for_maps()
    assert NAME in page.inner_text(".sl-line")
    assert not offer.is_visible()
    _show(visitor, "explained")


def _show(visitor, name: str) -> None:
    """Check in both themes and at both widths that nothing needs to be scrolled sideways."""
    for theme, width, height in CASES:
        case = visitor.dress(theme, width, height)
        visitor.shot(f"photograph-{name}-{width}-{theme}")
        assert visitor.page.evaluate("document.documentElement.scrollWidth") == width, case
    visitor.dress("light", 1440, 900)
