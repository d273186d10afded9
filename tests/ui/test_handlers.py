"""The page's events as plain functions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from PIL import Image

from explainer.errors import ModelError, SightlineError
from explainer.media.images import open_image
from explainer.run.store import RunStore
from explainer.serving.jobs import RecordJob, ScalesJob
from explainer.ui.handlers import Handlers, PageExample, PageUpdate
from explainer.ui.missing import Missing
from explainer.web import controls, texts
from tests.inputs.pictures import profile
from tests.media.test_video import clip
from tests.ui.fake import FakeExplainer

IMAGE = np.full((60, 80, 3), 128, np.uint8)
PANEL, OPTIONS = controls.panel_value(), controls.option_value()


@pytest.fixture
def explainer():
    return FakeExplainer()


@pytest.fixture
def handlers(explainer):
    return Handlers(explainer, RunStore(), [PageExample(open_image(IMAGE), "Hi?", "grey")])


def record(handlers, image=IMAGE, prompt="What?", previous=None, panel=PANEL, decoding=(64, 0, 0)):
    return list(handlers.record(image, prompt, previous or {}, *decoding, panel, OPTIONS))


def recorded(handlers, **kw) -> PageUpdate:
    return record(handlers, **kw)[-1]


def choice(page: PageUpdate) -> dict:
    return {"run": page.bar["run"], "subject": page.bar["subject"]}


def test_tokens_appear_as_they_come_and_chips_at_the_end(handlers):
    pages = record(handlers)
    counts = [len(p.bar["chips"]) for p in pages if p.bar.get("live")]
    assert counts[0] == 0
    assert sorted(counts) == counts
    last = pages[-1]
    assert [c["text"] for c in last.bar["chips"]][-1] == "."
    assert last.view == {"text": "", "kind": ""}
    assert last.backdrop["run"] == last.bar["run"]


def test_the_scales_that_are_on_are_recorded_once(handlers, explainer):
    recorded(handlers)
    run = handlers._store.get(choice(recorded(handlers))["run"])
    assert sorted(run.alphas) == [0.5, 0.75, 1.0]
    assert explainer.calls == ["What?"], "the second time the stored run is used"


def test_a_stored_run_gets_the_scales_that_it_lacks(handlers, explainer):
    recorded(handlers)
    page = recorded(handlers, panel={**PANEL, "alphas": [[0.5, True], [1.25, True]]})
    assert explainer.added == [1.25]
    assert handlers.run(page.bar["run"]).alphas == (1.0, 0.5, 0.75, 1.25)


@pytest.mark.parametrize("prompt", ["", "  \n", None])
def test_an_empty_prompt_becomes_the_default_and_says_so(handlers, explainer, prompt):
    pages = record(handlers, prompt=prompt)
    assert explainer.calls == [texts.DEFAULT_PROMPT]
    assert any(texts.DEFAULT_PROMPT in p.notice.get("text", "") for p in pages)


def record_files(handlers, source, more, prompt="What?"):
    decoding = (64, 0, 0)
    return list(handlers.record(source, prompt, {}, *decoding, PANEL, OPTIONS, "", more))[-1]


def test_further_pictures_follow_the_first(handlers, tmp_path):
    Image.fromarray(IMAGE[:40]).save(tmp_path / "b.png")
    page = record_files(handlers, IMAGE, [str(tmp_path / "b.png")])
    run = handlers._store.get(page.bar["run"])
    assert [i.shape for i in run.images] == [(60, 80, 3), (40, 80, 3)]
    assert len(page.backdrop["images"]) == 2
    alone = record_files(handlers, None, [str(tmp_path / "b.png")])
    assert alone.bar["run"] != page.bar["run"] != recorded(handlers).bar["run"]
    assert record_files(handlers, IMAGE, [str(tmp_path / "b.png")]).bar["run"] == page.bar["run"]


def test_a_model_sees_the_colours_of_a_profile_as_srgb_and_the_page_says_so(handlers, tmp_path):
    red = Image.new("RGB", (80, 60), (234, 51, 35))
    red.save(tmp_path / "red.png", icc_profile=profile("Display P3"))
    pages = record(handlers, image=str(tmp_path / "red.png"))
    assert any('its profile "Display P3" to sRGB' in p.notice.get("text", "") for p in pages)
    seen = handlers.run(pages[-1].bar["run"]).image
    assert seen[30, 40].astype(int) == pytest.approx((255, 0, 0), abs=3)


def test_a_video_is_read_in_steps(handlers, tmp_path):
    (tmp_path / "a.mp4").write_bytes(clip(40))
    pages = list(
        handlers.record(None, "What?", {}, 64, 0, 0, PANEL, OPTIONS, "", [str(tmp_path / "a.mp4")])
    )
    assert any("16 of its 40 frames are used" in p.notice.get("text", "") for p in pages)
    run = handlers._store.get(pages[-1].bar["run"])
    assert len(run.images) == 8
    page = record_files(handlers, IMAGE, [str(tmp_path / "a.mp4")])
    assert page.notice == {"text": texts.VIDEO_ALONE, "kind": "error"}


@pytest.mark.parametrize("more", [["/no/such.mp4"], "/no/such.png", [3], {"a": 1}, 7])
def test_files_that_are_none_are_said(handlers, more):
    page = record_files(handlers, None, more)
    assert page.notice.get("kind") == "error" or page.view.get("kind") == "error"


def test_no_picture_is_said_beside_the_picture(handlers):
    page = recorded(handlers, image=None)
    assert page.notice == {"text": texts.NO_IMAGE, "kind": "error"}
    assert "busy" not in page.view


def test_a_failed_recording_brings_the_previous_answer_back(handlers):
    before = recorded(handlers)
    later = choice(before) | {"subject": {"chip": before.bar["subject"]["chip"] + 2}}
    page = recorded(handlers, image="/no/such/file.png", previous=handlers.begin(later))
    assert page.bar["chips"] == before.bar["chips"]
    assert page.bar["subject"] == later["subject"]


def test_the_answer_before_a_stop_comes_back(handlers):
    before = recorded(handlers)
    recorded(handlers, prompt="Another?")  # ended in the moment of the click
    bar, view, backdrop = handlers.stopped(handlers.begin(choice(before)))
    assert bar == before.bar
    assert view["text"] == texts.STOPPED_BACK
    assert backdrop == before.backdrop
    assert handlers.stopped({})[1]["text"] == texts.STOPPED


@pytest.mark.parametrize("junk", [None, 3, "x", [], {"run": 1}, {"run": "x", "subject": {}}])
def test_whatever_came_before_is_no_trap(handlers, junk):
    assert handlers.stopped(handlers.begin(junk))[0]["run"] is None
    assert recorded(handlers, previous=junk).bar["run"]


@pytest.mark.parametrize("junk", [None, {}, {"chip": -1}, {"chip": "3"}, [1]])
def test_a_subject_from_before_that_is_none_is_not_restored(handlers, junk):
    before = choice(recorded(handlers)) | {"subject": junk}
    assert handlers.stopped(handlers.begin(before))[0]["run"] is None


def test_errors_meant_for_people_are_shown_as_they_are(handlers, monkeypatch):
    def fails(job):
        raise ModelError("the memory is full; use a smaller picture")
        yield

    monkeypatch.setattr(handlers, "_work", fails)
    assert recorded(handlers).view == {
        "text": "The memory is full; use a smaller picture", "kind": "error",
    }  # fmt: skip


def test_other_errors_are_not_shown(handlers, monkeypatch):
    monkeypatch.setattr(handlers, "_work", lambda job: iter([1 / 0]))
    assert recorded(handlers).view == {"text": texts.BROKEN, "kind": "error"}


def test_closing_a_recording_closes_the_explainer(handlers, monkeypatch):
    closed = []

    def work(job):
        try:
            yield from job.steps(FakeExplainer())
        finally:
            closed.append(True)

    monkeypatch.setattr(handlers, "_work", work)
    pages = handlers.record(IMAGE, "What?", {}, 64, 0, 0, PANEL, OPTIONS)
    next(pages)
    next(pages)
    pages.close()
    assert closed == [True]


def test_an_answer_without_words_is_no_error():
    page = recorded(Handlers(FakeExplainer(texts=()), RunStore()))
    assert page.view["text"] == texts.EMPTY_ANSWER
    assert page.bar["subject"] is not None, "the words of the prompt can be explained"


def test_missing_scales_are_recorded_and_then_the_page_asks_again(handlers, explainer):
    state = choice(recorded(handlers))
    panel = {**PANEL, "alphas": [[0.9, True], [1.0, True]]}
    *_, last = Missing(handlers).bring(state, panel, OPTIONS)
    assert last["refresh"]
    assert explainer.added == [0.9]
    assert sorted(handlers.run(state["run"]).alphas) == [0.5, 0.75, 0.9, 1.0]


def test_scales_of_an_expired_run_cannot_be_recorded(handlers):
    expired = {"run": "f" * 32, "subject": {"chip": 3}}
    assert list(Missing(handlers).bring(expired, PANEL, OPTIONS))[-1]["text"] == texts.EXPIRED


def test_visitors_do_not_share_runs(handlers):
    one, other = recorded(handlers, prompt="One?"), recorded(handlers, prompt="Other?")
    assert one.bar["run"] != other.bar["run"]
    assert len(one.bar["run"]) == 32


def test_examples_are_chosen_by_number(handlers):
    pixels, prompt, more = handlers.choose(0)
    assert more is None
    assert np.array_equal(pixels, IMAGE)
    assert prompt == "Hi?"
    for bad in (1, -1, "0", None, True, 0.0):
        with pytest.raises(SightlineError):
            handlers.choose(bad)


def test_what_crosses_to_a_worker_process_pickles():
    explainer = FakeExplainer()
    job = pickle.loads(pickle.dumps(RecordJob((IMAGE,), "Hi", (0.5,), {"max_new_tokens": 3})))
    items = pickle.loads(pickle.dumps(list(job.steps(explainer))))
    added = list(ScalesJob(items[-1], (1.25,)).steps(explainer))
    assert added[-1].alphas == (1.0, 0.5, 1.25)
