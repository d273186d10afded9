"""Files to keep, as the page asks for them."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from explainer.methods import METHODS
from explainer.run import PROMPT, Run
from explainer.run.store import RunStore
from explainer.ui.saving import Saving
from explainer.web import controls, texts
from explainer.web.formats import FORMATS
from tests.ui.fake import fake_run, with_layers

LOOK = {"opacity": 0.55, "colours": "inferno", "theme": "light"}


@pytest.fixture
def store() -> RunStore:
    store = RunStore()
    store.put("key", fake_run(("A", " cat", "/../\x00\n猫"), "Was ist *das*?"))
    return store


def asked(**changes) -> dict:
    panel, options = controls.panel_value(), {"tam": controls.option_value()["tam"]}
    told = {"run": "key", "subject": {"chip": 7}, "panel": panel, "options": options}
    return told | {"format": "png", "look": LOOK, "ticket": "1"} | changes


def _chip(store: RunStore, text: str) -> dict:
    run = store.get("key")
    return {"chip": next(i for i, c in enumerate(run.chips) if c.text == text)}


def test_every_format_comes_with_a_name_that_is_safe(store):
    saving = Saving(store)
    for name, form in FORMATS.items():
        got = saving.save(asked(format=name, subject=_chip(store, " cat")))
        assert "data" in got, got
        stem = "cat" if form.scope == "word" else "was-ist-das"
        assert (got["name"], got["mime"]) == (f"sightline-{stem}.{name}", form.mime)
        data = base64.b64decode(got["data"])
        if name in ("png", "gif", "webp"):
            assert Image.open(io.BytesIO(data)).format == name.upper()
    odd = saving.save(asked(subject=_chip(store, "/../\x00\n猫")))
    assert odd["name"] == "sightline.png"


def test_files_show_the_methods_and_settings_that_the_page_shows(store):
    options = {"tam": {"normalisation": "token"}, "logit_lens": {}}
    got = Saving(store).save(asked(format="json", options=options))
    told = json.loads(base64.b64decode(got["data"]))
    assert [m["name"] for m in told["methods"]] == ["tam", "logit_lens"]
    assert told["methods"][0]["settings"]["normalisation"] == "token"
    assert len(told["subjects"]) == 3
    run = Run.load(io.BytesIO(base64.b64decode(Saving(store).save(asked(format="npz"))["data"])))
    assert run.answer == store.get("key").answer


def test_files_show_the_layer_and_the_subject_that_the_page_shows(store):
    run = with_layers(fake_run())
    store.put("key", run)
    token = next(i for i, text in enumerate(run.tokens.texts) if text == " dog")
    contrast = {"plus": {"tokens": [token]}, "minus": _chip(store, " cat")}
    saving, options = Saving(store), {"logit_lens": {}}

    def file(name: str, **subject) -> bytes:
        got = saving.save(asked(format=name, subject=subject, options=options))
        return base64.b64decode(got["data"])

    told = json.loads(file("json", **contrast, layer=1))
    (shown,) = [s for s in told["subjects"] if s["text"] == "dog"]
    expected = METHODS["logit_lens"](run.at_layer(1), token).values
    assert told["run"]["layer"] == 1
    np.testing.assert_allclose(shown["maps"][0]["parts"][0]["values"], expected, atol=1e-4)
    figure = file("svg", **contrast, layer=1).decode()
    assert "dog, not cat" in figure
    assert "layer 1" in " ".join(figure.split())
    assert file("png", **contrast, layer=1) != file("png", **contrast)
    assert b"and layer 1." in file("html", **contrast, layer=1)
    assert Run.load(io.BytesIO(file("npz", **contrast, layer=1))).layer_numbers == (1, 2, 3)


def test_films_say_how_far_they_are(store):
    saving = Saving(store)
    assert saving.progress("7") == {}
    saving.save(asked(format="webp", ticket="7"))
    assert saving.progress("7")["done"] == saving.progress("7")["total"]
    assert saving.progress(["7"]) == {}
    for i in range(2):
        saving.save(asked(format="gif", ticket=f"t{i}"))
    assert saving.progress("t1")["done"] == 3


def test_a_run_without_an_answer_has_files_of_its_prompt():
    store = RunStore()
    store.put("key", fake_run((), "Describe it."))
    run = store.get("key")
    first = next(i for i, c in enumerate(run.chips) if c.role == PROMPT)
    for name in FORMATS:
        assert "data" in Saving(store).save(asked(format=name, subject={"chip": first}))


@pytest.mark.parametrize(
    "changes",
    [
        {"run": "somebody else's"}, {"run": None}, {"run": 3}, {"format": "exe"}, {"format": None},
        {"format": ["png"]}, {"subject": {"chip": 999}}, {"subject": {"chip": 7, "layer": 5}},
        {"subject": None}, {"panel": 1},
        {"options": {"nothing": {}}}, {"look": None}, {"look": {"theme": "pink"}},
        {"look": {"opacity": "1"}}, {"look": {"opacity": float("nan")}}, {"look": {"a": 1}},
        {"look": {"colours": ["inferno"]}},
    ],
)  # fmt: skip
def test_whatever_cannot_be_made_is_said(store, changes):
    got = Saving(store).save(asked(**changes))
    assert got["kind"] == "error"
    assert got["text"] != texts.BROKEN
    assert "data" not in got


def test_anything_may_be_asked():
    for odd in (None, 3, "x", [], {}):
        assert Saving(RunStore()).save(odd)["kind"] == "error"


def test_what_no_font_draws_is_said_beside_the_file(store, monkeypatch):
    from explainer.export import fonts

    monkeypatch.setattr(fonts, "find_undrawable", lambda text: ["🦊"])
    said = Saving(store).save(asked())["note"]
    assert "🦊 (U+1F98A), so pictures spell the code point; SVG" in said
    assert Saving(store).save(asked(format="svg"))["note"] == ""
    monkeypatch.undo()
    assert Saving(store).save(asked())["note"] == ""
