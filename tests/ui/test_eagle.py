"""Parts that words need, on the page: the parts, the search, and taking a word away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.methods import METHODS
from explainer.run import ANSWER
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.ui.sections.eagle import handler as module
from explainer.ui.sections.eagle import words
from explainer.ui.sections.eagle.endpoint import RegionsEndpoint
from explainer.ui.sections.eagle.handler import EagleHandler, _changes, flag_words
from explainer.web import controls, texts
from tests.ui.fake import ANSWER_TEXTS, FakeExplainer, fake_run

CELLS = {"run": "key", "target": "word", "parts": "cells", "regions": 16, "ask": 7}


class Corrected(FakeExplainer):
    """Says no cat any more from the second answer on."""

    def stream(self, image, prompt, **options):
        self.texts = (*ANSWER_TEXTS[:1], " dog", *ANSWER_TEXTS[2:]) if self.calls else self.texts
        yield from super().stream(image, prompt, **options)


def cat(run):
    return {"chip": next(i for i, chip in enumerate(run.chips) if chip.text == " cat")}


@pytest.fixture
def explainer():
    return Corrected()


@pytest.fixture
def handler(explainer):
    models, store = Models.of_one(explainer), RunStore()
    store.put("key", fake_run())
    return EagleHandler(Handlers(models, store))


def test_the_parts_are_drawn_before_the_search(handler):
    told = handler.parts({**CELLS, "target": "answer"})
    assert told["picture"].startswith("data:image/jpeg")
    assert told["line"] == words.PARTS.format(count=16, masks=206)
    preview = handler.parts({**CELLS, "target": "answer", "hiding": "tokens"})
    assert "the picture is read once" in preview["line"]


def test_before_the_first_part_is_known_the_map_shows_what_parts_do_alone(handler, monkeypatch):
    monkeypatch.setattr(module, "_EVERY", 0.0)
    message = {**CELLS, "subject": cat(fake_run()), "hiding": "tokens"}
    parts = handler.parts({**CELLS, "target": "answer"})["picture"]
    drawn = []
    real = module._draw

    def draw(tiling, values, image):
        drawn.append(values.copy())
        return real(tiling, values, image)

    monkeypatch.setattr(module, "_draw", draw)
    _, first, *_, last = handler.search(message)
    assert first["picture"] == parts, "no part was read alone yet"
    assert last["picture"] != parts
    alone = drawn[0]
    assert alone.max() == 1
    assert alone.min() == 0


def test_the_map_comes_with_every_batch_and_the_result_with_what_it_means(handler):
    message = {**CELLS, "subject": cat(fake_run())}
    first, *going, last = handler.search(message)
    assert first == {"asked": 7, "busy": words.BUSY}
    assert going
    assert going[0]["total"] == 206
    assert going[0]["picture"].startswith("data:image/jpeg")
    assert last["asked"] == 7
    assert last["line"].startswith(
        "“cat”: 90.0 % with the picture, 10.0 % with none of it. The first 1"
    )
    assert last["line"].endswith(words.ENDED.format(count=1))
    assert handler.stopped({"ask": 8}) == {
        "asked": 8,
        "text": words.FOLD["stopped"],
        "kind": "note",
    }
    whole = [*handler.search({**CELLS, "target": "answer"})][-1]
    assert whole["line"].startswith("“the whole answer”")


def test_maps_are_held_against_the_order_that_was_found(handler):
    message = {**CELLS, "subject": cat(fake_run())}
    shown = {"panel": controls.panel_value(), "options": {"eagle": {}, "tam": {}}}
    assert handler.agreement(message | shown)["text"] == words.NOT_SEARCHED
    list(handler.search(message))
    told = handler.agreement(message | shown)
    rows = {name: cells for name, *cells in told["rows"]}
    assert list(rows) == [*(method.label for method in METHODS.values()), words.CHANCE]
    assert all(len(cells) == len(told["columns"]) for cells in rows.values())
    assert rows["Logit lens"][2] == words.OTHER, "the fake's search names the last part"
    assert handler.agreement(message)["kind"] == "error"
    whole = {**CELLS, "target": "answer"}
    list(handler.search(whole))
    assert len(handler.agreement(whole | shown)["rows"]) == len(rows)


def test_a_word_is_taken_away_and_both_answers_are_shown(handler, explainer):
    message = {**CELLS, "subject": cat(fake_run())}
    early = [*handler.correct(message)][-1]
    assert early["text"] == words.NOT_SEARCHED
    list(handler.search(message))
    _, tried, fixed = handler.correct(message)
    assert tried["busy"] == "1 part hidden, 6 % of the picture; asked again…"
    assert fixed["line"] == "“cat” goes when 2 parts are hidden, 11 % of the picture."
    changed = [
        "".join(p["text"] for p in fixed[name] if p["changed"]) for name in ("before", "after")
    ]
    assert changed == [" cat", " dog"]
    assert len(explainer.calls) == 2
    whole = {**CELLS, "target": "answer"}
    assert [*handler.correct(whole)][-1]["text"] == words.NOT_A_WORD


def test_the_counter_word_stands_in_place_of_yes(handler):
    run = fake_run(("Yes", ",", " it", " is"))
    handler._handlers._store.put(
        "yes", replace(run, settings={**run.settings, "words": {"No": [20]}})
    )
    asked = {**CELLS, "run": "yes", "target": "counter"}
    found, request = handler.find(asked)
    assert request.word.at == run.indices(ANSWER)[0]
    assert found.found.order[0] == 15
    assert [*handler.search(CELLS | {"target": "counter"})][-1]["text"] == words.NO_COUNTER


def test_words_that_do_not_need_the_picture_are_flagged(handler):
    run = FakeExplainer().add_evidence(fake_run())
    assert [word.text for word in flag_words(run)] == ["cat", "dog", "grass"]
    assert flag_words(fake_run()) == []
    assert handler.flagged({"run": "gone"}) == {"text": texts.EXPIRED, "kind": "error"}


def test_programs_get_the_search_and_the_correction(handler):
    told = RegionsEndpoint(handler).regions(
        "key", cat(fake_run()), regions=16, parts="cells", correct=True
    )
    assert told["order"][0] == 15
    assert told["searched"] == 1
    assert told["insight"][1] == pytest.approx(0.9)
    assert len(told["share"]) == 17
    assert np.shape(told["maps"][0]) == fake_run().scales[0].views[0].grid
    assert told["correction"]["is_corrected"]
    assert told["correction"]["regions"] == told["order"][:2]


@pytest.mark.parametrize(
    "junk", [None, {}, {"target": "x"}, {"regions": 3}, {"parts": "hexagons"}, {"subject": 3}]
)
def test_what_the_page_asks_is_checked(handler, junk):
    message = junk and {**CELLS, "subject": cat(fake_run()), **junk}
    for act in (handler.search, handler.correct):
        assert [*act(message)][-1]["kind"] == "error"


def test_changes_are_marked_word_by_word():
    before, after = _changes("A red cat sits.", "A cat sits there.")
    assert [piece.text for piece in before if piece.changed] == [" red", " sits."]
    assert [piece.text for piece in after if piece.changed] == [" sits", " there."]
