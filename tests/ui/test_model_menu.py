"""The model menu's handlers as functions, and recording with one model or another."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from explainer.errors import ModelError
from explainer.models.loading import catalogue
from explainer.models.loading.catalogue import BUNDLED, HUB, Entry
from explainer.models.loading.options import LoadStep
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.serving.rules import Rules
from explainer.ui.api import Api
from explainer.ui.handlers import Handlers
from explainer.ui.missing import Missing
from explainer.ui.model_menu import ModelMenu
from explainer.web import controls, texts
from tests.ui.fake import FakeExplainer, fake_run

IMAGE = np.full((60, 80, 3), 128, np.uint8)
PANEL, OPTIONS = controls.panel_value(), controls.option_value()
SMALL = [Entry("one", kind=BUNDLED), Entry("two", kind=BUNDLED)]
LARGE = Entry("org/large", "qwen2_vl", 2_000_000_000, 0, 0, "Some Licence", HUB, dtype="bfloat16")
HUGE = Entry("org/huge", "llava", 20_000_000_000, 0, 0, "Some Licence", HUB)
BAD = Entry("org/bad", kind=HUB)


class Named(FakeExplainer):
    """A fake explainer with a name of its own, in its runs too."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model_id = name

    def stream(self, *values, **options):
        for item in super().stream(*values, **options):
            yield _renamed(item, self.model_id)


def _renamed(item, name):
    from dataclasses import replace

    return replace(item, model_id=name) if hasattr(item, "model_id") else item


def make(entry, on_progress=lambda step: None, reclaimable=0):
    on_progress(LoadStep("downloading", 1, 4))
    if entry is BAD:
        raise ModelError("org/bad is gated; ask for access on its page")
    return Named(entry.id)


@pytest.fixture
def models() -> Models:
    models = Models([*SMALL, LARGE, HUGE, BAD], make, free=lambda: 9 * 10**9)
    models.start()
    return models


@pytest.fixture
def menu(models) -> ModelMenu:
    return ModelMenu(models)


@pytest.fixture
def handlers(models) -> Handlers:
    return Handlers(models, RunStore())


def record(handlers, **more):
    return list(handlers.record(IMAGE, "What?", {}, 64, 0, 0, PANEL, OPTIONS, **more))[-1]


def options(value) -> dict[str, str]:
    return {m["id"]: m["text"] for group in value["groups"] for m in group["models"]}


def test_the_menu_groups_and_marks_what_does_not_fit(menu):
    value = menu.value()
    assert [len(g["models"]) for g in value["groups"]] == [2, 3]
    assert options(value) == {
        "one": "one", "two": "two",
        "org/large": "org/large · 8.5 GB of memory · 4.0 GB to download · Some Licence",
        "org/huge": "org/huge · needs 82 GB, 9.0 free", "org/bad": "org/bad",
    }  # fmt: skip
    assert [m["id"] for m in value["groups"][1]["models"]] == ["org/large", "org/bad", "org/huge"]
    assert value["model"] == "one"
    assert value["link"] == ""


def test_in_the_menu_what_fits_comes_first_and_the_newest_before_others():
    listed = catalogue.hub()
    models = Models([*SMALL, *reversed(listed)], make, free=lambda: 10 * 10**9)
    bundled, hub = ModelMenu(models, lambda: "bfloat16").value()["groups"]
    assert [m["id"] for m in bundled["models"]] == ["one", "two"]
    facts = {entry.id: entry for entry in listed}
    shown = [facts[m["id"]] for m in hub["models"]]
    assert {e.id for e in shown} == set(facts)
    months = {True: [], False: []}
    for entry in shown:
        months[entry.needs("bfloat16") <= 10 * 10**9].append(entry.released)
    assert [e.released for e in shown] == months[True] + months[False]
    for ordered in months.values():
        assert len(set(ordered)) > 3
        assert ordered == sorted(ordered, reverse=True)
    fitting = {m["id"]: m["text"] for m in hub["models"][: len(months[True])]}
    for name, text in fitting.items():
        assert text.endswith(f" · {facts[name].licence.partition(':')[0]}")


def test_choosing_tells_how_far_it_is_and_ends_with_the_model(menu):
    *steps, last = menu.choose({"model": "one", "asked": "org/large"})
    assert steps[0]["busy"]["name"] == "org/large"
    assert steps[0]["busy"]["ticket"]
    assert last["model"] == "org/large"
    assert last["link"].endswith("/org/large")
    assert options(last)["org/large"].endswith("loaded")
    assert "2.0 billion parameters, Some Licence. Qwen2-VL" in last["line"]
    anew = menu.refresh({"model": "two", "choices": 3})
    assert (anew["model"], anew["choices"]) == ("two", 3)


def test_a_failure_is_said_and_the_old_model_stays_chosen(menu, handlers):
    *_, last = menu.choose({"model": "two", "asked": "org/bad"})
    assert last["model"] == "two"
    assert last["said"]["kind"] == "error"
    assert last["said"]["text"] == (
        "org/bad is gated; ask for access on its page. two still answers."
    )
    assert record(handlers, model={"model": "two"}).bar["run"]


