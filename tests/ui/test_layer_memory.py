"""What is said of the memory of further layers before anything is recorded."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.models.loading.catalogue import Entry
from explainer.serving.model_pool import Models
from explainer.ui.layer_memory import Fields, LayerMemory
from explainer.web import controls, texts
from tests.media.test_video import clip
from tests.ui.fake import FakeExplainer

IMAGE = np.full((60, 80, 3), 128, np.uint8)
PANEL, OPTIONS = controls.panel_value(), controls.option_value()
FIELDS = Fields("all", IMAGE, None, "Describe it.", 32, PANEL, OPTIONS, "")


class Model(FakeExplainer):
    """A model that remembers what it was asked, and answers what it is told to."""

    def __init__(self, size: int = 2_340_000) -> None:
        super().__init__()
        self.size, self.asked = size, []

    def layer_bytes(self, image, prompt, **options):
        self.asked.append((image, prompt, options))
        return self.size


def said(explainer, **changed):
    return LayerMemory(Models.of_one(explainer)).said(FIELDS._replace(**changed))


def test_nothing_is_asked_of_the_model_for_the_last_layer():
    model = Model()
    assert said(model, layers="last") == {"text": "", "kind": "note"}
    assert said(model, layers=None)["text"] == ""
    assert model.asked == []


def test_the_size_comes_with_what_it_depends_on():
    model = Model()
    text = said(model)["text"]
    assert "2.3 MB" in text
    assert all(part in text for part in ("0.5, 0.75, 1", "fake-model", "32 tokens"))
    (((image,), prompt, options),) = model.asked
    assert (image == IMAGE).all()
    assert prompt == "Describe it."
    assert options == {"scales": (0.5, 0.75, 1.0), "max_new_tokens": 32, "layers": "all"}
    assert model.calls == []
    assert said(Model(0))["text"] == texts.LAYERS_NONE.format(model="fake-model")


def test_a_video_is_asked_about_as_one(tmp_path):
    model, path = Model(), tmp_path / "clip.mp4"
    path.write_bytes(clip(frames=8))
    assert "MB" in said(model, source=None, more=[str(path)])["text"]
    ((image, _, options),) = model.asked
    assert image is None
    assert len(options["video"].frames)


def test_no_number_is_made_up():
    assert said(Model(), source=None)["text"] == texts.LAYERS_NO_PICTURE
    away = Models([Entry("large")], lambda entry, **how: Model())
    text = LayerMemory(away).said(FIELDS)["text"]
    assert "not loaded yet" in text
    assert "MB" not in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"layers": "some"},
        {"layers": ["all"]},
        {"max_new_tokens": 1e9},
        {"prompt": 3},
        {"panel": None},
        {"model": "elsewhere"},
        {"source": b"no picture"},
        {"more": [1] * 99},
    ],
)
def test_values_from_elsewhere_are_refused_in_words(wrong):
    told = said(Model(), **wrong)
    assert told["kind"] == "error"
    assert told["text"]
    assert told["text"] != texts.BROKEN
