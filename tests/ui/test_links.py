"""Links and remembered settings: what is right is used, and what is not is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import ModelError
from explainer.media.images import open_image
from explainer.run import ANSWER, Run
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui.handlers import PageExample
from explainer.ui.sections.links import words as link_words
from explainer.ui.sections.links.links import Links
from explainer.ui.sections.links.parameters import Doubts
from explainer.ui.sections.links.settings import defaults
from explainer.web import controls, texts
from tests.ui.fake import SIDE, FakeExplainer, fake_run, with_layers

DARK = np.full((SIDE, SIDE, 3), 60, np.uint8)
EXAMPLES = [
    PageExample(open_image(DARK), "Describe it.", "Dark"),
    PageExample(open_image(DARK + np.uint8(90)), "Is it light?", "Light"),
]


@pytest.fixture
def store() -> RunStore:
    return RunStore()


@pytest.fixture
def page(store) -> Links:
    return Links(Models.of_one(FakeExplainer()), store, EXAMPLES)


def restored(page: Links, remembered=None, **query: str) -> dict:
    return page.restore({"query": query, "remembered": remembered})


def test_an_empty_link_leaves_everything_as_it_is(page):
    assert restored(page) == nothing("")


def nothing(text: str) -> dict:
    """Return what is restored from a link that says nothing that can be used."""
    return {"settings": defaults(), "asks": False, "layer": None, "text": text}


def test_a_link_sets_the_sliders_the_methods_and_their_options(page):
    told = restored(
        page, scales="0.5,1,0.7", k="9", beta="1.5", methods="arc,tam", opacity="0.8",
        colours="viridis", **{"tam.normalisation": "token", "arc.state": "own"},
    )  # fmt: skip
    settings = told["settings"]
    assert told["text"] == ""
    alphas = settings["panel"]["alphas"]
    assert [f for f, on in alphas if on] == [0.5, 1.0, 0.7]
    assert [0.75, False] in alphas, "the usual ones keep their places"
    assert (settings["panel"]["k"], settings["panel"]["beta"]) == (9, 1.5)
    assert list(settings["options"]) == ["arc", "tam"]
    assert settings["options"]["tam"]["normalisation"] == "token"
    assert settings["options"]["arc"]["state"] == "own"
    assert (settings["opacity"], settings["colours"]) == (0.8, "viridis")
    checked = controls.read_settings(settings["panel"], settings["options"])
    assert checked.scales == (0.5, 1.0, 0.7)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"k": "999999"}, "k must lie in"),
        ({"k": "nan"}, "k"),
        ({"k": "inf"}, "k"),
        ({"k": "<script>"}, "'<script>' is no number"),
        ({"beta": "-1"}, "beta"),
        ({"scales": ""}, "is no number"),
        ({"scales": "7"}, "scales must lie"),
        ({"scales": "0.1,0.2,0.3,0.4,0.5,0.6,0.7"}, "scale"),
        ({"methods": "no_such"}, "no method"),
        ({"methods": "__proto__"}, "no method"),
        ({"tam.no_such": "1"}, "no method that is shown has such an option"),
        ({"constructor.x": "1"}, "no method that is shown has such an option"),
        ({"tam.normalisation": "pink"}, "normalisation"),
        ({"opacity": "2"}, "opacity must lie"),
        ({"weights": "0.5:9"}, "scale_weights must lie"),
        ({"weights": "0.3:1"}, "no slider for the scale"),
        ({"weights": "2"}, "no slider"),
        ({"weights": "0.5:<b>"}, "is no number"),
        ({"word": "3"}, "the answer to the example"),
        ({"against": "3"}, "the answer to the example"),
        ({"colours": "pink"}, "colours"),
        ({"example": "0"}, "example must lie in"),
        ({"example": "99"}, "example must lie in"),
        ({"model": "no/such"}, "not one of the models offered here"),
        ({"tokens": "100000"}, "Longest answer"),
        ({"temperature": "hot"}, "is no number"),
        ({"layer": "0"}, "layer must lie in"),
        ({"layer": "<b>"}, "is no number"),
    ],
)
def test_what_a_link_says_wrongly_is_left_out_and_told(page, query, why):
    told = restored(page, **query)
    assert told["settings"] == defaults()
    assert not told["asks"]
    assert told["layer"] is None
    assert next(iter(query)) in told["text"]
    assert why in told["text"]


def test_settings_that_do_not_go_together_are_left_out(page):
    kept = defaults()
    kept["panel"]["weights"] = [0, 1, 1, 1, 1]
    told = restored(page, kept, k="9", scales="0.5")
    assert told["settings"] == kept
    assert "do not go together" in told["text"]


@pytest.mark.parametrize(
    "told",
    [None, 3, {}, {"query": []}, {"query": {"k": 3}}, {"query": {"prompt": "x" * 3000}}],
)
def test_junk_leaves_the_defaults(page, told):
    got = page.restore(told)
    assert got == nothing(link_words.TOO_LONG)


def test_remembered_settings_come_back(page):
    kept = defaults()
    kept["panel"]["k"] = 77
    assert restored(page, kept)["settings"]["panel"]["k"] == 77
    assert restored(page, kept, k="5")["settings"]["panel"]["k"] == 5, "a link comes first"


@pytest.mark.parametrize(
    "change",
    [
        {"panel": None},
        {"panel": {**controls.panel_value(), "alphas": [[1.0, True]]}},
        {"panel": {**controls.panel_value(), "k": "9"}},
        {"options": {"tam": {}}},
        {"options": {}},
        {"opacity": "x"},
        {"colours": ["inferno"]},
        {"more": 1},
    ],
)
def test_remembered_settings_that_do_not_fit_are_forgotten(page, change):
    got = restored(page, {**defaults(), **change})
    assert got["settings"] == defaults()
    assert got["text"] == link_words.FORGOTTEN


def test_a_link_asks_with_its_example_or_its_own_prompt(page):
    doubts = Doubts()
    assert page.parse({"example": "2"}, doubts)[:2] == (EXAMPLES[1], "Is it light?")
    asked = page.parse({"example": "2", "prompt": "Why?", "tokens": "8", "seed": "3"}, doubts)
    assert asked.prompt == "Why?"
    assert (asked.decoding.max_new_tokens, asked.decoding.seed) == (8, 3)
    assert doubts.text == ""
    assert restored(page, example="1")["asks"]
    assert restored(page, prompt="Why?")["asks"]
    assert restored(page, layers="all", layer="2")["layer"] == 2


def test_a_link_of_a_run_says_how_it_was_asked_for(page, store):
    told = {"max_new_tokens": 8, "temperature": 0.5, "seed": 3}
    run = replace(fake_run(), images=(EXAMPLES[1].picture.pixels,), settings=told)
    store.put("a" * 32, replace(run, prompt="Is it light?"))
    store.put("b" * 32, replace(run, prompt="Why?", images=(DARK + np.uint8(1),), settings={}))
    query = page.parameters({"run": "a" * 32})["query"]
    assert query == {"example": "2", "tokens": "8", "temperature": "0.5", "seed": "3"}
    asked = page.parse(query, Doubts())
    assert (asked.prompt, asked.example) == ("Is it light?", EXAMPLES[1])
    assert page.parameters({"run": "b" * 32})["query"] == {"prompt": "Why?"}
    for junk in (None, {"run": "c" * 32}, {"run": ["x"]}):
        assert page.parameters(junk) == {"run": None, "query": {}, "text": ""}
    store.put("d" * 32, replace(fake_run(), prompt="x" * 100_000))
    told = page.parameters({"run": "d" * 32})
    assert (told["query"], told["text"]) == ({}, link_words.WITHOUT_PROMPT)


def test_a_link_of_a_run_says_which_layers_it_has(page, store):
    run = replace(fake_run(), prompt="Why?")
    all_of_them = with_layers(run)
    every_second = replace(all_of_them, layers=all_of_them.layers[:1])
    odd = replace(all_of_them, layers=all_of_them.layers[1:])
    for some, told in ((run, {}), (all_of_them, {"layers": "all"}), (odd, {})):
        store.put("a" * 32, some)
        assert page.parameters({"run": "a" * 32})["query"] == {"prompt": "Why?"} | told
    store.put("a" * 32, every_second)
    query = page.parameters({"run": "a" * 32})["query"]
    assert page.parse(query, Doubts()).decoding.layers == "even"


def test_a_link_weighs_scales(page):
    told = restored(page, scales="0.5,1", weights="0.5:2,1:0.3")
    panel = told["settings"]["panel"]
    assert told["text"] == ""
    weighed = dict(zip([f for f, _ in panel["alphas"]], panel["weights"], strict=True))
    assert (weighed[0.5], weighed[1.0], weighed[0.75]) == (2, 0.3, 1)
    knobs = controls.read_settings(panel, told["settings"]["options"]).knobs["msea_arc"]
    assert (knobs["scales"], knobs["scale_weights"]) == ((0.5, 1.0), (2.0, 0.3))
    refused = restored(page, weights="0.5:0,0.75:0,1:0")
    assert refused["settings"] == defaults()
    assert "were left out" in refused["text"]


@pytest.fixture
def answered(store) -> Run:
    """The answer to the second example, stored as aaa…"""
    run = replace(fake_run(), images=(EXAMPLES[1].picture.pixels,), prompt="Is it light?")
    store.put("a" * 32, run)
    return run


def chosen(page: Links, **query: str) -> dict:
    return page.chosen({"run": "a" * 32, "query": {"example": "2", **query}})


def test_a_link_chooses_in_the_answer_to_its_example_only(page, answered):
    nothing = {"subject": None, "lacks": [], "text": ""}
    assert chosen(page) == nothing
    assert chosen(page, word="3") == nothing | {"subject": {"chip": 3}}
    astray = ({"example": "1", "word": "3"}, {"prompt": "Why?", "word": "3"}, {"against": "3"})
    for query in astray:
        told = chosen(page, **query)
        assert told["subject"] is None
        assert link_words.WORD in told["text"]
    assert "word was left out" in restored(page, word="3")["text"]
    assert "against was left out" in restored(page, against="3")["text"]
    for junk in (None, {"run": "b" * 32, "query": {}}, {"run": "a" * 32, "query": 3}):
        assert page.chosen(junk)["subject"] is None
        assert page.chosen(junk)["text"]


def test_what_is_explained_goes_into_a_link_and_comes_back(page, answered):
    at, other = map(int, answered.indices(ANSWER)[1:3])
    dog = int(answered.tokens.ids[at + 3])
    subjects = (
        {"chip": 3},
        {"tokens": [at, other], "by": "max"},
        {"tokens": [at, other], "by": "first"},
        {"at": other, "ids": [dog]},
        {"at": other, "ids": [dog], "by": "mean"},
        {"plus": {"chip": 3}, "minus": {"at": at, "ids": [dog]}},
        {"plus": {"at": at, "ids": [dog]}, "minus": {"tokens": [at, other], "by": "mean"}},
    )
    for subject in subjects:
        told = page.written({"run": "a" * 32, "subject": subject})
        assert told["text"] == ""
        assert chosen(page, **told["query"]) == {"subject": subject, "lacks": [], "text": ""}
    query = page.written({"run": "a" * 32, "subject": subjects[3]})["query"]
    assert query == {"word": f"{other}={answered.pieces[dog]}"}


@pytest.mark.parametrize(
    "text",
    [
        *("999", "-1", "1.5", "", " ", "1e3", "<b>", "{}", '{"chip": 3}', "__proto__", "٣"),
        *("t", "t1,", "t999999999", "t0:sum", "t0,0x1", "t" + ",".join("0" * 900)),
        *("999999=cat", "-1=cat", "=cat", "7=", "7= ", "7:sum=cat", "7:=cat", "7=" + "x" * 101),
    ],
)
def test_words_of_hostile_links_are_left_out_and_told(page, answered, text):
    for query in ({"word": text}, {"word": "3", "against": text}):
        told = chosen(page, **query)
        assert told["subject"] == ({"chip": 3} if "against" in query else None)
        assert told["lacks"] == []
        assert told["text"].startswith(f"The link's {list(query)[-1]} was left out")
        assert texts.BROKEN not in told["text"]


def test_words_that_the_run_lacks_are_brought_first(store, answered):
    def with_words(key, words):
        brought.append(words)
        run = FakeExplainer().add_words(store.get(key), words)
        store.put(key, run)
        return run

    brought = []
    page = Links(Models.of_one(FakeExplainer()), store, EXAMPLES, with_words)
    at = int(answered.indices(ANSWER)[1])
    query = {"word": f"{at}= sheep", "against": f"{at}:mean=hot <b>dog</b>"}
    told = chosen(page, **query)
    assert told == {"subject": None, "lacks": [" sheep", "hot <b>dog</b>"], "text": ""}
    got = page.bring({"run": "a" * 32, "query": {"example": "2", **query}})
    assert brought == [(" sheep", "hot <b>dog</b>")]
    assert (got["run"], got["lacks"], got["text"]) == ("a" * 32, [], "")
    assert (got["subject"]["plus"]["at"], got["subject"]["minus"]["by"]) == (at, "mean")
    assert page.bring({"run": "a" * 32, "query": {"example": "2", "word": "3"}})["subject"]
    assert len(brought) == 1, "what is there is not brought again"


def test_a_word_that_cannot_be_brought_is_told(answered, store):
    def refuse(key, words):
        raise ModelError("no model is loaded here")

    page = Links(Models.of_one(FakeExplainer()), store, EXAMPLES, refuse)
    at = int(answered.indices(ANSWER)[1])
    got = page.bring({"run": "a" * 32, "query": {"example": "2", "word": f"{at}= sheep"}})
    assert (got["subject"], got["text"]) == (None, "No model is loaded here")
    for junk in (None, 3, {"run": ["x"]}, {"run": "b" * 32, "query": {}}):
        assert page.bring(junk)["subject"] is None


@pytest.mark.parametrize("subject", [None, 3, {}, {"chip": 99}, {"at": 0, "ids": [10**8]}])
def test_what_is_no_subject_is_not_written(page, answered, subject):
    told = page.written({"run": "a" * 32, "subject": subject})
    assert told["query"] == {}
    assert told["text"]


def test_a_word_whose_text_is_another_ones_is_not_written(page, store, answered):
    at = int(answered.indices(ANSWER)[1])
    first, second = (int(i) for i in answered.unembedding.ids[:2])
    store.put("a" * 32, replace(answered, pieces={**answered.pieces, first: "x", second: "x"}))
    told = page.written({"run": "a" * 32, "subject": {"at": at, "ids": [second]}})
    assert told["query"] == {}
    assert "which word" in told["text"]


def test_a_link_names_no_model_that_would_have_to_be_loaded(page):
    assert page.parse({"model": "fake-model"}, Doubts()).model == "fake-model"
    doubts = Doubts()
    assert page.parse({"model": "org/large"}, doubts).model == ""
    assert doubts.text.startswith("The link's model was left out")