@pytest.mark.parametrize("junk", [None, 3, "x", [], {"asked": 3}, {"asked": ["x"], "model": {}}])
def test_junk_is_answered_with_a_menu_that_works(menu, junk):
    *_, last = menu.choose(junk)
    assert last["model"] == "one"
    assert menu.refresh(junk)["model"] == "one"
    assert isinstance(menu.refresh(junk)["choices"], int)
    assert menu.cancel(junk) is None


def test_cancelling_is_no_error(models):
    go = threading.Event()

    def slow(entry, on_progress=lambda step: None, reclaimable=0):
        while entry is LARGE and not go.wait(0.01):
            on_progress(LoadStep("downloading", 1, 4))
        return Named(entry.id)

    models = Models([*SMALL, LARGE], slow)
    models.start()
    menu = ModelMenu(models)
    steps = menu.choose({"model": "one", "asked": "org/large"})
    menu.cancel({"ticket": next(steps)["busy"]["ticket"]})
    *_, last = steps
    assert last["said"]["kind"] == "note"
    assert last["model"] == "one"


def test_each_answer_is_by_the_model_that_was_chosen(handlers):
    pages = {name: record(handlers, model={"model": name}) for name in ("one", "two")}
    assert pages["one"].bar["run"] != pages["two"].bar["run"]
    for name, page in pages.items():
        assert handlers.run(page.bar["run"]).model_id == name


def test_a_model_that_is_gone_is_said_with_what_to_do(menu, handlers):
    list(menu.choose({"asked": "org/large"}))
    page = record(handlers, model={"model": "org/large"})
    state = {"run": page.bar["run"], "subject": page.bar["subject"]}
    list(menu.choose({"asked": "org/huge"}))
    gone = record(handlers, model={"model": "org/large"})
    assert gone.bar == page.bar, "the stored run needs no model"
    more = {**PANEL, "alphas": [[1.4, True]]}
    *_, last = Missing(handlers).bring(state, more, OPTIONS)
    assert "org/large, which is not loaded any more" in last["text"]
    fresh = list(
        handlers.record(
            IMAGE, "Another?", {}, 64, 0, 0, PANEL, OPTIONS, model={"model": "org/large"}
        )
    )[-1]
    assert fresh.view["text"].startswith("The model org/large is not loaded; choose it in the")
    assert menu.refresh({"model": "org/large"})["model"] == "one"


def test_programs_can_list_load_and_name_a_model(menu, handlers):
    listed = {told["model"]: told for told in menu.listing()}
    assert listed["one"]["loaded"]
    assert not listed["org/large"]["loaded"]
    assert listed["org/large"]["needs_bytes"]["bfloat16"] == 4_306_500_000
    assert listed["org/large"]["download_bytes"] == 4_000_000_000
    assert listed["one"]["download_bytes"] is None
    assert menu.load_api("org/large")["loaded"]
    told = Api(handlers).record(IMAGE, "What?", 8, 0, 0, [1.0], "org/large")
    assert told["model"] == "org/large"
    with pytest.raises(ModelError, match="not one of the models"):
        Api(handlers).record(IMAGE, "What?", 8, 0, 0, [1.0], "no/such")


def test_why_the_list_is_short_is_said():
    models = Models(SMALL, make, Rules(why="Because the owner wants it."))
    models.start()
    assert ModelMenu(models).value()["details"].endswith("Because the owner wants it.")


def test_a_model_that_is_still_loading_is_said_and_waited_for():
    models = Models([LARGE, *SMALL], make)
    models.expect_start()
    menu, handlers = ModelMenu(models), Handlers(models, RunStore())
    value = menu.refresh({})
    assert (value["model"], value["starting"]["name"]) == ("org/large", "org/large")
    assert value["line"] == texts.MODEL_STARTING
    assert (menu.initial()["starting"], menu.initial()["line"]) == (None, "")
    pages = handlers.record(IMAGE, "What?", {}, 8, 0, 0, PANEL, OPTIONS)
    next(pages)
    waiting = next(pages)
    assert waiting.view["busy"].startswith("The model is still loading: starting.")
    assert waiting.bar == {}, "what is shown stays"
    models.start()
    *_, last = pages
    assert handlers.run(last.bar["run"]).model_id == "org/large"
    assert menu.refresh({})["starting"] is None


def test_one_explainer_needs_no_menu():
    menu = ModelMenu(Models.of_one(FakeExplainer()), about="A fake model.")
    value = menu.value()
    assert options(value) == {"fake-model": "fake-model"}
    assert value["line"] == "A fake model."
    assert fake_run().model_id == "fake-model"


def test_a_real_model_says_what_it_is(qwen):
    details = ModelMenu(Models.of_one(qwen)).value()["details"]
    assert "(Qwen2-VL), on cpu in float32." in details
    scales = ModelMenu(Models.of_one(qwen)).value()["scales"]
    assert scales == {"low": 0.1, "high": 2.0, "why": ""}
