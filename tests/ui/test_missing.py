"""Maps of methods that ask the model: made for the word that is chosen, with nothing held up."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from explainer.errors import MethodError, SightlineError
from explainer.methods import COMPARISON, find_method
from explainer.methods.subjects import Span, explain_subject
from explainer.run import ANSWER, Run
from explainer.run.store import RunStore
from explainer.serving.jobs import MapRequest, MapsJob
from explainer.serving.no_models import NoModels
from explainer.ui.api import Api
from explainer.ui.handlers import Handlers
from explainer.ui.maps import Maps
from explainer.ui.missing import Missing
from explainer.ui.saving import Saving
from explainer.ui.sections.hiding.endpoint import HideEndpoint
from explainer.ui.sections.hiding.handler import HidingHandler
from explainer.ui.sections.links.settings import all_options
from explainer.web import controls, payload, texts
from tests import tiny
from tests.ui.fake import FakeExplainer, fake_run, with_layers

KEY = "a" * 32
PANEL = controls.panel_value()
OPTIONS = {"grad_cam": all_options()["grad_cam"]}


@pytest.fixture
def explainer():
    return FakeExplainer()


@pytest.fixture
def store():
    store = RunStore()
    store.put(KEY, with_layers(fake_run()))
    return store


@pytest.fixture
def handlers(explainer, store):
    return Handlers(explainer, store)


def chip(store: RunStore, text: str) -> dict:
    return {"chip": [c.text for c in store.get(KEY).chips].index(text)}


def maps(store: RunStore, *subjects, options=OPTIONS) -> list[dict]:
    asked = {"run": KEY, "subjects": [*subjects], "options": options}
    return Maps(store).compared(asked)["maps"]


def bring(handlers: Handlers, subject, options=OPTIONS) -> list[dict]:
    return list(Missing(handlers).bring({"run": KEY, "subject": subject}, PANEL, options))


def test_the_map_of_the_chosen_word_is_computed_and_the_others_wait(handlers, explainer, store):
    cat, dog = chip(store, " cat"), chip(store, " dog")
    before = maps(store, cat, dog)
    assert [entry["need"] for entry in before] == [True, True]
    (waiting,) = before[0]["maps"]
    assert waiting["why"] == texts.NOT_COMPUTED.format(method="Grad-CAM")
    assert waiting["parts"] == []
    assert explainer.attributed == [], "asking for maps asks no model"
    first, last = bring(handlers, cat)
    assert first["busy"] == texts.BUSY_MAP.format(method="Grad-CAM")
    assert list(last) == ["refresh"]
    assert explainer.attributed == [("grad_cam", store.get(KEY).chips[cat["chip"]].tokens[0])]
    after = maps(store, cat, dog)
    assert [entry["need"] for entry in after] == [False, True]
    run, word = store.get(KEY), Span(store.get(KEY).chips[cat["chip"]].tokens)
    want = explain_subject(find_method("grad_cam"), run, word)
    part = payload.part_value(run.image, want.parts[0], False, "")
    assert after[0]["maps"][0]["parts"][0]["data"] == part.data
    bring(handlers, cat)
    assert len(explainer.attributed) == 1, "it stays with the run"


def test_alone_it_leaves_nothing_to_draw_and_that_is_no_error(store):
    (entry,) = maps(store, chip(store, " cat"), options={"grad_cam": {}})
    assert entry["need"]
    assert entry["peaks"] == []
    assert entry["beta"] is None


def test_what_it_cannot_show_is_said_in_its_place(handlers, explainer, store):
    cat = chip(store, " cat")
    at = store.get(KEY).chips[cat["chip"]].tokens[0]
    other = {"at": at, "ids": [22]}
    cases = [({**cat, "layer": 1}, "whole model"), (other, "recorded words only")]
    cases.append(({"plus": cat, "minus": other}, "recorded words only"))
    for subject, why in cases:
        (entry,) = maps(store, subject)
        assert not entry["need"]
        assert why in entry["maps"][0]["why"]
        assert "refresh" in bring(handlers, subject)[-1]
    assert explainer.attributed == []


def test_one_that_fails_says_so_and_does_not_hold_up_another(handlers, explainer, store):
    options = {name: all_options()[name] for name in ("archi_surgery", "attention")}
    *_, last = bring(handlers, chip(store, " cat"), options)
    assert last["refresh"]
    assert "CLIP's vision tower" in last["text"]
    assert [name for name, _ in explainer.attributed] == ["attention"]


def test_without_its_model_the_reason_is_told(store):
    nobody = NoModels()
    nobody.start()
    *_, last = bring(Handlers(nobody, store), chip(store, " cat"))
    assert "start Sightline with that model" in last["text"]
    assert maps(store, chip(store, " cat"))[0]["maps"][0]["why"]


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (None, "refresh"),
        ({"chip": 999}, "refresh"),
        (3, "text"),
        ({"chip": "x"}, "text"),
        ([], "text"),
    ],
)
def test_a_subject_that_cannot_be_asks_nothing(handlers, explainer, subject, told):
    assert told in bring(handlers, subject)[-1]
    assert explainer.attributed == []


def test_the_whole_answer_is_asked_for_only_where_its_maps_share_one_scale(
    handlers, explainer, store
):
    options = {"grad_cam": {**all_options()["grad_cam"], "normalisation": "answer"}}
    bring(handlers, chip(store, " cat"), options)
    answer = [("grad_cam", int(token)) for token in store.get(KEY).indices(ANSWER)]
    assert sorted(explainer.attributed) == answer


def test_methods_to_opt_in_to_are_not_on_the_page(handlers):
    with pytest.raises(MethodError, match="there is no method 'attn_lrp'"):
        controls.read_settings(PANEL, {"attn_lrp": {}})
    assert "attn_lrp" not in all_options()
    with pytest.raises(MethodError, match="there is no method"):
        Api(handlers).explain(KEY, 3, "cp_lrp")


def test_a_file_is_refused_in_words_until_all_its_maps_are_there(handlers, store):
    saving, cat = Saving(store), chip(store, " cat")
    asked = {"run": KEY, "subject": cat, "panel": PANEL, "options": OPTIONS, "look": {}}
    got = saving.save({**asked, "format": "json"})
    assert got["text"].startswith("Grad-CAM: not computed yet for every word of this file.")
    bring(handlers, cat)
    assert "data" in saving.save({**asked, "format": "png"})
    assert "data" in saving.save({**asked, "format": "npz"}), "a record has what there is"
    got = saving.save({**asked, "subject": {**cat, "layer": 1}, "format": "png"})
    assert "whole model" in got["text"]
    whole = {**OPTIONS, "grad_cam": {**OPTIONS["grad_cam"], "normalisation": "answer"}}
    bring(handlers, cat, whole)
    assert "data" in saving.save({**asked, "options": whole, "format": "html"})


def test_programs_get_such_maps_at_once(handlers, explainer, store):
    api, cat = Api(handlers), chip(store, " cat")
    got = api.explain(KEY, cat["chip"], "attention", knobs={"over_layers": "mean"})
    run, word = store.get(KEY), Span(store.get(KEY).chips[cat["chip"]].tokens)
    want = explain_subject(find_method("attention"), run, word, over_layers="mean")
    np.testing.assert_allclose(got["values"], want.values, atol=1e-4)
    hide = HideEndpoint(handlers).hide
    assert hide(KEY, cat["chip"], "grad_cam")["share"] > 0
    explainer.attributed.clear()
    assert api.export(KEY, "json", methods=["tam", "grad_cam"]).data
    assert len(explainer.attributed) == len(run.indices(ANSWER)) - 1, "that of cat was there"
    with pytest.raises(SightlineError, match="explains recorded words only"):
        api.explain(KEY, {"at": int(run.indices(ANSWER)[0]), "ids": [22]}, "grad_cam")
    with pytest.raises(SightlineError, match="whole model"):
        api.explain(KEY, {**cat, "layer": 1}, "grad_cam")


def test_what_such_a_map_shows_can_be_hidden(handlers, explainer, store):
    asked = {"run": KEY, "subject": chip(store, " cat"), "panel": PANEL, "options": OPTIONS}
    asked |= {"method": "grad_cam", "image": 0, "how": "hide", "fill": "mean", "ask": 1}
    last = list(HidingHandler(handlers, store).measure(asked))[-1]
    assert last["word"] == "cat"
    assert [name for name, _ in explainer.attributed] == ["grad_cam"]


@pytest.mark.parametrize("name", [n for n in COMPARISON if n not in ("cam", "archi_surgery")])
def test_a_model_computes_what_the_page_shows(qwen, name):
    run = qwen.record(tiny.image(64, 96), "What is it?", scales=(1.0,), max_new_tokens=2)
    store = RunStore()
    store.put(KEY, run)
    subject, options = {"chip": payload.first_chip(run)}, {name: all_options()[name]}
    panel = {**PANEL, "alphas": [[1, True]]}
    asked = {"run": KEY, "subjects": [subject], "options": options}
    assert Maps(store).compared(asked)["maps"][0]["need"]
    state = {"run": KEY, "subject": subject}
    *_, last = Missing(Handlers(qwen, store)).bring(state, panel, options)
    assert list(last) == ["refresh"]
    (entry,) = Maps(store).compared(asked)["maps"]
    assert not entry["need"]
    assert entry["maps"][0]["parts"][0]["data"]


def test_a_job_and_what_comes_of_it_can_be_sent_to_another_process(explainer):
    wanted = MapRequest("grad_cam", (3,), find_method("grad_cam").settings())
    job = pickle.loads(pickle.dumps(MapsJob(fake_run(), (wanted,))))
    *_, run = job.steps(explainer)
    assert isinstance(pickle.loads(pickle.dumps(run)), Run)
    assert [key[:2] for key in run.attributions] == [("grad_cam", 3)]


# How far it is, and ending it --------------------------------------------------------------------

EAGLE = {"eagle": all_options()["eagle"]}


def test_it_is_told_how_far_the_readings_of_a_map_are(handlers, store):
    first, *told, last = bring(handlers, chip(store, " cat"), EAGLE)
    assert first == {"busy": texts.BUSY_MAP.format(method="EAGLE"), "endable": True}
    total = find_method("eagle").settings()["regions"]
    said = [f"EAGLE: {done} of {total} readings of the picture" for done in range(1, total + 1)]
    assert [value["busy"] for value in told] == said
    assert all(value["endable"] for value in told)
    assert list(last) == ["refresh"]
    (entry,) = maps(store, chip(store, " cat"), options=EAGLE)
    assert entry["maps"][0]["note"] == "rests on the picture: 0.62"


def test_it_is_told_after_how_many_words_of_an_answer_it_is(handlers, store):
    cat = chip(store, " cat")
    whole = {"grad_cam": {**OPTIONS["grad_cam"], "normalisation": "answer"}}
    words = len(store.get(KEY).indices(ANSWER))
    _, *told, last = bring(handlers, cat, whole)
    assert [t["busy"] for t in told] == [f"Grad-CAM: {n} of {words} words" for n in range(1, words)]
    assert list(last) == ["refresh"]
    eagle = {"eagle": {**EAGLE["eagle"], "normalisation": "answer"}}
    said = [value.get("busy", "") for value in bring(handlers, cat, eagle)]
    assert f"EAGLE: 3 of 12 readings of the picture, after 1 of {words} words" in said


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_ended_on_the_way_it_keeps_nothing_and_can_be_begun_again(
    handlers, explainer, store, steps
):
    cat, before = chip(store, " cat"), store.get(KEY)
    making = Missing(handlers).bring({"run": KEY, "subject": cat}, PANEL, EAGLE)
    for _ in range(steps):
        next(making)
    making.close()
    assert store.get(KEY) is before
    assert maps(store, cat, options=EAGLE)[0]["need"]
    assert "refresh" in bring(handlers, cat, EAGLE)[-1]
    assert not maps(store, cat, options=EAGLE)[0]["need"]


def test_what_was_made_before_the_end_stays(handlers, store):
    options = {name: all_options()[name] for name in ("grad_cam", "eagle")}
    making = Missing(handlers).bring({"run": KEY, "subject": chip(store, " cat")}, PANEL, options)
    while "EAGLE: 2" not in next(making)["busy"]:
        pass
    making.close()
    assert [key[0] for key in store.get(KEY).attributions] == ["grad_cam"]


def test_a_model_is_free_again_when_making_was_ended(handlers, store):
    making = Missing(handlers).bring({"run": KEY, "subject": chip(store, " cat")}, PANEL, EAGLE)
    next(making), next(making)
    (held,) = handlers._models._slots.values()
    assert held.users == 1
    making.close()
    assert held.users == 0
