"""What is sent to the page."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from explainer.export import DIVERGING, SEQUENTIAL, colour_table, fonts
from explainer.export.small_print import notes
from explainer.methods import COMPARISON, METHODS
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.otsu import levels
from explainer.methods.subjects import Span, explain_subject
from explainer.run.geometry import Placement
from explainer.web import controls, payload
from tests.ui.fake import fake_run


def test_characters_that_no_font_draws_are_told_before_saving(monkeypatch):
    monkeypatch.setattr(fonts, "find_undrawable", lambda text: [c for c in text if c == "🦊"])
    told = payload.bar(fake_run((" a", " 🦊")), "key")["undrawable"]
    assert "🦊 (U+1F98A), so pictures spell the code point; SVG keeps the text" in told
    assert payload.bar(fake_run((" a", " cat")), "key")["undrawable"] == ""


def heat(values, signed=False, extent=(0.0, 0.0, 336.0, 336.0)):
    part = MapPart(np.asarray(values, np.float32), Placement.even(extent))
    return Heatmap((part,), signed, "words", {"beta": 0.5})


def test_all_tokens_have_chips_with_their_roles():
    run = fake_run()
    chips = payload.bar(run, "key")["chips"]
    assert {c["role"] for c in chips} == {"answer", "prompt", "template"}
    assert [c["text"] for c in chips if c["role"] == "answer"][:3] == ["A", "cat", "and"]
    assert [run.chips[c["index"]].text for c in chips if c["role"] == "prompt"] == [
        "Describe",
        " it.",
    ]


def test_the_first_content_word_is_the_subject():
    run = fake_run()
    bar = payload.bar(run, "key")
    assert run.chips[bar["subject"]["chip"]].text == " cat"
    assert payload.bar(run, "key", {"chip": 9})["subject"] == {"chip": 9}


@pytest.mark.parametrize(
    ("texts", "first"), [(("Yes", "."), "Yes"), ((" ", "\n"), " "), (("\n", " cat"), " cat")]
)
def test_without_a_content_word_the_first_token_is_active(texts, first):
    run = fake_run(texts)
    assert run.chips[payload.first_chip(run)].text == first


def test_an_empty_answer_leaves_the_prompt():
    run = fake_run(())
    assert run.chips[payload.first_chip(run)].text == "Describe"


def test_a_character_of_several_tokens_is_one_chip():
    run = fake_run(("🍎", "", "", " red"))
    answer = [c for c in payload.bar(run, "key")["chips"] if c["role"] == "answer"]
    assert [c["text"] for c in answer] == ["🍎", "red"]


def test_probabilities_multiply_and_unknown_ones_stay_out():
    run = fake_run(("🍎", "", " red"))
    probs = np.full(len(run.tokens), np.nan, np.float32)
    probs[-3:] = 0.5, 0.5, 0.1
    run = replace(run, probs=probs)
    assert "25.0 %" in payload.bar(run, "key")["chips"][-2]["label"]


def test_values_become_steps_of_the_colour_table():
    assert levels(np.array([0, 0.5, 1])).tolist() == [0, 128, 255]
    assert levels(np.array([-1, 0, 1]), signed=True).tolist() == [0, 128, 255]
    assert levels(np.array([-1, np.nan, 2])).tolist() == [0, 0, 255]
    assert levels(np.array([-2, np.nan, 2]), signed=True).tolist() == [0, 128, 255]


def test_the_extent_is_sent_as_fractions_of_the_picture():
    run = fake_run(size=(100, 200))
    heats = {"tam": heat([[1.0]], extent=(20, 10, 180, 60))}
    value = payload.entry(run, {"chip": 8}, "cat", heats, "").as_json()
    assert value["maps"][0]["parts"][0]["extent"] == [0.1, 0.1, 0.9, 0.6]
    json.dumps(value, allow_nan=False)


def test_one_colour_table_for_python_and_page():
    for name in (*SEQUENTIAL, *DIVERGING):
        sent = np.frombuffer(base64.b64decode(payload.tables()[name]), np.uint8)
        assert np.array_equal(sent.reshape(256, 3), colour_table(name))


def test_where_a_map_is_strongest_is_said_in_words():
    def told(values):
        part = heat(values).parts[0]
        return payload.part_value(np.zeros((9, 9, 3), np.uint8), part, False, "map").alt

    values = np.zeros((9, 9), np.float32)
    assert told(values) == "map: empty"
    values[8, 0] = 0.75
    assert told(values) == "map: strongest in the lower left, 0.75; 1 % of it stands out"
    values[4, 4] = 1
    assert told(values) == "map: strongest in the center, 1.00; 2 % of it stands out"


def test_a_faint_map_has_no_outline_and_says_so():
    """On the page, in figures and for screen readers; of a signed map either sign stands out."""
    values = np.zeros((9, 9), np.float32)
    values[0, :] = 0.06
    value = payload.entry(fake_run(), {"chip": 8}, "cat", {"tam": heat(values)}, "")
    (told,) = value.maps
    assert told.note == "β = 0.50, nothing stands out"
    assert told.parts[0].otsu is None
    assert told.parts[0].alt.endswith("nothing stands out, its peak is 0.06")
    values[4, 4] = 0.1
    (told,) = payload.entry(fake_run(), {"chip": 8}, "cat", {"tam": heat(values)}, "").maps
    assert told.note == "β = 0.50"
    assert told.parts[0].otsu is not None
    assert notes(heat(-10 * values, signed=True)) == "β = 0.50"
    assert notes(heat(-0.5 * values, signed=True)) == "β = 0.50, nothing stands out"


def test_what_stands_out_is_told_in_shares_of_the_picture():
    """The first row is a sliver: half of its cells are no part of the picture worth telling."""
    values = np.zeros((3, 2), np.float32)
    values[0] = 1
    place = Placement((0.0, 0.0, 100.0, 201.0), (0.0, -99.0, 100.0, 201.0))
    part = MapPart(values, place)
    told = payload.part_value(np.zeros((201, 100, 3), np.uint8), part, False, "map")
    assert told.alt == "map: strongest in the upper left, 1.00; < 1 % of it stands out"
    assert told.frame == pytest.approx([0, -99 / 201, 1, 1])
    assert told.extent == [0, 0, 1, 1]


def test_pictures_are_sent_as_data():
    value = payload.picture(fake_run(size=(100, 200)), "key")
    assert value["run"] == "key"
    (image,) = value["images"]
    assert image["ratio"] == 2
    assert image["label"] == ""
    assert image["src"].startswith("data:image/jpeg;base64,")
    assert "thumbnail" not in image


def test_several_pictures_have_names_thumbnails_and_peaks():
    run = replace(fake_run(images=3), labels=("", "frames 3–4, 0:01.0 to 0:01.5", ""))
    value = payload.picture(run, "key")
    assert [i["label"] for i in value["images"]] == ["picture 1", run.labels[1], "picture 3"]
    assert all(i["thumbnail"].startswith("data:image/jpeg") for i in value["images"])
    chip = payload.first_chip(run)
    word = Span(run.chips[chip].tokens)
    heats = {n: explain_subject(METHODS[n], run, word) for n in ("msea_arc", "tam")}
    sent = payload.entry(run, {"chip": chip}, "cat", heats, "line").as_json()
    parts = heats["msea_arc"].parts
    assert sent["peaks"] == [pytest.approx(p.values.max(), abs=1e-3) for p in parts]
    assert [len(m["parts"]) for m in sent["maps"]] == [3, 3]
    assert "map of “cat” on picture 3: strongest in the" in sent["maps"][1]["parts"][2]["alt"]
    json.dumps([sent, value], allow_nan=False)
    assert payload.thumbnail(np.zeros((10, 30, 3), np.uint8)).startswith(b"\xff\xd8\xff")


def test_the_menu_of_methods_is_the_registry():
    menu = {told["name"]: told for told in payload.view_props()["methods"]}
    assert list(menu) == [*METHODS, *COMPARISON]
    assert all(told["summary"] for told in menu.values())
    asking = [name for name, told in menu.items() if told["asks"]]
    assert asking == [name for name in COMPARISON if name != "cam"], "the last of the menu"
    assert not {*asking} & {*controls.SHOWN}


@pytest.mark.parametrize("signed", [False, True])
def test_what_stands_out_lies_above_the_step_that_is_sent(signed):
    values = np.full((8, 8), -0.25 if signed else 0.1, np.float32)
    values[2:4, 2:5] = 0.8
    part = heat(values, signed).parts[0]
    sent = payload.part_value(np.zeros((336, 336, 3), np.uint8), part, signed, "")
    above = levels(part.values, signed) > sent.otsu
    assert np.array_equal(above, values > 0.5)
