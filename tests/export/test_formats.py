"""The documented formats are those that there are."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest

from explainer.run import Run
from explainer.web.formats import FORMATS
from tests.ui.fake import fake_run

TEXT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
GALLERY = Path(__file__).parents[2] / "assets" / "gallery"


def test_every_format_is_documented():
    rows = "".join(line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `"))
    assert set(FORMATS) <= set(re.findall(r"`([\w{}]+)`", rows))


@pytest.mark.parametrize("name", ["fake", "recorded"])
def test_every_array_of_a_run_is_documented(name):
    run = Run.load(next(GALLERY.glob("*.npz"))) if name == "recorded" else fake_run(images=2)
    buffer = io.BytesIO()
    run.save(buffer)
    buffer.seek(0)
    told = set(re.findall(r"`([\w{}]+)`", TEXT))
    arrays = {re.sub(r"(image|scale)\d+", r"\1{i}", name) for name in np.load(buffer).files}
    assert arrays <= told, arrays - told
